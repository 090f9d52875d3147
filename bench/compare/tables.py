"""A comparison in tables: who is fastest, each case, what can be compared, what differs."""

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from bench.compare.cases import Machine
from bench.compare.caveats import Comparability
from bench.compare.machines import Comparison, MachineComparison
from bench.compare.pairs import CasePair
from bench.compare.sentences import SIDE_BY_SIDE, format_fraction, format_interval, format_ratio, name_cases
from bench.console.table import Table
from bench.errors import format_count, quote
from bench.report.tables import format_loss, format_seconds, format_total
from bench.results.ratios import Ratio

_MANY = 20
"""Among more machines than this, the reference may stand far from the top."""
_NOTHING = "–"
_ARROW = " → "
_BOTH_NOTHING = _NOTHING + _ARROW + _NOTHING


def build_main_table(comparison: Comparison) -> Table:
    """The one table that stands below the answer: two machines case by case, or several by rank."""
    return build_pair_table(comparison) if len(comparison.others) == 1 else build_rank_table(comparison)


def build_other_tables(comparison: Comparison) -> list[Table]:
    """All tables but the main one, those that have rows."""
    found = [
        *_build_case_tables(comparison),
        build_comparability_table(comparison),
        build_difference_table(comparison),
        build_machine_table(comparison),
    ]
    return [table for table in found if table.rows]


# ------------------------------------------------------------------ the machines


def build_rank_table(comparison: Comparison) -> Table:
    """Who is fastest."""
    reference, rank = comparison.reference, comparison.rank
    own = (reference.label, str(rank), "1", "", "", "1", "100 %", "same", str(len(reference.cases)))
    lines = [(each.rank, _format_rank(each)) for each in comparison.others]
    ordered = sorted([(rank, own), *lines], key=lambda line: (line[0] is None, line[0] or 0))
    headers = ("machine", "rank", "per epoch", "95 %", "clearly", "end to end", "memory", "bce less", "cases")
    notes = [f"The reference is number {rank} of {len(ordered)}."] if len(ordered) > _MANY else []
    notes += _note_equals(comparison)
    return Table(
        f"Times as fast as {reference.label}",
        headers,
        tuple(cells for _, cells in ordered),
        notes=tuple(notes),
        optional=("cases", "bce less", "clearly"),
    )


def _note_equals(comparison: Comparison) -> list[str]:
    """Which machines may be as fast as the reference."""
    alike = [each.machine.label for each in comparison.others if each.speed and each.speed.low <= 1 <= each.speed.high]
    if not alike:
        return []
    named = ", ".join(alike) if len(alike) <= SIDE_BY_SIDE else f"{len(alike)} machines"
    return [f"Not distinguishable from the reference, as the interval includes 1: {named}."]


def _format_rank(each: MachineComparison) -> tuple[str, ...]:
    return (
        each.machine.label,
        _NOTHING if each.rank is None else str(each.rank),
        _format_speed(each.speed),
        _format_ends(each.speed),
        _format_clear_cases(each),
        _format_times(each.end_to_end),
        _format_memory(each.memory),
        _format_largest_loss(each),
        str(each.speed.cases) if each.speed else "0",
    )


def _format_clear_cases(each: MachineComparison) -> str:
    """In how many cases it is clearly faster or slower: "18 faster, 1 slower"."""
    counts = {"faster": each.count_clear("faster"), "slower": each.count_clear("slower")}
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count) or _NOTHING


def _format_times(ratio: float | None) -> str:
    return _NOTHING if ratio is None else format_ratio(ratio)


def _format_largest_loss(each: MachineComparison) -> str:
    if each.losses.state == "no":
        return _NOTHING
    largest = max((abs(pair.loss) for pair in each.pairs if pair.loss is not None), default=0.0)
    return "same" if largest == 0 else f"±{largest:.2g}"


def _format_speed(speed: Ratio | None) -> str:
    return format_ratio(speed.value) if speed else _NOTHING


def _format_ends(speed: Ratio | None) -> str:
    return format_interval(speed) if speed else _NOTHING


def _format_memory(ratio: float | None) -> str:
    return _NOTHING if ratio is None else format_fraction(ratio)


def build_comparability_table(comparison: Comparison) -> Table:
    """What can be compared, and why not; machines of which everything can be are left out."""
    found = [(each.machine.label, (each.time, each.space, each.losses)) for each in comparison.others]
    rows = tuple(
        (label, *map(format_comparability, columns))
        for label, columns in found
        if any(column.state != "yes" for column in columns)
    )
    return Table("What can be compared", ("machine", "times", "memory", "losses"), rows, labels=4)


def format_comparability(of: Comparability) -> str:
    """Whether something can be compared, with the reasons: "no: other data under the same name"."""
    return f"{of.state}: {'; '.join(of.reasons)}" if of.reasons else of.state


def build_difference_table(comparison: Comparison) -> Table:
    """What differs in the fingerprints: a column per machine, or the commonest values of many."""
    machines = [comparison.reference, *(each.machine for each in comparison.others)]
    differing = dict.fromkeys(name for each in comparison.others for name, _, _ in each.differences)
    title = "What differs in the machines"
    if len(machines) > SIDE_BY_SIDE + 1:
        counted = tuple((name, *_format_commonest(name, machines)) for name in differing)
        return Table(title, ("field", comparison.reference.label, "of all machines"), counted, labels=3)
    rows = [(name, *(_format_fact(name, machine) for machine in machines)) for name in differing]
    ids = [(name, *(quote(getattr(machine, name), 30) for machine in machines)) for name in _IDS]
    rows = [*(cells for cells in ids if len(set(cells[1:])) > 1), *rows]
    return Table(title, ("field", *(machine.label for machine in machines)), tuple(rows), labels=1 + len(machines))


_IDS = ("machine_id", "environment_id")


def _format_fact(name: str, machine: Machine) -> str:
    value = getattr(machine.fingerprint, name)
    return _NOTHING if value is None else quote(value, 100)


def _format_commonest(name: str, machines: Sequence[Machine]) -> tuple[str, str]:
    """The reference's value of a field, and the three values that most machines have."""
    counts = Counter(_format_fact(name, machine) for machine in machines)
    commonest = "; ".join(f"{count}: {fact}" for fact, count in counts.most_common(3))
    more = f"; {format_count(len(counts) - 3, 'other value')}" if len(counts) > 3 else ""
    return _format_fact(name, machines[0]), commonest + more


def build_machine_table(comparison: Comparison) -> Table:
    """Which report is which machine."""
    machines = [comparison.reference, *(each.machine for each in comparison.others)]
    rows = tuple(
        (
            machine.label,
            machine.source,
            quote(machine.fingerprint.cpu_model or machine.fingerprint.cpu_arch, 60),
            quote(machine.started_at[:16].replace("T", " "), 30),
            f"{machine.fingerprint.cpu_limit:g}",
            f"{machine.fingerprint.ram_mib / 1024:.0f}",
            _NOTHING if machine.kernel_gflop_per_s is None else f"{machine.kernel_gflop_per_s:.0f}",
        )
        for machine in machines
    )
    headers = ("machine", "report", "processor", "begun", "cores", "GiB", "GFLOP/s")
    notes = ("GiB: memory of the machine. GFLOP/s: rate of its reference kernel, measured beside the cases.",)
    return Table("The machines", headers, rows, 4, notes, optional=("begun", "processor", "GFLOP/s"))


# ------------------------------------------------------------------ the cases


def _build_case_tables(comparison: Comparison) -> list[Table]:
    """Of several machines; that of two is the main table."""
    if len(comparison.others) == 1:
        return []
    if len(comparison.others) > SIDE_BY_SIDE:
        return [build_spread_table(comparison)]
    label = comparison.reference.label
    return [
        build_kind_table(comparison, "speed", f"Per epoch: times as fast as {label}"),
        build_kind_table(comparison, "total", f"End to end: times as fast as {label}"),
        build_kind_table(comparison, "memory", f"Memory, in percent of {label}"),
        build_kind_table(comparison, "loss", f"Losses less those of {label}"),
    ]


def build_pair_table(comparison: Comparison) -> Table:
    """Two machines: everything of a case on one line; columns that would say nothing are left out."""
    [compared] = comparison.others
    short = name_cases(comparison.cases)
    reference, name = comparison.reference.label, compared.machine.label
    seconds, totals = (f"{what} {reference}→{name}" for what in ("s/epoch", "total s"))
    headers = (
        *("case", "per epoch", "95 %", "clearly", "end to end", "memory", "bce less"),
        *(totals, seconds, "epochs", "remarks"),
    )
    rows = [
        (
            short[each.case],
            _format_speed(each.speed),
            _format_ends(each.speed),
            each.clearly or "",
            _format_times(each.end_to_end),
            _format_memory(each.memory),
            _format_loss(each),
            _format_sides(_format_total(each, side) for side in (0, 1)),
            _format_sides(_format_seconds(each, side) for side in (0, 1)),
            _format_epochs(each),
            remark_on(each),
        )
        for each in compared.common
    ]
    epochs = {_format_epochs(each) for each in compared.common}
    after = next(iter(epochs)) if len(epochs) == 1 else ""
    same = {"bce less": "same"} | ({"epochs": after} if after.isdigit() else {})
    kept = [
        number
        for number, header in enumerate(headers)
        if any(line[number] not in ("", _NOTHING, _BOTH_NOTHING, same.get(header)) for line in rows)
    ]
    when = f" after {format_count(int(after), 'epoch')}" if after.isdigit() else ""
    return Table(
        f"{name} case by case{when}: times as fast as {reference}",
        tuple(headers[number] for number in kept),
        tuple(tuple(line[number] for number in kept) for line in rows),
        optional=("remarks", "epochs", seconds, totals, "bce less", "clearly"),
    )


def _format_sides(texts: Iterable[str]) -> str:
    """The reference's figure and the machine's, which go or stay together: "2.08 → 1.23"."""
    return _ARROW.join(texts)


def _format_total(each: CasePair, side: int) -> str:
    """Seconds from start to end, at the checkpoint at which both are compared."""
    return format_total(each.sized[side].total_s if each.sized and each.end_to_end else None)


def _format_epochs(each: CasePair) -> str:
    """The checkpoint of the times; two where they differ, the reference's first."""
    if not each.timed:
        return _NOTHING
    one, two = each.timed
    return str(one.epochs) if one.epochs == two.epochs else f"{one.epochs}, {two.epochs}"


def remark_on(each: CasePair) -> str:
    """What makes a line less trustworthy than others, on the machine's side or on the reference's."""
    if not each.timed:
        return ""
    found = [] if each.same_data else ["other data"]
    for figures, whose in zip(each.timed, ("reference ", ""), strict=True):
        found += [f"{whose}{figures.noisy}/{figures.observed_epochs} noisy"] if figures.noisy else []
        found += [] if figures.steady else [f"{whose}not steady"]
    return "; ".join(found)


def _format_seconds(each: CasePair, side: int) -> str:
    case = (each.reference, each.machine)[side]
    return format_seconds(case.speed.quiet if each.timed and case and case.speed else None)


def _format_loss(each: CasePair) -> str:
    if each.loss is None:
        return _NOTHING
    return "same" if each.loss == 0 else f"{each.loss:+.4f}" if abs(each.loss) >= 1e-4 else f"{each.loss:+.0e}"


# ------------------------------------------------------------------ the cases on a few machines

_Kind = Literal["speed", "total", "memory", "loss"]
_UNITS: dict[_Kind, str] = {"speed": "s", "total": "s", "memory": "MiB", "loss": "bce"}


def build_kind_table(comparison: Comparison, kind: _Kind, title: str) -> Table:
    """A few machines: a column each, and for each case a line for each of the reference's figures."""
    short = name_cases(comparison.cases)
    rows = []
    for case in comparison.reference.cases:
        for where, pairs in _split([each.find_pair(case) for each in comparison.others], kind).items():
            own = (_format_reference(each, kind) for each in pairs if each)
            reference = next((text for text in own if text != _NOTHING), _NOTHING)
            rows.append((short[case] + where, reference, *(_format_compared(each, kind) for each in pairs)))
    labels = (each.machine.label for each in comparison.others)
    return Table(title, ("case", f"reference {_UNITS[kind]}", *labels), tuple(rows))


def _format_compared(each: CasePair | None, kind: _Kind) -> str:
    if each is None:
        return _NOTHING
    if kind == "speed":
        return f"{_format_speed(each.speed)} ({format_interval(each.speed)})" if each.speed else _NOTHING
    if kind == "total":
        return _format_times(each.end_to_end)
    return _format_memory(each.memory) if kind == "memory" else _format_loss(each)


def _format_reference(each: CasePair, kind: _Kind) -> str:
    """The reference's own figure."""
    if kind == "speed":
        return _format_seconds(each, 0)
    if kind == "total":
        return _format_total(each, 0)
    if kind == "loss":
        return format_loss(each.evaluated[0].loss if each.evaluated else None)
    figures = each.sized[0] if each.sized else None
    mib = None if figures is None else figures.anon_mib if each.anon else figures.rss_mib
    return _NOTHING if mib is None else f"{mib:.0f}"


def _find_checkpoint(each: CasePair, kind: _Kind) -> str | None:
    """Where the reference's figure was taken; None where none of the kind is compared, and of times: it has one."""
    if kind == "loss":
        return format_count(each.evaluated[0].epochs, "epoch") if each.evaluated and each.loss is not None else None
    if kind == "speed" or not each.sized or (each.end_to_end if kind == "total" else each.memory) is None:
        return None
    if kind == "total":
        return format_count(each.sized[0].epochs, "epoch")
    return format_count(each.sized[0].epochs, "epoch") + ("" if each.anon else ", resident")


def _split(pairs: Sequence[CasePair | None], kind: _Kind) -> dict[str, list[CasePair | None]]:
    """Pairs of one case by the reference's checkpoint, with None in the place of those of another one.

    The keys end the case's name: ", 50 epochs"; nothing where all are compared at one checkpoint. Empty without pairs.
    """
    common = [each if each and each.timed else None for each in pairs]
    places = [_find_checkpoint(each, kind) if each else None for each in common]
    distinct: list[str | None] = list(dict.fromkeys(filter(None, places)))
    if not distinct and any(common):
        distinct = [None]
    return {
        f", {where}" if len(distinct) > 1 else "": [
            each if place == where else None for each, place in zip(common, places, strict=True)
        ]
        for where in distinct
    }


def build_spread_table(comparison: Comparison) -> Table:
    """Many machines: how far they lie apart in each case."""
    short = name_cases(comparison.cases)
    found: dict[str, list[CasePair]] = {}
    for compared in comparison.others:
        for each in compared.common:
            found.setdefault(each.case, []).append(each)
    rows = tuple((short[case], *_format_spread(found[case])) for case in comparison.reference.cases if case in found)
    headers = (
        *("case", "reference s", "machines", "slowest", "median", "fastest", "end to end", "memory"),
        "bce less, at most",
    )
    title = f"Case by case: times as fast as {comparison.reference.label}, over the machines"
    return Table(title, headers, rows, optional=("bce less, at most", "machines", "reference s"))


def _format_spread(pairs: Sequence[CasePair]) -> tuple[str, ...]:
    speeds = sorted(each.speed.value for each in pairs if each.speed)
    totals = [each.end_to_end for each in pairs if each.end_to_end]
    memory = [each.memory for each in pairs if each.memory]
    differing = [each for each in pairs if each.loss is not None]
    return (
        _format_seconds(pairs[0], 0),
        str(len(pairs)),
        format_ratio(speeds[0]) if speeds else _NOTHING,
        format_ratio(statistics.median(speeds)) if speeds else _NOTHING,
        format_ratio(speeds[-1]) if speeds else _NOTHING,
        _format_times(statistics.median(totals) if totals else None),
        f"{100 * min(memory):.0f}–{format_fraction(max(memory))}" if memory else _NOTHING,
        _format_loss(max(differing, key=lambda each: abs(each.loss or 0))) if differing else _NOTHING,
    )
