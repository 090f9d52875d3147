"""What the page of a comparison says first: one answer in large letters, and a few cards."""

import re
from collections.abc import Sequence
from typing import Any

from bench.compare.averages import average, list_figures
from bench.compare.contents import ComparisonReport
from bench.compare.costs import rank_costs
from bench.compare.machines import Comparison, MachineComparison
from bench.compare.sentences import (
    SIDE_BY_SIDE,
    compare_losses,
    format_fraction,
    format_interval,
    format_ratio,
    is_same_speed,
)
from bench.errors import format_count
from bench.report.render import Answer, Card
from bench.report.tables import format_total


def write_answer(report: ComparisonReport, charts: Sequence[Any]) -> Answer:
    """Write the answer of a comparison; ``charts`` stand below it."""
    comparison = report.comparison
    if len(comparison.others) == 1:
        headline, details, cards = _answer_of_one(comparison.others[0], comparison)
    elif len(comparison.others) <= SIDE_BY_SIDE:
        headline, details, cards = _split_title(report), _list_totals(comparison), _rank_machines(comparison)
    else:
        count = len(comparison.others) + 1
        details = f"The reference, {comparison.reference.label}, is number {comparison.rank} of {count}."
        headline, cards = _split_title(report), []
    return Answer(headline, details, (*cards, *_make_cost_card(report)), charts, report.answer)


def _split_title(report: ComparisonReport) -> Sequence[str]:
    return re.split(r"(\S+ times as fast)", report.title)


def _answer_of_one(each: MachineComparison, comparison: Comparison) -> tuple[Sequence[str], str, list[Card]]:
    reference = comparison.reference.label
    totals = list(list_figures(comparison, "total_s").values())
    return (
        _write_headline(each, reference, average(totals)),
        _describe_basis(each, len(totals)),
        _make_cards(each, reference),
    )


def _write_headline(each: MachineComparison, reference: str, totals: Sequence[float]) -> tuple[str, ...]:
    """Who is faster, and how long a whole training takes on either, the faster one first."""
    name, speed = each.machine.label, each.speed
    if speed is None:
        return (f"{name}'s times per epoch are not compared with {reference}'s",)
    names, joined = (name, reference), " and "
    if speed.low > 1 or speed.high < 1:
        ratio, joined = max(speed.value, 1 / speed.value), ", not "
        names = names if speed.low > 1 else (reference, name)
        start = (f"{names[0]} trains ", f"{format_ratio(ratio)} times as fast", f" as {names[1]}")
    elif is_same_speed(speed):
        start = (f"{name} is ", "as fast", f" as {reference}")
    else:
        start = (f"{name} and {reference} ", "cannot be distinguished", "")
    if not totals:
        return start
    seconds = dict(zip((reference, name), totals, strict=True))
    ends = [f"{format_total(seconds[each])} s" for each in names]
    return (*start[:2], f"{start[2]}; from start to end ", ends[0], joined, ends[1])


def _describe_basis(each: MachineComparison, cases: int) -> str:
    """What the headline holds for."""
    same = f"{each.same_machine[:1].upper()}{each.same_machine[1:]}. " if each.same_machine else ""
    counts = dict.fromkeys(count for count in (each.speed.cases if each.speed else 0, cases) if count)
    over = " and ".join(format_count(count, "case") for count in counts)
    total = "; whole trainings include imports and compilation" if cases else ""
    return f"{same}Geometric means over {over}{total}." if counts else same.strip()


def _list_totals(comparison: Comparison) -> str:
    labels = [comparison.reference.label, *(each.machine.label for each in comparison.others)]
    totals = average(list(list_figures(comparison, "total_s").values()))
    each = ", ".join(f"{label} {format_total(seconds)} s" for label, seconds in zip(labels, totals, strict=False))
    words = "From start to end, imports and compilation included"
    return f"{words}: {each} (geometric mean over the cases)." if totals else ""


def _make_cards(each: MachineComparison, reference: str) -> list[Card]:
    """Cards of one machine: speed, total time, memory and losses."""
    name, speed = each.machine.label, each.speed
    cards = []
    if speed:
        words = f"as fast as {reference}; 95 %: {format_interval(speed)}"
        cards.append(Card(f"{name}, per epoch", f"{format_ratio(speed.value)} ×", words, _describe_clear(each)))
    if each.end_to_end:
        cards.append(
            Card(
                f"{name}, end to end",
                f"{format_ratio(each.end_to_end)} ×",
                f"as fast as {reference}, imports and compilation included",
            )
        )
    if each.memory:
        cards.append(Card(f"{name}, memory", format_fraction(each.memory), f"of {reference}'s peak"))
    figure, words = compare_losses(each)
    return [*cards, Card("Losses", figure, words)]


def _describe_clear(each: MachineComparison) -> str:
    counts = {"faster": each.count_clear("faster"), "slower": each.count_clear("slower")}
    clear = [f"clearly {word} in {count}" for word, count in counts.items() if count]
    of = format_count(each.speed.cases if each.speed else 0, "case")
    return f"{' and '.join(clear)} of {of}" if clear else f"clearly faster or slower in none of {of}"


def _rank_machines(comparison: Comparison) -> list[Card]:
    """A card per machine, the fastest first, with the reference in its place."""
    own = (comparison.rank, Card(comparison.reference.label, "1 ×", "the reference"))
    ranked = [(each.rank, _make_machine_card(each)) for each in comparison.others if each.rank]
    return [card for _, card in sorted([own, *ranked], key=lambda line: line[0])]


def _make_machine_card(each: MachineComparison) -> Card:
    speed = each.speed
    words = [f"per epoch, 95 %: {format_interval(speed)}"] if speed else []
    words += [f"end to end {format_ratio(each.end_to_end)} ×"] if each.end_to_end else []
    words += [f"{format_fraction(each.memory)} of the memory"] if each.memory else []
    figure = f"{format_ratio(speed.value)} ×" if speed else "–"
    return Card(each.machine.label, figure, "; ".join(words), _describe_clear(each))


def _make_cost_card(report: ComparisonReport) -> list[Card]:
    if not report.costs:
        return []
    (best, least), *others = rank_costs(report.costs)
    ratios = [f"{format_fraction(least / cost)} of what {label} does" for label, cost in others[:SIDE_BY_SIDE]]
    return [Card("Cheapest to the same loss", best, f"costs {' and '.join(ratios)}")]
