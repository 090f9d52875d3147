"""Epochs and seconds until a threshold is passed."""

import dataclasses
from typing import Any

import pytest
import scripted

from bench.report import thresholds
from bench.results.epochs import Epochs
from bench.results.journal_lines import Outcome

BCE = (0.30, 0.14, 0.118, 0.119, 0.099)
CHECKPOINTS = (2, 5)
LEVELS = (0.12, 0.11, 0.10, 0.095)


def run(penalty: float = 0.0, **changes: Any) -> Outcome:
    """Five epochs, of which the first takes 2.5 seconds and the others half a second."""
    case = scripted.case(checkpoints=CHECKPOINTS, **changes)
    epochs = tuple(
        scripted.epoch(number, train_s=2.5 if number == 1 else 0.5, val_loss=bce + penalty)
        for number, bce in enumerate(BCE, start=1)
    )
    evaluations = tuple(scripted.evaluation(checkpoint, val_bce=BCE[checkpoint - 1]) for checkpoint in CHECKPOINTS)
    return scripted.outcome(case, epochs=epochs, evaluations=evaluations)


def find(outcome: Outcome) -> list[tuple[float, int, float, bool]]:
    found = thresholds.find_reached(outcome, LEVELS)
    return [(entry.threshold, entry.epochs, entry.seconds, entry.exact) for entry in found]


def test_a_threshold_is_reached_at_the_first_epoch_below_it() -> None:
    assert find(run()) == [(0.12, 3, 3.5, True), (0.11, 5, 4.5, True), (0.10, 5, 4.5, True)]


def test_a_threshold_that_is_met_exactly_is_reached() -> None:
    (entry,) = thresholds.find_reached(run(), [0.118])
    assert entry.epochs == 3


def test_where_the_loss_has_a_penalty_only_checkpoints_count() -> None:
    assert find(run(penalty=0.01)) == [(0.12, 5, 4.5, False), (0.11, 5, 4.5, False), (0.10, 5, 4.5, False)]


def test_rounding_is_no_penalty() -> None:
    assert find(run(penalty=1e-5))[0] == (0.12, 3, 3.5, True)


def test_a_run_that_was_never_evaluated_reaches_nothing() -> None:
    assert thresholds.find_reached(run().model_copy(update={"evaluations": ()}), [0.5]) == []


def test_losses_that_are_not_finite_pass_nothing() -> None:
    epochs = tuple(scripted.epoch(number, val_loss=None) for number in range(1, 6))
    found = thresholds.find_reached(run().model_copy(update={"epochs": Epochs(epochs)}), [0.12])
    assert [(entry.epochs, entry.exact) for entry in found] == [(5, False)]


def test_the_first_to_reach_a_threshold_is_the_one_with_the_fewest_seconds() -> None:
    quick = [
        entry.__class__(case=scripted.case(loop="xla"), threshold=entry.threshold, epochs=9, seconds=1.0, exact=True)
        for entry in thresholds.find_reached(run(), [0.12])
    ]
    found = thresholds.find_first([*thresholds.find_reached(run(), LEVELS), *quick])
    assert [(threshold, entry.case.loop, entry.seconds) for threshold, entry in found.items()] == [
        (0.12, "xla", 1.0),
        (0.11, "fit", 4.5),
        (0.10, "fit", 4.5),
    ]


@pytest.mark.parametrize("outcome", [scripted.outcome(reached=1)])
def test_a_failed_run_reaches_what_its_epochs_reached(outcome: Outcome) -> None:
    assert thresholds.find_reached(outcome, [0.5]) == []


def ended(*bce: float) -> list[Outcome]:
    """Runs with that `val_bce` at their last checkpoint."""
    return [
        scripted.outcome(evaluations=(scripted.evaluation(1, val_bce=0.6), scripted.evaluation(3, val_bce=each)))
        for each in bce
    ]


def test_thresholds_are_chosen_from_what_was_reached_at_the_end() -> None:
    assert thresholds.choose_thresholds(ended(0.1236, 0.151, 0.176, 0.2, 0.27)) == (0.2, 0.18, 0.16, 0.13)


def test_of_two_thresholds_that_are_nearly_the_same_one_is_enough() -> None:
    assert thresholds.choose_thresholds(ended(0.20, 0.201, 0.31, 0.32)) == (0.31, 0.2)


def test_where_all_ended_alike_the_checkpoints_give_thresholds_too() -> None:
    assert thresholds.choose_thresholds(ended(0.1036)) == (0.11,)
    assert thresholds.choose_thresholds(ended(0.1036, 0.1036)) == (0.6, 0.11)


def test_every_threshold_that_is_chosen_was_reached() -> None:
    outcomes = ended(0.1236, 0.151, 0.176, 0.59)
    levels = thresholds.choose_thresholds(outcomes)
    found = thresholds.find_first(entry for outcome in outcomes for entry in thresholds.find_reached(outcome, levels))
    assert tuple(found) == levels


@pytest.mark.parametrize("odd", [None, 0.0, -1.0, 1e300, 5e-324])
def test_a_loss_that_no_image_has_chooses_nothing(odd: float | None) -> None:
    assert thresholds.choose_thresholds([scripted.outcome(evaluations=(scripted.evaluation(3, val_bce=odd),))]) == ()


@pytest.mark.parametrize("odd", [-5, 0, 6])
def test_an_evaluation_at_an_epoch_that_was_not_trained_is_in_no_curve(odd: int) -> None:
    """A stranger's journal may hold any number."""
    strange = dataclasses.replace(scripted.evaluation(1, val_bce=0.1), epochs=odd)
    outcome = run().model_copy(update={"evaluations": (strange, scripted.evaluation(2, val_bce=0.14))})
    assert thresholds.find_curve(outcome)[0] == [(2, 0.14)]
