"""The rows of results.csv: every column with its unit; and the version of the journal and of all that is made of it.

Schema history:

6  (0.1.0) is_final only in the first way to train that the sweep has of a model; is_last is what is_final was, and
   is_plain is no more.
5  is_plain; is_final only in the row of the case's last checkpoint, which a process that was to stop earlier
   does not have. threads is the case's, and is in case_id; it belongs to the fingerprint no more.
4  total_s, train_total_s, val_total_s and cpu_total_s in place of wall_s_total and its like; peak_ first in the
   names of all peaks of memory; is_final; steady, dataset_genuine and git_dirty are yes, no or unknown. Warm-up is that
   of the whole run, and a median needs three steady epochs. What people look at comes first, the machine last.
3  epoch_s_quiet, epoch_s_low, epoch_s_high and epoch_s_error in place of epoch_s_ci_low and epoch_s_ci_high: an
   interval is about the next run, no longer about the epochs of this one.
2  environment_id; machine_id is of the machine alone, and both begin with a letter. Renamed: peak_share to
   peak_fraction, contaminated_epochs to noisy_epochs; in epochs.csv flags to noise; in the journal marks to
   checkpoints, and their fields.
1  (before any release) first version: the journal's lines, results.csv and epochs.csv.
"""

from typing import Literal

from bench.errors import InvalidInput
from bench.host.fingerprint import Fingerprint, StrictModel, describe_column
from bench.results.roofline import Bound

SCHEMA_VERSION = 6


def check_schema_version(version: int, file: str) -> None:
    """Raise `InvalidInput` where a journal or a results.csv has another schema version; ``file`` is its name."""
    versions = f"schema version {version}; this one reads {SCHEMA_VERSION}"
    if version > SCHEMA_VERSION:
        raise InvalidInput(f"{file}: a newer aebench wrote it ({versions}). Update aebench.")
    if version < SCHEMA_VERSION:
        raise InvalidInput(
            f"{file}: an older aebench wrote it, whose columns had other names ({versions}). Measure again, or read it "
            "with the version that wrote it."
        )


Status = Literal["ok", "failed", "killed", "oom", "timeout", "stalled", "diverged", "invalid"]
"""How a run ended.

ok: every checkpoint was reached. failed: the process raised an error or exited non-zero. killed: a signal ended it.
oom: the kernel ended it because memory was short. timeout: it ran longer than its limit. stalled: it sent nothing for
longer than its limit. diverged: a loss became NaN or infinite. invalid: it ended without sending all of its results, or
sent some that make no sense.
"""


YesNo = Literal["yes", "no", "unknown"]
"""In words, so that a column has one type whatever is in it."""

_NOT_REACHED = "the checkpoint was not reached"
_NOT_EVALUATED = "the run did not reach its end, where checkpoints are evaluated"
_NOT_STEADY = "fewer than 3 epochs after the warm-up"
_NOT_COUNTED = "the operations of a layer cannot be counted"
_NO_PEAKS = "the run did not reach its end"
_NO_PHASES = "the system keeps no peak per phase"
_NO_ENERGY = "no energy counter can be read, or not at every epoch, or the epochs are too short for its steps"


class Identity(StrictModel):
    """Which case, and which of its checkpoints."""

    schema_version: int = describe_column("version of this table")
    case_id: str = describe_column("names the case, alike on every machine")
    model: str = describe_column("the autoencoder: its file in `models/`")
    backend: str = describe_column("Keras backend")
    loop: str = describe_column("training loop")
    precision: str = describe_column("Keras dtype policy")
    optimizer: str = describe_column("optimizer")
    learning_rate: float = describe_column("the optimizer's learning rate")
    batch_size: int = describe_column("samples per training step", "samples")
    epochs: int = describe_column("the checkpoint: epochs that were trained when this row was taken")
    dataset: str = describe_column("name of the dataset")
    seed: int = describe_column("seed of the weights, of shuffling, added noise and sampling")
    repeat: int = describe_column("which repeat of the same case, from 0; each has a process of its own")
    threads: int | None = describe_column(
        "threads that the backend may use, as `--threads` asks", empty="the backend's own choice"
    )


class Figures(Identity):
    """The twenty that people look at."""

    is_final: bool = describe_column(
        "whether to pivot this row by model and batch size: the last checkpoint (`is_last`), with the first backend, "
        "loop, precision and threads that the sweep trained this model with"
    )
    is_last: bool = describe_column(
        "whether this is the case's last checkpoint: one row of each process, none of a further one that was to stop "
        "earlier"
    )
    status: Status = describe_column("ok if this checkpoint was reached; else how the run ended before it")
    error: str | None = describe_column("what went wrong", empty="status is ok")
    total_s: float | None = describe_column(
        "wall seconds from the start of the process to the checkpoint, without the harness' own work", "s", _NOT_REACHED
    )
    epoch_s_median: float | None = describe_column(
        "median training seconds of the steady epochs up to the checkpoint", "s", _NOT_STEADY
    )
    epoch_s_quiet: float | None = describe_column(
        "the same on a quiet machine, estimated: the median of the epochs that were not noisy, or of all, less what "
        "other programs and the hypervisor cost",
        "s",
        _NOT_STEADY,
    )
    epoch_s_low: float | None = describe_column(
        "lower end of the 95 % interval in which the median of many quiet runs lies, by this run alone",
        "s",
        _NOT_STEADY,
    )
    epoch_s_high: float | None = describe_column("upper end of that interval", "s", _NOT_STEADY)
    steady_epochs: int | None = describe_column("how many epochs the median is taken over", empty=_NOT_REACHED)
    steady: YesNo = describe_column(
        "yes where the times of the steady epochs show no trend, no where they do, unknown below 6 of them"
    )
    noisy_epochs: int | None = describe_column("epochs with a noise indicator out of bounds", empty="not measured")
    first_epoch_s: float | None = describe_column(
        "training seconds of the first epoch, with tracing and compilation", "s", _NOT_REACHED
    )
    samples_per_s: float | None = describe_column(
        "training samples per second in a median steady epoch", "1/s", _NOT_STEADY
    )
    peak_rss_mib: float | None = describe_column(
        "peak resident memory of the process up to the checkpoint, without the harness' own work", "MiB", _NOT_REACHED
    )
    train_loss: float | None = describe_column(
        "training loss of the checkpoint's epoch, as Keras prints it", empty=_NOT_REACHED
    )
    val_loss: float | None = describe_column(
        "validation loss after the checkpoint's epoch, as Keras prints it", empty=_NOT_REACHED
    )
    val_bce: float | None = describe_column(
        "mean binary cross-entropy per pixel of the validation images as rebuilt from their codes: compares across "
        "models",
        "nats",
        _NOT_EVALUATED,
    )
    dead_units: int | None = describe_column(
        "code units that are zero for every validation image", empty=_NOT_EVALUATED
    )
    code_units: int | None = describe_column("numbers in the code of one image", empty=_NOT_EVALUATED)


class Measurement(Figures):
    """What was measured of a case at one of its checkpoints."""

    params: int | None = describe_column("trainable parameters", empty="the model was not built")
    run_epochs: int = describe_column("epochs of the whole run that this checkpoint is part of")
    run_status: Status = describe_column("how the whole run ended")
    attempts: int | None = describe_column(
        "how many times the case was run, this run included, interrupted runs not", empty="not counted"
    )
    started_at: str = describe_column("when the run began, UTC")
    train_samples: int = describe_column("training samples", "samples")
    val_samples: int = describe_column("validation samples", "samples")
    dataset_digest: str = describe_column("SHA-256 of the dataset's arrays")
    dataset_genuine: YesNo = describe_column(
        "whether the arrays are those usually known by that name; unknown where no digest is known for it"
    )
    code_mean: float | None = describe_column(
        "mean activation of the code units over the validation images", empty=_NOT_EVALUATED
    )
    epoch_s_error: float | None = describe_column(
        "standard error of the quiet figure by the epochs of this run alone, as a fraction of it; runs differ by more",
        empty=_NOT_STEADY,
    )
    compile_arguments: str | None = describe_column(
        "what the loop added to the arguments of Keras' `compile`", empty="nothing, or the model was not built"
    )
    warmup_epochs: int | None = describe_column(
        "warm-up epochs, before the steady ones; the first epoch is always one", empty=_NOT_REACHED
    )
    val_s_median: float | None = describe_column("median validation seconds of the steady epochs", "s", _NOT_STEADY)
    import_s: float | None = describe_column("seconds to import Keras and its backend", "s", _NOT_REACHED)
    build_s: float | None = describe_column("seconds to build and compile the model", "s", _NOT_REACHED)
    train_total_s: float | None = describe_column(
        "training seconds of all epochs up to the checkpoint, the first included", "s", _NOT_REACHED
    )
    val_total_s: float | None = describe_column(
        "validation seconds of all epochs up to the checkpoint", "s", _NOT_REACHED
    )
    cpu_total_s: float | None = describe_column(
        "CPU seconds of the process from its start to the checkpoint, the harness' own readings included",
        "s",
        _NOT_REACHED,
    )
    peak_rss_method: str | None = describe_column("how peaks of memory were read", empty=_NOT_REACHED)
    peak_rss_import_mib: float | None = describe_column(
        "peak resident memory while Keras and its backend were imported", "MiB", _NO_PHASES
    )
    peak_rss_data_mib: float | None = describe_column(
        "peak resident memory while the data were loaded", "MiB", _NO_PHASES
    )
    peak_rss_build_mib: float | None = describe_column(
        "peak resident memory while the model was built and compiled", "MiB", _NO_PHASES
    )
    peak_rss_first_epoch_mib: float | None = describe_column(
        "peak resident memory while the first epoch trained", "MiB", _NO_PHASES
    )
    peak_rss_train_mib: float | None = describe_column(
        "peak resident memory while the epochs after the first trained",
        "MiB",
        f"{_NO_PHASES}, or no epoch after the first",
    )
    peak_rss_val_mib: float | None = describe_column("peak resident memory while validating", "MiB", _NO_PHASES)
    peak_anon_mib: float | None = describe_column("largest anonymous memory at the end of a phase", "MiB", _NO_PHASES)
    peak_sampled_mib: float | None = describe_column(
        "peak resident memory as sampled from outside the process", "MiB", "not sampled"
    )
    sampled_every_s: float | None = describe_column(
        "seconds between these samples at the end of the run", "s", "not sampled"
    )
    forward_flops_per_sample: float | None = describe_column(
        "floating-point operations of the forward pass of one image, matrix products only; a multiplication and an "
        "addition count as two",
        "FLOP",
        _NOT_COUNTED,
    )
    flops_per_sample: float | None = describe_column(
        "floating-point operations to train on one image, gradients included; without optimizer and elementwise work",
        "FLOP",
        _NOT_COUNTED,
    )
    step_bytes: float | None = describe_column("memory traffic of one training step, estimated", "bytes", _NOT_COUNTED)
    gflop_per_s: float | None = describe_column(
        "arithmetic that training reached in a median steady epoch", "GFLOP/s", f"{_NOT_COUNTED}, or {_NOT_STEADY}"
    )
    peak_gflop_per_s: float | None = describe_column(
        "the machine's peak arithmetic in this precision and with these threads: the best of the backend's matrix "
        "products, measured once in a sweep, and, in float32 on a CPU, of the reference kernel before and after the "
        "run",
        "GFLOP/s",
        _NO_PEAKS,
    )
    peak_gb_per_s: float | None = describe_column(
        "the machine's peak memory traffic: the best of the backend's sum of two large arrays, measured once in a "
        "sweep, and, on a CPU, of the reference kernel's triad before and after the run",
        "GB/s",
        _NO_PEAKS,
    )
    dispatch_s: float | None = describe_column(
        "seconds of a training step of a near-empty model in the same loop, batch size and optimizer, measured once in "
        "a sweep",
        "s",
        _NO_PEAKS,
    )
    peak_fraction: float | None = describe_column("gflop_per_s divided by peak_gflop_per_s", "", "either is empty")
    bound: Bound | None = describe_column(
        "what limits a training step: dispatch, memory traffic or arithmetic, whichever takes longest at its peak",
        empty="not counted, or no peaks",
    )
    harness_epoch_s: float | None = describe_column(
        "median seconds that the harness' own work adds to an epoch, within and before it; part of no other time",
        "s",
        _NOT_REACHED,
    )
    parent_cores: float | None = describe_column(
        "CPU seconds per second that the parent process took meanwhile, for display and sampling", empty="not measured"
    )
    peak_gpu_mib: float | None = describe_column("peak GPU memory, as the framework counts its own", "MiB", "no GPU")
    peak_gpu_used_mib: float | None = describe_column(
        "largest GPU memory in use at the end of a phase, as its driver counts it", "MiB", "no GPU"
    )
    epoch_j: float | None = describe_column(
        "joules that the machine's energy counters rose by in the training part of a steady epoch, the mean; all that "
        "runs on the machine is in it, idle power too",
        "J",
        f"{_NO_ENERGY}; {_NOT_STEADY}",
    )
    train_total_j: float | None = describe_column(
        "the same of all epochs up to the checkpoint, the first included: in the seconds of train_total_s",
        "J",
        _NO_ENERGY,
    )
    energy_method: str | None = describe_column(
        "the energy counters that were added up: RAPL's of each processor package and its memory, NVML's of the GPU",
        empty="no energy counter can be read",
    )
    idle_w: float | None = describe_column(
        "what these counters rose by per second before the sweep, when nothing of it ran", "W", "not measured"
    )
    intra_threads: int | None = describe_column(
        "threads within one operation, as the backend reports them, else counted as the threads that it starts",
        empty="not known",
    )
    inter_threads: int | None = describe_column(
        "threads for operations that run in parallel, likewise", empty="not known"
    )
    threads_alive: int | None = describe_column(
        "threads of the process at the checkpoint", empty="the system does not say"
    )
    reference_gflop_per_s: float | None = describe_column(
        "matrix product of the reference kernel, the mean of right before and right after the run",
        "GFLOP/s",
        "not measured",
    )
    reference_gb_per_s: float | None = describe_column(
        "memory triad of the reference kernel, likewise", "GB/s", "not measured"
    )
    usual_gb_per_s: float | None = describe_column(
        "what reference_gb_per_s usually is on this machine, by earlier sweeps' hours", "GB/s", "no earlier sweeps"
    )
    usual_hours: int | None = describe_column("how many hours that is the mean of", empty="no earlier sweeps")
    steal_percent: float | None = describe_column(
        "part of the CPU time of the run that the hypervisor took", "%", "not measured"
    )
    cpu_pressure_percent: float | None = describe_column(
        "part of the run in which some task waited for a CPU, its own threads included", "%", "not readable"
    )
    memory_pressure_percent: float | None = describe_column(
        "part of the run in which some task waited for memory", "%", "not readable"
    )
    io_pressure_percent: float | None = describe_column(
        "part of the run in which some task waited for a disk", "%", "not readable"
    )
    load: float | None = describe_column("load average over a minute, at the end of the run", empty="not readable")
    other_cores: float | None = describe_column(
        "CPU seconds per second of all other programs, the largest of the checkpoint's epochs", empty="not readable"
    )
    involuntary_per_s: float | None = describe_column(
        "involuntary context switches of the process, the median of the checkpoint's epochs", "1/s", "not readable"
    )
    mhz: float | None = describe_column(
        "CPU clock at the end of an epoch, the median of the checkpoint's epochs", "MHz", "not readable"
    )
    git_commit: str | None = describe_column(
        "commit of the checkout that the harness ran from", empty="not in a git checkout"
    )
    git_dirty: YesNo = describe_column("whether that checkout had uncommitted changes; unknown outside of one")
    machine_id: str = describe_column(
        "`m` and a digest of hardware, limits and operating system: the same after an upgrade of Keras"
    )
    environment_id: str = describe_column("`e` and a digest of all of the fingerprint: machine, versions and settings")


class ResultRow(Fingerprint, Measurement):
    """A row of results.csv: a case at one of its checkpoints, and the machine that it ran on."""
