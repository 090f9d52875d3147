"""Training loops, one file each.

A file declares

- ``BACKENDS``: the Keras backends that it runs on, a literal tuple or "all", which the harness reads without importing
  the file;
- ``TAKES_UINT8``: whether it takes images as uint8 where that loses nothing (`bench.worker.inputs`), else as float32;
- ``COMPILE``, where it has any: a literal dictionary of what it adds to the arguments of Keras' `compile`, read like
  ``BACKENDS``;
- ``COPY``, a literal, where ``COMPILE`` does not say it: what a script that calls `fit` has to change to train like
  this; a loop that no script can copy has neither;
- ``train(model, training, validation, *, epochs, batch_size, clock)``, which trains a compiled model on `Examples`, the
  last batch of an epoch smaller where the images do not divide, drives an `EpochClock`, and leaves the model's
  variables up to date whenever it calls that.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from bench.worker.backends import CompiledEpoch


class EpochClock(Protocol):
    """What a loop calls at every epoch, in this order. Each may wait for the device, and may raise to end the run."""

    def begin_epoch(self) -> None:
        """Right before an epoch's first step."""

    def begin_validation(self) -> None:
        """After the call of the last step."""

    def end_validation(self) -> None:
        """When the validation's losses are there."""

    def end_epoch(self, losses: Mapping[str, float]) -> None:
        """At the epoch's very end, with Keras' ``loss`` and ``val_loss``."""


def train_by_compiled_epochs(compiled: CompiledEpoch, model: Any, *, epochs: int, clock: EpochClock) -> None:
    """Train for so many epochs, drive the clock, and end as `fit` does (an optimizer that averages its weights)."""
    for _ in range(epochs):
        clock.begin_epoch()
        loss = compiled.train(compiled.draw_order())
        clock.begin_validation()
        val_loss = compiled.validate()
        clock.end_validation()
        clock.end_epoch({"loss": loss, "val_loss": val_loss})
    model.optimizer.finalize_variable_values(model.trainable_variables)
