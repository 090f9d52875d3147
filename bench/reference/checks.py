"""What is wrong with a report that others hand in: its rows are computed again as `bench.results.rows` made them."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from bench.datasets.find import GENUINE
from bench.errors import format_count, make_one_line, quote
from bench.host.fingerprint import make_environment_id, make_machine_id
from bench.plan import catalog
from bench.plan.profile import Case
from bench.reference.epochs import ReadEpochs
from bench.results import bands, derived
from bench.results.journal_lines import SweepHeader
from bench.results.reader import Report
from bench.results.stats import NOISY_FRACTION

_FEWEST_PROCESSES = 3
"""Of a case's epochs."""
_WITHIN = 1e-6
"""How far two ways to add the same figures may differ, as a fraction."""
_LOSS_WITHIN = 0.05
"""How far val_bce and Keras' own loss may differ where they are the same, as a fraction: they clip otherwise what a
trained model is too sure of, which made 0.14 % at most in some thousand runs."""
_PEAK_WITHIN = 0.2
"""How far a measured peak may lie below the true one, as a fraction: docs/method.md says 10 to 20 %."""
_BCE_ALONE = frozenset(("basic", "deep", "convolutional", "denoising_small", "denoising", "sequence"))
"""Models without a penalty: their loss is the cross-entropy."""
BY_EPOCHS = "by epochs.csv"
_RISING = ("total_s", "train_total_s", "val_total_s", "cpu_total_s", "peak_rss_mib", "peak_anon_mib")
"""What never falls from one checkpoint of a process to the next."""
_OF_PHASES = tuple(f"peak_rss_{phase}_mib" for phase in ("import", "data", "build", "first_epoch", "train", "val"))
_PEAKS = ("dispatch_s", "peak_gflop_per_s", "peak_gb_per_s")

_CsvRow = Mapping[str, Any]
"""All columns of a row of results.csv."""


def find_reasons(
    report: Report, rows: Sequence[_CsvRow], header: SweepHeader | None, runs: Mapping[str, ReadEpochs] | None
) -> Iterator[str]:
    """Find why a report is refused; the same reason may come more than once.

    ``header`` is of its environment.json and ``runs`` of its epochs.csv, where it has them.
    """
    yield from _check_data(rows)
    yield from _check_machine(report, rows[0], header)
    processes: dict[str, list[_CsvRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: int(row["epochs"])):
        processes[row["case_id"]].append(row)
    yield from _check_cases(processes.values())
    for case_id, process in processes.items():
        yield from _check_case(process, header)
        yield from _check_checkpoints([row for row in process if row["status"] == "ok"])
        if runs is not None and process[-1]["status"] == "ok":
            yield from _check_epochs(process, runs.get(case_id))
    if header is not None:
        yield from _check_sweep(rows, header)
    if strange := next((case_id for case_id in runs or () if case_id not in processes), None):
        yield f"epochs.csv has {quote(strange, 120)}, and results.csv does not: hand in all that was measured."
    yield from _check_losses(report)


# ------------------------------------------------------------------ the sweep


def _check_data(rows: Iterable[_CsvRow]) -> Iterator[str]:
    for row in rows:
        name = str(row["dataset"])
        if row["dataset_genuine"] != "yes" or row["dataset_digest"] != GENUINE.get(name):
            yield f"the images are not known to be those of {quote(name, 60)}: their digest is another one."


def _check_machine(report: Report, row: _CsvRow, header: SweepHeader | None) -> Iterator[str]:
    fingerprint = header.fingerprint if header else report.fingerprint
    ids = {"machine_id": make_machine_id(fingerprint), "environment_id": make_environment_id(fingerprint)}
    yield from _compare("results.csv", row, ids, "by its fingerprint")


def _check_sweep(rows: Sequence[_CsvRow], header: SweepHeader) -> Iterator[str]:
    """All rows are of the sweep that environment.json describes, and all that it planned are there."""
    alike = derived.describe_sweep(header)
    for row in rows:
        yield from _compare("results.csv", row, alike, "by environment.json")
    there = {(row["case_id"], row["epochs"]) for row in rows}
    planned = [(case.case_id, epochs) for case in header.cases for epochs in case.checkpoints]
    absent = [each for each in planned if each not in there]
    if absent:
        of, first = format_count(len(planned), "row"), _name_checkpoint(*absent[0])
        yield f"{len(absent)} of {of} that were planned are not there, such as {first}; `--resume` runs them."


def _check_cases(processes: Iterable[Sequence[_CsvRow]]) -> Iterator[str]:
    """Each case ran in enough processes, to the end, and few of its epochs were noisy."""
    cases: dict[str, list[_CsvRow]] = defaultdict(list)
    for process in processes:
        for row in process:
            if row["status"] != "ok":
                yield f"{_name_checkpoint(row['case_id'], row['epochs'])}: {row['status']}, not ok."
        last = process[-1]
        if last["status"] == "ok":
            cases[quote(last["case_id"].removesuffix(f".r{last['repeat']}"), 120)].append(last)
    for name, rows in cases.items():
        if len(rows) < _FEWEST_PROCESSES:
            needed = f"{_FEWEST_PROCESSES} at least; measure with `--repeats {_FEWEST_PROCESSES}`"
            yield f"{name} ran in {format_count(len(rows), 'process')}; expected {needed}."
        if any(len({row[column] for row in rows}) < len(rows) for column in ("total_s", "train_total_s")):
            yield f"{name}: two of its processes took the same nanoseconds; each must be a run of its own."
        noisy, epochs = sum(row["noisy_epochs"] or 0 for row in rows), sum(row["epochs"] for row in rows)
        if noisy > NOISY_FRACTION * epochs:
            yield f"{name}: {noisy} of {epochs} epochs were noisy; expected {NOISY_FRACTION:.0%} at most."


def _check_losses(report: Report) -> Iterator[str]:
    """Losses outside of the bands that come along; of what has no band nothing is known."""
    known = bands.read_bands()
    return (f"{said}." for row in report.rows if (said := bands.check_row(known, row)))


# ------------------------------------------------------------------ a process


def _check_case(process: Sequence[_CsvRow], header: SweepHeader | None) -> Iterator[str]:
    """The columns that its case decides, and which of its checkpoints are the last."""
    checkpoints = tuple(row["epochs"] for row in process)
    for row in process:
        where = _name_checkpoint(row["case_id"], row["epochs"])
        try:
            axes = {name: row[name] for name in Case.model_fields if name != "checkpoints"}
            case = Case(**axes, checkpoints=checkpoints)
        except ValidationError as error:
            name = error.errors(include_url=False)[0]["loc"][0]
            yield f"{where}: {name} is {_show(row.get(str(name)))}, which no case of aebench has."
            return
        yield from _compare(where, row, derived.describe_case(case), "by its case")
        if header is not None:
            yield from _compare(where, row, derived.place_row(case, row["epochs"], header), "by environment.json")


def _check_checkpoints(process: Sequence[_CsvRow]) -> Iterator[str]:
    """What rows of one process say of themselves, and of each other."""
    before: _CsvRow = {}
    for row in process:
        where = _name_checkpoint(row["case_id"], row["epochs"])
        if row["total_s"] is None or row["peak_rss_mib"] is None:
            yield f"{where}: no total_s or no peak_rss_mib, which every run that reached its checkpoint has."
            return
        yield from _check_row(where, row)
        fell = [name for name in _RISING if _get(row, name, math.inf) < _get(before, name, -math.inf)]
        for name in fell:
            yield f"{where}: {name} is {_show(row[name])}, less than {_show(before[name])} at an earlier checkpoint."
        before = row


def _get(row: _CsvRow, name: str, otherwise: float) -> float:
    value = row.get(name)
    return otherwise if value is None else value


def _check_row(where: str, row: _CsvRow) -> Iterator[str]:
    parts_s = sum(row[name] or 0.0 for name in ("import_s", "build_s", "train_total_s", "val_total_s"))
    if parts_s > row["total_s"] * (1 + _WITHIN):
        yield f"{where}: its parts took {parts_s:g} s, longer than all, total_s {row['total_s']:g}."
    peaks = {name: row[name] for name in _PEAKS if (row[name] or 0.0) > 0.0}
    columns = ("flops_per_sample", "step_bytes", "batch_size", "samples_per_s")
    reached = derived.compute_roofline(
        **{name: row[name] for name in columns}, peaks=peaks if len(peaks) == len(_PEAKS) else {}
    )
    yield from _compare(where, row, reached, "by its other columns")
    arithmetic, peak = row["gflop_per_s"], row["peak_gflop_per_s"]
    if arithmetic is not None and peak is not None and arithmetic > peak * (1 + _PEAK_WITHIN):
        yield (
            f"{where}: gflop_per_s {arithmetic:g} is more than {_PEAK_WITHIN:.0%} above the measured peak, {peak:g}: "
            "no machine computes faster than it can. If something slowed the peak down, measure on a quiet machine."
        )
    yield from _check_memory(where, row)
    yield from _check_own_losses(where, row)


def _check_memory(where: str, row: _CsvRow) -> Iterator[str]:
    """The peak of a process is the largest of its phases, where the system keeps these."""
    phases = [row[name] for name in _OF_PHASES if row[name] is not None]
    if phases:
        yield from _compare(where, row, {"peak_rss_mib": max(phases)}, "by its phases")
    if row["peak_anon_mib"] is not None and row["peak_anon_mib"] > row["peak_rss_mib"]:
        yield f"{where}: peak_anon_mib {_show(row['peak_anon_mib'])} is more than peak_rss_mib, which it is a part of."


def _check_own_losses(where: str, row: _CsvRow) -> Iterator[str]:
    """val_bce is a part of the validation loss of our models, and all of it where there is no penalty."""
    bce, loss = row["val_bce"], row["val_loss"]
    if bce is None or loss is None or row["model"] not in catalog.read_model_settings():
        return
    if bce > loss * (1 + _LOSS_WITHIN):
        yield f"{where}: val_bce {bce:g} is above val_loss {loss:g}, which it is a part of."
    elif row["model"] in _BCE_ALONE and bce < loss * (1 - _LOSS_WITHIN):
        yield f"{where}: val_bce {bce:g} is below val_loss {loss:g}, and this model has no other loss."


def _check_epochs(process: Sequence[_CsvRow], run: ReadEpochs | None) -> Iterator[str]:
    """Compute each row again from epochs.csv."""
    last = process[-1]
    trained = len(run) if run else 0
    if run is None or trained != last["epochs"]:
        epochs = format_count(last["epochs"], "epoch")
        yield f"{quote(last['case_id'], 120)}: {trained} of its {epochs} are in epochs.csv."
        return
    warmup = derived.find_warmup(run)
    for row in process:
        figures = derived.compute_from_epochs(run, row["epochs"], warmup, row["train_samples"])
        counters = (row["energy_method"] or "").split(derived.JOINED)
        figures |= derived.compute_energy(run, row["epochs"], warmup, counters)
        yield from _compare(_name_checkpoint(row["case_id"], row["epochs"]), row, figures, BY_EPOCHS)


# ------------------------------------------------------------------ comparing


def _compare(where: str, row: _CsvRow, expected: Mapping[str, Any], by: str) -> Iterator[str]:
    for name, value in expected.items():
        if not _agree(row[name], value):
            yield f"{where}: {name} is {_show(row[name])}; {by} it is {_show(value)}."


def _agree(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_WITHIN, abs_tol=1e-9)
    if isinstance(other, str):  # as a cell of the file is read
        other = make_one_line(other) or None
    return bool(one == other)


def _show(value: Any) -> str:
    return "nothing" if value is None else f"{value:.9g}" if isinstance(value, float) else quote(value, 120)


def _name_checkpoint(case_id: str, epochs: int) -> str:
    return f"{quote(case_id, 120)} at {format_count(epochs, 'epoch')}"
