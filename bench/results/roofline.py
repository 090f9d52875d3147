"""The roofline: whether dispatch, memory traffic or arithmetic limits a training step; a pure function.

After Williams, Waterman and Patterson, "Roofline: an insightful visual performance model for multicore architectures",
Communications of the ACM 52(4), 2009, https://doi.org/10.1145/1498765.1498785, with dispatch as a third limit.
"""

from typing import Literal

Bound = Literal["dispatch", "memory", "arithmetic"]


def find_bound(*, flop: float, moved: float, dispatch_s: float, peak_gflop_per_s: float, peak_gb_per_s: float) -> Bound:
    """What takes longest of a step of ``flop`` operations and ``moved`` bytes, at peaks in units of 10^9 per second."""
    seconds: dict[Bound, float] = {
        "dispatch": dispatch_s,
        "memory": moved / peak_gb_per_s / 1e9,
        "arithmetic": flop / peak_gflop_per_s / 1e9,
    }
    return max(seconds, key=seconds.__getitem__)
