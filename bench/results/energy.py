"""Joules of epochs: pure functions on outcomes."""

from collections.abc import Sequence

from bench.host.energy import find_update_s
from bench.results.epochs import EpochTable
from bench.results.journal_lines import Outcome

_MOST_UNKNOWN = 0.05
"""Of a sum, at most; a larger fraction would be the counter's steps, not energy."""
_STEP_ERROR = 6**-0.5
"""Standard deviation of the time that lies between two readings of a counter, in its steps: each reading is late by
anything from nothing to a step."""


def sum_joules(of: EpochTable, places: Sequence[int], counters: Sequence[str]) -> float | None:
    """Add up the joules of training of some epochs, by their places from 0, that these energy counters measured.

    None where not every one was measured, or where together they are too short for the counter's steps.
    """
    joules, seconds = ([of.get_column(name)[place] for place in places] for name in ("energy_j", "train_s"))
    if not joules or None in joules:
        return None
    unknown_s = _STEP_ERROR * find_update_s(counters) * len(places) ** 0.5
    return sum(joules) if unknown_s <= _MOST_UNKNOWN * sum(seconds) else None


def sum_idle_power(outcome: Outcome) -> float | None:
    """Add up the watts that the counters of the run showed while nothing ran; None where one of them showed none."""
    counters = outcome.setup.energy_counters if outcome.setup else ()
    watts = [dict(outcome.idle_w).get(name) for name in counters]
    known = [each for each in watts if each is not None]
    return sum(known) if known and len(known) == len(watts) else None
