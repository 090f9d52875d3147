"""A comparison in words: what a person would conclude, and short names for what was compared."""

from collections.abc import Iterable, Mapping, Sequence

from bench.compare.cases import Machine
from bench.compare.machines import Comparison, MachineComparison
from bench.compare.pairs import CasePair
from bench.compare.ratios import Ratio
from bench.errors import format_count, join_names, quote
from bench.report.tables import format_loss
from bench.results.reader import Row

_SAME_SPEED = 1.05
"""Speeds are called the same where the whole interval of their ratio is closer to 1 than this."""
_SAME_MEMORY = 0.01
"""Twenty processes of one case differ by half a percent (docs/research/measurement.md)."""
_SAME_LOSS = 0.01
_ROUNDING = 1e-6
_LISTED = 6
"""Cases that are named; of more, their number."""


def summarize_all(comparison: Comparison, most: int | None = None) -> list[str]:
    """A sentence or two for each machine, the fastest first."""
    return _limit([summarize(each, comparison.reference) for each in comparison.others], most)


def summarize(compared: MachineComparison, reference: Machine) -> str:
    """What a person would conclude about one machine, in a sentence or two."""
    parts = [_describe_speed(compared, reference), _describe_memory(compared), _describe_losses(compared)]
    caveats = dict.fromkeys(
        reason
        for each in (compared.time, compared.space, compared.losses)
        if each.state == "with care"
        for reason in each.reasons
    )
    care = f" With care: {'; '.join(caveats)}." if caveats else ""
    return "".join(parts) + "." + care


def _describe_speed(compared: MachineComparison, reference: Machine) -> str:
    name, other, speed = compared.machine.label, reference.label, compared.speed
    if speed is None:
        return f"{name}'s times are not compared with {other}'s ({compared.time.reasons[0]})"
    over = f"over {format_count(speed.cases, 'case')}"
    interval = format_interval(speed)
    if speed.low > 1:
        return f"{name} trains {format_ratio(speed.value)} times as fast as {other} {over} ({interval})"
    if speed.high < 1:
        slower = Ratio(1 / speed.value, 1 / speed.high, 1 / speed.low)
        return f"{name} takes {format_ratio(slower.value)} times as long as {other} {over} ({format_interval(slower)})"
    figures = f"{format_ratio(speed.value)} times as fast {over}"
    if speed.low >= 1 / _SAME_SPEED and speed.high <= _SAME_SPEED:
        return f"{name} is as fast as {other}: {figures} ({interval})"
    clear = _count_clear_cases(compared)
    return f"{name}'s speed cannot be distinguished from {other}'s: {figures} ({interval}{clear})"


def _count_clear_cases(compared: MachineComparison) -> str:
    """How many cases differ by their own intervals: "; slower in 1 of them"."""
    speeds = [each.speed for each in compared.pairs if each.speed]
    slower, faster = sum(speed.high < 1 for speed in speeds), sum(speed.low > 1 for speed in speeds)
    clear = [f"{word} in {count} of them" for word, count in (("slower", slower), ("faster", faster)) if count]
    return f"; {', '.join(clear)}" if clear else ""


def _describe_memory(compared: MachineComparison) -> str:
    if compared.memory is None:
        return f", memory not compared ({compared.space.reasons[0]})"
    same = abs(compared.memory - 1) <= _SAME_MEMORY
    memory = "the same memory" if same else f"{format_fraction(compared.memory)} of its memory"
    return f", in {memory}" if compared.speed else f"; it takes {memory}"


def _describe_losses(compared: MachineComparison) -> str:
    if compared.losses.state == "no":
        return f"; losses not compared ({compared.losses.reasons[0]})"
    differing = [each for each in compared.common if each.loss]
    if not differing:
        return "; the same losses to the last bit"
    worst = max(differing, key=_compute_relative_difference)
    most = _compute_relative_difference(worst)
    if most <= _ROUNDING:
        return "; the same losses but for rounding"
    percent = f"{100 * most:.2g} %" if most < 0.1 else format_fraction(most)
    if most <= _SAME_LOSS:
        return f"; the same losses within {percent}"
    return f"; losses differ by up to {percent} ({_show_losses(worst)})"


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


def name_cases(cases: Mapping[str, Row]) -> dict[str, str]:
    """A short name for each case: the model, the batch size, and every axis in which the cases differ."""
    varying = [axis for axis in _AXES if len({getattr(row, axis) for row in cases.values()}) > 1]
    short = {case: _shorten(row, varying) for case, row in cases.items()}
    unique = len(set(short.values())) == len(short)
    return short if unique else {case: quote(case, _LONGEST_NAME) for case in cases}


_AXES = ("backend", "loop", "precision", "optimizer", "learning_rate", "dataset", "seed")
_LONGEST_NAME = 90


def _shorten(row: Row, varying: Sequence[str]) -> str:
    words = (f"seed {row.seed}" if axis == "seed" else f"{getattr(row, axis)}" for axis in varying)
    return quote(" ".join([row.model, f"b{row.batch_size}", *words]), _LONGEST_NAME)


def describe_missing(comparison: Comparison, most: int | None = None) -> list[str]:
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
    return _limit(lines, most)


def _describe_failures(machine: Machine, failures: Iterable[tuple[str, str]], short: dict[str, str]) -> list[str]:
    failed = [f"{short[case]} ({why})" for case, why in failures]
    return [f"{machine.label} failed in {join_names(failed, _LISTED)}."] if failed else []


def _limit(lines: Sequence[str], most: int | None) -> list[str]:
    if most is None or len(lines) <= most:
        return list(lines)
    return [*lines[:most], f"… and {len(lines) - most} more; --out DIR writes all."]
