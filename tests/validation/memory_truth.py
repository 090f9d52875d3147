"""Peaks of memory whose size is known, measured by five methods.

A child process gets ready, says so, allocates so many MiB within one phase and prints what it read; meanwhile the
parent samples it from outside.
"""

import json
import subprocess
import sys
import threading
from dataclasses import dataclass

import memory_profiler
import psutil

from bench.console.table import Table

_CHILD = """
import ctypes, json, mmap, resource, sys, time
from bench.worker.memory import Meter

def touched(mib):
    memory = mmap.mmap(-1, mib << 20)
    ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(memory)), 1, mib << 20)
    return memory

meter = Meter()
{before}
base = meter.end_phase().rss
print("ready", flush=True)
sys.stdin.readline()
{phase}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
reading = meter.end_phase()
print(json.dumps({{"base": base, "peak": reading.peak, "ru_maxrss": peak}}), flush=True)
"""


@dataclass(frozen=True)
class Scenario:
    """What happens before the phase and in it, and how much memory the phase truly adds, MiB."""

    name: str
    truth_mib: float
    phase: str
    before: str = ""
    large_parent: bool = False


HOLD = "time.sleep(0.4)"
SCENARIOS = (
    Scenario("64 MiB touched", 64, f"m = touched(64); {HOLD}"),
    Scenario("256 MiB touched", 256, f"m = touched(256); {HOLD}"),
    Scenario("1,024 MiB touched", 1024, f"m = touched(1024); {HOLD}"),
    Scenario("256 MiB for 5 ms", 256, f"{HOLD}; m = touched(256); time.sleep(0.005); m.close(); {HOLD}"),
    Scenario("1,024 MiB mapped, never touched", 0, f"m = mmap.mmap(-1, 1024 << 20); {HOLD}"),
    Scenario("512 MiB freed before the phase", 64, f"m = touched(64); {HOLD}", before="f = touched(512); f.close()"),
    Scenario("64 MiB, child of a 500 MiB parent", 64, f"m = touched(64); {HOLD}", large_parent=True),
)
METHODS = ("VmHWM by phase", "ru_maxrss", "psutil, 10 ms", "psutil, 100 ms", "memory-profiler, 100 ms")


def validate() -> tuple[Table, bool]:
    """Each scenario's error by each method, MiB; ours may err by 1 MiB or 1 %, whichever is larger."""
    errors = [_measure_errors(scenario) for scenario in SCENARIOS]
    rows = tuple(
        (scenario.name, f"{scenario.truth_mib:,.0f}", *(f"{error:+,.1f}" for error in found))
        for scenario, found in zip(SCENARIOS, errors, strict=True)
    )
    holds = all(
        abs(found[0]) <= max(1.0, scenario.truth_mib / 100) for scenario, found in zip(SCENARIOS, errors, strict=True)
    )
    title = "Memory: error of the peak that a phase adds, MiB"
    return Table(title, ("what the phase does", "truth", *METHODS), rows), holds


def _measure_errors(scenario: Scenario) -> list[float]:
    code = _CHILD.format(before=scenario.before, phase=scenario.phase)
    command = [sys.executable, "-c", code]
    if scenario.large_parent:
        command = [
            sys.executable,
            "-c",
            f"x = bytearray(500 << 20); import os; os.execv({sys.executable!r}, {command!r})",
        ]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    samplers = [_Sampler(child.pid, 0.01), _Sampler(child.pid, 0.1), _Sampler(child.pid, 0.1, by_profiler=True)]
    child.stdin.write("\n")
    child.stdin.flush()
    read = json.loads(child.stdout.readline())
    sampled = [sampler.stop() for sampler in samplers]
    child.communicate()
    truth = read["base"] + scenario.truth_mib
    return [found - truth for found in (read["peak"], read["ru_maxrss"], *sampled)]


class _Sampler:
    """The largest resident memory that sampling sees, MiB."""

    def __init__(self, pid: int, interval_s: float, *, by_profiler: bool = False) -> None:
        self._process = psutil.Process(pid)
        self._interval_s = interval_s
        self._by_profiler = by_profiler
        self._peak = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._stop.wait(self._interval_s):
            self._peak = max(self._peak, self._read())

    def _read(self) -> float:
        if self._by_profiler:
            return float(memory_profiler.memory_usage(self._process.pid, interval=0, max_iterations=1)[0])
        return self._process.memory_info().rss / (1 << 20)

    def stop(self) -> float:
        self._stop.set()
        self._thread.join()
        return self._peak
