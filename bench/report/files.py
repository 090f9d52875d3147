"""The CSV and JSON files of a report folder, made from the journal's rows."""

import csv
import io
import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bench.errors import strip_controls
from bench.results import rows
from bench.results.folder import ReportFolder, write_whole
from bench.results.journal_lines import Outcome, SweepHeader
from bench.results.process_schema import EpochRow, PhaseRow
from bench.results.schema import ResultRow


def format_csv(kind: type[BaseModel], records: Iterable[BaseModel]) -> str:
    """Format rows as CSV: full precision, empty where not measured, decimal points in every locale."""
    return "".join(iterate_csv(kind, records))


def iterate_csv(kind: type[BaseModel], records: Iterable[BaseModel]) -> Iterator[str]:
    """Format rows as CSV in pieces, the first being the header alone, so that memory does not grow with the rows."""
    columns, left = list(kind.model_fields), iter(records)
    yield _format_lines([columns])
    while piece := list(itertools.islice(left, _PIECE)):
        yield _format_lines([make_safe(getattr(record, name)) for name in columns] for record in piece)


def _format_lines(lines: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


_PIECE = 1_000
"""Rows that are formatted at once."""


def make_safe(cell: Any) -> Any:
    """Return a cell of a CSV file; text that a spreadsheet would take for a formula gets an apostrophe before it.

    Numbers stay numbers, also negative ones; NaN and infinity, which a stranger's journal may hold, become empty. A
    carriage return, which `csv` would leave unquoted, is removed with the other control characters.
    """
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else None
    if not isinstance(cell, str):
        return cell
    text = strip_controls(cell)
    return f"'{text}" if text[:1] in _FORMULA else text


_FORMULA = frozenset("=+-@\t\n＝＋－＠")


def make_all_result_rows(
    outcomes: Iterable[Outcome], header: SweepHeader, *, without_noisy: bool = False
) -> list[ResultRow]:
    """Make the rows of results.csv; with ``without_noisy`` their medians leave out noisy epochs."""
    return [row for outcome in outcomes for row in rows.make_result_rows(outcome, header, without_noisy=without_noisy)]


def write_tables(
    folder: ReportFolder, outcomes: Sequence[Outcome], header: SweepHeader, results: Sequence[ResultRow] | None = None
) -> None:
    """Write results.csv, epochs.csv and phases.csv; ``results`` are the first one's rows, if they are made."""
    found = make_all_result_rows(outcomes, header) if results is None else results
    write_whole(folder.results, iterate_csv(ResultRow, found))
    epochs = itertools.chain.from_iterable(map(rows.make_epoch_rows, outcomes))
    write_whole(folder.epochs, iterate_csv(EpochRow, epochs))
    phases = itertools.chain.from_iterable(map(rows.make_phase_rows, outcomes))
    write_whole(folder.phases, iterate_csv(PhaseRow, phases))


@dataclass
class GrowingTables:
    """Writes the tables while a sweep runs: each case adds its own rows, however many were written before."""

    folder: ReportFolder
    header: SweepHeader
    _written: dict[str, Outcome] = field(default_factory=dict)
    _results: dict[str, list[str]] = field(default_factory=dict)
    """Each case's lines of results.csv, which is small and always written as a whole."""
    _may_append: bool = False
    """Whether epochs.csv and phases.csv hold exactly what was written, so that lines may be appended."""

    def write(self, outcomes: Mapping[str, Outcome]) -> None:
        """Write the tables of all outcomes, by their cases' ids. Raises `OSError`; the next call then writes all."""
        new = [outcome for case_id, outcome in outcomes.items() if self._written.get(case_id) is not outcome]
        appends = self._may_append and not any(outcome.case.case_id in self._written for outcome in new)
        self._may_append = False
        for outcome in new:
            _first, *lines = iterate_csv(ResultRow, rows.make_result_rows(outcome, self.header))
            self._results[outcome.case.case_id] = lines
        head = iterate_csv(ResultRow, [])
        write_whole(self.folder.results, itertools.chain(head, *(self._results[case_id] for case_id in outcomes)))
        long_tables: tuple[tuple[Path, type[BaseModel], Callable[[Outcome], Iterable[BaseModel]]], ...] = (
            (self.folder.epochs, EpochRow, rows.make_epoch_rows),
            (self.folder.phases, PhaseRow, rows.make_phase_rows),
        )
        for path, kind, make_rows in long_tables:
            records = (row for outcome in (new if appends else outcomes.values()) for row in make_rows(outcome))
            if appends:
                with path.open("a", encoding="utf-8", newline="") as file:
                    file.writelines(itertools.islice(iterate_csv(kind, records), 1, None))
            else:
                write_whole(path, iterate_csv(kind, records))
        self._written = dict(outcomes)
        self._may_append = True


def write_environment(folder: ReportFolder, header: SweepHeader) -> None:
    """Write environment.json: the machine, its software, and what was to be measured."""
    write_json(folder.environment, header.model_dump(mode="json", exclude={"kind"}))


def write_status(folder: ReportFolder, header: SweepHeader, outcomes: Sequence[Outcome], exit_code: int) -> None:
    """Write status.json: how the planned cases and the further processes ended, and the exit code."""
    planned, further = header.split_outcomes(outcomes)
    count = len(header.cases)
    counts, of_further = (Counter[str](outcome.status for outcome in some) for some in (planned, further))
    status = {
        "schema_version": header.schema_version,
        "exit_code": exit_code,
        "complete": counts["ok"] == count,
        "cases": {"planned": count, "not_run": count - len(planned)} | counts,
        "further_processes": {"run": len(further)} | of_further,
        "failures": [
            {"case_id": outcome.case.case_id, "status": outcome.status, "error": outcome.error}
            for outcome in outcomes
            if outcome.status != "ok"
        ],
    }
    write_json(folder.status, status)


Later = Callable[[], Any]
"""A part of a JSON document that is only made when it is written, and not kept."""


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON piece by piece; any part of it may be a `Later`."""
    encoder = json.JSONEncoder(indent=2, ensure_ascii=False, allow_nan=False, default=lambda later: later())
    write_whole(path, itertools.chain(encoder.iterencode(value), ["\n"]))
