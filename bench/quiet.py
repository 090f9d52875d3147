"""How quiet the machine is now: two small reference kernels, what is seen beside them, a verdict and advice.

Everything of Linux is read through `root`.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.cgroup import affinity, cpu_limit
from bench.noise import Interval, between, flags, process_witness, witness
from bench.procfs import ROOT, meminfo, peek
from bench.record import Fingerprint

Floats = npt.NDArray[np.float32]

# -------------------------------------------------------------------- reference kernels

REPEATS = 5
"""Timed repeats of each kernel, some 10 ms each."""
MATRIX = 64
"""Side of the matrices: small enough that no BLAS starts threads of its own (OpenBLAS: up to 64 x 64 x 64)."""
STACK = 16
"""Matrices in a stack: with their products half a MiB a thread, which stays in a core's cache."""
PRODUCTS = 128
"""Products of a stack in a timed repeat."""
TRIAD = 1 << 23
"""Numbers in each of the triad's three arrays: 32 MiB each, beyond most caches (a large server's may hold them)."""

PRODUCT_FLOP = 2 * MATRIX**3 * STACK * PRODUCTS
"""A thread's operations in one repeat: a multiplication and an addition for each of 64 x 64 x 64, 1.07 GFLOP."""
TRIAD_BYTES = 5 * 4 * TRIAD
"""Bytes of one repeat: NumPy makes two passes over a = b + s*c, `a = c*s` (reads one array, writes one) and `a += b`
(reads two, writes one): five arrays where STREAM's triad counts three. Lines that a store fetches are not counted."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What the machine reached just now, in float32."""

    threads: int
    gflop_per_s: float
    """Cache-resident matrix product, the best repeat."""
    gflop_per_s_median: float
    gb_per_s: float
    """Triad through memory, the best repeat; 10^9 bytes."""
    gb_per_s_median: float


def reference(threads: int | None = None) -> Reference:
    """The machine's two figures now: some 50 ms each, 96 MiB of memory meanwhile.

    `threads` is as many as there are cores' worth of time for this process, where it is not given. Never call it while
    a child is timed.
    """
    threads = threads or max(1, int(cpu_limit()))
    with ThreadPoolExecutor(threads) as pool:
        products = _timed(pool, threads, _product(threads))
        triads = _timed(pool, threads, _triad(threads))
    return Reference(
        threads=threads,
        gflop_per_s=threads * PRODUCT_FLOP / min(products) / 1e9,
        gflop_per_s_median=threads * PRODUCT_FLOP / statistics.median(products) / 1e9,
        gb_per_s=TRIAD_BYTES / min(triads) / 1e9,
        gb_per_s_median=TRIAD_BYTES / statistics.median(triads) / 1e9,
    )


def _timed(pool: ThreadPoolExecutor, threads: int, kernel: Callable[[int], None]) -> list[float]:
    """Seconds of each repeat over all threads, after one that is not counted."""
    seconds = []
    for _ in range(REPEATS + 1):
        begin = time.perf_counter_ns()
        list(pool.map(kernel, range(threads)))
        seconds.append((time.perf_counter_ns() - begin) / 1e9)
    return seconds[1:]


def _product(threads: int) -> Callable[[int], None]:
    """Each thread has a stack of its own, and NumPy lets go of the interpreter's lock within a product."""
    right = np.full((MATRIX, MATRIX), 0.5, dtype=np.float32)
    stacks = [np.full((STACK, MATRIX, MATRIX), 0.25, dtype=np.float32) for _ in range(threads)]
    results = [np.empty_like(stack) for stack in stacks]

    def multiply(thread: int) -> None:
        for _ in range(PRODUCTS):
            np.matmul(stacks[thread], right, out=results[thread])

    return multiply


def _triad(threads: int) -> Callable[[int], None]:
    a, b, c = (np.full(TRIAD, value, dtype=np.float32) for value in (0.0, 1.0, 2.0))
    parts = [slice(TRIAD * n // threads, TRIAD * (n + 1) // threads) for n in range(threads)]
    scale = np.float32(3.0)

    def add(thread: int) -> None:
        part: Floats = a[parts[thread]]
        np.multiply(c[parts[thread]], scale, out=part)
        np.add(part, b[parts[thread]], out=part)

    return add


# ----------------------------------------------------------------------------- verdict

REFERENCE_SPREAD_PERCENT = 10.0
"""Medians of the matrix product on a quiet machine lie within a few percent of each other."""
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
        before, own_before = witness(root), process_witness(root)
        time.sleep(PAUSE_S)
        references.append(reference(threads))
        intervals.append(between(before, witness(root), own_before, process_witness(root)))
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
    seen = [flags(interval) for interval in intervals]
    advice = (*_advice_on_flags(seen, intervals), *_advice_on_spread(references, seen), *_advice_on(machine, now))
    return Verdict(word=_word(references, seen), advice=advice)


def _word(references: Sequence[Reference], seen: Sequence[tuple[str, ...]]) -> str:
    taken = sum("other-load" in found or "steal" in found for found in seen)
    if seen and 2 * taken >= len(seen):
        return "busy"
    return "noisy" if any(seen) or spread_percent(references) > REFERENCE_SPREAD_PERCENT else "quiet"


def spread_percent(references: Sequence[Reference]) -> float:
    """How far apart the matrix product's medians lie, of the largest; the triad's lie 10 % apart when all is quiet."""
    medians = [run.gflop_per_s_median for run in references]
    return 100 * (1 - min(medians) / max(medians)) if medians else 0.0


def _advice_on_flags(seen: Sequence[tuple[str, ...]], intervals: Sequence[Interval]) -> list[str]:
    sentences = {
        "other-load": f"Other programs use up to {_most(intervals, 'other_cores'):.1f} cores: end them, or wait.",
        "cpu-pressure": "Programs wait for a CPU: end the others, or wait.",
        "steal": f"The hypervisor takes up to {_most(intervals, 'steal_percent'):.0f} % of this virtual machine's CPU "
        "time: measure on a dedicated machine, or compare interleaved runs only (aebench regress).",
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
    if any(seen) or spread <= REFERENCE_SPREAD_PERCENT:
        return []
    sentence = (
        f"The same matrix products differ by {spread:.0f} % though nothing else was seen to run: the clock changes "
        "(heat, battery, turbo) or neighbours share this host. Take more repeats; compare interleaved runs only."
    )
    return [sentence]


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
