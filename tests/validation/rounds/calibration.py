"""How many rounds of a Python loop are one percent of a model's training step: both timed in turns, in one process.

Run by the recorder as a process of its own, since it imports TensorFlow: ``calibration.py MODEL BATCH``.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

import importlib

import keras
import numpy as np

from bench import data
from bench.digits import load

EPOCHS, PILOT, STEPS, FIRST = 160, 20, 24, 20_000
"""Epochs that count, half of them burdened; those that find their burden; steps an epoch; loops to begin with."""
BURDEN = 0.3
"""Share of a step that the burden is to take: long beside the noise, short enough to stay like the ones it is for."""


def main() -> None:
    """Print the loops that take as long as one percent of a step."""
    model, batch_size = sys.argv[1], int(sys.argv[2])
    trained = _Trained(model, batch_size)
    loops = FIRST
    while (slowdown := trained.slowdown(loops, PILOT)) < BURDEN / 2:  # too little to be told from noise
        loops *= 2
    loops = round(loops * BURDEN / slowdown)
    print(0.01 * loops / trained.slowdown(loops, EPOCHS))


class _Trained:
    """A model whose training steps can be burdened."""

    def __init__(self, name: str, batch_size: int) -> None:
        file = importlib.import_module(f"models.{name}")
        with tempfile.TemporaryDirectory() as directory:
            data.prepare(data.find("mnist-5k"), Path(directory, "digits.npz"))
            images = load(Path(directory, "digits.npz")).x_train
        self._arrays = file.view(images[np.arange(STEPS * batch_size) % len(images)], np.random.default_rng(0))
        self._batch_size = batch_size
        built = file.build(0)
        self._model = built.model
        self._model.compile(optimizer="adam", loss=built.loss)
        self._loops = 0
        self._burden()
        self._fit(_Epochs(lambda _epoch: None), 5)  # traced and warm

    def slowdown(self, loops: int, epochs: int) -> float:
        """What so many loops a step add to an epoch, as a share of it: epochs with them and without, in turns."""
        seen = _Epochs(lambda epoch: vars(self).update(_loops=loops if epoch % 2 else 0))
        self._fit(seen, epochs)
        pairs = zip(seen.seconds[::2], seen.seconds[1::2], strict=True)
        return statistics.median(burdened / plain for plain, burdened in pairs) - 1

    def _fit(self, seen: "_Epochs", epochs: int) -> None:
        x, y = self._arrays
        self._model.fit(x, y, batch_size=self._batch_size, epochs=epochs, verbose=0, callbacks=[seen])

    def _burden(self) -> None:
        """As `candidates` burdens a model's file, with a number of loops that can change."""
        self._model.make_train_function()
        step = self._model.train_function

        def burdened(iterator: Any) -> Any:
            for _ in range(self._loops):
                pass
            return step(iterator)

        self._model.train_function = burdened


class _Epochs(keras.callbacks.Callback):  # type: ignore[misc]
    """Seconds of each epoch; ``begin`` is told its number before."""

    def __init__(self, begin: Callable[[int], None]) -> None:
        super().__init__()
        self._begin = begin
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._begin(epoch)
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.seconds.append(time.perf_counter() - self._began)


if __name__ == "__main__":
    main()
