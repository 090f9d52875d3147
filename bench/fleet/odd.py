"""The odd one out: a machine that differs from all others of its kind, which a defect does, or another tenant."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.results.journal_lines import Outcome
from bench.results.schema import ResultRow

FEWEST = 3
"""Machines of a kind: of two that differ, neither is the odd one."""
LEAST = 0.1
"""How far from the median, as a fraction, a machine has to be."""
TIMES_SPREAD = 5.0
"""How many times as far as the others are in the median."""


@dataclass
class Figures:
    """What says how fast a machine is."""

    label: str
    kind: str
    """Its machine_id."""
    gflop_per_s: list[float] = field(default_factory=list)
    gb_per_s: list[float] = field(default_factory=list)
    epoch_s: dict[str, float] = field(default_factory=dict)
    """Quiet seconds per epoch, by case."""


def read_figures(label: str, kind: str, outcomes: Iterable[Outcome], rows: Iterable[ResultRow]) -> Figures:
    """Collect what of a machine's rows is compared."""
    figures = Figures(label, kind)
    found = [each for outcome in outcomes for each in (outcome.reference_before, outcome.reference_after) if each]
    alike = [each for each in found if each.threads == max(other.threads for other in found)]
    figures.gflop_per_s = [each.gflop_per_s for each in alike]
    figures.gb_per_s = [each.gb_per_s for each in alike]
    figures.epoch_s = {row.case_id: row.epoch_s_quiet for row in rows if row.is_last and row.epoch_s_quiet}
    return figures


def find_odd_ones(machines: Sequence[Figures]) -> list[str]:
    """Say of each machine that is far from its kind's others in what and how far; one sentence each."""
    kinds: dict[str, list[Figures]] = {}
    for each in machines:
        kinds.setdefault(each.kind, []).append(each)
    return [sentence for kind in kinds.values() if len(kind) >= FEWEST for sentence in _find_in_kind(kind)]


def _find_in_kind(machines: Sequence[Figures]) -> list[str]:
    figures: Mapping[str, dict[str, float]] = {
        "matrix product of the reference kernel": _take_medians(machines, "gflop_per_s"),
        "memory triad of the reference kernel": _take_medians(machines, "gb_per_s"),
        "speed of its epochs": _compare_epochs(machines),
    }
    sentences = []
    for what, values in figures.items():
        for label, ratio in _find_far(values).items():
            direction = "below" if ratio < 1 else "above"
            sentences.append(
                f"Odd one out: {label}: the {what} is {abs(1 - ratio):.0%} {direction} the median of "
                f"{len(values)} machines of its kind."
            )
    return sentences


def _take_medians(machines: Sequence[Figures], name: str) -> dict[str, float]:
    found = {each.label: getattr(each, name) for each in machines}
    return {label: statistics.median(values) for label, values in found.items() if values}


def _compare_epochs(machines: Sequence[Figures]) -> dict[str, float]:
    """Each machine's speed over its kind's, case by case, in the geometric mean."""
    typical: dict[str, float] = {}
    for case_id in {case_id for each in machines for case_id in each.epoch_s}:
        times = [each.epoch_s[case_id] for each in machines if case_id in each.epoch_s]
        if len(times) >= FEWEST:
            typical[case_id] = statistics.median(times)
    speeds: dict[str, float] = {}
    for each in machines:
        ratios = [typical[case_id] / seconds for case_id, seconds in each.epoch_s.items() if case_id in typical]
        if ratios:
            speeds[each.label] = statistics.geometric_mean(ratios)
    return speeds


def _find_far(values: Mapping[str, float]) -> dict[str, float]:
    """The machines whose value is far from the median, and how many times the median it is."""
    if len(values) < FEWEST:
        return {}
    middle = statistics.median(values.values())
    spread = statistics.median(abs(value - middle) for value in values.values())
    limit = max(LEAST * middle, TIMES_SPREAD * spread)
    return {label: value / middle for label, value in values.items() if abs(value - middle) > limit}
