"""`Model.fit` as the blog calls it: float32 arrays, shuffled, validated after every epoch."""

from collections.abc import Mapping
from typing import Any

import keras

from bench.worker.inputs import Examples
from bench.worker.loops import EpochClock

BACKENDS = "all"
TAKES_UINT8 = False


class _EpochParts(keras.callbacks.Callback):
    """Drives the clock. No batch hook: having one makes Keras synchronise after every step."""

    def __init__(self, clock: EpochClock) -> None:
        super().__init__()
        self._clock = clock

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        self._clock.begin_epoch()

    def on_test_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        self._clock.begin_validation()

    def on_test_end(self, logs: Any = None) -> None:  # noqa: ARG002
        self._clock.end_validation()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:  # noqa: ARG002
        self._clock.end_epoch(logs or {})


def make_callback(clock: EpochClock) -> keras.callbacks.Callback:
    """Make the callback that drives the clock."""
    return _EpochParts(clock)


def train(
    model: keras.Model, training: Examples, validation: Examples, *, epochs: int, batch_size: int, clock: EpochClock
) -> None:
    """See `bench.worker.loops`."""
    model.fit(
        training.x,
        training.y,
        epochs=epochs,
        batch_size=batch_size,
        shuffle=True,
        validation_data=(validation.x, validation.y),
        verbose=0,
        callbacks=[make_callback(clock)],
    )
