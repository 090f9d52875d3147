"""A comparison in tables: who is fastest, each case, what may be compared, what differs."""

import functools
import statistics
from collections.abc import Callable, Sequence

from bench.compare.machines import CasePair, Comparison, Group, Versus
from bench.compare.points import Machine
from bench.compare.sentences import interval, names, times
from bench.console.table import Table
from bench.errors import shown
from bench.report.tables import format_loss, format_seconds

_SIDE_BY_SIDE = 4
"""Machines beside the reference that get a column each; of more, a table tells the spread."""
ENDLESS = 10**9
"""A width or a length that nothing reaches."""
_MANY = 20
"""Machines from which the reference may stand far from the top."""
_NARROW = 120
_VERY_NARROW = 96
_NOTHING = "–"


def tables(compared: Comparison, width: int = ENDLESS, most: int = ENDLESS) -> list[Table]:
    """All tables, for ``width`` characters and at most ``most`` lines each."""
    found = [
        rank_table(compared),
        *_case_tables(compared, width),
        permission_table(compared),
        difference_table(compared),
        machine_table(compared, width),
    ]
    return [_cut(table, most) for table in found if table.rows]


def _cut(table: Table, most: int) -> Table:
    """A table's first lines, with a note of how many more there are."""
    if len(table.rows) <= most:
        return table
    note = f"{len(table.rows) - most} more lines: --out DIR writes all."
    return Table(table.title, table.headers, table.rows[:most], table.labels, (*table.notes, note))


# ------------------------------------------------------------------ the machines


def rank_table(compared: Comparison) -> Table:
    """Who is fastest."""
    own = (compared.reference.label, str(compared.rank), "1", "", str(len(compared.reference.cases)), "100 %", "same")
    lines = [(each.rank, _rank_cells(each)) for each in compared.others]
    ordered = sorted([(compared.rank, own), *lines], key=lambda line: (line[0] is None, line[0] or 0))
    headers = ("machine", "rank", "speed", "95 %", "cases", "memory", "losses")
    title = f"Speed: times as fast as {compared.reference.label}"
    notes = [f"The reference is number {compared.rank} of {len(ordered)}."] if len(ordered) > _MANY else []
    notes += _like_the_reference(compared)
    return Table(title, headers, tuple(cells for _, cells in ordered), notes=tuple(notes))


def _like_the_reference(compared: Comparison) -> list[str]:
    """Who stands above or below the reference by chance, as far as anybody can tell."""
    alike = [
        each.machine.label
        for each in compared.others
        if each.speed and each.speed.low is not None and each.speed.high is not None
        if each.speed.low <= 1 <= each.speed.high
    ]
    if not alike:
        return []
    named = ", ".join(alike) if len(alike) <= _SIDE_BY_SIDE else f"{len(alike)} machines"
    return [f"Not told apart from the reference, its interval has 1 in it: {named}."]


def _rank_cells(each: Versus) -> tuple[str, ...]:
    return (
        each.machine.label,
        _NOTHING if each.rank is None else str(each.rank),
        times(each.speed.value) if each.speed else _NOTHING,
        (interval(each.speed) or _NOTHING) if each.speed else _NOTHING,
        str(each.speed.cases) if each.speed else "0",
        _share(each.memory.value if each.memory else None),
        _loss_cell(each),
    )


def _loss_cell(each: Versus) -> str:
    if each.losses.state == "no":
        return _NOTHING
    largest = max((abs(pair.loss) for pair in each.pairs if pair.loss is not None), default=0.0)
    return "same" if largest == 0 else f"±{largest:.2g}"


def _share(value: float | None) -> str:
    return _NOTHING if value is None else f"{100 * value:.0f} %"


def permission_table(compared: Comparison) -> Table:
    """What may be compared, and why not; machines of which all may be are left out."""
    found = [(each.machine.label, (each.time, each.space, each.losses)) for each in compared.others]
    rows = tuple(
        (label, *map(permission, groups)) for label, groups in found if any(group.state != "yes" for group in groups)
    )
    return Table("What may be compared", ("machine", "times", "memory", "losses"), rows, labels=4)


def permission(group: Group) -> str:
    """Whether a group of columns may be compared, with the reasons: "no: other data under the same name"."""
    return f"{group.state}: {'; '.join(group.reasons)}" if group.reasons else group.state


def difference_table(compared: Comparison) -> Table:
    """What differs in the fingerprints: a column a machine, or of many the commonest values."""
    machines = [compared.reference, *(each.machine for each in compared.others)]
    differing = dict.fromkeys(name for each in compared.others for name, _, _ in each.differences)
    title = "What differs in the machines"
    if len(machines) > _SIDE_BY_SIDE + 1:
        counted = tuple((name, *_commonest(name, machines)) for name in differing)
        return Table(title, ("field", compared.reference.label, "of all machines"), counted, labels=3)
    rows = tuple((name, *(_fact(name, machine) for machine in machines)) for name in differing)
    return Table(title, ("field", *(machine.label for machine in machines)), rows, labels=1 + len(machines))


def _fact(name: str, machine: Machine) -> str:
    value = getattr(machine.fingerprint, name)
    return _NOTHING if value is None else shown(value, 100)


def _commonest(name: str, machines: Sequence[Machine]) -> tuple[str, str]:
    counts: dict[str, int] = {}
    for machine in machines:
        fact = _fact(name, machine)
        counts[fact] = counts.get(fact, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    told = "; ".join(f"{count}: {fact}" for fact, count in ordered[:3])
    more = f"; {len(ordered) - 3} other values" if len(ordered) > 3 else ""
    return _fact(name, machines[0]), told + more


def machine_table(compared: Comparison, width: int = ENDLESS) -> Table:
    """Which report is which machine; of a narrow one, the columns that nothing else tells."""
    machines = [compared.reference, *(each.machine for each in compared.others)]
    rows = tuple(
        (
            machine.label,
            machine.source,
            shown(machine.fingerprint.cpu_model or machine.fingerprint.cpu_arch, 60),
            shown(machine.started_at[:16].replace("T", " "), 30),
            f"{machine.fingerprint.cpu_limit:g}",
            f"{machine.fingerprint.ram_mib / 1024:.0f}",
            _NOTHING if machine.kernel_gflop_per_s is None else f"{machine.kernel_gflop_per_s:.0f}",
        )
        for machine in machines
    )
    headers = ("machine", "report", "processor", "begun", "cores", "GiB", "GFLOP/s")
    notes = ("GiB: memory of the machine. GFLOP/s: what its reference kernel reached beside the cases.",)
    if width < _NARROW:
        return Table("The machines", headers[:2] + headers[4:], tuple(row[:2] + row[4:] for row in rows), 2, notes)
    return Table("The machines", headers, rows, 4, notes)


# ------------------------------------------------------------------ the cases


def _case_tables(compared: Comparison, width: int) -> list[Table]:
    if len(compared.others) == 1:
        return [pair_table(compared, width)]
    if len(compared.others) > _SIDE_BY_SIDE:
        return [spread_table(compared)]
    whats = ("Times as fast as", "Memory, as a share of", "Losses less those of")
    titles = [f"{what} {compared.reference.label}" for what in whats]
    speed, memory, losses = (functools.partial(_quantity_table, compared, title) for title in titles)
    return [
        _fitting(width, *(speed("s", _reference_s, *how) for how in _SPEED_COLUMNS)),
        _fitting(width, *(memory("MiB", _reference_mib, _memory, head) for head in (_label, _tail))),
        _fitting(width, *(losses("bce", _reference_loss, _loss, head) for head in (_label, _tail))),
    ]


def _fitting(width: int, *choices: Table) -> Table:
    """The first that fits, else the last."""
    return next((table for table in choices if _needs(table) <= width), choices[-1])


def _needs(table: Table) -> int:
    """Characters that a table takes when nothing is folded."""
    return sum(2 + max(map(len, column)) for column in zip(table.headers, *table.rows, strict=True))


def _label(held: Versus) -> str:
    return held.machine.label


def _tail(held: Versus) -> str:
    """A label's end, which tells machines apart where there is no room for the rest."""
    return held.machine.label.rpartition("-")[2]


def pair_table(compared: Comparison, width: int = ENDLESS) -> Table:
    """Two machines: everything of a case on one line; without their seconds where that is narrow."""
    [held] = compared.others
    short = names(compared.cases)
    rows = tuple(
        (
            short[each.case],
            _epochs(each),
            _reference_s(each),
            _seconds(each, 1),
            times(each.speed.value) if each.speed else _NOTHING,
            (interval(each.speed) if each.speed else "") or _NOTHING,
            _memory(each),
            _loss(each),
            remark(each),
        )
        for each in held.common
    )
    headers = ("case", "epochs", "reference s", "s/epoch", "speed", "95 %", "memory", "bce less", "remarks")
    left_out = {"reference s", "s/epoch"} if width < _VERY_NARROW else set()
    left_out |= set() if any(line[-1] for line in rows) else {"remarks"}
    kept = [number for number, header in enumerate(headers) if header not in left_out]
    title = f"{held.machine.label} case by case, against {compared.reference.label}"
    chosen = tuple(tuple(line[number] for number in kept) for line in rows)
    return Table(title, tuple(headers[number] for number in kept), chosen)


def _epochs(each: CasePair) -> str:
    """The checkpoint of times and memory; two where they differ, the reference's first."""
    one, two = each.timed or (None, None)
    if one is None or two is None:
        return _NOTHING
    return str(one.epochs) if one.epochs == two.epochs else f"{one.epochs}, {two.epochs}"


def remark(each: CasePair) -> str:
    """What makes a line less trustworthy than others, on the machine's side or on the reference's."""
    if not each.timed:
        return ""
    found = []
    for point, whose in zip(each.timed, ("reference ", ""), strict=True):
        found += [f"{whose}{point.noisy}/{point.observed_epochs} noisy"] if point.noisy else []
        found += [] if point.steady else [f"{whose}not steady"]
    return "; ".join([*([] if each.same_data else ["other data"]), *found])


def _seconds(each: CasePair, side: int) -> str:
    point = each.timed[side] if each.timed else None
    return format_seconds(point.seconds.value if point and point.seconds else None)


def _reference_s(each: CasePair) -> str:
    return _seconds(each, 0)


def _reference_mib(each: CasePair) -> str:
    point = each.timed[0] if each.timed else None
    mib = None if point is None else point.anon_mib if each.anon else point.rss_mib
    return _NOTHING if mib is None else f"{mib:.0f}"


def _reference_loss(each: CasePair) -> str:
    return format_loss(each.evaluated[0].loss if each.evaluated else None)


def _speed(each: CasePair) -> str:
    if each.speed is None:
        return _NOTHING
    ends = interval(each.speed)
    return f"{times(each.speed.value)} ({ends})" if ends else times(each.speed.value)


def _bare_speed(each: CasePair) -> str:
    return times(each.speed.value) if each.speed else _NOTHING


def _memory(each: CasePair) -> str:
    return _share(each.anon or each.rss)


def _loss(each: CasePair) -> str:
    if each.loss is None:
        return _NOTHING
    return "same" if each.loss == 0 else f"{each.loss:+.4f}" if abs(each.loss) >= 1e-4 else f"{each.loss:+.0e}"


_SPEED_COLUMNS = ((_speed, _label), (_speed, _tail), (_bare_speed, _tail))
"""What a machine's column shows and is called, the widest first."""


def _quantity_table(
    compared: Comparison,
    title: str,
    unit: str,
    of_reference: Callable[[CasePair], str],
    cell: Callable[[CasePair], str],
    head: Callable[[Versus], str],
) -> Table:
    """A few machines: a column each."""
    short = names(compared.cases)
    columns = [{each.case: each for each in held.common} for held in compared.others]
    rows = []
    for case in compared.reference.cases:
        sides = [column.get(case) for column in columns]
        known = [side for side in sides if side is not None]
        if known:
            own = next((text for text in map(of_reference, known) if text != _NOTHING), _NOTHING)
            rows.append((short[case], own, *(_NOTHING if side is None else cell(side) for side in sides)))
    headers = ("case", f"reference {unit}", *map(head, compared.others))
    return Table(title, headers, tuple(rows))


def spread_table(compared: Comparison) -> Table:
    """Many machines: how far they lie apart in each case."""
    short = names(compared.cases)
    found: dict[str, list[CasePair]] = {}
    for held in compared.others:
        for each in held.common:
            found.setdefault(each.case, []).append(each)
    rows = tuple((short[case], *_spread_cells(found[case])) for case in compared.reference.cases if case in found)
    headers = ("case", "reference s", "machines", "slowest", "median", "fastest", "memory", "bce less, at most")
    return Table(f"Times as fast as {compared.reference.label}, over the machines", headers, rows)


def _spread_cells(pairs: Sequence[CasePair]) -> tuple[str, ...]:
    speeds = sorted(each.speed.value for each in pairs if each.speed)
    shares = [share for each in pairs if (share := each.anon or each.rss)]
    differing = [each for each in pairs if each.loss is not None]
    return (
        _reference_s(pairs[0]),
        str(len(pairs)),
        times(speeds[0]) if speeds else _NOTHING,
        times(statistics.median(speeds)) if speeds else _NOTHING,
        times(speeds[-1]) if speeds else _NOTHING,
        f"{100 * min(shares):.0f}–{_share(max(shares))}" if shares else _NOTHING,
        _loss(max(differing, key=lambda each: abs(each.loss or 0))) if differing else _NOTHING,
    )
