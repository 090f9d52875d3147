"""A sweep as pandas data frames, and as a few lines of HTML for a notebook: what `aebench.load` returns."""

import io
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup
from pydantic import BaseModel

from bench.console.table import Table
from bench.errors import InvalidInput, quote
from bench.report.contents import SweepReport
from bench.report.files import format_csv
from bench.report.summary import select_last_rows
from bench.results import rows
from bench.results.folder import ReportFolder
from bench.results.journal import read_journal
from bench.results.process_schema import EpochRow, PhaseRow
from bench.results.schema import ResultRow
from bench.results.speed import CaseSpeed, name_case
from bench.results.stats import compute_median_of_known

_NAMES = (
    "model",
    "backend",
    "loop",
    "precision",
    "threads",
    "optimizer",
    "learning_rate",
    "batch_size",
    "epochs",
    "dataset",
    "seed",
)
_MEDIANS = (
    *("total_s", "epoch_s_median", "noisy_epochs", "first_epoch_s", "samples_per_s", "peak_rss_mib"),
    *("train_loss", "val_loss", "val_bce", "dead_units", "code_units", "params"),
)


def read_sweep(root: Path) -> SweepReport:
    """Read a report folder from its journal. Raises `InvalidInput` where it is none."""
    folder = ReportFolder(root)
    if not folder.journal.exists():
        raise InvalidInput(
            f"{quote(root)} is not a report folder: it has no {folder.journal.name}. Give a folder that `aebench run` "
            "wrote; for a results.csv alone there are pandas.read_csv and aebench.compare."
        )
    stored = read_journal(folder.journal)
    return SweepReport(folder, stored.header, list(stored.latest.values()), stored.notes)


def list_sentences(report: SweepReport) -> list[str]:
    """List what a reader wants to know first, and what of the journal could not be read."""
    return [*report.answer, *(f"The journal's {note}." for note in report.notes)]


def describe_environment(report: SweepReport) -> dict[str, Any]:
    """Return what environment.json holds."""
    return report.header.model_dump(mode="json", exclude={"kind"})


def tabulate_checkpoints(report: SweepReport) -> pd.DataFrame:
    """Tabulate the rows of results.csv."""
    return _read_frame(ResultRow, report.rows)


def tabulate_epochs(report: SweepReport) -> pd.DataFrame:
    """Tabulate the rows of epochs.csv."""
    return _read_frame(EpochRow, chain.from_iterable(map(rows.make_epoch_rows, report.outcomes)))


def tabulate_phases(report: SweepReport) -> pd.DataFrame:
    """Tabulate the rows of phases.csv."""
    return _read_frame(PhaseRow, chain.from_iterable(map(rows.make_phase_rows, report.outcomes)))


def _read_frame(kind: type[BaseModel], records: Iterable[BaseModel]) -> pd.DataFrame:
    """Read rows as the CSV file holds them, so that a column has the type that it has for whoever reads the file."""
    return read_frame(format_csv(kind, records))


def read_frame(text: str) -> pd.DataFrame:
    """Read the text of a CSV file of ours, where nothing but an empty cell is missing."""
    return pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=[""])


def tabulate_cases(report: SweepReport) -> pd.DataFrame:
    """Tabulate each case, also one that failed, at the last checkpoint that it reached, over its processes."""
    cases: dict[str, list[ResultRow]] = {}
    for row in report.rows:
        cases.setdefault(name_case(row), []).append(row)
    lines = [_combine_processes(name, found, report.speeds.get(name)) for name, found in cases.items()]
    frame = pd.DataFrame(lines, columns=["case", *_NAMES, "processes", "status", "error", *_FIGURES])
    return frame.astype(dict.fromkeys(_FIGURES, float))


_FIGURES = (*_MEDIANS[:2], "epoch_s_quiet", "epoch_s_low", "epoch_s_high", *_MEDIANS[2:])


def _combine_processes(name: str, found: Sequence[ResultRow], speed: CaseSpeed | None) -> dict[str, Any]:
    reached = select_last_rows(found)
    first = reached[0] if reached else found[-1]
    lost = next((row for row in found if row.status != "ok"), None)
    return {
        "case": name,
        **{column: getattr(first, column) for column in _NAMES},
        "processes": len(reached),
        "status": lost.status if lost else "ok",
        "error": lost.error if lost else None,
        **{column: compute_median_of_known(getattr(row, column) for row in reached) for column in _MEDIANS},
        **({f"epoch_s_{end}": getattr(speed, end) for end in ("quiet", "low", "high")} if speed else {}),
    }


def format_sweep(report: SweepReport) -> str:
    """Format the answer and the cases as HTML."""
    return format_html(list_sentences(report), report.overview)


def format_html(sentences: Iterable[str], table: Table) -> str:
    """Format sentences and a table as HTML for a notebook, which styles it; all text in it is escaped."""
    paragraphs = (Markup("<p>{}</p>").format(sentence) for sentence in sentences)
    lines = [
        _format_line("th", table.headers, table.labels),
        *(_format_line("td", row, table.labels) for row in table.rows),
    ]
    return str(Markup("").join([*paragraphs, Markup("<table>{}</table>").format(Markup("").join(lines))]))


def _format_line(tag: str, cells: Sequence[str], labels: int) -> Markup:
    sides = ("left" if place < labels else "right" for place in range(len(cells)))
    cell = Markup("<{} style='text-align: {}; white-space: nowrap'>{}</{}>")
    line = (cell.format(tag, side, text, tag) for side, text in zip(sides, cells, strict=True))
    return Markup("<tr>{}</tr>").format(Markup("").join(line))
