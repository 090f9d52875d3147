"""Machines side by side, and ranked: pure functions on what each of them measured.

One machine is the reference; every other machine is compared with it case by case. A speed is the reference's seconds
over the machine's, so that 2 is twice as fast. A ratio of memory is the machine's over the reference's. A difference of
losses is the machine's less the reference's.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from bench.compare.cases import Machine
from bench.compare.caveats import Caveats, Comparability, describe_same_machine
from bench.compare.pairs import CasePair, pair_case
from bench.host.fingerprint import Fingerprint
from bench.results.ratios import Ratio, compute_geometric_mean, find_clear_differences
from bench.results.reader import Row


@dataclass(frozen=True)
class MachineComparison:
    """A machine compared with the reference."""

    machine: Machine
    pairs: tuple[CasePair, ...]
    differences: tuple[tuple[str, Any, Any], ...]
    """What differs in the fingerprints: field, the reference's, the machine's."""
    speed: Ratio | None
    """Over all cases."""
    end_to_end: float | None
    """The geometric mean over all cases of `CasePair.end_to_end`."""
    memory: float | None
    """The geometric mean over all cases of the memory that `CasePair.memory` compares."""
    time: Comparability
    space: Comparability
    losses: Comparability
    same_machine: str | None = None
    """"the same machine at another moment", or "in another environment"; None of two machines."""
    rank: int | None = None

    def find_pair(self, case: str) -> CasePair | None:
        """One case, if either side has it."""
        return next((each for each in self.pairs if each.case == case), None)

    @property
    def common(self) -> tuple[CasePair, ...]:
        """Cases that succeeded on both."""
        return tuple(each for each in self.pairs if each.timed)

    def count_clear(self, word: Literal["faster", "slower"]) -> int:
        """In how many cases it is clearly faster, or slower."""
        return sum(each.clearly == word for each in self.pairs)

    @property
    def unmatched(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Cases that only the reference has, and that only the machine has."""
        return (
            tuple(each.case for each in self.pairs if each.machine is None),
            tuple(each.case for each in self.pairs if each.reference is None),
        )

    @property
    def failures(self) -> tuple[tuple[str, str], ...]:
        """Cases of the machine that failed, and how."""
        return tuple((name, failure) for name, case in self.machine.cases.items() for failure in case.failures)

    @property
    def is_comparable(self) -> bool:
        """Whether anything can be compared."""
        return any(each.state != "no" for each in (self.time, self.space, self.losses))


@dataclass(frozen=True)
class Comparison:
    """Machines compared with one of them, the best rank first; those without a rank come last."""

    reference: Machine
    others: tuple[MachineComparison, ...]
    rank: int
    """The reference's own."""

    @property
    def is_comparable(self) -> bool:
        """Whether anything of any machine can be compared."""
        return any(each.is_comparable for each in self.others)

    @property
    def cases(self) -> dict[str, Row]:
        """Every case of any machine and what it trains, the reference's first, in its order."""
        found = {name: case.row for name, case in self.reference.cases.items()}
        for each in self.others:
            for name, case in each.machine.cases.items():
                found.setdefault(name, case.row)
        return found


def compare_machines(reference: Machine, others: Sequence[Machine]) -> Comparison:
    """Compare each of the others with the reference, and rank all by the geometric mean of their speeds."""
    compared = [compare_machine(reference, other) for other in others]
    speeds = [each.speed.value for each in compared if each.speed]

    def rank(speed: float) -> int:
        return 1 + sum(each > speed for each in (*speeds, 1.0))  # 1 is the reference's own

    ranked = [replace(each, rank=rank(each.speed.value)) if each.speed else each for each in compared]
    ranked.sort(key=lambda each: (each.rank is None, each.rank or 0))
    return Comparison(reference, tuple(ranked), rank(1.0))


def compare_machine(reference: Machine, other: Machine) -> MachineComparison:
    """One machine compared with the reference."""
    names = dict.fromkeys((*reference.cases, *other.cases))
    pairs = _call_differences([pair_case(name, reference.cases.get(name), other.cases.get(name)) for name in names])
    has_shared = any(each.reference and each.machine for each in pairs)
    caveats = Caveats(reference, other, [each for each in pairs if each.timed], has_shared)
    return MachineComparison(
        machine=other,
        pairs=pairs,
        differences=_find_differences(reference.fingerprint, other.fingerprint),
        speed=compute_geometric_mean([each.speed for each in pairs if each.speed]),
        end_to_end=_average([each.end_to_end for each in pairs if each.end_to_end]),
        memory=_average([each.memory for each in pairs if each.memory]),
        time=caveats.judge_times(),
        space=caveats.judge_memory(),
        losses=caveats.judge_losses(),
        same_machine=describe_same_machine(reference, other),
    )


def _call_differences(pairs: Sequence[CasePair]) -> tuple[CasePair, ...]:
    """Say of each case whether it is faster or slower, so that this holds for all of them together."""
    called = {each.case: each.p_value for each in pairs if each.p_value is not None}
    clear = dict(zip(called, find_clear_differences(list(called.values())), strict=True))
    return tuple(
        replace(each, clearly="faster" if each.speed.value > 1 else "slower")
        if each.speed and clear.get(each.case)
        else each
        for each in pairs
    )


def _average(ratios: Sequence[float]) -> float | None:
    return statistics.geometric_mean(ratios) if ratios else None


def _find_differences(one: Fingerprint, two: Fingerprint) -> tuple[tuple[str, Any, Any], ...]:
    sides = ((name, getattr(one, name), getattr(two, name)) for name in Fingerprint.model_fields)
    return tuple(side for side in sides if side[1] != side[2])
