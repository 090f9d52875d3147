"""Files for other tools, made from the rows: pytest-benchmark.json, github-action-benchmark.json, bencher.json.

Their formats cannot say that a case failed, or that a figure was not measured: what has no value is left out.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bench.plan import catalog
from bench.report.contents import SweepReport
from bench.report.files import write_json
from bench.results.journal_lines import Outcome, SweepHeader
from bench.results.schema import ResultRow

_SCHEMA = "5.3.1"
"""The version of pytest-benchmark whose format pytest-benchmark.json has."""
_NS = 1e9


@dataclass(frozen=True)
class Metric:
    """A column of results.csv, of which less is better, and what the trackers call it."""

    column: str
    label: str
    """What github-action-benchmark's chart says after the case's name."""
    unit: str
    measure: str
    """Slug of Bencher's measure; it names the unit, since Bencher gives a new measure none."""
    factor: float = 1.0
    """From the column's unit to the measure's."""
    low: str | None = None
    """Column with the lower end of the 95 % interval, if there is one."""
    high: str | None = None


METRICS = (
    # Every project of Bencher has the measure `latency`, in nanoseconds.
    Metric("epoch_s_quiet", "time per epoch", "s", "latency", _NS, "epoch_s_low", "epoch_s_high"),
    Metric("first_epoch_s", "first epoch", "s", "first-epoch-seconds"),
    Metric("peak_rss_mib", "peak RAM", "MiB", "peak-rss-mib"),
    Metric("peak_gpu_mib", "peak GPU memory", "MiB", "peak-gpu-mib"),
    Metric("val_bce", "validation BCE", "nats", "val-bce-nats"),
)


def write_exports(report: SweepReport) -> None:
    """Write the three files; they include noisy epochs, as the CSV files do."""
    write_json(report.folder.pytest_benchmark, make_pytest_benchmark(report))
    write_json(report.folder.github_action_benchmark, make_github_action_benchmark(report))
    write_json(report.folder.bencher, make_bencher(report))


# ------------------------------------------------------------- pytest-benchmark


def make_pytest_benchmark(report: SweepReport) -> dict[str, Any]:
    """Make what `pytest-benchmark compare` reads: a benchmark per checkpoint, a round per steady epoch, in seconds.

    A checkpoint without steady epochs is left out. A benchmark is a `Later`, since it may have many rounds. The schema
    is what `pytest_benchmark_generate_json` gives in
    https://github.com/ionelmc/pytest-benchmark (`src/pytest_benchmark/plugin.py`, `stats.py`).
    """
    outcomes = {outcome.case.case_id: outcome for outcome in report.outcomes}
    pairs = [(outcomes[row.case_id], row) for row in _select_ok_rows(report)]
    header = report.header
    return {
        "machine_info": _describe_machine(header),
        "commit_info": _describe_commit(header),
        "benchmarks": [partial(_make_benchmark, outcome, row) for outcome, row in pairs if _list_rounds(outcome, row)],
        "datetime": header.created_at,
        "version": _SCHEMA,
    }


def _describe_machine(header: SweepHeader) -> dict[str, Any]:
    """Fill pytest-benchmark's fields from the fingerprint, then add the fingerprint; ``node`` is not the host name."""
    fingerprint = header.fingerprint
    implementation, _, version = fingerprint.python.partition(" ")
    return {
        "node": header.machine_id,
        "processor": fingerprint.cpu_model or "",
        "machine": fingerprint.cpu_arch,
        "python_implementation": implementation,
        "python_implementation_version": version,
        "python_version": version,
        "release": fingerprint.kernel,
        "system": fingerprint.os,
        "cpu": {
            "arch_string_raw": fingerprint.cpu_arch,
            "brand_raw": fingerprint.cpu_model or "",
            "count": fingerprint.cores_logical,
        },
        "fingerprint": fingerprint.model_dump(mode="json"),
    }


def _describe_commit(header: SweepHeader) -> dict[str, Any]:
    """Describe the harness's checkout; outside of one, in pytest-benchmark's own words."""
    return {
        "id": header.git_commit or "unversioned",
        "time": None,
        "author_time": None,
        "dirty": bool(header.git_dirty),
        "project": "aebench",
        "branch": "(unknown)",
    }


_EXTRA = (
    "case_id",
    "machine_id",
    "environment_id",
    "dataset_digest",
    "train_loss",
    "val_loss",
    "val_bce",
    "dead_units",
    "epoch_s_quiet",
    "epoch_s_low",
    "epoch_s_high",
    "warmup_epochs",
    "steady",
    "noisy_epochs",
    "val_s_median",
    "first_epoch_s",
    "peak_rss_mib",
    "peak_rss_method",
    "peak_gpu_mib",
)


def _make_benchmark(outcome: Outcome, row: ResultRow) -> dict[str, Any]:
    """Make a benchmark named like a parametrized test, so that ``--group-by func`` and ``param:batch_size`` work."""
    param = f"{row.case_id.removeprefix(f'{row.model}.')}.e{row.epochs}"
    name = f"{row.model}[{param}]"
    return {
        "group": row.model,
        "name": name,
        "fullname": f"models/{row.model}.py::{name}",
        "params": {**outcome.case.model_dump(mode="json", exclude={"model", "checkpoints"}), "epochs": row.epochs},
        "param": param,
        "extra_info": _select_known(row, _EXTRA),
        "options": {"disable_gc": False, "timer": "perf_counter_ns", "warmup": True},
        "stats": compute_statistics(_list_rounds(outcome, row)),
    }


def _list_rounds(outcome: Outcome, row: ResultRow) -> list[float]:
    """List the training seconds of the steady epochs up to the row's checkpoint."""
    steady = outcome.epochs.get_column("train_s")[row.warmup_epochs or 0 : row.epochs]
    return [seconds for seconds in steady if math.isfinite(seconds)]


def compute_statistics(data: Sequence[float]) -> dict[str, Any]:
    """Compute pytest-benchmark's figures of at least one round, in seconds.

    A single round has a standard deviation of 0. Quartiles are Hazen's, which are the same as pytest-benchmark's rules
    ("Method 2" for an even number of rounds, "Method 3" for an odd one).
    """
    q1, q3 = map(float, np.quantile(data, (0.25, 0.75), method="hazen"))
    mean, total = statistics.fmean(data), math.fsum(data)
    stddev = statistics.stdev(data) if len(data) > 1 else 0.0
    inside = [value for value in data if q1 - 1.5 * (q3 - q1) <= value <= q3 + 1.5 * (q3 - q1)]
    iqr_outliers = len(data) - len(inside)
    stddev_outliers = sum(not mean - stddev <= value <= mean + stddev for value in data)
    return {
        "min": min(data),
        "max": max(data),
        "mean": mean,
        "stddev": stddev,
        "rounds": len(data),
        "median": statistics.median(data),
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": iqr_outliers,
        "stddev_outliers": stddev_outliers,
        "outliers": f"{stddev_outliers};{iqr_outliers}",
        "ld15iqr": min(inside),
        "hd15iqr": max(inside),
        "ops": len(data) / total if total else 0.0,
        "total": total,
        "data": list(data),
        "iterations": 1,
    }


# ------------------------------------------------------------------- trackers


def make_github_action_benchmark(report: SweepReport) -> list[dict[str, Any]]:
    """Make what github-action-benchmark reads as `customSmallerIsBetter`: the metrics of each case's last checkpoint.

    Every name becomes a chart, so earlier checkpoints, which are of the same run, are left out. The schema is
    `BenchmarkResult` of https://github.com/benchmark-action/github-action-benchmark, `src/extract.ts`.
    """
    entries = []
    for row in _select_last_rows(report):
        tooltip = "\n".join(f"{column}: {value}" for column, value in _select_known(row, _TOOLTIP).items())
        for metric, value in _list_metrics(row):
            entry = {"name": f"{_name_row(row)} {metric.label}", "unit": metric.unit, "value": value}
            if interval := _get_interval(row, metric):
                entry["range"] = f"{interval[0]} to {interval[1]} (95 %)"
            entries.append({**entry, "extra": tooltip})
    return entries


_TOOLTIP = (
    *("machine_id", "environment_id", "cpu_model", "cpu_limit", "keras", *catalog.read_backends()),
    *("steady_epochs", "noisy_epochs"),
)


def make_bencher(report: SweepReport) -> dict[str, dict[str, dict[str, float]]]:
    """Make Bencher Metric Format: a benchmark for each case's last checkpoint, with a measure for each metric.

    ``lower_value`` and ``upper_value`` are the ends of the 95 % interval. The schema is at
    https://bencher.dev/docs/reference/bencher-metric-format/.
    """
    return {
        _name_row(row): {metric.measure: _make_measure(row, metric, value) for metric, value in _list_metrics(row)}
        for row in _select_last_rows(report)
        if _list_metrics(row)
    }


def _make_measure(row: ResultRow, metric: Metric, value: float) -> dict[str, float]:
    interval = _get_interval(row, metric)
    ends = {"lower_value": interval[0] * metric.factor, "upper_value": interval[1] * metric.factor} if interval else {}
    return {"value": value * metric.factor, **ends}


# ----------------------------------------------------------------------- rows


def _name_row(row: ResultRow) -> str:
    """Name a case and its checkpoint: other epoch counts are another series."""
    return f"{row.case_id}.e{row.epochs}"


def _select_ok_rows(report: SweepReport) -> list[ResultRow]:
    """Select the rows of cases that did not fail."""
    return [row for row in report.rows if row.status == row.run_status == "ok"]


def _select_last_rows(report: SweepReport) -> list[ResultRow]:
    return [row for row in _select_ok_rows(report) if row.epochs == row.run_epochs]


def _list_metrics(row: ResultRow) -> list[tuple[Metric, float]]:
    """List the metrics that a row has, with their values."""
    return [(metric, value) for metric in METRICS if (value := _get_finite(row, metric.column)) is not None]


def _get_interval(row: ResultRow, metric: Metric) -> tuple[float, float] | None:
    if metric.low is None or metric.high is None:
        return None
    low, high = _get_finite(row, metric.low), _get_finite(row, metric.high)
    return None if low is None or high is None else (low, high)


def _select_known(row: ResultRow, columns: Sequence[str]) -> dict[str, Any]:
    """Select those of the columns that have a value."""
    return {column: value for column in columns if (value := _get_finite(row, column)) is not None}


def _get_finite(row: ResultRow, column: str) -> Any:
    """Return a cell; None where not measured, and for NaN and infinity, which JSON cannot hold."""
    value = getattr(row, column)
    return None if isinstance(value, float) and not math.isfinite(value) else value
