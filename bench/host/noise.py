"""Noise indicators: what other programs did to the machine between two readings of its counters.

Reading the counters takes 30 to 90 microseconds, so that they can be read before and after every epoch. All that is
Linux' own is read through `root`. Sources: proc(5), getrusage(2), the kernel's Documentation/accounting/psi.rst.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from bench.host.cgroup import find_groups, read_affinity
from bench.host.procfs import ROOT, peek, read_load, read_mhz

if sys.platform != "win32":
    import resource

# ------------------------------------------------------------------------------- counters

TICKS_PER_S: int = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
"""/proc/stat counts in these; 100 on every Linux that TensorFlow runs on."""


@dataclass(frozen=True, kw_only=True)
class MachineCounters:
    """The machine's counters at one instant; None where a figure cannot be read."""

    monotonic_ns: int
    """`time.perf_counter_ns()`."""
    cores: int | None
    """CPUs that the ticks below are summed over: those that this process may run on."""
    total_ticks: int | None
    """Time of these CPUs, in ticks: busy, idle and stolen."""
    busy_ticks: int | None
    """Of them, spent on any process or the kernel."""
    steal_ticks: int | None
    """Of them, taken by the hypervisor for other machines."""
    cpu_pressure_us: int | None
    """Time in which some task waited for a CPU: PSI's `some` total, of this process' cgroup where it keeps one."""
    memory_pressure_us: int | None
    """Time in which some task waited for memory."""
    io_pressure_us: int | None
    """Time in which some task waited for input or output."""
    load: float | None
    """Load average over one minute."""


@dataclass(frozen=True, kw_only=True)
class ProcessCounters:
    """The calling process' own counters at one instant; None where the system has no getrusage(2)."""

    cpu_s: float
    """CPU seconds, user and system, of all its threads."""
    voluntary: int | None
    """Context switches because it waited."""
    involuntary: int | None
    """Context switches because its time was up or another task came first."""
    minor_faults: int | None
    """Page faults that were served without reading a disk."""
    major_faults: int | None
    """Page faults that read a disk."""
    mhz: float | None
    """Clock of the first CPU that the process may run on."""


def read_machine_counters(root: Path = ROOT) -> MachineCounters:
    """Read the machine's counters."""
    return MachineCounters(
        monotonic_ns=time.perf_counter_ns(),
        **_sum_ticks(peek(root, "proc/stat")),
        cpu_pressure_us=_read_pressure(root, "cpu"),
        memory_pressure_us=_read_pressure(root, "memory"),
        io_pressure_us=_read_pressure(root, "io"),
        load=read_load(root),
    )


def read_process_counters(root: Path = ROOT) -> ProcessCounters:
    """The calling process' counters now."""
    if sys.platform == "win32":
        counters: tuple[int | None, ...] = (None, None, None, None)
    else:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        counters = (usage.ru_nvcsw, usage.ru_nivcsw, usage.ru_minflt, usage.ru_majflt)
    voluntary, involuntary, minor, major = counters
    return ProcessCounters(
        cpu_s=time.process_time(),
        voluntary=voluntary,
        involuntary=involuntary,
        minor_faults=minor,
        major_faults=major,
        mhz=read_mhz(root, min(read_affinity(), default=0)),
    )


def _sum_ticks(stat: str | None) -> dict[str, int | None]:
    """Sums over the CPUs that this process may run on; over all of them where its affinity is not known.

    user, nice, system, idle, iowait, irq, softirq, steal; the guest's time that follows is counted within user.
    """
    lines = [line.split() for line in (stat or "").splitlines() if line.startswith("cpu")]
    allowed = {f"cpu{number}" for number in read_affinity()}
    counted = [line for line in lines if line[0] in allowed] or [line for line in lines if line[0] != "cpu"]
    if not counted:
        return dict.fromkeys(("cores", "total_ticks", "busy_ticks", "steal_ticks"))
    sums = [sum(column) for column in zip(*(map(int, line[1:9]) for line in counted), strict=True)]
    total, idle, steal = sum(sums), sum(sums[3:5]), sum(sums[7:8])
    return {"cores": len(counted), "total_ticks": total, "busy_ticks": total - idle - steal, "steal_ticks": steal}


def _read_pressure(root: Path, kind: str) -> int | None:
    """Microseconds, from `some avg10=0.00 avg60=0.00 avg300=0.00 total=4733208`."""
    text = peek(*_find_pressure_file(root, kind))
    total = text.partition("\n")[0].rpartition("total=")[2] if text else ""
    return int(total) if total.isdigit() else None


@lru_cache
def _find_pressure_file(root: Path, kind: str) -> tuple[Path, str]:
    """The cgroup's own file rather than the machine's, which counts the waiting of other containers too."""
    own = [(folder, f"{kind}.pressure") for folder in find_groups(root)[:1]]
    return next((place for place in own if peek(*place)), (root, f"proc/pressure/{kind}"))


# ---------------------------------------------------------------- between two readings


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """What happened between two readings of the counters: the noise indicators. None where one is not known."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    seconds: float
    cores: int | None
    """CPUs that this process may run on."""
    steal_percent: float | None
    """Part of these CPUs' time that the hypervisor took."""
    own_cores: float | None
    """CPU seconds per second of the observed process."""
    other_cores: float | None
    """CPU seconds per second of everything else on these CPUs."""
    cpu_pressure_percent: float | None
    """Part of the time in which some task waited for a CPU; the process' own threads count among them."""
    memory_pressure_percent: float | None
    io_pressure_percent: float | None
    involuntary_per_s: float | None
    voluntary_per_s: float | None
    major_faults: int | None
    minor_faults: int | None
    mhz: float | None
    """Clock at the end."""
    load: float | None
    """Load average over one minute, at the end."""


def measure_interval(
    before: MachineCounters,
    after: MachineCounters,
    own_before: ProcessCounters | None = None,
    own_after: ProcessCounters | None = None,
) -> Interval:
    """What happened between two readings, to the machine and, where its counters are given too, to the process.

    Raises `ValueError` where the second reading is not later than the first.
    """
    seconds = (after.monotonic_ns - before.monotonic_ns) / 1e9
    if seconds <= 0:
        raise ValueError(f"the readings are {seconds} s apart: the second must be the later one")
    own = _subtract_own(own_before, own_after, seconds)
    return Interval(
        seconds=seconds,
        cores=after.cores,
        steal_percent=_find_steal_percent(before, after),
        other_cores=_find_other_cores(before, after, own["own_cores"], seconds),
        cpu_pressure_percent=_find_percent(before.cpu_pressure_us, after.cpu_pressure_us, seconds),
        memory_pressure_percent=_find_percent(before.memory_pressure_us, after.memory_pressure_us, seconds),
        io_pressure_percent=_find_percent(before.io_pressure_us, after.io_pressure_us, seconds),
        load=after.load,
        **own,
    )


def _subtract_own(before: ProcessCounters | None, after: ProcessCounters | None, seconds: float) -> dict[str, Any]:
    """The indicators of the process itself; all None where it was not observed."""
    if before is None or after is None:
        return dict.fromkeys(_OWN)
    return {
        "own_cores": (after.cpu_s - before.cpu_s) / seconds,
        "involuntary_per_s": _find_rate(before.involuntary, after.involuntary, seconds),
        "voluntary_per_s": _find_rate(before.voluntary, after.voluntary, seconds),
        "major_faults": _subtract(before.major_faults, after.major_faults),
        "minor_faults": _subtract(before.minor_faults, after.minor_faults),
        "mhz": after.mhz,
    }


_OWN = ("own_cores", "involuntary_per_s", "voluntary_per_s", "major_faults", "minor_faults", "mhz")


def _subtract(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def _find_rate(before: int | None, after: int | None, seconds: float) -> float | None:
    counted = _subtract(before, after)
    return None if counted is None else counted / seconds


def _find_percent(before_us: int | None, after_us: int | None, seconds: float) -> float | None:
    """Percent of the wall time, from microseconds."""
    return _find_rate(before_us, after_us, seconds * 1e4)


def _find_steal_percent(before: MachineCounters, after: MachineCounters) -> float | None:
    total, stolen = _subtract(before.total_ticks, after.total_ticks), _subtract(before.steal_ticks, after.steal_ticks)
    return None if stolen is None or not total else 100 * stolen / total


def _find_other_cores(
    before: MachineCounters, after: MachineCounters, own_cores: float | None, seconds: float
) -> float | None:
    """Never below zero: the kernel samples busy time in ticks, and misses a little of what the process counts."""
    busy = _subtract(before.busy_ticks, after.busy_ticks)
    return None if busy is None or own_cores is None else max(0.0, busy / TICKS_PER_S / seconds - own_cores)


# ------------------------------------------------------------------------------- bounds

# How they were chosen, and what quiet and noisy epochs showed: docs/research/measurement.md.

OTHER_LOAD_PERCENT = 10.0
"""Of the CPUs, taken by everything else: quiet epochs stay within 8 %, the sampling error of ticks included."""
LEAST_OTHER_S = 0.05
"""CPU seconds below which everything else is not counted: a few ticks of 10 ms, too few to see in a short epoch."""
CPU_PRESSURE_PERCENT = 10.0
"""Counts only beside half of the other load's bound: alone, it is the process' own threads that wait."""
STEAL_PERCENT = 2.0
"""An epoch takes longer by as much: less than half of the 5 % at which a regression must be found."""
LEAST_STEAL_S = 0.03
"""CPU seconds below which steal is not counted: up to three ticks."""
MEMORY_PRESSURE_PERCENT = 1.0
"""Waiting for memory: none where memory suffices, 0.00 in every quiet epoch."""
IO_PRESSURE_PERCENT = 5.0
"""Training reads no files; quiet epochs waited up to 3 %, beside a package installation 6 %."""
MAJOR_FAULTS = 20
"""A first epoch reads up to 16 pages of libraries that it had not needed; later ones none."""
MAJOR_FAULTS_PER_S = 10.0
"""Beyond those: at up to a millisecond a page read, one percent of the time."""


def find_noise(interval: Interval) -> tuple[str, ...]:
    """Names of the indicators that are out of their bounds; one that is not known is not noisy."""
    return tuple(name for name, is_out in _RULES.items() if is_out(interval))


def _is_stolen(seen: Interval) -> bool:
    percent = seen.steal_percent or 0.0
    return percent > STEAL_PERCENT and percent / 100 * seen.seconds * (seen.cores or 1) > LEAST_STEAL_S


def _has_other_load(seen: Interval, of_bound: float = 1.0) -> bool:
    others = seen.other_cores or 0.0
    bound = of_bound * OTHER_LOAD_PERCENT / 100 * (seen.cores or 1)
    return others > bound and others * seen.seconds > LEAST_OTHER_S


def _exceeds(figure: float | None, bound: float) -> bool:
    return figure is not None and figure > bound


_RULES: dict[str, Callable[[Interval], bool]] = {
    "steal": _is_stolen,
    "other-load": _has_other_load,
    "cpu-pressure": lambda seen: (
        _exceeds(seen.cpu_pressure_percent, CPU_PRESSURE_PERCENT) and _has_other_load(seen, of_bound=0.5)
    ),
    "memory-pressure": lambda seen: _exceeds(seen.memory_pressure_percent, MEMORY_PRESSURE_PERCENT),
    "io-pressure": lambda seen: _exceeds(seen.io_pressure_percent, IO_PRESSURE_PERCENT),
    "major-faults": lambda seen: _exceeds(seen.major_faults, MAJOR_FAULTS + MAJOR_FAULTS_PER_S * seen.seconds),
}
