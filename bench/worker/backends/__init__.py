"""A whole epoch as one compiled function, for each backend that can; the loops `graph` and `xla` drive them."""

from typing import Any, Protocol

from bench.worker.loops import EpochClock


class CompiledEpoch(Protocol):
    """Training and validation over all images, their data on the device."""

    def order(self) -> Any:
        """A fresh random order of the training images, drawn on the device from Keras' seed."""

    def train(self, order: Any) -> float:
        """Train on every image once, in this order, the last batch smaller where they do not divide; returns the mean
        loss over the images, as Keras prints it. Nothing is pending when it returns.
        """

    def validate(self) -> float:
        """The mean loss over the validation images, likewise."""


def drive(passes: CompiledEpoch, model: Any, *, epochs: int, clock: EpochClock) -> None:
    """Train for so many epochs, drive the clock, and end as `fit` does (an optimizer that averages its weights)."""
    for _ in range(epochs):
        clock.epoch_begin()
        loss = passes.train(passes.order())
        clock.validation_begin()
        val_loss = passes.validate()
        clock.validation_end()
        clock.epoch_end({"loss": loss, "val_loss": val_loss})
    model.optimizer.finalize_variable_values(model.trainable_variables)
