"""The rows: every field with its unit and when it is empty; and the journal's lines that they are made of.

Schema history:

1  (0.1.0) first version: the journal's lines, results.csv and epochs.csv.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, TypeAdapter

from bench.errors import printable
from bench.host.fingerprint import Fingerprint, StrictModel, column
from bench.host.noise import Interval
from bench.host.reference_kernels import Reference
from bench.plan.profile import Case, Count, Profile
from bench.results.epochs import Epochs, MemorySamples
from bench.results.roofline import Bound
from bench.results.spool import Spool
from bench.worker.protocol import CheckpointEvent, EvaluationEvent, PeaksEvent, PhaseEvent, SetupEvent

SCHEMA_VERSION = 1

Status = Literal["ok", "failed", "killed", "oom", "timeout", "stalled", "diverged", "invalid"]
"""How a run ended. ok: every checkpoint was reached. failed: the process raised or exited non-zero. killed: a signal ended
it. oom: the kernel ended it for want of memory. timeout: it ran past its limit and was ended. stalled: it told nothing
for so long that it was ended. diverged: a loss became NaN or infinite. invalid: it ended without saying all that it had
to say, or said what makes no sense."""


# ------------------------------------------------------------------- the journal


Printable = Annotated[str, AfterValidator(printable)]
"""Text that a process wrote, or a stranger's journal: without the colours and commands that a terminal would obey."""


class SweepHeader(StrictModel):
    """The journal's first line: what this folder measures, on what."""

    kind: Literal["header"] = "header"
    schema_version: int = SCHEMA_VERSION
    profile: Profile
    cases: tuple[Case, ...]
    """What the profile expanded to when the sweep began."""
    dataset_digest: str
    dataset_genuine: bool | None
    dataset_origin: str
    train_samples: Count
    val_samples: Count
    machine_id: str
    fingerprint: Fingerprint
    git_commit: str | None
    git_dirty: bool | None
    created_at: str


class Timeline(StrictModel):
    """Resident memory of the process, sampled by the parent."""

    interval_s: float
    """Seconds between samples; doubled whenever there are too many to keep, every second one of which then goes."""
    samples: MemorySamples
    """Seconds since the process' start, and MiB. The largest of each stretch that was thinned is kept."""


class Outcome(StrictModel):
    """All that is known of one case's run, whether it went well or not: one line of the journal."""

    kind: Literal["outcome"] = "outcome"
    case: Case
    attempt: int = 1
    """Which run of the case this was, from 1; one that was interrupted has no line and does not count."""
    status: Status
    error: Printable | None = None
    signal: str | None = None
    exit_code: int | None = None
    log_tail: Printable | None = None
    started_at: str
    """UTC, ISO 8601."""
    duration_s: float
    """Wall seconds from the child's start to its end, as the parent saw it."""
    setup: SetupEvent | None = None
    phases: tuple[PhaseEvent, ...] = ()
    epochs: Epochs = Epochs()
    checkpoints: tuple[CheckpointEvent, ...] = ()
    evaluations: tuple[EvaluationEvent, ...] = ()
    peaks: PeaksEvent | None = None
    noise: Interval | None = None
    """What the machine saw from the process' start to its end."""
    parent_cpu_s: float | None = None
    """CPU seconds of the harness' parent meanwhile: its display, its sampling."""
    reference_before: Reference | None = None
    """What the machine's reference kernels reached right before the process began."""
    reference_after: Reference | None = None
    """The same, right after it ended."""
    timeline: Timeline | None = None
    """Resident memory seen from outside."""

    def spool(self, spool: Spool) -> None:
        """Put away what is long of it: epochs and memory samples."""
        self.epochs.spool(spool)
        if self.timeline is not None:
            self.timeline.samples.spool(spool)


JournalLine = Annotated[SweepHeader | Outcome, Field(discriminator="kind")]
JOURNAL_LINE: TypeAdapter[JournalLine] = TypeAdapter(JournalLine)


# ---------------------------------------------------------------- rows of the CSVs


_NOT_REACHED = "the checkpoint was not reached"
_NOT_EVALUATED = "the run ended before its end, where checkpoints are evaluated"
_NOT_STEADY = "no epoch after the warm-up"
_NOT_COUNTED = "a layer cannot be counted"
_NO_PEAKS = "the run ended before its end, where peaks are measured"


class Measurement(StrictModel):
    """What was measured of a case at one of its checkpoints: the first columns of results.csv."""

    schema_version: int = column("version of this table")
    case_id: str = column("names the case on every machine alike")
    model: str = column("file in `models/`")
    backend: str = column("Keras backend")
    loop: str = column("training loop")
    precision: str = column("Keras dtype policy")
    optimizer: str = column("optimizer")
    learning_rate: float = column("the optimizer's learning rate")
    batch_size: int = column("images a step", "samples")
    epochs: int = column("the checkpoint: epochs trained when this row was taken")
    run_epochs: int = column("epochs of the whole run that passed this checkpoint")
    dataset: str = column("dataset's name")
    dataset_digest: str = column("SHA-256 over the arrays")
    dataset_genuine: bool | None = column(
        "whether the arrays are the dataset of that name", empty="no reference digest"
    )
    train_samples: int = column("training images", "samples")
    val_samples: int = column("validation images", "samples")
    seed: int = column("seed of weights, shuffling, noise and sampling")
    repeat: int = column("number of the process for the same case, from 0")
    status: Status = column("ok where this checkpoint was reached; else how the run ended before it")
    run_status: Status = column("how the whole run ended")
    attempts: int | None = column(
        "times that the case was run, this one included, interrupted ones not",
        empty="a table from before it was counted",
    )
    error: str | None = column("what went wrong", empty="status is ok")
    train_loss: float | None = column("training loss of the checkpoint's epoch, as Keras prints it", empty=_NOT_REACHED)
    val_loss: float | None = column(
        "validation loss after the checkpoint's epoch, as Keras prints it", empty=_NOT_REACHED
    )
    val_bce: float | None = column(
        "mean binary cross-entropy a pixel of the validation images rebuilt from their codes: compares across models",
        "nats",
        _NOT_EVALUATED,
    )
    code_mean: float | None = column(
        "mean activation of the code units over the validation images", empty=_NOT_EVALUATED
    )
    code_units: int | None = column("numbers in one image's code", empty=_NOT_EVALUATED)
    dead_units: int | None = column("code units that stay at zero for every validation image", empty=_NOT_EVALUATED)
    epoch_s_median: float | None = column(
        "median training seconds of the steady epochs up to the checkpoint", "s", _NOT_STEADY
    )
    epoch_s_ci_low: float | None = column(
        "lower end of the median's 95 % interval, from order statistics", "s", "fewer than 6 steady epochs"
    )
    epoch_s_ci_high: float | None = column("upper end of that interval", "s", "fewer than 6 steady epochs")
    warmup_epochs: int | None = column("epochs before the steady ones; the first always counts", empty=_NOT_REACHED)
    steady_epochs: int | None = column("epochs that the median is of", empty=_NOT_REACHED)
    steady: bool | None = column(
        "whether the times of the steady epochs have no trend", empty="fewer than 6 steady epochs"
    )
    val_s_median: float | None = column("median validation seconds of the steady epochs", "s", _NOT_STEADY)
    first_epoch_s: float | None = column(
        "training seconds of the first epoch, with tracing and compilation", "s", _NOT_REACHED
    )
    import_s: float | None = column("seconds to import Keras and its backend", "s", _NOT_REACHED)
    build_s: float | None = column("seconds to build and compile the model", "s", _NOT_REACHED)
    train_s_total: float | None = column(
        "training seconds of all epochs up to the checkpoint, the first included", "s", _NOT_REACHED
    )
    val_s_total: float | None = column("validation seconds of all epochs up to the checkpoint", "s", _NOT_REACHED)
    wall_s_total: float | None = column(
        "wall seconds from the process' start to the checkpoint, the harness' own work left out", "s", _NOT_REACHED
    )
    cpu_s_total: float | None = column(
        "CPU seconds of the process from its start to the checkpoint, the harness' readings among them",
        "s",
        _NOT_REACHED,
    )
    samples_per_s: float | None = column("training images a second in a median steady epoch", "1/s", _NOT_STEADY)
    peak_rss_mib: float | None = column(
        "peak resident memory of the process up to the checkpoint, the harness' own work left out", "MiB", _NOT_REACHED
    )
    peak_rss_method: str | None = column("how the peaks were read", empty=_NOT_REACHED)
    rss_import_mib: float | None = column(
        "peak resident memory while Keras and its backend were imported", "MiB", "not told apart on this system"
    )
    rss_data_mib: float | None = column("peak while the data were loaded", "MiB", "not told apart on this system")
    rss_build_mib: float | None = column(
        "peak while the model was built and compiled", "MiB", "not told apart on this system"
    )
    rss_first_epoch_mib: float | None = column(
        "peak within the first epoch's training", "MiB", "not told apart on this system"
    )
    rss_train_mib: float | None = column(
        "peak while training, after the first epoch",
        "MiB",
        "not told apart on this system, or no epoch after the first",
    )
    rss_val_mib: float | None = column("peak while validating", "MiB", "not told apart on this system")
    anon_peak_mib: float | None = column(
        "largest anonymous memory at the end of a phase", "MiB", "not told apart on this system"
    )
    sampled_peak_mib: float | None = column("peak resident memory that sampling from outside saw", "MiB", "not sampled")
    sampled_every_s: float | None = column("seconds between those samples at the run's end", "s", "not sampled")
    params: int | None = column("trainable parameters", empty="the model was not built")
    forward_flops_per_sample: float | None = column(
        "floating-point operations of one image's forward pass: matrix products, a multiplication and an addition are "
        "two",
        "FLOP",
        _NOT_COUNTED,
    )
    flops_per_sample: float | None = column(
        "the same to train on one image, gradients included; optimizer and elementwise work are not in it",
        "FLOP",
        _NOT_COUNTED,
    )
    step_bytes: float | None = column("memory traffic of one training step, estimated", "bytes", _NOT_COUNTED)
    gflop_per_s: float | None = column(
        "arithmetic rate of a median steady epoch, training only", "GFLOP/s", f"{_NOT_COUNTED}, or {_NOT_STEADY}"
    )
    peak_gflop_per_s: float | None = column(
        "the machine's peak in the row's precision and threads: the best of matrix products, the backend's after "
        "training and, in float32 on a processor, the reference kernel's before and after the run",
        "GFLOP/s",
        _NO_PEAKS,
    )
    peak_gb_per_s: float | None = column(
        "the machine's memory traffic: the best of the backend's sum of two large arrays after training and, on a "
        "processor, the reference kernel's triad",
        "GB/s",
        _NO_PEAKS,
    )
    dispatch_s: float | None = column(
        "seconds of a training step of a near-empty model in the same loop, batch size and optimizer", "s", _NO_PEAKS
    )
    peak_fraction: float | None = column(
        "gflop_per_s over peak_gflop_per_s: the share of the machine that was reached", "", "either is empty"
    )
    bound: Bound | None = column(
        "what takes longest of a step at the least: its dispatch, its memory traffic or its arithmetic at their peaks",
        empty="not counted, or no peaks",
    )
    harness_epoch_s: float | None = column(
        "what the harness' own work adds to an epoch, in it and before it: median seconds, in no other time",
        "s",
        _NOT_REACHED,
    )
    parent_cores: float | None = column(
        "CPU seconds a second that the harness' parent took beside the process: display, sampling", empty="not measured"
    )
    gpu_peak_mib: float | None = column("peak GPU memory as the framework counts its own", "MiB", "no GPU")
    gpu_used_mib: float | None = column(
        "largest GPU memory in use at a phase's end, as its driver counts it", "MiB", "no GPU"
    )
    intra_threads: int | None = column(
        "threads for one operation, as the backend tells them, else counted from the threads that it starts",
        empty="not told",
    )
    inter_threads: int | None = column("threads for operations side by side, likewise", empty="not told")
    threads_alive: int | None = column("threads of the process at the checkpoint", empty="the system does not say")
    reference_gflop_per_s: float | None = column(
        "matrix product of the reference kernel, the mean of right before and right after the run",
        "GFLOP/s",
        "not measured",
    )
    reference_gb_per_s: float | None = column("memory triad of the reference kernel, likewise", "GB/s", "not measured")
    steal_percent: float | None = column(
        "share of CPU time that the hypervisor took during the run", "%", "not measured"
    )
    cpu_pressure_percent: float | None = column(
        "time of the run in which some task waited for a CPU, its own threads included", "%", "not readable"
    )
    memory_pressure_percent: float | None = column(
        "time of the run in which some task waited for memory", "%", "not readable"
    )
    io_pressure_percent: float | None = column(
        "time of the run in which some task waited for a disk", "%", "not readable"
    )
    load: float | None = column("load average over a minute, at the run's end", empty="not readable")
    other_cores: float | None = column(
        "CPU seconds a second of everything else, the largest of the checkpoint's epochs", empty="not readable"
    )
    involuntary_per_s: float | None = column(
        "involuntary context switches of the process, the median of the checkpoint's epochs", "1/s", "not readable"
    )
    mhz: float | None = column("CPU clock, the median over the ends of the checkpoint's epochs", "MHz", "not readable")
    noisy_epochs: int | None = column("epochs whose noise indicators were out of bounds", empty="not measured")
    machine_id: str = column("digest of the fingerprint")


class ResultRow(Fingerprint, Measurement):
    """A row of results.csv: a case at one of its checkpoints, with the machine that it ran on."""

    started_at: str = column("when the run began, UTC")
    git_commit: str | None = column("commit of the harness' checkout", empty="not in a git checkout")
    git_dirty: bool | None = column("whether that checkout held uncommitted changes", empty="not in a git checkout")


class EpochRow(StrictModel):
    """A row of epochs.csv: one epoch of one case."""

    case_id: str = column("the case, as in results.csv")
    epoch: int = column("epoch, from 1")
    train_s: float = column("training seconds: from the epoch's begin to the validation's begin", "s")
    val_s: float = column("validation seconds", "s")
    callback_s: float = column("seconds from the validation's end to the epoch's end", "s")
    harness_s: float = column("seconds of the harness' own readings, within the epoch and at its end", "s")
    between_s: float = column("seconds of the harness' own work between the epoch before and this one", "s")
    cpu_s: float = column("CPU seconds of the process within the epoch, user and system", "s")
    train_loss: float | None = column("training loss, as Keras prints it", empty="not finite")
    val_loss: float | None = column("validation loss, as Keras prints it", empty="not finite")
    rss_mib: float = column("resident memory at the epoch's end", "MiB")
    steal_percent: float | None = column("share of the CPUs' time that the hypervisor took", "%", "not readable")
    own_cores: float | None = column("CPU seconds a second of the process", empty="not readable")
    other_cores: float | None = column("CPU seconds a second of everything else on its CPUs", empty="not readable")
    cpu_pressure_percent: float | None = column(
        "time in which some task waited for a CPU, the process' own threads included", "%", "not readable"
    )
    memory_pressure_percent: float | None = column("time in which some task waited for memory", "%", "not readable")
    io_pressure_percent: float | None = column("time in which some task waited for a disk", "%", "not readable")
    involuntary_per_s: float | None = column("involuntary context switches of the process", "1/s", "not readable")
    major_faults: int | None = column("pages that the process had to read back from a disk", empty="not readable")
    load: float | None = column("load average over a minute, at the epoch's end", empty="not readable")
    mhz: float | None = column("CPU clock at the epoch's end", "MHz", "not readable")
    noise: str | None = column("what made the epoch noisy, separated by spaces", empty="nothing seen")


class PhaseRow(StrictModel):
    """A row of phases.csv: one phase of one case's process; those of training as they stood at its last checkpoint."""

    case_id: str = column("the case, as in results.csv")
    phase: str = column(
        "interpreter, import, data, build, first_epoch, train (after the first epoch), val; "
        "harness and evaluation: the harness' own work between epochs and after the last, in no peak of results.csv"
    )
    seconds: float = column("wall seconds, over all turns of the phase", "s")
    peak_mib: float | None = column("peak resident memory within the phase", "MiB", "not told apart on this system")
    rss_mib: float = column("resident memory at the phase's last end", "MiB")
    anon_mib: float | None = column("of it, anonymous memory", "MiB", "the system does not say")
    file_mib: float | None = column("of it, mapped files and shared memory", "MiB", "the system does not say")
