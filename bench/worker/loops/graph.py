"""A whole epoch as one `tf.function`: data on the device as bytes, shuffled there, scaled per batch."""

import keras

from bench.child.loops import EpochClock
from bench.child.packing import Pairs
from bench.child.passes import drive
from bench.child.passes.tensorflow import TensorFlowPasses

BACKENDS = ("tensorflow",)
PACKED = True


def train(
    model: keras.Model, training: Pairs, validation: Pairs, *, epochs: int, batch_size: int, clock: EpochClock
) -> None:
    """See `bench.child.loops`."""
    passes = TensorFlowPasses(model, training, validation, batch_size=batch_size, compiled=False)
    drive(passes, model, epochs=epochs, clock=clock)
