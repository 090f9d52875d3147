"""Samples the resident memory of a process from outside, by its process id, with memory-profiler.

The peaks in a report come from the kernel; the samples are a cross-check on them, and the line of a plot.
memory-profiler gets a process id, never a function: it might run that again for more samples, and it ends all children
where that raises.
"""

import time

import memory_profiler
import psutil

from bench.results.journal_lines import Timeline
from bench.sweep.poller import Poller

INTERVAL_S = 0.2
"""A sample takes the parent some 0.4 ms of CPU time, which is a five-hundredth of a core at first."""
MOST_SAMPLES = 1_000
"""With more of them, every second sample is dropped and the interval doubles: a long run costs ever less."""


class MemorySampler(Poller):
    """Samples while its context is open; ``timeline`` has the samples afterwards."""

    def __init__(self, pid: int, began_ns: int) -> None:
        super().__init__()
        self._pid = pid
        self._began_ns = began_ns
        self._interval_s = INTERVAL_S
        self._samples: list[tuple[float, float]] = []

    @property
    def timeline(self) -> Timeline:
        """The samples so far: seconds since ``began_ns`` and MiB."""
        return Timeline(interval_s=self._interval_s, samples=tuple(self._samples))

    def pause(self) -> float:
        """Return the seconds between two samples."""
        return self._interval_s

    def look(self) -> bool:
        """Take a sample; returns False once the process has ended."""
        try:
            (mib,) = memory_profiler.memory_usage(self._pid, interval=0, max_iterations=1)
        except psutil.Error:
            return False
        if mib:
            self._samples.append(((time.perf_counter_ns() - self._began_ns) / 1e9, mib))
        if len(self._samples) > MOST_SAMPLES:
            self._drop_half()
        return True

    def _drop_half(self) -> None:
        """Keep the larger sample of each pair, and an odd last one."""
        pairs = (self._samples[first : first + 2] for first in range(0, len(self._samples), 2))
        self._samples = [max(pair, key=lambda sample: sample[1]) for pair in pairs]
        self._interval_s *= 2
