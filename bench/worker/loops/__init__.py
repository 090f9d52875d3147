"""Training loops, one file each.

A file declares

- ``BACKENDS``: a literal tuple of the Keras backends that it runs on, which the harness reads without importing it;
- ``TAKES_UINT8``: whether it takes images as bytes where they are no more than that (`bench.worker.inputs`), else as floats;
- ``train(model, training, validation, *, epochs, batch_size, clock)``, which trains a compiled model on `Examples`, the
  last batch of an epoch smaller where the images do not divide, drives an `EpochClock`, and leaves the model's
  variables up to date whenever it calls that.
"""

from collections.abc import Mapping
from typing import Protocol


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
