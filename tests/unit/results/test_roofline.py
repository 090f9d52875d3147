"""What limits a training step."""

import pytest

from bench.results.roofline import find_bound

FIGURES = {"flop": 2e9, "moved": 1e9, "dispatch_s": 0.001, "peak_gflop_per_s": 100.0, "peak_gb_per_s": 20.0}
"""20 ms of arithmetic, 50 ms of memory traffic."""


@pytest.mark.parametrize(
    ("changes", "bound"),
    [
        ({}, "memory"),
        ({"moved": 0.41e9}, "memory"),
        ({"moved": 0.39e9}, "arithmetic"),
        ({"peak_gb_per_s": 51.0}, "arithmetic"),
        ({"peak_gb_per_s": 51.0, "peak_gflop_per_s": 103.0}, "memory"),
        ({"dispatch_s": 0.049}, "memory"),
        ({"dispatch_s": 0.051}, "dispatch"),
    ],
)
def test_the_limit_that_takes_longest_is_the_bound(changes: dict[str, float], bound: str) -> None:
    assert find_bound(**FIGURES | changes) == bound
