"""The CSV and JSON files of a report folder, each rewritten whole from the journal's rows."""

import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel

from bench.errors import printable
from bench.results import rows
from bench.results.folder import ReportFolder, write_whole
from bench.results.schema import EpochRow, Outcome, PhaseRow, ResultRow, SweepHeader


def csv_text(kind: type[BaseModel], records: Iterable[BaseModel]) -> str:
    """Rows as CSV: full precision, empty where not measured, decimal points in every locale."""
    return "".join(csv_lines(kind, records))


def csv_lines(kind: type[BaseModel], records: Iterable[BaseModel]) -> Iterator[str]:
    """The same in pieces, the header alone first: a million epochs need no more memory than a thousand."""
    columns, left = list(kind.model_fields), iter(records)
    yield pd.DataFrame(columns=columns).to_csv(index=False, lineterminator="\n")
    while cells := [_cells(kind, record) for record in itertools.islice(left, _PIECE)]:
        # As objects, so that a column with an empty cell does not turn its whole numbers into floats.
        frame = pd.DataFrame(cells, columns=columns, dtype=object)
        yield frame.to_csv(index=False, header=False, lineterminator="\n")


_PIECE = 1_000
"""Rows that are made into text at once."""


def _cells(kind: type[BaseModel], record: BaseModel) -> list[Any]:
    return [safe(getattr(record, name)) for name in kind.model_fields]


def safe(cell: Any) -> Any:
    """A cell of a CSV file: text that a spreadsheet would take for a formula begins with an apostrophe.

    Numbers stay numbers, also negative ones; one that is none, which a strange journal may hold, is not measured. A
    carriage return, which `csv` would leave unquoted, goes with the other control characters.
    """
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else None
    if not isinstance(cell, str):
        return cell
    text = printable(cell)
    return f"'{text}" if text[:1] in _FORMULA else text


_FORMULA = frozenset("=+-@\t\n＝＋－＠")


def result_rows(outcomes: Iterable[Outcome], header: SweepHeader, *, without_noisy: bool = False) -> list[ResultRow]:
    """The rows of results.csv; with ``without_noisy``, their medians without noisy epochs."""
    return [row for outcome in outcomes for row in rows.make_result_rows(outcome, header, without_noisy=without_noisy)]


def write_tables(folder: ReportFolder, outcomes: Sequence[Outcome], header: SweepHeader) -> None:
    """Write results.csv, epochs.csv and phases.csv."""
    results = (row for outcome in outcomes for row in rows.make_result_rows(outcome, header))
    epochs = (row for outcome in outcomes for row in rows.make_epoch_rows(outcome))
    phases = (row for outcome in outcomes for row in rows.make_phase_rows(outcome))
    write_whole(folder.results, csv_lines(ResultRow, results))
    write_whole(folder.epochs, csv_lines(EpochRow, epochs))
    write_whole(folder.phases, csv_lines(PhaseRow, phases))


@dataclass
class GrowingTables:
    """The same while a sweep is on: a case costs the rows that are its own, however many others were before it."""

    folder: ReportFolder
    header: SweepHeader
    _written: dict[str, Outcome] = field(default_factory=dict)
    _results: dict[str, list[str]] = field(default_factory=dict)
    """Each case's lines of results.csv, which is small and so always written whole."""
    _whole: bool = False
    """Whether epochs.csv and phases.csv hold just what was written, so that more may be appended."""

    def write(self, outcomes: Mapping[str, Outcome]) -> None:
        """Write the tables of all outcomes, by their cases' ids. Raises `OSError`; the next call then begins anew."""
        new = [outcome for case_id, outcome in outcomes.items() if self._written.get(case_id) is not outcome]
        appends = self._whole and not any(outcome.case.case_id in self._written for outcome in new)
        self._whole = False
        for outcome in new:
            _first, *lines = csv_lines(ResultRow, rows.make_result_rows(outcome, self.header))
            self._results[outcome.case.case_id] = lines
        head = list(csv_lines(ResultRow, []))
        write_whole(self.folder.results, itertools.chain(head, *(self._results[case_id] for case_id in outcomes)))
        for path, kind, made in self._long():
            records = (row for outcome in (new if appends else outcomes.values()) for row in made(outcome))
            if appends:
                with path.open("a", encoding="utf-8", newline="") as file:
                    file.writelines(itertools.islice(csv_lines(kind, records), 1, None))
            else:
                write_whole(path, csv_lines(kind, records))
        self._written = dict(outcomes)
        self._whole = True

    def _long(self) -> tuple[tuple[Path, type[BaseModel], Callable[[Outcome], Iterable[BaseModel]]], ...]:
        """The tables that are too long to be written again for each case."""
        return (
            (self.folder.epochs, EpochRow, rows.make_epoch_rows),
            (self.folder.phases, PhaseRow, rows.make_phase_rows),
        )


def write_environment(folder: ReportFolder, header: SweepHeader) -> None:
    """Write environment.json: what measured, and what was to be measured."""
    write_json(folder.environment, header.model_dump(mode="json", exclude={"kind"}))


def write_status(folder: ReportFolder, header: SweepHeader, outcomes: Sequence[Outcome], exit_code: int) -> None:
    """Write status.json: how many cases ended how, and the exit code."""
    planned = len(header.cases)
    counts: dict[str, int] = {}
    for outcome in outcomes:
        counts[outcome.status] = counts.get(outcome.status, 0) + 1
    status = {
        "schema_version": header.schema_version,
        "exit_code": exit_code,
        "complete": counts.get("ok", 0) == planned,
        "cases": {"planned": planned, "not_run": planned - len(outcomes), **counts},
        "failures": [
            {"case_id": outcome.case.case_id, "status": outcome.status, "error": outcome.error}
            for outcome in outcomes
            if outcome.status != "ok"
        ],
    }
    write_json(folder.status, status)


Later = Callable[[], Any]
"""A part of what is written as JSON that is made when its turn comes, and forgotten after it."""


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON, which is never in memory as a whole; any part of it may be a `Later`."""
    encoder = json.JSONEncoder(indent=2, ensure_ascii=False, allow_nan=False, default=_made)
    write_whole(path, itertools.chain(encoder.iterencode(value), ["\n"]))


def _made(later: Later) -> Any:
    return later()
