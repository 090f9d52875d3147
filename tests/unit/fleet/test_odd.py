"""The odd one out of machines of one kind."""

import pytest

from bench.fleet.odd import Figures, find_odd_ones


def machine(label: str, speed: float = 1.0, kind: str = "m1", gb: float = 1.0) -> Figures:
    times = {"basic.r0": 0.1 / speed, "deep.r0": 0.3 / speed}
    return Figures(label, kind, [100.0, 101.0], [10.0 * gb], times)


def test_a_machine_whose_epochs_are_far_from_the_others_is_named() -> None:
    found = find_odd_ones([machine("a"), machine("b", 1.01), machine("c", 0.7), machine("d", 0.99)])
    assert found == ["Odd one out: c: the speed of its epochs is 30% below the median of 4 machines of its kind."]


def test_so_is_one_whose_memory_is_slow() -> None:
    (found,) = find_odd_ones([machine("a", gb=0.5), machine("b"), machine("c", gb=1.02)])
    assert "a: the memory triad of the reference kernel is 50% below" in found


@pytest.mark.parametrize("speed", [0.92, 1.08])
def test_less_than_ten_percent_is_no_reason(speed: float) -> None:
    assert find_odd_ones([machine("a"), machine("b"), machine("c", speed)]) == []


def test_nor_is_a_difference_as_the_others_have_it() -> None:
    speeds = (0.8, 0.9, 1.0, 1.1, 1.25)
    assert find_odd_ones([machine(str(speed), speed) for speed in speeds]) == []


def test_machines_of_other_kinds_are_not_compared_and_of_two_neither_is_odd() -> None:
    assert find_odd_ones([machine("a"), machine("b"), machine("c", 0.2, "m2"), machine("d", 0.9, "m2")]) == []


def test_a_machine_without_figures_is_no_odd_one() -> None:
    assert find_odd_ones([machine("a"), machine("b"), Figures("c", "m1")]) == []
