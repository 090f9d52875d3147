"""Matrix products of the models, counted by hand, and what the harness counts."""

from __future__ import annotations

from typing import Any

import keras

from bench.worker.arithmetic import Work, count_work


def dense(inputs: int, units: int) -> int:
    return 2 * inputs * units


def convolution(side: int, channels: int, filters: int) -> int:
    """Three by three, at side by side places of the output."""
    return 2 * side * side * 3 * 3 * channels * filters


def gates(inputs: int, units: int) -> int:
    """Four gates in each of an LSTM's 28 steps."""
    return 28 * 2 * 4 * inputs * units


# A model's products in their order. Each has a gradient by its weights; by its inputs all but the first, which takes
# the data.
CONVOLUTIONAL = (
    convolution(28, 1, 16),
    convolution(14, 16, 8),
    convolution(7, 8, 8),
    convolution(4, 8, 8),
    convolution(8, 8, 8),
    convolution(14, 8, 16),  # unpadded: 16 by 16 becomes 14 by 14
    convolution(28, 16, 1),
)
PRODUCTS = {
    "basic": (dense(784, 32), dense(32, 784)),
    "sparse": (dense(784, 32), dense(32, 784)),
    "sparse_batch_sum": (dense(784, 32), dense(32, 784)),
    "deep": (
        dense(784, 128),
        dense(128, 64),
        dense(64, 32),
        dense(32, 64),
        dense(64, 128),
        dense(128, 784),
    ),
    "convolutional": CONVOLUTIONAL,
    "denoising_small": CONVOLUTIONAL,
    "denoising": (
        convolution(28, 1, 32),
        convolution(14, 32, 32),
        convolution(7, 32, 32),
        convolution(14, 32, 32),
        convolution(28, 32, 1),
    ),
    # The first LSTM's hidden state needs a gradient, its input does not; the last layer works on each of 28 rows.
    "sequence": (gates(28, 32), gates(32, 32), gates(32, 64), gates(64, 64), 28 * dense(64, 28)),
    # Mean and log variance both take the hidden layer.
    "variational": (dense(784, 256), dense(256, 2), dense(256, 2), dense(2, 256), dense(256, 784)),
}


def counted(model: keras.Model, batch_size: int = 1) -> Work:
    result = count_work(model, batch_size)
    assert result is not None
    return result


def stack(*parts: Any) -> keras.Model:
    return keras.Sequential(list(parts))
