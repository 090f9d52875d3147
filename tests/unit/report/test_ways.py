"""The models and ways to train of a sweep."""

import dataclasses
from typing import Any

import pytest
import scripted

from bench.report.files import make_all_result_rows
from bench.report.ways import Way, list_ways
from bench.results.journal_lines import Outcome


def ways(*outcomes: Outcome) -> list[Way]:
    return list_ways(outcomes, make_all_result_rows(outcomes, scripted.header()))


def ended(bce: float | None = 0.1, reached: int | None = None, **changes: Any) -> Outcome:
    of = scripted.case(**changes)
    evaluations = tuple(scripted.evaluation(epochs, val_bce=bce) for epochs in of.checkpoints)
    return scripted.outcome(of, reached=reached, **({"evaluations": evaluations} if reached is None else {}))


def test_a_way_has_a_case_for_each_batch_size_and_a_case_all_its_processes() -> None:
    (way,) = ways(ended(batch_size=8), ended(), ended(repeat=1))
    assert [(case.batch_size, len(case.rows)) for case in way.cases] == [(4, 2), (8, 1)]
    assert way.cases[0].case_id.endswith(".r0")


def test_a_way_is_named_where_fit_is_not_the_only_one() -> None:
    found = ways(ended(), ended(model="deep"), ended(model="deep", loop="xla"), ended(model="sparse", loop="xla"))
    assert [(way.label, way.is_first) for way in found] == [
        ("basic", True), ("sparse xla", True), ("deep fit", True), ("deep xla", False),
    ]  # fmt: skip


def test_the_best_case_has_the_lowest_loss_and_is_the_first_where_none_was_evaluated() -> None:
    (way,) = ways(ended(0.3), ended(0.2, batch_size=8), ended(None, batch_size=2))
    assert way.best.batch_size == 8
    (way,) = ways(ended(None), ended(None, batch_size=8))
    assert way.best.batch_size == 4


def test_a_case_that_reached_no_checkpoint_is_in_no_way() -> None:
    assert ways(ended(reached=0)) == []


def test_a_curve_counts_training_seconds_with_compilation() -> None:
    outcome = scripted.outcome(
        epochs=tuple(scripted.epoch(n, train_s=2.0 if n == 1 else 0.5, val_loss=0.4 / n) for n in range(1, 5)),
        evaluations=(scripted.evaluation(1, val_bce=0.4), scripted.evaluation(4, val_bce=0.1)),
    )
    (way,) = ways(outcome)
    assert way.best.curve == [(1, 2.0, 0.4), (2, 2.5, 0.2), (3, 3.0, 0.4 / 3), (4, 3.5, 0.1)]


def test_an_evaluation_before_the_first_epoch_is_in_no_curve() -> None:
    strange = dataclasses.replace(scripted.evaluation(1), epochs=-5)
    (way,) = ways(scripted.outcome(evaluations=(strange, scripted.evaluation(4, val_bce=0.1))))
    assert [epochs for epochs, *_ in way.best.curve] == [4]


@pytest.mark.parametrize("odd", [0.0, -1.0, 1e300, 5e-324])
def test_numbers_that_no_axis_can_show_are_in_no_curve(odd: float) -> None:
    (way,) = ways(ended(odd))
    assert way.best.curve == []


def test_where_the_first_process_failed_the_one_that_ended_well_comes_first() -> None:
    (way,) = ways(ended(reached=0), ended(0.2, repeat=1), ended(repeat=2, reached=2))
    assert way.best.case_id.endswith(".r1")
    assert [epochs for epochs, *_ in way.best.curve] == [1, 4]
