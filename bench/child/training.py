"""One case from an empty process to its last mark."""

import importlib
import os
import time
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from bench.child.channel import Channel
from bench.child.clock import Clock, Diverged
from bench.child.device import device, limit_threads
from bench.child.evaluation import evaluate
from bench.child.memory import Meter
from bench.digits import load
from bench.event import FailureEvent, FinishedEvent, Job, SetupEvent
from models.contract import Autoencoder, Floats


def train(job: Job, channel: Channel) -> int:
    """Run the job and return the exit code.

    Whatever goes wrong is told to the parent in a line and written to the log in full.
    """
    try:
        _run(job, channel)
    except Diverged as error:
        channel.send(FailureEvent(error=str(error), diverged=True))
        return 1
    except Exception as error:  # noqa: BLE001 - a model file may raise anything, and all of it is an outcome
        traceback.print_exc()
        channel.send(FailureEvent(error=f"{type(error).__name__}: {error}"[:1000]))
        return 1
    channel.send(FinishedEvent())
    return 0


def _run(job: Job, channel: Channel) -> None:
    snapshots: dict[int, list[Any]] = {}
    clock = Clock(
        started_ns=job.started_ns,
        marks=job.marks,
        remember=lambda epochs: snapshots.update({epochs: autoencoder.model.get_weights()}),
        send=channel.send,
        meter=Meter(),
    )
    now = clock.end_phase("interpreter", job.started_ns)
    keras, model_file, loop = _imported(job)
    intra, inter = limit_threads(job.backend, job.threads)
    clock.device = device(job.backend)
    now = clock.end_phase("import", now)
    training, validation = _views(job, model_file)
    now = clock.end_phase("data", now)
    autoencoder = _compiled(job, keras, model_file)
    clock.end_phase("build", now)
    channel.send(
        SetupEvent(
            params=_trainable(autoencoder.model),
            peak_rss_method=clock.meter.method,
            intra_threads=intra,
            inter_threads=inter,
        )
    )
    try:
        loop.train(
            autoencoder.model, training, validation, epochs=job.marks[-1], batch_size=job.batch_size, clock=clock
        )
    finally:  # what was reached before a loss ran away is evaluated all the same
        now = time.perf_counter_ns()
        for epochs, weights in snapshots.items():
            autoencoder.model.set_weights(weights)
            channel.send(evaluate(autoencoder, *validation, epochs=epochs))
        clock.end_phase("evaluation", now)


def _imported(job: Job) -> tuple[Any, ModuleType, ModuleType]:
    """Keras on the job's backend, the model's file and the loop's."""
    os.environ["KERAS_BACKEND"] = job.backend
    keras = importlib.import_module("keras")
    if keras.backend.backend() != job.backend:
        raise RuntimeError(f"Keras runs on {keras.backend.backend()!r}, asked for {job.backend!r}")
    return (
        keras,
        importlib.import_module(f"models.{job.model}"),
        importlib.import_module(f"bench.child.loops.{job.loop}"),
    )


def _views(job: Job, model_file: ModuleType) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Training and validation digits as the model takes them, their noise drawn from the case's seed."""
    digits = load(Path(job.data))
    rng = np.random.default_rng(job.seed)
    return model_file.view(digits.x_train, rng), model_file.view(digits.x_val, rng)


def _compiled(job: Job, keras: Any, model_file: ModuleType) -> Autoencoder:
    keras.utils.set_random_seed(job.seed)
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy(job.precision)
    autoencoder: Autoencoder = model_file.build(job.seed)
    optimizer = {"class_name": job.optimizer, "config": {"learning_rate": job.learning_rate}}
    autoencoder.model.compile(optimizer=keras.optimizers.get(optimizer), loss=autoencoder.loss)
    return autoencoder


def _trainable(model: Any) -> int:
    return int(sum(np.prod(weight.shape) for weight in model.trainable_weights))
