"""The CSV and JSON files of a report folder, each rewritten whole from the journal's rows."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
from pydantic import BaseModel

from bench import rows
from bench.folder import ReportFolder, write_whole
from bench.record import EpochRow, Outcome, PhaseRow, ResultRow, SweepHeader


def csv_text(kind: type[BaseModel], records: Iterable[BaseModel]) -> str:
    """Rows as CSV: full precision, empty where not measured, decimal points in every locale."""
    frame = pd.DataFrame([record.model_dump() for record in records], columns=list(kind.model_fields), dtype=object)
    return frame.to_csv(index=False, lineterminator="\n")


def result_rows(outcomes: Iterable[Outcome], header: SweepHeader, *, without_flagged: bool = False) -> list[ResultRow]:
    """The rows of results.csv; with ``without_flagged``, their medians without flagged epochs."""
    return [row for outcome in outcomes for row in rows.result_rows(outcome, header, without_flagged=without_flagged)]


def write_tables(folder: ReportFolder, outcomes: Sequence[Outcome], header: SweepHeader) -> None:
    """Write results.csv, epochs.csv and phases.csv."""
    epochs = [row for outcome in outcomes for row in rows.epoch_rows(outcome)]
    phases = [row for outcome in outcomes for row in rows.phase_rows(outcome)]
    write_whole(folder.results, csv_text(ResultRow, result_rows(outcomes, header)))
    write_whole(folder.epochs, csv_text(EpochRow, epochs))
    write_whole(folder.phases, csv_text(PhaseRow, phases))


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


def write_json(path: Any, value: Any) -> None:
    """Write indented JSON."""
    write_whole(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
