"""A stack of dense layers on either side of the codes.

Implements "Deep autoencoder" of https://blog.keras.io/building-autoencoders-in-keras.html: 784 pixels, layers
of 128, 64, 32, 64 and 128 rectified units, 784 sigmoid pixels, a cross-entropy per pixel.

Differs from the blog: Adadelta's learning rate is written out (1.0 in 2016, 0.001 in Keras 3).
"""

import keras
from keras import layers

from models.contract import Autoencoder, Published, Settings
from models.images import flatten

SETTINGS = Settings(
    title="three dense layers each way",
    section="Deep autoencoder",
    source="Batch size, optimizer and epochs are the 2016 post's.",
    batch_size=256,
    optimizer="adadelta",
    learning_rate=1.0,
    epochs=(100,),
    parameters=222_384,
    codes=32,
    epoch_s=1.9,
    epoch_factors={
        ("tensorflow", "dataset", "float32"): 0.65,
        ("tensorflow", "steps", "float32"): 0.8,
        ("tensorflow", "jit", "float32"): 0.7,
        ("tensorflow", "steps_jit", "float32"): 0.55,
        ("tensorflow", "xla", "float32"): 0.3,
        ("jax", "fit", "float32"): 0.35,
        ("jax", "steps", "float32"): 0.35,
        ("jax", "xla", "float32"): 0.3,
    },
    position=4,
    published=(
        Published(
            source="blog",
            epochs=100,
            quantity="train_loss",
            value=0.097,
            note="about",
            cause="Not explained: it is neither the model, nor the seed, nor Adadelta's epsilon of 2016.",
        ),
        Published(source="blog", epochs=100, quantity="val_loss", value=0.097, note="about"),
    ),
)

prepare = flatten


def build(seed: int) -> Autoencoder:  # noqa: ARG001
    """(n, 784) pixels to (n, 32) codes and back."""
    encoder = keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(128, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(32, activation="relu"),
        ],
        name="encoder",
    )
    decoder = keras.Sequential(
        [
            keras.Input((32,)),
            layers.Dense(64, activation="relu"),
            layers.Dense(128, activation="relu"),
            layers.Dense(784, activation="sigmoid"),
        ],
        name="decoder",
    )
    model = keras.Sequential([keras.Input((784,)), encoder, decoder], name="deep")
    return Autoencoder(model=model, loss="binary_crossentropy", encoder=encoder, decoder=decoder)
