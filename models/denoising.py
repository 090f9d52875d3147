"""A wider convolutional autoencoder that takes noisy images and gives clean ones.

Implements "Application to image denoising" of https://blog.keras.io/building-autoencoders-in-keras.html: two
convolutions of 32 filters with pooling, codes of 7 by 7 by 32 (1,568 numbers), two convolutions of 32 filters with
upsampling back, one to a sigmoid pixel, a cross-entropy per pixel against the clean images. The noise is gaussian with
factor 0.5, clipped to [0, 1].

Differs from the blog: its listing trains on clean images although its text maps noisy to clean, which is done here;
noise is drawn as float32; channels last; Adadelta's learning rate is written out (1.0 in 2016, 0.001 in Keras 3).
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
    title="wider convolutions on noisy images",
    section="Application to image denoising",
    source="Batch size, optimizer and epochs are the 2016 post's; neither it nor the field notes give a loss.",
    batch_size=128,
    optimizer="adadelta",
    learning_rate=1.0,
    epochs=(100,),
    parameters=28_353,
    codes=1_568,
    epoch_s=20.0,
    epoch_factors={
        ("tensorflow", "dataset", "float32"): 0.75,
        ("tensorflow", "steps", "float32"): 1.0,
        ("tensorflow", "jit", "float32"): 1.7,
        ("tensorflow", "steps_jit", "float32"): 1.7,
        ("tensorflow", "fit", "mixed_bfloat16"): 0.5,
        ("tensorflow", "graph", "float32"): 0.6,
        ("tensorflow", "graph", "mixed_bfloat16"): 0.3,
    },
    position=7,
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
    """(n, 28, 28, 1) pixels to (n, 7, 7, 32) codes and back."""
    encoder = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(2, padding="same"),
            layers.Conv2D(32, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(2, padding="same"),
        ],
        name="encoder",
    )
    decoder = keras.Sequential(
        [
            keras.Input((7, 7, 32)),
            layers.Conv2D(32, 3, activation="relu", padding="same"),
            layers.UpSampling2D(2),
            layers.Conv2D(32, 3, activation="relu", padding="same"),
            layers.UpSampling2D(2),
            layers.Conv2D(1, 3, activation="sigmoid", padding="same"),
        ],
        name="decoder",
    )
    model = keras.Sequential([keras.Input((28, 28, 1)), encoder, decoder], name="denoising")
    return Autoencoder(model=model, loss="binary_crossentropy", encoder=encoder, decoder=decoder)
