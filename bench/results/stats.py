"""Statistics of repeated measurements: medians, means with Student's t, steady states. Pure functions on numbers."""

import functools
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from scipy import special, stats

CONFIDENCE = 0.95
NOISY_FRACTION = 0.1
"""Where a larger fraction of the epochs was noisy, times are read with care."""
_FEWEST_LATER = 4
_LONGEST = 1000
"""A trend is looked for in this many epochs, the last ones: all pairs of them are compared."""
_TREND_LEVEL = 0.01
_TREND_SIZE = 0.1
_FEWEST = 6
"""1 - 2 · 0.5⁶ = 0.969 is the first coverage of the two extremes that reaches 0.95."""


def find_interval_of_median(values: Sequence[float]) -> tuple[float, float] | None:
    """Find the distribution-free 95 % interval of the median of independent values; None below six values.

    Its ends are order statistics (Conover, Practical Nonparametric Statistics, 3rd ed., section 3.2), so nothing is
    assumed of the shape of the noise; of fewer than six values no such interval reaches 95 %.
    """
    if len(values) < _FEWEST:
        return None
    low, high = _find_ranks(len(values))
    ordered = sorted(values)
    return float(ordered[low]), float(ordered[high])


@functools.cache
def _find_ranks(count: int) -> tuple[int, int]:
    """Which of ``count`` ordered values, from 0, are the ends of their median's interval."""
    interval: Any = stats.quantile_test(range(count), q=0, p=0.5).confidence_interval(CONFIDENCE)
    return round(interval.low), round(interval.high)


def compute_median_of_known(values: Iterable[float | None]) -> float | None:
    """The median of the values that were measured; None where none was."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


@dataclass(frozen=True)
class StudentMean:
    """The mean of independent values, and how far it may be from the truth, by Student's t."""

    mean: float
    error: float
    """Standard error of the mean."""
    freedom: int
    """Degrees of freedom."""

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """The mean of two values or more."""
        mean, freedom = statistics.fmean(values), len(values) - 1
        # `statistics.stdev` is exact, and forty times slower.
        squares = math.fsum((value - mean) ** 2 for value in values)
        return cls(mean, math.sqrt(squares / freedom / len(values)), freedom)

    def compute_width(self, level: float = (1 - CONFIDENCE) / 2) -> float:
        """How far the mean lies from the truth, in one direction, except with the probability ``level``.

        By default half the width of a two-sided 95 % interval.
        """
        return compute_upper_t(level, self.freedom) * self.error

    def compute_lower_end(self, level: float) -> float:
        """The lower end of an interval: it lies above the truth with the probability ``level`` at most."""
        return self.mean - self.compute_width(level)

    def compute_upper_end(self, level: float) -> float:
        """The upper end of an interval: it lies below the truth with the probability ``level`` at most."""
        return self.mean + self.compute_width(level)


@functools.cache
def compute_upper_t(level: float, freedom: int) -> float:
    """What Student's t exceeds with the probability ``level``."""
    return float(stats.t.isf(level, freedom))


def compute_upper_tail(value: float, freedom: int) -> float:
    """The probability with which Student's t exceeds ``value``."""
    return float(special.stdtr(freedom, -value))


def find_warmup_length(times: Sequence[float]) -> int:
    """Find how many epochs of a series, in seconds, are warm-up.

    The first epoch always is: it traces and compiles. Each following one is while it lies above the upper fence of all
    later ones (Tukey: third quartile + 1.5 interquartile ranges) and more than 5 % above their median; at most half of
    the series.
    """
    warmup = min(1, len(times))
    while warmup < len(times) // 2 and _stands_out(times[warmup], times[warmup + 1 :]):
        warmup += 1
    return warmup


def _stands_out(value: float, later: Sequence[float]) -> bool:
    if len(later) < _FEWEST_LATER:
        return False
    first, middle, third = statistics.quantiles(later, n=4)
    return value > third + 1.5 * (third - first) and value > 1.05 * middle


def is_steady(times: Sequence[float]) -> bool | None:
    """Whether epochs after the warm-up, in seconds, have no trend; None below six of them.

    They have one where Kendall's tau differs from zero at the 1 % level and the Theil-Sen line changes by more than
    10 % of the median from end to end. Order alone decides, so that bursts of noise and a machine with two speeds are
    no trend.
    """
    return None if len(times) < _FEWEST else not _has_trend(times[-_LONGEST:])


def _has_trend(times: Sequence[float]) -> bool:
    if len(set(times)) == 1:
        return False
    order = range(len(times))
    change = float(stats.theilslopes(times, order).slope) * (len(times) - 1)
    tau: Any = stats.kendalltau(order, times)
    return bool(tau.pvalue < _TREND_LEVEL) and abs(change) > _TREND_SIZE * statistics.median(times)
