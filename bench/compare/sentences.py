"""A comparison in words: what a person would conclude, and short names for what was compared."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.compare.cases import Machine
from bench.compare.machines import Comparison, MachineComparison
from bench.compare.pairs import CasePair
from bench.errors import format_count, join_names, quote
from bench.plan.profile import name_briefly
from bench.report.tables import format_loss
from bench.results.ratios import Ratio
from bench.results.reader import Row

SIDE_BY_SIDE = 4
"""So many machines beside the reference are described one by one; of more, the fastest and the slowest."""
_SAME_SPEED = 1.05
"""Speeds are called the same where the whole interval of their ratio is closer to 1 than this."""
_SAME_TOTAL = 0.01
_SAME_MEMORY = 0.01
"""Twenty processes of one case differ by half a percent (docs/research/measurement.md)."""
_SAME_LOSS = 0.01
_ROUNDING = 1e-6
_LISTED = 6
"""Cases that are named; of more, their number."""

# ------------------------------------------------------------------ the answer


def make_title(comparison: Comparison) -> str:
    """Who is faster, and by how much, in a few words; that nobody is, where that cannot be said."""
    others, name = comparison.others, comparison.reference.label
    timed = [(each.machine.label, each.speed) for each in others if each.speed]
    if not timed:
        who = others[0].machine.label if len(others) == 1 else format_count(len(others), "machine")
        return f"{who} compared with {name}"
    if len(others) == 1:
        return _name_winner(*timed[0], name)
    fastest, speed = timed[0]
    if speed.low > 1:
        return f"{_name_winner(fastest, speed, name)}, the fastest of {len(others) + 1} machines"
    if all(each.high < 1 for _, each in timed):
        return f"{name}: the fastest of {len(timed) + 1} machines"
    return f"None of {format_count(len(timed), 'machine')} is clearly faster than {name}"


def _name_winner(machine: str, speed: Ratio, reference: str) -> str:
    if speed.low > 1:
        return f"{machine}: {_format_times(speed.value)} times as fast as {reference}"
    if speed.high < 1:
        return f"{reference}: {_format_times(1 / speed.value)} times as fast as {machine}"
    return (
        f"{machine} is as fast as {reference}"
        if is_same_speed(speed)
        else f"{machine} and {reference} cannot be distinguished"
    )


def _format_times(value: float) -> str:
    return f"{value:.1f}" if 1.5 <= value < 10 else format_ratio(value)


def answer(comparison: Comparison) -> list[str]:
    """What a person wants to know first: a few sentences on one machine, one each on a few, the extremes of many."""
    others = comparison.others
    if len(others) == 1:
        return describe(others[0], comparison.reference)
    if len(others) <= SIDE_BY_SIDE:
        return summarize_all(comparison)
    timed = [each for each in others if each.speed]
    if not timed:
        return [f"No machine's times are compared with {comparison.reference.label}'s."]
    best, worst = (_describe_speed(each, comparison.reference) for each in (timed[0], timed[-1]))
    return [f"The fastest: {best}.", f"The slowest: {worst}."]


def summarize_all(comparison: Comparison) -> list[str]:
    """A line for each machine, the fastest first."""
    return [" ".join(describe(each, comparison.reference)) for each in comparison.others]


def describe(compared: MachineComparison, reference: Machine) -> list[str]:
    """What a person would conclude about one machine: two sentences, and a third where care is needed."""
    same = f"{compared.same_machine}: " if compared.same_machine else ""
    speed = same[:1].upper() + same[1:] + _describe_speed(compared, reference)
    needs = f"{_describe_needs(compared)}; {_describe_losses(compared)}"
    caveats = dict.fromkeys(
        reason
        for each in (compared.time, compared.space, compared.losses)
        if each.state == "with care"
        for reason in each.reasons
        if reason != compared.same_machine
    )
    care = [f"With care: {'; '.join(caveats)}."] if caveats else []
    return [f"{speed}.", f"{needs[:1].upper()}{needs[1:]}.", *care]


def _describe_speed(compared: MachineComparison, reference: Machine) -> str:
    name, other, speed = compared.machine.label, reference.label, compared.speed
    if speed is None:
        return f"{name}'s times per epoch are not compared with {other}'s ({compared.time.reasons[0]})"
    if speed.low > 1:
        start = f"{name} trains {format_ratio(speed.value)} times as fast as {other}"
    elif speed.high < 1:
        speed = Ratio(1 / speed.value, 1 / speed.high, 1 / speed.low, speed.cases)
        start = f"{name} takes {format_ratio(speed.value)} times as long per epoch as {other}"
    else:
        alike = "is as fast as" if is_same_speed(speed) else "cannot be distinguished from"
        start = f"{name} {alike} {other}, at {format_ratio(speed.value)} times its speed"
    over = f"over {format_count(speed.cases, 'case')}{_describe_clear_cases(compared, speed.cases)}"
    return f"{start} (95 %: {format_interval(speed)}) {over}"


def is_same_speed(speed: Ratio) -> bool:
    """Whether the whole interval lies so close to 1 that the speeds are called the same."""
    return speed.low >= 1 / _SAME_SPEED and speed.high <= _SAME_SPEED


def _describe_clear_cases(compared: MachineComparison, cases: int) -> str:
    """In how many cases it is faster or slower: ", clearly slower in 1 of them"."""
    counts = {"faster": compared.count_clear("faster"), "slower": compared.count_clear("slower")}
    clear = [f"clearly {word} in {count}" for word, count in counts.items() if count]
    if cases == 1:
        return ""
    return f", {' and '.join(clear)} of them" if clear else ", none of them clearly faster or slower"


def _describe_needs(compared: MachineComparison) -> str:
    """How long whole trainings take, in how much memory."""
    if compared.memory is None:
        memory = f"memory is not compared ({compared.space.reasons[0]})"
    elif abs(compared.memory - 1) <= _SAME_MEMORY:
        memory = "the same memory"
    else:
        memory = f"{format_fraction(compared.memory)} of the memory"
    times = compared.end_to_end
    if times is None:
        return memory if compared.memory is None else f"it takes {memory}"
    if abs(times - 1) <= _SAME_TOTAL:
        total = "takes the same time"
    elif times > 1:
        total = f"is {format_ratio(times)} times as fast"
    else:
        total = f"takes {format_ratio(1 / times)} times as long"
    joined = "; " if compared.memory is None else ", in "
    return f"end to end, imports and compilation included, a training {total}{joined}{memory}"


def _describe_losses(compared: MachineComparison) -> str:
    if compared.losses.state == "no":
        return f"losses are not compared ({compared.losses.reasons[0]})"
    figure, words = compare_losses(compared)
    return f"{figure} losses {words}" if figure == _SAME else f"losses differ by up to {figure} ({words})"


_SAME = "the same"


def compare_losses(compared: MachineComparison) -> tuple[str, str]:
    """By how much losses differ, and what there is to say of it: ("the same", "to the last bit")."""
    if compared.losses.state == "no":
        return "–", f"not compared: {compared.losses.reasons[0]}"
    differing = [each for each in compared.common if each.loss]
    if not differing:
        return _SAME, "to the last bit"
    worst = max(differing, key=_compute_relative_difference)
    most = _compute_relative_difference(worst)
    if most <= _ROUNDING:
        return _SAME, "but for rounding"
    percent = f"{100 * most:.2g} %" if most < 0.1 else format_fraction(most)
    return (_SAME, f"within {percent}") if most <= _SAME_LOSS else (percent, _show_losses(worst))


def _show_losses(each: CasePair) -> str:
    """The two losses of a case: "basic after 40 epochs: 0.2700, not 0.1156"."""
    assert each.evaluated is not None  # noqa: S101 - it has a loss
    reference, own = each.evaluated
    losses = f"{format_loss(own.loss)}, not {format_loss(reference.loss)}"
    return f"{quote(each.row.model, 40)} after {format_count(own.epochs, 'epoch')}: {losses}"


def _compute_relative_difference(each: CasePair) -> float:
    """A difference of losses, as a fraction of the larger one."""
    assert each.evaluated is not None  # noqa: S101 - it has a loss
    assert each.loss is not None  # noqa: S101
    return abs(each.loss) / max(abs(figures.loss or 0) for figures in each.evaluated)


def format_fraction(value: float) -> str:
    """A fraction in whole percent: "97 %"."""
    return f"{100 * value:.0f} %"


def format_ratio(value: float) -> str:
    """A ratio with two decimals; with three digits in all where two decimals would be too few or too many."""
    return f"{value:.2f}" if 0.1 <= value < 10 else f"{value:.3g}"


def format_interval(ratio: Ratio) -> str:
    """Its ends."""
    return f"{format_ratio(ratio.low)}–{format_ratio(ratio.high)}"


# ------------------------------------------------------------------ names of cases


def name_cases(cases: Mapping[str, Row]) -> dict[str, str]:
    """A short name for each case: the model, the batch size, and every axis in which the cases differ."""
    varying = [axis for axis in _AXES if len({getattr(row, axis) for row in cases.values()}) > 1]
    short = {case: _shorten(row, varying) for case, row in cases.items()}
    unique = len(set(short.values())) == len(short)
    return short if unique else {case: quote(case, _LONGEST_NAME) for case in cases}


_AXES = ("backend", "loop", "precision", "threads", "optimizer", "learning_rate", "dataset", "seed")
_LONGEST_NAME = 90


def _shorten(row: Row, varying: Sequence[str]) -> str:
    words = (word for axis in varying if (word := _name_value(axis, getattr(row, axis))))
    return quote(name_briefly(row.model, words, row.batch_size), _LONGEST_NAME)


def _name_value(axis: str, value: Any) -> str:
    if axis == "threads":
        return "" if value is None else format_count(value, "thread")
    return f"seed {value}" if axis == "seed" else f"{value}"


# ------------------------------------------------------------------ what was not compared


def describe_missing(comparison: Comparison) -> list[str]:
    """What was not compared: cases that failed, and cases that only one side has."""
    short = name_cases(comparison.cases)
    reference = comparison.reference
    own = [(name, why) for name, case in reference.cases.items() for why in case.failures]
    lines = _describe_failures(reference, own, short)
    for each in comparison.others:
        lines += _describe_failures(each.machine, each.failures, short)
        label = each.machine.label
        lacking, alone = each.unmatched
        if lacking:
            names = join_names([short[case] for case in lacking], _LISTED)
            lines.append(f"{label} lacks {format_count(len(lacking), 'case')} of the reference: {names}.")
        if alone:
            names = join_names([short[case] for case in alone], _LISTED)
            lines.append(f"{label} alone has {format_count(len(alone), 'case')}: {names}.")
    return lines


def _describe_failures(machine: Machine, failures: Iterable[tuple[str, str]], short: dict[str, str]) -> list[str]:
    failed = [f"{short[case]} ({why})" for case, why in failures]
    return [f"{machine.label} failed in {join_names(failed, _LISTED)}."] if failed else []
