"""The sparse autoencoder as Keras trained it for years: the penalty summed over the batch, and every code dead.

Implements "Adding a sparsity constraint on the encoded representations" of
https://blog.keras.io/building-autoencoders-in-keras.html as a reader's Keras understood it: the basic model, with an L1
penalty of 10e-5 (that is 1e-4) on its codes, summed over the batch instead of averaged. At 256 images a batch that is
256 times the blog's penalty: the codes fall to zero and the decoder draws the average image, at a loss near 0.27.

Differs from the blog: the penalty is a layer of its own, so that it is summed whatever the installed Keras does
(keras-team/keras #22018 and #22021); it is part of the validation loss too; Adadelta's learning rate is written out
(1.0 in 2016, 0.001 in Keras 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import layers, ops

from models.contract import Autoencoder, Published, Settings

if TYPE_CHECKING:
    from models.contract import Floats, Images

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
    published=(
        Published(source="field notes", epochs=100, quantity="fit_s", value=240.0, note="about four minutes"),
        Published(source="field notes", epochs=100, quantity="ram_mb", value=542.0, note="the same as the basic model"),
        Published(source="field notes", epochs=100, quantity="train_loss", value=0.27, note="reason then unknown"),
        Published(source="field notes", epochs=100, quantity="val_loss", value=0.27, note="reason then unknown"),
    ),
)


def prepare(images: Images, rng: np.random.Generator) -> tuple[Floats, Floats]:  # noqa: ARG001
    """The images as rows of 784 pixels in [0, 1], (n, 784) float32; the input is the target, so one array twice."""
    # Divided as float32 from the start: no array of doubles appears on the way.
    pixels = np.divide(images.reshape(len(images), 784), 255, dtype=np.float32)
    return pixels, pixels


class SummedActivityPenalty(layers.Layer):
    """CompiledEpoch codes on unchanged; adds to the loss 1e-4 times the sum of their magnitudes over the whole batch."""

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
