"""The median's interval against known order statistics, and by simulation."""

import random
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.results import stats


@pytest.mark.parametrize("count", range(6))
def test_the_median_of_fewer_than_six_values_has_no_interval(count: int) -> None:
    assert stats.find_interval_of_median([float(value) for value in range(count)]) is None


# 1-based order statistics of the 95 % interval, as in tables of the sign test (Conover, table A3: p = 0.5)
@pytest.mark.parametrize(
    ("count", "low", "high"), [(6, 1, 6), (7, 1, 7), (8, 1, 8), (9, 2, 8), (10, 2, 9), (12, 3, 10), (20, 6, 15)]
)
def test_the_interval_is_the_tabled_order_statistics(count: int, low: int, high: int) -> None:
    values = [float(value) ** 2 for value in range(1, count + 1)]
    shuffled = values[::2] + values[1::2][::-1]
    assert stats.find_interval_of_median(shuffled) == (values[low - 1], values[high - 1])


def test_the_interval_covers_the_true_median_at_least_as_often_as_it_says() -> None:
    rng = np.random.default_rng(20260102)
    trials, true_median = 1000, 1.0  # of exp(N(0, 1)): skewed, as times are
    covered = 0
    for _ in range(trials):
        found = stats.find_interval_of_median(rng.lognormal(size=15).tolist())
        assert found is not None
        covered += found[0] <= true_median <= found[1]
    # order statistics 4 and 12 of 15 cover 96.5 %; three standard errors below 95 % would be 93 %
    assert 0.945 <= covered / trials <= 0.985


@given(st.lists(st.floats(1e-6, 1e6), min_size=6, max_size=40))
def test_the_interval_holds_the_median_and_is_made_of_values(values: list[float]) -> None:
    found = stats.find_interval_of_median(values)
    assert found is not None
    assert found[0] <= statistics.median(values) <= found[1]
    assert set(found) <= set(values)


def test_the_median_of_known_values_leaves_out_what_was_not_measured() -> None:
    assert stats.compute_median_of_known([3.0, None, 1.0, 2.0, None]) == 2.0
    assert stats.compute_median_of_known([None]) is None


def test_students_interval_has_the_tabled_width() -> None:
    found = stats.StudentMean.of([1.0, 2.0, 3.0, 4.0])
    assert (found.mean, found.freedom) == (2.5, 3)
    assert found.error == pytest.approx(0.6454972243679028)
    assert found.compute_width() == pytest.approx(3.182446305284263 * found.error)  # t of 3 degrees of freedom at 0.975
    assert found.compute_width(0.05) == pytest.approx(2.3533634348018264 * found.error)
    assert found.compute_lower_end(0.05) + found.compute_upper_end(0.05) == pytest.approx(2 * found.mean)


def test_students_interval_misses_the_true_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    means = [stats.StudentMean.of(rng.normal(size=6).tolist()) for _ in range(2000)]
    assert sum(each.compute_lower_end(0.05) > 0 for each in means) / 2000 == pytest.approx(0.05, abs=0.015)


STEADY = [1.0, 1.1, 0.9, 1.05, 0.95, 1.0, 1.1, 0.9, 1.02, 0.98]


def test_the_first_epoch_is_always_warm_up() -> None:
    assert stats.find_warmup_length(STEADY) == 1
    assert stats.find_warmup_length([1.0]) == 1
    assert stats.find_warmup_length([]) == 0


def test_slow_epochs_at_the_start_are_warm_up_as_long_as_they_stand_out() -> None:
    assert stats.find_warmup_length([9.0, 5.0, 2.0, *STEADY]) == 3


def test_a_slow_epoch_in_the_middle_is_no_warm_up() -> None:
    assert stats.find_warmup_length([9.0, 1.0, 1.05, 7.0, *STEADY]) == 1


def test_at_most_half_of_the_epochs_are_warm_up() -> None:
    assert stats.find_warmup_length([64.0 / 2**n for n in range(12)]) <= 6


def test_times_without_a_trend_are_steady() -> None:
    assert stats.is_steady(STEADY) is True
    assert stats.is_steady([1.0] * 10) is True


def test_a_machine_with_two_speeds_is_steady() -> None:
    speeds = [0.34 if random.Random(number).random() < 0.5 else 0.64 for number in range(40)]
    assert stats.is_steady(speeds) is True


@pytest.mark.parametrize("factor", [1.03, 0.97])
def test_times_that_rise_or_fall_all_along_are_not_steady(factor: float) -> None:
    assert stats.is_steady([factor**number for number in range(30)]) is False


def test_a_trend_too_small_to_matter_is_steady() -> None:
    assert stats.is_steady([1 + 0.001 * number for number in range(30)]) is True


def test_five_epochs_are_too_few_to_tell() -> None:
    assert stats.is_steady(STEADY[:5]) is None


def test_few_steady_series_are_called_unsteady() -> None:
    rng = random.Random(1)
    series = [[rng.lognormvariate(0, 0.1) for _ in range(30)] for _ in range(500)]
    assert sum(stats.is_steady(times) is False for times in series) <= 10
