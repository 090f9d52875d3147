"""How many rounds of a Python loop are one percent of a model's training step: both timed in turns, in one process.

Run by the recorder as a process of its own, since it imports TensorFlow: ``calibration.py MODEL BATCH``.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

import importlib

import keras
import numpy as np

from bench import data
from bench.digits import load

EPOCHS, STEPS, LOOPS = 60, 24, 20_000


def main() -> None:
    """Print the loops that take as long as one percent of a step."""
    model, batch_size = sys.argv[1], int(sys.argv[2])
    print(LOOPS * 0.01 * _step_seconds(model, batch_size) / _seconds(_loop))


class _Epochs(keras.callbacks.Callback):  # type: ignore[misc]
    """Seconds of each epoch, each followed by those of the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.seconds.append(time.perf_counter() - self._began)


def _step_seconds(name: str, batch_size: int) -> float:
    file = importlib.import_module(f"models.{name}")
    with tempfile.TemporaryDirectory() as directory:
        data.prepare(data.find("mnist-5k"), Path(directory, "digits.npz"))
        images = load(Path(directory, "digits.npz")).x_train
    x, y = file.view(images[np.arange(STEPS * batch_size) % len(images)], np.random.default_rng(0))
    built = file.build(0)
    built.model.compile(optimizer="adam", loss=built.loss)
    epochs = _Epochs()
    built.model.fit(x, y, batch_size=batch_size, epochs=EPOCHS, verbose=0, callbacks=[epochs])
    return statistics.quantiles(epochs.seconds[EPOCHS // 6 :], n=4)[0] / STEPS


def _seconds(work: Any) -> float:
    """The lower quartile, as of epochs: what the machine takes where nothing is in the way."""
    found = []
    for _ in range(200):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return statistics.quantiles(found, n=4)[0]


def _loop() -> None:
    for _ in range(LOOPS):
        pass


if __name__ == "__main__":
    main()
