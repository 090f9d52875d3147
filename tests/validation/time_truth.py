"""A model whose training step sleeps a known time, and one whose validation does, timed by the harness' own loop."""

import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf

from bench.child.clock import Clock
from bench.child.loops.fit import train
from bench.child.memory import Meter
from bench.child.packing import Pairs
from bench.event import EpochEvent, Event
from bench.report.tables import Table

EPOCHS, STEPS, BATCH = 6, 4, 8
SLEEP_S = 0.5
"""A step: long beside what waking up costs."""


class Sleeping(keras.layers.Layer):  # type: ignore[misc]
    """Passes its input on, after a sleep while training and another one while validating."""

    def __init__(self, training_s: float, validation_s: float) -> None:
        super().__init__()
        self._seconds = (validation_s, training_s)
        self.slept = 0.0

    def call(self, x: Any, training: bool = False) -> Any:
        """Sleep once a batch."""

        def sleep() -> np.float32:
            begin = time.perf_counter()
            time.sleep(self._seconds[training])
            self.slept += time.perf_counter() - begin
            return np.float32(0)

        zero = tf.py_function(sleep, [], tf.float32)
        zero.set_shape([])
        return x + zero


def validate() -> tuple[Table, bool]:
    """Seconds an epoch beyond the same model without sleep, against what was truly slept; bound 1 %."""
    base_train, base_val = _seconds(0.0, 0.0)[:2]
    rows, holds = [], True
    for name, asked in (("training", (SLEEP_S, 0.0)), ("validation", (0.0, SLEEP_S))):
        train_s, val_s, slept_s = _seconds(*asked)
        measured = train_s - base_train if name == "training" else val_s - base_val
        other = val_s - base_val if name == "training" else train_s - base_train
        error = measured / slept_s - 1
        holds &= abs(error) <= 0.01 and abs(other) <= 0.01 * slept_s
        rows.append((name, f"{slept_s:.4f}", f"{measured:.4f}", f"{100 * error:+.2f} %", f"{1000 * other:+.1f} ms"))
    headers = ("what sleeps", "slept, s an epoch", "measured", "error", "in the other part")
    return Table("Time: a model that sleeps", headers, tuple(rows)), holds


def _seconds(training_s: float, validation_s: float) -> tuple[float, float, float]:
    """Train, validation and slept seconds an epoch, medians of the epochs after the first."""
    events: list[Event] = []
    sleeping = Sleeping(training_s, validation_s)
    slept: list[float] = []

    def take(event: Event) -> None:
        events.append(event)
        if isinstance(event, EpochEvent):
            slept.append(sleeping.slept)

    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(4)(sleeping(inputs)))
    model.compile("sgd", "mse")
    array = np.zeros((STEPS * BATCH, 4), np.float32)
    data = Pairs(array, array)
    clock = Clock(
        started_ns=time.perf_counter_ns(), marks=(), remember=lambda _: None, send=take, meter=Meter(Path("/proc/self"))
    )
    train(model, data, data, epochs=EPOCHS, batch_size=BATCH, clock=clock)
    epochs = [event for event in events if isinstance(event, EpochEvent)][1:]
    return (
        float(np.median([epoch.train_s for epoch in epochs])),
        float(np.median([epoch.val_s for epoch in epochs])),
        float(np.median(np.diff(slept))),
    )
