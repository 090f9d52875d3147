"""When the gate judges its rounds, and what risk of error each of these looks may take. Pure functions.

**Looks.** A case is judged after 6, 8, 11 and 16 rounds. Each look may raise a false alarm, so the whole risk is
divided over the looks. Of a whole risk a, a·ln(1 + (e - 1)·t) is spent by the time that the fraction t of the rounds is
there: the spending function of Lan and DeMets that resembles Pocock's boundaries (Biometrika 70, 1983, p. 659). The
function that resembles O'Brien and Fleming's boundaries leaves almost nothing for the first look, where most runs
should end.

The level of a look is what it may spend, not adjusted for the looks before it. The levels therefore add up to the whole
risk however the looks depend on each other, and no table for the normal distribution is needed.

**Risks.** A whole run on equal code raises a false alarm at most once in 100. This risk is divided by the number of
cases; within a case, time has half of it, memory and loss a quarter each. A case that is slower by the minimum effect
is called ok at most once in 40; this risk is spent over the looks in the same way.
"""

import functools
import itertools
import math
from dataclasses import dataclass
from typing import Literal

LOOKS = (6, 8, 11, 16)
"""Numbers of rounds after which a case is judged."""
FALSE_ALARMS = 0.01
"""Risk that a whole run on equal code raises an alarm."""
MISSES = 0.025
"""Risk that a case which is slower by the minimum effect is called ok."""
MINIMUM_EFFECT = 0.05
"""The smallest slowdown that matters, unless the request says otherwise."""
MOST_DISCARDED = 0.3
"""Fraction of the blocks (or epochs), after warm-up, that noise may cost; beyond it there is no verdict on time."""
_FRACTIONS = {"time": 0.5, "memory": 0.25, "loss": 0.25}
"""How a case's risk of a false alarm is divided."""


@dataclass(frozen=True)
class RiskPlan:
    """What may be risked and what matters, the same for all cases of a run."""

    cases: int
    minimum_effect: float = MINIMUM_EFFECT
    """As a fraction of the base's time."""
    looks: tuple[int, ...] = LOOKS
    most_discarded: float = MOST_DISCARDED
    """Fraction of a case's blocks, after warm-up; a case that lost more of them is undecided."""

    def compute_alarm_level(self, look: int, judged: Literal["time", "memory", "loss"]) -> float:
        """Risk of a false alarm that a look, from 0, may take on one thing of one case, in one direction."""
        return _compute_levels(FALSE_ALARMS * _FRACTIONS[judged] / self.cases, self.looks)[look]

    def compute_miss_level(self, look: int) -> float:
        """Risk that a look, from 0, may take of calling a slowdown of the minimum effect ok."""
        return _compute_levels(MISSES, self.looks)[look]

    def find_last_look(self, rounds: int) -> int | None:
        """The last look, from 0, for which there are enough rounds; None before the first."""
        return max((index for index, needed in enumerate(self.looks) if needed <= rounds), default=None)


@functools.cache
def _compute_levels(risk: float, looks: tuple[int, ...]) -> tuple[float, ...]:
    """The risk that each look may spend; see the module's docstring."""
    spent = [0.0, *(risk * math.log(1 + (math.e - 1) * look / looks[-1]) for look in looks)]
    return tuple(after - before for before, after in itertools.pairwise(spent))
