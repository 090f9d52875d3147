"""Keras backends, one file each, called what Keras calls the backend.

A file declares, as literals that the harness reads without importing it,

- ``TITLE``: the backend's name for people;
- ``DISTRIBUTIONS``: the packages that bring the library, in the order in which they are looked for;
- ``THREADS_CODE``: what does in a person's own script what ``limit_threads`` does, with ``{threads}`` for the number;

and defines

- ``find_device()``: the `bench.worker.device.Device` that the backend trains on;
- ``limit_threads(threads)``: let the backend use so many threads, or as many as it likes where that is None. It starts
  the backend's pools of threads, so it is called before the first operation. It returns how many threads are really
  used for one operation and for operations side by side, each None where nobody knows;
- ``CompiledEpoch(model, training, validation, *, batch_size)``: the class below by XLA, where the backend has one.

Importing a file imports no library; calling its functions does.
"""

import importlib
import os
import sys
from types import ModuleType
from typing import Any, Protocol


class CompiledEpoch(Protocol):
    """Training and validation over all images as one compiled function each, their data on the device."""

    def draw_order(self) -> Any:
        """A fresh random order of the training images, drawn on the device from Keras' seed."""

    def train(self, order: Any) -> float:
        """Train on every image once, in this order, the last batch smaller where they do not divide; returns the mean
        loss over the images, as Keras prints it. Nothing is pending when it returns.
        """

    def validate(self) -> float:
        """The mean loss over the validation images, likewise."""


def load_backend(name: str) -> ModuleType:
    """The file of the backend that Keras calls ``name``."""
    return importlib.import_module(f"{__name__}.{name}")


def import_keras(backend: str) -> Any:
    """The module `keras`, computing with that backend. Raises `RuntimeError` where it was imported with another one."""
    os.environ["KERAS_BACKEND"] = backend
    if backend != "tensorflow":
        # Keras would import TensorFlow wherever it is installed: rows of other backends would carry its memory here
        # and not elsewhere.
        sys.modules["tensorflow"] = None  # type: ignore[assignment]
    keras = importlib.import_module("keras")
    if keras.backend.backend() != backend:
        raise RuntimeError(f"Keras runs on {keras.backend.backend()!r}, asked for {backend!r}")
    return keras
