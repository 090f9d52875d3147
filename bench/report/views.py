"""Tables as a page shows them: what the headings mean, and by what the cells are sorted."""

import itertools
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.console.table import Table
from bench.report.tables import NOT_MEASURED
from bench.results.schema import ResultRow

_FILTERED_FROM = 5
"""Rows from which a table can be filtered."""

READING = """\
Only `bce` compares across models: the loss of the variational model is a sum over pixels, the loss of the sparse ones \
includes their penalty.
Each case ran in a fresh process; its epoch counts are checkpoints on one run. Where a case ran in several processes, \
its figures are medians over them.
`results.csv` has every column in full precision; `epochs.csv` has every epoch, and says what made it noisy.
The terms are explained in `docs/glossary.md` of aebench.\
""".splitlines()
"""What applies to all tables."""


@dataclass(frozen=True)
class Column:
    """The heading of a column, and what it means."""

    label: str
    unit: str
    """Empty where the label has it."""
    hint: str
    """How its numbers were measured; empty where its label says all."""
    is_text: bool
    is_key: bool = False
    """Whether it says which case a row is about: what a filter looks in."""

    @property
    def anchor(self) -> str:
        """The id of its hint on the page; columns with the same hint share it."""
        return f"hint-{zlib.crc32(self.hint.encode()):08x}"


@dataclass(frozen=True)
class Cell:
    """A text, and its sort key: a number, "" for the end of the table, or None to sort by the text."""

    text: str
    sort: str | None


@dataclass(frozen=True)
class TableView:
    """A table that can be sorted and, where it is long, filtered."""

    anchor: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...]
    has_filter: bool

    @property
    def placeholder(self) -> str:
        """What to filter by: the headings of the first columns that a filter looks in."""
        return ", ".join(column.label for column in self.columns if column.is_key and column.label != _REMARKS)


_FIELDS = {
    "batch": "batch_size",
    "total s": "total_s",
    "steady": "steady_epochs",
    "s/epoch": "epoch_s_median",
    "quiet": "epoch_s_quiet",
    "95 %": "epoch_s_low",
    "first": "first_epoch_s",
    "train": "train_loss",
    "val": "val_loss",
    "bce": "val_bce",
    "MiB": "peak_rss_mib",
    "J/epoch": "epoch_j",
    "dead": "dead_units",
    "GFLOP/s": "gflop_per_s",
    "of peak": "peak_fraction",
}
"""The field of `ResultRow` for a heading that is not its name; the field explains a heading without a hint."""
_REMARKS = "remarks"
_HINTS = {
    "95 %": (
        "s",
        (
            "where the median of many runs on a quiet machine lies, with a probability of 95 %; in brackets, the "
            "processes that say so"
        ),
    ),
    "dead": ("of all units", "code units that stay at zero for every validation image, of all code units"),
    "steady": (
        "epochs",
        "epochs that the median is taken over, where they are fewer than ten; 2×9: two processes of nine or more each",
    ),
    _REMARKS: (
        "",
        (
            "noisy: epochs in which other programs or the hypervisor took the processor; not steady: the times after "
            "the warm-up have a trend"
        ),
    ),
    "trained by": (
        "",
        "loop, with backend, precision and threads where they are not TensorFlow, float32 and the backend's own choice",
    ),
    "× fit": ("", "how many times as fast an epoch is as with `fit` in float32: above one is faster"),
    "end to end": (
        "",
        "how many times as fast as `fit` from the start of the process to the checkpoint, with a start in common",
    ),
    "pays from": ("epochs", "from so many epochs on it is faster than `fit` in all, start and compilation included"),
    "of fit": ("", "peak resident memory as a percentage of that of `fit`"),
    "of peak": ("", "arithmetic rate as a percentage of the machine's measured peak in the same precision"),
    "published": ("", "what the blog or one of its readers reported"),
    "ours": ("", "the same figure here, measured or projected"),
    "ratio": ("ours to published", "below one: ours is smaller"),
    "how": (
        "",
        (
            "measured, or projected: the median time of a step here, times the steps of that run on the full MNIST; "
            "only time is projected. Then what differs from the published run"
        ),
    ),
}
_THRESHOLD_HINT = (
    "epochs, s",
    (
        "epochs, and training seconds with compilation, until `val_bce` was at most that. At most: it is known for "
        "checkpoints only, since the loss has other terms than the cross-entropy"
    ),
)


_AT_A_CHECKPOINT = re.compile(r" at \d+$")


def make_view(table: Table, anchor: str, *, explain: bool = True) -> TableView:
    """Make a view of a table; ``anchor`` is its id on the page, its headings are explained as those of a report."""
    columns = list_columns(table, explain=explain)
    rows = tuple(
        tuple(
            Cell(text, None if column.is_text else _find_sort_key(text))
            for text, column in zip(row, columns, strict=True)
        )
        for row in table.rows
    )
    return TableView(anchor, table.title, tuple(columns), rows, table.notes, len(rows) >= _FILTERED_FROM)


def list_columns(table: Table, *, explain: bool = True) -> list[Column]:
    """List a table's columns with what their headings mean."""
    return [
        Column(
            header,
            *(_explain(header) if explain else ("", "")),
            is_text=(is_text := place < table.labels or not _is_numeric(header, [row[place] for row in table.rows])),
            is_key=is_text or header in _KEYS,
        )
        for place, header in enumerate(table.headers)
    ]


_KEYS = frozenset({"epochs", "batch"})
"""Headings of columns that are numbers and yet say which case a row is about."""


def list_explained(tables: Iterable[Sequence[Column]]) -> list[Column]:
    """List the columns of all tables that have a hint, each hint once."""
    found: dict[str, Column] = {}
    for column in itertools.chain.from_iterable(tables):
        if column.hint:
            found.setdefault(column.hint, column)
    return list(found.values())


def _explain(header: str) -> tuple[str, str]:
    """Return the unit and the hint of a heading."""
    if header.startswith("≤"):
        return _THRESHOLD_HINT
    header = _AT_A_CHECKPOINT.sub("", header)
    if header in _HINTS:
        return _HINTS[header]
    field = ResultRow.model_fields.get(_FIELDS.get(header, header))
    extra = field.json_schema_extra if field else None
    if field is None or not isinstance(extra, dict):
        return "", ""
    unit = str(extra["unit"])
    is_in_label = unit in {header, *re.split(r"\W", header)}
    empty = f"; {NOT_MEASURED}: {extra['empty']}" if extra["empty"] else ""
    return "" if is_in_label else unit, f"{field.description}{empty}"


def _is_numeric(header: str, cells: Sequence[str]) -> bool:
    """Whether a column holds numbers, or would hold some if they had been measured."""
    if header == _REMARKS:  # words, though "2/3 noisy" begins with a number
        return False
    field = ResultRow.model_fields.get(_FIELDS.get(header, header))
    return any(map(_find_sort_key, cells)) or (field is not None and field.annotation in _NUMERIC)


_NUMERIC: tuple[Any, ...] = (int, float, int | None, float | None)


_NUMBER = re.compile(r"(?:at most |[+±])?(-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?)")
_DURATION = re.compile(r"(?:(\d+) h )?(?:(\d+) min )?(\d+) (s|min)")


def _find_sort_key(text: str) -> str:
    """Return the number that a cell begins with, durations in seconds; empty where it begins with none."""
    if duration := _DURATION.fullmatch(text):
        hours, minutes, last, unit = duration.groups()
        return str(3600 * int(hours or 0) + 60 * int(minutes or 0) + int(last) * (60 if unit == "min" else 1))
    found = _NUMBER.match(text)
    return found[1].replace(",", "") if found else ""
