"""A model that sleeps a known time in its training steps, or while it validates, timed by the harness' own loop."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf

from bench.console.table import Table
from bench.worker.clock import Clock
from bench.worker.inputs import Examples
from bench.worker.loops.fit import train
from bench.worker.memory import Meter
from bench.worker.protocol import EpochEvent, Event

ROUNDS, STEPS, BATCH = 6, 4, 8
SLEEP_S = 0.5
"""Per step: long compared with what waking up costs."""
TRAINING, VALIDATION, NEITHER = "training", "validation", "neither"
TURNS = (NEITHER, TRAINING, VALIDATION)
"""What sleeps in one epoch after the other, so that a busy minute does not hit one kind alone."""


@dataclass
class Epoch:
    """Seconds of an epoch's parts, and what it slept in each."""

    parts: dict[str, float]
    slept: dict[str, float]

    def beyond(self, part: str) -> float:
        """What a part took beyond the sleep: tf.data and Python, some 50 ms of work that other programs stretch."""
        return self.parts[part] - self.slept[part]


@dataclass
class Sleeper:
    """Sleeps in the part whose turn it is, and remembers how long it really slept."""

    turn: str = NEITHER
    slept: dict[str, float] = field(default_factory=lambda: {TRAINING: 0.0, VALIDATION: 0.0})

    def sleep(self, part: str) -> None:
        """Is called once per batch."""
        begin = time.perf_counter()
        time.sleep(SLEEP_S if part == self.turn else 0.0)
        self.slept[part] += time.perf_counter() - begin


class Sleeping(keras.layers.Layer):  # type: ignore[misc]
    """Passes its input on, after a call of the sleeper."""

    def __init__(self, sleeper: Sleeper) -> None:
        super().__init__()
        self._sleeper = sleeper

    def call(self, x: Any, training: bool = False) -> Any:
        """Sleep once per batch."""

        def sleep() -> np.float32:
            self._sleeper.sleep(TRAINING if training else VALIDATION)
            return np.float32(0)

        zero = tf.py_function(sleep, [], tf.float32)
        zero.set_shape([])
        return x + zero


def validate() -> tuple[Table, bool]:
    """The least noisy epoch that slept, less one that did not, compared with the time really slept; bound 1 %."""
    epochs = _measure_epochs()
    awake = {part: min(epoch.beyond(part) for epoch in epochs[NEITHER]) for part in (TRAINING, VALIDATION)}
    rows, holds = [], True
    for part, other in ((TRAINING, VALIDATION), (VALIDATION, TRAINING)):
        epoch = min(epochs[part], key=lambda epoch: epoch.beyond(part))
        slept = epoch.slept[part]
        measured = epoch.parts[part] - awake[part]
        elsewhere = min(epoch.beyond(other) for epoch in epochs[part]) - awake[other]
        holds &= abs(measured - slept) <= 0.01 * slept and abs(elsewhere) <= 0.01 * slept
        error = f"{100 * (measured / slept - 1):+.2f} %"
        rows.append((part, f"{slept:.4f}", f"{measured:.4f}", error, f"{1000 * elsewhere:+.1f} ms"))
    headers = ("what sleeps", "slept, s per epoch", "measured", "error", "in the other part")
    return Table("Time: a model that sleeps", headers, tuple(rows)), holds


def _measure_epochs() -> dict[str, Sequence[Epoch]]:
    """All epochs but the first by what slept in them, of one run."""
    sleeper = Sleeper()
    found: dict[str, list[Epoch]] = {turn: [] for turn in TURNS}
    turns = iter((*TURNS * ROUNDS, NEITHER))

    def take(event: Event) -> None:
        if not isinstance(event, EpochEvent):
            return
        if event.epoch > 1:
            parts = {TRAINING: event.train_s, VALIDATION: event.val_s}
            found[sleeper.turn].append(Epoch(parts, sleeper.slept))
        sleeper.turn, sleeper.slept = next(turns), {TRAINING: 0.0, VALIDATION: 0.0}

    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(4)(Sleeping(sleeper)(inputs)))
    model.compile("sgd", "mse")
    array = np.zeros((STEPS * BATCH, 4), np.float32)
    data = Examples(array, array)
    clock = Clock(
        started_ns=time.perf_counter_ns(),
        checkpoints=(),
        remember=lambda _: None,
        send=take,
        meter=Meter(Path("/proc/self")),
    )
    train(model, data, data, epochs=1 + len(TURNS) * ROUNDS, batch_size=BATCH, clock=clock)
    return dict(found)
