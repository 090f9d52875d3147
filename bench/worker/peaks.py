"""What this process could reach at best: its backend's matrix product and memory traffic, and its loop's bare step.

Measured after training, in the process that trained, so that threads, precision and device are the run's own.
Importing this module imports Keras: choose the backend first.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any

import keras
import numpy as np

from bench.worker.device import Device
from bench.worker.inputs import Examples
from bench.worker.loops import EpochClock
from bench.worker.protocol import Job, PeaksEvent
from bench.worker.training import compile_model

_SIDES = (1024, 2048, 4096, 8192)
"""Sides of the matrices, growing until a product takes long enough to be timed."""
_LONG_ENOUGH_S = 0.005
_REPEATS = 5
_NUMBERS = 1 << 24
"""Numbers in each of the three arrays of a sum, 64 MiB each in float32: beyond most caches."""
_STEPS = 200
_ROWS = 1_000_000
"""The near-empty model sees no more rows than this per epoch, however large the batch."""


def measure_peaks(job: Job, loop: ModuleType, device: Device) -> PeaksEvent:
    """Measure all three; under a second on a processor, where compiling the near-empty model takes no longer."""
    return PeaksEvent(
        gflop_per_s=_measure_product(device),
        gb_per_s=_measure_sum(device),
        dispatch_s=_measure_dispatch(job, loop, device),
    )


def _measure_product(device: Device) -> float:
    """Best rate of a square matrix product in the precision of the run, GFLOP/s."""
    dtype = keras.config.dtype_policy().compute_dtype
    best = 0.0
    for side in _SIDES:
        # Halves, not random numbers: the product takes no longer for them, and makes no infinities.
        matrix = keras.ops.full((side, side), 0.5, dtype=dtype)
        seconds = _time_fastest(partial(keras.ops.matmul, matrix, matrix), device)
        best = max(best, 2 * side**3 / seconds / 1e9)
        if seconds > _LONG_ENOUGH_S:
            break
    return best


def _measure_sum(device: Device) -> float:
    """Best rate of STREAM's Add, a = b + c: two arrays read, one written; GB/s."""
    first, second = keras.ops.ones((_NUMBERS,), "float32"), keras.ops.ones((_NUMBERS,), "float32")
    return 3 * 4 * _NUMBERS / _time_fastest(partial(keras.ops.add, first, second), device) / 1e9


def _time_fastest(operation: Callable[[], Any], device: Device) -> float:
    """Seconds of the fastest repeat, after one that is not counted."""
    seconds = []
    for _ in range(_REPEATS + 1):
        device.synchronise()
        began = time.perf_counter_ns()
        result = operation()
        device.synchronise()
        seconds.append((time.perf_counter_ns() - began) / 1e9)
        del result
    return min(seconds[1:])


def _measure_dispatch(job: Job, loop: ModuleType, device: Device) -> float:
    """Seconds of a step that has next to nothing to compute, in the run's loop, batch size and optimizer."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, activation="sigmoid")])
    compile_model(model, "binary_crossentropy", job, keras, loop)
    steps = max(1, min(_STEPS, _ROWS // job.batch_size))
    pixels = np.zeros((steps * job.batch_size, 1), np.uint8 if loop.TAKES_UINT8 else np.float32)
    training, validation = Examples(pixels, pixels), Examples(pixels[: job.batch_size], pixels[: job.batch_size])
    watch = _TrainingStopwatch(device)
    loop.train(model, training, validation, epochs=3, batch_size=job.batch_size, clock=watch)
    return min(watch.seconds[1:]) / steps


class _TrainingStopwatch(EpochClock):
    """Takes the time of each epoch's training and nothing else."""

    def __init__(self, device: Device) -> None:
        self.seconds: list[float] = []
        self._device = device
        self._began = 0

    def begin_epoch(self) -> None:
        self._device.synchronise()
        self._began = time.perf_counter_ns()

    def begin_validation(self) -> None:
        self._device.synchronise()
        self.seconds.append((time.perf_counter_ns() - self._began) / 1e9)

    def end_validation(self) -> None:
        pass

    def end_epoch(self, losses: Mapping[str, float]) -> None:
        pass
