"""`aebench verify`: whether reports that others hand in may join the collection."""

import csv
import io
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.console.output import make_console, say
from bench.datasets.find import GENUINE
from bench.errors import ExitCode, InvalidInput, format_count, quote
from bench.reference.archive import read_files
from bench.results import bands, reader, stats

_FEWEST_PROCESSES = 3
_MOST_NOISY = 0.1
"""Of a case's epochs."""
_MOST_EPOCHS = 200_000
"""Rows of epochs.csv, and of one process a twentieth: what a warm-up is looked for in takes time."""
_MOST_OF_RUN = 10_000
_WITHIN = 1e-6
"""How far two ways to add the same figures may differ, as a fraction."""
_FEW = 20
_TRAINED = ("epoch", "train_s", "val_s")


@dataclass(frozen=True)
class Verdict:
    """What was found of one report."""

    cases: int
    processes: int
    reasons: tuple[str, ...]
    """Why it is refused, each once; none where it is accepted."""
    notes: tuple[str, ...] = ()

    def describe(self) -> str:
        """One line: accepted or refused."""
        if self.reasons:
            return f"REFUSED: {format_count(len(self.reasons), 'reason')}"
        return f"ACCEPTED: {format_count(self.cases, 'case')}, {format_count(self.processes, 'process')}"


@dataclass(frozen=True)
class _Run:
    """What epochs.csv has of one process, a value per epoch."""

    train_s: list[float]
    val_s: list[float]
    noisy: list[bool]


def verify(files: Sequence[Path], console: Console | None = None) -> int:
    """Print a verdict on each file, then its reasons; returns the exit code."""
    console = console or make_console()
    code = ExitCode.OK
    for file in files:
        try:
            verdict = judge_report(read_files(file), file)
        except InvalidInput as error:
            say(console, f"UNREADABLE: {error}")
            code = ExitCode.INVALID_INPUT
            continue
        say_verdict(console, file, verdict)
        if verdict.reasons and code == ExitCode.OK:
            code = ExitCode.REGRESSION
    return code


def say_verdict(console: Console, file: Path, verdict: Verdict) -> None:
    """Print the verdict, and below it why."""
    say(console, f"{verdict.describe()}: {quote(file)}")
    for reason in verdict.reasons[:_FEW]:
        say(console, f"  - {reason}")
    if len(verdict.reasons) > _FEW:
        say(console, f"  - and {len(verdict.reasons) - _FEW} more")
    for note in verdict.notes:
        say(console, f"  Note: {note}")


def judge_report(files: Mapping[str, bytes], path: Path) -> Verdict:
    """Judge a report by its files. Raises `InvalidInput` where one is not what aebench writes."""
    try:
        report, columns = reader.parse_report(files["results.csv"], path)
    except InvalidInput as error:
        raise InvalidInput(f"{quote(path)}, results.csv{error}") from error
    names = list(columns)
    rows = [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    runs = _read_epochs(files["epochs.csv"], path) if "epochs.csv" in files else None
    reasons = [
        *_check_data(rows),
        *_check_processes(rows),
        *(reason for row in rows for reason in _check_row(row, runs)),
        *_check_losses(report.rows),
    ]
    notes = (*report.notes, *(["no epochs.csv: sums and medians were not computed again."] if runs is None else []))
    cases = {_name_case(row) for row in rows}
    return Verdict(len(cases), len({row["case_id"] for row in rows}), tuple(dict.fromkeys(reasons)), notes)


def _check_losses(rows: Iterable[reader.Row]) -> Iterator[str]:
    """Losses outside of the bands that come along; of what has no band nothing is known."""
    known = bands.read_bands()
    return (f"{said}." for row in rows if (said := bands.check_row(known, row)))


def _name_case(row: Mapping[str, Any]) -> str:
    return quote(str(row["case_id"]).removesuffix(f".r{row['repeat']}"), 120)


# ------------------------------------------------------------------ the epochs


def _read_epochs(data: bytes, path: Path) -> dict[str, _Run]:
    """The epochs of each process, which are numbered from 1 without a gap."""
    where = f"{quote(path)}, epochs.csv"
    try:
        table = csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)
        header = table.fieldnames or []
        missing = {"case_id", *_TRAINED, "noise"} - set(header)
        if missing or len(set(header)) < len(header):
            raise InvalidInput(f"{where}: a column is missing or there twice. Give the file as aebench wrote it.")
        runs: dict[str, _Run] = defaultdict(lambda: _Run([], [], []))
        for count, row in enumerate(table, 1):
            run = runs[row["case_id"]]
            if count > _MOST_EPOCHS or len(run.train_s) >= _MOST_OF_RUN:
                limits = f"{_MOST_EPOCHS:,} epochs, {_MOST_OF_RUN:,} of one process"
                raise InvalidInput(f"{where} has more than {limits}, which no report for the collection needs.")
            _add_epoch(run, row)
    except (ValueError, TypeError, csv.Error) as error:
        raise InvalidInput(f"{where} is not as aebench writes it: {quote(error, 100)}.") from error
    return dict(runs)


def _add_epoch(run: _Run, row: Mapping[str, str]) -> None:
    epoch, train_s, val_s = (float(row[name]) for name in _TRAINED)
    if epoch != len(run.train_s) + 1:
        raise ValueError(f"epoch {epoch:g} where {len(run.train_s) + 1} comes next")
    if not (0 <= train_s < 1e9 and 0 <= val_s < 1e9):
        raise ValueError(f"an epoch of {train_s:g} and {val_s:g} seconds")
    run.train_s.append(train_s)
    run.val_s.append(val_s)
    run.noisy.append(bool(row["noise"]))


# ------------------------------------------------------------------ the reasons


def _check_data(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for row in rows:
        name = str(row["dataset"])
        if row["dataset_genuine"] != "yes" or row["dataset_digest"] != GENUINE.get(name):
            yield f"the images are not known to be those of {quote(name, 60)}: their digest is another one."


def _check_processes(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Each case ran in enough processes, to the end, and few of its epochs were noisy."""
    cases: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for row in rows:
        if row["status"] != "ok":
            yield f"{quote(row['case_id'], 120)} at {format_count(row['epochs'], 'epoch')}: {row['status']}, not ok."
            continue
        processes = cases[_name_case(row)]
        last = processes.get(row["case_id"], row)
        processes[row["case_id"]] = max(last, row, key=lambda each: int(each["epochs"]))
    for name, processes in cases.items():
        if len(processes) < _FEWEST_PROCESSES:
            needed = f"{_FEWEST_PROCESSES} at least; measure with `--repeats {_FEWEST_PROCESSES}`"
            yield f"{name} ran in {format_count(len(processes), 'process')}; expected {needed}."
        if len({row["total_s"] for row in processes.values()}) < len(processes):
            yield f"{name}: two of its processes took the same nanoseconds; each must be a run of its own."
        noisy = sum(row["noisy_epochs"] or 0 for row in processes.values())
        epochs = sum(row["epochs"] for row in processes.values())
        if noisy > _MOST_NOISY * epochs:
            yield f"{name}: {noisy} of {epochs} epochs were noisy; expected {_MOST_NOISY:.0%} at most."


def _check_row(row: Mapping[str, Any], runs: Mapping[str, _Run] | None) -> Iterator[str]:
    """What a row says of itself, and of the epochs that it is made of."""
    if row["status"] != "ok":
        return
    where = f"{quote(row['case_id'], 120)} at {format_count(row['epochs'], 'epoch')}"
    for name in ("total_s", "train_total_s", "val_total_s", "noisy_epochs"):
        if row[name] is None:
            yield f"{where}: no {name}, which every run that reached its checkpoint has."
            return
    trained = row["train_total_s"] + row["val_total_s"]
    if trained > row["total_s"] * (1 + _WITHIN):
        yield f"{where}: training and validation took {trained:g} s, longer than all, total_s {row['total_s']:g}."
    median, rate = row["epoch_s_median"], row["samples_per_s"]
    if median is not None:
        yield from _compare(where, "samples_per_s", rate, row["train_samples"] / median)
    if rate is not None and row["flops_per_sample"] is not None:
        yield from _compare(where, "gflop_per_s", row["gflop_per_s"], row["flops_per_sample"] * rate / 1e9)
    reached, peak = row["gflop_per_s"], row["peak_gflop_per_s"]
    if reached is not None and peak is not None and reached > peak:
        yield f"{where}: gflop_per_s {reached:g} is above the measured peak, {peak:g}."
    if runs is not None:
        yield from _check_against_epochs(where, row, runs.get(row["case_id"]))


def _check_against_epochs(where: str, row: Mapping[str, Any], run: _Run | None) -> Iterator[str]:
    """Compute the row again as `bench.results.rows` did."""
    epochs = row["epochs"]
    if run is None or len(run.train_s) < epochs:
        yield f"{where}: epochs.csv has {format_count(len(run.train_s) if run else 0, 'epoch')} of it."
        return
    warmup = min(stats.find_warmup_length(run.train_s), epochs)
    steady = run.train_s[warmup:epochs]
    expected = {
        "first_epoch_s": run.train_s[0],
        "train_total_s": math.fsum(run.train_s[:epochs]),
        "val_total_s": math.fsum(run.val_s[:epochs]),
        "noisy_epochs": sum(run.noisy[:epochs]),
        "epoch_s_median": statistics.median(steady) if len(steady) >= 3 else None,
    }
    for name, value in expected.items():
        yield from _compare(where, name, row[name], value, "by epochs.csv")


def _compare(
    where: str, name: str, got: float | None, expected: float | None, how: str = "by its row"
) -> Iterator[str]:
    if got is None and expected is None:
        return
    if got is None or expected is None or not math.isclose(got, expected, rel_tol=_WITHIN, abs_tol=1e-9):
        shown = ["nothing" if each is None else f"{each:.9g}" for each in (got, expected)]
        yield f"{where}: {name} is {shown[0]}; {how} it is {shown[1]}."
