"""The convolutional autoencoder, unchanged, put to denoising: the reader's first attempt.

Implements "Application to image denoising" of https://blog.keras.io/building-autoencoders-in-keras.html with the model
of the section before it, "Convolutional autoencoder": noisy images in, clean images out, codes of 4 by 4 by 8.
The field notes tried this first and found the images barely recognizable; the blog takes the wider `denoising`.

Differs from the blog: the narrower model; channels last; Adadelta's learning rate is written out (1.0 in 2016, 0.001 in
Keras 3). The noise is `denoising`'s: the same generator gives the same noisy images.
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
    title="the convolutional model on noisy images",
    section="Application to image denoising",
    source="The field notes' first attempt, without figures or epochs; batch size and optimizer are the 2016 post's.",
    batch_size=128,
    optimizer="adadelta",
    learning_rate=1.0,
    epochs=(),
    parameters=4_385,
    codes=128,
    epoch_s=11.0,
)


def prepare(images: Images, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Noisy images and the clean ones that they are to become, both (n, 28, 28, 1) float32 in [0, 1].

    The noise is gaussian with a standard deviation of 0.5, drawn from ``rng``; what it pushes out of [0, 1] is clipped.
    """
    clean = np.divide(images[..., np.newaxis], 255, dtype=np.float32)
    # In place, and drawn as float32: a second copy of the images is held, never a third.
    noisy = rng.standard_normal(clean.shape, dtype=np.float32)
    noisy *= np.float32(0.5)
    noisy += clean
    np.clip(noisy, 0, 1, out=noisy)
    return noisy, clean


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
    model = keras.Sequential([keras.Input((28, 28, 1)), encoder, decoder], name="denoising_small")
    return Autoencoder(model=model, loss="binary_crossentropy", encoder=encoder, decoder=decoder)
