"""The rows of epochs.csv and phases.csv, which say what happened within a process: every column with its unit."""

from bench.host.fingerprint import StrictModel, describe_column


class EpochRow(StrictModel):
    """A row of epochs.csv: one epoch of one case."""

    case_id: str = describe_column("the case, as in results.csv")
    epoch: int = describe_column("epoch, from 1")
    train_s: float = describe_column("training seconds: from the start of the epoch to the start of validation", "s")
    val_s: float = describe_column("validation seconds", "s")
    callback_s: float = describe_column("seconds from the end of validation to the end of the epoch", "s")
    harness_s: float = describe_column("seconds of the harness' own readings, during the epoch and at its end", "s")
    between_s: float = describe_column("seconds of the harness' own work between the previous epoch and this one", "s")
    cpu_s: float = describe_column("CPU seconds of the process during the epoch, user and system", "s")
    train_loss: float | None = describe_column("training loss, as Keras prints it", empty="not finite")
    val_loss: float | None = describe_column("validation loss, as Keras prints it", empty="not finite")
    rss_mib: float = describe_column("resident memory at the end of the epoch", "MiB")
    energy_j: float | None = describe_column(
        "joules that the machine's energy counters rose by during training, all programs included", "J", "not readable"
    )
    cores: int | None = describe_column("CPUs that the process may run on", empty="not readable")
    steal_percent: float | None = describe_column("part of the CPU time that the hypervisor took", "%", "not readable")
    own_cores: float | None = describe_column("CPU seconds per second of the process", empty="not readable")
    other_cores: float | None = describe_column(
        "CPU seconds per second of all other programs on its CPUs", empty="not readable"
    )
    cpu_pressure_percent: float | None = describe_column(
        "part of the time in which some task waited for a CPU, the process' own threads included", "%", "not readable"
    )
    memory_pressure_percent: float | None = describe_column(
        "part of the time in which some task waited for memory", "%", "not readable"
    )
    io_pressure_percent: float | None = describe_column(
        "part of the time in which some task waited for a disk", "%", "not readable"
    )
    involuntary_per_s: float | None = describe_column(
        "involuntary context switches of the process", "1/s", "not readable"
    )
    major_faults: int | None = describe_column("page faults of the process that read a disk", empty="not readable")
    load: float | None = describe_column("load average over a minute, at the end of the epoch", empty="not readable")
    mhz: float | None = describe_column("CPU clock at the end of the epoch", "MHz", "not readable")
    noise: str | None = describe_column(
        "noise indicators that were out of bounds, separated by spaces", empty="none was"
    )


class PhaseRow(StrictModel):
    """A row of phases.csv: one phase of one case's process; phases of training up to its last checkpoint."""

    case_id: str = describe_column("the case, as in results.csv")
    phase: str = describe_column(
        "interpreter, import, data, build, first_epoch, train (after the first epoch), val; "
        "harness, evaluation and peaks: the harness' own work between epochs and after the last one, which is in no "
        "peak of results.csv"
    )
    seconds: float = describe_column("wall seconds, summed over all times that the phase ran", "s")
    peak_mib: float | None = describe_column(
        "peak resident memory during the phase", "MiB", "the system keeps no peak per phase"
    )
    rss_mib: float = describe_column("resident memory at the last end of the phase", "MiB")
    anon_mib: float | None = describe_column("of it, anonymous memory", "MiB", "the system does not say")
    file_mib: float | None = describe_column("of it, mapped files and shared memory", "MiB", "the system does not say")
