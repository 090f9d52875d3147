"""Epochs and seconds until a model is good enough: pure functions on outcomes.

Good enough is a threshold of `val_bce`, which compares across models. It is measured at checkpoints alone. Where it
agrees with the validation loss at every checkpoint, the two are taken to be the same in the epochs between; otherwise
(a loss with a penalty, a sum over pixels) only the checkpoints count.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.errors import InvalidInput, split_list
from bench.plan.profile import Case
from bench.results.schema import Outcome

THRESHOLDS = (0.12, 0.11, 0.10, 0.095)
"""Nats per pixel: from recognizable images to about what the blog's best autoencoder reaches."""
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


def find_reached(outcome: Outcome, thresholds: Sequence[float]) -> list[Reached]:
    """Find the thresholds that a case reached, in the order given."""
    curve, exact = _find_curve(outcome)
    found = []
    for threshold in thresholds:
        epochs = next((epoch for epoch, bce in curve if bce <= threshold), None)
        if epochs is not None:
            seconds = sum(outcome.epochs.get_column("train_s")[:epochs])
            found.append(Reached(case=outcome.case, threshold=threshold, epochs=epochs, seconds=seconds, exact=exact))
    return found


def find_first(entries: Iterable[Reached]) -> dict[float, Reached]:
    """Find the entry with the fewest seconds for each threshold, the easiest threshold first."""
    ordered = sorted(entries, key=lambda entry: (-entry.threshold, entry.seconds))
    return {
        threshold: next(group) for threshold, group in itertools.groupby(ordered, key=lambda entry: entry.threshold)
    }


def _find_curve(outcome: Outcome) -> tuple[list[tuple[int, float]], bool]:
    """Return epochs with their `val_bce`, ascending, and whether every epoch is there."""
    checkpoints = {found.epochs: found.val_bce for found in outcome.evaluations if found.val_bce is not None}
    every = zip(outcome.epochs.get_column("epoch"), outcome.epochs.get_column("val_loss"), strict=True)
    losses = {epoch: loss for epoch, loss in every if loss is not None}
    agree = checkpoints and all(
        epoch in losses and abs(losses[epoch] - bce) <= _AGREE for epoch, bce in checkpoints.items()
    )
    known = losses | checkpoints if agree else checkpoints
    return sorted((epoch, bce) for epoch, bce in known.items() if epoch <= len(outcome.epochs)), bool(agree)
