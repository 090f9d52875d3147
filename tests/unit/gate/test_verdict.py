import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import scripted_paired
from scripted_paired import BASE, block, recorded, rounds, turn

from bench.gate import verdict as verdict_module
from bench.gate.sequential import FALSE_ALARMS, LOOKS, MISSES, RiskPlan
from bench.gate.verdict import (
    FEWEST_BLOCKS,
    CaseResult,
    CaseVerdict,
    choose_exit_code,
    cut_warmup,
    find_smallest_slowdown,
    judge_case,
    judge_time,
    reduce_round,
)
from bench.results.stats import StudentMean
from bench.worker.paired_protocol import Block, Memory, Round

PLAN = RiskPlan(cases=3)
EVEN = (1.001, 0.999, 1.002, 0.998, 1.0, 1.001)


def judged(rounds: Sequence[Round], plan: RiskPlan) -> CaseVerdict:
    return judge_case([reduce_round(each) for each in rounds], plan)


def swapped(each: Block) -> Block:
    return replace(each, base=each.candidate, candidate=each.base)


def times(ratio: float) -> list[float]:
    return [ratio * each for each in EVEN]


# ------------------------------------------------------------------------------------------------- figures of a round


def test_a_rounds_figure_is_the_ratio_of_the_means_of_the_faster_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    found = reduce_round(recorded(ratio=1.1))
    assert found.wall == pytest.approx(math.log(1.1))
    assert found.cpu == pytest.approx(math.log(1.1))
    monkeypatch.setattr(verdict_module, "cut_warmup", lambda blocks: blocks)
    uneven = replace(recorded(), blocks=(block(1.0, 1.0), block(9.0, 8.0), block(1.2, 1.4), block(9.0, 8.0)))
    assert reduce_round(uneven).wall == pytest.approx(math.log(1.2 / 1.1))


def test_turns_that_were_stopped_do_not_move_a_figure() -> None:
    slow = tuple(block(5.0, 0.18) for _ in range(3))
    usual = recorded()
    assert reduce_round(replace(usual, blocks=usual.blocks + slow)).wall == pytest.approx(0.0, abs=1e-12)


def test_warmup_is_cut_from_both_sides_though_only_one_warms_up_slowly() -> None:
    blocks = [block(2.0, 2.0), *(block(0.18, 1.0),) * 2, *(block(),) * 9]
    assert len(cut_warmup(blocks)) == 9
    assert len(cut_warmup([swapped(each) for each in blocks])) == 9


def test_a_noisy_block_is_discarded_whole() -> None:
    usual = recorded(ratio=1.0)
    noisy = replace(usual, blocks=(*usual.blocks, block(0.01, 9.0, noise=("steal",))))
    found = reduce_round(noisy)
    assert (found.blocks, found.kept) == (9, 8)
    assert found.wall == reduce_round(usual).wall


def test_what_is_discarded_does_not_depend_on_whose_turn_it_was() -> None:
    usual = recorded(blocks=(block(2, 2), *(block(0.18, 0.2),) * 4, block(0.1, 0.3, noise=("steal",))))
    there, back = reduce_round(usual), reduce_round(replace(usual, blocks=tuple(map(swapped, usual.blocks))))
    assert there.kept == back.kept
    assert there.wall == pytest.approx(-(back.wall or 0))


def test_a_round_of_too_few_quiet_blocks_has_no_figure() -> None:
    loud = recorded(blocks=(block(2, 2), *(block(),) * (FEWEST_BLOCKS - 1), *(block(noise=("steal",)),) * 5))
    assert reduce_round(loud).wall is None
    assert judged([loud] * 6, PLAN).time.verdict == "undecided"


# --------------------------------------------------------------------------------------------------- verdicts on time


def test_the_levels_of_all_looks_and_cases_add_up_to_the_risk() -> None:
    looks = range(len(LOOKS))
    for_all = sum(PLAN.compute_alarm_level(look, what) for look in looks for what in ("time", "memory", "loss"))
    assert 3 * for_all == pytest.approx(FALSE_ALARMS)
    assert sum(PLAN.compute_miss_level(look) for look in looks) == pytest.approx(MISSES)


def test_more_cases_leave_each_a_smaller_risk() -> None:
    assert RiskPlan(cases=6).compute_alarm_level(0, "time") == pytest.approx(PLAN.compute_alarm_level(0, "time") / 2)


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(1.0, "ok"), (1.01, "ok"), (1.06, "slower"), (1.5, "slower"), (0.9, "faster"), (0.99, "ok")]
)
def test_six_quiet_rounds_are_enough(ratio: float, verdict: str) -> None:
    found = judged(rounds(times(ratio)), PLAN)
    assert found.time.verdict == verdict
    assert found.time.estimate is not None
    assert found.time.estimate.value == pytest.approx(ratio - 1, abs=0.001)
    assert found.rounds == 6


def test_a_slowdown_that_is_sure_and_too_small_to_matter_is_ok() -> None:
    found = judged(rounds(times(1.03)), PLAN).time
    assert found.estimate is not None
    assert found.estimate.low is not None
    assert found.estimate.low > 0
    assert found.verdict == "ok"
    assert judged(rounds(times(1.03)), RiskPlan(cases=3, minimum_effect=0.02)).time.verdict == "slower"


def test_five_rounds_decide_nothing() -> None:
    found = judged(rounds(times(1.5)[:5]), PLAN)
    assert found.verdicts == ("undecided",)
    assert (found.smallest, found.time.estimate and found.time.estimate.low) == (None, None)


def test_rounds_between_two_looks_are_not_looked_at() -> None:
    quiet = [*times(1.0), 3.0]
    assert judged(rounds(quiet), PLAN).time == judged(rounds(quiet[:6]), PLAN).time
    assert judged(rounds([*quiet, 3.0]), PLAN).rounds == 8


def test_noise_that_hides_the_minimum_effect_is_undecided() -> None:
    assert judged(rounds([1.2, 0.85, 1.1, 0.9, 1.15, 0.95]), PLAN).verdicts == ("undecided",)


def test_too_many_noisy_blocks_are_undecided_however_large_the_difference() -> None:
    loud = (block(2, 2), *(block(0.18, 0.3),) * 6, *(block(noise=("other-load",)),) * 4)
    found = judged(rounds(EVEN, blocks=loud), PLAN)
    assert found.discarded == pytest.approx(0.4)
    assert found.time.verdict == "undecided"
    assert found.time.reason == "noise cost more than 30% of the blocks"
    assert judged(rounds(EVEN, blocks=loud), replace(PLAN, most_discarded=0.4)).time.verdict == "slower"


def test_the_smallest_slowdown_is_found_as_often_as_is_said() -> None:
    rng = np.random.default_rng(1)
    sd = 0.012
    estimates = [StudentMean.of(rng.normal(0, sd, 6).tolist()) for _ in range(401)]
    typical = sorted(find_smallest_slowdown(each, PLAN, 0) for each in estimates)[320]
    alarms = [judge_time((math.log1p(typical) + rng.normal(0, sd, 6)).tolist(), PLAN).verdict for _ in range(400)]
    assert alarms.count("slower") / 400 > 0.9


def test_the_smallest_slowdown_grows_with_the_noise() -> None:
    estimates = [StudentMean.of([sd * each for each in (1, -1, 1, -1, 1, -1)]) for sd in (0.003, 0.03)]
    quiet, loud = (find_smallest_slowdown(each, PLAN, 0) for each in estimates)
    assert 0.04 < quiet < 0.055
    assert loud > 0.08


# ------------------------------------------------------------------------------------------------------- simulated runs


def verdict(stream: npt.NDArray[np.float64]) -> str:
    """As a run goes: looked at after 6, 8, 11 and 16 rounds, until one decides."""
    found = (judge_time(stream[:look].tolist(), PLAN).verdict for look in LOOKS)
    return next((each for each in found if each != "undecided"), "undecided")


def alarms(streams: npt.NDArray[np.float64]) -> int:
    """Runs of three cases with at least one alarm."""
    return sum(any(verdict(stream) == "slower" for stream in run) for run in streams)


def streams(rng: np.random.Generator, kind: str, noise: float) -> npt.NDArray[np.float64]:
    """2,000 runs of 3 cases of 16 rounds."""
    shape = (2_000, 3, 16)
    match kind:
        case "heavy tails":
            return noise * rng.standard_t(3, shape)
        case "bursts":
            return np.where(rng.random(shape) < 0.1, 8.0, 1.0) * rng.normal(0, noise, shape)
        case "a drift over rounds":
            return rng.normal(0, noise, shape) + rng.normal(0, noise / 2, (2_000, 3, 1)) * np.linspace(-1, 1, 16)
        case _:
            return rng.normal(0, noise, shape)


@pytest.mark.parametrize("kind", ["normal", "heavy tails", "bursts"])
@pytest.mark.parametrize("noise", [0.01, 0.04])
def test_equal_code_raises_an_alarm_in_one_run_of_a_hundred_at_most(kind: str, noise: float) -> None:
    assert alarms(streams(np.random.default_rng(7), kind, noise)) <= 20


def test_a_machine_that_drifts_over_the_rounds_raises_no_alarm() -> None:
    assert alarms(streams(np.random.default_rng(7), "a drift over rounds", 0.01)) <= 20


@pytest.mark.parametrize("kind", ["normal", "heavy tails", "a drift over rounds"])
def test_a_slowdown_of_five_percent_is_found_nineteen_times_in_twenty(kind: str) -> None:
    slower = streams(np.random.default_rng(8), kind, 0.01)[:700, 0] + math.log(1.05)
    assert sum(verdict(stream) == "slower" for stream in slower) >= 0.95 * 700


def test_a_slowdown_of_ten_percent_is_found_at_twice_the_noise() -> None:
    slower = streams(np.random.default_rng(9), "normal", 0.02)[:700, 0] + math.log(1.1)
    assert sum(verdict(stream) == "slower" for stream in slower) >= 0.95 * 700


def test_equal_code_at_one_percent_of_noise_is_ok_after_six_rounds() -> None:
    equal = streams(np.random.default_rng(10), "normal", 0.01)[:700, 0]
    assert sum(judge_time(stream[:6].tolist(), PLAN).verdict == "ok" for stream in equal) >= 0.95 * 700


@pytest.mark.parametrize(("slowdown", "expected"), [(0.0, "ok"), (0.07, "slower")])
def test_blocks_on_a_machine_that_drifts_and_stutters_come_to_the_right_verdict(slowdown: float, expected: str) -> None:
    rng = np.random.default_rng(11)
    runs = [[scripted_paired.noisy(rng, slowdown=slowdown) for _ in range(16)] for _ in range(20)]
    found = [verdict(np.array([reduce_round(each).wall for each in run], np.float64)) for run in runs]
    assert found.count(expected) >= 19, found


# --------------------------------------------------------------------------------------------------- memory and loss


def grown(growth: float, jitter: tuple[float, ...] = (0.0,) * 6, **changes: float) -> list[Round]:
    fields = [BASE.peak_rss_mib * (1 + growth + each) for each in jitter]
    return [
        recorded(number, candidate_memory=replace(BASE, peak_rss_mib=peak, **changes))
        for number, peak in enumerate(fields, start=1)
    ]


def test_five_percent_more_memory_is_found_and_faster_does_not_excuse_it() -> None:
    assert judged(grown(0.05, (0.002, -0.002, 0.001, 0.0, 0.003, -0.001)), PLAN).verdicts == ("more-memory",)
    blocks = recorded(ratio=0.8).blocks
    faster = [replace(each, blocks=blocks) for each in grown(0.05)]
    assert judged(faster, PLAN).time.verdict == "faster"
    assert judged(faster, PLAN).verdicts == ("more-memory",)


def test_memory_within_three_percent_or_its_own_spread_is_ok() -> None:
    assert judged(grown(0.029), PLAN).memory.verdict == "ok"
    assert judged(grown(0.05, (0.2, -0.2, 0.15, -0.1, 0.1, -0.15)), PLAN).memory.verdict == "ok"


def test_anonymous_memory_that_files_hide_is_found() -> None:
    found = judged(grown(0.02, anon_mib=480.0), PLAN)
    assert found.memory.verdict == "more-memory"
    assert "anonymous" in found.memory.reason


def test_a_system_without_figures_of_anonymous_memory_is_judged_by_the_peak() -> None:
    silent = [replace(each, base_memory=Memory(900.0, None)) for each in grown(0.0)]
    assert judged(silent, PLAN).memory.verdict == "ok"


def with_losses(base: float, candidate: float, number: int = 1) -> Round:
    usual = recorded(number)
    blocks = tuple(
        Block("ABBA", (turn(val_loss=base),) * 2, (turn(val_loss=candidate),) * 2) for _ in range(len(usual.blocks))
    )
    return replace(usual, blocks=blocks)


SEEDS = (0.100, 0.101, 0.099, 0.1005, 0.0995, 0.1)


def test_equal_losses_are_equal_and_need_no_rounds() -> None:
    assert judged([recorded()], PLAN).loss.reason == "equal to the last bit"


def test_a_loss_that_is_higher_by_more_than_seeds_differ_is_found() -> None:
    found = judged([with_losses(loss, 1.02 * loss) for loss in SEEDS], PLAN)
    assert found.verdicts == ("higher-loss",)


def test_a_loss_that_differs_by_less_than_seeds_do_is_ok() -> None:
    assert judged([with_losses(loss, 1.001 * loss) for loss in SEEDS], PLAN).loss.verdict == "ok"
    assert judged([with_losses(loss, 0.9 * loss) for loss in SEEDS], PLAN).loss.verdict == "ok"


UNLIKE = (1.02, 1.05, 1.005, 1.06, 1.03, 1.07)
"""What losses of one code and other random numbers may be multiplied by, when it is also higher by 4 %."""


def test_a_loss_that_may_be_higher_is_open_until_the_last_look_though_time_is_ok() -> None:
    rounds = [with_losses(SEEDS[n % 6], UNLIKE[n % 6] * SEEDS[n % 6]) for n in range(LOOKS[-1])]
    first = judged(rounds[: LOOKS[0]], PLAN)
    assert (first.time.verdict, first.loss.verdict, first.verdicts) == ("ok", "undecided", ("undecided",))
    assert not first.is_decided
    assert judged(rounds, PLAN).verdicts == ("higher-loss",)


def test_other_random_numbers_alone_are_ok_at_the_last_look() -> None:
    rounds = [with_losses(SEEDS[n % 6], SEEDS[(n + 1) % 6]) for n in range(LOOKS[-1])]
    assert not judged(rounds[: LOOKS[0]], PLAN).is_decided
    assert judged(rounds, PLAN).verdicts == ("ok",)


def test_a_loss_that_runs_away_on_one_side_alone_is_higher() -> None:
    usual = recorded()
    last = replace(usual.blocks[-1], candidate=(turn(), turn(val_loss=None)))
    assert judged([replace(usual, blocks=(*usual.blocks, last))], PLAN).loss.verdict == "higher-loss"


# ------------------------------------------------------------------------------------------------------- a whole run


def test_the_exit_code_says_what_is_wrong_before_what_is_not_known() -> None:
    ok, slow, fast, unknown = (
        CaseResult("basic", judged(rounds(ratios), PLAN)) for ratios in (times(1.0), times(1.2), times(0.8), [1.0])
    )
    failed, other = replace(unknown, trouble="failed"), replace(unknown, trouble="incomparable")
    assert choose_exit_code([ok, fast]) == 0
    assert choose_exit_code([ok, failed, slow]) == 1
    assert choose_exit_code([other, failed, ok], fail_undecided=True) == 3
    assert choose_exit_code([other, unknown, ok], fail_undecided=True) == 4
    assert choose_exit_code([ok, slow, unknown], fail_undecided=True) == 1
    assert choose_exit_code([ok, unknown]) == 0
    assert choose_exit_code([ok, unknown], fail_undecided=True) == 5
    assert choose_exit_code([], fail_undecided=True) == 5


def test_slower_and_more_memory_are_both_reported() -> None:
    both = [replace(each, blocks=recorded(ratio=1.2).blocks) for each in grown(0.1)]
    assert judged(both, PLAN).verdicts == ("slower", "more-memory")
