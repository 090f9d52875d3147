"""The time left: planned before anything ran, corrected by what ran."""

import pytest
import scripted

from bench.estimate import Remaining, case_seconds, duration

CASES = scripted.profile(models=("basic", "deep", "convolutional"), epochs=(10,), batch_sizes=(100,)).cases()


def planned(*cases: object) -> float:
    return sum(case_seconds(case, 60_000, 10_000) for case in CASES if not cases or case in cases)


@pytest.fixture
def remaining() -> Remaining:
    return Remaining(CASES, 60_000, 10_000)


def test_more_epochs_more_digits_and_smaller_batches_take_longer() -> None:
    base = case_seconds(scripted.case(marks=(10,), batch_size=256), 4_000, 1_000)
    assert case_seconds(scripted.case(marks=(20,), batch_size=256), 4_000, 1_000) > base
    assert case_seconds(scripted.case(marks=(10,), batch_size=64), 4_000, 1_000) > base
    assert case_seconds(scripted.case(marks=(10,), batch_size=256), 60_000, 10_000) > base


def test_only_the_last_mark_counts_since_the_others_lie_on_its_way() -> None:
    one, three = (case_seconds(scripted.case(marks=marks), 4_000, 1_000) for marks in [(10,), (1, 2, 10)])
    assert one == three


def test_before_anything_ran_the_plan_is_what_is_left(remaining: Remaining) -> None:
    assert remaining.seconds() == pytest.approx(planned())


def test_a_machine_twice_as_slow_as_planned_doubles_what_is_left(remaining: Remaining) -> None:
    remaining.finished(CASES[0], 2 * planned(CASES[0]))
    assert remaining.seconds() == pytest.approx(2 * planned(*CASES[1:]))


def test_the_running_case_counts_down_but_not_below_its_own_share(remaining: Remaining) -> None:
    assert remaining.seconds(CASES[0], 5.0) == pytest.approx(planned() - 5)
    assert remaining.seconds(CASES[0], 1e9) == pytest.approx(planned(*CASES[1:]))


def test_nothing_is_left_when_all_are_finished(remaining: Remaining) -> None:
    for case in CASES:
        remaining.finished(case, 10.0)
    assert remaining.seconds() == pytest.approx(0, abs=1e-9)


def test_nothing_is_left_of_nothing() -> None:
    assert Remaining([], 60_000, 10_000).seconds() == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599.9, "1 h 0 min"),
        (7500, "2 h 5 min"),
        (360_000, "100 h 0 min"),
    ],
)
def test_durations_are_said_as_a_person_says_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
