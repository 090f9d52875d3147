"""What the same loss costs on machines that are paid by the hour."""

from typing import Any

import pytest
from unit.machines import against, of, result

from bench.compare.costs import ModelCost, build_cost_table, compare_costs, describe_costs, parse_prices
from bench.compare.machines import Comparison
from bench.compare.sentences import name_cases
from bench.results.reader import Row


def approx(value: float) -> Any:
    return pytest.approx(value)


def row(epochs: int, val_bce: float, total_s: float, model: str = "basic", **changes: Any) -> Row:
    return result(model, epochs=epochs, run_epochs=9, val_bce=val_bce, total_s=total_s, **changes)


def compare(one: tuple[Row, ...], two: tuple[Row, ...]) -> Comparison:
    return against(of(*two, source="two", machine_id="m2"), reference=of(*one, source="one", machine_id="m1"))


def price(one: tuple[Row, ...], two: tuple[Row, ...]) -> list[ModelCost]:
    return compare_costs(compare(one, two), {"one": 3.6, "two": 7.2})


def test_each_machine_pays_until_it_reached_the_loss_that_both_reached() -> None:
    [found] = price((row(1, 0.3, 10.0), row(9, 0.1, 90.0)), (row(1, 0.2, 20.0), row(9, 0.15, 30.0)))
    assert found.val_bce == approx(0.1515)
    one, two = found.trainings["one"], found.trainings["two"]
    assert (one.epochs, one.total_s, one.cost) == (9, 90.0, approx(0.09))
    assert (two.epochs, two.total_s, two.cost) == (9, 30.0, approx(0.06))


def test_the_soonest_training_counts_whatever_its_batch_size_or_loop() -> None:
    quick = row(9, 0.1005, 50.0, case_id="basic.b256.r0", batch_size=256)
    [found] = price((row(9, 0.1, 90.0), quick), (row(9, 0.1, 70.0),))
    assert found.trainings["one"].case == "basic.b256"
    early = row(1, 0.2, 5.0, case_id="basic.b8.r0", batch_size=8)
    [found] = price((row(9, 0.1, 90.0), early), (row(9, 0.1, 70.0),))
    assert found.trainings["one"].epochs == 9


@pytest.mark.parametrize("loss", [0.0, -0.1])
def test_a_loss_that_is_not_above_zero_is_reached_too(loss: float) -> None:
    [found] = price((row(9, loss, 90.0),), (row(9, loss - 0.1, 30.0),))
    assert (found.val_bce, found.trainings["two"].total_s) == (loss, 30.0)


def test_models_without_a_loss_on_the_same_data_on_both_are_left_out() -> None:
    deep, other = row(9, 0.1, 9.0, "deep"), row(9, 0.1, 9.0, dataset_digest="e" * 64)
    assert price((row(9, 0.1, 9.0), deep), (other,)) == []
    unevaluated = result(val_bce=None)
    assert price((unevaluated,), (row(9, 0.1, 9.0),)) == []
    assert describe_costs([], {"one": 1.0, "two": 2.0}) == [
        "Costs are not compared: no model reached a loss on all machines that have a price."
    ]


def test_a_sentence_names_the_cheapest_and_a_table_says_how_it_trained() -> None:
    comparison = compare((row(9, 0.1, 100.0),), (row(9, 0.1, 25.0),))
    prices = {"one": 3.6, "two": 7.2}
    costs = compare_costs(comparison, prices)
    assert describe_costs(costs, prices) == [
        "To the same loss two costs 50 % of what one does, over 1 model (per hour: one 3.6, two 7.2)."
    ]
    table = build_cost_table(costs, name_cases(comparison.cases))
    assert table.rows == (("basic", "0.1010", "0.100", "0.0500", "100.0 · 25.0", "batch 4, 9 epochs"),)


def test_reports_are_named_by_label_or_by_name() -> None:
    comparison = against(
        of(result(), source="b", machine_id="m2", cpu_model="AMD EPYC"), reference=of(result(), source="a")
    )
    machines = [comparison.reference, *(each.machine for each in comparison.others)]
    assert parse_prices("a = 1, EPYC=2.5", machines) == {"Scripted": 1.0, "EPYC": 2.5}
