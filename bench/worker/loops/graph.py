"""A whole epoch as one `tf.function`: data on the device as bytes, shuffled there, scaled per batch."""

import keras

from bench.worker.backends.tensorflow import CompiledEpoch
from bench.worker.inputs import Examples
from bench.worker.loops import EpochClock, train_by_compiled_epochs

BACKENDS = ("tensorflow",)
TAKES_UINT8 = True


def train(
    model: keras.Model, training: Examples, validation: Examples, *, epochs: int, batch_size: int, clock: EpochClock
) -> None:
    """See `bench.worker.loops`."""
    compiled = CompiledEpoch(model, training, validation, batch_size=batch_size, xla=False)
    train_by_compiled_epochs(compiled, model, epochs=epochs, clock=clock)
