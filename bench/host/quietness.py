"""How quiet the machine is now: reference kernels, noise indicators beside them, and advice.

All that is Linux' own is read through `root`.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import format_count
from bench.host.cgroup import read_affinity
from bench.host.fingerprint import Fingerprint
from bench.host.noise import Interval, find_noise, measure_interval, read_machine_counters, read_process_counters
from bench.host.procfs import ROOT, peek, read_meminfo
from bench.host.reference_kernels import SPREAD_PERCENT, Reference, find_spread_percent, measure_reference

SWAP_MIB = 64
"""Many an idle machine has less than this in swap and never reads it again."""
PAUSE_S = 0.2
"""Before each run of the reference kernels: the load of other programs shows best while this process sleeps."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Settings of the machine that its steadiness depends on; None where they cannot be read."""

    governor: str | None
    """cpufreq's policy for the clock, as the kernel names it."""
    swap_used_mib: int | None


@dataclass(frozen=True, kw_only=True)
class Quietness:
    """How quiet the machine is: `quiet`, `noisy` (its speed varies) or `busy` (others take CPU time throughout)."""

    word: str
    advice: tuple[str, ...]
    """Sentences that fit what was seen; a quiet machine may get some as well."""


def read_conditions(root: Path = ROOT) -> Conditions:
    """Read the settings as they are now."""
    governor = peek(root, f"sys/devices/system/cpu/cpu{min(read_affinity(), default=0)}/cpufreq/scaling_governor")
    memory = read_meminfo(root)
    swap = (memory["SwapTotal"] - memory["SwapFree"]) // 1024 if {"SwapTotal", "SwapFree"} <= memory.keys() else None
    return Conditions(governor=governor.strip() if governor else None, swap_used_mib=swap)


def survey(
    rounds: int = 5, threads: int | None = None, root: Path = ROOT
) -> tuple[tuple[Reference, ...], tuple[Interval, ...]]:
    """Reference runs, and what was seen during a pause and each of them; `verdict` says what they mean."""
    references, intervals = [], []
    for _ in range(rounds):
        before, own_before = read_machine_counters(root), read_process_counters(root)
        time.sleep(PAUSE_S)
        references.append(measure_reference(threads))
        intervals.append(measure_interval(before, read_machine_counters(root), own_before, read_process_counters(root)))
    return tuple(references), tuple(intervals)


def judge(
    references: Sequence[Reference],
    intervals: Sequence[Interval],
    machine: Fingerprint,
    now: Conditions | None = None,
) -> Quietness:
    """Put what was seen into a word and advice. Raises `ValueError` where nothing was seen."""
    if not references and not intervals:
        raise ValueError("nothing was seen: give reference runs or intervals")
    seen = [find_noise(interval) for interval in intervals]
    advice = (
        *_advise_on_noise(seen, intervals),
        *_advise_on_spread(references, seen),
        *_advise_on_missing(intervals),
        *_advise_on_threads(machine),
        *_advise_on_quota(machine),
        *_advise_on_conditions(now),
    )
    return Quietness(word=_choose_word(references, seen), advice=advice)


def _choose_word(references: Sequence[Reference], seen: Sequence[tuple[str, ...]]) -> str:
    taken = sum("other-load" in found or "steal" in found for found in seen)
    if seen and 2 * taken >= len(seen):
        return "busy"
    return "noisy" if any(seen) or find_spread_percent(references) > SPREAD_PERCENT else "quiet"


def _advise_on_noise(seen: Sequence[tuple[str, ...]], intervals: Sequence[Interval]) -> list[str]:
    cores, stolen = (_find_largest(intervals, figure) for figure in ("other_cores", "steal_percent"))
    sentences = {
        "other-load": f"Other programs use up to {cores:.1f} cores: end them, or wait.",
        "cpu-pressure": "Programs wait for a CPU: end the others, or wait.",
        "steal": f"The hypervisor takes up to {stolen:.0f} % of this virtual machine's CPU time: measure on a "
        "dedicated machine, or compare interleaved runs only.",
        "memory-pressure": "Programs wait for memory: end those that use much of it, or give this machine more.",
        "io-pressure": "The disk is busy: wait until downloads, installations and backups are done.",
        "major-faults": "Pages are read back from the disk: memory is short.",
    }
    found = {name for names in seen for name in names}
    return [sentence for name, sentence in sentences.items() if name in found]


def _find_largest(intervals: Sequence[Interval], figure: str) -> float:
    return max((getattr(interval, figure) or 0.0 for interval in intervals), default=0.0)


def _advise_on_spread(references: Sequence[Reference], seen: Sequence[tuple[str, ...]]) -> list[str]:
    spread = find_spread_percent(references)
    if any(seen) or spread <= SPREAD_PERCENT:
        return []
    sentence = (
        f"The same matrix products differ by {spread:.0f} % though nothing else was seen running: the clock changes "
        "(heat, battery, turbo) or other machines run on this host. Take more repeats; compare interleaved runs only."
    )
    return [sentence]


def _advise_on_missing(intervals: Sequence[Interval]) -> list[str]:
    if any(getattr(interval, figure) is not None for interval in intervals for figure in _INDICATORS):
        return []
    return ["This system does not show what other programs do: only the reference kernels could be judged."]


_INDICATORS = ("other_cores", "steal_percent", "cpu_pressure_percent")


def _advise_on_threads(machine: Fingerprint) -> list[str]:
    if machine.threads is None or machine.threads <= machine.cpu_limit:
        return []
    limit, threads = machine.cpu_limit, format_count(machine.threads, "thread")
    worth = "1 core's" if limit == 1 else f"{limit:g} cores'"
    return [f"{threads} for {worth} worth of time: use --threads {max(1, int(limit))}."]


def _advise_on_quota(machine: Fingerprint) -> list[str]:
    if machine.cpu_limit == int(machine.cpu_limit):
        return []
    sentence = (
        f"A CPU quota of {format_count(machine.cpu_limit, 'core')} pauses every thread once it is used up: give the "
        "container whole cores (docker run --cpuset-cpus)."
    )
    return [sentence]


def _advise_on_conditions(now: Conditions | None) -> list[str]:
    if now is None:
        return []
    governor = f"The CPU governor is {now.governor}: 'cpupower frequency-set -g performance' keeps the clock steady."
    swap = f"{now.swap_used_mib} MiB are in swap: end programs that use much memory before measuring peaks."
    is_low = now.governor not in {None, "performance"}
    return [*[governor] * is_low, *[swap] * ((now.swap_used_mib or 0) > SWAP_MIB)]
