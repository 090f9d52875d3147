"""Ratios of speeds: their intervals, their mean over cases, and which of many cases differ."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.results.speed import CaseSpeed
from bench.results.stats import CONFIDENCE, StudentMean, compute_upper_t, compute_upper_tail


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio and its 95 % interval."""

    value: float
    low: float
    high: float
    cases: int = 1
    shared: float = 1.0
    """Which fraction of the variance of its error all cases of two sweeps share."""


def divide(over: CaseSpeed, under: CaseSpeed, *, in_one_sweep: bool = False) -> Ratio:
    """``over`` / ``under``, their intervals combined on the log scale; of one sweep without what its hours do to both.

    By the method of variance estimates recovery (Zou and Donner, Statistics in Medicine 27, 2008): an end of the
    ratio's interval depends on one end of each side's; its distance from the ratio is the root of the sum of their
    squared distances.
    """
    middle = math.log(over.quiet) - math.log(under.quiet)
    own, others = (math.sqrt(1 - each.shared) if in_one_sweep else 1.0 for each in (over, under))
    below = math.hypot(own * math.log(over.quiet / over.low), others * math.log(under.high / under.quiet))
    above = math.hypot(own * math.log(over.high / over.quiet), others * math.log(under.quiet / under.low))
    weights = [math.log(each.high / each.low) ** 2 for each in (over, under)]
    shared = (over.shared * weights[0] + under.shared * weights[1]) / (math.fsum(weights) or 1.0)
    return Ratio(math.exp(middle), math.exp(middle - below), math.exp(middle + above), shared=shared)


def compute_p_value(over: CaseSpeed, under: CaseSpeed) -> float:
    """How likely a ratio so far from 1 is where the speeds are the same; at most 0.05 where the interval leaves 1 out.

    By the same Student's t as the interval, with the fewer degrees of freedom of the two sides.
    """
    ratio = divide(over, under)
    distance = abs(math.log(ratio.value))
    if not distance:
        return 1.0
    reach = math.log(ratio.value / ratio.low if ratio.value > 1 else ratio.high / ratio.value)
    freedom = min(over.freedom, under.freedom)
    usual = compute_upper_t((1 - CONFIDENCE) / 2, freedom)
    return 2 * compute_upper_tail(usual * distance / reach, freedom) if reach else 0.0


def find_clear_differences(p_values: Sequence[float]) -> list[bool]:
    """Find which of many cases differ, by Holm's procedure (Scandinavian Journal of Statistics 6, 1979).

    Of machines that are the same in all cases, at most 5 % are said to differ in any, however the cases' errors hang
    together.
    """
    found = [False] * len(p_values)
    for place, number in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[number] > (1 - CONFIDENCE) / (len(p_values) - place):
            break
        found[number] = True
    return found


def compute_geometric_mean(ratios: Sequence[Ratio]) -> Ratio | None:
    """The geometric mean, with the wider of two intervals at each end; None without ratios.

    One is Student's t on the logarithms with the case as the unit: it contains differences from case to case, and brief
    noise too. The other combines the cases' own intervals. Of these the cases of a sweep share a part, as they ran in
    the same hours, which no number of cases makes better known.
    """
    if not ratios:
        return None
    logs = [math.log(each.value) for each in ratios]
    middle = statistics.fmean(logs)
    across = StudentMean.of(logs).compute_width() if len(logs) > 1 else 0.0
    parts = [each.shared for each in ratios]
    below = max(across, _combine([math.log(each.value / each.low) for each in ratios], parts))
    above = max(across, _combine([math.log(each.high / each.value) for each in ratios], parts))
    return Ratio(math.exp(middle), math.exp(middle - below), math.exp(middle + above), len(ratios))


def _combine(reaches: Sequence[float], shared: Sequence[float]) -> float:
    """How far the mean's end lies from it, by those of the cases and the fraction of each one's variance in common."""
    own = [reach * math.sqrt(1 - part) for reach, part in zip(reaches, shared, strict=True)]
    common = [reach * math.sqrt(part) for reach, part in zip(reaches, shared, strict=True)]
    return math.hypot(math.hypot(*own) / len(own), statistics.fmean(common))
