"""Follows a process' resident memory from outside, by its process id, with memory-profiler.

Beside the kernel's exact peaks this is a cross-check and the line of a plot. It never wraps a function: memory-profiler
runs one again when it has few samples of it, and ends the caller's children when it raises.
"""

import time

import memory_profiler
import psutil

from bench.results.schema import Timeline
from bench.sweep.poller import Poller

INTERVAL_S = 0.2
"""A sample takes the parent some 0.4 ms of CPU time, so following costs a five-hundredth of a core at first."""
MOST_SAMPLES = 1_000
"""Beyond these every second sample goes and the interval doubles, so that a long run costs ever less."""


class MemorySampler(Poller):
    """Samples while its context is open; ``timeline`` is there afterwards."""

    def __init__(self, pid: int, began_ns: int) -> None:
        super().__init__()
        self._pid = pid
        self._began_ns = began_ns
        self._interval_s = INTERVAL_S
        self._samples: list[tuple[float, float]] = []

    @property
    def timeline(self) -> Timeline:
        """What was sampled."""
        return Timeline(interval_s=self._interval_s, samples=tuple(self._samples))

    def pause(self) -> float:
        """The time between two samples."""
        return self._interval_s

    def look(self) -> bool:
        """Take a sample, as long as the process is there."""
        try:
            (mib,) = memory_profiler.memory_usage(self._pid, interval=0, max_iterations=1)
        except psutil.Error:
            return False  # it has ended
        if mib:
            self._samples.append(((time.perf_counter_ns() - self._began_ns) / 1e9, mib))
        if len(self._samples) > MOST_SAMPLES:
            self._thin()
        return True

    def _thin(self) -> None:
        """Keep the larger one of each pair, and an odd last one."""
        pairs = (self._samples[first : first + 2] for first in range(0, len(self._samples), 2))
        self._samples = [max(pair, key=lambda sample: sample[1]) for pair in pairs]
        self._interval_s *= 2
