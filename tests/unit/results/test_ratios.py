"""Ratios of speeds: their intervals, their p-values, their mean, and which of many cases differ."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.results.ratios import Ratio, compute_geometric_mean, compute_p_value, divide, find_clear_differences
from bench.results.speed import CaseSpeed


def approx(value: float) -> Any:
    """A number that equals its neighbours, in any field."""
    return pytest.approx(value)


def test_a_ratios_ends_combine_both_sides_on_the_log_scale() -> None:
    over = CaseSpeed(9.0, 4.0, 4.0 / 1.1, 4.0 * 1.2, 9, 8, shared=0.5)
    found = divide(over, CaseSpeed(9.0, 2.0, 2.0 / 1.3, 2.0 * 1.05, 9, 8, shared=0.5))
    assert found.value == approx(2.0)
    assert found.low == approx(2 / math.exp(math.hypot(math.log(1.1), math.log(1.05))))
    assert found.high == approx(2 * math.exp(math.hypot(math.log(1.2), math.log(1.3))))


def speed(quiet: float, reach: float, freedom: int = 8, shared: float = 0.5) -> CaseSpeed:
    return CaseSpeed(quiet, quiet, quiet / reach, quiet * reach, 1, freedom, shared)


def test_of_one_sweep_what_its_hours_do_to_both_sides_is_left_out() -> None:
    sides = speed(2.0, 1.4, shared=0.75), speed(1.0, 1.4, shared=0.75)
    apart, together = divide(*sides), divide(*sides, in_one_sweep=True)
    assert together.value == apart.value
    assert math.log(together.high / together.value) == approx(math.log(apart.high / apart.value) / 2)
    assert math.log(together.value / together.low) == approx(math.log(apart.value / apart.low) / 2)


def test_what_the_cases_of_a_ratio_share_counts_by_the_variances_of_its_sides() -> None:
    assert divide(speed(1, 1.2, shared=0.4), speed(1, 1.2, shared=0.8)).shared == approx(0.6)
    assert divide(speed(1, 1.2, shared=0.4), speed(1, 1.0, shared=0.8)).shared == approx(0.4)


@given(st.floats(0.2, 5), st.floats(1.01, 3), st.floats(1.01, 3), st.integers(2, 60), st.integers(2, 60))
def test_a_p_value_is_at_most_five_percent_where_the_interval_leaves_one_out(
    quiet: float, one: float, two: float, freedom: int, freedom_two: int
) -> None:
    sides = speed(1.0, one, freedom), speed(quiet, two, freedom_two)
    ratio, found = divide(*sides), compute_p_value(*sides)
    if min(abs(math.log(ratio.low)), abs(math.log(ratio.high))) > 1e-9:
        assert (found <= 0.05) == (not ratio.low <= 1 <= ratio.high)
    assert found == approx(compute_p_value(*reversed(sides)))


def test_a_p_value_is_that_of_students_t() -> None:
    reach = 1.1
    found = compute_p_value(speed(1.2, reach), speed(1.0, reach))
    error = math.sqrt(2) * math.log(reach) / 2.306004135204166
    assert found == approx(2 * stats.t.sf(math.log(1.2) / error, 8))
    assert compute_p_value(speed(1.0, 1.1), speed(1.0, 1.1)) == 1
    assert compute_p_value(speed(2.0, 1.0), speed(1.0, 1.0)) == 0


def test_of_many_cases_those_differ_that_do_so_for_all_of_them_together() -> None:
    assert find_clear_differences([]) == []
    assert find_clear_differences([0.04]) == [True]
    assert find_clear_differences([0.04, 0.9]) == [False, False]
    assert find_clear_differences([0.9, 0.01, 0.04, 0.012]) == [False, True, False, True]  # .05/4, .05/3, .05/2


def test_a_mean_of_ratios_is_geometric() -> None:
    found = compute_geometric_mean([Ratio(value, value / 1.1, value * 1.1) for value in (0.5, 2.0, 8.0)])
    assert found is not None
    assert (found.value, found.cases) == (approx(2.0), 3)


def test_the_mean_of_one_ratio_is_that_ratio() -> None:
    assert compute_geometric_mean([Ratio(2.0, 1.5, 3.0)]) == Ratio(approx(2), approx(1.5), approx(3))
    assert compute_geometric_mean([]) is None


def test_cases_that_disagree_widen_the_mean() -> None:
    close = compute_geometric_mean([Ratio(each, each / 1.01, each * 1.01) for each in (1.9, 2.0, 2.1)])
    apart = compute_geometric_mean([Ratio(each, each / 1.01, each * 1.01) for each in (1.0, 2.0, 4.0)])
    assert close is not None
    assert apart is not None
    assert apart.value / apart.low > 2 * close.value / close.low
    assert apart.low == approx(2 / math.exp(4.302652729911275 * math.log(2) / math.sqrt(3)))


def test_cases_that_agree_by_chance_do_not_narrow_it() -> None:
    found = compute_geometric_mean([Ratio(2.0, 1.0, 4.0, shared=0.5), Ratio(2.0, 1.0, 4.0, shared=0.5)])
    assert found is not None
    assert found.low == approx(2 / 2 ** math.sqrt(0.75))  # halfway, in variance, from two cases that share nothing
    assert found.high == approx(2 * 2 ** math.sqrt(0.75))
    for part in (0.25, 1.0):
        many = compute_geometric_mean([Ratio(2.0, 1.0, 4.0, shared=part)] * 10_000)
        assert many is not None
        assert many.low == pytest.approx(2 / 2 ** math.sqrt(part), rel=1e-3)


POSITIVE = st.floats(1e-6, 1e6)


@given(st.lists(st.tuples(POSITIVE, st.floats(1, 3), st.floats(1, 3)), min_size=1, max_size=9))
def test_a_mean_lies_within_its_interval_and_among_its_ratios(given: list[tuple[float, float, float]]) -> None:
    found = compute_geometric_mean([Ratio(value, value / below, value * above) for value, below, above in given])
    assert found is not None
    assert found.low <= found.value * (1 + 1e-9)
    assert found.value <= found.high * (1 + 1e-9)
    values = [value for value, _, _ in given]
    assert min(values) * (1 - 1e-9) <= found.value <= max(values) * (1 + 1e-9)
