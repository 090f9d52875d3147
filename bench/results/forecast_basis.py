"""What bench/plan/references.csv has of reports: `nox -s reference -- answers` makes it of the reference reports.

Each report is foretold from the others of its machine, where they share cases. How far off that is, is kept in each
line.
"""

import csv
import io
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, fields, replace

from bench.errors import format_count
from bench.plan.forecast import MeasuredProcess, find_worst, forecast_case, foretell_machines
from bench.plan.profile import Case
from bench.results.schema import ResultRow


def list_measured(reports: Iterable[tuple[str, Sequence[ResultRow]]]) -> list[MeasuredProcess]:
    """List each process of the reports that forecasts can be made from, by its last checkpoint, and foretell it from
    the other reports of its machine.
    """
    last = [(name, row) for name, rows in reports for row in _select_last(rows)]
    imports = _find_usual_imports(row for _name, row in last)
    found = [(made, row) for name, row in last if (made := _make(name, row, imports))]
    return [_add_errors(made, row, [each for each, _row in found if _is_like(made, each)]) for made, row in found]


def _is_like(made: MeasuredProcess, other: MeasuredProcess) -> bool:
    """Whether another process is of the same machine and of another report."""
    return (other.cpu_model, other.cores) == (made.cpu_model, made.cores) and other.report != made.report


def _select_last(rows: Iterable[ResultRow]) -> Iterable[ResultRow]:
    ascending = sorted(rows, key=lambda row: row.epochs)
    return {row.case_id: row for row in ascending if row.status == "ok"}.values()


_Importer = tuple[str, float, str]
"""A machine's processor and cores, and a backend."""


def _identify(row: ResultRow) -> _Importer:
    return row.cpu_model or row.cpu_arch, row.cpu_limit, row.backend


def _find_usual_imports(rows: Iterable[ResultRow]) -> dict[_Importer, float]:
    """Find the median seconds that each machine's processes took to import each backend: some read it from the disk."""
    found: dict[_Importer, list[float]] = {}
    for row in rows:
        if row.import_s is not None:
            found.setdefault(_identify(row), []).append(row.import_s)
    return {importer: statistics.median(seconds) for importer, seconds in found.items()}


def _make(report: str, row: ResultRow, imports: Mapping[_Importer, float]) -> MeasuredProcess | None:
    """Describe a process; None where a figure was not measured, and of threads or settings that somebody chose."""
    figures = (row.total_s, row.train_total_s, row.val_total_s, row.first_epoch_s, row.epoch_s_median, row.val_s_median)
    total_s, train_total_s, val_total_s, first_s, train_s, val_s = (figure or 0.0 for figure in figures)
    if None in figures or row.peak_rss_mib is None or row.threads is not None or row.env_flags is not None:
        return None
    outside_s = total_s - train_total_s - val_total_s
    if row.import_s is not None:
        outside_s += imports[_identify(row)] - row.import_s
    extra_s = max(first_s - train_s, 0.0) + max(val_total_s - row.epochs * val_s, 0.0)  # of the first validation, too
    return MeasuredProcess(
        report=report,
        cpu_model=row.cpu_model or row.cpu_arch,
        cores=row.cpu_limit,
        gflop_per_s=row.reference_gflop_per_s,
        gb_per_s=row.reference_gb_per_s,
        model=row.model,
        backend=row.backend,
        loop=row.loop,
        precision=row.precision,
        optimizer=row.optimizer,
        batch_size=row.batch_size,
        train_samples=row.train_samples,
        start_s=max(outside_s, 0.0) + extra_s,
        epoch_s=train_s + val_s,
        peak_rss_mib=row.peak_rss_mib,
    )


def _add_errors(made: MeasuredProcess, row: ResultRow, others: Sequence[MeasuredProcess]) -> MeasuredProcess:
    axes = {name: getattr(row, name) for name in Case.model_fields if name != "checkpoints"}
    forecast = forecast_case(Case(**axes, checkpoints=(row.epochs,)), row.train_samples, others)
    if forecast is None:
        return made
    time_percent, peak_percent = forecast.compute_errors(row.epochs, row.total_s, row.peak_rss_mib)
    return replace(made, time_percent=time_percent, peak_percent=peak_percent)


def describe_errors(measured: Sequence[MeasuredProcess]) -> str:
    """Say how far forecasts of each report from the others of its machine are off, and of each machine from others."""
    times = [each.time_percent for each in measured if each.time_percent is not None]
    peaks = [each.peak_percent for each in measured if each.peak_percent is not None]
    if not times:
        words = "It is not known how good forecasts are: no report has a case of another one of its machine."
    else:
        words = (
            f"{format_count(len(times), 'process')} of {len(measured)} foretold from the other reports: "
            f"{sum(percent <= 25 for percent in times)} times within 25 %, the worst {find_worst(times):.0f} % off; "
            f"{sum(percent <= 10 for percent in peaks)} peaks within 10 %, the worst {find_worst(peaks):.1f} % off."
        )
    return " ".join([words, *describe_machine_errors(measured)])


def describe_machine_errors(measured: Sequence[MeasuredProcess]) -> list[str]:
    """Say how far off each machine is where all others foretell it; nothing of one machine."""
    by_kernels, by_probe = (foretell_machines(measured, probe=probe) for probe in (False, True))
    if not by_kernels:
        return []
    times, peaks = zip(*by_kernels, strict=True)
    probed = [percents[0] for percents in by_probe]
    parts = [
        _count_within("times per epoch", times, 25.0),
        *([_count_within("with a probe", probed, 25.0)] if probed else []),
        _count_within("peaks", peaks, 10.0),
    ]
    return [f"Each machine foretold from the others, scaled by the reference kernels: {'; '.join(parts)}."]


def _count_within(what: str, percents: Sequence[float], most: float) -> str:
    """Say how many errors are at most so many percent, and how large the worst one is."""
    within = sum(percent <= most for percent in percents)
    return f"{what} {within} of {len(percents)} within {most:g} %, the worst {max(percents):.0f} % off"


def format_measured(measured: Iterable[MeasuredProcess]) -> str:
    """Format the lines of references.csv, in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(MeasuredProcess))
    writer.writerows(astuple(each) for each in measured)
    return text.getvalue()
