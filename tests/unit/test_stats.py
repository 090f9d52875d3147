"""The median's interval against known order statistics, and by simulation."""

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import stats


def interval(values: list[float]) -> tuple[float | None, float | None]:
    found = stats.median(values)
    assert found is not None
    return found.low, found.high


def test_nothing_has_no_median() -> None:
    assert stats.median([]) is None


@pytest.mark.parametrize("count", range(1, 6))
def test_fewer_than_six_values_have_a_median_without_an_interval(count: int) -> None:
    found = stats.median([float(value) for value in range(count)])
    assert found == stats.Median((count - 1) / 2, None, None, count)


# 1-based order statistics of the 95 % interval, as in tables of the sign test (Conover, table A3: p = 0.5)
@pytest.mark.parametrize(
    ("count", "low", "high"), [(6, 1, 6), (7, 1, 7), (8, 1, 8), (9, 2, 8), (10, 2, 9), (12, 3, 10), (20, 6, 15)]
)
def test_the_interval_is_the_tabled_order_statistics(count: int, low: int, high: int) -> None:
    values = [float(value) ** 2 for value in range(1, count + 1)]
    shuffled = values[::2] + values[1::2][::-1]
    assert interval(shuffled) == (values[low - 1], values[high - 1])


def test_the_interval_covers_the_true_median_at_least_as_often_as_it_says() -> None:
    rng = np.random.default_rng(20260102)
    trials, true_median = 1000, 1.0  # of exp(N(0, 1)): skewed, as times are
    covered = 0
    for _ in range(trials):
        low, high = interval(rng.lognormal(size=15).tolist())
        assert low is not None
        assert high is not None
        covered += low <= true_median <= high
    # order statistics 4 and 12 of 15 cover 96.5 %; three standard errors below 95 % would be 93 %
    assert 0.945 <= covered / trials <= 0.985


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=40))
def test_the_interval_holds_the_median_and_is_made_of_values(values: list[float]) -> None:
    found = stats.median(values)
    assert found is not None
    assert found.value == statistics.median(values)
    assert found.count == len(values)
    assert (found.low is None) == (found.high is None) == (len(values) < 6)
    if found.low is not None and found.high is not None:
        assert found.low <= found.value <= found.high
        assert {found.low, found.high} <= set(values)
