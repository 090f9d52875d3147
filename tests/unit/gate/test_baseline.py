"""Verdicts of a report against a baseline, from rows that nobody measured."""

import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scripted
from unit.machines import narrow

from bench.gate import baseline
from bench.gate.baseline import Check, CheckedCase
from bench.results.reader import Report, Row
from bench.results.speed import name_case

EVEN = (1.001, 0.999, 1.002, 0.998, 1.0, 1.001)
WIDE = (1.1, 0.9, 1.05, 0.95, 1.0, 1.02)


def row(seconds: float | None = 1.0, repeat: int = 0, error: float = 0.0025, **changes: Any) -> Row:
    """A process of a case after thirty epochs, which know its median within half a percent to each side."""
    model = changes.get("model", "basic")
    fields: dict[str, Any] = {
        "case_id": scripted.case(model=model, repeat=repeat).case_id,
        "repeat": repeat,
        "epochs": 30,
        "run_epochs": 30,
        **scripted.times(seconds, error=error),
        "val_bce": 0.2,
        "noisy_epochs": 0,
        "reference_gflop_per_s": 200.0,
    }
    return narrow(scripted.result_row(**fields | changes))


def processes(times: float = 1.0, spread: Sequence[float] = EVEN, **changes: Any) -> list[Row]:
    return [row(times * each, repeat, **changes) for repeat, each in enumerate(spread)]


def report(*rows: Row, **fingerprint: Any) -> Report:
    return Report(
        path=Path("results.csv"),
        machine_id="ma1b2c3d4",
        environment_id="ea1b2c3d4",
        fingerprint=scripted.fingerprint(**fingerprint),
        started_at="2026-01-02T03:04:05+00:00",
        rows=tuple(rows),
    )


def check(before: Sequence[Row], after: Sequence[Row], effect: float = 0.05, **fingerprint: Any) -> Check:
    return baseline.check_report(report(*before), report(*after, **fingerprint), effect)


def only(before: Sequence[Row], after: Sequence[Row], **options: Any) -> CheckedCase:
    (result,) = check(before, after, **options).results
    return result


# ----------------------------------------------------------------------------------------------------------------- time


@pytest.mark.parametrize(("times", "verdict"), [(1.0, "ok"), (1.02, "ok"), (1.08, "slower"), (0.8, "faster")])
def test_six_processes_a_side_decide(times: float, verdict: str) -> None:
    found = only(processes(), processes(times))
    assert found.verdicts == (verdict,)
    assert found.processes == (6, 6)
    assert found.epochs == 30
    assert found.verdict.time.estimate is not None
    assert found.verdict.time.estimate.value == pytest.approx(times - 1)
    assert found.verdict.smallest is not None


def test_single_processes_decide_nothing_however_far_apart_and_say_what_would() -> None:
    found = only([row()], [row(1.5)])
    assert found.verdicts == ("undecided",)
    assert (found.verdict.time.reason, found.verdict.time.repeats) == ("too few repeats", 6)
    assert found.verdict.time.estimate is not None
    assert found.verdict.time.estimate.value == pytest.approx(0.5)
    assert found.verdict.time.estimate.low is None
    assert found.verdict.smallest is None


@pytest.mark.parametrize(
    ("sides", "where"),
    [((6, 2), " in the report"), ((2, 6), " in the baseline"), ((1, 6), " in the baseline"), ((2, 1), "")],
)
def test_two_processes_on_a_side_are_too_few(sides: tuple[int, int], where: str) -> None:
    found = only(processes()[: sides[0]], processes(1.5)[: sides[1]])
    assert found.verdicts == ("undecided",)
    assert found.verdict.time.reason == f"too few repeats{where}"


def test_a_wide_spread_is_undecided_and_says_how_many_processes_would_decide() -> None:
    found = only(processes(spread=WIDE), processes(1.08, spread=WIDE))
    assert found.verdicts == ("undecided",)
    assert found.verdict.time.reason == "repeats differ too much for a slowdown of 5% to show"
    assert found.verdict.time.repeats == 79


def test_a_spread_beyond_use_advises_another_way() -> None:
    judged = only(processes(spread=(1, 3, 1, 3)), processes(spread=(1, 3, 1, 3))).verdict.time
    assert "`aebench regress`" in judged.reason
    assert judged.repeats is None


def test_the_advised_number_of_processes_does_find_the_effect() -> None:
    """At that number, with that spread, the smallest slowdown that would be found is the effect or less."""
    rng = np.random.default_rng(0)
    logs = rng.normal(0, 1, 79)
    logs = (logs - logs.mean()) / logs.std(ddof=1) * statistics.stdev(np.log(WIDE).tolist())
    many = [row(float(np.exp(each)), repeat) for repeat, each in enumerate(logs)]
    smallest = only(many, many).verdict.smallest
    assert smallest is not None
    assert 0.049 < smallest <= 0.05


def test_epochs_that_are_not_known_well_widen_what_agreeing_processes_say() -> None:
    assert only(processes(error=0.01), processes(1.08, error=0.01)).verdicts == ("slower",)
    assert only(processes(error=0.12), processes(1.08, error=0.12)).verdicts == ("undecided",)


def test_processes_that_agree_decide_though_each_has_few_epochs() -> None:
    error = scripted.result_row().epoch_s_error  # of two steady epochs
    assert error is not None
    assert only(processes(error=error), processes(1.08, error=error)).verdicts == ("slower",)


def test_noisy_epochs_leave_time_undecided() -> None:
    found = only(processes(), processes(1.2, noisy_epochs=10))
    assert found.verdicts == ("undecided",)
    assert found.verdict.time.reason == "more than 30% of the epochs were noisy"
    assert found.verdict.discarded == pytest.approx(1 / 3)


@pytest.mark.parametrize(("rate", "kind"), [(170.0, "slower"), (230.0, "faster")])
def test_a_machine_whose_reference_kernel_changed_decides_nothing(rate: float, kind: str) -> None:
    found = only(processes(), processes(1.2, reference_gflop_per_s=rate))
    assert found.verdicts == ("undecided",)
    assert f"the machine itself was {kind}" in found.verdict.time.reason


def test_without_a_reference_kernel_the_processes_alone_decide() -> None:
    assert only(processes(), processes(1.2, reference_gflop_per_s=None)).verdicts == ("slower",)


def test_the_minimum_effect_is_what_the_person_says() -> None:
    assert only(processes(), processes(1.08), effect=0.2).verdicts == ("ok",)
    assert only(processes(), processes(1.02), effect=0.01).verdicts == ("slower",)
    assert only(processes(), processes(), effect=0.125).verdict.time.reason == "no slowdown of 12.5% or more"


def test_the_last_common_checkpoint_is_compared() -> None:
    before = [*processes(), *(row(5.0, repeat, epochs=100, run_epochs=100) for repeat in range(6))]
    found = only(before, [*processes(), *processes(9.0, epochs=5)])
    assert (found.epochs, found.verdicts) == (30, ("ok",))


def cut(times: float = 1.0, last: float = 1.0, **changes: Any) -> list[Row]:
    """Six processes that reached 30 epochs, the first of which went on to 100: the further ones of `--minutes`."""
    whole = row(last * times, epochs=100, run_epochs=100, **changes)
    return [*processes(times), row(None, epochs=1), whole]


@pytest.mark.parametrize(("times", "verdict"), [(1.0, "ok"), (1.08, "slower")])
def test_processes_that_were_cut_are_compared_at_the_last_checkpoint_that_they_share(
    times: float, verdict: str
) -> None:
    for before, after in ((cut(), cut(times)), (processes(), cut(times)), (cut(), processes(times))):
        found = only(before, after)
        assert (found.verdicts, found.epochs, found.processes) == ((verdict,), 30, (6, 6))
    assert only(cut(), cut(last=9.0)).verdicts == ("ok",), "what one process took later is not compared"


def test_memory_of_processes_that_were_cut_is_compared_where_their_time_is() -> None:
    heavy = [replace(each, peak_rss_mib=2 * (each.peak_rss_mib or 0)) for each in cut()]
    assert only(cut(), heavy).verdicts == ("more-memory",)


def test_the_loss_is_compared_at_the_last_checkpoint_that_both_sides_reached_however_few_processes_did() -> None:
    found = only(cut(), cut(val_bce=0.3))
    assert (found.verdicts, found.epochs, found.loss_epochs) == (("higher-loss",), 30, 100)
    assert only(processes(), cut(val_bce=0.3)).loss_epochs == 30


def test_a_checkpoint_that_is_too_early_for_a_median_is_not_where_times_are_compared() -> None:
    early = [row(None, repeat, epochs=2) for repeat in range(6)]
    found = only([*early, *processes()], [*early, *processes()[:4]])
    assert (found.verdicts, found.epochs) == (("ok",), 30)
    found = only(early, early)
    assert found.verdicts == ("undecided",)
    assert found.verdict.time.reason == "too few epochs for a median; measure both with more"


def test_equal_code_raises_an_alarm_in_one_run_of_a_hundred_at_most() -> None:
    rng = np.random.default_rng(1)

    def drawn() -> list[Row]:
        return [
            each
            for model in ("basic", "deep")
            for each in processes(spread=[float(np.exp(value)) for value in rng.normal(0, 0.03, 4)], model=model)
        ]

    runs = 300
    alarms = sum(any("slower" in result.verdicts for result in check(drawn(), drawn()).results) for _ in range(runs))
    assert alarms <= 0.01 * runs + 3


# --------------------------------------------------------------------------------------------------------- memory, loss


def test_more_memory_is_found_though_time_is_equal() -> None:
    found = only(processes(), processes(peak_anon_mib=430.0))
    assert found.verdicts == ("more-memory",)
    assert "anonymous memory" in found.verdict.memory.reason


def test_memory_within_three_percent_or_its_spread_is_ok() -> None:
    assert only(processes(), processes(peak_anon_mib=410.0)).verdicts == ("ok",)
    wide = [each for repeat, mib in enumerate((300, 400, 500)) for each in [row(1, repeat, peak_anon_mib=float(mib))]]
    assert only(wide, processes(peak_anon_mib=450.0)[:3]).verdicts == ("ok",)


def test_equal_losses_are_equal_from_one_process_on() -> None:
    assert only([row()], [row()]).verdict.loss.reason == "equal to the last bit"


def test_a_loss_beyond_what_a_seed_may_change_is_higher_from_one_process_on() -> None:
    assert only([row()], [row(val_bce=0.3)]).verdicts == ("higher-loss",)
    assert only(processes(), processes(0.5, val_bce=0.3)).verdicts == ("higher-loss",)


def test_a_loss_that_differs_within_what_a_seed_may_change_is_ok_with_its_size() -> None:
    judged = only(processes(), processes(val_bce=0.202)).verdict.loss
    assert judged.verdict == "ok"
    assert judged.estimate is not None
    assert judged.estimate.value == pytest.approx(0.01)


def test_a_loss_that_spreads_widely_from_process_to_process_needs_more_than_chance() -> None:
    def spread(*losses: float) -> list[Row]:
        return [row(1.0, repeat, val_bce=each) for repeat, each in enumerate(losses)]

    assert only(spread(0.1, 0.2, 0.3), spread(0.2, 0.3, 0.4)).verdict.loss.verdict == "ok"


# ------------------------------------------------------------------------------------------------ what can be compared


@pytest.mark.parametrize(
    ("field", "value", "difference"),
    [
        ("keras", "3.14.0", "keras 3.14.0, not 3.13.2"),
        ("cpu_limit", 1.0, "cpu_limit 1.0, not 2.0"),
        ("env_flags", "XLA_FLAGS=x", "env_flags XLA_FLAGS=x, not absent"),
        ("kernel", "6.2.0", "kernel 6.2.0, not 6.1.0"),
    ],
)
def test_another_machine_or_software_is_incomparable_by_name(field: str, value: Any, difference: str) -> None:
    found = only(processes(), processes(2.0), **{field: value})
    assert found.verdicts == ("incomparable",)
    assert difference in found.reason
    assert found.verdict.time.estimate is None


@pytest.mark.parametrize(
    ("machine_id", "whose"),
    [("ma1b2c3d4", "of another environment on the same machine ("), ("mffff0000", "of another machine (")],
)
def test_whether_the_machine_or_its_environment_differs_is_said(machine_id: str, whose: str) -> None:
    after = replace(report(*processes(), keras="9.9"), machine_id=machine_id)
    (result,) = baseline.check_report(report(*processes()), after, 0.05).results
    assert result.reason == f"the baseline is {whose}keras 9.9, not 3.13.2)"


@pytest.mark.parametrize("field", ["aebench", "jax", "torch"])
def test_the_harness_own_version_and_backends_that_nothing_trains_on_may_differ(field: str) -> None:
    assert only(processes(), processes(), **{field: "9.9"}).verdicts == ("ok",)


def test_a_backend_that_something_trains_on_may_not_differ() -> None:
    found = only(processes(backend="jax"), processes(backend="jax"), jax="9.9")
    assert found.verdicts == ("incomparable",)


def test_other_data_under_the_same_name_are_incomparable_in_their_case_alone() -> None:
    found = check(
        [*processes(), *processes(model="deep")], [*processes(dataset_digest="e" * 64), *processes(model="deep")]
    )
    assert [each.verdicts for each in found.results] == [("incomparable",), ("ok",)]


def test_cases_that_only_one_side_has_are_listed() -> None:
    found = check([*processes(), *processes(model="deep")], [*processes(), *processes(model="sparse")])
    assert [(each.name, each.title) for each in found.results] == [(name_case(row()), "basic · batch 4")]
    assert (found.only_baseline, found.only_report) == (("deep · batch 4",), ("sparse · batch 4",))


def test_a_case_that_failed_in_the_report_is_reported_though_the_baseline_lacks_it() -> None:
    found = check(processes(), [*processes(), row(model="deep", status="oom")])
    assert [each.verdicts for each in found.results] == [("ok",), ("failed",)]
    assert found.results[1].reason == "oom at 30 epochs"


def test_a_process_that_failed_is_listed_once_at_the_first_checkpoint_that_it_missed() -> None:
    missed = [row(repeat=repeat, epochs=epochs, status="oom") for repeat in (6, 7) for epochs in (20, 30)]
    found = report(row(epochs=2), *missed)
    assert baseline.find_failures(found) == {scripted.case().case_id.removesuffix(".r0"): ["oom at 20 epochs"]}


def test_a_failure_is_reported_though_nothing_can_be_compared() -> None:
    assert only(processes(), [row(status="oom")], keras="9.9").verdicts == ("failed",)
    assert only(processes(), [row(status="diverged")], keras="9.9").verdicts == ("failed",)
    foreign = only(processes(), [*processes(2.0, dataset_digest="e" * 64)[:5], row(repeat=5, status="oom")])
    assert (foreign.verdicts, foreign.processes) == (("failed",), (0, 0))


def test_one_failed_process_of_many_is_a_failed_case() -> None:
    found = only(processes(), [*processes(1.2)[:5], row(repeat=5, status="killed")])
    assert found.verdicts == ("slower",)
    assert found.trouble == "failed"
    assert only(processes(), [*processes()[:5], row(repeat=5, status="killed")]).verdicts == ("failed",)


def test_a_case_that_diverged_where_the_baseline_did_not_has_a_higher_loss() -> None:
    assert only(processes(), [row(None, status="diverged", val_bce=None)]).verdicts == ("higher-loss",)


def test_a_case_that_failed_in_the_baseline_is_incomparable() -> None:
    found = only([row(status="timeout")], processes())
    assert found.verdicts == ("incomparable",)
    assert "timeout at 30 epochs" in found.reason


def test_figures_that_no_machine_has_are_judged_without_an_error() -> None:
    far = [1e-8, 1e8, 1e-8, 1e8]
    assert only(processes(spread=far), processes(spread=far)).verdicts == ("undecided",)
