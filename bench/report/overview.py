"""All cases in one table: at their last checkpoint, and at every one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bench.console.table import Table
from bench.report import variants
from bench.report.summary import group_cases, list_models
from bench.report.tables import format_line, format_loss, format_total, select_columns
from bench.results import stats
from bench.results.schema import ResultRow
from bench.results.speed import CaseSpeed

_TOTAL, _BCE = "total s at", "bce at"
_LAST = ("s/epoch", "steady", "MiB", "J/epoch")


def tabulate_overview(rows: Sequence[ResultRow], speeds: Mapping[str, CaseSpeed]) -> Table:
    """Tabulate every case at the last checkpoint that it reached."""
    varying = variants.find_varying(rows)
    headers = ("epochs", "total s", "s/epoch", "steady", "quiet", "95 %", "MiB", "J/epoch", "bce", "remarks")
    lines = [_format_last(case, varying, speeds) for case in _list_cases(rows)]
    return select_columns("All models at their last checkpoint", lines, ("model", "batch", *varying, *headers))


def tabulate_cases(rows: Sequence[ResultRow], speeds: Mapping[str, CaseSpeed]) -> Table:
    """Tabulate every case in a line: the time and bce at each checkpoint, s/epoch, MiB and J/epoch at the last one.

    Where the terminal is narrow, checkpoints that no case ends with are left out, their bce first.
    """
    varying, counts = variants.find_varying(rows), _list_epoch_counts(rows)
    cases = _list_cases(rows)
    lines = [_format_last(case, varying, speeds) | _format_checkpoints(case, counts) for case in cases]
    headers = ("model", "batch", *varying, *_name(_TOTAL, counts), *_LAST, *_name(_BCE, counts))
    title = "Every case" if len(counts) == 1 else "Every case: s/epoch and MiB at its last checkpoint"
    table = select_columns(title, lines, headers)
    early = [count for count in counts if all(count < max(row.epochs for row in case) for case in cases)]
    several = "; 2×9: of two processes, 9 epochs each" if any("×" in line.get("steady", "") for line in lines) else ""
    energy = tuple({"J/epoch"} & set(table.headers))
    notes = (f"steady: of how many epochs s/epoch is the median{several}.",) if "steady" in table.headers else ()
    return replace(table, notes=notes, optional=(*energy, *_name(_BCE, early), *_name(_TOTAL, early), "steady"))


def _list_cases(rows: Sequence[ResultRow]) -> list[list[ResultRow]]:
    """List the rows of each case, the models in the catalog's order."""
    cases = group_cases(rows)
    ordered = sorted(cases.items(), key=lambda item: [part or 0 for part in item[0]])  # threads may be None
    return [case for model in list_models(rows) for (name, *_), case in ordered if name == model]


def _list_epoch_counts(rows: Sequence[ResultRow]) -> list[int]:
    return sorted({row.epochs for row in rows})


def _name(words: str, counts: Sequence[int]) -> list[str]:
    return [f"{words} {count}" for count in counts]


def _format_last(case: Sequence[ResultRow], varying: Sequence[str], speeds: Mapping[str, CaseSpeed]) -> dict[str, str]:
    """Format a case at the last checkpoint that it reached; at its first one where it reached none."""
    reached = [row.epochs for row in case if row.status == "ok"]
    last = max(reached) if reached else min(row.epochs for row in case)
    return format_line([row for row in case if row.epochs == last], varying, speeds)


def _format_checkpoints(case: Sequence[ResultRow], counts: Sequence[int]) -> dict[str, str]:
    """Format the total time and the bce of a case at each epoch count; how it ended where it did not reach one."""
    cells: dict[str, str] = {}
    for count in counts:
        processes = [row for row in case if row.epochs == count]
        ok = [row for row in processes if row.status == "ok"]
        total, bce = (
            stats.compute_median_of_known(getattr(row, name) for row in ok) for name in ("total_s", "val_bce")
        )
        failed = processes and not ok
        cells[f"{_TOTAL} {count}"] = processes[0].status if failed else format_total(total)
        cells[f"{_BCE} {count}"] = format_loss(bce)
    return cells
