"""`Model.fit` on a `tf.data` dataset that is not autotuned, so that no epoch waits for the autotuner's thread to end.

Why some epochs of `fit` do wait: docs/research/next-run.md.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from bench.worker.inputs import Array, Examples
from bench.worker.loops import EpochClock
from bench.worker.loops.fit import make_callback

BACKENDS = ("tensorflow",)
TAKES_UINT8 = False
COPY = "give `fit` a tf.data dataset whose `options.autotune.enabled` is False"


def train(
    model: keras.Model, training: Examples, validation: Examples, *, epochs: int, batch_size: int, clock: EpochClock
) -> None:
    """See `bench.worker.loops`."""
    model.fit(
        make_dataset(training.hand_over(), batch_size, shuffle=True),
        epochs=epochs,
        validation_data=make_dataset(validation.arrays, batch_size, shuffle=False),
        verbose=0,
        callbacks=[make_callback(clock)],
    )


def make_dataset(arrays: Sequence[Array], batch_size: int, *, shuffle: bool) -> Any:
    """Make a dataset of batches of `Examples.arrays`, the last one smaller where the images do not divide.

    Shuffled, each epoch has another order.
    """
    count = len(arrays[0])
    tensors = [tf.convert_to_tensor(array) for array in arrays]
    options = tf.data.Options()
    options.autotune.enabled = False
    order = tf.data.Dataset.range(count)
    batches = (order.shuffle(count) if shuffle else order).batch(batch_size)
    return (
        batches.map(lambda places: (tf.gather(tensors[0], places), tf.gather(tensors[-1], places)))
        .prefetch(1)
        .with_options(options)
    )
