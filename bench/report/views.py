"""Tables as the page shows them: what each heading means, and what a cell is sorted by."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.console.table import Table
from bench.report.tables import NOT_MEASURED
from bench.results.schema import ResultRow

_FILTERED_FROM = 5
"""Rows from which a table can be filtered."""


@dataclass(frozen=True)
class Column:
    """A table's column as the page shows it."""

    label: str
    unit: str
    hint: str
    """How its numbers were taken; empty where its label says all."""
    is_text: bool


@dataclass(frozen=True)
class Cell:
    """Text, and what it is sorted by: a number, itself if None, or the end of the table if empty."""

    text: str
    sort: str | None


@dataclass(frozen=True)
class TableView:
    """A table that sorts and, where it is long enough, filters."""

    anchor: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...]
    filtered: bool


_COLUMNS = {
    "batch": "batch_size",
    "s/epoch": "epoch_s_median",
    "95 %": "epoch_s_ci_low",
    "first": "first_epoch_s",
    "train": "train_loss",
    "val": "val_loss",
    "bce": "val_bce",
    "MiB": "peak_rss_mib",
    "dead": "dead_units",
    "GFLOP/s": "gflop_per_s",
    "share": "peak_fraction",
}
"""The row's column behind a table's heading, where it has another name."""
_REMARKS = "remarks"
_HINTS = {
    "95 %": ("s", "that median's 95 % interval, from six epochs on; over several processes, theirs or their range"),
    "dead": ("of all units", "code units that stay at zero for every validation image, of all code units"),
    _REMARKS: ("", "noisy: epochs noisy by others; not steady: times after the warm-up with a trend"),
    "trained by": ("", "loop, with backend and precision where they are not TensorFlow and float32"),
    "× fit": ("", "times as fast as `fit`: above one is faster"),
    "of fit": ("", "peak resident memory as a share of that of `fit`"),
    "published": ("", "what the blog or a reader of it printed"),
    "ours": ("", "the same figure here: measured, or projected where the last column says so"),
    "ratio": ("ours to published", "below one: ours is smaller"),
    "ours is": ("", "projected: the median time of a step here, times the steps of that run; only time is projected"),
}
_UNTIL = "epochs, and training seconds with compilation, until the bce of the validation images was that low"


def view(table: Table, anchor: str) -> TableView:
    """A table of `bench.report.tables` for the page."""
    columns = [
        _column(header, is_text=place < table.labels or not _is_numeric(header, [row[place] for row in table.rows]))
        for place, header in enumerate(table.headers)
    ]
    rows = tuple(
        tuple(
            Cell(text, None if column.is_text else _sort_key(text)) for text, column in zip(row, columns, strict=True)
        )
        for row in table.rows
    )
    return TableView(anchor, table.title, tuple(columns), rows, table.notes, len(rows) >= _FILTERED_FROM)


def _is_numeric(header: str, cells: Sequence[str]) -> bool:
    """Whether a column holds numbers; one of figures that were not measured would hold some."""
    if header == _REMARKS:  # words, though "2/3 noisy" begins with a number
        return False
    field = ResultRow.model_fields.get(_COLUMNS.get(header, header))
    return any(map(_sort_key, cells)) or (field is not None and field.annotation in _NUMERIC)


_NUMERIC: tuple[Any, ...] = (int, float, int | None, float | None)


def _column(header: str, *, is_text: bool) -> Column:
    if header in _HINTS or header.startswith("≤"):
        unit, hint = _HINTS.get(header, ("epochs, s", _UNTIL))
        return Column(header, unit, hint, is_text)
    field = ResultRow.model_fields.get(_COLUMNS.get(header, header))
    extra = field.json_schema_extra if field else None
    if field is None or not isinstance(extra, dict):
        return Column(header, "", "", is_text)
    empty = f"; {NOT_MEASURED}: {extra['empty']}" if extra["empty"] else ""
    unit = str(extra["unit"])
    told = unit in {header, *re.split(r"\W", header)}
    return Column(header, "" if told else unit, f"{field.description}{empty}", is_text)


_NUMBER = re.compile(r"(?:at most )?(-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?)")
_DURATION = re.compile(r"(?:(\d+) h )?(?:(\d+) min )?(\d+) (s|min)")


def _sort_key(text: str) -> str:
    """The number that a cell begins with, durations in seconds; empty where it begins with none."""
    if duration := _DURATION.fullmatch(text):
        hours, minutes, last, unit = duration.groups()
        return str(3600 * int(hours or 0) + 60 * int(minutes or 0) + int(last) * (60 if unit == "min" else 1))
    found = _NUMBER.match(text)
    return found[1].replace(",", "") if found else ""
