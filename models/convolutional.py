"""Convolutions and pooling down to a small map of codes, convolutions and upsampling back.

Implements "Convolutional autoencoder" of https://blog.keras.io/building-autoencoders-in-keras.html: three
convolutions of 16, 8 and 8 filters with pooling, codes of 4 by 4 by 8 (128 numbers), three of 8, 8 and 16 with
upsampling back, one to a sigmoid pixel, a cross-entropy per pixel.

Differs from the blog: channels stand last instead of first, as CPU convolutions want them; Adadelta's learning rate is
written out (1.0 in 2016, 0.001 in Keras 3); no TensorBoard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import layers

from models.contract import Autoencoder, Published, Settings

if TYPE_CHECKING:
    from models.contract import Floats, Images

SETTINGS = Settings(
    title="convolutions, 8 x 4 x 4 codes",
    section="Convolutional autoencoder",
    source="Batch size, optimizer and epochs are the 2016 post's.",
    batch_size=128,
    optimizer="adadelta",
    learning_rate=1.0,
    epochs=(50,),
    parameters=4_385,
    codes=128,
    epoch_s=11.0,
    epoch_factors={
        ("tensorflow", "dataset", "float32"): 0.75,
        ("tensorflow", "steps", "float32"): 0.95,
        ("tensorflow", "jit", "float32"): 1.6,
        ("tensorflow", "steps_jit", "float32"): 1.6,
        ("tensorflow", "fit", "mixed_bfloat16"): 0.5,
        ("tensorflow", "graph", "float32"): 0.7,
        ("tensorflow", "graph", "mixed_bfloat16"): 0.4,
        ("jax", "fit", "float32"): 6.0,
        ("torch", "fit", "float32"): 13.0,
    },
    position=5,
    published=(
        Published(
            source="blog",
            epochs=50,
            quantity="train_loss",
            value=0.094,
            note="the post says loss, not which",
            cause="Not explained: the model is the post's, and an independent script ends where ours does.",
        ),
        Published(source="field notes", epochs=50, quantity="train_loss", value=0.1024, cause="Not explained."),
        Published(source="field notes", epochs=50, quantity="val_loss", value=0.1069),
    ),
)


def prepare(images: Images, rng: np.random.Generator) -> tuple[Floats, Floats]:  # noqa: ARG001
    """The images with a channel, (n, 28, 28, 1) float32 in [0, 1]; the input is the target, so one array twice."""
    # Divided as float32 from the start: no array of doubles appears on the way.
    pixels = np.divide(images[..., np.newaxis], 255, dtype=np.float32)
    return pixels, pixels


def build(seed: int) -> Autoencoder:  # noqa: ARG001
    """(n, 28, 28, 1) pixels to (n, 4, 4, 8) codes and back."""
    encoder = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(2, padding="same"),
            layers.Conv2D(8, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(2, padding="same"),
            layers.Conv2D(8, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(2, padding="same"),
        ],
        name="encoder",
    )
    decoder = keras.Sequential(
        [
            keras.Input((4, 4, 8)),
            layers.Conv2D(8, 3, activation="relu", padding="same"),
            layers.UpSampling2D(2),
            layers.Conv2D(8, 3, activation="relu", padding="same"),
            layers.UpSampling2D(2),
            # Unpadded, as in the blog: 16 by 16 becomes 14 by 14, which doubles to 28 by 28.
            layers.Conv2D(16, 3, activation="relu"),
            layers.UpSampling2D(2),
            layers.Conv2D(1, 3, activation="sigmoid", padding="same"),
        ],
        name="decoder",
    )
    model = keras.Sequential([keras.Input((28, 28, 1)), encoder, decoder], name="convolutional")
    return Autoencoder(model=model, loss="binary_crossentropy", encoder=encoder, decoder=decoder)
