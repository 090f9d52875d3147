"""`aebench compare`: reports of several machines, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from bench.compare import page
from bench.compare.cases import Machine, add_labels, read_machine
from bench.compare.contents import ComparisonReport
from bench.compare.costs import parse_prices
from bench.compare.machines import compare_machines
from bench.console.output import make_console, say
from bench.console.table import Table, print_lines, print_table
from bench.errors import ExitCode, InvalidInput, format_count, quote
from bench.results import reader

_FEW = 20
"""Lines of the main table that are printed unless all tables are asked for."""
_FEW_NOTES = 3
_SHOWN_LABELS = 10


@dataclass(frozen=True)
class CompareRequest:
    """What a person asked for."""

    paths: Sequence[Path]
    reference: str | None = None
    prices: str | None = None
    """Per hour: "A=0.4,B=1.1"."""
    all_tables: bool = False
    out: Path | None = None


def compare_reports(request: CompareRequest, console: Console | None = None) -> int:
    """Print machines side by side, and write the comparison to ``request.out`` if given; returns the exit code.

    2 where a report was refused, after the others were compared; 4 where nothing can be compared. Raises
    `InvalidInput` where no two reports can be read, no report is the reference, or the prices are none.
    """
    console = console or make_console()
    reports = _read_reports(request.paths, request.reference)
    try:
        chosen = _choose_reference(reports, request.paths, request.reference)
        machines = add_labels(reports.machines)
        prices = parse_prices(request.prices, machines) if request.prices is not None else {}
        comparison = compare_machines(machines[chosen], [*machines[:chosen], *machines[chosen + 1 :]])
        report = ComparisonReport(comparison, tuple(reports.notes), prices)
        print_comparison(report, console, all_tables=request.all_tables, has_page=request.out is not None)
        if request.out is not None:
            say(console, f"Comparison: {page.write_files(request.out, report)}")
    finally:
        for refusal in reports.refusals:
            say(Console(stderr=True), f"aebench: refused: {refusal}")
    if reports.refusals:
        return ExitCode.INVALID_INPUT
    return ExitCode.OK if comparison.is_comparable else ExitCode.INCOMPARABLE


def print_comparison(
    report: ComparisonReport, console: Console, *, all_tables: bool = False, has_page: bool = False
) -> None:
    """Print the answer, the main table and what was not compared; with ``all_tables`` everything.

    Where neither that nor a page shows the rest, say how to see it.
    """
    print_lines(console, [*report.answer, ""])
    for table in report.tables if all_tables else [_cut(table) for table in report.main_tables]:
        print_table(console, table)
    notes = report.notes if all_tables else report.notes[:_FEW_NOTES]
    print_lines(console, [*(f"Note: {line}" for line in notes), *([""] if notes else [])])
    if not all_tables and not has_page:
        left = f" and {format_count(len(report.notes) - len(notes), 'note')} more" if notes != report.notes else ""
        print_lines(console, [f"--tables prints all tables{left}; --out DIR writes them as a page."])


def _cut(table: Table) -> Table:
    """A table's first lines, with a note of how many more there are."""
    if len(table.rows) <= _FEW:
        return table
    note = f"{format_count(len(table.rows) - _FEW, 'more line')}: --tables prints all."
    return replace(table, rows=table.rows[:_FEW], notes=(*table.notes, note))


# ------------------------------------------------------------------ the reports


@dataclass(frozen=True)
class _Reports:
    """What was read of the reports that a person named."""

    machines: list[Machine] = field(default_factory=list)
    files: dict[object, int] = field(default_factory=dict)
    """Each machine's number by the identity of its results.csv on the disk."""
    refusals: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _read_reports(paths: Sequence[Path], reference: str | None) -> _Reports:
    """Read every report once, the reference too where it is a path; a bad one does not keep others from being read."""
    reports = _Reports()
    seen: set[object] = set()
    for path in paths:
        file = _identify_file(path)
        if file in seen:
            reports.notes.append(f"{quote(path)} was named twice and is compared once.")
        else:
            seen.add(file)
            _add_report(reports, path)
    if reference is not None:
        path = Path(reference)
        file = _identify_file(path)
        if file != path and file not in seen:
            _add_report(reports, path)
    return reports


def _add_report(reports: _Reports, path: Path) -> None:
    try:
        report = reader.read_report(path)
    except InvalidInput as error:
        reports.refusals.append(str(error))
        return
    reports.files[_identify_file(path)] = len(reports.machines)
    reports.machines.append(read_machine(report))
    reports.notes.extend(f"{quote(path)}: {note}." for note in report.notes)


def _identify_file(path: Path) -> object:
    """The same for all ways to name one file; the path itself where there is none."""
    try:
        found = reader.find_results(path).stat()
    except (OSError, ValueError):
        return path
    return (found.st_dev, found.st_ino)


def _choose_reference(reports: _Reports, paths: Sequence[Path], reference: str | None) -> int:
    """The number of the machine that is the reference. Raises `InvalidInput`."""
    machines = reports.machines
    if len(machines) < 2:
        if reports.refusals:
            found = f"{len(machines)} could be read"
        elif len(paths) > 1:
            found = f"{quote(paths[0])} and {quote(paths[1])} are one and the same"
        else:
            found = f"got {format_count(len(machines), 'report')}"
        raise InvalidInput(f"compare takes two reports or more, folders or results.csv files; {found}.")
    if reference is None:
        return 0
    labels = [each.label for each in add_labels(machines)]
    if reference in labels:
        return labels.index(reference)
    file = _identify_file(Path(reference))
    if file in reports.files:
        return reports.files[file]
    known = ", ".join(labels[:_SHOWN_LABELS]) + (", …" if len(labels) > _SHOWN_LABELS else "")
    raise InvalidInput(
        f"--reference takes a report that can be read or a machine's label; got {quote(reference)!r}. Known: {known}"
    )
