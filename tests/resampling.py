"""Simulated runs of the gate: rounds are drawn from recorded ones and judged as those of a real run are."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from bench.gate.sequential import LOOKS, MOST_DISCARDED, RiskPlan
from bench.gate.verdict import CaseVerdict, Figures, judge_case

BLOCK = 4
"""Rounds that follow each other in a simulated run as when they were recorded: some minutes under equal conditions."""


def draw_rounds(rounds: int, rng: np.random.Generator, *, wanted: int = LOOKS[-1], block: int = BLOCK) -> list[int]:
    """Indices of so many recorded rounds, in contiguous blocks, each from anywhere (the moving blocks of Künsch,
    Annals of Statistics 17, 1989, p. 1217)."""
    length = min(block, rounds)
    starts = rng.integers(0, rounds - length + 1, size=-(-wanted // length))
    return [int(start) + step for start in starts for step in range(length)][:wanted]


def swap_sides(figures: Figures) -> Figures:
    """A round's figures with base and candidate exchanged."""
    return replace(
        figures,
        wall=None if figures.wall is None else -figures.wall,
        cpu=None if figures.cpu is None else -figures.cpu,
        memory={kind: (candidate, base) for kind, (base, candidate) in figures.memory.items()},
        losses=None if figures.losses is None else (figures.losses[1], figures.losses[0]),
    )


def simulate_case(
    recorded: Sequence[Figures], plan: RiskPlan, rng: np.random.Generator, *, swap: bool, slowdown: float = 0.0
) -> CaseVerdict:
    """One case of a run, look by look until it is decided; ``swap`` exchanges the sides of each round at random.

    A ``slowdown``, a fraction of the base's time, is then added to each round's figure; the noise stays as recorded.
    """
    chosen = [recorded[index] for index in draw_rounds(len(recorded), rng)]
    if swap:
        chosen = [swap_sides(each) if rng.random() < 0.5 else each for each in chosen]
    if slowdown:
        chosen = [_slow_down(each, slowdown) for each in chosen]
    for look in plan.looks:
        verdict = judge_case(chosen[:look], plan)
        if verdict.is_decided:
            break
    return verdict


def _slow_down(figures: Figures, slowdown: float) -> Figures:
    return figures if figures.wall is None else replace(figures, wall=figures.wall + math.log1p(slowdown))


def simulate_runs(
    recorded: Mapping[str, Sequence[Figures]],
    count: int,
    *,
    swap: bool,
    slowdown: float = 0.0,
    most_discarded: float = MOST_DISCARDED,
    seed: int = 0,
) -> Iterator[dict[str, CaseVerdict]]:
    """So many runs over all cases; ``swap`` is for rounds of equal code, whose sides have no names."""
    rng, plan = np.random.default_rng(seed), RiskPlan(len(recorded), most_discarded=most_discarded)
    for _ in range(count):
        yield {
            case: simulate_case(rounds, plan, rng, swap=swap, slowdown=slowdown) for case, rounds in recorded.items()
        }


@dataclass(frozen=True)
class Proportion:
    """How many of how many."""

    count: int
    of: int

    @property
    def value(self) -> float:
        return self.count / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, exact (Clopper and Pearson, Biometrika 26, 1934, p. 404)."""
        found = stats.binomtest(self.count, self.of).proportion_ci(0.95, method="exact")
        return float(found.low), float(found.high)


def count_word(verdicts: Sequence[CaseVerdict], word: str) -> Proportion:
    """How many verdicts have this word among them."""
    return Proportion(sum(word in each.verdicts for each in verdicts), len(verdicts))


def draw_halves(rounds: int, rng: np.random.Generator, size: int) -> tuple[list[int], list[int]]:
    """Rounds for a rule that measures the base first and the candidate after it: one stretch, halved."""
    size = min(size, rounds // 2)
    start = int(rng.integers(0, rounds - 2 * size + 1))
    both = list(range(start, start + 2 * size))
    return both[:size], both[size:]
