from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import recordings
import resampling
import scripted_paired
from recordings import Recording

from bench.gate.regress import SENTINELS
from bench.gate.sequential import LOOKS, MOST_DISCARDED, RiskPlan
from bench.gate.verdict import BAD, Figures, reduce_round

RUNS = 500
"""Drawn from the recordings by the tests; `nox -s validate -- gate` draws 10,000."""


def recording(**changes: Any) -> Recording:
    made = scripted_paired.noisy(np.random.default_rng(1), blocks=12)
    return Recording("basic:fit:256", 4864, "2026-01-02T03:04:05+00:00", 25.0, replace(made, **changes))


def write_and_read(before: Recording) -> Recording:
    return recordings.parse_line(recordings.to_line(before))


def test_a_recording_keeps_a_rounds_figures() -> None:
    before = recording()
    kept, found = reduce_round(before.round), reduce_round(write_and_read(before).round)
    assert found.wall == pytest.approx(kept.wall, abs=1e-4)
    assert found.cpu == pytest.approx(kept.cpu, abs=1e-4)
    assert replace(found, wall=kept.wall, cpu=kept.cpu) == kept


def test_a_recording_keeps_orders_and_flags() -> None:
    first, *rest = recording().round.blocks
    found = write_and_read(recording(blocks=(replace(first, noise=("steal",)), *rest))).round
    assert [block.order for block in found.blocks] == [block.order for block in (first, *rest)]
    assert [block.noise for block in found.blocks] == [("steal",)] + [()] * len(rest)


def test_a_recording_keeps_that_losses_differed_and_the_last_ones() -> None:
    *rest, last = recording().round.blocks
    differing = replace(last, candidate=(last.candidate[0], replace(last.candidate[1], val_loss=None)))
    found = reduce_round(write_and_read(recording(blocks=(*rest, differing))).round)
    assert not found.equal_losses
    assert found.losses == (0.11, None)


def test_a_kind_that_was_never_recorded_has_no_rounds() -> None:
    assert recordings.read("nothing") == {}


def test_rounds_are_drawn_in_stretches_as_they_followed_each_other() -> None:
    chosen = resampling.draw_rounds(40, np.random.default_rng(0))
    assert len(chosen) == LOOKS[-1]
    for start in range(0, len(chosen), resampling.BLOCK):
        block = chosen[start : start + resampling.BLOCK]
        assert block == list(range(block[0], block[0] + len(block)))


def test_fewer_recordings_than_a_stretch_are_drawn_again_and_again() -> None:
    assert set(resampling.draw_rounds(2, np.random.default_rng(0))) == {0, 1}


def test_a_rule_that_measures_one_side_after_the_other_gets_two_stretches_that_meet() -> None:
    first, then = resampling.draw_halves(40, np.random.default_rng(0), 6)
    assert [*first, *then] == list(range(first[0], first[0] + 12))


def test_swapping_a_round_twice_gives_it_back() -> None:
    found = reduce_round(recording().round)
    assert resampling.swap_sides(found).wall == -(found.wall or 0)
    assert resampling.swap_sides(resampling.swap_sides(found)) == found


def test_a_drawn_course_ends_at_the_first_look_that_decides() -> None:
    slow = [reduce_round(each) for each in scripted_paired.rounds([1.2, 1.21, 1.19, 1.2, 1.22, 1.2] * 4)]
    found = resampling.simulate_case(slow, RiskPlan(cases=1), np.random.default_rng(0), swap=False)
    assert (found.rounds, found.verdicts) == (LOOKS[0], ("slower",))


def recorded(kind: str) -> dict[str, list[Figures]]:
    found = {case: [reduce_round(each.round) for each in rounds] for case, rounds in recordings.read(kind).items()}
    assert {name.partition(":")[0] for name in found} == set(SENTINELS)
    assert min(map(len, found.values())) >= LOOKS[0]
    return found


@pytest.mark.parametrize(
    ("kind", "most_discarded"), [("equal", MOST_DISCARDED), ("busy", MOST_DISCARDED), ("busy", 1.0)]
)
def test_recorded_rounds_of_equal_code_raise_no_more_alarms_than_allowed(kind: str, most_discarded: float) -> None:
    runs = resampling.simulate_runs(recorded(kind), RUNS, swap=True, most_discarded=most_discarded)
    alarms = sum(any(set(each.verdicts) & set(BAD) for each in run.values()) for run in runs)
    assert alarms <= 0.01 * RUNS


@pytest.mark.parametrize(("kind", "most_discarded"), [("equal", MOST_DISCARDED), ("busy", 1.0)])
def test_a_slowdown_of_five_percent_among_the_recorded_noise_is_found(kind: str, most_discarded: float) -> None:
    runs = list(resampling.simulate_runs(recorded(kind), RUNS, swap=True, slowdown=0.05, most_discarded=most_discarded))
    for case in runs[0]:
        assert resampling.count_word([run[case] for run in runs], "slower").value >= 0.94  # of 500, for 95 of 100


@pytest.mark.parametrize(
    ("kind", "word"),
    [("slower-5", "slower"), ("slower-10", "slower"), ("more-memory-5", "more-memory"), ("higher-loss", "higher-loss")],
)
def test_recorded_rounds_of_changed_code_are_called_what_they_are(kind: str, word: str) -> None:
    runs = list(resampling.simulate_runs(recorded(kind), RUNS, swap=False))
    for case in runs[0]:
        assert resampling.count_word([run[case] for run in runs], word).value >= 0.94  # of 500, for 95 of 100
