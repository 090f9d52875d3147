"""What the stopwatch takes for an epoch's parts, for its CPU time and for a checkpoint's time."""

from collections.abc import Sequence

import pytest
import scripted
from hypothesis import given
from unit.worker.clockwork import (
    MS,
    STARTED,
    Costs,
    Gpu,
    S,
    costs_of_all_kinds,
    durations,
    epochs_of_all_kinds,
    staged,
)

from bench.host.energy import Counter, EnergyMeter
from bench.host.noise import Interval, MachineCounters, ProcessCounters
from bench.worker import clock as clock_file
from bench.worker.protocol import EpochEvent


def test_an_epochs_parts_are_what_passes_between_the_loops_four_calls() -> None:
    with staged(Costs(look=0)) as stage:
        stage.epoch(train_ns=3 * S, val_ns=5 * MS, callback_ns=7)
        stage.epoch(train_ns=11, val_ns=2 * S, callback_ns=MS)
    parts = [(epoch.epoch, epoch.train_s, epoch.val_s, epoch.callback_s) for epoch in stage.epochs]
    assert parts == [(1, 3.0, 0.005, 7e-9), (2, 11e-9, 2.0, 0.001)]


@given(costs=costs_of_all_kinds, spans=epochs_of_all_kinds)
def test_the_parts_add_up_to_the_wall_time_from_the_epochs_begin_to_its_event(
    costs: Costs, spans: Sequence[tuple[int, int, int]]
) -> None:
    with staged(costs, checkpoints=(2,)) as stage:
        begun = []
        for train_ns, val_ns, callback_ns in spans:
            stage.clock.begin_epoch()
            begun.append(stage.time.now_ns)
            stage.time.spend(train_ns)
            stage.clock.begin_validation()
            stage.time.spend(val_ns)
            stage.clock.end_validation()
            stage.time.spend(callback_ns)
            stage.clock.end_epoch({"loss": 1.0, "val_loss": 1.0})
    sent = [at for event, at in zip(stage.sent, stage.sent_ns, strict=True) if isinstance(event, EpochEvent)]
    for epoch, begin_ns, sent_ns in zip(stage.epochs, begun, sent, strict=True):
        parts = epoch.train_s + epoch.val_s + epoch.callback_s + epoch.harness_s
        assert parts == pytest.approx((sent_ns - begin_ns) / S, abs=0.001)


@given(costs=costs_of_all_kinds, spans=epochs_of_all_kinds)
def test_the_harness_own_work_is_in_no_part_but_its_own(costs: Costs, spans: Sequence[tuple[int, int, int]]) -> None:
    with staged(costs, checkpoints=()) as stage:
        for span in spans:
            stage.epoch(*span)
    looks = pytest.approx(0, abs=3e-6)
    for epoch, (train_ns, val_ns, callback_ns) in zip(stage.epochs, spans, strict=True):
        assert epoch.train_s - train_ns / S == looks
        assert epoch.val_s - val_ns / S == looks
        assert epoch.callback_s - callback_ns / S == looks
        # Three readings, and the two indicators at the end; those at the begin come before the epoch.
        readings = 3 * (costs.meter + costs.device) + 2 * costs.read_machine_counters
        assert epoch.harness_s == pytest.approx(readings / S, abs=20e-6)


@given(costs=costs_of_all_kinds, spans=epochs_of_all_kinds, import_ns=durations, evaluation_ns=durations)
def test_the_time_of_a_checkpoint_leaves_out_all_of_the_harness_work(
    costs: Costs, spans: Sequence[tuple[int, int, int]], import_ns: int, evaluation_ns: int
) -> None:
    every = tuple(range(1, len(spans) + 1))
    with staged(costs, checkpoints=every, remember=lambda stage: stage.time.spend(evaluation_ns)) as stage:
        stage.time.spend(import_ns)
        stage.clock.end_phase("import", STARTED)
        at_ns = []
        for span in spans:
            stage.clock.begin_epoch()
            stage.time.spend(span[0])
            stage.clock.begin_validation()
            stage.time.spend(span[1])
            stage.clock.end_validation()
            stage.time.spend(span[2])
            at_ns.append(stage.time.now_ns)
            stage.clock.end_epoch({"loss": 1.0, "val_loss": 1.0})
    truth_ns = import_ns
    for checkpoint, span, ended_ns in zip(stage.checkpoints, spans, at_ns, strict=True):
        truth_ns += sum(span)
        assert checkpoint.wall_s == pytest.approx(truth_ns / S, abs=0.001)
        assert checkpoint.at_s == pytest.approx((ended_ns - STARTED) / S, abs=0.001)


def test_what_the_loop_does_between_epochs_is_in_the_time_of_a_checkpoint_and_in_no_epoch() -> None:
    with staged(Costs(look=0, read_machine_counters=0, send=S), checkpoints=(2,)) as stage:
        stage.epoch(S, S, S)
        stage.time.spend(5 * MS)
        stage.epoch(S, S, S)
    assert [(each.train_s, each.val_s, each.callback_s) for each in stage.epochs] == [(1.0, 1.0, 1.0)] * 2
    assert stage.epochs[1].between_s == 1.0, "the sending alone"
    assert stage.checkpoints[0].wall_s == 6.005


def test_no_time_is_taken_while_the_device_is_behind() -> None:
    with staged() as stage:
        gpu = stage.clock.device
        assert isinstance(gpu, Gpu)
        behind: list[int] = []
        stage.time.looks.append(lambda: behind.append(gpu.behind_ns))
        losses = {"loss": 1.0, "val_loss": 1.0}
        for step in (
            stage.clock.begin_epoch,
            stage.clock.begin_validation,
            stage.clock.end_validation,
            lambda: stage.clock.end_epoch(losses),
        ):
            gpu.behind_ns = S
            step()
    assert set(behind) == {0}


def test_what_the_device_still_has_to_do_counts_to_the_part_that_began_it() -> None:
    with staged(Costs(look=0)) as stage:
        gpu = stage.clock.device
        assert isinstance(gpu, Gpu)
        stage.clock.begin_epoch()
        gpu.behind_ns = 3 * S
        stage.clock.begin_validation()
        gpu.behind_ns = 2 * S
        stage.clock.end_validation()
        stage.clock.end_epoch({"loss": 1.0, "val_loss": 1.0})
    (epoch,) = stage.epochs
    assert (epoch.train_s, epoch.val_s, epoch.callback_s) == (3.0, 2.0, 0.0)


def test_an_epochs_cpu_time_is_the_process_own_since_its_begin() -> None:
    with staged() as stage:
        stage.time.spend(S, cpu_ns=50 * S)
        for cpu_s in (3, 2):
            stage.clock.begin_epoch()
            stage.time.spend(S, cpu_ns=cpu_s * S)
            stage.clock.begin_validation()
            stage.clock.end_validation()
            stage.clock.end_epoch({"loss": 1.0, "val_loss": 1.0})
            stage.time.spend(S, cpu_ns=7 * S)
    assert [epoch.cpu_s for epoch in stage.epochs] == [3.0, 2.0]
    assert [checkpoint.cpu_s for checkpoint in stage.checkpoints] == [53.0], (
        "a checkpoint's is the process' since its start"
    )


def test_an_epochs_noise_is_what_lies_within_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def measure_interval(before: MachineCounters, after: MachineCounters, *_own: ProcessCounters) -> Interval:
        seen.append(after.monotonic_ns - before.monotonic_ns)
        return scripted.QUIET

    with staged(Costs(look=0, send=50 * S), checkpoints=(1, 2)) as stage:
        monkeypatch.setattr(clock_file, "measure_interval", measure_interval)
        stage.epoch(S, S, S)
        stage.epoch(2 * S, S, S)
    assert seen == pytest.approx([3 * S, 4 * S], abs=10)


# --- energy ----------------------------------------------------------------------------------------------------------


def count(at: list[float | None]) -> EnergyMeter:
    """Reads a counter that is where a test says."""
    return EnergyMeter([Counter("RAPL package-0", lambda: at[0], most_w=700.0)])


def test_energy_is_that_of_training_alone() -> None:
    with staged() as stage:
        at: list[float | None] = [0.0]
        stage.clock.energy = count(at)
        for before, after in ((1000.0, 1101.0), (1500.0, 1602.0)):
            at[0] = before
            stage.clock.begin_epoch()
            stage.time.spend(S)
            at[0] = after
            stage.clock.begin_validation()
            at[0] = after + 150.0
            stage.clock.end_validation()
            stage.clock.end_epoch({"loss": 0.5, "val_loss": 0.4})
    assert [event.energy_j for event in stage.epochs] == [101.0, 102.0]


def test_an_epoch_whose_energy_is_not_known_does_not_get_that_of_the_one_before() -> None:
    with staged() as stage:
        at: list[float | None] = [1000.0]
        stage.clock.energy = count(at)
        stage.epoch()
        at[0] = None
        stage.epoch()
    assert [event.energy_j for event in stage.epochs] == [0.0, None]


def test_reading_energy_is_in_no_part_of_an_epoch() -> None:
    with staged() as stage:

        def read() -> float:
            stage.time.spend(30 * MS)
            return 0.0

        stage.clock.energy = EnergyMeter([Counter("RAPL package-0", read, most_w=700.0)])
        stage.epoch(train_ns=S, val_ns=S // 4, callback_ns=S // 100)
    (event,) = stage.epochs
    assert (event.train_s, event.val_s, event.callback_s) == pytest.approx((1.0, 0.25, 0.01), abs=1e-6)
    assert event.harness_s >= 0.03


def test_without_a_counter_there_is_no_energy() -> None:
    with staged() as stage:
        stage.epoch()
    assert stage.epochs[0].energy_j is None
