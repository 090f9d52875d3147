"""The convolutional autoencoder, unchanged, put to denoising: the reader's first attempt.

Implements "Application to image denoising" of https://blog.keras.io/building-autoencoders-in-keras.html with the model
of the section before it, "Convolutional autoencoder": noisy images in, clean images out, codes of 4 by 4 by 8.
The field notes tried this first and found the images barely recognizable; the blog takes the wider `denoising`.

Differs from the blog: the narrower model; channels last; Adadelta's learning rate is written out (1.0 in 2016, 0.001 in
Keras 3). The noise is `denoising`'s: the same generator gives the same noisy images.
"""

from models import convolutional, denoising
from models.contract import Settings

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
    epoch_factors={
        ("tensorflow", "dataset", "float32"): 0.75,
        ("tensorflow", "steps", "float32"): 0.8,
        ("tensorflow", "jit", "float32"): 1.6,
        ("tensorflow", "steps_jit", "float32"): 1.5,
        ("tensorflow", "fit", "mixed_bfloat16"): 0.5,
        ("tensorflow", "graph", "float32"): 0.7,
        ("tensorflow", "graph", "mixed_bfloat16"): 0.4,
        ("jax", "fit", "float32"): 6.0,
        ("torch", "fit", "float32"): 13.0,
    },
    position=6,
)


prepare = denoising.prepare
build = convolutional.build
