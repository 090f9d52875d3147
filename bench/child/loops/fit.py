"""`Model.fit` as the blog calls it: float32 arrays, shuffled, validated after every epoch."""

from collections.abc import Mapping
from typing import Any

import keras

from bench.child.clock import Clock
from models.contract import Floats

BACKENDS = ("tensorflow",)


class _EpochParts(keras.callbacks.Callback):
    """Drives the clock. No batch hook: having one makes Keras synchronise after every step."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        self._clock.epoch_begin()

    def on_test_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        self._clock.validation_begin()

    def on_test_end(self, logs: Any = None) -> None:  # noqa: ARG002
        self._clock.validation_end()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:  # noqa: ARG002
        self._clock.epoch_end(logs or {})


def train(
    model: keras.Model,
    training: tuple[Floats, Floats],
    validation: tuple[Floats, Floats],
    *,
    epochs: int,
    batch_size: int,
    clock: Clock,
) -> None:
    """Train a compiled model; the last, smaller batch of an epoch is trained on too."""
    x, y = training
    model.fit(
        x,
        y,
        epochs=epochs,
        batch_size=batch_size,
        shuffle=True,
        validation_data=validation,
        verbose=0,
        callbacks=[_EpochParts(clock)],
    )
