"""Which phase the stopwatch counts time and memory to."""

from unit.worker.clockwork import STARTED, Costs, S, phase_of, staged

from bench.worker.protocol import PhaseEvent


def test_a_phase_of_the_set_up_is_sent_at_its_end_and_the_next_one_begins_after_that() -> None:
    with staged(Costs(look=0, meter=S, send=S)) as stage:
        stage.time.spend(3 * S)
        resumed = stage.clock.end_phase("interpreter", STARTED)
        stage.time.spend(2 * S)
        stage.clock.end_phase("import", resumed)
    phases = [(event.name, event.seconds) for event in stage.sent if isinstance(event, PhaseEvent)]
    assert phases == [("interpreter", 3.0), ("import", 2.0)]


def test_each_phase_has_its_own_peak_and_what_is_resident_at_its_end() -> None:
    with staged() as stage:
        stage.memory.keep(200.0)
        now = stage.clock.end_phase("import", STARTED)
        stage.memory.spike(50.0)
        now = stage.clock.end_phase("data", now)
        stage.clock.end_phase("build", now)
    sent = [(each.peak_mib, each.rss_mib, each.anon_mib, each.file_mib) for each in stage.sent]  # type: ignore[union-attr]
    assert sent == [(300.0, 300.0, 60.0, 240.0), (350.0, 300.0, 60.0, 240.0), (300.0, 300.0, 60.0, 240.0)]


def test_what_the_loop_takes_before_the_first_epoch_counts_to_that_epoch() -> None:
    with staged(checkpoints=(1,)) as stage:
        stage.clock.end_phase("build", STARTED)
        stage.memory.spike(500.0)
        stage.epoch()
    (checkpoint,) = stage.checkpoints
    assert phase_of(checkpoint, "first_epoch").peak_mib == 600.0
    assert checkpoint.peak_rss_mib == 600.0
    assert [phase.name for phase in checkpoint.phases] == ["first_epoch", "val"]


def test_the_first_epochs_training_stands_apart_from_the_later_ones() -> None:
    with staged(Costs(look=0), checkpoints=(3,)) as stage:
        for train_s, spike in ((9, 400.0), (1, 20.0), (2, 10.0)):
            stage.clock.begin_epoch()
            stage.memory.spike(spike)
            stage.time.spend(train_s * S)
            stage.clock.begin_validation()
            stage.memory.spike(5.0)
            stage.time.spend(S // 2)
            stage.clock.end_validation()
            stage.clock.end_epoch({"loss": 1.0, "val_loss": 1.0})
    (checkpoint,) = stage.checkpoints
    sent = {phase.name: (phase.seconds, phase.peak_mib) for phase in checkpoint.phases}
    assert sent == {
        "first_epoch": (9.0, 500.0),
        "train": (3.0, 120.0),
        "val": (1.5, 105.0),
        "harness": (0.0, 100.0),
    }


def test_memory_that_callbacks_take_is_the_models() -> None:
    with staged(checkpoints=(1,)) as stage:
        stage.clock.begin_epoch()
        stage.clock.begin_validation()
        stage.clock.end_validation()
        stage.memory.spike(77.0)
        stage.clock.end_epoch({"loss": 1.0, "val_loss": 1.0})
    assert stage.checkpoints[0].peak_rss_mib == 177.0


def test_memory_that_remembering_takes_is_in_no_later_peak() -> None:
    with staged(checkpoints=(1, 2, 3), remember=lambda stage: stage.memory.spike(1000.0)) as stage:
        for _ in range(3):
            stage.epoch()
    assert [checkpoint.peak_rss_mib for checkpoint in stage.checkpoints] == [100.0, 100.0, 100.0]
    assert phase_of(stage.checkpoints[-1], "harness").peak_mib == 1100.0


def test_a_peak_stays_the_peak_of_all_later_checkpoints() -> None:
    with staged(checkpoints=(2, 3, 4)) as stage:
        for spike in (0.0, 0.0, 300.0, 0.0):
            stage.memory.spike(0.0)
            stage.clock.begin_epoch()
            stage.memory.spike(spike)
            stage.clock.begin_validation()
            stage.clock.end_validation()
            stage.clock.end_epoch({"loss": 1.0, "val_loss": 1.0})
    assert [checkpoint.peak_rss_mib for checkpoint in stage.checkpoints] == [100.0, 400.0, 400.0]


def test_the_largest_anonymous_memory_stays_that_of_all_later_checkpoints() -> None:
    with staged(checkpoints=(1, 2, 3)) as stage:
        for anon in (61.0, 99.0, 62.0):
            stage.memory.anon = anon
            stage.epoch()
    assert [checkpoint.peak_anon_mib for checkpoint in stage.checkpoints] == [61.0, 99.0, 99.0]
    assert phase_of(stage.checkpoints[-1], "train").anon_mib == 62.0, "a phase's is that at its end"


def test_anonymous_memory_that_is_not_reported_is_empty() -> None:
    with staged(checkpoints=(1,)) as stage:
        stage.memory.anon = None
        stage.epoch()
    assert stage.checkpoints[0].peak_anon_mib is None


def test_where_phases_have_no_peaks_of_their_own_the_checkpoint_has_one() -> None:
    with staged(checkpoints=(1,)) as stage:
        stage.memory.per_phase = False
        stage.memory.keep(30.0)
        stage.epoch()
    (checkpoint,) = stage.checkpoints
    assert [phase.peak_mib for phase in checkpoint.phases] == [None, None]
    assert checkpoint.peak_rss_mib == 130.0


def test_an_epoch_has_what_is_resident_at_its_end() -> None:
    with staged() as stage:
        for _ in range(2):
            stage.memory.keep(5.0)
            stage.epoch()
    assert [epoch.rss_mib for epoch in stage.epochs] == [105.0, 110.0]
