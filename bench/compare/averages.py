"""Figures of a few machines side by side: means over the cases that all of them have."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from bench.compare.cases import CheckpointFigures
from bench.compare.machines import Comparison
from bench.compare.pairs import CasePair

Measure = Literal["total_s", "memory_mib"]


def list_figures(comparison: Comparison, measure: Measure) -> dict[str, list[float]]:
    """The reference's figure and each machine's, by the cases in which it can be compared on all of them."""
    found = {}
    for case in comparison.reference.cases:
        pairs = [each for other in comparison.others if (each := other.find_pair(case))]
        figures = [_read_sides(each, measure) for each in pairs]
        known = [each for each in figures if each]
        if known and len(known) == len(comparison.others):
            found[case] = [known[0][0], *(own for _, own in known)]
    return found


def average_models(comparison: Comparison, measure: Measure) -> dict[str, list[float]]:
    """The geometric means by model."""
    models: dict[str, list[list[float]]] = {}
    for case, figures in list_figures(comparison, measure).items():
        models.setdefault(comparison.cases[case].model, []).append(figures)
    return {model: average(rows) for model, rows in models.items()}


def average(rows: Sequence[Sequence[float]]) -> list[float]:
    """The geometric mean of each column; none without rows."""
    return [statistics.geometric_mean(column) for column in zip(*rows, strict=True)]


def _read_sides(each: CasePair, measure: Measure) -> tuple[float, float] | None:
    """The reference's figure and the machine's, where they are compared."""
    if not each.sized or (each.end_to_end if measure == "total_s" else each.memory) is None:
        return None
    one, two = (_READ[measure](figures, each) for figures in each.sized)
    return None if one is None or two is None else (one, two)


_READ: Mapping[Measure, Callable[[CheckpointFigures, CasePair], float | None]] = {
    "total_s": lambda figures, _each: figures.total_s,
    "memory_mib": lambda figures, each: figures.anon_mib if each.anon else figures.rss_mib,
}
