"""`aebench compare`: reports of several machines, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from bench.compare import page, sentences, tables
from bench.compare.cases import Machine, add_labels, read_machine
from bench.compare.machines import Comparison, compare_machines
from bench.console.output import make_console, say
from bench.console.table import print_table
from bench.errors import ExitCode, InvalidInput, format_count, quote
from bench.results import reader

_FEW = 20
"""Lines of a table or a list that are printed; files have all."""
_SHOWN_LABELS = 10


def compare_reports(
    paths: Sequence[Path],
    reference: str | None = None,
    out: Path | None = None,
    console: Console | None = None,
) -> int:
    """Print machines side by side, and write the comparison to ``out`` if given; returns the exit code.

    2 where a report was refused, after the others were compared; 4 where nothing can be compared. Raises
    `InvalidInput` where no two reports can be read, or no report is the ``reference``.
    """
    console = console or make_console()
    reports = _read_reports(paths, reference)
    try:
        chosen = _choose_reference(reports, paths, reference)
        machines = add_labels(reports.machines)
        comparison = compare_machines(machines[chosen], [*machines[:chosen], *machines[chosen + 1 :]])
        _print_comparison(comparison, reports.notes, console)
        if out is not None:
            say(console, f"\nComparison: {page.write_files(out, comparison, reports.notes)}")
    finally:
        for refusal in reports.refusals:
            say(Console(stderr=True), f"aebench: refused: {refusal}")
    if reports.refusals:
        return ExitCode.INVALID_INPUT
    return ExitCode.OK if comparison.is_comparable else ExitCode.INCOMPARABLE


def _print_comparison(comparison: Comparison, notes: Sequence[str], console: Console) -> None:
    say(console, "")
    for table in tables.build_tables(comparison, console.width, most=_FEW):
        print_table(console, table)
    for line in [*sentences.describe_missing(comparison, most=_FEW), *notes]:
        say(console, f"Note: {line}")
    say(console, "")
    for line in sentences.summarize_all(comparison, most=_FEW):
        say(console, line)


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
