"""The reports of the collection, and which of them are of one machine and environment."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import InvalidInput, quote
from bench.host.fingerprint import Fingerprint, make_label
from bench.results.reader import Report, read_all_columns
from bench.results.schema import ResultRow

_LONGEST_FACT = 60


@dataclass(frozen=True)
class Reference:
    """One committed report."""

    name: str
    """Its folder's."""
    report: Report
    rows: tuple[ResultRow, ...]
    """Those that reached their checkpoint, with all columns."""


@dataclass(frozen=True)
class Group:
    """The reports of one machine in one environment: only their figures are put together."""

    label: str
    """Processor and usable cores, and what differs where several groups have these."""
    references: tuple[Reference, ...]

    @property
    def fingerprint(self) -> Fingerprint:
        """What all of them were measured on."""
        return self.references[0].report.fingerprint

    @property
    def rows(self) -> tuple[ResultRow, ...]:
        """The rows of all of them."""
        return tuple(row for reference in self.references for row in reference.rows)


def read_references(folder: Path) -> list[Reference]:
    """Read every report of a folder of references. Raises `InvalidInput` that says which cannot be read, and why."""
    references, refusals = [], []
    for file in sorted(folder.glob("*/results.csv")):
        try:
            report, rows = read_all_columns(file)
        except InvalidInput as error:
            refusals.append(str(error))
            continue
        references.append(Reference(file.parent.name, report, tuple(row for row in rows if row.status == "ok")))
    if refusals:
        raise InvalidInput("references that this aebench cannot read:\n" + "\n".join(f"  {each}" for each in refusals))
    return references


def group_references(references: Sequence[Reference]) -> list[Group]:
    """Group reports by machine and environment, in the order of their names."""
    groups: dict[tuple[str, str], list[Reference]] = {}
    for reference in references:
        groups.setdefault((reference.report.machine_id, reference.report.environment_id), []).append(reference)
    prints = [group[0].report.fingerprint for group in groups.values()]
    labels = _number_equals([_label(each, prints) for each in prints])
    return [Group(label, tuple(group)) for label, group in zip(labels, groups.values(), strict=True)]


def _label(machine: Fingerprint, machines: Sequence[Fingerprint]) -> str:
    """Name the machine, and what distinguishes it from those of the same processor and cores."""
    label = make_label(machine)
    alike = [each for each in machines if make_label(each) == label]
    names = [name for name in Fingerprint.model_fields if len({getattr(each, name) for each in alike}) > 1]
    facts = ", ".join(_describe_fact(name, getattr(machine, name)) for name in names)
    return f"{label} ({facts})" if facts else label


def _describe_fact(name: str, value: Any) -> str:
    # A label stands in headings and tables of Markdown.
    text = re.sub(r"[^\w .:=+-]+", " ", quote(value, _LONGEST_FACT))
    return f"no {name}" if value is None else f"{name} {text}"


def _number_equals(labels: Sequence[str]) -> list[str]:
    return [
        f"{label} #{labels[: place + 1].count(label)}" if labels.count(label) > 1 else label
        for place, label in enumerate(labels)
    ]
