"""Make bench/plan/references.csv: `python -m bench.results.references REPORT... > bench/plan/references.csv`.

How far forecasts of each report from the others lie from what was measured goes to standard error.
"""

import csv
import sys
from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from pathlib import Path

from bench.errors import InvalidInput, format_count
from bench.plan.forecast import Reference, forecast_case
from bench.plan.profile import Case
from bench.results.reader import Report, Row, read_report


def list_references(name: str, report: Report) -> list[tuple[Reference, Row]]:
    """List the processes of a report that can be a reference, at their last checkpoint, each with its row."""
    last = {row.case_id: row for row in sorted(report.rows, key=lambda row: row.epochs) if row.status == "ok"}
    return [(made, row) for row in last.values() if (made := _make_reference(name, row)) is not None]


def _make_reference(name: str, row: Row) -> Reference | None:
    if None in (row.total_s, row.epoch_s_quiet, row.val_s_median, row.peak_rss_mib) or row.threads is not None:
        return None
    total_s, train_s, val_s, peak = (
        value or 0.0 for value in (row.total_s, row.epoch_s_quiet, row.val_s_median, row.peak_rss_mib)
    )
    epoch_s = train_s + val_s
    way = (row.model, row.backend, row.loop, row.precision)
    start_s = max(total_s - row.epochs * epoch_s, 0.0)
    return Reference(name, *way, row.batch_size, row.train_samples, start_s, epoch_s, peak)


def describe_errors(found: Sequence[tuple[Reference, Row]]) -> str:
    """Say how far forecasts of each report from all others lie from what was measured."""
    times, peaks = [], []
    for left_out, row in found:
        others = [each for each, _row in found if each.report != left_out.report]
        forecast = forecast_case(_make_case(row), row.train_samples, others)
        if forecast is not None and row.total_s and row.peak_rss_mib:
            times.append(abs(forecast.compute_total(row.epochs) / row.total_s - 1))
            peaks.append(abs(forecast.peak_rss_mib / row.peak_rss_mib - 1))
    if not times:
        return "No report foretells another: none has a case of another one."
    return (
        f"{format_count(len(times), 'process')} foretold from the other reports: "
        f"{sum(error <= 0.25 for error in times)} times within 25 %, the worst {100 * max(times):.0f} % off; "
        f"{sum(error <= 0.1 for error in peaks)} peaks within 10 %, the worst {100 * max(peaks):.1f} % off."
    )


def _make_case(row: Row) -> Case:
    axes = {name: getattr(row, name) for name in Case.model_fields if name != "checkpoints"}
    return Case(**axes, checkpoints=(row.epochs,))


def main(paths: Iterable[str]) -> int:
    """Print the file; returns the exit code."""
    try:
        found = [pair for path in paths for pair in list_references(Path(path).name, read_report(Path(path)))]
    except InvalidInput as error:
        sys.stderr.write(f"{error}\n")
        return 2
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(field.name for field in fields(Reference))
    writer.writerows(astuple(each) for each, _row in found)
    sys.stderr.write(f"{describe_errors(found)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
