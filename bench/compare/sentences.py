"""A comparison in words: what a person would conclude, and short names for what was compared."""

from collections.abc import Iterable, Mapping, Sequence

from bench.compare.machines import CasePair, Comparison, Ratio, Versus
from bench.compare.points import Machine
from bench.errors import format_count, shown
from bench.report.tables import format_loss
from bench.results.reader import Row

_SAME_SPEED = 1.05
"""Up to this ratio, both ways, speeds are called the same; where an interval reaches beyond, nothing is known."""
_SAME_MEMORY = 0.01
"""Twenty processes of one case differ by half a percent (docs/method.md)."""
_SAME_LOSS = 0.01
_ROUNDING = 1e-6


def verdict(held: Versus, reference: Machine) -> str:
    """What a person would conclude of one machine, in a sentence or two."""
    parts = [_speed_words(held, reference), _memory_words(held), _loss_words(held)]
    cares = dict.fromkeys(
        reason
        for group in (held.time, held.space, held.losses)
        if group.state == "with care"
        for reason in group.reasons
    )
    care = f" With care: {'; '.join(cares)}." if cares else ""
    return "".join(parts) + "." + care


def _speed_words(held: Versus, reference: Machine) -> str:
    name, other, speed = held.machine.label, reference.label, held.speed
    if speed is None:
        return f"{name}'s times are not compared with {other}'s ({held.time.reasons[0]})"
    over = f"over {format_count(speed.cases, 'case')}"
    if speed.low is None or speed.high is None:
        return f"{name} trains {times(speed.value)} times as fast as {other} {over} (one figure, no interval)"
    if speed.low > 1:
        return f"{name} trains {times(speed.value)} times as fast as {other} {over} ({interval(speed)})"
    if speed.high < 1:
        slower = Ratio(1 / speed.value, 1 / speed.high, 1 / speed.low)
        return f"{name} takes {times(slower.value)} times as long as {other} {over} ({interval(slower)})"
    figures = f"{times(speed.value)} times as fast {over}"
    if speed.low >= 1 / _SAME_SPEED and speed.high <= _SAME_SPEED:
        return f"{name} is as fast as {other}: {figures} ({interval(speed)})"
    return f"{name}'s speed cannot be told from {other}'s: {figures} ({interval(speed)}{_clear_cases(held)})"


def _clear_cases(held: Versus) -> str:
    """How many cases differ by their own intervals: "; slower in 1 of them"."""
    speeds = [each.speed for each in held.pairs if each.speed]
    slower = sum(speed.high is not None and speed.high < 1 for speed in speeds)
    faster = sum(speed.low is not None and speed.low > 1 for speed in speeds)
    told = [f"{word} in {count} of them" for word, count in (("slower", slower), ("faster", faster)) if count]
    return f"; {', '.join(told)}" if told else ""


def _memory_words(held: Versus) -> str:
    if held.memory is None:
        return f", memory not compared ({held.space.reasons[0]})"
    same = abs(held.memory.value - 1) <= _SAME_MEMORY
    share = "the same memory" if same else f"{100 * held.memory.value:.0f} % of its memory"
    return f", in {share}" if held.speed else f"; it takes {share}"


def _loss_words(held: Versus) -> str:
    if held.losses.state == "no":
        return f"; losses not compared ({held.losses.reasons[0]})"
    differing = [each for each in held.common if each.loss]
    if not differing:
        return "; the same losses to the last bit"
    worst = max(differing, key=_relative)
    if _relative(worst) <= _ROUNDING:
        return "; the same losses but for rounding"
    if _relative(worst) <= _SAME_LOSS:
        return f"; the same losses within {_percent(_relative(worst))}"
    return f"; losses differ by up to {_percent(_relative(worst))} ({_both(worst)})"


def _both(each: CasePair) -> str:
    """The two losses of a case: "basic after 40 epochs: 0.2700, not 0.1156"."""
    assert each.evaluated is not None  # noqa: S101 - it has a loss
    reference, own = each.evaluated
    losses = f"{format_loss(own.loss)}, not {format_loss(reference.loss)}"
    return f"{shown(each.row.model, 40)} after {own.epochs} epochs: {losses}"


def _relative(each: CasePair) -> float:
    """A difference of losses, as a share of the larger one."""
    assert each.evaluated is not None  # noqa: S101 - it has a loss
    assert each.loss is not None  # noqa: S101
    return abs(each.loss) / max(abs(point.loss or 0) for point in each.evaluated)


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def times(value: float) -> str:
    """A ratio with two decimals; three figures where these would hide it or say too much."""
    return f"{value:.2f}" if 0.1 <= value < 10 else f"{value:.3g}"


def interval(of: Ratio) -> str:
    """Its ends; empty where it has none."""
    return "" if of.low is None or of.high is None else f"{times(of.low)}–{times(of.high)}"


def names(cases: Mapping[str, Row]) -> dict[str, str]:
    """A short name for each case: the model, the batch size, and every axis that varies among them."""
    varying = [axis for axis in _AXES if len({getattr(row, axis) for row in cases.values()}) > 1]
    short = {case: _short(row, varying) for case, row in cases.items()}
    unique = len(set(short.values())) == len(short)
    return short if unique else {case: shown(case, _LONGEST_NAME) for case in cases}


_AXES = ("backend", "loop", "precision", "optimizer", "learning_rate", "dataset", "seed")
_LONGEST_NAME = 90


def _short(row: Row, varying: Sequence[str]) -> str:
    words = (f"seed {row.seed}" if axis == "seed" else f"{getattr(row, axis)}" for axis in varying)
    return shown(" ".join([row.model, f"b{row.batch_size}", *words]), _LONGEST_NAME)


def verdicts(compared: Comparison, most: int | None = None) -> list[str]:
    """A sentence or two for each machine, the fastest first."""
    return _few([verdict(each, compared.reference) for each in compared.others], most)


def remarks(compared: Comparison, most: int | None = None) -> list[str]:
    """What was not compared: cases that failed, and cases that only one side has."""
    short = names(compared.cases)
    own = [(name, why) for name, case in compared.reference.cases.items() for why in case.failures]
    found = _failed(compared.reference, own, short)
    for each in compared.others:
        lacking, alone = each.alone
        label = each.machine.label
        found += _failed(each.machine, each.failures, short)
        found += (
            [f"{label} lacks {format_count(len(lacking), 'case')} of the reference: {_listed(lacking, short)}."]
            if lacking
            else []
        )
        found += [f"{label} alone has {format_count(len(alone), 'case')}: {_listed(alone, short)}."] if alone else []
    return _few(found, most)


def _failed(machine: Machine, failures: Iterable[tuple[str, str]], short: dict[str, str]) -> list[str]:
    told = [f"{short[case]} ({why})" for case, why in failures]
    return [f"{machine.label} failed in {', '.join(told[:_LISTED])}{_and_more(told)}."] if told else []


_LISTED = 6


def _listed(cases: Sequence[str], short: dict[str, str]) -> str:
    return ", ".join(short[case] for case in cases[:_LISTED]) + _and_more(cases)


def _and_more(items: Sequence[str]) -> str:
    return f" and {len(items) - _LISTED} more" if len(items) > _LISTED else ""


def _few(lines: Sequence[str], most: int | None) -> list[str]:
    if most is None or len(lines) <= most:
        return list(lines)
    return [*lines[:most], f"… and {len(lines) - most} more; --out DIR writes all."]
