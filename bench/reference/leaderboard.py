"""docs/leaderboard.md: the machines of all references, compared as `aebench compare` compares them.

Machines are put into groups, not ranked: those whose intervals overlap may be as fast as each other.
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.compare.cases import Machine, MeasuredCase, read_machine
from bench.compare.machines import Comparison, MachineComparison, compare_machines
from bench.compare.sentences import format_fraction, format_interval, format_ratio, name_cases
from bench.compare.tables import build_other_tables, build_pair_table
from bench.console.table import Table
from bench.errors import InvalidInput, format_count, quote
from bench.reference.references import Group
from bench.results.ratios import Ratio
from bench.results.reader import Report, Row
from bench.results.speed import name_case

TIERS = ("self-reported", "reproduced", "run in CI")
"""What reports/README.md says of them; a report that tiers.csv does not name is of the first."""
_NOTHING = "–"
_MOST_BYTES = 1 << 20
_ITSELF = Ratio(1.0, 1.0, 1.0, 0)
_HEAD = """\
# Leaderboard

Made by `nox -s leaderboard` of the reports in reports/reference. Machines whose intervals overlap are in one group:
which of them is faster cannot be said, so their order within it means nothing. Compared are the cases that all of them
ran equally long on the same data."""


def read_tiers(file: Path) -> dict[str, str]:
    """Read the tiers of reports by their names: lines `NAME,TIER`, without a header. Raises `InvalidInput`."""
    try:
        with file.open("rb") as stream:
            lines = list(csv.reader(io.StringIO(stream.read(_MOST_BYTES).decode("utf-8")), strict=True))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, csv.Error) as error:
        raise InvalidInput(f"{quote(file)} cannot be read: {error}.") from error
    wrong = next((line for line in lines if len(line) != 2 or line[1] not in TIERS), None)
    if wrong is not None:
        raise InvalidInput(
            f"{quote(file)}: expected lines NAME,TIER with a TIER of {', '.join(TIERS)}; got "
            f"{quote(','.join(wrong), 60)!r}."
        )
    return {line[0]: line[1] for line in lines}


def write_leaderboard(groups: Sequence[Group], tiers: Mapping[str, str]) -> str:
    """Write the page; "" without references."""
    if not groups:
        return ""
    machines = [_read_group(group) for group in groups]
    return "\n\n".join([_HEAD, *_compare(machines), _tabulate_reports(groups, tiers)]) + "\n"


def _compare(machines: Sequence[Machine]) -> list[str]:
    """Write the comparison, or why there is none."""
    reference = max(machines, key=lambda each: len(each.cases))  # the first of equals
    keys = _list_keys(reference)
    others = [each for each in machines if each is not reference and keys & _list_keys(each)]
    without = [each.label for each in machines if each is not reference and each not in others]
    if not others:
        if without:
            return [f"No case was run equally long on the same data by {reference.label} and another machine."]
        return [f"There is one machine so far, {reference.label}: nothing can be compared."]
    common = keys.intersection(*map(_list_keys, others))
    if not common:
        return ["No case was run equally long on the same data by all machines."]
    chosen = [_keep_cases(each, common) for each in (reference, *others)]
    comparison = compare_machines(chosen[0], chosen[1:])
    by_case = [build_pair_table(comparison)] if len(others) == 1 else []
    tables = [tabulate_groups(comparison), *by_case, *build_other_tables(comparison)]
    names = ", ".join(name_cases(comparison.cases).values())
    return [
        f"{format_count(len(common), 'case')}: {names}.",
        *(f"## {table.title}\n\n{table.to_markdown()}" for table in tables),
        *([f"Not compared, as no case is common with {reference.label}: {', '.join(without)}."] if without else []),
    ]


def tabulate_groups(comparison: Comparison) -> Table:
    """Tabulate the machines, the fastest group first."""
    found: list[tuple[Ratio, MachineComparison | None]] = [(_ITSELF, None)]
    found += [(each.speed, each) for each in comparison.others if each.speed]
    numbers = number_groups([speed for speed, _ in found])
    lines = sorted(zip(numbers, found, strict=True), key=lambda line: (line[0], -line[1][0].value))
    rows = [_format_line(str(number), speed, each, comparison.reference.label) for number, (speed, each) in lines]
    rows += [_format_line(_NOTHING, None, each, "") for each in comparison.others if not each.speed]
    headers = ("machine", "group", "per epoch", "95 %", "end to end", "memory")
    return Table(f"Times as fast as {comparison.reference.label}", headers, tuple(rows))


def number_groups(speeds: Sequence[Ratio]) -> list[int]:
    """Number the groups of speeds from the fastest on; in a group each interval overlaps with that of another one."""
    numbers = [0] * len(speeds)
    number, low = 0, math.inf
    for place in sorted(range(len(speeds)), key=lambda place: -speeds[place].high):
        if speeds[place].high < low:
            number += 1
            low = speeds[place].low
        low = min(low, speeds[place].low)
        numbers[place] = number
    return numbers


def _format_line(group: str, speed: Ratio | None, each: MachineComparison | None, reference: str) -> tuple[str, ...]:
    if each is None:
        return (reference, group, "1", _NOTHING, "1", "100 %")
    return (
        each.machine.label,
        group,
        format_ratio(speed.value) if speed else _NOTHING,
        format_interval(speed) if speed else _NOTHING,
        _NOTHING if each.end_to_end is None else format_ratio(each.end_to_end),
        _NOTHING if each.memory is None else format_fraction(each.memory),
    )


def _tabulate_reports(groups: Sequence[Group], tiers: Mapping[str, str]) -> str:
    """Tabulate which reports are whose, and of which tier."""
    lines = [
        f"| [{each.name}](../reports/reference/{each.name}/report.md) | {group.label} | {tier} |"
        for group in groups
        for each in group.references
        for tier in [tiers.get(each.name, TIERS[0])]
    ]
    table = "\n".join(["| report | machine | tier |", "| :--- | :--- | :--- |", *lines])
    return f"## The reports\n\n{table}\n\nThe tiers: [reports/README.md](../reports/README.md)."


# ------------------------------------------------------------------ the cases


def _read_group(group: Group) -> Machine:
    """A group's reports as one machine, each case with its processes of all reports that trained it longest."""
    reports = [each.report for each in group.references]
    last: dict[str, int] = {}
    for row in (row for report in reports for row in report.rows):
        last[name_case(row)] = max(last.get(name_case(row), 0), row.epochs)
    rows = [row for number, report in enumerate(reports) for row in _choose_longest(number, report, last)]
    machine = read_machine(replace(reports[0], rows=tuple(rows)))
    return replace(machine, label=group.label, source=", ".join(each.name for each in group.references))


def _choose_longest(number: int, report: Report, last: Mapping[str, int]) -> list[Row]:
    """The rows of cases that no other report trained longer, with repeats that no other report has."""
    own: dict[str, int] = {}
    for row in report.rows:
        own[name_case(row)] = max(own.get(name_case(row), 0), row.epochs)
    kept = [row for row in report.rows if own[name_case(row)] == last[name_case(row)]]
    return [_renumber(row, row.repeat + number * _MANY) for row in kept]


_MANY = 1_000_000
"""More repeats than any report has."""


def _renumber(row: Row, repeat: int) -> Row:
    return replace(row, case_id=f"{name_case(row)}.r{repeat}", repeat=repeat)


def _list_keys(machine: Machine) -> set[tuple[object, ...]]:
    """What must be equal for a case to be compared: its name, its data and its last checkpoint."""
    return {_make_key(name, case) for name, case in machine.cases.items() if case.checkpoints}


def _make_key(name: str, case: MeasuredCase) -> tuple[object, ...]:
    last = case.checkpoints[-1]
    return (name, last.epochs, last.dataset_digest, last.samples)


def _keep_cases(machine: Machine, keys: set[tuple[object, ...]]) -> Machine:
    cases = {name: case for name, case in machine.cases.items() if case.checkpoints and _make_key(name, case) in keys}
    return replace(machine, cases=cases)
