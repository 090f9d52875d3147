"""Rules in wide use by which one set of times is called slower than another: the gate's is compared with them.

Each takes the seconds of all epochs, pooled, and says whether it would raise an alarm.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from scipy import stats

Times = npt.NDArray[np.float64]
Rule = Callable[[Times, Times], bool]
_FACTOR = 1.1


def mann_whitney(base: Times, candidate: Times) -> bool:
    """As asv compares: a difference of ranks with p below 0.002, and medians a factor apart."""
    unlikely = float(stats.mannwhitneyu(base, candidate).pvalue) < 0.002
    return unlikely and float(np.median(candidate)) > _FACTOR * float(np.median(base))


def mann_whitney_alone(base: Times, candidate: Times) -> bool:
    """The same without the factor."""
    return float(stats.mannwhitneyu(base, candidate, alternative="less").pvalue) < 0.002


def student(base: Times, candidate: Times) -> bool:
    """As pyperf compares: Student's t of two samples at 95 %, two-sided."""
    found = stats.ttest_ind(candidate, base)
    return float(found.pvalue) < 0.05 and float(found.statistic) > 0


def minimum(base: Times, candidate: Times) -> bool:
    """The least time is 5 % larger."""
    return float(candidate.min()) > 1.05 * float(base.min())


def median(base: Times, candidate: Times) -> bool:
    """The median is 10 % larger."""
    return float(np.median(candidate)) > _FACTOR * float(np.median(base))


RULES: Mapping[str, Rule] = {
    "Mann-Whitney at 0.002, factor 1.1": mann_whitney,
    "Mann-Whitney at 0.002": mann_whitney_alone,
    "Student's t of pooled epochs at 0.05": student,
    "minimum + 5 %": minimum,
    "median + 10 %": median,
}
