"""The reports of the collection, and which of them are of one machine and environment.

A process counts once, however many of them have it: a sweep that went on may have been kept before, too.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.errors import InvalidInput, quote
from bench.host.fingerprint import Fingerprint, make_label
from bench.plan.catalog import read_backends
from bench.results.folder import ReportFolder
from bench.results.reader import Report, Row, read_all_columns
from bench.results.schema import ResultRow

_LONGEST_FACT = 60

Process = tuple[str, str]
"""Its case, and when it began."""


class ReferenceRow(ResultRow):
    """A row of results.csv, and which report it is from."""

    report: str
    """The name of its folder."""


@dataclass(frozen=True)
class Reference:
    """One committed report."""

    name: str
    """Its folder's."""
    folder: ReportFolder
    report: Report
    rows: tuple[ReferenceRow, ...]
    """Those that reached their checkpoint, with all columns."""


@dataclass(frozen=True)
class Group:
    """The reports of one machine in one environment: only their figures are put together.

    Where reports trained on different backends, the versions of those that a report did not use do not matter.
    """

    label: str
    """Processor and usable cores, and what differs where several groups have these."""
    references: tuple[Reference, ...]

    @property
    def fingerprint(self) -> Fingerprint:
        """What all of them were measured on."""
        return self.references[0].report.fingerprint

    @cached_property
    def rows(self) -> tuple[ReferenceRow, ...]:
        """The rows of all of them, each process' once."""
        rows = (row for reference in self.references for row in reference.rows)
        found: dict[tuple[Process, int], ReferenceRow] = {}
        for row in rows:
            found.setdefault((identify(row), row.epochs), row)
        return tuple(found.values())


def read_references(folder: Path) -> list[Reference]:
    """Read every report of a folder of references. Raises `InvalidInput` that says which cannot be read, and why."""
    references, refusals = [], []
    for file in sorted(folder.glob("*/results.csv")):
        try:
            report, rows = read_all_columns(file)
        except InvalidInput as error:
            refusals.append(str(error))
            continue
        name = file.parent.name
        ok = tuple(name_report(row, name) for row in rows if row.status == "ok")
        references.append(Reference(name, ReportFolder(file.parent), report, ok))
    if refusals:
        raise InvalidInput("references that this aebench cannot read:\n" + "\n".join(f"  {each}" for each in refusals))
    return references


def name_report(row: ResultRow, report: str) -> ReferenceRow:
    """Add to a row the name of its report."""
    return ReferenceRow(**row.model_dump(), report=report)


def group_references(references: Sequence[Reference]) -> list[Group]:
    """Group reports by machine and environment, in the order of their names."""
    groups: list[list[Reference]] = []
    for reference in references:
        known = (group for group in groups if all(_is_alike(reference, each) for each in group))
        group = next(known, None)
        if group is None:
            groups.append([reference])
        else:
            group.append(reference)
    labels = _number_equals([_label(each, groups) for each in groups])
    return [Group(label, tuple(group)) for label, group in zip(labels, groups, strict=True)]


def identify(row: Row | ResultRow) -> Process:
    """Return what tells a process from all others of its machine."""
    return row.case_id, row.started_at


def _is_alike(one: Reference, other: Reference) -> bool:
    """Whether two reports are of one machine, with the same software as far as both used it."""
    backends = read_backends()
    sides = [each.report.fingerprint.model_dump(exclude=set(backends)) for each in (one, other)]
    used = [_list_backends([each]) for each in (one, other)]
    common = [name for name in backends if all(name in names for names in used)]
    versions = [[getattr(each.report.fingerprint, name) for name in common] for each in (one, other)]
    return one.report.machine_id == other.report.machine_id and sides[0] == sides[1] and versions[0] == versions[1]


def _label(group: Sequence[Reference], groups: Sequence[Sequence[Reference]]) -> str:
    """Name the machine, and what distinguishes it from those of the same processor and cores."""
    machine = group[0].report.fingerprint
    label = make_label(machine)
    alike = [each for each in groups if make_label(each[0].report.fingerprint) == label]

    def list_values(name: str) -> set[Any]:
        return {getattr(each[0].report.fingerprint, name) for each in alike if name in _list_used_fields(each)}

    names = [name for name in _list_used_fields(group) if len(list_values(name)) > 1]
    facts = ", ".join(filter(None, (_describe_fact(name, getattr(machine, name)) for name in names)))
    return f"{label} ({facts})" if facts else label


def _list_backends(references: Sequence[Reference]) -> set[str]:
    """List the backends that reports trained on: the versions of others change nothing in them."""
    return {row.backend for each in references for row in each.rows}


def _list_used_fields(references: Sequence[Reference]) -> list[str]:
    """List a fingerprint's fields without the versions of backends that the reports did not train on."""
    unused = set(read_backends()) - _list_backends(references)
    return [name for name in Fingerprint.model_fields if name not in unused]


def _describe_fact(name: str, value: Any) -> str:
    # A label stands in headings and tables of Markdown.
    text = re.sub(r"[^\w .:=+-]+", " ", quote(value, _LONGEST_FACT))
    if name == "env_flags":  # each has its own name, and most machines have none
        return "" if value is None else text
    return f"no {name}" if value is None else f"{name} {text}"


def _number_equals(labels: Sequence[str]) -> list[str]:
    return [
        f"{label} #{labels[: place + 1].count(label)}" if labels.count(label) > 1 else label
        for place, label in enumerate(labels)
    ]
