"""How quiet the machine was: indicators before and after, what lies between them, and flags for what is too much.

A read_machine_counters costs 30 to 90 microseconds, so that it can be taken at every epoch's ends. Everything of Linux is read
through `root`. Sources: proc(5), getrusage(2), the kernel's Documentation/accounting/psi.rst.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from bench.host.cgroup import affinity, groups
from bench.host.procfs import ROOT, load, mhz, peek

if sys.platform != "win32":
    import resource

# ----------------------------------------------------------------------------- indicators

TICKS_PER_S: int = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
"""/proc/stat counts in these; 100 on every Linux that TensorFlow runs on."""


@dataclass(frozen=True, kw_only=True)
class MachineCounters:
    """The machine's counters at one instant; None where a figure cannot be read."""

    monotonic_ns: int
    """`time.perf_counter_ns()`."""
    cores: int | None
    """CPUs that the ticks below are of: those that this process may run on."""
    total_ticks: int | None
    """Time of these CPUs, in ticks: busy, idle and stolen."""
    busy_ticks: int | None
    """Of it, spent on any process or the kernel."""
    steal_ticks: int | None
    """Of it, taken by the hypervisor for other machines."""
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
    """Context switches because its time was up or somebody came first."""
    minor_faults: int | None
    """Pages that came without reading a disk."""
    major_faults: int | None
    """Pages that were read from a disk."""
    mhz: float | None
    """Clock of the first CPU that it may run on, now."""


def read_machine_counters(root: Path = ROOT) -> MachineCounters:
    """The machine's counters now."""
    return MachineCounters(
        monotonic_ns=time.perf_counter_ns(),
        **_ticks(peek(root, "proc/stat")),
        cpu_pressure_us=_pressure(root, "cpu"),
        memory_pressure_us=_pressure(root, "memory"),
        io_pressure_us=_pressure(root, "io"),
        load=load(root),
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
        mhz=mhz(root, min(affinity(), default=0)),
    )


def _ticks(stat: str | None) -> dict[str, int | None]:
    """Sums over the CPUs that this process may run on; over all of them where affinity cannot be told.

    user, nice, system, idle, iowait, irq, softirq, steal; the guest's time that follows is counted within user.
    """
    lines = [line.split() for line in (stat or "").splitlines() if line.startswith("cpu")]
    allowed = {f"cpu{number}" for number in affinity()}
    counted = [line for line in lines if line[0] in allowed] or [line for line in lines if line[0] != "cpu"]
    if not counted:
        return dict.fromkeys(("cores", "total_ticks", "busy_ticks", "steal_ticks"))
    sums = [sum(column) for column in zip(*(map(int, line[1:9]) for line in counted), strict=True)]
    total, idle, steal = sum(sums), sum(sums[3:5]), sum(sums[7:8])
    return {"cores": len(counted), "total_ticks": total, "busy_ticks": total - idle - steal, "steal_ticks": steal}


def _pressure(root: Path, kind: str) -> int | None:
    """Microseconds, from `some avg10=0.00 avg60=0.00 avg300=0.00 total=4733208`."""
    text = peek(*_pressure_file(root, kind))
    total = text.partition("\n")[0].rpartition("total=")[2] if text else ""
    return int(total) if total.isdigit() else None


@lru_cache
def _pressure_file(root: Path, kind: str) -> tuple[Path, str]:
    """The group's own file rather than the machine's: in a container, other containers' waiting is none of ours."""
    own = [(folder, f"{kind}.pressure") for folder in groups(root)[:1]]
    return next((place for place in own if peek(*place)), (root, f"proc/pressure/{kind}"))


# -------------------------------------------------------------------- between two indicators


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """What happened between two indicators; None where it could not be told."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    seconds: float
    cores: int | None
    """CPUs that this process may run on."""
    steal_percent: float | None
    """Share of these CPUs' time that the hypervisor took."""
    own_cores: float | None
    """CPU seconds a second of the observed process."""
    other_cores: float | None
    """CPU seconds a second of everything else on these CPUs."""
    cpu_pressure_percent: float | None
    """Share of the time in which some task waited for a CPU; the process' own threads count among them."""
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


def between(
    before: MachineCounters,
    after: MachineCounters,
    own_before: ProcessCounters | None = None,
    own_after: ProcessCounters | None = None,
) -> Interval:
    """What happened in between, to the machine and, where both its indicators are given, to the process."""
    seconds = (after.monotonic_ns - before.monotonic_ns) / 1e9
    if seconds <= 0:
        raise ValueError(f"the indicators are {seconds} s apart: the second must be the later one")
    own = _own(own_before, own_after, seconds)
    return Interval(
        seconds=seconds,
        cores=after.cores,
        steal_percent=_steal_percent(before, after),
        other_cores=_other_cores(before, after, own["own_cores"], seconds),
        cpu_pressure_percent=_share(before.cpu_pressure_us, after.cpu_pressure_us, seconds),
        memory_pressure_percent=_share(before.memory_pressure_us, after.memory_pressure_us, seconds),
        io_pressure_percent=_share(before.io_pressure_us, after.io_pressure_us, seconds),
        load=after.load,
        **own,
    )


def _own(before: ProcessCounters | None, after: ProcessCounters | None, seconds: float) -> dict[str, Any]:
    """The figures that are the process' own; all empty where it was not observed."""
    if before is None or after is None:
        return dict.fromkeys(_OWN)
    return {
        "own_cores": (after.cpu_s - before.cpu_s) / seconds,
        "involuntary_per_s": _rate(before.involuntary, after.involuntary, seconds),
        "voluntary_per_s": _rate(before.voluntary, after.voluntary, seconds),
        "major_faults": _delta(before.major_faults, after.major_faults),
        "minor_faults": _delta(before.minor_faults, after.minor_faults),
        "mhz": after.mhz,
    }


_OWN = ("own_cores", "involuntary_per_s", "voluntary_per_s", "major_faults", "minor_faults", "mhz")


def _delta(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def _rate(before: int | None, after: int | None, seconds: float) -> float | None:
    counted = _delta(before, after)
    return None if counted is None else counted / seconds


def _share(before_us: int | None, after_us: int | None, seconds: float) -> float | None:
    """Percent of the wall time, from microseconds."""
    return _rate(before_us, after_us, seconds * 1e4)


def _steal_percent(before: MachineCounters, after: MachineCounters) -> float | None:
    total, stolen = _delta(before.total_ticks, after.total_ticks), _delta(before.steal_ticks, after.steal_ticks)
    return None if stolen is None or not total else 100 * stolen / total


def _other_cores(
    before: MachineCounters, after: MachineCounters, own_cores: float | None, seconds: float
) -> float | None:
    """Never below zero: the kernel samples busy time by ticks, and misses a little of what the process counts."""
    busy = _delta(before.busy_ticks, after.busy_ticks)
    return None if busy is None or own_cores is None else max(0.0, busy / TICKS_PER_S / seconds - own_cores)


# ------------------------------------------------------------------------------- flags

# The bounds were chosen on two cores, where Keras' `fit` trained the basic and the convolutional model. In 60
# quiet epochs some task waited for a CPU for 4 to 38 % of the time, and the process was preempted 700 to 9,200
# times a second, since TensorFlow has more threads than there are cores. Beside a program that takes one core (30
# epochs): 20 to 93 %, and 700 to 6,200 times. Neither figure tells a noisy epoch by itself, and preemptions even
# become fewer; the CPU time of everything else does: at most 0.15 cores against at least 0.6.

OTHER_LOAD_PERCENT = 10.0
"""Everything else's share of the CPUs: quiet epochs stay within 8 %, the sampling error of ticks included."""
LEAST_OTHER_S = 0.05
"""CPU seconds below which everything else is not counted: a few ticks of 10 ms, which a short epoch cannot tell."""
CPU_PRESSURE_PERCENT = 10.0
"""Waiting for a CPU counts beside half the other load's bound; alone, it is the process' own threads that wait."""
STEAL_PERCENT = 2.0
"""A stolen share makes an epoch longer by as much: below half of the 5 % that a regression must be found at."""
LEAST_STEAL_S = 0.03
"""CPU seconds below which steal is not counted: up to three ticks."""
MEMORY_PRESSURE_PERCENT = 1.0
"""Waiting for memory is zero where memory suffices: 0.00 in every quiet epoch."""
IO_PRESSURE_PERCENT = 5.0
"""Training reads no files; quiet epochs waited up to 3 %, beside a package installation 6 %."""
MAJOR_FAULTS = 20
"""A first epoch reads up to 16 pages of libraries that it had not needed; later ones none."""
MAJOR_FAULTS_PER_S = 10.0
"""Beyond those: at up to a millisecond a page read, one percent of the time."""


def find_noise(interval: Interval) -> tuple[str, ...]:
    """Names of the indicators that are out of their bounds; what could not be told is not noisy."""
    return tuple(name for name, is_out in _RULES.items() if is_out(interval))


def _is_stolen(seen: Interval) -> bool:
    percent = seen.steal_percent or 0.0
    return percent > STEAL_PERCENT and percent / 100 * seen.seconds * (seen.cores or 1) > LEAST_STEAL_S


def _has_other_load(seen: Interval, share: float = 1.0) -> bool:
    others = seen.other_cores or 0.0
    bound = share * OTHER_LOAD_PERCENT / 100 * (seen.cores or 1)
    return others > bound and others * seen.seconds > LEAST_OTHER_S


def _waits_for_cpu(seen: Interval) -> bool:
    return (seen.cpu_pressure_percent or 0.0) > CPU_PRESSURE_PERCENT and _has_other_load(seen, share=0.5)


def _waits_for_memory(seen: Interval) -> bool:
    return (seen.memory_pressure_percent or 0.0) > MEMORY_PRESSURE_PERCENT


def _waits_for_io(seen: Interval) -> bool:
    return (seen.io_pressure_percent or 0.0) > IO_PRESSURE_PERCENT


def _reads_pages(seen: Interval) -> bool:
    return (seen.major_faults or 0) - MAJOR_FAULTS > MAJOR_FAULTS_PER_S * seen.seconds


_RULES: dict[str, Callable[[Interval], bool]] = {
    "steal": _is_stolen,
    "other-load": _has_other_load,
    "cpu-pressure": _waits_for_cpu,
    "memory-pressure": _waits_for_memory,
    "io-pressure": _waits_for_io,
    "major-faults": _reads_pages,
}
