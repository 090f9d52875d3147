"""Counters that are read from folders that stand in for a system, intervals and bounds."""

import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from unit.system import QUIET, write

from bench.host import noise
from bench.host.noise import Interval, MachineCounters, ProcessCounters, find_noise, measure_interval

STAT = """\
cpu  400 10 200 1200 10 5 5 200 50 0
cpu0 100 10 80 800 10 5 5 40 50 0
cpu1 300 0 120 400 0 0 0 160 0 0
intr 1
"""
PRESSURE = "some avg10=1.39 avg60=7.36 avg300=8.25 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
UNKNOWN = {"cores", "total_ticks", "busy_ticks", "steal_ticks", "load"} | {
    f"{kind}_pressure_us" for kind in ("cpu", "memory", "io")
}


@pytest.fixture(autouse=True)
def two_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)


# ----------------------------------------------------------------------------- indicators


def test_ticks_are_of_the_cpus_that_the_process_may_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"proc/stat": STAT})
    both = noise.read_machine_counters(tmp_path)
    assert (both.cores, both.total_ticks, both.busy_ticks, both.steal_ticks) == (2, 2030, 620, 200)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1}, raising=False)
    one = noise.read_machine_counters(tmp_path)
    assert (one.cores, one.total_ticks, one.busy_ticks, one.steal_ticks) == (1, 980, 420, 160)


def test_pressure_and_load_are_read(tmp_path: Path) -> None:
    files = {f"proc/pressure/{kind}": PRESSURE.format(n) for n, kind in enumerate(("cpu", "memory", "io"), 11)}
    seen = noise.read_machine_counters(write(tmp_path, files | {"proc/loadavg": "0.95 0.80 0.45 1/90 5598\n"}))
    assert (seen.cpu_pressure_us, seen.memory_pressure_us, seen.io_pressure_us, seen.load) == (11, 12, 13, 0.95)


def test_the_pressure_on_the_own_group_goes_before_the_machines(tmp_path: Path) -> None:
    files = {
        "proc/self/mountinfo": "30 23 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw",
        "proc/self/cgroup": "0::/job\n",
        "proc/pressure/cpu": PRESSURE.format(1),
        "proc/pressure/io": PRESSURE.format(2),
        "sys/fs/cgroup/job/cpu.pressure": PRESSURE.format(3),
    }
    seen = noise.read_machine_counters(write(tmp_path, files))
    assert (seen.cpu_pressure_us, seen.io_pressure_us) == (3, 2)


def test_what_cannot_be_read_is_empty(tmp_path: Path) -> None:
    seen = noise.read_machine_counters(write(tmp_path, {"proc/version": "Linux"}))
    assert {name for name in UNKNOWN if getattr(seen, name) is None} == UNKNOWN


def test_a_system_without_proc_still_reports_its_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (1.5, 1.0, 0.5), raising=False)
    assert noise.read_machine_counters(tmp_path).load == 1.5


def test_the_clock_is_read_from_cpufreq_and_else_from_cpuinfo(tmp_path: Path) -> None:
    assert noise.read_process_counters(tmp_path).mhz is None
    write(tmp_path, {"proc/cpuinfo": "processor\t: 0\ncpu MHz\t\t: 2600.500\nflags\t: fpu\n"})
    assert noise.read_process_counters(tmp_path).mhz == 2600.5
    write(tmp_path, {"sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "3400000\n"})
    assert noise.read_process_counters(tmp_path).mhz == 3400


def test_a_process_counts_its_time_faults_and_switches_upwards() -> None:
    before = noise.read_process_counters()
    sum(range(100_000))
    after = noise.read_process_counters()
    assert after.cpu_s > before.cpu_s
    assert after.minor_faults is not None
    assert after.minor_faults >= (before.minor_faults or 0)


def test_windows_reports_cpu_time_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    seen = noise.read_process_counters(tmp_path)
    assert (seen.voluntary, seen.involuntary, seen.minor_faults, seen.major_faults) == (None, None, None, None)
    assert seen.cpu_s > 0


def test_counters_bring_no_library_of_the_parents_into_the_measured_process() -> None:
    heavy = "{'pydantic', 'psutil', 'pandas', 'rich', 'scipy', 'keras'}"
    read = "import sys; from bench.host import noise; noise.read_machine_counters()"
    code = f"{read}; sys.exit(', '.join({heavy} & sys.modules.keys()) or 0)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(noise.__file__).parents[2])


# -------------------------------------------------------------------- between two indicators

BEFORE = MachineCounters(
    monotonic_ns=0,
    cores=2,
    total_ticks=1000,
    busy_ticks=500,
    steal_ticks=10,
    cpu_pressure_us=100,
    memory_pressure_us=0,
    io_pressure_us=0,
    load=0.5,
)
AFTER = MachineCounters(
    monotonic_ns=2_000_000_000,
    cores=2,
    total_ticks=1400,
    busy_ticks=500 + 3 * noise.TICKS_PER_S,
    steal_ticks=30,
    cpu_pressure_us=100 + 500_000,
    memory_pressure_us=20_000,
    io_pressure_us=200_000,
    load=0.75,
)
OWN_BEFORE = ProcessCounters(cpu_s=1.0, voluntary=10, involuntary=20, minor_faults=5, major_faults=1, mhz=2000)
OWN_AFTER = ProcessCounters(cpu_s=3.5, voluntary=110, involuntary=60, minor_faults=9, major_faults=4, mhz=2500)


def test_an_interval_is_what_the_counters_gained_in_its_time() -> None:
    assert measure_interval(BEFORE, AFTER, OWN_BEFORE, OWN_AFTER) == Interval(
        seconds=2,
        cores=2,
        steal_percent=5,
        own_cores=1.25,
        other_cores=0.25,
        cpu_pressure_percent=25,
        memory_pressure_percent=1,
        io_pressure_percent=10,
        involuntary_per_s=20,
        voluntary_per_s=50,
        major_faults=3,
        minor_faults=4,
        mhz=2500,
        load=0.75,
    )


def test_without_the_process_nobody_can_say_what_others_took() -> None:
    seen = measure_interval(BEFORE, AFTER)
    assert (seen.own_cores, seen.other_cores, seen.major_faults, seen.mhz) == (None, None, None, None)
    assert seen.steal_percent == 5


def test_others_never_take_less_than_nothing() -> None:
    assert measure_interval(BEFORE, AFTER, OWN_BEFORE, replace(OWN_AFTER, cpu_s=4.2)).other_cores == 0


def test_what_was_not_read_is_not_reported() -> None:
    empty = dict.fromkeys(UNKNOWN)
    first, last = MachineCounters(monotonic_ns=0, **empty), MachineCounters(monotonic_ns=1, **empty)
    none = dict.fromkeys(("voluntary", "involuntary", "minor_faults", "major_faults", "mhz"))
    own = ProcessCounters(cpu_s=0.0, **none)
    known = {
        field.name
        for field in fields(Interval)
        if getattr(measure_interval(first, last, own, own), field.name) is not None
    }
    assert known == {"seconds", "own_cores"}
    assert find_noise(measure_interval(first, last, own, own)) == ()


def test_two_readings_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="later"):
        measure_interval(AFTER, BEFORE)


# ------------------------------------------------------------------------------- bounds


def test_a_quiet_epoch_is_not_noisy_for_its_own_threads() -> None:
    assert find_noise(QUIET) == ()
    first_epoch = replace(QUIET, seconds=0.86, io_pressure_percent=1.95, major_faults=16, other_cores=0.01)
    assert find_noise(first_epoch) == ()


def test_an_epoch_beside_a_busy_program_is_noisy() -> None:
    noisy = replace(QUIET, seconds=0.44, own_cores=1.03, other_cores=0.62, cpu_pressure_percent=57.4)
    assert find_noise(noisy) == ("other-load", "cpu-pressure")


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ({"steal_percent": 6.0}, ("steal",)),
        ({"steal_percent": 2.0}, ()),
        ({"other_cores": 0.3, "cpu_pressure_percent": 1.0}, ("other-load",)),
        ({"other_cores": 0.15, "cpu_pressure_percent": 40.0}, ("cpu-pressure",)),
        ({"other_cores": 0.15, "cpu_pressure_percent": 5.0}, ()),
        ({"other_cores": 0.3, "cores": 16, "cpu_pressure_percent": 1.0}, ()),
        ({"memory_pressure_percent": 1.5}, ("memory-pressure",)),
        ({"io_pressure_percent": 6.4}, ("io-pressure",)),
        ({"major_faults": 40}, ("major-faults",)),
        ({"major_faults": 40, "seconds": 60.0}, ()),
    ],
)
def test_each_indicator_has_a_bound_of_its_own(figures: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert find_noise(replace(QUIET, **figures)) == expected


def test_a_tick_or_two_do_not_condemn_a_short_epoch() -> None:
    assert find_noise(replace(QUIET, seconds=0.1, other_cores=0.4, steal_percent=5.0)) == ()
