"""A whole epoch as one `tf.function`: data on the device as bytes, shuffled there, scaled per batch."""

import keras

from bench.worker.backends import drive
from bench.worker.backends.tensorflow import TensorFlowEpoch
from bench.worker.inputs import Examples
from bench.worker.loops import EpochClock

BACKENDS = ("tensorflow",)
TAKES_UINT8 = True


def train(
    model: keras.Model, training: Examples, validation: Examples, *, epochs: int, batch_size: int, clock: EpochClock
) -> None:
    """See `bench.worker.loops`."""
    passes = TensorFlowEpoch(model, training, validation, batch_size=batch_size, compiled=False)
    drive(passes, model, epochs=epochs, clock=clock)
