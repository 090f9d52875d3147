"""Epochs and seconds until a model is good enough: pure functions on outcomes.

Good is `val_bce`, which compares across models. Between checkpoints it is known where a model's validation loss is nothing
else: that is held to be so where the two agree at every checkpoint that was evaluated. Otherwise (a loss with a penalty, a
sum over pixels) only the checkpoints tell.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.plan.profile import Case
from bench.results.schema import Outcome

THRESHOLDS = (0.12, 0.11, 0.10, 0.095)
"""Nats a pixel: from images that can be read to about what the blog's best autoencoder reaches."""
_AGREE = 5e-4
"""Keras averages in float32, over batches; bfloat16 models lose a little more. A penalty is far larger."""


@dataclass(frozen=True, kw_only=True)
class Reached:
    """When a case first passed a threshold."""

    case: Case
    threshold: float
    epochs: int
    """The first epoch after which `val_bce` was seen to be at most the threshold."""
    seconds: float
    """Training seconds up to its end, compilation included, validation and start left out."""
    exact: bool
    """Whether each epoch was looked at; else only checkpoints were, and it may have been earlier."""


def reached(outcome: Outcome, thresholds: Sequence[float]) -> list[Reached]:
    """An entry for each threshold that the case passed, in the order given."""
    curve, exact = _curve(outcome)
    found = []
    for threshold in thresholds:
        epochs = next((epoch for epoch, bce in curve if bce <= threshold), None)
        if epochs is not None:
            seconds = sum(outcome.epochs.column("train_s")[:epochs])
            found.append(Reached(case=outcome.case, threshold=threshold, epochs=epochs, seconds=seconds, exact=exact))
    return found


def first(entries: Iterable[Reached]) -> dict[float, Reached]:
    """The entry with the fewest seconds for each threshold, the easiest threshold first."""
    ordered = sorted(entries, key=lambda entry: (-entry.threshold, entry.seconds))
    return {
        threshold: next(group) for threshold, group in itertools.groupby(ordered, key=lambda entry: entry.threshold)
    }


def _curve(outcome: Outcome) -> tuple[list[tuple[int, float]], bool]:
    """Epochs with their `val_bce`, ascending, and whether every epoch is there."""
    checkpoints = {found.epochs: found.val_bce for found in outcome.evaluations if found.val_bce is not None}
    every = zip(outcome.epochs.column("epoch"), outcome.epochs.column("val_loss"), strict=True)
    losses = {epoch: loss for epoch, loss in every if loss is not None}
    same = checkpoints and all(
        epoch in losses and abs(losses[epoch] - bce) <= _AGREE for epoch, bce in checkpoints.items()
    )
    known = losses | checkpoints if same else checkpoints
    return sorted((epoch, bce) for epoch, bce in known.items() if epoch <= len(outcome.epochs)), bool(same)
