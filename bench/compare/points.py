"""What one machine measured: a report's rows as cases at their checkpoints, each over its processes."""

import functools
import math
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from scipy import special

from bench.errors import shown
from bench.host.fingerprint import Fingerprint, make_label
from bench.results import stats
from bench.results.reader import Report, Row
from bench.results.stats import Median


@dataclass(frozen=True, slots=True)
class CheckpointFigures:
    """A case at one of its checkpoints on one machine, over its processes."""

    epochs: int
    processes: int
    seconds: Median | None
    """Of an epoch: the median over processes, with its interval."""
    anon_mib: float | None
    rss_mib: float | None
    loss: float | None
    """Mean binary cross-entropy a pixel of the validation images."""
    dataset_digest: str
    samples: tuple[int, int]
    """Training and validation images."""
    noisy: int
    """Epochs that others noisy, of all epochs of its processes."""
    observed_epochs: int
    """Epochs of the processes that were observed."""
    steady: bool
    peak_method: str | None


@dataclass(frozen=True, slots=True)
class MeasuredCase:
    """One case on one machine: its checkpoints in ascending order, and those that were not reached."""

    row: Row
    """One of its rows: what is trained."""
    points: tuple[CheckpointFigures, ...]
    failures: tuple[str, ...]
    """Of the processes that failed: "killed at 50 epochs"."""


@dataclass(frozen=True)
class Machine:
    """A report, in what a comparison needs of it."""

    source: str
    """The report's folder or file, by its name alone."""
    machine_id: str
    environment_id: str
    fingerprint: Fingerprint
    started_at: str
    cases: dict[str, MeasuredCase]
    kernel_gflop_per_s: float | None
    """What the reference kernel reached beside its cases, the median."""
    label: str = ""
    """Names it among the compared: processor, cores, threads if asked for, the beginning of its environment_id."""


def machine(report: Report) -> Machine:
    """A report's rows as cases with checkpoints."""
    cases: dict[str, list[Row]] = {}
    for row in report.rows:
        cases.setdefault(row.case, []).append(row)
    kernels = [row.reference_gflop_per_s for row in report.rows if row.reference_gflop_per_s is not None]
    source = report.path.parent.resolve().name if report.path.name == "results.csv" else report.path.name
    return Machine(
        source=shown(source or report.path.name, 100),
        machine_id=report.machine_id,
        environment_id=report.environment_id,
        fingerprint=report.fingerprint,
        started_at=report.started_at,
        cases={name: _case(rows) for name, rows in cases.items()},
        kernel_gflop_per_s=statistics.median(kernels) if kernels else None,
    )


def _case(rows: Sequence[Row]) -> MeasuredCase:
    checkpoints: dict[int, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row.epochs, row.repeat)):
        if row.status == "ok":
            checkpoints.setdefault(row.epochs, []).append(row)
    failures = [f"{row.status} at {row.epochs} epochs" for row in rows if row.status != "ok"]
    points = tuple(_point(epochs, processes) for epochs, processes in checkpoints.items())
    return MeasuredCase(rows[0], points, tuple(dict.fromkeys(failures)))


def _point(epochs: int, rows: Sequence[Row]) -> CheckpointFigures:
    observed = [row.noisy_epochs for row in rows if row.noisy_epochs is not None]
    return CheckpointFigures(
        epochs=epochs,
        processes=len(rows),
        seconds=_seconds(rows),
        anon_mib=_middle(row.anon_peak_mib for row in rows),
        rss_mib=_middle(row.peak_rss_mib for row in rows),
        loss=_middle(row.val_bce for row in rows),
        dataset_digest="+".join(sorted({row.dataset_digest for row in rows})),
        samples=(rows[0].train_samples, rows[0].val_samples),
        noisy=sum(observed),
        observed_epochs=epochs * len(observed),
        steady=all(row.steady is not False for row in rows),
        peak_method=rows[0].peak_rss_method,
    )


def _middle(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _seconds(rows: Sequence[Row]) -> Median | None:
    """One process: its own median and interval. Several: the median of theirs, the process being the unit.

    From six processes on the interval is distribution-free, as in the report; from two to five it is Student's t on the
    logarithms, which such a median always lies in.
    """
    timed = [row for row in rows if row.epoch_s_median is not None]
    values = sorted(row.epoch_s_median for row in timed if row.epoch_s_median is not None)
    if len(values) < 2:
        return Median(values[0], timed[0].epoch_s_ci_low, timed[0].epoch_s_ci_high, 1) if values else None
    found = stats.median(values)
    if found is None or found.low is not None:
        return found
    logs = [math.log(value) for value in values]
    middle, half = statistics.fmean(logs), half_width(logs)
    return Median(statistics.median(values), math.exp(middle - half), math.exp(middle + half), len(values))


def half_width(values: Sequence[float]) -> float:
    """Half of the 95 % interval of a mean, by Student's t."""
    middle = math.fsum(values) / len(values)
    freedom = len(values) - 1
    # `stdev` is exact, and forty times slower.
    variance = math.fsum((value - middle) ** 2 for value in values) / freedom
    return _student(freedom) * math.sqrt(variance / len(values))


@functools.cache
def _student(freedom: int) -> float:
    return float(special.stdtrit(freedom, (1 + stats.CONFIDENCE) / 2))


def labelled(machines: Sequence[Machine]) -> list[Machine]:
    """The machines with a label each, in the same order; reports of one environment are numbered."""
    length = next((length for length in (5, 9) if _tell_apart(machines, length)), 13)
    seen: dict[str, int] = {}
    found = []
    for each in machines:
        name = _name(each, length)
        seen[name] = seen.get(name, 0) + 1
        found.append(replace(each, label=name if seen[name] == 1 else f"{name}#{seen[name]}"))
    return found


def _tell_apart(machines: Sequence[Machine], length: int) -> bool:
    return len({each.environment_id for each in machines}) == len({_name(each, length) for each in machines})


def _name(each: Machine, length: int) -> str:
    plain = re.sub(r"[^0-9A-Za-z]", "", each.environment_id)
    asked = "" if each.fingerprint.threads is None else f"-{each.fingerprint.threads}t"
    return f"{make_label(each.fingerprint)}{asked}-{plain[:length]}"
