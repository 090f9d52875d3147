"""What one machine measured: the rows of its report as cases with their checkpoints, each over its processes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.errors import quote
from bench.host.fingerprint import Fingerprint, make_label, name_processor
from bench.results.failures import describe_failures
from bench.results.reader import Report, Row
from bench.results.speed import CaseSpeed, estimate_cases, name_case
from bench.results.stats import compute_median_of_known


@dataclass(frozen=True, slots=True)
class CheckpointFigures:
    """A case at one of its checkpoints on one machine, over its processes."""

    epochs: int
    total_s: float | None
    """From the process' start to here, imports and compilation included."""
    anon_mib: float | None
    rss_mib: float | None
    loss: float | None
    """Mean binary cross-entropy per pixel of the validation images."""
    dataset_digest: str
    samples: tuple[int, int]
    """Training and validation images."""
    noisy: int
    """Noisy epochs, of all epochs of its processes."""
    observed_epochs: int
    """Epochs of the processes whose noise was observed."""
    steady: bool
    peak_method: str | None


@dataclass(frozen=True, slots=True)
class MeasuredCase:
    """One case on one machine."""

    row: Row
    """One of its rows: what is trained."""
    checkpoints: tuple[CheckpointFigures, ...]
    """Those that were reached, in ascending order."""
    speed: CaseSpeed | None
    """Seconds per epoch on a quiet machine, over its processes."""
    failures: tuple[str, ...]
    """Of the processes that failed: "killed at 50 epochs"."""


@dataclass(frozen=True)
class Machine:
    """What a comparison needs of a report."""

    source: str
    """The report's folder or file, by its name alone."""
    machine_id: str
    environment_id: str
    fingerprint: Fingerprint
    started_at: str
    cases: dict[str, MeasuredCase]
    kernel_gflop_per_s: float | None
    """The median rate of the reference kernel beside its cases."""
    label: str = ""
    """Its name in the comparison; see `add_labels`."""


def read_machine(report: Report) -> Machine:
    """A report's rows as cases with checkpoints."""
    cases: dict[str, list[Row]] = {}
    for row in report.rows:
        cases.setdefault(name_case(row), []).append(row)
    speeds = estimate_cases(report.rows)
    source = report.path.parent.resolve().name if report.path.name == "results.csv" else report.path.name
    return Machine(
        source=quote(source or report.path.name, 100),
        machine_id=report.machine_id,
        environment_id=report.environment_id,
        fingerprint=report.fingerprint,
        started_at=report.started_at,
        cases={name: _build_case(rows, speeds.get(name)) for name, rows in cases.items()},
        kernel_gflop_per_s=compute_median_of_known(row.reference_gflop_per_s for row in report.rows),
    )


def _build_case(rows: Sequence[Row], speed: CaseSpeed | None) -> MeasuredCase:
    checkpoints: dict[int, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row.epochs, row.repeat)):
        if row.status == "ok":
            checkpoints.setdefault(row.epochs, []).append(row)
    figures = tuple(_summarize_processes(epochs, processes) for epochs, processes in checkpoints.items())
    return MeasuredCase(rows[0], figures, speed, tuple(describe_failures(rows)))


def _summarize_processes(epochs: int, rows: Sequence[Row]) -> CheckpointFigures:
    observed = [row.noisy_epochs for row in rows if row.noisy_epochs is not None]
    return CheckpointFigures(
        epochs=epochs,
        total_s=compute_median_of_known(row.total_s for row in rows),
        anon_mib=compute_median_of_known(row.peak_anon_mib for row in rows),
        rss_mib=compute_median_of_known(row.peak_rss_mib for row in rows),
        loss=compute_median_of_known(row.val_bce for row in rows),
        dataset_digest="+".join(sorted({row.dataset_digest for row in rows})),
        samples=(rows[0].train_samples, rows[0].val_samples),
        noisy=sum(observed),
        observed_epochs=epochs * len(observed),
        steady=all(row.steady != "no" for row in rows),
        peak_method=rows[0].peak_rss_method,
    )


def add_labels(machines: Sequence[Machine]) -> list[Machine]:
    """The machines in the same order, each with the shortest kind of label that distinguishes all of them.

    That is the processor; or that and its cores; or the report's name; or all but
    the report's name and the beginning of the environment_id, where reports of one environment are numbered.
    """
    for name in (_name_processor, _name_cores, _name_report):
        labels = [name(each) for each in machines]
        if all(labels) and len(set(labels)) == len(labels):
            return [replace(each, label=label) for each, label in zip(machines, labels, strict=True)]
    return _number_environments(machines)


def _name_processor(each: Machine) -> str:
    return name_processor(each.fingerprint)


def _name_cores(each: Machine) -> str:
    return make_label(each.fingerprint)


def _name_report(each: Machine) -> str:
    return re.sub(r"[^0-9A-Za-z._]+", "-", each.source)[:_LONGEST_NAME].strip("-")


_LONGEST_NAME = 30


def _number_environments(machines: Sequence[Machine]) -> list[Machine]:
    length = next((length for length in (5, 9) if _are_distinct(machines, length)), 13)
    seen: dict[str, int] = {}
    found = []
    for each in machines:
        name = _name_environment(each, length)
        seen[name] = seen.get(name, 0) + 1
        found.append(replace(each, label=name if seen[name] == 1 else f"{name}#{seen[name]}"))
    return found


def _are_distinct(machines: Sequence[Machine], length: int) -> bool:
    """Whether labels with so many characters of the environment_id are as many as there are environments."""
    return len({each.environment_id for each in machines}) == len(
        {_name_environment(each, length) for each in machines}
    )


def _name_environment(each: Machine, length: int) -> str:
    plain = re.sub(r"[^0-9A-Za-z]", "", each.environment_id)
    return f"{_name_cores(each)}-{plain[:length]}"
