"""Energy: the counters in which a machine's processors and GPUs add up the joules that they take.

A processor's are those of RAPL, which Linux shows as zones of powercap; a GPU's is that of NVML. Each counts all that
runs on its package or card. Reading one never raises: what cannot be read, or makes no sense, is None. Sources: the
kernel's Documentation/power/powercap, Intel's Software Developer's Manual 3B (RAPL), NVML's API reference.
"""

import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.host.procfs import ROOT, peek

_RAPL, _NVML = "RAPL", "NVML"
_UPDATE_S = {_RAPL: 0.001, _NVML: 0.1}
"""Seconds from one step of a counter to its next: RAPL's about a millisecond, NVML's 20 to 100."""
_SLOWEST_UPDATE_S = max(_UPDATE_S.values())
_MOST_PACKAGE_W, _MOST_GPU_W = 700.0, 3000.0
"""Watts that no package, and no card, takes: a counter that rose faster was reset, or makes no sense."""
_IDLE_S = 2.0
_POWERCAP = "sys/class/powercap"


@dataclass(frozen=True)
class Counter:
    """One counter of energy."""

    name: str
    """"RAPL package-0", "NVML GPU 0": the same in every process of a machine."""
    read: Callable[[], float | None]
    """The joules so far; None where it does not say."""
    most_w: float
    range_j: float | None = None
    """Joules after which it begins again at zero; None where it never does."""

    def find_rise(self, before: float | None, after: float | None, seconds: float) -> float | None:
        """Return the joules between two readings so many seconds apart.

        None where either is missing, where the counter jumped, or may have begun again more than once.
        """
        if before is None or after is None or (self.range_j and seconds * self.most_w > self.range_j):
            return None
        rise = after - before
        if rise < 0 and self.range_j:
            rise += self.range_j
        return rise if 0 <= rise <= self.most_w * (seconds + 2 * _SLOWEST_UPDATE_S) else None


class EnergyMeter:
    """Reads counters at the two ends of an interval; without counters it costs nothing."""

    def __init__(self, counters: Sequence[Counter] = ()) -> None:
        self.names = tuple(counter.name for counter in counters)
        self._counters = counters
        self._began: list[float | None] = []

    def begin(self) -> None:
        """Begin an interval."""
        self._began = [counter.read() for counter in self._counters]

    def end(self, seconds: float) -> float | None:
        """End the interval, which took so many seconds; returns its joules, None where not every counter says them."""
        rises = self.end_each(seconds)
        known = [rise for rise in rises.values() if rise is not None]
        return sum(known) if known and len(known) == len(rises) else None

    def end_each(self, seconds: float) -> dict[str, float | None]:
        """The same by the counters' names."""
        now = [counter.read() for counter in self._counters]
        pairs = zip(self._counters, self._began, now, strict=True)
        return {counter.name: counter.find_rise(before, after, seconds) for counter, before, after in pairs}


def find_update_s(names: Sequence[str]) -> float:
    """Return the seconds between two steps of the slowest of these counters."""
    return max((_UPDATE_S.get(name.partition(" ")[0], _SLOWEST_UPDATE_S) for name in names), default=0.0)


def measure_idle_power(root: Path = ROOT, nvml: Any = None) -> dict[str, float]:
    """Return the watts that each counter shows while this process sleeps for two seconds; at once where there is none.

    ``nvml`` replaces the module `pynvml`, which is used where it is installed.
    """
    with _list_counters(root, nvml) as counters:
        if not counters:
            return {}
        meter = EnergyMeter(counters)
        meter.begin()
        began = time.perf_counter()
        time.sleep(_IDLE_S)
        seconds = time.perf_counter() - began
        return {name: rise / seconds for name, rise in meter.end_each(seconds).items() if rise is not None}


def describe_counters(root: Path = ROOT, nvml: Any = None) -> str:
    """Say in a sentence or two which counters this machine has, or why it has none."""
    with _list_counters(root, nvml) as counters:
        names = [counter.name for counter in counters]
    found = [f"Energy is counted: {' + '.join(names)}."] if names else []
    if not any(name.startswith(_RAPL) for name in names) and _list_zones(root):
        found.append(
            "RAPL counts the processor's energy, but this user may not read it: "
            f"`sudo chmod a+r /{_POWERCAP}/intel-rapl:*/energy_uj` allows it until the next boot."
        )
    return " ".join(found) or (
        "Energy is not counted: neither RAPL (Linux on an Intel or AMD processor, seldom in a virtual machine or a "
        "container) nor NVML (an NVIDIA GPU, and the package nvidia-ml-py) is here."
    )


# --------------------------------------------------------------------------------- RAPL


def find_rapl_counters(root: Path = ROOT) -> list[Counter]:
    """Find the processors' counters: one for each package, and one for its memory where there is one.

    The other zones are parts of a package (core, uncore) or contain it (psys). None unless all can be read.
    """
    counters = [_make_rapl_counter(folder, name) for folder, name in _list_zones(root)]
    return counters if all(counter.read() is not None for counter in counters) else []


def _list_zones(root: Path) -> list[tuple[Path, str]]:
    """Folders of the zones to add up, with their names; intel-rapl-mmio, which shows them again, is left out."""
    folders: list[Path] = []
    with suppress(OSError):
        folders = sorted((root / _POWERCAP).glob("intel-rapl:*"))
    names = {folder.name: (peek(folder, "name", 64) or "").strip() for folder in folders}
    zones = []
    for folder in folders:
        name, around = names[folder.name], names.get(folder.name.rpartition(":")[0], "")
        if name.startswith("package"):
            zones.append((folder, name))
        elif name == "dram":  # below its package, whose own counter leaves it out
            zones.append((folder, f"{around} {name}".strip()))
    return zones


def _make_rapl_counter(folder: Path, name: str) -> Counter:
    return Counter(
        f"{_RAPL} {name}",
        lambda: _read_microjoules(folder, "energy_uj"),
        _MOST_PACKAGE_W,
        _read_microjoules(folder, "max_energy_range_uj"),
    )


def _read_microjoules(folder: Path, name: str) -> float | None:
    """A file's microjoules, in joules."""
    text = (peek(folder, name, 64) or "").strip()
    return int(text) / 1e6 if text.isascii() and text.isdigit() else None


# --------------------------------------------------------------------------------- NVML


def find_gpu_counter(nvml: Any, handle: Any) -> Counter | None:
    """Find the counter of a GPU by its handle; None for one that has none, as before Volta or for a slice of one."""

    def read() -> float | None:
        try:
            return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3
        except Exception:  # noqa: BLE001 - the driver, or an older module without this call; a run must not end of it
            return None

    try:
        counter = Counter(f"{_NVML} GPU {nvml.nvmlDeviceGetIndex(handle)}", read, _MOST_GPU_W)
    except Exception:  # noqa: BLE001 - likewise
        return None
    return counter if counter.read() is not None else None


@contextmanager
def _list_counters(root: Path, nvml: Any) -> Iterator[list[Counter]]:
    """All counters of the machine, as long as the context lasts."""
    with _open_nvml(nvml) as opened:
        yield [*find_rapl_counters(root), *(_list_gpu_counters(opened) if opened else ())]


@contextmanager
def _open_nvml(nvml: Any) -> Iterator[Any]:
    """NVML, open; None without a driver or the module."""
    try:
        nvml = nvml or importlib.import_module("pynvml")
        nvml.nvmlInit()
    except Exception:  # noqa: BLE001 - the optional module, its library or the driver is not there
        yield None
        return
    try:
        yield nvml
    finally:
        with suppress(Exception):
            nvml.nvmlShutdown()


def _list_gpu_counters(nvml: Any) -> list[Counter]:
    try:
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
    except Exception:  # noqa: BLE001 - see `find_gpu_counter`
        return []
    return [counter for handle in handles if (counter := find_gpu_counter(nvml, handle)) is not None]
