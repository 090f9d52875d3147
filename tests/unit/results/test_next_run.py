"""The intervals for the next run, tried on recorded processes: how often do they hold, how wide are they?"""

import itertools
import statistics
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import processes
import pytest
import recorded_hours

from bench.results.speed import HOUR_DEVIATION, KNOWN_HOUR_DEVIATION, RATE_SLOPE

LONG, SHORT = processes.read_processes(), processes.read_processes(processes.SIX_MINUTES)
RECORDED = [*LONG, *SHORT]
CASES = sorted({each.case for each in RECORDED})
DRAWS = 200
"""`nox -s validate -- next` draws 2,000."""


def of(case: str) -> list[processes.RecordedProcess]:
    return [each for each in RECORDED if each.case == case]


def test_hours_of_different_noise_were_recorded() -> None:
    assert len({each.hour for each in RECORDED}) >= 3
    assert 0 < len(processes.list_quiet_hours(RECORDED)) < len({each.hour for each in RECORDED})
    assert all(len(of(case)) >= 20 for case in CASES)
    assert {len(each.train_s) for each in LONG} == {100}
    assert {len(each.train_s) for each in SHORT} == {12}


@pytest.mark.parametrize("epochs", [12, 100])
def test_one_process_says_where_the_median_of_all_lies(epochs: int) -> None:
    check([processes.cover_alone(of(case), epochs) for case in CASES])


@cache
def cover(epochs: int, hours: int = 1, known: int = 0) -> list[processes.Coverage]:
    """Of sweeps of six processes per case, by case: what several tests look at is drawn once."""
    rng = np.random.default_rng(1)
    return list(processes.cover_sweeps(RECORDED, epochs, 6, DRAWS, rng, hours=hours, known=known).values())


@pytest.mark.parametrize("epochs", [12, 100])
@pytest.mark.parametrize("hours", [1, 2])
def test_sweeps_say_where_it_lies(epochs: int, hours: int) -> None:
    check(cover(epochs, hours))


@pytest.mark.parametrize("epochs", [12, 100])
def test_they_say_it_by_less_where_the_usual_bandwidth_is_known(epochs: int) -> None:
    """Of hours that are not the sweep's. One of them narrows the intervals, four by a fifth."""
    found = [cover(epochs, 1, known) for known in (0, 1, 4)]
    for each in found[1:]:
        check(each)
    reaches = [statistics.fmean(case.reach for case in each) for each in found]
    assert reaches[1] < 0.92 * reaches[0]
    assert reaches[2] < 0.82 * reaches[0]


def test_an_hours_figures_go_with_its_bandwidth_as_all_other_hours_say() -> None:
    quiet = processes.keep_quiet_hours(RECORDED)
    found = recorded_hours.leave_hours_out(quiet)
    assert found.slopes == pytest.approx([RATE_SLOPE] * len(found.slopes), abs=0.2)
    assert found.after < 0.5 * found.before
    assert found.after < KNOWN_HOUR_DEVIATION


def check(found: Sequence[processes.Coverage]) -> None:
    """Over all cases: a window is one draw for whatever ran in it, and there are few."""
    assert statistics.fmean(each.held for each in found) >= 0.9
    assert statistics.fmean(each.width for each in found) <= 1.5


@cache
def compare_twins(epochs: int, twins: int) -> processes.Told:
    """Compare sweeps of one machine, as far as the longer recordings go; drawn once."""
    return processes.compare_sweeps(LONG, epochs, 6, DRAWS, np.random.default_rng(1), twins=twins)


@pytest.mark.parametrize("epochs", [12, 100])
def test_a_machine_is_not_told_from_itself(epochs: int) -> None:
    told = compare_twins(epochs, 2)
    assert told.machine == 0
    assert told.case <= 0.05


@pytest.mark.parametrize("epochs", [12, 100])
@pytest.mark.parametrize("twins", [2, 6])
def test_of_one_machine_no_case_is_called_faster_or_slower(epochs: int, twins: int) -> None:
    told = compare_twins(epochs, twins)
    assert told.family <= 0.05


def test_cases_of_a_machine_that_is_half_as_fast_are_called_slower() -> None:
    quiet = processes.keep_quiet_hours(LONG)
    told = processes.compare_sweeps(quiet, 100, 6, DRAWS, np.random.default_rng(1), factor=2.0)
    assert told.family == 1


@pytest.mark.parametrize(("hours", "slower"), [(1, 1.8), (2, 1.4)])
def test_sweeps_of_six_minutes_tell_a_slower_machine_from_itself(hours: int, slower: float) -> None:
    """Hours of one machine differ: one each tells 80 % apart, two each at two hours 40 %."""
    same, other = (
        processes.compare_sweeps(SHORT, 12, None, DRAWS, np.random.default_rng(1), factor=factor, twins=1, hours=hours)
        for factor in (1.0, slower)
    )
    assert same.machine <= 0.05
    assert same.family <= 0.05
    assert other.machine >= 0.85


def test_the_usual_bandwidth_tells_more_machines_apart_and_none_from_itself() -> None:
    quiet = processes.keep_quiet_hours(RECORDED)
    unknown, same, other = (
        processes.compare_sweeps(quiet, 12, None, DRAWS, np.random.default_rng(1), factor=factor, twins=1, known=known)
        for factor, known in ((1.3, 0), (1.0, 4), (1.3, 4))
    )
    assert same.machine <= 0.05
    assert same.family <= 0.05
    assert other.machine > unknown.machine + 0.2


def test_hours_of_one_machine_differ_as_assumed() -> None:
    """By the windows of three cases, and by default sweeps: within a third of what is assumed, which lies between."""
    windows = statistics.fmean(processes.find_hour_deviation(of(case)) for case in CASES)
    sweeps = recorded_hours.find_sweep_deviation()
    assert windows < HOUR_DEVIATION < sweeps
    assert windows == pytest.approx(HOUR_DEVIATION, rel=0.33)
    assert sweeps == pytest.approx(HOUR_DEVIATION, rel=0.33)


@pytest.mark.parametrize("known", [0, 3])
def test_default_sweeps_of_one_machine_are_not_called_different(known: int) -> None:
    """Seven of them at seven hours, three beside other work: no case, and not the machine either."""
    sweeps = processes.estimate_sweeps(known=known)
    assert len(sweeps) >= 7
    assert not any(processes.are_different(one, two) for one, two in itertools.combinations(sweeps.values(), 2))


@pytest.mark.parametrize("known", [0, 3])
def test_the_intervals_of_default_sweeps_overlap(known: int) -> None:
    pairs = itertools.combinations(processes.estimate_sweeps(known=known).values(), 2)
    overlap = [processes.do_overlap(*speeds) for pair in pairs for speeds in processes.find_common_cases(*pair)]
    assert sum(overlap) / len(overlap) > 0.97


def test_a_recording_is_read_as_it_was_written(tmp_path: Path) -> None:
    line = {"case": "a", "repeat": 0, "train_s": 1.5, "own_cores": 1.2, "taken_cores": 0.1}
    lines = [line | {"noisy": noisy, "reference_gb_per_s": 51.5} for noisy in (0, 1)]
    processes.write_hour(tmp_path / "now.csv.gz", lines)
    processes.write_hour(tmp_path / "older.csv.gz", [line | {"noisy": 0}])
    assert processes.read_processes(tmp_path) == [
        processes.RecordedProcess("now", "a", (1.5, 1.5), (1.2, 1.2), (0.1, 0.1), (False, True), 51.5),
        processes.RecordedProcess("older", "a", (1.5,), (1.2,), (0.1,), (False,)),
    ]
