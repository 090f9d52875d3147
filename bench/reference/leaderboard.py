"""docs/leaderboard.md: the machines of all references, each two compared as `aebench compare` compares them.

Machines are put into groups, not ranked: in another group are those that are clearly slower. Each two are compared on
the cases that these two share, so a machine with few cases takes none from the others.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from bench.compare.cases import Machine, read_machine
from bench.compare.machines import Comparison, MachineComparison, compare_machines
from bench.compare.sentences import describe, format_fraction, format_interval, format_ratio
from bench.compare.tables import build_pair_table
from bench.console.table import Table
from bench.errors import InvalidInput, join_names, quote
from bench.reference.references import Group, Process, identify
from bench.results.ratios import Ratio
from bench.results.reader import Row
from bench.results.speed import name_case

TIERS = ("self-reported", "reproduced", "run in CI")
"""What reports/README.md says of them; a report that tiers.csv does not name is of the first."""
_NOTHING = "–"
_MOST_BYTES = 1 << 20
_MOST_TABLES = 5
"""Machines that are compared case by case."""
_HEAD = """\
# Leaderboard

Made by `nox -s leaderboard` of the reports in reports/reference. Each two machines are compared on the cases that both
ran equally long on the same data. Which of the machines of one group is faster cannot be said, so their order within it
means nothing; each machine of a group is clearly faster than each of the next that it shares cases with."""


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


# ------------------------------------------------------------------ the cases

_Key = tuple[str, int, str, int, int]
"""What must be equal for a case to be compared: its name, its last checkpoint and its data."""


@dataclass(frozen=True)
class _Entry:
    """A machine, with the rows of its processes by what they are compared with."""

    group: Group
    processes: dict[_Key, list[Row]]

    @property
    def label(self) -> str:
        return self.group.label

    def read_machine(self, keys: Sequence[_Key]) -> Machine:
        """The machine as if these were all of its cases."""
        rows = tuple(row for key in keys for row in self.processes[key])
        machine = read_machine(replace(self.group.references[0].report, rows=rows))
        source = ", ".join(each.name for each in self.group.references)
        return replace(machine, label=self.label, source=source)


def _read_processes(group: Group) -> dict[_Key, list[Row]]:
    """Read the rows of each process that ended well, once, with repeats that no other process has.

    What a report says is its machine's usual bandwidth is left out: nobody can check it, and it changes figures.
    """
    runs: dict[Process, list[Row]] = {}
    for reference in group.references:
        own: dict[Process, list[Row]] = {}
        for row in reference.report.rows:
            own.setdefault(identify(row), []).append(row)
        for process, rows in own.items():
            if all(row.status == "ok" for row in rows):
                runs.setdefault(process, rows)
    found: dict[_Key, list[Row]] = {}
    for number, rows in enumerate(runs.values()):
        last = max(rows, key=lambda row: row.epochs)
        key = (name_case(last), last.epochs, last.dataset_digest, last.train_samples, last.val_samples)
        found.setdefault(key, []).extend(
            replace(row, case_id=f"{name_case(row)}.r{number}", repeat=number, usual_gb_per_s=None, usual_hours=None)
            for row in rows
        )
    return found


def _compare_two(one: _Entry, other: _Entry) -> Comparison | None:
    """Compare two machines on the cases that both have, each at the longest run of both; None without such cases."""
    longest: dict[str, _Key] = {}
    for key in sorted(one.processes.keys() & other.processes.keys()):
        longest[key[0]] = key
    keys = [key for key in one.processes if key in longest.values()]
    return compare_machines(one.read_machine(keys), [other.read_machine(keys)]) if keys else None


# ------------------------------------------------------------------ the page


def write_leaderboard(groups: Sequence[Group], tiers: Mapping[str, str]) -> str:
    """Write the page; "" without references."""
    if not groups:
        return ""
    entries = [_Entry(group, _read_processes(group)) for group in groups]
    return "\n\n".join([_HEAD, *_compare(entries), _tabulate_reports(groups, tiers)]) + "\n"


def _compare(entries: Sequence[_Entry]) -> list[str]:
    """Write the comparison, or why there is none."""
    if len(entries) == 1:
        return [f"There is one machine so far, {entries[0].label}: nothing can be compared."]
    pairs = {(one, two): _compare_two(entries[one], entries[two]) for one, two in combinations(range(len(entries)), 2)}
    shared = [
        sum(found is not None and place in pair for pair, found in pairs.items()) for place in range(len(entries))
    ]
    if not any(shared):
        return ["No case was run equally long on the same data by any two of the machines."]
    first = max(range(len(entries)), key=lambda place: (shared[place], len(entries[place].processes)))
    found = [place for place in range(len(entries)) if place != first]
    compared = {place: each for place in found if (each := _compare_two(entries[first], entries[place]))}
    timed = {place: each for place, each in compared.items() if each.others[0].speed}
    speeds = {first: 1.0} | {place: _get_speed(each).value for place, each in timed.items()}
    order = sorted(speeds, key=lambda place: -speeds[place])
    numbers = number_groups(order, lambda one, two: _find_speed(pairs, one, two))
    without = [entries[place].label for place in found if place not in compared]
    by_case = [_write_pair(compared[place]) for place in order if place in compared]
    untimed = [place for place in compared if place not in timed]
    rows = [
        _format_line(entries[place].label, f"{numbers[place]}" if place in numbers else _NOTHING, compared.get(place))
        for place in (*order, *untimed)
    ]
    headers = ("machine", "group", "per epoch", "95 %", "end to end", "memory", "cases")
    return [
        f"## Times as fast as {entries[first].label}",
        Table("", headers, tuple(rows)).to_markdown(),
        *(
            [f"Not compared, as no case is common with {entries[first].label}: {join_names(without, 9)}."]
            * bool(without)
        ),
        *by_case[:_MOST_TABLES],
    ]


def _get_speed(compared: Comparison) -> Ratio:
    speed = compared.others[0].speed
    assert speed is not None  # noqa: S101 - chosen so
    return speed


def _find_speed(pairs: Mapping[tuple[int, int], Comparison | None], one: int, two: int) -> Ratio | None:
    """How many times as fast as ``two`` ``one`` is, on the cases that they share; None where they share none."""
    compared = pairs.get((min(one, two), max(one, two)))
    speed = compared.others[0].speed if compared else None
    if speed is None or one > two:
        return speed
    return Ratio(1 / speed.value, 1 / speed.high, 1 / speed.low, speed.cases)


def number_groups(order: Sequence[int], find_speed: Callable[[int, int], Ratio | None]) -> dict[int, int]:
    """Number the groups of machines that are in the order of their speed.

    A group ends where each machine so far is clearly faster than each that follows, as far as two share cases, and one
    of the group shares some with one that follows. ``find_speed`` says how many times as fast as a second machine a
    first one is.
    """
    numbers, number = {}, 1
    for end, place in enumerate(order):
        numbers[place] = number
        pairs = [(one, find_speed(one, two)) for one in order[: end + 1] for two in order[end + 1 :]]
        are_clear = all(speed.low > 1 for _, speed in pairs if speed)
        if are_clear and any(speed and numbers[one] == number for one, speed in pairs):
            number += 1
    return numbers


def _write_pair(compared: Comparison) -> str:
    """Say how a machine compares with the reference, then case by case."""
    [other] = compared.others
    words, table = " ".join(describe(other, compared.reference)), build_pair_table(compared)
    return f"### {other.machine.label}\n\n{words}\n\n{table.to_markdown()}"


def _format_line(label: str, group: str, compared: Comparison | None) -> tuple[str, ...]:
    if compared is None:
        return (label, group, "1", _NOTHING, "1", "100 %", _NOTHING)
    each: MachineComparison = compared.others[0]
    return (
        label,
        group,
        format_ratio(each.speed.value) if each.speed else _NOTHING,
        format_interval(each.speed) if each.speed else _NOTHING,
        _NOTHING if each.end_to_end is None else format_ratio(each.end_to_end),
        _NOTHING if each.memory is None else format_fraction(each.memory),
        f"{each.speed.cases if each.speed else len(each.common)}",
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
