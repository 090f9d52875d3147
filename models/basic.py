"""The simplest autoencoder: one dense layer in, one dense layer out.

Implements "Let's build the simplest possible autoencoder" of https://blog.keras.io/building-autoencoders-in-keras.html:
784 pixels, 32 rectified codes, 784 sigmoid pixels, a cross-entropy per pixel.

Differs from the blog: Adadelta's learning rate is written out. It was 1.0 in 2016 and is 0.001 in Keras 3, with which
this model hardly learns.
"""

import keras
from keras import layers

from models.contract import Autoencoder, Published, Settings
from models.images import flatten

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
    epoch_factors={
        ("tensorflow", "dataset", "float32"): 0.65,
        ("tensorflow", "steps", "float32"): 0.75,
        ("tensorflow", "jit", "float32"): 0.65,
        ("tensorflow", "steps_jit", "float32"): 0.4,
        ("tensorflow", "graph", "float32"): 0.5,
        ("tensorflow", "xla", "float32"): 0.2,
        ("jax", "fit", "float32"): 0.3,
        ("jax", "steps", "float32"): 0.3,
        ("jax", "xla", "float32"): 0.2,
        ("torch", "fit", "float32"): 4.0,
    },
    position=1,
    published=(
        Published(source="blog", epochs=50, quantity="train_loss", value=0.11),
        Published(source="blog", epochs=50, quantity="val_loss", value=0.11),
        Published(source="blog", epochs=50, quantity="code_mean", value=7.30, cause="Seeds differ by as much."),
        Published(source="field notes", epochs=50, quantity="fit_s", value=60.0, note="about a minute"),
        Published(
            source="field notes",
            epochs=100,
            quantity="fit_s",
            value=300.0,
            note="about five minutes",
            cause="A guess: other programs had that machine too.",
        ),
        Published(source="field notes", epochs=500, quantity="fit_s", value=960.0, note="sixteen minutes"),
        Published(source="field notes", epochs=500, quantity="ram_mb", value=542.0),
    ),
)

prepare = flatten


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
