"""Training loops, one file each.

A file declares

- ``BACKENDS``: the Keras backends that it runs on, a literal tuple or "all", which the harness reads without importing
  the file;
- ``TAKES_UINT8``: whether it takes images as uint8 where that loses nothing (`bench.worker.inputs`), else as float32;
- ``train(model, training, validation, *, epochs, batch_size, clock)``, which trains a compiled model on `Examples`, the
  last batch of an epoch smaller where the images do not divide, drives an `EpochClock`, and leaves the model's
  variables up to date whenever it calls that.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from bench.worker.backends import CompiledEpoch


class EpochClock(Protocol):
    """What a loop calls at every epoch, in this order. Each may wait for the device, and may raise to end the run."""

    def epoch_begin(self) -> None:
        """Right before an epoch's first step."""

    def validation_begin(self) -> None:
        """After the call of the last step."""

    def validation_end(self) -> None:
        """When the validation's losses are there."""

    def epoch_end(self, losses: Mapping[str, float]) -> None:
        """At the epoch's very end, with Keras' ``loss`` and ``val_loss``."""


def train_by_compiled_epochs(compiled: CompiledEpoch, model: Any, *, epochs: int, clock: EpochClock) -> None:
    """Train for so many epochs, drive the clock, and end as `fit` does (an optimizer that averages its weights)."""
    for _ in range(epochs):
        clock.epoch_begin()
        loss = compiled.train(compiled.order())
        clock.validation_begin()
        val_loss = compiled.validate()
        clock.validation_end()
        clock.epoch_end({"loss": loss, "val_loss": val_loss})
    model.optimizer.finalize_variable_values(model.trainable_variables)
