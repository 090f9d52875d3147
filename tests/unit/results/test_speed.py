"""Seconds per epoch: what one process says, what the processes of a case say together."""

import math
import random
from collections.abc import Sequence
from typing import Any

import pytest
import scripted
from hypothesis import given
from hypothesis import strategies as st
from unit.machines import narrow

from bench.results.schema import ResultRow
from bench.results.speed import HOUR_DEVIATION, CaseSpeed, ProcessSpeed, estimate_cases, estimate_process

UNEVEN = (1.0, 1.02, 0.99, 1.01, 0.98)


def estimate(
    times: Sequence[float],
    noisy: Sequence[bool] | None = None,
    own: float | None = 1.5,
    taken: float | None = 0.0,
) -> ProcessSpeed:
    """What epochs say that have all the same part of the processors."""
    count = len(times)
    found = estimate_process(times, noisy or [False] * count, [own] * count, [taken] * count)
    assert found is not None
    return found


def width(of: ProcessSpeed | CaseSpeed) -> float:
    return math.log(of.high / of.low)


# --- one process -----------------------------------------------------------------------------------------------------


def test_of_no_epoch_nothing_is_said() -> None:
    assert estimate_process([], [], [], []) is None


def test_a_quiet_run_is_as_measured() -> None:
    found = estimate([*UNEVEN] * 4)
    assert found.quiet == found.as_measured == 1.0
    assert found.low < found.quiet < found.high


def test_the_slower_of_two_speeds_is_no_part_of_the_quiet_figure() -> None:
    found = estimate([*UNEVEN, 2.0, 2.1] * 4)
    assert found.quiet == estimate([*UNEVEN] * 4).quiet
    assert found.as_measured > found.quiet


@pytest.mark.parametrize("count", [1, 3, 30])
def test_what_is_too_little_to_be_noise_is_not_taken_off(count: int) -> None:
    assert estimate([1.0] * count, taken=0.1).quiet == 1.0


@pytest.mark.parametrize("times", [[0.7], [0.7, 0.9]])
def test_one_and_two_epochs_are_enough(times: list[float]) -> None:
    found = estimate(times)
    assert found.as_measured == found.quiet == sum(times) / len(times)
    assert found.low < min(times) <= max(times) < found.high
    assert found.error > 0
    assert width(found) > width(estimate(times * 30)) > 0


def test_where_enough_epochs_are_quiet_the_noisy_ones_say_nothing() -> None:
    quiet, noisy = [*UNEVEN] * 2, [5.0, 7.0, 9.0] * 4
    found = estimate([*quiet, *noisy], [False] * len(quiet) + [True] * len(noisy), taken=1.0)
    assert found.quiet == estimate(quiet).quiet == 1.0
    assert found.error == estimate(quiet).error
    assert found.as_measured > 3.0
    more = estimate([*quiet, *(each * 10 for each in noisy)], [False] * len(quiet) + [True] * len(noisy), taken=1.0)
    assert more.quiet == found.quiet


def test_a_run_in_noise_is_corrected_and_less_certain() -> None:
    times = [*UNEVEN] * 4
    calm, loud = estimate(times), estimate(times, [True] * 20, taken=1.0)
    assert loud.as_measured == calm.as_measured
    assert calm.quiet / 3 < loud.quiet < calm.quiet
    assert width(loud) > width(calm)
    assert estimate(times, [True] * 20, taken=0.5).quiet == pytest.approx(estimate(times, [True] * 20, 3.0, 1.0).quiet)
    assert loud.quiet < estimate(times, [True] * 20, taken=0.5).quiet < calm.quiet


def test_a_few_quiet_epochs_among_many_are_not_all_that_counts() -> None:
    noisy = [True] * 98 + [False] * 2
    assert estimate([2.0] * 98 + [1.0] * 2, noisy, taken=0.0).quiet == 2.0


@pytest.mark.parametrize(("own", "taken"), [(None, 1.0), (0.0, 1.0), (1.5, None), (None, None), (1.5, -1.0)])
def test_what_is_not_known_of_the_noise_takes_nothing_off(own: float | None, taken: float | None) -> None:
    assert estimate([1.0] * 8, [True] * 8, own, taken) == estimate([1.0] * 8)


def test_a_run_at_two_speeds_is_known_less_well_than_a_steady_one() -> None:
    steady, two = estimate([*UNEVEN] * 4), estimate([*UNEVEN, *(1.8 * each for each in UNEVEN), 1.8] * 4)
    assert two.as_measured > 1.5
    assert two.quiet == steady.quiet
    assert width(two) > 2 * width(steady)


def test_a_few_epochs_have_the_error_that_they_show_and_the_interval_of_what_is_assumed() -> None:
    even, uneven = estimate([1.0, 1.001, 1.002]), estimate([0.9, 1.001, 1.1])
    assert even.error < uneven.error / 10
    assert width(even) == pytest.approx(width(uneven), rel=0.01)
    assert width(even) > 100 * even.error


def test_more_epochs_are_known_better_and_never_without_doubt() -> None:
    rng = random.Random(0)
    times = [rng.lognormvariate(0, 0.1) for _ in range(10_000)]
    few, many, most = (estimate(times[:count]) for count in (8, 40, 10_000))
    assert few.error > many.error > most.error
    assert width(few) > width(many) > width(most) > 20 * most.error  # runs differ by more than epochs say


def test_a_drift_widens_the_interval() -> None:
    times = [1.0 + 0.02 * number for number in range(20)]
    rng = random.Random(0)
    mixed = rng.sample(times, 20)
    assert width(estimate(times)) > width(estimate(mixed))
    assert estimate(times).error == estimate(mixed).error


@given(
    st.lists(
        st.tuples(st.floats(1e-3, 1e3), st.booleans(), st.floats(0.1, 64), st.floats(0, 64)), min_size=1, max_size=30
    )
)
def test_the_interval_holds_the_quiet_figure(epochs: list[tuple[float, bool, float, float]]) -> None:
    found = estimate_process(*zip(*epochs, strict=True))
    assert found is not None
    assert found.low < found.quiet < found.high
    assert math.sqrt(found.low * found.high) == pytest.approx(found.quiet)
    assert found.error >= 0


@given(
    st.lists(st.tuples(st.floats(0.01, 100), st.booleans(), st.floats(0, 2)), min_size=1, max_size=30),
    st.sampled_from([2.0**-9, 0.5, 1.0, 2.0, 2.0**9]),  # exact, so that no epoch crosses from one speed to the other
)
def test_a_longer_epoch_is_known_no_less_well(epochs: list[tuple[float, bool, float]], factor: float) -> None:
    times, noisy, taken = zip(*epochs, strict=True)
    own = [1.5] * len(times)
    one = estimate_process(times, noisy, own, taken)
    other = estimate_process([factor * each for each in times], noisy, own, taken)
    assert one is not None
    assert other is not None
    for name in ("as_measured", "quiet"):
        assert getattr(other, name) == pytest.approx(factor * getattr(one, name))
    assert other.error == pytest.approx(one.error, abs=1e-9)
    assert (width(other) <= width(one) * (1 + 1e-9)) == (factor >= 1) or width(other) == pytest.approx(width(one))


@given(
    st.lists(
        st.tuples(
            st.floats(1e-9, 1e9),
            st.booleans(),
            st.floats(allow_nan=False, allow_infinity=False),
            st.floats(allow_nan=False),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_figures_that_no_machine_gives_overflow_nothing(epochs: list[tuple[float, bool, float, float]]) -> None:
    found = estimate_process(*zip(*epochs, strict=True))
    assert found is not None
    assert 0 < found.low < found.quiet < found.high < math.inf
    assert math.isfinite(found.error)
    assert math.isfinite(found.deviation)


# --- the processes of a case -----------------------------------------------------------------------------------------


def row(model: str = "basic", seconds: float | None = 1.0, reach: float = 1.3, **changes: Any) -> ResultRow:
    case_id = scripted.case(model=model, repeat=changes.get("repeat", 0)).case_id
    return scripted.result_row(**{"case_id": case_id, "model": model} | scripted.times(seconds, reach) | changes)


def repeats(*times: float, model: str = "basic", reach: float = 1.3) -> list[ResultRow]:
    return [row(model, seconds, reach, repeat=repeat) for repeat, seconds in enumerate(times)]


def only(*rows: ResultRow) -> CaseSpeed:
    [speed] = estimate_cases(rows).values()
    return speed


def test_cases_are_named_without_their_repeats_of_a_sweep_and_of_a_file() -> None:
    rows = [*repeats(1.0, 1.1), row("deep")]
    assert list(estimate_cases(rows)) == [each.case_id.removesuffix(".r0") for each in (rows[0], rows[-1])]
    assert estimate_cases(map(narrow, rows)) == estimate_cases(rows)
    assert estimate_cases([]) == {}


@given(st.floats(1e-3, 1e3), st.floats(1.001, 10))
def test_a_single_process_says_what_its_row_says(seconds: float, reach: float) -> None:
    found = only(row(seconds=seconds, reach=reach))
    assert found.processes == 1
    assert found.as_measured == pytest.approx(seconds, rel=1e-9)
    assert found.quiet == pytest.approx(seconds, rel=1e-9)
    assert found.low == pytest.approx(seconds / reach, rel=1e-9)
    assert found.high == pytest.approx(seconds * reach, rel=1e-9)


def test_a_measured_row_comes_back_too() -> None:
    measured, found = scripted.result_row(), only(scripted.result_row())
    assert found.as_measured == pytest.approx(measured.epoch_s_median, rel=1e-9)
    for name in ("quiet", "low", "high"):
        assert getattr(found, name) == pytest.approx(getattr(measured, f"epoch_s_{name}"), rel=1e-9)


def test_more_processes_that_agree_narrow_the_interval() -> None:
    widths = [width(only(*repeats(*[1.0, 1.01, 0.99, 1.0][:count]))) for count in (1, 2, 4)]
    assert widths[0] > widths[1] > widths[2] > 0


def test_the_middle_of_equally_trusted_processes_is_geometric() -> None:
    found = only(*repeats(1.0, 2.0, 4.0))
    assert found.processes == 3
    assert found.quiet == found.as_measured == pytest.approx(2.0)
    assert only(*repeats(1.0, 2.0)).quiet == pytest.approx(math.sqrt(2.0))


def test_what_was_measured_differs_from_the_quiet_figure_by_noise_alone() -> None:
    loud = [each.model_copy(update={"epoch_s_median": (each.epoch_s_median or 0) * 1.2}) for each in repeats(1, 1, 1.5)]
    found = only(*loud)
    assert found.as_measured / found.quiet == pytest.approx(1.2)
    assert found.quiet == pytest.approx(1.5 ** (1 / 3))


def test_a_process_that_knows_less_counts_less() -> None:
    found = only(row(seconds=1.0, reach=1.1), row(seconds=2.0, reach=2.0, repeat=1))
    assert 1.0 < found.quiet < 1.1


def test_processes_that_disagree_widen_the_intervals_of_all_cases() -> None:
    alone = estimate_cases([row("deep")])
    for times, is_wider in (((1.0, 3.0, 9.0), True), ((1.0, 1.001, 0.999), False)):
        sweep = estimate_cases([*repeats(*times), row("deep"), row("sparse")])
        for name, speed in sweep.items():
            if name in alone:
                assert (width(speed) > 2 * width(alone[name])) == is_wider
                assert (width(speed) < width(alone[name])) == (not is_wider)
                assert speed.quiet == pytest.approx(1.0)


def test_many_processes_overrule_what_is_assumed() -> None:
    """Their interval is then nearly Student's and what a sweep is known to at best, whatever each says of itself."""
    rng = random.Random(0)
    times = [rng.lognormvariate(0, 0.2) for _ in range(200)]
    logs = [math.log(each) for each in times]
    mean = sum(logs) / 200
    half = 1.96 * math.hypot(HOUR_DEVIATION, math.sqrt(sum((each - mean) ** 2 for each in logs) / 199 / 200))
    for reach in (1.3, 1.5, 3.0):
        found = only(*repeats(*times, reach=reach))
        assert math.log(found.quiet) == pytest.approx(mean)
        assert width(found) / 2 == pytest.approx(half, rel=0.15)


def test_only_processes_of_other_hours_narrow_what_an_hour_shares() -> None:
    """Of so many processes that they all but agree, one hour leaves its own deviation; four hours leave half of it."""
    one_hour = only(*repeats(*[1.0] * 40))
    assert width(one_hour) / 2 == pytest.approx(1.96 * HOUR_DEVIATION, rel=0.15)
    hours = [
        each.model_copy(update={"started_at": f"2026-01-02T{3 + each.repeat % 4:02}:00:00+00:00"})
        for each in repeats(*[1.0] * 40)
    ]
    assert width(only(*hours)) == pytest.approx(width(one_hour) / 2, rel=0.1)


def test_what_cases_share_is_all_that_many_processes_of_an_hour_leave_open() -> None:
    one, many, four = (only(*repeats(*[1.0] * count)).shared for count in (1, 400, 4))
    assert 0 < one < four < many
    assert many > 0.98


def test_hours_count_for_what_is_known_of_each() -> None:
    """Seven processes of one hour and one of another: neither an eighth nor half of the figure is the other's."""
    later = row(seconds=2.0, repeat=7, started_at="2026-01-02T09:00:00+00:00")
    found = only(*repeats(*[1.0] * 7), later)
    assert 2 ** (1 / 8) < found.quiet < 2**0.5


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-01-02", "9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+23:59"]
)
def test_whatever_a_file_says_of_when_it_ran_is_read(text: str) -> None:
    found = only(row(), row(repeat=1, started_at=text))
    assert found.low < found.quiet == pytest.approx(1.0)


def test_of_each_process_its_last_checkpoint_counts() -> None:
    early = [row(seconds=9.0, epochs=2, repeat=repeat) for repeat in (0, 1)]
    late = [row(seconds=1.0 + repeat / 10, epochs=3, repeat=repeat) for repeat in (0, 1)]
    assert estimate_cases([*early, *late]) == estimate_cases([*late, *early]) == estimate_cases(late)
    mixed = only(early[0], *late)
    assert mixed.processes == 2
    assert mixed.quiet == pytest.approx(math.sqrt(1.0 * 1.1))


def test_rows_without_a_time_are_left_out() -> None:
    timed = row(epochs=2)
    untimed = [row(seconds=None, epochs=3, status="killed"), row(seconds=None, repeat=1), row("deep", None)]
    assert estimate_cases([timed, *untimed]) == estimate_cases([timed])


def test_the_order_of_rows_does_not_matter() -> None:
    rng = random.Random(0)
    rows = [*repeats(1.0, 1.3, 0.9), *repeats(2.0, 2.2, model="deep"), row("sparse", epochs=2), row("sparse", 3.0)]
    once = estimate_cases(rows)
    for _ in range(10):
        again = estimate_cases(rng.sample(rows, len(rows)))
        assert set(again) == set(once)
        for name, speed in again.items():
            for figure in ("as_measured", "quiet", "low", "high", "processes"):
                assert getattr(speed, figure) == pytest.approx(getattr(once[name], figure), rel=1e-9)


@given(st.lists(st.tuples(st.floats(2e-9, 9e8), st.floats(1e-9, 1), st.integers(0, 3), st.integers(0, 3)), max_size=9))
def test_rows_that_a_stranger_made_up_overflow_nothing(given: list[tuple[float, float, int, int]]) -> None:
    rows = [
        row(("basic", "deep", "sparse", "variational")[case], seconds, 1 + narrowness, repeat=repeat)
        for seconds, narrowness, case, repeat in given
    ]
    for speed in estimate_cases(rows).values():
        assert 0 < speed.low < speed.quiet < speed.high < math.inf
        assert 0 < speed.within < math.inf


def test_a_case_is_known_to_within_what_its_interval_reaches() -> None:
    assert CaseSpeed(1.0, 2.0, 2.0 / 1.25, 2.0 * 1.25, 1, 8, 0.5).within == pytest.approx(0.25)
    assert only(row(reach=1.07)).within == pytest.approx(0.07)
