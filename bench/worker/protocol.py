"""What passes between the parent and a measured process: the job, then the events of the process, in order.

Plain dataclasses and JSON lines, since the measured process must carry no library that training does not need; the
parent validates each line against these types.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from bench.host.noise import Interval

PhaseName = Literal[
    "interpreter", "import", "data", "build", "first_epoch", "train", "val", "harness", "evaluation", "peaks"
]


class StrictMessage:
    """A message in which the parent accepts no field that it does not know, no NaN and no infinity."""

    __slots__ = ()
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}


class Message(Protocol):
    """Any dataclass that is sent."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


def to_line(message: Message) -> bytes:
    """One line of JSON, its newline included."""
    return json.dumps(dataclasses.asdict(message), allow_nan=False).encode() + b"\n"


@dataclass(frozen=True, kw_only=True)
class Training:
    """What a measured process trains, and with what."""

    model: str
    backend: str
    loop: str
    precision: str
    optimizer: str
    learning_rate: float
    batch_size: int
    seed: int
    threads: int | None
    """Threads that the backend may use for one operation, and for operations side by side; None for its own choice."""
    data: str
    """Path of the prepared npz."""


@dataclass(frozen=True, kw_only=True)
class Job(Training):
    """What a measured process is to do: a case, without what only the parent needs."""

    checkpoints: tuple[int, ...]
    started_ns: int
    """The parent's `perf_counter_ns` when it started the process; that clock is the system's, so both may use it."""
    samples: str | None = None
    """Where to write each checkpoint's samples: this path, then "-", its epochs and ".npz"; None for nowhere."""
    measures_peaks: bool = True
    """Whether to measure after training what the process could reach at best; not where an earlier one did."""


@dataclass(frozen=True, kw_only=True)
class PhaseEvent(StrictMessage):
    """A phase of the process' life; those of training come with every checkpoint and cover all epochs so far."""

    name: PhaseName
    seconds: float
    """Wall seconds, added up over epochs."""
    peak_mib: float | None
    """Peak resident memory within the phase; None where the system keeps one peak for the whole process."""
    rss_mib: float
    """Resident memory at the phase's end."""
    anon_mib: float | None
    """Of it, anonymous memory; None where the system does not say."""
    file_mib: float | None
    """Of it, mapped files and shared memory; None where the system does not say."""
    kind: Literal["phase"] = field(default="phase")


@dataclass(frozen=True, kw_only=True)
class SetupEvent(StrictMessage):
    """The model is built and compiled."""

    params: int
    """Trainable parameters."""
    peak_rss_method: str
    """How peaks of resident memory are read in this process."""
    intra_threads: int | None
    """Threads for one operation, as the backend reports or starts them; None where neither is known."""
    inter_threads: int | None
    """Threads for operations side by side, likewise."""
    compile_arguments: str | None = None
    """What the loop added to the arguments of Keras' `compile`, as in a script; None where it added nothing."""
    forward_flops: float | None = None
    """Operations of one image's forward pass, matrix products only; None where a layer cannot be counted."""
    training_flops: float | None = None
    """Operations to train on one image, likewise."""
    step_bytes: float | None = None
    """Memory traffic of one training step, estimated; None likewise."""
    energy_counters: tuple[str, ...] = ()
    """Names of the energy counters that are read at every epoch; none where the machine has none."""
    kind: Literal["setup"] = field(default="setup")


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochEvent(StrictMessage):
    """An epoch ended. Training, validation, callbacks and the readings between them add up to its wall time."""

    epoch: int
    """From 1."""
    train_s: float
    val_s: float
    callback_s: float
    harness_s: float
    """Seconds of the harness' own readings, within the epoch and at its end."""
    between_s: float
    """Seconds of the harness' own work between the epoch before and this one: readings, sending, copying weights."""
    cpu_s: float
    """CPU seconds of the process, user and system, within train, validation and callbacks."""
    train_loss: float | None
    """None where it is not finite."""
    val_loss: float | None
    """None where it is not finite."""
    rss_mib: float
    """Resident memory at the epoch's end."""
    energy_j: float | None = None
    """Joules that the energy counters rose by during training; None where they did not say."""
    noise: Interval
    """What machine and process saw within train, validation and callbacks."""
    kind: Literal["epoch"] = field(default="epoch")


@dataclass(frozen=True, kw_only=True)
class CheckpointEvent(StrictMessage):
    """An epoch count that the case asked for was reached; all figures are those of a run that would end here."""

    epochs: int
    at_s: float
    """Wall seconds from the process' start to here, all included."""
    wall_s: float
    """The same, the harness' own work left out."""
    cpu_s: float
    """CPU seconds of the process from its start to here."""
    peak_rss_mib: float
    """Largest peak of the phases up to here, the harness' own work left out."""
    peak_anon_mib: float | None
    """Largest anonymous memory at the end of a phase up to here; None where the system does not say."""
    peak_gpu_mib: float | None
    """Peak GPU memory as the framework counts its own, up to here; None without a GPU."""
    peak_gpu_used_mib: float | None
    """Largest memory in use on the GPU at the end of a phase, as the driver counts it; None without a GPU."""
    threads_alive: int | None
    """Threads of the process; None where the system does not say."""
    phases: tuple[PhaseEvent, ...]
    """The phases of training so far: first_epoch, train (after the first epoch), val; and the harness' own work."""
    kind: Literal["checkpoint"] = field(default="checkpoint")


@dataclass(frozen=True, kw_only=True)
class EvaluationEvent(StrictMessage):
    """How good the model was at a checkpoint, computed after training so that it does not disturb training."""

    epochs: int
    val_bce: float | None
    """Mean binary cross-entropy per pixel, nats; None where it is not finite."""
    code_mean: float | None
    """Mean activation of the code units; None where it is not finite."""
    code_units: int
    dead_units: int
    kind: Literal["evaluation"] = field(default="evaluation")


@dataclass(frozen=True, kw_only=True)
class PeaksEvent(StrictMessage):
    """What the process could reach at best, measured in it after training."""

    gflop_per_s: float
    """Best rate of the backend's matrix product in the run's precision and threads, 10^9 operations a second."""
    gb_per_s: float
    """Best rate of the backend's sum of two large arrays, 10^9 bytes a second."""
    dispatch_s: float
    """Seconds of a training step of a near-empty model in the run's loop, batch size and optimizer."""
    kind: Literal["peaks"] = field(default="peaks")


@dataclass(frozen=True, kw_only=True)
class FailureEvent(StrictMessage):
    """The process raised; the traceback is in the case's log."""

    error: str
    diverged: bool = False
    """Whether a loss that is not finite ended the run."""
    kind: Literal["failure"] = field(default="failure")


@dataclass(frozen=True, kw_only=True)
class FinishedEvent(StrictMessage):
    """The last event of a process that did all that it had to."""

    kind: Literal["finished"] = field(default="finished")


Event = (
    PhaseEvent | SetupEvent | EpochEvent | CheckpointEvent | EvaluationEvent | PeaksEvent | FailureEvent | FinishedEvent
)
