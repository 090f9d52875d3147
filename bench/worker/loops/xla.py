"""A whole epoch compiled by XLA: on TensorFlow `graph` with ``jit_compile``, on JAX a `lax.scan` under `jit`."""

import keras

from bench.worker.backends import load_backend
from bench.worker.inputs import Examples
from bench.worker.loops import EpochClock, train_by_compiled_epochs

BACKENDS = ("tensorflow", "jax")
TAKES_UINT8 = True


def train(
    model: keras.Model, training: Examples, validation: Examples, *, epochs: int, batch_size: int, clock: EpochClock
) -> None:
    """See `bench.worker.loops`."""
    backend = load_backend(keras.backend.backend())
    compiled = backend.CompiledEpoch(model, training, validation, batch_size=batch_size)
    train_by_compiled_epochs(compiled, model, epochs=epochs, clock=clock)
