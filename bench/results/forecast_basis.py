"""Make bench/plan/references.csv: `python -m bench.results.forecast_basis REPORT... > bench/plan/references.csv`.

Each report is foretold from the others, where they share cases. How far off that is, is kept in each line, and said on
standard error.
"""

import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, fields, replace
from pathlib import Path

from bench.errors import InvalidInput, format_count, join_names, quote
from bench.plan.forecast import MeasuredProcess, find_worst, forecast_case
from bench.plan.profile import Case
from bench.results.reader import read_all_columns
from bench.results.schema import ResultRow


def list_measured(reports: Iterable[tuple[str, Sequence[ResultRow]]]) -> list[MeasuredProcess]:
    """List each process of the reports that forecasts can be made from, by its last checkpoint, and foretell it from
    the other reports. Raises `InvalidInput` where they are of several machines.
    """
    found = [(made, row) for name, rows in reports for row in _select_last(rows) if (made := _make(name, row))]
    machines = dict.fromkeys(f"{each.cpu_model}, {each.cores:g} cores" for each, _row in found)
    if len(machines) > 1:
        raise InvalidInput(f"the reports are of several machines ({join_names(list(machines), 3)}); give those of one.")
    return [_add_errors(made, row, [each for each, _row in found if each.report != made.report]) for made, row in found]


def _select_last(rows: Iterable[ResultRow]) -> Iterable[ResultRow]:
    ascending = sorted(rows, key=lambda row: row.epochs)
    return {row.case_id: row for row in ascending if row.status == "ok"}.values()


def _make(report: str, row: ResultRow) -> MeasuredProcess | None:
    """Describe a process; None where a figure was not measured, and of threads that somebody set."""
    figures = (row.total_s, row.train_total_s, row.val_total_s, row.first_epoch_s, row.epoch_s_median, row.val_s_median)
    total_s, train_total_s, val_total_s, first_s, train_s, val_s = (figure or 0.0 for figure in figures)
    if None in figures or row.peak_rss_mib is None or row.threads is not None:
        return None
    outside_s = total_s - train_total_s - val_total_s
    extra_s = max(first_s - train_s, 0.0) + max(val_total_s - row.epochs * val_s, 0.0)  # of the first validation, too
    return MeasuredProcess(
        report=report,
        cpu_model=row.cpu_model or row.cpu_arch,
        cores=row.cpu_limit,
        gflop_per_s=row.reference_gflop_per_s,
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
    """Say how far forecasts of each report from all others are off."""
    times = [each.time_percent for each in measured if each.time_percent is not None]
    peaks = [each.peak_percent for each in measured if each.peak_percent is not None]
    if not times:
        return "It is not known how good forecasts are: no report has a case of another one."
    return (
        f"{format_count(len(times), 'process')} of {len(measured)} foretold from the other reports: "
        f"{sum(percent <= 25 for percent in times)} times within 25 %, the worst {find_worst(times):.0f} % off; "
        f"{sum(percent <= 10 for percent in peaks)} peaks within 10 %, the worst {find_worst(peaks):.1f} % off."
    )


def _read_reports(paths: Sequence[Path]) -> Iterator[tuple[str, Sequence[ResultRow]]]:
    """Read each report with a name of its own: that of its folder, and a number where another folder has it too."""
    folders = [path.resolve() if path.is_dir() else path.resolve().parent for path in paths]
    for place, (path, folder) in enumerate(zip(paths, folders, strict=True)):
        before = folders[:place]
        if folder in before:
            raise InvalidInput(f"{quote(path)} is given twice, and a report cannot foretell itself: name each once.")
        namesakes = sum(each.name == folder.name for each in before)
        yield f"{folder.name} {namesakes + 1}" if namesakes else folder.name, read_all_columns(path)[1]


def main(paths: Sequence[str]) -> int:
    """Print the file; returns the exit code."""
    if not paths:
        sys.stderr.write("No report was given; name report folders or results.csv files of one machine.\n")
        return 2
    try:
        measured = list_measured(_read_reports(list(map(Path, paths))))
    except InvalidInput as error:
        sys.stderr.write(f"{error}\n")
        return 2
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(field.name for field in fields(MeasuredProcess))
    writer.writerows(astuple(each) for each in measured)
    sys.stderr.write(f"{describe_errors(measured)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
