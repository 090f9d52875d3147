"""`aebench compare`: reports of several machines, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from bench.compare import page, sentences, tables
from bench.compare.machines import compare
from bench.compare.points import Machine, labelled, machine
from bench.console.output import output, say
from bench.errors import ExitCode, InvalidInput, shown
from bench.results import reader

_FEW = 20
"""Lines of a table or a list; files have all."""
_SHOWN_LABELS = 10


@dataclass(frozen=True)
class _Intake:
    """What was read of the reports that a person named."""

    machines: list[Machine] = field(default_factory=list)
    places: dict[object, int] = field(default_factory=dict)
    """Each machine's number by what its results.csv is on the disk."""
    refusals: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def show_comparison(
    paths: Sequence[Path],
    reference: str | None = None,
    out: Path | None = None,
    console: Console | None = None,
) -> int:
    """Print machines side by side, and write the comparison to ``out`` if given; returns the exit code.

    2 where a report was refused, after the others were compared; 4 where nothing may be compared. Raises
    `InvalidInput` where no two reports can be read, or no report is the ``reference``.
    """
    console = console or output()
    taken = _taken([*paths, *_further(paths, reference)])
    try:
        chosen = _chosen(taken, reference)
        machines = labelled(taken.machines)
        compared = compare(machines[chosen], [each for each in machines if each is not machines[chosen]])
        for table in tables.tables(compared, console.width, most=_FEW):
            console.print()
            console.print(table.rich())
        for line in [*sentences.remarks(compared, most=_FEW), *taken.notes]:
            say(console, f"Note: {line}")
        say(console, "")
        for line in sentences.verdicts(compared, most=_FEW):
            say(console, line)
        if out is not None:
            say(console, f"\nComparison: {page.write(out, compared, taken.notes)}")
    finally:
        _tell_refusals(taken.refusals)
    if taken.refusals:
        return ExitCode.INVALID_INPUT
    return ExitCode.OK if compared.comparable else ExitCode.INCOMPARABLE


def _taken(paths: Sequence[Path]) -> _Intake:
    """Read every report once; what is wrong with one is told and keeps no other from being read."""
    taken = _Intake()
    for path in paths:
        place = _place(path)
        if place in taken.places:
            taken.notes.append(f"{shown(path)} was named twice and is compared once.")
            continue
        try:
            report = reader.read(path)
        except InvalidInput as error:
            taken.refusals.append(str(error))
            continue
        taken.places[place] = len(taken.machines)
        taken.machines.append(machine(report))
        taken.notes.extend(f"{shown(path)}: {note}." for note in report.notes)
    return taken


def _further(paths: Sequence[Path], reference: str | None) -> list[Path]:
    """The reference where it is a path that is not among the reports."""
    if reference is None or isinstance(_place(Path(reference)), Path):
        return []
    return [] if _place(Path(reference)) in set(map(_place, paths)) else [Path(reference)]


def _place(path: Path) -> object:
    """The same for all ways to name one file; the path itself where there is none."""
    try:
        found = reader.find_results(path).stat()
    except (OSError, ValueError):
        return path
    return (found.st_dev, found.st_ino)


def _chosen(taken: _Intake, reference: str | None) -> int:
    """Which of the machines is the reference."""
    if len(taken.machines) < 2:
        found = f"{len(taken.machines)} could be read" if taken.refusals else f"got {len(taken.machines)}"
        raise InvalidInput(f"compare takes two reports or more, folders or results.csv files; {found}.")
    if reference is None:
        return 0
    labels = [each.label for each in labelled(taken.machines)]
    if reference in labels:
        return labels.index(reference)
    place = _place(Path(reference))
    if place in taken.places:
        return taken.places[place]
    known = ", ".join(labels[:_SHOWN_LABELS]) + (", …" if len(labels) > _SHOWN_LABELS else "")
    raise InvalidInput(
        f"--reference takes a report that can be read or a machine's label; got {shown(reference)!r}. Known: {known}"
    )


def _tell_refusals(refusals: Sequence[str]) -> None:
    console = Console(stderr=True)
    for refusal in refusals:
        say(console, f"aebench: refused: {refusal}")
