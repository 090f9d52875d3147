"""Epochs and seconds until a model is good enough: pure functions on outcomes.

Good enough is a threshold of `val_bce`, which compares across models. It is measured at checkpoints alone. Where it
agrees with the validation loss at every checkpoint, the two are taken to be the same in the epochs between; otherwise
(a loss with a penalty, a sum over pixels) only the checkpoints count.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.errors import InvalidInput, split_list
from bench.plan.profile import Case
from bench.results.energy import sum_joules
from bench.results.journal_lines import Outcome

_MOST_LEVELS = 4
"""So many thresholds are chosen from the data; a reader compares no more."""
_AGREE = 5e-4
"""Keras averages in float32, over batches; bfloat16 models lose a little more. A penalty is far larger."""


@dataclass(frozen=True, kw_only=True)
class Reached:
    """When a case first reached a threshold."""

    case: Case
    threshold: float
    epochs: int
    """The first epoch after which `val_bce` was known to be at most the threshold."""
    seconds: float
    """Training seconds up to its end, with compilation, without validation and the process's start."""
    exact: bool
    """Whether `val_bce` is known for every epoch; if only for checkpoints, it may have been reached earlier."""
    joules: float | None = None
    """Joules of these seconds, by the machine's energy counters; None where they did not say."""


def parse_thresholds(text: str) -> tuple[float, ...]:
    """Parse the flag "0.12,0.1", the largest first. Raises `InvalidInput`."""
    try:
        levels = {float(part) for part in split_list(text)}
    except ValueError as error:
        raise InvalidInput(
            f"--thresholds takes numbers with commas between them, such as 0.12,0.1; got {text!r}."
        ) from error
    if not levels or not all(0 < level < math.inf for level in levels):
        raise InvalidInput(f"--thresholds takes numbers above zero; got {text!r}.")
    return tuple(sorted(levels, reverse=True))


def choose_thresholds(outcomes: Iterable[Outcome]) -> tuple[float, ...]:
    """Choose thresholds from what was reached, the largest first: a few that distinguish the cases.

    They are quartiles of what the runs reached at their last checkpoint or, where all ended alike, at every one,
    rounded up to two figures, so that at least one run reached each. Nats per pixel; empty where nothing was evaluated.
    """
    curves = [curve for outcome in outcomes if (curve := _list_evaluated(outcome))]
    at_the_end = _choose_levels([curve[-1] for curve in curves])
    return at_the_end if len(at_the_end) > 1 else _choose_levels([bce for curve in curves for bce in curve])


def _list_evaluated(outcome: Outcome) -> list[float]:
    """List `val_bce` at the checkpoints, by their epochs; what no loss can be is left out."""
    found = sorted((each.epochs, each.val_bce) for each in outcome.evaluations if each.val_bce is not None)
    return [bce for _, bce in found if _LEAST <= bce <= _MOST]


_LEAST, _MOST = 1e-6, 1e3
"""Nats per pixel. A stranger's journal may hold anything."""


def _choose_levels(values: Sequence[float]) -> tuple[float, ...]:
    ordered = sorted(values)
    last = len(ordered) - 1
    chosen = [ordered[part * last // _MOST_LEVELS] for part in range(_MOST_LEVELS)] if ordered else []
    levels: list[float] = []
    for level in map(_round_up, chosen):  # from the best
        if not levels or level > _APART * levels[-1]:
            levels.append(level)
    return tuple(reversed(levels))


_APART = 1.08
"""Of two thresholds nearer to each other than this factor, the higher one says nothing new."""


def _round_up(value: float) -> float:
    """Round up to two significant figures: 0.1236 to 0.13."""
    digits = 1 - math.floor(math.log10(value))
    return round(math.ceil(round(value * 10.0**digits, 6)) / 10.0**digits, 9)


def find_reached(outcome: Outcome, thresholds: Sequence[float]) -> list[Reached]:
    """Find the thresholds that a case reached, in the order given."""
    curve, exact = find_curve(outcome)
    counters = outcome.setup.energy_counters if outcome.setup else ()
    found = []
    for threshold in thresholds:
        epochs = next((epoch for epoch, bce in curve if bce <= threshold), None)
        if epochs is not None:
            found.append(
                Reached(
                    case=outcome.case,
                    threshold=threshold,
                    epochs=epochs,
                    seconds=sum(outcome.epochs.get_column("train_s")[:epochs]),
                    exact=exact,
                    joules=sum_joules(outcome.epochs, range(epochs), counters),
                )
            )
    return found


def find_first(entries: Iterable[Reached]) -> dict[float, Reached]:
    """Find the entry with the fewest seconds for each threshold, the easiest threshold first."""
    ordered = sorted(entries, key=lambda entry: (-entry.threshold, entry.seconds))
    return {
        threshold: next(group) for threshold, group in itertools.groupby(ordered, key=lambda entry: entry.threshold)
    }


def find_curve(outcome: Outcome) -> tuple[list[tuple[int, float]], bool]:
    """Return epochs with their `val_bce` in nats per pixel, ascending, and whether every epoch is there."""
    checkpoints = {found.epochs: found.val_bce for found in outcome.evaluations if found.val_bce is not None}
    every = zip(outcome.epochs.get_column("epoch"), outcome.epochs.get_column("val_loss"), strict=True)
    curve, exact = join_curve(checkpoints, {epoch: loss for epoch, loss in every if loss is not None})
    return [(epoch, bce) for epoch, bce in curve if 1 <= epoch <= len(outcome.epochs)], exact


def join_curve(checkpoints: Mapping[int, float], losses: Mapping[int, float]) -> tuple[list[tuple[int, float]], bool]:
    """Join `val_bce` at checkpoints with the validation losses of all epochs, where these are the same."""
    agree = checkpoints and all(
        epoch in losses and abs(losses[epoch] - bce) <= _AGREE for epoch, bce in checkpoints.items()
    )
    return sorted((dict(losses) | dict(checkpoints) if agree else checkpoints).items()), bool(agree)
