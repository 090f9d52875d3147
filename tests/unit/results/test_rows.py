"""Rows from declared epochs, checkpoints and ends."""

import dataclasses
import math
from typing import Any

import pytest
import scripted

from bench.host.reference_kernels import KernelRates
from bench.results import rows, speed
from bench.results.epochs import Epochs
from bench.results.journal_lines import Outcome, Timeline
from bench.results.schema import ResultRow
from bench.worker.protocol import PeaksEvent

HEADER = scripted.header()
TRAIN_S = (9.0, 1.0, 3.0, 2.0, 5.0, 4.0, 6.0, 0.3)


def run_of(checkpoints: tuple[int, ...], **changes: Any) -> Outcome:
    """A run whose epochs take TRAIN_S seconds to train and a tenth of that to validate."""
    epochs = tuple(
        scripted.epoch(number, train_s=seconds, val_s=seconds / 10)
        for number, seconds in enumerate(TRAIN_S[: checkpoints[-1]], start=1)
    )
    return scripted.outcome(scripted.case(checkpoints=checkpoints), epochs=epochs, **changes)


def rows_of(outcome: Outcome) -> list[ResultRow]:
    return rows.make_result_rows(outcome, HEADER)


def test_every_checkpoint_has_a_row_in_order() -> None:
    found = rows_of(run_of((1, 3, 8)))
    assert [row.epochs for row in found] == [1, 3, 8]
    assert {row.run_epochs for row in found} == {8}
    assert {row.status for row in found} == {"ok"}


def test_a_row_says_what_was_run_where_and_when() -> None:
    row = rows_of(run_of((3,)))[0]
    case = scripted.case()
    assert row.case_id == case.case_id
    assert (row.model, row.batch_size, row.optimizer, row.seed) == ("basic", 4, "adam", 0)
    assert (row.dataset, row.dataset_digest, row.train_samples, row.val_samples) == ("mnist-5k", "d" * 64, 40, 10)
    assert (row.machine_id, row.environment_id) == ("ma1b2c3d4", "ea1b2c3d4")
    assert (row.cpu_model, row.keras) == ("Scripted CPU", "3.13.2")
    assert (row.git_commit, row.git_dirty) == ("0123456789abcdef", "no")


def test_totals_are_over_all_epochs_up_to_the_checkpoint() -> None:
    for row in rows_of(run_of((1, 3, 8))):
        assert row.train_total_s == pytest.approx(sum(TRAIN_S[: row.epochs]))
        assert row.val_total_s == pytest.approx(sum(TRAIN_S[: row.epochs]) / 10)


def test_the_first_epoch_is_reported_apart_and_not_in_the_median() -> None:
    third, eighth = rows_of(run_of((3, 8)))
    assert third.first_epoch_s == eighth.first_epoch_s == 9.0
    assert (third.steady_epochs, third.epoch_s_median) == (2, None)
    assert (eighth.steady_epochs, eighth.epoch_s_median) == (7, 3.0)  # of 0.3, 1, 2, 3, 4, 5, 6
    assert eighth.val_s_median == 0.3


TIMES = tuple(scripted.times(1.0))


def test_the_five_figures_of_time_come_together_from_three_steady_epochs_on() -> None:
    for row in rows_of(run_of((1, 3, 4, 8))):
        known = [getattr(row, column) is not None for column in TIMES]
        assert known == [row.epochs > 3] * 5
        if row.epoch_s_low and row.epoch_s_quiet and row.epoch_s_high:
            assert row.epoch_s_low < row.epoch_s_quiet < row.epoch_s_high


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-12, 1e12, math.inf])
def test_a_clock_that_stood_still_or_ran_off_gives_no_time(seconds: float) -> None:
    epochs = tuple(scripted.epoch(number, train_s=seconds if number == 2 else 1.0) for number in (1, 2, 3))
    row = rows_of(scripted.outcome(scripted.case(checkpoints=(3,)), epochs=epochs))[0]
    assert [getattr(row, column) for column in (*TIMES, "samples_per_s")] == [None] * 6
    assert row.train_total_s == 2.0 + seconds


def test_without_noise_the_quiet_figure_is_the_median() -> None:
    times = (9.0, 3.1, 3.0, 2.9, 3.2, 3.0, 2.8)
    epochs = tuple(scripted.epoch(number, train_s=seconds) for number, seconds in enumerate(times, start=1))
    (row,) = rows_of(scripted.outcome(scripted.case(checkpoints=(7,)), epochs=epochs))
    assert row.epoch_s_quiet == row.epoch_s_median == 3.0


@pytest.mark.parametrize("taken", [{"other_cores": 0.5}, {"other_cores": 0.0, "steal_percent": 25.0}])
def test_what_other_programs_and_the_hypervisor_took_is_taken_off(taken: dict[str, Any]) -> None:
    noise = dataclasses.replace(scripted.QUIET, **taken)
    epochs = tuple(scripted.epoch(number, train_s=3.0, noise=noise) for number in range(1, 9))
    (row,) = rows_of(scripted.outcome(scripted.case(checkpoints=(8,)), epochs=epochs))
    assert row.noisy_epochs == 8
    assert row.epoch_s_median == 3.0
    assert row.epoch_s_quiet is not None
    assert row.epoch_s_quiet == pytest.approx(3.0 / (1 + speed.NOISE_COST * 0.5 / 1.4))  # half of two cores


def test_samples_per_second_are_of_a_median_steady_epoch() -> None:
    assert rows_of(run_of((4,)))[0].samples_per_s == 40 / 2.0


def test_a_checkpoint_at_the_first_epoch_has_no_median() -> None:
    row = rows_of(run_of((1, 3)))[0]
    assert row.steady_epochs == 0
    assert row.first_epoch_s == 9.0
    assert row.epoch_s_median is row.val_s_median is row.samples_per_s is row.peak_rss_train_mib is None


def test_a_checkpoint_has_the_losses_of_its_own_epoch_and_its_own_evaluation() -> None:
    first, third = rows_of(run_of((1, 3)))
    assert first.train_loss == scripted.INEXACT
    assert (third.train_loss, third.val_loss) == (scripted.INEXACT / 3, 0.4 / 3)
    assert (first.val_bce, third.val_bce) == (0.2, 0.2 / 3)
    assert (third.code_units, third.dead_units, third.code_mean) == (32, 3, 7.5)


def test_memory_is_that_of_the_checkpoint_and_of_its_phases() -> None:
    first, third = rows_of(run_of((1, 3)))
    assert (first.peak_rss_mib, third.peak_rss_mib) == (601.0, 603.0)
    assert (third.peak_rss_first_epoch_mib, third.peak_rss_train_mib, third.peak_rss_val_mib) == (603.0, 603.0, 603.0)
    assert (third.peak_rss_import_mib, third.peak_rss_data_mib, third.peak_rss_build_mib) == (300.0, 300.0, 300.0)
    assert (third.peak_anon_mib, third.peak_rss_method) == (400.0, "VmHWM")


def test_set_up_and_totals_come_from_the_process() -> None:
    row = rows_of(run_of((3,)))[0]
    assert (row.import_s, row.build_s, row.params) == (4.0, 0.7, 50_992)
    assert (row.total_s, row.cpu_total_s) == (13.0, 15.0)


def test_what_no_one_measured_is_empty() -> None:
    row = rows_of(run_of((3,)))[0]
    for column in ("flops_per_sample", "peak_fraction", "bound", "peak_sampled_mib", "steal_percent"):
        assert getattr(row, column) is None, column


# --- runs that ended early -------------------------------------------------------------------------------------------


def test_a_checkpoint_that_was_reached_before_a_failure_keeps_its_numbers() -> None:
    whole = rows_of(scripted.outcome())[0]
    reached = rows_of(scripted.outcome(reached=2))[0]
    assert (reached.status, reached.run_status, reached.error) == ("ok", "failed", None)
    measured = ("train_loss", "val_loss", "first_epoch_s", "train_total_s", "peak_rss_mib", "total_s", "import_s")
    for column in measured:
        assert getattr(reached, column) == getattr(whole, column) is not None, column


def test_a_run_that_ended_before_its_evaluation_has_no_cross_entropy() -> None:
    reached = rows_of(scripted.outcome(reached=2))[0]
    assert reached.val_bce is reached.dead_units is reached.code_units is None


@pytest.mark.parametrize("status", ["failed", "killed", "timeout", "diverged", "invalid"])
def test_a_checkpoint_that_was_not_reached_carries_how_the_run_ended_and_no_numbers(status: str) -> None:
    missed = rows_of(scripted.outcome(reached=2, status=status, error="last words"))[1]
    assert (missed.epochs, missed.status, missed.run_status, missed.error) == (4, status, status, "last words")
    for column in ("train_loss", "epoch_s_median", "train_total_s", "steady_epochs", "peak_rss_mib", "params"):
        assert getattr(missed, column) is None, column
    assert missed.machine_id == HEADER.machine_id


def test_a_process_that_sent_nothing_still_has_a_row_for_every_checkpoint() -> None:
    silent = scripted.outcome(reached=0, status="killed", error="ended by SIGKILL", setup=None, phases=())
    assert [(row.epochs, row.status) for row in rows_of(silent)] == [(1, "killed"), (4, "killed")]
    assert [row.is_final for row in rows_of(silent)] == [False, True]


def test_a_system_that_keeps_no_peak_per_phase_leaves_them_empty() -> None:
    blind = tuple(scripted.phase(name, peak_mib=None) for name in ("import", "data", "build"))
    row = rows_of(scripted.outcome(phases=blind))[0]
    assert row.peak_rss_import_mib is row.peak_rss_data_mib is row.peak_rss_build_mib is None
    assert row.peak_rss_mib == 601.0


# --- epochs.csv ------------------------------------------------------------------------------------------------------


def test_every_epoch_that_ended_has_a_row() -> None:
    outcome = scripted.outcome(reached=2)
    found = list(rows.make_epoch_rows(outcome))
    assert [row.epoch for row in found] == [1, 2]
    assert {row.case_id for row in found} == {outcome.case.case_id}
    for row, epoch in zip(found, outcome.epochs, strict=True):
        for column in ("train_s", "val_s", "callback_s", "harness_s", "cpu_s", "train_loss", "val_loss", "rss_mib"):
            assert getattr(row, column) == getattr(epoch, column)


def test_a_loss_that_is_not_finite_is_empty() -> None:
    epochs = (scripted.epoch(1, train_loss=None, val_loss=None),)
    diverged = scripted.outcome(reached=0, status="diverged", error="epoch 1: loss nan", epochs=epochs)
    assert next(rows.make_epoch_rows(diverged)).train_loss is None
    assert [row.status for row in rows.make_result_rows(diverged, HEADER)] == ["diverged", "diverged"]


def test_a_checkpoint_whose_epochs_were_not_all_sent_does_not_count_as_reached() -> None:
    whole = run_of((3, 8))
    torn = whole.model_copy(update={"epochs": Epochs([*whole.epochs[:4], *whole.epochs[5:]]), "status": "invalid"})
    assert [(row.epochs, row.status) for row in rows_of(torn)] == [(3, "ok"), (8, "invalid")]


def test_marks_without_any_epoch_or_phase_are_rows_without_figures() -> None:
    torn = run_of((3, 8)).model_copy(update={"epochs": Epochs(), "phases": (), "setup": None, "status": "invalid"})
    assert [row.epoch_s_median for row in rows_of(torn)] == [None, None]


def test_warm_up_epochs_are_counted_and_stay_out_of_the_medians() -> None:
    seconds = (9.0, 5.0, *[1.0, 1.1, 0.9, 1.05, 0.95, 1.0] * 2)
    epochs = tuple(scripted.epoch(number, train_s=train_s) for number, train_s in enumerate(seconds, start=1))
    (row,) = rows_of(scripted.outcome(scripted.case(checkpoints=(14,)), epochs=epochs))
    assert (row.warmup_epochs, row.steady_epochs, row.steady, row.epoch_s_median) == (2, 12, "yes", 1.0)


def test_every_checkpoint_has_the_warm_up_of_the_whole_run() -> None:
    seconds = (9.0, 5.0, *[1.0, 1.1, 0.9, 1.05, 0.95, 1.0] * 2)
    epochs = tuple(scripted.epoch(number, train_s=train_s) for number, train_s in enumerate(seconds, start=1))
    found = rows_of(scripted.outcome(scripted.case(checkpoints=(1, 2, 4, 5, 14)), epochs=epochs))
    assert [row.warmup_epochs for row in found] == [1, 2, 2, 2, 2]
    assert [row.steady_epochs for row in found] == [0, 0, 2, 3, 12]
    assert [row.epoch_s_median for row in found] == [None, None, None, 1.0, 1.0]
    assert [row.steady for row in found] == ["unknown"] * 4 + ["yes"]


@pytest.mark.parametrize("reached", [4, 1, 0])
def test_the_case_s_last_checkpoint_is_its_final_row_reached_or_not(reached: int) -> None:
    assert [row.is_final for row in rows_of(scripted.outcome(reached=reached))] == [False, True]


def noisy_run() -> Outcome:
    """Every third epoch takes ten times as long, beside another program."""
    slow = {"train_s": 10.0, "noise": scripted.NOISY}
    epochs = tuple(scripted.epoch(number, **(slow if number % 3 == 0 else {"train_s": 1.0})) for number in range(1, 13))
    return scripted.outcome(scripted.case(checkpoints=(12,)), epochs=epochs)


def test_noisy_epochs_are_counted_and_named() -> None:
    assert rows_of(noisy_run())[0].noisy_epochs == 4
    noise = [row.noise for row in rows.make_epoch_rows(noisy_run())]
    assert noise[:3] == [None, None, "other-load cpu-pressure"]


def test_medians_are_drawn_with_and_without_noisy_epochs() -> None:
    (among,) = rows.make_result_rows(noisy_run(), HEADER)
    (without,) = rows.make_result_rows(noisy_run(), HEADER, without_noisy=True)
    assert (among.steady_epochs, without.steady_epochs) == (11, 7)
    assert among.epoch_s_quiet == without.epoch_s_quiet == 1.0
    assert without.epoch_s_median == 1.0
    assert among.train_total_s == without.train_total_s == 48.0


def test_the_sampled_peak_of_a_checkpoint_is_the_largest_sample_up_to_it() -> None:
    samples = ((1.0, 100.0), (11.5, 300.0), (13.5, 250.0), (15.0, 900.0))
    timeline = Timeline(interval_s=0.2, samples=samples)
    first, second = rows_of(
        run_of((1, 3), timeline=timeline)
    )  # checkpoints are scripted to be reached at 12 and 14 seconds
    assert (first.peak_sampled_mib, second.peak_sampled_mib) == (300.0, 300.0)
    assert rows_of(run_of((1,)))[0].peak_sampled_mib is None


def test_reference_kernels_are_the_mean_of_before_and_after() -> None:
    before = KernelRates(threads=2, gflop_per_s=100.0, gflop_per_s_median=99.0, gb_per_s=10.0, gb_per_s_median=9.0)
    after = dataclasses.replace(before, gflop_per_s=200.0, gb_per_s=30.0)
    (row,) = rows_of(run_of((3,), reference_before=before, reference_after=after, parent_cpu_s=0.5))
    assert (row.reference_gflop_per_s, row.reference_gb_per_s) == (150.0, 20.0)
    assert row.parent_cores == 0.5 / 20.0


def test_phases_stand_in_the_order_of_a_process_life() -> None:
    outcome = scripted.outcome(phases=(*scripted.PHASES, scripted.phase("evaluation")))
    found = [row.phase for row in rows.make_phase_rows(outcome)]
    assert found == ["interpreter", "import", "data", "build", "first_epoch", "train", "val", "evaluation"]


PEAKS = PeaksEvent(gflop_per_s=100.0, gb_per_s=20.0, dispatch_s=0.001)
COUNTED = dataclasses.replace(scripted.SETUP, forward_flops=1e6, training_flops=2.5e6, step_bytes=1e6)


def test_a_rate_is_the_operations_of_all_digits_over_the_median_epoch() -> None:
    row = rows_of(run_of((8,), setup=COUNTED, peaks=PEAKS))[0]
    assert (row.forward_flops_per_sample, row.flops_per_sample) == (1e6, 2.5e6)
    assert row.gflop_per_s == pytest.approx(2.5e6 * 40 / 3.0 / 1e9)
    assert row.peak_fraction == pytest.approx(2.5e6 * 40 / 3.0 / 1e9 / 100.0)


def test_the_peak_is_the_best_that_was_seen_in_the_same_precision() -> None:
    kernel = KernelRates(threads=2, gflop_per_s=150.0, gflop_per_s_median=140.0, gb_per_s=30.0, gb_per_s_median=29.0)
    changes: dict[str, Any] = {"setup": COUNTED, "peaks": PEAKS, "reference_after": kernel}
    single = rows_of(run_of((8,), **changes))[0]
    half = rows_of(run_of((8,), **changes | {"case": scripted.case(checkpoints=(8,), precision="mixed_bfloat16")}))[0]
    assert (single.peak_gflop_per_s, single.peak_gb_per_s) == (150.0, 30.0)
    assert (half.peak_gflop_per_s, half.peak_gb_per_s) == (100.0, 30.0)


def test_the_processors_kernels_are_no_peak_of_a_gpu() -> None:
    kernel = KernelRates(threads=2, gflop_per_s=150.0, gflop_per_s_median=140.0, gb_per_s=30.0, gb_per_s_median=29.0)
    on_gpu = (dataclasses.replace(scripted.checkpoint(8), peak_gpu_mib=10.0),)
    run = run_of((8,), setup=COUNTED, peaks=PEAKS, reference_before=kernel)
    row = rows_of(run.model_copy(update={"checkpoints": on_gpu}))[0]
    assert (row.peak_gflop_per_s, row.peak_gb_per_s) == (100.0, 20.0)


@pytest.mark.parametrize(
    ("dispatch_s", "bytes_moved", "bound"),
    [(0.001, 1e6, "dispatch"), (1e-6, 1e6, "arithmetic"), (1e-6, 1e8, "memory")],
)
def test_the_bound_is_what_takes_longest_at_the_least(dispatch_s: float, bytes_moved: float, bound: str) -> None:
    setup = dataclasses.replace(COUNTED, step_bytes=bytes_moved)
    peaks = dataclasses.replace(PEAKS, dispatch_s=dispatch_s)
    assert rows_of(run_of((8,), setup=setup, peaks=peaks))[0].bound == bound


@pytest.mark.parametrize("added", ["steps_per_execution=32, jit_compile=True", None])
def test_what_was_added_to_compile_is_what_the_process_said(added: str | None) -> None:
    setup = dataclasses.replace(COUNTED, compile_arguments=added)
    assert rows_of(run_of((8,), setup=setup))[0].compile_arguments == added


@pytest.mark.parametrize("missing", [{"setup": COUNTED}, {"peaks": PEAKS}])
def test_without_a_count_or_peaks_there_is_no_fraction_and_no_bound(missing: dict[str, Any]) -> None:
    row = rows_of(run_of((8,), **missing))[0]
    assert (row.peak_fraction, row.bound) == (None, None)
