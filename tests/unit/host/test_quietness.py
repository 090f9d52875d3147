"""What a survey sees, and the verdict on it."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from unit.system import QUIET, write

from bench.host import quietness, reference_kernels
from bench.host.fingerprint import Fingerprint
from bench.host.noise import Interval
from bench.host.quietness import Conditions, judge
from bench.host.reference_kernels import KernelRates


@pytest.fixture(autouse=True)
def two_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)


def test_a_survey_has_an_interval_for_each_reference_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_kernels, "TRIAD", 1 << 12)
    monkeypatch.setattr(reference_kernels, "PRODUCTS", 1)
    monkeypatch.setattr(quietness, "PAUSE_S", 0.0)
    references, intervals = quietness.survey(rounds=2, threads=1)
    assert (len(references), len(intervals)) == (2, 2)


# ----------------------------------------------------------------------------- verdict

MACHINE = Fingerprint.model_construct(cpu_limit=2.0)
FAST = KernelRates(threads=2, gflop_per_s=271, gflop_per_s_median=267, gb_per_s=60, gb_per_s_median=56)
SLOW = replace(FAST, gflop_per_s_median=200)
CROWDED = replace(QUIET, other_cores=0.9, cpu_pressure_percent=60.0)


def test_a_quiet_machine_needs_no_advice() -> None:
    found = judge([FAST, FAST], [QUIET, QUIET], MACHINE, Conditions(governor="performance", swap_used_mib=0))
    assert (found.word, found.advice) == ("quiet", ())


def test_a_machine_that_others_use_most_of_the_time_is_busy() -> None:
    found = judge([FAST], [CROWDED, QUIET], MACHINE)
    assert found.word == "busy"
    assert found.advice[0] == "Other programs use up to 0.9 cores: end them, or wait."


def test_a_machine_that_others_use_now_and_then_is_noisy() -> None:
    assert judge([FAST], [CROWDED, QUIET, QUIET], MACHINE).word == "noisy"


def test_kernels_that_vary_while_nothing_else_runs_point_to_the_clock_or_the_host() -> None:
    found = judge([FAST, SLOW], [QUIET], MACHINE)
    assert found.word == "noisy"
    assert "differ by 25 %" in found.advice[0]
    assert not any("differ" in sentence for sentence in judge([FAST, SLOW], [CROWDED], MACHINE).advice)


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"steal_percent": 9.0}, "hypervisor takes up to 9 %"),
        ({"memory_pressure_percent": 3.0}, "wait for memory"),
        ({"io_pressure_percent": 20.0}, "disk is busy"),
        ({"major_faults": 500}, "memory is short"),
    ],
)
def test_advice_fits_what_was_seen(figures: dict[str, Any], words: str) -> None:
    (sentence,) = judge([], [replace(QUIET, **figures)], MACHINE).advice
    assert words in sentence


def test_too_few_cores_for_the_threads_and_broken_quotas_are_pointed_out() -> None:
    crowded = Fingerprint.model_construct(cpu_limit=1.5)
    threads, quota = judge([replace(FAST, threads=8)], [QUIET], crowded).advice
    assert "8 threads for 1.5 cores' worth of time: use --threads 1." in threads
    assert "quota of 1.5 cores" in quota


def test_governor_and_swap_are_read_and_pointed_out(tmp_path: Path) -> None:
    assert quietness.read_conditions(tmp_path) == Conditions(governor=None, swap_used_mib=None)
    files = {
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
        "proc/meminfo": "SwapTotal:       2097148 kB\nSwapFree:        1048572 kB\n",
    }
    now = quietness.read_conditions(write(tmp_path, files))
    assert now == Conditions(governor="powersave", swap_used_mib=1024)
    governor, swap = judge([FAST], [QUIET], MACHINE, now).advice
    assert "governor is powersave" in governor
    assert "1024 MiB are in swap" in swap


def test_nothing_seen_is_an_error_and_not_a_quiet_machine() -> None:
    with pytest.raises(ValueError, match="nothing was seen"):
        judge([], [], MACHINE)


def test_a_system_without_indicators_is_not_called_quiet_without_a_word() -> None:
    blind = replace(QUIET, other_cores=None, steal_percent=None, cpu_pressure_percent=None)
    found = judge([FAST, FAST], [blind, blind], MACHINE)
    assert found.advice == (
        "This system does not show what other programs do: only the reference kernels could be judged.",
    )


# ----------------------------------------------------------------------------- a look before a process


def test_a_look_sees_the_machine_for_so_long() -> None:
    assert quietness.observe(0.05).seconds >= 0.05


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (QUIET, ""),
        (CROWDED, "other programs use 0.9 cores"),
        (replace(QUIET, steal_percent=12.0), "the hypervisor takes 12 % of the CPU time"),
        (replace(QUIET, io_pressure_percent=50.0), "the disk is busy"),
    ],
)
def test_noise_is_described_in_a_few_words(seen: Interval, words: str) -> None:
    assert quietness.describe_noise(seen) == words
