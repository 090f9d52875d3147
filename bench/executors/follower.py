"""Follows a process' resident memory from outside, by its process id, with memory-profiler.

Beside the kernel's exact peaks this is a cross-check and the line of a plot. It never wraps a function: memory-profiler
runs one again when it has few samples of it, and ends the caller's children when it raises.
"""

import threading
import time
from types import TracebackType
from typing import Self

import memory_profiler
import psutil

from bench.record import Timeline

INTERVAL_S = 0.2
"""A sample takes the parent some 0.4 ms of CPU time, so following costs a five-hundredth of a core at first."""
MOST_SAMPLES = 1_000
"""Beyond these every second sample goes and the interval doubles, so that a long run costs ever less."""


class Follower:
    """Samples while its context is open; ``timeline`` is there afterwards."""

    def __init__(self, pid: int, began_ns: int) -> None:
        self._pid = pid
        self._began_ns = began_ns
        self._interval_s = INTERVAL_S
        self._samples: list[tuple[float, float]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def timeline(self) -> Timeline:
        """What was sampled."""
        return Timeline(interval_s=self._interval_s, samples=tuple(self._samples))

    def _follow(self) -> None:
        while not self._stop.wait(self._interval_s):
            try:
                (mib,) = memory_profiler.memory_usage(self._pid, interval=0, max_iterations=1)
            except psutil.Error:
                return  # it has ended
            if mib:
                self._samples.append(((time.perf_counter_ns() - self._began_ns) / 1e9, mib))
            if len(self._samples) > MOST_SAMPLES:
                self._thin()

    def _thin(self) -> None:
        """Keep the larger one of each pair, and an odd last one."""
        pairs = (self._samples[first : first + 2] for first in range(0, len(self._samples), 2))
        self._samples = [max(pair, key=lambda sample: sample[1]) for pair in pairs]
        self._interval_s *= 2
