"""The basic autoencoder with a price on activity: sparse codes.

Implements "Adding a sparsity constraint on the encoded representations" of
https://blog.keras.io/building-autoencoders-in-keras.html: the basic model, with an L1 penalty of 10e-5 (that is 1e-4)
on its codes, averaged over the batch.

Differs from the blog: the penalty stands in a layer of its own, so that the dense layer stays as it is under any
precision; it is part of the validation loss too, where the Keras of 2016 left it out, so the blog's test loss compares
with a bare cross-entropy; Adadelta's learning rate is written out (1.0 in 2016, 0.001 in Keras 3).

Needs Keras 3.14 or later: the releases before it summed an activity penalty over the batch (keras-team/keras #22018,
mended by #22021), which is another model, `sparse_batch_sum`.
"""

import keras
from keras import layers

from models.contract import Autoencoder, Published, Settings
from models.images import flatten

SETTINGS = Settings(
    title="basic with a penalty on its codes, averaged over the batch",
    section="Adding a sparsity constraint on the encoded representations",
    source="Epochs and penalty are the 2016 post's; batch size and optimizer are its basic model's.",
    batch_size=256,
    optimizer="adadelta",
    learning_rate=1.0,
    epochs=(100,),
    parameters=50_992,
    codes=32,
    epoch_s=1.3,
    epoch_factors={
        ("tensorflow", "dataset", "float32"): 0.65,
        ("tensorflow", "steps", "float32"): 0.75,
        ("tensorflow", "jit", "float32"): 0.7,
        ("tensorflow", "steps_jit", "float32"): 0.45,
        ("tensorflow", "xla", "float32"): 0.2,
        ("jax", "fit", "float32"): 0.35,
        ("jax", "xla", "float32"): 0.25,
    },
    position=2,
    published=(
        Published(source="blog", epochs=100, quantity="train_loss", value=0.11, note="with the penalty, about 0.01"),
        Published(source="blog", epochs=100, quantity="val_bce", value=0.10),
        Published(
            source="blog",
            epochs=100,
            quantity="code_mean",
            value=3.33,
            cause="A guess: chance, since seeds differ by as much.",
        ),
        Published(source="field notes", epochs=100, quantity="fit_s", value=240.0, note="about four minutes"),
        Published(source="field notes", epochs=100, quantity="ram_mb", value=542.0, note="the same as the basic model"),
        Published(source="field notes", epochs=100, quantity="train_loss", value=0.27, note="see sparse_batch_sum"),
        Published(source="field notes", epochs=100, quantity="val_loss", value=0.27, note="see sparse_batch_sum"),
    ),
)

prepare = flatten


def build(seed: int) -> Autoencoder:  # noqa: ARG001
    """(n, 784) pixels to (n, 32) codes and back."""
    encoder = keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(32, activation="relu"),
            # Keras divides what it sums by the number of images in the batch, and on TensorFlow it can add a bfloat16
            # penalty to no float32 loss: hence the type, whatever the policy.
            layers.ActivityRegularization(l1=1e-4, dtype="float32"),
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
    model = keras.Sequential([keras.Input((784,)), encoder, decoder], name="sparse")
    return Autoencoder(model=model, loss="binary_crossentropy", encoder=encoder, decoder=decoder)
