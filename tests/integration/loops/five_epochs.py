"""Trains models for five epochs in one process and prints one JSON line per run: how good the model got.

Run as ``five_epochs.py BACKEND IMAGES.npz RUN...``. A RUN is ``MODEL/LOOP/SEED/IMAGES``, the last
the number of training images; a quarter as many validate. Seeds, inputs, batches and losses are those of a measured
case with Adam; a line holds its ``val_bce``.
"""

from __future__ import annotations

import sys

from bench.worker.backends import import_keras

import_keras(sys.argv[1])  # before anything else imports it

import importlib
import json
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bench.datasets.files import LabelledImages, load
from bench.plan import catalog
from bench.worker.clock import Clock
from bench.worker.evaluation import evaluate
from bench.worker.inputs import Examples, prepare_uint8, to_floats
from bench.worker.memory import Meter

EPOCHS = 5


def main() -> None:
    """Do the runs in turn."""
    images = load(Path(sys.argv[2]))
    for run in sys.argv[3:]:
        began = time.perf_counter()
        model, loop, seed, training = run.split("/")
        val_bce = trained(model, loop, int(seed), images, int(training))
        result = {"run": run, "val_bce": val_bce, "seconds": time.perf_counter() - began}
        print(json.dumps(result), flush=True)  # noqa: T201


def trained(model: str, loop: str, seed: int, images: LabelledImages, training: int) -> float | None:
    """``val_bce`` after five epochs of the first ``training`` images; None where it is not finite."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    model_file = importlib.import_module(f"models.{model}")
    loop_file = importlib.import_module(f"bench.worker.loops.{loop}")
    rng = np.random.default_rng(seed)
    x = prepare(model_file, loop_file, images.x_train[:training], rng)
    y = prepare(model_file, loop_file, images.x_val[: training // 4], rng)
    autoencoder = model_file.build(seed)
    added = catalog.read_loop_compile_arguments()[loop]
    autoencoder.model.compile(optimizer=keras.optimizers.Adam(0.001), loss=autoencoder.loss, **added)
    clock = Clock(
        started_ns=time.perf_counter_ns(), checkpoints=(), remember=lambda _: None, send=lambda _: None, meter=Meter()
    )
    batch_size = model_file.SETTINGS.batch_size
    loop_file.train(autoencoder.model, x, y, epochs=EPOCHS, batch_size=batch_size, clock=clock)
    return evaluate(autoencoder, to_floats(y.x), to_floats(y.y), epochs=EPOCHS).val_bce


def prepare(model_file: Any, loop_file: Any, images: Any, rng: np.random.Generator) -> Examples:
    """The images as model and loop take them."""
    return (
        prepare_uint8(model_file.prepare, images, rng)
        if loop_file.TAKES_UINT8
        else Examples(*model_file.prepare(images, rng))
    )


if __name__ == "__main__":
    main()
