"""An image read as a sequence of rows: one LSTM folds it into a code, another unfolds the code.

Implements "Sequence-to-sequence autoencoder" of https://blog.keras.io/building-autoencoders-in-keras.html: an LSTM
encoder, its last output repeated once per step, an LSTM decoder. An image is 28 steps of 28 pixels.

Differs from the blog, which gives neither sizes, data nor training. The code has 32 numbers, as the dense models' has.
The blog's decoder is one LSTM as wide as a step, and its outputs are hyperbolic tangents in (-1, 1), no probabilities;
here the decoder is 64 units wide and a dense sigmoid layer reads a row of pixels out of each step, so that the
cross-entropy per pixel compares with the other models'. Nearer forms learn poorly: after 4 epochs of MNIST the
validation loss was 0.27 with a sigmoid LSTM of 28 units and 0.29 with an LSTM of 28 units and the read-out, where
drawing the average image costs 0.26; with 64 units it was 0.24. A sigmoid LSTM would also miss the fused GPU kernels,
which know the hyperbolic tangent alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import layers

from models.contract import Autoencoder, Settings

if TYPE_CHECKING:
    from models.contract import Floats, Images

SETTINGS = Settings(
    title="rows as a sequence, LSTM to LSTM",
    section="Sequence-to-sequence autoencoder",
    source="The post gives code only: batch size is its dense models', Adam its later revisions', its rate Keras' own.",
    batch_size=256,
    optimizer="adam",
    learning_rate=0.001,
    epochs=(),
    parameters=34_460,
    codes=32,
    epoch_s=9.0,
    epoch_factors={
        ("tensorflow", "dataset", "float32"): 0.75,
        ("tensorflow", "steps", "float32"): 0.9,
        ("tensorflow", "jit", "float32"): 0.75,
        ("tensorflow", "steps_jit", "float32"): 0.6,
        ("tensorflow", "fit", "mixed_bfloat16"): 1.4,
        ("tensorflow", "graph", "float32"): 0.7,
        ("tensorflow", "graph", "mixed_bfloat16"): 0.4,
        ("tensorflow", "xla", "float32"): 0.7,
        ("jax", "fit", "float32"): 1.6,
        ("jax", "xla", "float32"): 1.6,
        ("torch", "fit", "float32"): 17.0,
    },
    position=8,
)


def prepare(images: Images, rng: np.random.Generator) -> tuple[Floats, Floats]:  # noqa: ARG001
    """The images as 28 rows of 28 pixels in [0, 1], (n, 28, 28) float32; the input is the target: one array twice."""
    # Divided as float32 from the start: no array of doubles appears on the way.
    pixels = np.divide(images, 255, dtype=np.float32)
    return pixels, pixels


def build(seed: int) -> Autoencoder:  # noqa: ARG001
    """(n, 28, 28) rows of pixels to (n, 32) codes and back."""
    encoder = keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.LSTM(32),
        ],
        name="encoder",
    )
    decoder = keras.Sequential(
        [
            keras.Input((32,)),
            layers.RepeatVector(28),
            layers.LSTM(64, return_sequences=True),
            layers.Dense(28, activation="sigmoid"),
        ],
        name="decoder",
    )
    model = keras.Sequential([keras.Input((28, 28)), encoder, decoder], name="sequence")
    return Autoencoder(model=model, loss="binary_crossentropy", encoder=encoder, decoder=decoder)
