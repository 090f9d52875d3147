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
from bench.host.reference_kernels import SPREAD_PERCENT, KernelRates, find_spread_percent, measure_reference

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


def survey(rounds: int = 5, threads: int | None = None) -> tuple[tuple[KernelRates, ...], tuple[Interval, ...]]:
    """Reference runs, and what was seen during a pause and each of them; `judge` says what they mean."""
    references, intervals = [], []
    for _ in range(rounds):
        before, own_before = read_machine_counters(), read_process_counters()
        time.sleep(PAUSE_S)
        references.append(measure_reference(threads))
        intervals.append(measure_interval(before, read_machine_counters(), own_before, read_process_counters()))
    return tuple(references), tuple(intervals)


def observe(seconds: float) -> Interval:
    """Look at what others do to the machine while this process sleeps."""
    before, own_before = read_machine_counters(), read_process_counters()
    time.sleep(seconds)
    return measure_interval(before, read_machine_counters(), own_before, read_process_counters())


def describe_noise(seen: Interval) -> str:
    """Say in a few words what makes the machine noisy; empty where nothing does."""
    words = {
        "other-load": f"other programs use {seen.other_cores or 0.0:.1f} cores",
        "steal": f"the hypervisor takes {seen.steal_percent or 0.0:.0f} % of the CPU time",
        "cpu-pressure": "programs wait for a CPU",
        "memory-pressure": "programs wait for memory",
        "io-pressure": "the disk is busy",
        "major-faults": "pages are read back from the disk",
    }
    found = find_noise(seen)
    return next((reason for name, reason in words.items() if name in found), "")


def judge(
    references: Sequence[KernelRates],
    intervals: Sequence[Interval],
    machine: Fingerprint,
    now: Conditions | None = None,
) -> Quietness:
    """Put what was seen into a word and advice. Raises `ValueError` where nothing was seen."""
    if not references and not intervals:
        raise ValueError("nothing was seen: give reference runs or intervals")
    seen = [find_noise(interval) for interval in intervals]
    advice = _list_advice(references, intervals, seen, machine, now)
    return Quietness(
        word=_choose_word(references, seen), advice=tuple(sentence for sentence, applies in advice.items() if applies)
    )


def _choose_word(references: Sequence[KernelRates], seen: Sequence[tuple[str, ...]]) -> str:
    taken = sum("other-load" in found or "steal" in found for found in seen)
    if seen and 2 * taken >= len(seen):
        return "busy"
    return "noisy" if any(seen) or find_spread_percent(references) > SPREAD_PERCENT else "quiet"


def _list_advice(
    references: Sequence[KernelRates],
    intervals: Sequence[Interval],
    seen: Sequence[tuple[str, ...]],
    machine: Fingerprint,
    now: Conditions | None,
) -> dict[str, bool]:
    """All advice there is, and whether it applies."""
    noise = {name for names in seen for name in names}
    others, stolen = (_find_largest(intervals, figure) for figure in ("other_cores", "steal_percent"))
    spread, limit = find_spread_percent(references), machine.cpu_limit
    threads = max((run.threads for run in references), default=0)
    governor, swap_mib = (now.governor, now.swap_used_mib or 0) if now else (None, 0)
    is_blind = all(getattr(interval, figure) is None for interval in intervals for figure in _INDICATORS)
    worth = "1 core's" if limit == 1 else f"{limit:g} cores'"
    has_little_memory = "memory-pressure" in noise
    is_slowed = governor not in {None, "performance"}
    return {
        f"Other programs use up to {others:.1f} cores: end them, or wait.": "other-load" in noise,
        "Programs wait for a CPU: end the others, or wait.": "cpu-pressure" in noise,
        f"The hypervisor takes up to {stolen:.0f} % of this virtual machine's CPU time: measure on a dedicated "
        "machine, or compare interleaved runs only.": "steal" in noise,
        "Programs wait for memory: end those that use much of it, or give this machine more.": has_little_memory,
        "The disk is busy: wait until downloads, installations and backups are done.": "io-pressure" in noise,
        "Pages are read back from the disk: memory is short.": "major-faults" in noise,
        f"The same matrix products differ by {spread:.0f} % though nothing else was seen running: the clock changes "
        "(heat, battery, turbo) or other machines run on this host. Take more repeats; compare interleaved runs "
        "only.": not noise and spread > SPREAD_PERCENT,
        "This system does not show what other programs do: only the reference kernels could be judged.": is_blind,
        f"{format_count(threads, 'thread')} for {worth} worth of time: use --threads {max(1, int(limit))}.": threads
        > limit,
        f"A CPU quota of {format_count(limit, 'core')} pauses every thread once it is used up: give the container "
        "whole cores (docker run --cpuset-cpus).": limit != int(limit),
        f"The CPU governor is {governor}: 'cpupower frequency-set -g performance' keeps the clock steady.": is_slowed,
        f"{swap_mib} MiB are in swap: end programs that use much memory before measuring peaks.": swap_mib > SWAP_MIB,
    }


_INDICATORS = ("other_cores", "steal_percent", "cpu_pressure_percent")


def _find_largest(intervals: Sequence[Interval], figure: str) -> float:
    return max((getattr(interval, figure) or 0.0 for interval in intervals), default=0.0)
