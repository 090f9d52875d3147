"""One case from an empty process to its last checkpoint."""

import importlib
import time
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np

from bench.datasets.files import load
from bench.host.energy import EnergyMeter, find_rapl_counters
from bench.plan.catalog import format_compile_arguments
from bench.worker.backends import import_keras, load_backend
from bench.worker.channel import Channel
from bench.worker.clock import Clock, Diverged
from bench.worker.evaluation import evaluate
from bench.worker.inputs import Examples, prepare_uint8, to_floats
from bench.worker.memory import Meter
from bench.worker.protocol import FailureEvent, FinishedEvent, Job, SetupEvent, Training
from bench.worker.samples import keep_samples
from models.contract import Autoencoder, ModelFile


def train(job: Job, channel: Channel) -> int:
    """Run the job and return the exit code.

    Whatever goes wrong is sent to the parent as one line and written to the log in full.
    """
    try:
        _run_case(job, channel)
    except Diverged as error:
        channel.send(FailureEvent(error=str(error), diverged=True))
        return 1
    except Exception as error:  # noqa: BLE001 - a model file may raise anything, and all of it is an outcome
        traceback.print_exc()
        channel.send(FailureEvent(error=f"{type(error).__name__}: {error}"[:1000]))
        return 1
    channel.send(FinishedEvent())
    return 0


def _run_case(job: Job, channel: Channel) -> None:
    snapshots: dict[int, list[Any]] = {}
    clock = Clock(
        started_ns=job.started_ns,
        checkpoints=job.checkpoints,
        remember=lambda epochs: snapshots.update({epochs: _copy_weights(autoencoder.model)}),
        send=channel.send,
        meter=Meter(),
    )
    now = clock.end_phase("interpreter", job.started_ns)
    keras, model_file, loop = import_parts(job)
    backend = load_backend(job.backend)
    intra, inter = backend.limit_threads(job.threads)
    clock.device = backend.find_device()
    clock.energy = EnergyMeter([*find_rapl_counters(), *clock.device.find_energy_counters()])
    now = clock.end_phase("import", now)
    training, validation = prepare_examples(job, model_file, loop)
    now = clock.end_phase("data", now)
    autoencoder = build_model(job, keras, model_file, loop)
    clock.end_phase("build", now)
    channel.send(_describe_setup(job, autoencoder, loop, clock, intra, inter))

    def evaluate_checkpoints() -> int:
        began = time.perf_counter_ns()
        x, y = to_floats(validation.x), to_floats(validation.y)
        for epochs, weights in snapshots.items():
            autoencoder.model.set_weights(weights)
            channel.send(evaluate(autoencoder, x, y, epochs=epochs))
            keep_samples(job, autoencoder, x, y, epochs=epochs)
        return clock.end_phase("evaluation", began)

    try:
        loop.train(
            autoencoder.model, training, validation, epochs=job.checkpoints[-1], batch_size=job.batch_size, clock=clock
        )
    except Exception:
        # The checkpoints that were reached are evaluated all the same; the case failed of what ended its training.
        try:
            evaluate_checkpoints()
        except Exception:  # noqa: BLE001 - see `train`
            traceback.print_exc()
        raise
    now = evaluate_checkpoints()
    if job.measures_peaks:
        channel.send(importlib.import_module("bench.worker.peaks").measure_peaks(job, loop, clock.device))
        clock.end_phase("peaks", now)


def import_parts(job: Training) -> tuple[Any, ModelFile, ModuleType]:
    """Keras on the job's backend, the model's file and the loop's."""
    return (
        import_keras(job.backend),
        cast("ModelFile", importlib.import_module(f"models.{job.model}")),
        importlib.import_module(f"bench.worker.loops.{job.loop}"),
    )


def prepare_examples(job: Training, model_file: ModelFile, loop: ModuleType) -> tuple[Examples, Examples]:
    """Training and validation images as model and loop take them, their noise drawn from the case's seed."""
    images = load(Path(job.data))
    rng = np.random.default_rng(job.seed)
    if loop.TAKES_UINT8:
        return prepare_uint8(model_file.prepare, images.x_train, rng), prepare_uint8(
            model_file.prepare, images.x_val, rng
        )
    return Examples(*model_file.prepare(images.x_train, rng)), Examples(*model_file.prepare(images.x_val, rng))


def build_model(job: Training, keras: Any, model_file: ModelFile, loop: ModuleType) -> Autoencoder:
    """The job's model, built and compiled as its loop wants it, all of it drawn from the job's seed."""
    keras.utils.set_random_seed(job.seed)
    # All that a keras.json can change is set, whatever a process was started with.
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy(job.precision)
    autoencoder = model_file.build(job.seed)
    compile_model(autoencoder.model, autoencoder.loss, job, keras, loop)
    return autoencoder


def compile_model(model: Any, loss: Any, job: Training, keras: Any, loop: ModuleType) -> None:
    """Compile a model with the job's optimizer and with what the loop adds."""
    optimizer = {"class_name": job.optimizer, "config": {"learning_rate": job.learning_rate}}
    model.compile(optimizer=keras.optimizers.get(optimizer), loss=loss, **get_compile_arguments(loop))


def get_compile_arguments(loop: ModuleType) -> dict[str, Any]:
    """What a loop adds to the arguments of Keras' `compile`; empty where it adds nothing."""
    return dict(getattr(loop, "COMPILE", {}))


def count_parameters(model: Any) -> int:
    """How many parameters training changes."""
    return int(sum(np.prod(weight.shape) for weight in model.trainable_weights))


def _describe_setup(
    job: Job, autoencoder: Autoencoder, loop: ModuleType, clock: Clock, intra: int | None, inter: int | None
) -> SetupEvent:
    model = autoencoder.model
    work = importlib.import_module("bench.worker.arithmetic").count_work(model, job.batch_size)
    return SetupEvent(
        params=count_parameters(model),
        peak_rss_method=clock.meter.method,
        energy_counters=clock.energy.names,
        intra_threads=intra,
        inter_threads=inter,
        compile_arguments=format_compile_arguments(get_compile_arguments(loop)) or None,
        forward_flops=work and work.forward_flops,
        training_flops=work and work.training_flops,
        step_bytes=work and work.step_bytes,
    )


def _copy_weights(model: Any) -> list[Any]:
    """Copies: what PyTorch and JAX give may be the very memory that the next step writes to."""
    return [np.array(weight) for weight in model.get_weights()]
