"""How processes failed, in words."""

from collections.abc import Iterable

from bench.errors import format_count
from bench.results.reader import Row


def describe_failures(rows: Iterable[Row]) -> list[str]:
    """How a case's processes failed, each at the first checkpoint that it missed: "oom at 50 epochs"."""
    falling = sorted(rows, key=lambda row: row.epochs, reverse=True)
    missed = {row.repeat: row for row in falling if row.status != "ok"}  # the last to be set is the first checkpoint
    return list(dict.fromkeys(f"{row.status} at {format_count(row.epochs, 'epoch')}" for row in missed.values()))
