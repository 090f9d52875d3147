"""Joules of a run, in the rows and in the journal."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import pytest
import scripted

from bench.results import rows
from bench.results.energy import sum_joules
from bench.results.folder import ReportFolder
from bench.results.journal import read_journal
from bench.results.journal_lines import Outcome
from bench.results.schema import ResultRow

RAPL, GPU = "RAPL package-0", "NVML GPU 0"


def run_of(
    joules: Sequence[float | None] = (90.0, 10.0, 11.0, 15.0, 12.0),
    counters: tuple[str, ...] = (RAPL,),
    train_s: float = 1.0,
    **changes: Any,
) -> Outcome:
    """A run of five epochs, each of ``train_s`` seconds; its warm-up is the first."""
    case = scripted.case(checkpoints=(1, len(joules)))
    epochs = [scripted.epoch(number, train_s=train_s, energy_j=each) for number, each in enumerate(joules, start=1)]
    setup = dataclasses.replace(scripted.SETUP, energy_counters=counters)
    return scripted.outcome(case, epochs=epochs, setup=setup, **changes)


def rows_of(outcome: Outcome) -> list[ResultRow]:
    return rows.make_result_rows(outcome, scripted.header())


def test_an_epochs_joules_are_the_mean_of_the_steady_ones() -> None:
    first, last = rows_of(run_of())
    assert (last.warmup_epochs, last.epoch_j, last.train_total_j) == (1, 12.0, 138.0)
    assert (first.epoch_j, first.train_total_j) == (None, 90.0)
    assert first.energy_method == last.energy_method == RAPL


def test_noisy_epochs_can_be_left_out() -> None:
    outcome = run_of((90.0, 10.0, 99.0, 12.0, 14.0))
    epochs = [dataclasses.replace(each, noise=scripted.NOISY) if each.epoch == 3 else each for each in outcome.epochs]
    outcome = scripted.outcome(outcome.case, epochs=epochs, setup=outcome.setup)
    (_, row) = rows.make_result_rows(outcome, scripted.header(), without_noisy=True)
    assert (row.epoch_j, row.train_total_j) == (12.0, 225.0)


def test_one_epoch_that_is_not_known_leaves_sums_over_it_empty() -> None:
    first, last = rows_of(run_of((90.0, 10.0, None, 15.0, 12.0)))
    assert (last.epoch_j, last.train_total_j, last.energy_method) == (None, None, RAPL)
    assert first.train_total_j == 90.0


def test_without_counters_all_is_empty() -> None:
    for outcome in (run_of((None,) * 5, ()), scripted.outcome(), scripted.outcome(setup=None)):
        row = rows_of(outcome)[-1]
        assert (row.epoch_j, row.train_total_j, row.energy_method, row.idle_w) == (None,) * 4


@pytest.mark.parametrize(
    ("counters", "train_s", "epochs", "is_known"),
    [
        ((RAPL,), 0.1, 1, True),
        ((RAPL,), 0.001, 3, False),
        ((GPU,), 1.0, 1, True),
        ((GPU,), 0.1, 9, False),
        ((GPU,), 0.1, 100, True),
        ((RAPL, GPU), 0.1, 9, False),
    ],
)
def test_epochs_that_are_too_short_for_a_counters_steps_have_no_joules(
    counters: tuple[str, ...], train_s: float, epochs: int, is_known: bool
) -> None:
    outcome = run_of((5.0,) * epochs, counters, train_s)
    assert sum_joules(outcome.epochs, range(epochs), counters) == (5.0 * epochs if is_known else None)


def test_idle_power_is_that_of_the_runs_own_counters() -> None:
    idle = ((RAPL, 20.0), (GPU, 50.0), ("NVML GPU 1", 55.0))
    assert rows_of(run_of(counters=(RAPL,), idle_w=idle))[0].idle_w == 20.0
    both = rows_of(run_of(counters=(RAPL, GPU), idle_w=idle))[0]
    assert (both.idle_w, both.energy_method) == (70.0, "RAPL package-0 + NVML GPU 0")


def test_idle_power_of_some_of_the_counters_is_no_sum() -> None:
    assert rows_of(run_of(counters=(RAPL, GPU), idle_w=((RAPL, 20.0),)))[0].idle_w is None
    assert rows_of(run_of(idle_w=()))[0].idle_w is None


def test_epochs_csv_has_each_epochs_joules() -> None:
    assert [row.energy_j for row in rows.make_epoch_rows(run_of())] == [90.0, 10.0, 11.0, 15.0, 12.0]
    assert {row.energy_j for row in rows.make_epoch_rows(scripted.outcome())} == {None}


def test_the_journal_keeps_all_of_it(folder: ReportFolder) -> None:
    outcome = run_of((90.0, 10.0, None, 15.0, 12.0), idle_w=((RAPL, 20.5),))
    scripted.written_report(folder.root, [outcome])
    (stored,) = read_journal(folder.journal).outcomes
    assert (stored.setup, stored.idle_w) == (outcome.setup, ((RAPL, 20.5),))
    assert stored.epochs.get_column("energy_j") == [90.0, 10.0, None, 15.0, 12.0]


def test_a_journal_that_knows_nothing_of_energy_is_read(folder: ReportFolder) -> None:
    scripted.written_report(folder.root, [scripted.outcome()])
    begun, line = folder.journal.read_text().splitlines()
    older = json.loads(line)
    del older["idle_w"], older["setup"]["energy_counters"]
    for epoch in older["epochs"]:
        del epoch["energy_j"]
    folder.journal.write_text(f"{begun}\n{json.dumps(older)}\n")
    assert read_journal(folder.journal).outcomes == (scripted.outcome(),)
