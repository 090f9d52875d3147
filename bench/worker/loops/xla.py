"""A whole epoch compiled by XLA: on TensorFlow `graph` with ``jit_compile``, on JAX a `lax.scan` under `jit`."""

import importlib

import keras

from bench.worker.backends import CompiledEpoch, drive
from bench.worker.inputs import Examples
from bench.worker.loops import EpochClock

BACKENDS = ("tensorflow", "jax")
TAKES_UINT8 = True


def train(
    model: keras.Model, training: Examples, validation: Examples, *, epochs: int, batch_size: int, clock: EpochClock
) -> None:
    """See `bench.worker.loops`."""
    drive(_passes(model, training, validation, batch_size), model, epochs=epochs, clock=clock)


def _passes(model: keras.Model, training: Examples, validation: Examples, batch_size: int) -> CompiledEpoch:
    """Each backend's file is imported only where that backend is there."""
    passes: CompiledEpoch
    if keras.backend.backend() == "jax":
        file = importlib.import_module("bench.worker.backends.jax")
        passes = file.JaxEpoch(model, training, validation, batch_size=batch_size)
    else:
        file = importlib.import_module("bench.worker.backends.tensorflow")
        passes = file.TensorFlowEpoch(model, training, validation, batch_size=batch_size, compiled=True)
    return passes
