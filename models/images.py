"""How the dense models take their images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.contract import Floats, Images


def flatten(images: Images, rng: np.random.Generator) -> tuple[Floats, Floats]:  # noqa: ARG001 - a model's `prepare`
    """The images as rows of 784 pixels in [0, 1], (n, 784) float32; the input is the target, so one array twice."""
    # Divided as float32 from the start: no array of doubles appears on the way.
    pixels = np.divide(images.reshape(len(images), 784), 255, dtype=np.float32)
    return pixels, pixels
