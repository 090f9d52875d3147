"""Files for other tools, drawn from the rows: pytest-benchmark.json, github-action-benchmark.json, bencher.json.

None of them can say that a case failed, or that a figure was not measured: what has no value is left out.
"""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bench.report.files import write_json
from bench.results import rows
from bench.results.folder import ReportFolder
from bench.results.schema import Outcome, ResultRow, SweepHeader

_SCHEMA = "5.3.1"
"""The pytest-benchmark whose files pytest-benchmark.json is like."""
_NS = 1e9


@dataclass(frozen=True)
class Metric:
    """A column of results.csv, smaller being better, as the trackers are told of it."""

    column: str
    label: str
    """What a chart of github-action-benchmark says after the case's name."""
    unit: str
    measure: str
    """Slug of Bencher's measure; it carries the unit, since Bencher gives a new measure none."""
    factor: float = 1.0
    """From the column's unit to the measure's."""
    low: str | None = None
    """Column of the lower end of its 95 % interval, where it has one."""
    high: str | None = None


METRICS = (
    # `latency` is there in every project of Bencher, in nanoseconds
    Metric("epoch_s_median", "time per epoch", "s", "latency", _NS, "epoch_s_ci_low", "epoch_s_ci_high"),
    Metric("first_epoch_s", "first epoch", "s", "first-epoch-seconds"),
    Metric("peak_rss_mib", "peak RAM", "MiB", "peak-rss-mib"),
    Metric("gpu_peak_mib", "peak GPU memory", "MiB", "peak-gpu-mib"),
    Metric("val_bce", "validation BCE", "nats", "val-bce-nats"),
)


def write_exports(folder: ReportFolder, outcomes: Sequence[Outcome], header: SweepHeader) -> None:
    """Write the three files; they tell of every epoch, as the CSV files do."""
    write_json(folder.pytest_benchmark, pytest_benchmark(outcomes, header))
    write_json(folder.github_action_benchmark, github_action_benchmark(outcomes, header))
    write_json(folder.bencher, bencher(outcomes, header))


# ------------------------------------------------------------- pytest-benchmark


def pytest_benchmark(outcomes: Sequence[Outcome], header: SweepHeader) -> dict[str, Any]:
    """What `pytest-benchmark compare` reads: a benchmark a case and checkpoint, a round a steady epoch, in seconds.

    A checkpoint without steady epochs has no rounds and is left out. A benchmark is a `Later`: with its rounds it is made
    when it is written. The schema is what `pytest_benchmark_generate_json` gives in
    https://github.com/ionelmc/pytest-benchmark (`src/pytest_benchmark/plugin.py`, `stats.py`).
    """
    pairs = [(outcome, row) for outcome in outcomes for row in _measured(outcome, header)]
    return {
        "machine_info": _machine_info(header),
        "commit_info": _commit_info(header),
        "benchmarks": [partial(_benchmark, outcome, row) for outcome, row in pairs if _rounds(outcome, row)],
        "datetime": header.created_at,
        "version": _SCHEMA,
    }


def _machine_info(header: SweepHeader) -> dict[str, Any]:
    """pytest-benchmark's fields as far as the fingerprint knows them, then the fingerprint; ``node`` names no host."""
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


def _commit_info(header: SweepHeader) -> dict[str, Any]:
    """Of the harness' checkout; outside of one, in pytest-benchmark's own words."""
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
    "epoch_s_ci_low",
    "epoch_s_ci_high",
    "warmup_epochs",
    "steady",
    "noisy_epochs",
    "val_s_median",
    "first_epoch_s",
    "peak_rss_mib",
    "peak_rss_method",
    "gpu_peak_mib",
)


def _benchmark(outcome: Outcome, row: ResultRow) -> dict[str, Any]:
    """Named as pytest names a parametrized test, so that ``--group-by func`` and ``param:batch_size`` work."""
    param = f"{row.case_id.removeprefix(f'{row.model}.')}.e{row.epochs}"
    name = f"{row.model}[{param}]"
    return {
        "group": row.model,
        "name": name,
        "fullname": f"models/{row.model}.py::{name}",
        "params": {**outcome.case.model_dump(mode="json", exclude={"model", "checkpoints"}), "epochs": row.epochs},
        "param": param,
        "extra_info": _known(row, _EXTRA),
        "options": {"disable_gc": False, "timer": "perf_counter_ns", "warmup": True},
        "stats": statistics_of(_rounds(outcome, row)),
    }


def _rounds(outcome: Outcome, row: ResultRow) -> list[float]:
    """Training seconds of the steady epochs up to the row's checkpoint."""
    steady = outcome.epochs.column("train_s")[row.warmup_epochs or 0 : row.epochs]
    return [seconds for seconds in steady if math.isfinite(seconds)]


def statistics_of(data: Sequence[float]) -> dict[str, Any]:
    """pytest-benchmark's figures of at least one round, in seconds.

    A single round has a standard deviation of 0. Quartiles are Hazen's, which is what pytest-benchmark's rules
    ("Method 2" for an even number of rounds, "Method 3" for an odd one) come to.
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


def github_action_benchmark(outcomes: Sequence[Outcome], header: SweepHeader) -> list[dict[str, Any]]:
    """What github-action-benchmark reads as `customSmallerIsBetter`: an entry a metric of each case's last checkpoint.

    Every name becomes a chart, so the checkpoints before, on the same run, are left out. The schema is `BenchmarkResult` of
    https://github.com/benchmark-action/github-action-benchmark, `src/extract.ts`.
    """
    return [
        _entry(row, metric, value) for row in _last_checkpoints(outcomes, header) for metric, value in _metrics(row)
    ]


def _entry(row: ResultRow, metric: Metric, value: float) -> dict[str, Any]:
    entry = {"name": f"{_name(row)} {metric.label}", "unit": metric.unit, "value": value}
    interval = _interval(row, metric)
    if interval:
        entry["range"] = f"{interval[0]} to {interval[1]} (95 %)"
    return {**entry, "extra": "\n".join(f"{column}: {known}" for column, known in _known(row, _TOOLTIP).items())}


_TOOLTIP = (
    *("machine_id", "environment_id", "cpu_model", "cpu_limit", "keras", "tensorflow", "jax", "torch"),
    *("steady_epochs", "noisy_epochs"),
)


def bencher(outcomes: Sequence[Outcome], header: SweepHeader) -> dict[str, dict[str, dict[str, float]]]:
    """Bencher Metric Format: a benchmark for each case's last checkpoint, a measure a metric.

    ``lower_value`` and ``upper_value`` are the ends of the 95 % interval. The schema is at
    https://bencher.dev/docs/reference/bencher-metric-format/.
    """
    return {
        _name(row): {metric.measure: _measure(row, metric, value) for metric, value in _metrics(row)}
        for row in _last_checkpoints(outcomes, header)
        if any(_metrics(row))
    }


def _measure(row: ResultRow, metric: Metric, value: float) -> dict[str, float]:
    interval = _interval(row, metric)
    ends = {"lower_value": interval[0] * metric.factor, "upper_value": interval[1] * metric.factor} if interval else {}
    return {"value": value * metric.factor, **ends}


# ----------------------------------------------------------------------- rows


def _name(row: ResultRow) -> str:
    """The case and its checkpoint: figures of other epoch counts are another series."""
    return f"{row.case_id}.e{row.epochs}"


def _measured(outcome: Outcome, header: SweepHeader) -> list[ResultRow]:
    """The rows of a case that ended well."""
    return [row for row in rows.make_result_rows(outcome, header) if row.status == row.run_status == "ok"]


def _last_checkpoints(outcomes: Sequence[Outcome], header: SweepHeader) -> list[ResultRow]:
    return [row for outcome in outcomes for row in _measured(outcome, header) if row.epochs == row.run_epochs]


def _metrics(row: ResultRow) -> Iterator[tuple[Metric, float]]:
    """The metrics that the row has a value of."""
    for metric in METRICS:
        value = _value(row, metric.column)
        if value is not None:
            yield metric, value


def _interval(row: ResultRow, metric: Metric) -> tuple[float, float] | None:
    if metric.low is None or metric.high is None:
        return None
    low, high = _value(row, metric.low), _value(row, metric.high)
    return None if low is None or high is None else (low, high)


def _known(row: ResultRow, columns: Sequence[str]) -> dict[str, Any]:
    """Those of the columns that have a value."""
    return {column: value for column in columns if (value := _value(row, column)) is not None}


def _value(row: ResultRow, column: str) -> Any:
    """None where not measured, and for a number that JSON has no word for, which a stranger's journal may hold."""
    value = getattr(row, column)
    return None if isinstance(value, float) and not math.isfinite(value) else value
