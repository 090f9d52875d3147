"""How quiet the machine is now: reference kernels, what is seen beside them, a verdict and advice.

Everything of Linux is read through `root`.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.host.cgroup import affinity
from bench.host.fingerprint import Fingerprint
from bench.host.noise import Interval, between, find_noise, read_machine_counters, read_process_counters
from bench.host.procfs import ROOT, meminfo, peek
from bench.host.reference_kernels import SPREAD_PERCENT, Reference, reference, spread_percent

SWAP_MIB = 64
"""Less than this lies in swap on many an idle machine, and is never read again."""


PAUSE_S = 0.2
"""Before each reference run of a survey: others' work shows best while this process leaves the CPUs free."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Settings of the machine that decide how steady it is; None where they cannot be read."""

    governor: str | None
    """cpufreq's policy for the clock, as the kernel names it."""
    swap_used_mib: int | None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How quiet the machine is now: `quiet`, `noisy` (its figures vary) or `busy` (others take a share all along)."""

    word: str
    advice: tuple[str, ...]
    """Sentences fitted to what was seen; a quiet machine may deserve some as well."""


def conditions(root: Path = ROOT) -> Conditions:
    """The settings now."""
    governor = peek(root, f"sys/devices/system/cpu/cpu{min(affinity(), default=0)}/cpufreq/scaling_governor")
    memory = meminfo(root)
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
        references.append(reference(threads))
        intervals.append(between(before, read_machine_counters(root), own_before, read_process_counters(root)))
    return tuple(references), tuple(intervals)


def verdict(
    references: Sequence[Reference],
    intervals: Sequence[Interval],
    machine: Fingerprint,
    now: Conditions | None = None,
) -> Verdict:
    """What was seen, in a word and in advice that fits it."""
    if not references and not intervals:
        raise ValueError("nothing was seen: a verdict needs reference runs or intervals")
    seen = [find_noise(interval) for interval in intervals]
    advice = (
        *_advise_on_noise(seen, intervals),
        *_advice_on_spread(references, seen),
        *_advice_on_blindness(intervals),
        *_advice_on(machine, now),
    )
    return Verdict(word=_word(references, seen), advice=advice)


def _word(references: Sequence[Reference], seen: Sequence[tuple[str, ...]]) -> str:
    taken = sum("other-load" in found or "steal" in found for found in seen)
    if seen and 2 * taken >= len(seen):
        return "busy"
    return "noisy" if any(seen) or spread_percent(references) > SPREAD_PERCENT else "quiet"


def _advise_on_noise(seen: Sequence[tuple[str, ...]], intervals: Sequence[Interval]) -> list[str]:
    sentences = {
        "other-load": f"Other programs use up to {_most(intervals, 'other_cores'):.1f} cores: end them, or wait.",
        "cpu-pressure": "Programs wait for a CPU: end the others, or wait.",
        "steal": f"The hypervisor takes up to {_most(intervals, 'steal_percent'):.0f} % of this virtual machine's CPU "
        "time: measure on a dedicated machine, or compare interleaved runs only.",
        "memory-pressure": "Programs wait for memory: end what uses much of it, or give this machine more.",
        "io-pressure": "The disk is busy: wait until downloads, installations and backups are done.",
        "major-faults": "Pages are read back from the disk: memory is short.",
    }
    found = {flag for flags_of_one in seen for flag in flags_of_one}
    return [sentence for flag, sentence in sentences.items() if flag in found]


def _most(intervals: Sequence[Interval], figure: str) -> float:
    return max((getattr(interval, figure) or 0.0 for interval in intervals), default=0.0)


def _advice_on_spread(references: Sequence[Reference], seen: Sequence[tuple[str, ...]]) -> list[str]:
    spread = spread_percent(references)
    if any(seen) or spread <= SPREAD_PERCENT:
        return []
    sentence = (
        f"The same matrix products differ by {spread:.0f} % though nothing else was seen to run: the clock changes "
        "(heat, battery, turbo) or neighbours share this host. Take more repeats; compare interleaved runs only."
    )
    return [sentence]


def _advice_on_blindness(intervals: Sequence[Interval]) -> list[str]:
    if any(getattr(interval, figure) is not None for interval in intervals for figure in _INDICATORS):
        return []
    return ["This system does not tell what other programs do: the verdict rests on the reference kernels alone."]


_INDICATORS = ("other_cores", "steal_percent", "cpu_pressure_percent")


def _advice_on(machine: Fingerprint, now: Conditions | None) -> list[str]:
    return [sentence for sentence in (_on_threads(machine), _on_quota(machine), *_on_conditions(now)) if sentence]


def _on_threads(machine: Fingerprint) -> str | None:
    if machine.threads is None or machine.threads <= machine.cpu_limit:
        return None
    limit = machine.cpu_limit
    return f"{machine.threads} threads share {limit:g} cores' worth of time: use --threads {max(1, int(limit))}."


def _on_quota(machine: Fingerprint) -> str | None:
    if machine.cpu_limit == int(machine.cpu_limit):
        return None
    return (
        f"A CPU quota of {machine.cpu_limit:g} cores pauses every thread once it is used up: give the container whole "
        "cores (docker run --cpuset-cpus)."
    )


def _on_conditions(now: Conditions | None) -> list[str]:
    if now is None:
        return []
    governor = f"The clock's governor is {now.governor}: 'cpupower frequency-set -g performance' holds it steady."
    swap = f"{now.swap_used_mib} MiB lie in swap: end what uses much memory before measuring peaks."
    is_low = now.governor not in {None, "performance"}
    return [*[governor] * is_low, *[swap] * ((now.swap_used_mib or 0) > SWAP_MIB)]
