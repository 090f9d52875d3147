"""A variational autoencoder with a plane of codes.

Implements "Variational autoencoder (VAE)" of https://blog.keras.io/building-autoencoders-in-keras.html by the script
that the post links to, `examples/variational_autoencoder.py` of keras-team/keras (256 hidden units, 2 codes, batches of
100, 50 epochs, RMSprop), after Kingma and Welling, https://arxiv.org/abs/1312.6114.

The loss is the negative evidence lower bound, in nats per image: cross-entropy summed over the 784 pixels, plus the
divergence of the code's distribution from a standard normal one.

Differs from the blog: the script of 2016 takes the mean over the pixels, 784 times too weak beside the divergence, and
draws its noise with a standard deviation of 0.01; its later revisions mended both, and so does this. A code's spread is
a log variance, as in the script; the post's listing has a log deviation. The divergence is averaged over the batch and
added by the sampling layer. While training the noise is fresh in each step; at rest (validation, prediction) every
batch gets the same noise, so that looking at a model changes nothing in its training.
"""

from typing import Any

import keras
from keras import layers, ops

from models.contract import Autoencoder, Settings
from models.images import flatten

SETTINGS = Settings(
    title="a plane of codes with a distribution",
    section="Variational autoencoder (VAE)",
    source="Batch size, optimizer and epochs are those of the script that the post links to; it gives no loss.",
    batch_size=100,
    optimizer="rmsprop",
    learning_rate=0.001,
    epochs=(50,),
    parameters=404_244,
    codes=2,
    epoch_s=3.2,
    epoch_factors={
        ("tensorflow", "dataset", "float32"): 0.65,
        ("tensorflow", "steps", "float32"): 0.8,
        ("tensorflow", "jit", "float32"): 0.85,
        ("tensorflow", "steps_jit", "float32"): 0.65,
        ("tensorflow", "xla", "float32"): 0.35,
        ("jax", "fit", "float32"): 0.45,
        ("jax", "xla", "float32"): 0.35,
        ("torch", "fit", "float32"): 18.0,
    },
    position=9,
)

prepare = flatten


class Sampling(layers.Layer):
    """Draws a code from the normal distribution that the encoder gives, and adds that distribution's divergence."""

    def __init__(self, seed: int) -> None:
        # In float32 whatever the policy: bfloat16 keeps two or three digits of a divergence, and on TensorFlow Keras
        # adds it to no float32 loss.
        super().__init__(dtype="float32")
        self.seed = seed
        self.draws = keras.random.SeedGenerator(seed)

    def call(self, distribution: tuple[Any, Any], training: bool = False) -> Any:
        """``distribution``: mean and log variance, (n, 2) each. Returns codes, (n, 2)."""
        mean, log_variance = distribution
        divergence = -0.5 * ops.sum(1 + log_variance - ops.square(mean) - ops.exp(log_variance), axis=-1)
        self.add_loss(ops.mean(divergence))
        noise = keras.random.normal(ops.shape(mean), seed=self.draws if training else self.seed)
        return mean + ops.exp(0.5 * log_variance) * noise


def reconstruction(pixels: Any, reconstructed: Any) -> Any:
    """Cross-entropy of each image in nats, summed over its pixels: two (n, 784) to (n,)."""
    return ops.sum(ops.binary_crossentropy(pixels, reconstructed), axis=-1)


def build(seed: int) -> Autoencoder:
    """(n, 784) pixels to (n, 2) codes, the means of their distributions, and from drawn codes back."""
    pixels = keras.Input((784,))
    hidden = layers.Dense(256, activation="relu")(pixels)
    mean = layers.Dense(2, name="mean")(hidden)
    log_variance = layers.Dense(2, name="log_variance")(hidden)
    encoder = keras.Model(pixels, mean, name="encoder")
    decoder = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(256, activation="relu"),
            layers.Dense(784, activation="sigmoid"),
        ],
        name="decoder",
    )
    drawn = Sampling(seed)([mean, log_variance])
    model = keras.Model(pixels, decoder(drawn), name="variational")
    return Autoencoder(model=model, loss=reconstruction, encoder=encoder, decoder=decoder)
