"""What holds a step, from its least seconds by each limit."""

import pytest

from bench.results import roofline


def step(**changes: float) -> roofline.Step:
    figures = {"flop": 2e9, "moved": 1e9, "dispatch_s": 0.001, "peak_gflop_per_s": 100.0, "peak_gb_per_s": 20.0}
    return roofline.step(**figures | changes)


def test_seconds_are_operations_and_bytes_over_the_peaks() -> None:
    found = step()
    assert (found.dispatch_s, found.memory_s, found.arithmetic_s) == pytest.approx((0.001, 0.05, 0.02))


@pytest.mark.parametrize(
    ("changes", "bound"),
    [({}, "memory"), ({"moved": 1e6}, "arithmetic"), ({"moved": 1e6, "flop": 1e6}, "dispatch")],
)
def test_the_limit_that_takes_longest_holds_the_step(changes: dict[str, float], bound: str) -> None:
    assert step(**changes).bound == bound
