"""The peaks over a run: what holds it, of dispatch, memory traffic and arithmetic; pure functions.

After Williams, Waterman and Patterson, "Roofline: an insightful visual performance model for multicore architectures",
Communications of the ACM 52(4), 2009, https://doi.org/10.1145/1498765.1498785, with dispatch as a third limit.
"""

from dataclasses import dataclass
from typing import Literal

Bound = Literal["dispatch", "memory", "arithmetic"]


@dataclass(frozen=True, kw_only=True)
class Step:
    """The least seconds that one training step can take, by each of its limits."""

    dispatch_s: float
    memory_s: float
    arithmetic_s: float

    @property
    def bound(self) -> Bound:
        """The limit that takes longest."""
        limits: dict[Bound, float] = {
            "dispatch": self.dispatch_s,
            "memory": self.memory_s,
            "arithmetic": self.arithmetic_s,
        }
        return max(limits, key=limits.__getitem__)


def step(*, flop: float, moved: float, dispatch_s: float, peak_gflop_per_s: float, peak_gb_per_s: float) -> Step:
    """``flop`` operations and ``moved`` bytes a step, on a machine of such peaks (10^9 a second)."""
    return Step(
        dispatch_s=dispatch_s,
        memory_s=moved / peak_gb_per_s / 1e9,
        arithmetic_s=flop / peak_gflop_per_s / 1e9,
    )
