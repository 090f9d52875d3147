"""What a model file offers, so that one harness can measure every autoencoder.

A model file holds

- ``SETTINGS``: a `Settings` call of literals, which the harness reads without importing the file (importing it would
  import Keras, which only the measured process may do);
- ``prepare(images, rng)``: the images as this model takes them, ``(n, 28, 28)`` uint8 in, ``(x, y)`` float32 out;
- ``build(seed)``: a fresh, uncompiled `Autoencoder`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray


Images: TypeAlias = "NDArray[np.uint8]"
Floats: TypeAlias = "NDArray[np.float32]"
Quantity = Literal["train_loss", "val_loss", "val_bce", "code_mean", "fit_s", "ram_mb"]
Optimizer = Literal["adam", "adadelta", "rmsprop"]
_QUANTITIES = {
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "val_bce": "validation loss without the penalty",
    "code_mean": "mean code activation",
    "fit_s": "time of training",
    "ram_mb": "peak RAM",
}


@dataclass(frozen=True, kw_only=True)
class Published:
    """One figure that somebody published for a model, to compare ours with.

    ``fit_s`` is seconds of training with validation, ``ram_mb`` megabytes of memory, ``code_mean`` the mean activation
    of the code units over the test images, ``val_bce`` a validation loss without penalties; the other losses are as
    Keras prints them.
    """

    source: Literal["blog", "field notes"]
    epochs: int
    quantity: Quantity
    value: float
    note: str = ""
    cause: str = ""
    """Sentences on why ours is another, in words without figures; a guess is called one."""

    @property
    def quantity_title(self) -> str:
        """The quantity's name for people."""
        return _QUANTITIES[self.quantity]

    @property
    def text(self) -> str:
        """The figure in a few words: "blog, 50 epochs: training loss 0.11"."""
        unit = {"fit_s": " s", "ram_mb": " MB"}.get(self.quantity)
        value = f"{self.value:.{self.decimals}f}" if unit is None else f"{self.value:g}{unit}"
        return f"{self.source}, {self.epochs} epochs: {self.quantity_title} {value}"

    @property
    def decimals(self) -> int:
        """Digits after the point of a loss or an activation, as published: two at least, so 0.10 keeps its zero."""
        return max(2, len(f"{self.value:g}".partition(".")[2]))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is known of a model before it is built."""

    title: str
    """What it is, in a few words."""
    section: str
    """The blog section that it implements."""
    source: str
    """Where batch size, optimizer and epochs are from, with anything that differs from there."""
    batch_size: int
    """Images per step, as published."""
    optimizer: Optimizer
    learning_rate: float
    """The optimizer's learning rate as it was then, not as today's Keras defaults it."""
    epochs: tuple[int, ...]
    """Epoch counts for which something was published, ascending."""
    parameters: int
    """Trainable parameters, counted by hand."""
    codes: int
    """Numbers in one image's code."""
    epoch_s: float
    """Seconds that an epoch of 60,000 images took with `model.fit` on TensorFlow in float32, on two cores of a 2024
    server processor: a start for the estimate of a sweep's length, never a result."""
    epoch_factors: Mapping[tuple[str, str, str], float] = field(default_factory=dict)
    """How many times as long an epoch took there with another backend, loop and precision, to a figure or two, where
    somebody measured it; for most of these runs see docs/research/loops.md."""
    position: int | None = None
    """Place in lists of models, from 1, as the blog orders them; models without one come last, by name."""
    published: tuple[Published, ...] = ()
    why_codes_die: str = ""
    """Sentences for a reader whose run ended with most code units dead, where that is what this model is for."""


@dataclass(frozen=True, kw_only=True)
class Autoencoder:
    """A built model and its halves; all share their weights."""

    model: keras.Model
    """x to reconstruction, uncompiled."""
    loss: str | Callable[[Any, Any], Any]
    """What `compile` gets as ``loss``; penalties that layers add come on top."""
    encoder: keras.Model
    """x to code."""
    decoder: keras.Model | None
    """Code to reconstruction; None where the reconstruction needs more than the code."""


class ModelFile(Protocol):
    """A module of this package that holds an autoencoder."""

    SETTINGS: Settings

    def prepare(self, images: Images, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """``images``: (n, 28, 28) uint8. Returns what the model is fed and what it is to give back, float32 in [0, 1],
        one row per image in the same order; the same array twice where input and target are one. Whatever is random
        in it (noise) is drawn from ``rng``, image by image: two calls for two halves give what one call for both does.
        """
        ...

    def build(self, seed: int) -> Autoencoder:
        """A fresh model. What it draws while it trains (a sampling layer) comes from ``seed``; the initial weights
        come from Keras' global seed, which the caller has set.
        """
        ...
