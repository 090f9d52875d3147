"""Statistics of repeated times: pure functions on numbers."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scipy import stats

CONFIDENCE = 0.95
_FEWEST = 6
"""1 - 2 · 0.5⁶ = 0.969 is the first coverage of the two extremes that reaches 0.95."""


@dataclass(frozen=True)
class Median:
    """A median and, where there are values enough, its 95 % confidence interval."""

    value: float
    low: float | None
    high: float | None
    count: int


def median(values: Sequence[float]) -> Median | None:
    """The median with a distribution-free interval, or None of nothing.

    The interval's ends are order statistics (Conover, Practical Nonparametric Statistics, 3rd ed., section 3.2), so
    nothing is assumed of the shape of the noise; below six values no such interval reaches 95 %, and it stays empty.
    """
    if not values:
        return None
    low, high = _interval(values) if len(values) >= _FEWEST else (None, None)
    return Median(statistics.median(values), low, high, len(values))


def _interval(values: Sequence[float]) -> tuple[float, float]:
    interval: Any = stats.quantile_test(values, q=0, p=0.5).confidence_interval(CONFIDENCE)
    return float(interval.low), float(interval.high)
