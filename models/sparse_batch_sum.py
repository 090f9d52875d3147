"""The sparse autoencoder as Keras trained it for years: the penalty summed over the batch, and every code dead.

Implements "Adding a sparsity constraint on the encoded representations" of
https://blog.keras.io/building-autoencoders-in-keras.html as a reader's Keras understood it: the basic model, with an L1
penalty of 10e-5 (that is 1e-4) on its codes, summed over the batch instead of averaged. At 256 images per batch that is
256 times the blog's penalty: the codes fall to zero and the decoder draws the average image, at a loss near 0.27.

Differs from the blog: the penalty is a layer of its own, so that it is summed whatever the installed Keras does
(keras-team/keras #22018 and #22021); it is part of the validation loss too; Adadelta's learning rate is written out
(1.0 in 2016, 0.001 in Keras 3).
"""

from typing import Any

import keras
from keras import layers, ops

from models.contract import Autoencoder, Published, Settings
from models.images import flatten

SETTINGS = Settings(
    title="the same penalty summed over the batch, as Keras long did",
    section="Adding a sparsity constraint on the encoded representations",
    source="As the sparse model; the field notes' loss says that their Keras summed the penalty over the batch.",
    batch_size=256,
    optimizer="adadelta",
    learning_rate=1.0,
    epochs=(100,),
    parameters=50_992,
    codes=32,
    epoch_s=1.3,
    epoch_factors={
        ("tensorflow", "dataset", "float32"): 0.65,
        ("tensorflow", "steps", "float32"): 0.7,
        ("tensorflow", "jit", "float32"): 0.65,
        ("tensorflow", "steps_jit", "float32"): 0.45,
        ("tensorflow", "xla", "float32"): 0.2,
        ("jax", "fit", "float32"): 0.35,
        ("jax", "xla", "float32"): 0.25,
    },
    position=3,
    published=(
        Published(source="field notes", epochs=100, quantity="fit_s", value=240.0, note="about four minutes"),
        Published(source="field notes", epochs=100, quantity="ram_mb", value=542.0, note="the same as the basic model"),
        Published(source="field notes", epochs=100, quantity="train_loss", value=0.27, note="reason then unknown"),
        Published(source="field notes", epochs=100, quantity="val_loss", value=0.27, note="reason then unknown"),
    ),
    why_codes_die="for years Keras summed the activity penalty over the batch instead of averaging it, so that it "
    "was as many times too strong as a batch has images. That is the 0.27 that readers of the blog got "
    '"for some unknown reason" (keras-team/keras #22018, fixed by #22021; fchollet/keras-blog #5).',
)

prepare = flatten


class SummedActivityPenalty(layers.Layer):
    """Passes codes on unchanged; adds to the loss 1e-4 times the sum of their magnitudes over the whole batch."""

    def call(self, codes: Any) -> Any:
        """``codes``: (n, 32)."""
        self.add_loss(1e-4 * ops.sum(ops.abs(codes)))
        return codes


def build(seed: int) -> Autoencoder:  # noqa: ARG001
    """(n, 784) pixels to (n, 32) codes and back."""
    encoder = keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(32, activation="relu"),
            # In float32 whatever the policy: on TensorFlow, Keras adds a bfloat16 penalty to no float32 loss.
            SummedActivityPenalty(dtype="float32"),
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
    model = keras.Sequential([keras.Input((784,)), encoder, decoder], name="sparse_batch_sum")
    return Autoencoder(model=model, loss="binary_crossentropy", encoder=encoder, decoder=decoder)
