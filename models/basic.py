"""The simplest autoencoder: one dense layer in, one dense layer out.

Implements "Let's build the simplest possible autoencoder" of https://blog.keras.io/building-autoencoders-in-keras.html:
784 pixels, 32 rectified codes, 784 sigmoid pixels, a cross-entropy per pixel.

Differs from the blog: Adadelta's learning rate is written out. It was 1.0 in 2016 and is 0.001 in Keras 3, with which
this model hardly learns.
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
    title="one dense layer each way",
    section="Let's build the simplest possible autoencoder",
    source="Batch size, optimizer and 50 epochs are the 2016 post's; 100 and 500 epochs are the field notes'.",
    batch_size=256,
    optimizer="adadelta",
    learning_rate=1.0,
    epochs=(50, 100, 500),
    parameters=50_992,
    codes=32,
    epoch_s=1.3,
    published=(
        Published(source="blog", epochs=50, quantity="train_loss", value=0.11),
        Published(source="blog", epochs=50, quantity="val_loss", value=0.11),
        Published(source="blog", epochs=50, quantity="code_mean", value=7.30),
        Published(source="field notes", epochs=50, quantity="fit_s", value=60.0, note="about a minute"),
        Published(source="field notes", epochs=100, quantity="fit_s", value=300.0, note="about five minutes"),
        Published(source="field notes", epochs=500, quantity="fit_s", value=960.0, note="sixteen minutes"),
        Published(source="field notes", epochs=500, quantity="ram_mb", value=542.0),
    ),
)


def prepare(images: Images, rng: np.random.Generator) -> tuple[Floats, Floats]:  # noqa: ARG001
    """The images as rows of 784 pixels in [0, 1], (n, 784) float32; the input is the target, so one array twice."""
    # Divided as float32 from the start: no array of doubles appears on the way.
    pixels = np.divide(images.reshape(len(images), 784), 255, dtype=np.float32)
    return pixels, pixels


def build(seed: int) -> Autoencoder:  # noqa: ARG001
    """(n, 784) pixels to (n, 32) codes and back."""
    encoder = keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(32, activation="relu"),
        ],
        name="encoder",
    )
    decoder = keras.Sequential(
        [
            keras.Input((32,)),
            layers.Dense(784, activation="sigmoid"),
        ],
        name="decoder",
    )
    model = keras.Sequential([keras.Input((784,)), encoder, decoder], name="basic")
    return Autoencoder(model=model, loss="binary_crossentropy", encoder=encoder, decoder=decoder)
