"""Two small reference kernels: what the machine reaches now in arithmetic and in memory traffic."""

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.host.cgroup import read_cpu_limit

Floats = npt.NDArray[np.float32]

REPEATS = 5
"""Timed repeats of each kernel, some 10 ms each."""
SPREAD_PERCENT = 10.0
"""Medians of the matrix product on a quiet machine lie within a few percent of each other."""
MATRIX = 64
"""Side of the matrices: small enough that no BLAS starts threads of its own (OpenBLAS: up to 64 x 64 x 64)."""
STACK = 16
"""Matrices in a stack: with their products half a MiB per thread, which stays in a core's cache."""
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
class KernelRates:
    """What the machine reached, in float32."""

    threads: int
    gflop_per_s: float
    """Cache-resident matrix product, the best repeat."""
    gflop_per_s_median: float
    gb_per_s: float
    """Triad through memory, the best repeat; 10^9 bytes."""
    gb_per_s_median: float


def measure_reference(threads: int | None = None) -> KernelRates:
    """Run both kernels: some 50 ms each, 96 MiB of memory meanwhile.

    Without `threads`, as many as this process has cores' worth of time. Never call it while a worker is timed.
    """
    threads = threads or max(1, int(read_cpu_limit()))
    with ThreadPoolExecutor(threads) as pool:
        products = _time_repeats(pool, threads, _make_product(threads))
        triads = _time_repeats(pool, threads, _make_triad(threads))
    return KernelRates(
        threads=threads,
        gflop_per_s=threads * PRODUCT_FLOP / min(products) / 1e9,
        gflop_per_s_median=threads * PRODUCT_FLOP / statistics.median(products) / 1e9,
        gb_per_s=TRIAD_BYTES / min(triads) / 1e9,
        gb_per_s_median=TRIAD_BYTES / statistics.median(triads) / 1e9,
    )


def _time_repeats(pool: ThreadPoolExecutor, threads: int, kernel: Callable[[int], None]) -> list[float]:
    """Seconds of each repeat over all threads, after one that is not counted."""
    seconds = []
    for _ in range(REPEATS + 1):
        begin = time.perf_counter_ns()
        list(pool.map(kernel, range(threads)))
        seconds.append((time.perf_counter_ns() - begin) / 1e9)
    return seconds[1:]


def _make_product(threads: int) -> Callable[[int], None]:
    """Each thread has a stack of its own; NumPy releases the interpreter's lock within a product."""
    right = np.full((MATRIX, MATRIX), 0.5, dtype=np.float32)
    stacks = [np.full((STACK, MATRIX, MATRIX), 0.25, dtype=np.float32) for _ in range(threads)]
    results = [np.empty_like(stack) for stack in stacks]

    def multiply(thread: int) -> None:
        for _ in range(PRODUCTS):
            np.matmul(stacks[thread], right, out=results[thread])

    return multiply


def _make_triad(threads: int) -> Callable[[int], None]:
    a, b, c = (np.full(TRIAD, value, dtype=np.float32) for value in (0.0, 1.0, 2.0))
    parts = [slice(TRIAD * n // threads, TRIAD * (n + 1) // threads) for n in range(threads)]
    scale = np.float32(3.0)

    def add(thread: int) -> None:
        part: Floats = a[parts[thread]]
        np.multiply(c[parts[thread]], scale, out=part)
        np.add(part, b[parts[thread]], out=part)

    return add


def find_spread_percent(references: Sequence[KernelRates]) -> float:
    """How far apart the matrix product's medians are, in percent of the largest; the triad's differ by 10 % anyway."""
    medians = [run.gflop_per_s_median for run in references]
    return 100 * (1 - min(medians) / max(medians)) if medians else 0.0
