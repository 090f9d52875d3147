"""How often a gate's rounds are judged, what each look risks, and how far from the truth it may be. Pure functions.

**Looks.** Rounds are judged after 6, 8, 11 and 16. The risk of a false alarm is spent over the looks by the spending
function of Lan and DeMets that resembles Pocock's boundaries, a·ln(1 + (e - 1)·t) at the share t of the rounds (Lan and
DeMets, Biometrika 70, 1983, p. 659). The one that resembles O'Brien and Fleming's spends a hundredth of a thousandth
at the first look, for which a t of five degrees of freedom has no use, and the first look is where most runs are to
end. What a look may spend is its level, unadjusted for the looks before: so the levels add up to the whole risk
whatever the dependence between looks, with any number of rounds, and no table for the normal distribution is leant on.

**Risks.** A whole run on equal code raises an alarm at most once in 100: divided by the number of cases, and within a
case half for time, a quarter each for memory and loss. A slowdown of the minimum effect is called ok at most once in
40, spent over the looks likewise.
"""

import functools
import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy import stats

LOOKS = (6, 8, 11, 16)
"""Rounds at which a case is judged."""
FALSE_ALARMS = 0.01
"""Of a whole run of equal code."""
MISSES = 0.025
"""Of a case that is slower by the minimum effect, called ok."""
MINIMUM_EFFECT = 0.05
"""The smallest slowdown that matters, where nobody says otherwise."""
MOST_DISCARDED = 0.3
"""Share of what was measured, after warm-up, that noise may cost before there is no verdict on time."""
_FRACTIONS = {"time": 0.5, "memory": 0.25, "loss": 0.25}


@dataclass(frozen=True)
class Plan:
    """What is risked and what matters, the same for all cases of a run."""

    cases: int
    minimum_effect: float = MINIMUM_EFFECT
    """As a share of the base's time."""
    looks: tuple[int, ...] = LOOKS
    most_discarded: float = MOST_DISCARDED
    """Share of a case's blocks, after warm-up, beyond which it stays undecided."""

    def alarm_level(self, look: int, judged: Literal["time", "memory", "loss"]) -> float:
        """Risk of a false alarm that the look, from 0, may take in one direction of one thing of one case."""
        return _levels(FALSE_ALARMS * _FRACTIONS[judged] / self.cases, self.looks)[look]

    def miss_level(self, look: int) -> float:
        """Risk that the look, from 0, may take of calling a slowdown of the minimum effect ok."""
        return _levels(MISSES, self.looks)[look]

    def look(self, rounds: int) -> int | None:
        """The last look, from 0, that so many rounds allow."""
        return max((index for index, needed in enumerate(self.looks) if needed <= rounds), default=None)


@functools.cache
def _levels(risk: float, looks: tuple[int, ...]) -> tuple[float, ...]:
    """What each look may spend of the risk; see the module's docstring."""
    spent = [0.0, *(risk * math.log(1 + (math.e - 1) * look / looks[-1]) for look in looks)]
    return tuple(after - before for before, after in itertools.pairwise(spent))


@dataclass(frozen=True)
class Student:
    """Mean of independent figures, and how far from the truth it may be, by Student's t."""

    mean: float
    error: float
    """Standard error of the mean."""
    freedom: int
    """Degrees of freedom."""

    @classmethod
    def of(cls, values: Sequence[float]) -> "Student":
        """From two values or more."""
        mean, freedom = statistics.fmean(values), len(values) - 1
        # `stdev` is exact, and forty times slower.
        squares = math.fsum((value - mean) ** 2 for value in values)
        return cls(mean, math.sqrt(squares / freedom / len(values)), freedom)

    def width(self, level: float) -> float:
        """What the mean misses the truth by, in one direction, with this probability at most."""
        return _quantile(level, self.freedom) * self.error

    def below(self, level: float) -> float:
        """The lower end of an interval that begins above the truth with this probability at most."""
        return self.mean - self.width(level)

    def above(self, level: float) -> float:
        """The upper end of an interval that ends below the truth with this probability at most."""
        return self.mean + self.width(level)


@functools.cache
def _quantile(level: float, freedom: int) -> float:
    return float(stats.t.isf(level, freedom))
