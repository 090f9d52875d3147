"""Trains small tasks in every loop of one backend, each from the same weights on the same batches.

Run as ``first_steps.py BACKEND FILE.npz TASK/LOOP...``; a process has one backend. The file holds, under
``TASK/LOOP/losses``, ``…/val_losses`` (one per epoch), ``…/weights/N`` and ``…/moved`` (how far from where they began,
at most), what came of it. For the task ``basic`` it also holds, under ``orders/LOOP``, the random orders that a loop
draws, and under ``shuffled/LOOP`` the losses of loops that draw their own.
"""

from __future__ import annotations

import sys

from bench.worker.backends import import_keras, load_backend

BACKEND = sys.argv[1]
import_keras(BACKEND)  # before anything else imports it

import importlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, optimizers

from bench.plan import catalog
from bench.worker.clock import Clock
from bench.worker.inputs import Examples, prepare_uint8
from bench.worker.memory import Meter
from bench.worker.protocol import EpochEvent, Event

IN_TWOS = "fit in twos"
"""`fit` with two steps in each call, where an epoch has three: the loops' own number is larger than such an epoch."""
LOOPS = tuple(name for name, backends in catalog.read_loop_backends().items() if BACKEND in backends)
COMPILED = ("graph", "xla")
"""Loops whose epoch is one compiled function; the others are Keras' own `fit`, compiled as the loop wants it."""
SEED = 3
BATCH, EPOCHS = 8, 3
TRAINING = 20
"""Images: two full batches and one of four."""
VALIDATION, VALIDATION_SLOW = 13, 5
"""Images: a full batch and one of five; just the latter for models whose every shape of batch compiles for seconds."""

Arrays = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """Something to train: a model's file (how it prepares images), how to build and compile it."""

    name: str
    file: Any
    build: Callable[[], tuple[keras.Model, Any]]
    optimizer: Callable[[], Any]
    precision: str = "float32"
    loops: tuple[str, ...] = LOOPS
    validation: int = VALIDATION

    def compiled(self, loop: str) -> keras.Model:
        """A fresh model with the task's first weights, whatever the backend, compiled as the loop wants it."""
        keras.backend.clear_session()
        keras.utils.set_random_seed(SEED)
        keras.config.set_dtype_policy(self.precision)
        model, loss = self.build()
        model.set_weights(first_weights(model))
        added = {"steps_per_execution": 2} if loop == IN_TWOS else catalog.read_loop_compile_arguments()[loop]
        model.compile(optimizer=self.optimizer(), loss=loss, **added)
        return model


def first_weights(model: keras.Model) -> list[Any]:
    """Glorot's uniform weights from NumPy's generator; what is one-dimensional is moved a little from where it is."""
    rng = np.random.default_rng(SEED)
    weights = []
    for weight in model.get_weights():
        if weight.ndim < 2:
            weights.append(weight + rng.uniform(0, 0.05, weight.shape))
        else:
            fans = np.prod(weight.shape[:-2]) * (weight.shape[-2] + weight.shape[-1])
            weights.append(rng.uniform(-1, 1, weight.shape) * np.sqrt(6 / fans))
    return weights


def images(count: int, seed: int) -> Any:
    """Pictures that use the whole range of a byte, (count, 28, 28)."""
    return np.random.default_rng(seed).choice([0, 0, 0, 1, 77, 128, 255], (count, 28, 28)).astype(np.uint8)


def tasks() -> Iterator[Task]:
    """The nine models as published, other optimizers, layers that the models lack, and the models in bfloat16."""
    basic = importlib.import_module("models.basic")
    for name, settings in catalog.read_model_settings().items():
        file = importlib.import_module(f"models.{name}")
        published = {"class_name": settings.optimizer, "config": {"learning_rate": settings.learning_rate}}

        def build(file: Any = file) -> tuple[keras.Model, Any]:
            autoencoder = file.build(SEED)
            return autoencoder.model, autoencoder.loss

        def optimizer(published: Any = published) -> Any:
            return optimizers.get(published)

        validation = VALIDATION_SLOW if settings.epoch_s > 5 else VALIDATION
        task = Task(name, file, build, optimizer, validation=validation)
        yield task
        if "graph" in LOOPS:
            yield replace(task, name=f"{name} in bfloat16", precision="mixed_bfloat16", loops=("graph",))
        if name == "basic":
            for other, make in OPTIMIZERS.items():
                yield Task(other, file, build, make)
    for layer, build_small in SMALL.items():
        yield Task(layer, basic, build_small, lambda: optimizers.Adam(0.001))


OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "adam": lambda: optimizers.Adam(0.001),
    "rmsprop": lambda: optimizers.RMSprop(0.001, rho=0.8),
    "adamw": lambda: optimizers.AdamW(optimizers.schedules.ExponentialDecay(0.01, 2, 0.5), weight_decay=0.1),
    "sgd": lambda: optimizers.SGD(0.5, momentum=0.9, nesterov=True, global_clipnorm=0.1),
}


def _small(*parts: Any, regularizer: str | None = None, bias: bool = True) -> keras.Model:
    dense = layers.Dense(16, activation="relu", kernel_regularizer=regularizer, use_bias=bias)
    return keras.Sequential([keras.Input((784,)), dense, *parts, layers.Dense(784, activation="sigmoid")])


SMALL: dict[str, Callable[[], tuple[keras.Model, Any]]] = {
    "regularizer": lambda: (_small(regularizer="l2"), keras.losses.MeanSquaredError()),
    # A bias before it would be normalised away: its gradient is rounding, which Adam makes steps of.
    "normalization": lambda: (_small(layers.BatchNormalization(momentum=0.8), bias=False), "binary_crossentropy"),
    "dropout": lambda: (_small(layers.Dropout(0.3, seed=SEED)), "huber"),
}


def main() -> None:
    """Train the tasks that are asked for, the models among them also in bfloat16, and write the file."""
    found: Arrays = {}
    for task in tasks():
        loops = tuple(loop for loop in task.loops if f"{task.name.removesuffix(' in bfloat16')}/{loop}" in sys.argv[3:])
        if task.name == "basic" and "steps" in loops:
            found |= {f"basic/{IN_TWOS}/{key}": value for key, value in trained(task, IN_TWOS).items()}
        for loop in loops:
            began = time.perf_counter()
            found |= {f"{task.name}/{loop}/{key}": value for key, value in trained(task, loop).items()}
            print(f"{task.name}, {loop}: {time.perf_counter() - began:.1f} s", flush=True)  # noqa: T201
        if task.name == "basic" and len(loops) > 1:
            found |= {f"shuffled/{loop}": shuffled(task, loop) for loop in loops}
            found |= {f"orders/{loop}": orders(task, loop) for loop in loops if loop in COMPILED}
            found["shuffled/keras"] = shuffled_by_keras(task)
    np.savez(Path(sys.argv[2]), **found)


def trained(task: Task, loop: str) -> Arrays:
    """Losses and last weights after so many epochs in the images' own order."""
    model = task.compiled(loop)
    first = model.get_weights()
    if loop not in COMPILED:
        batches, validation = batches_in_order(loop, *float_examples(task))
        history = model.fit(**batches, validation_data=validation, epochs=EPOCHS, shuffle=False, verbose=0).history
        losses, val_losses = history["loss"], history["val_loss"]
    else:
        compiled = compile_epoch(model, loop, *uint8_examples(task))
        order = np.arange(TRAINING, dtype=np.int32)
        losses, val_losses = zip(*((compiled.train(order), compiled.validate()) for _ in range(EPOCHS)), strict=True)
    last = model.get_weights()
    moved = [np.abs(after - before).max() for before, after in zip(first, last, strict=True)]
    weights = {f"weights/{index:02}": np.array(weight) for index, weight in enumerate(last)}
    return {"losses": np.array(losses), "val_losses": np.array(val_losses), "moved": np.array(moved), **weights}


def batches_in_order(loop: str, training: Examples, validation: Examples) -> tuple[dict[str, Any], Any]:
    """What Keras' `fit` takes: the arguments for training, and the validation data."""
    if loop == "dataset":
        make = importlib.import_module("bench.worker.loops.dataset").make_dataset
        of_training, of_validation = (make(each.arrays, BATCH, shuffle=False) for each in (training, validation))
        return {"x": of_training}, of_validation
    return {"x": training.x, "y": training.y, "batch_size": BATCH}, (validation.x, validation.y)


def float_examples(task: Task) -> tuple[Examples, Examples]:
    """Training and validation images as `fit` takes them."""
    rng = np.random.default_rng(SEED)
    return Examples(*task.file.prepare(images(TRAINING, 1), rng)), Examples(
        *task.file.prepare(images(task.validation, 2), rng)
    )


def uint8_examples(task: Task) -> tuple[Examples, Examples]:
    """The same as the other loops take them."""
    rng = np.random.default_rng(SEED)
    return prepare_uint8(task.file.prepare, images(TRAINING, 1), rng), prepare_uint8(
        task.file.prepare, images(task.validation, 2), rng
    )


def compile_epoch(model: keras.Model, loop: str, training: Examples, validation: Examples) -> Any:
    """What the loop drives."""
    options = {"xla": False} if loop == "graph" else {}
    return load_backend(BACKEND).CompiledEpoch(model, training, validation, batch_size=BATCH, **options)


def orders(task: Task, loop: str) -> Any:
    """Three orders, and three more after the seed was set again, (2, 3, images)."""
    compiled = compile_epoch(task.compiled(loop), loop, *uint8_examples(task))
    drawn = []
    for _ in range(2):
        keras.utils.set_random_seed(SEED)
        drawn.append([np.asarray(compiled.draw_order()) for _ in range(3)])
    return np.array(drawn)


def shuffled(task: Task, loop: str) -> Any:
    """Losses of the loop as the measured process calls it, (2, epochs)."""
    sent: list[Event] = []
    clock = Clock(
        started_ns=time.perf_counter_ns(), checkpoints=(), remember=lambda _: None, send=sent.append, meter=Meter()
    )
    file = importlib.import_module(f"bench.worker.loops.{loop}")
    training, validation = uint8_examples(task) if file.TAKES_UINT8 else float_examples(task)
    file.train(task.compiled(loop), training, validation, epochs=EPOCHS, batch_size=BATCH, clock=clock)
    epochs = [event for event in sent if isinstance(event, EpochEvent)]
    return np.array([[epoch.train_loss for epoch in epochs], [epoch.val_loss for epoch in epochs]])


def shuffled_by_keras(task: Task) -> Any:
    """Losses of `Model.fit` as the blog calls it."""
    training, validation = float_examples(task)
    model = task.compiled("fit")
    history = model.fit(
        training.x,
        training.y,
        validation_data=(validation.x, validation.y),
        batch_size=BATCH,
        epochs=EPOCHS,
        verbose=0,
    ).history
    return np.array([history["loss"], history["val_loss"]])


if __name__ == "__main__":
    main()
