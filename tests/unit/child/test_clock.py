"""The stopwatch on a scripted clock: nothing passes but what a test declares, and a nanosecond or so a look."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pytest
import scripted
from hypothesis import given
from hypothesis import strategies as st

from bench.child import clock as clock_file
from bench.child.clock import Clock, Diverged, finite
from bench.child.device import Device
from bench.child.memory import Meter, Reading
from bench.event import EpochEvent, Event, MarkEvent, PhaseEvent
from bench.noise import Interval, ProcessWitness, Witness

S = 1_000_000_000
MS = 1_000_000
STARTED = 7 * S
"""The parent's clock when it started the process."""


@dataclass
class Time:
    """Stands in for the module `time`."""

    look_ns: int = 1
    """What a look at a clock takes."""
    now_ns: int = STARTED
    cpu_ns: int = 0
    looks: list[Callable[[], None]] = field(default_factory=list)
    """Called whenever somebody looks at the wall clock."""

    def perf_counter_ns(self) -> int:
        for call in self.looks:
            call()
        self.now_ns += self.look_ns
        return self.now_ns

    def process_time_ns(self) -> int:
        return self.cpu_ns

    def spend(self, wall_ns: int, cpu_ns: int = 0) -> None:
        self.now_ns += wall_ns
        self.cpu_ns += cpu_ns


class Memory(Meter):
    """Resident memory that is what a test says, with a peak that is forgotten at each phase's end."""

    def __init__(self, time: Time, cost_ns: int = 0, *, per_phase: bool = True) -> None:
        self.per_phase = per_phase
        self.method = "scripted"
        self.rss = self.peak = 100.0
        self.anon: float | None = 60.0
        self._time = time
        self._cost_ns = cost_ns

    def spike(self, mib: float) -> None:
        """Take so much more, and give it back."""
        self.peak = max(self.peak, self.rss + mib)

    def keep(self, mib: float) -> None:
        self.rss += mib
        self.peak = max(self.peak, self.rss)

    def end_phase(self) -> Reading:
        self._time.spend(self._cost_ns)
        file = None if self.anon is None else self.rss - self.anon
        reading = Reading(peak=self.peak, rss=self.rss, anon=self.anon, file=file)
        self.peak = self.rss
        return reading


class Gpu(Device):
    """A device that lags behind, and whose memory takes its time to look at."""

    def __init__(self, time: Time, cost_ns: int = 0) -> None:
        self.behind_ns = 0
        self._time = time
        self._cost_ns = cost_ns

    def synchronise(self) -> None:
        self._time.spend(self.behind_ns)
        self.behind_ns = 0

    def observe(self) -> None:
        self._time.spend(self._cost_ns)
        self.used_mib = (self.used_mib or 0.0) + 1.0

    def peak_mib(self) -> float | None:
        return 321.0


@dataclass
class Stage:
    """A clock, what it told and remembered, and what drives it as a loop does."""

    time: Time
    clock: Clock
    memory: Memory
    told: list[Event]
    told_ns: list[int]
    """When each event's sending began."""
    remembered: list[tuple[int, str]]
    """Epoch counts, each with the kind of the event before."""

    def epoch(
        self,
        train_ns: int = S,
        val_ns: int = S // 4,
        callback_ns: int = S // 100,
        losses: tuple[float, float] = (0.5, 0.4),
    ) -> None:
        self.clock.epoch_begin()
        self.time.spend(train_ns)
        self.clock.validation_begin()
        self.time.spend(val_ns)
        self.clock.validation_end()
        self.time.spend(callback_ns)
        self.clock.epoch_end({"loss": losses[0], "val_loss": losses[1]})

    @property
    def epochs(self) -> list[EpochEvent]:
        return [event for event in self.told if isinstance(event, EpochEvent)]

    @property
    def marks(self) -> list[MarkEvent]:
        return [event for event in self.told if isinstance(event, MarkEvent)]


@dataclass(frozen=True)
class Costs:
    """What each part of the harness' work takes, in nanoseconds."""

    look: int = 1
    meter: int = 0
    device: int = 0
    witness: int = 1
    send: int = 0


@contextmanager
def staged(
    costs: Costs | None = None,
    marks: tuple[int, ...] = (1, 3),
    remember: Callable[[Stage], None] = lambda _stage: None,
) -> Iterator[Stage]:
    costs = costs or Costs()
    time = Time(costs.look)

    def witness() -> Witness:
        time.spend(costs.witness)
        fields = dict.fromkeys(Witness.__dataclass_fields__)
        return Witness(**{**fields, "monotonic_ns": time.now_ns})  # type: ignore[arg-type]

    def process_witness() -> ProcessWitness:
        time.spend(costs.witness)
        fields = dict.fromkeys(ProcessWitness.__dataclass_fields__)
        return ProcessWitness(**{**fields, "cpu_s": time.cpu_ns / S})  # type: ignore[arg-type]

    def send(event: Event) -> None:
        stage.told.append(event)
        stage.told_ns.append(time.now_ns)
        time.spend(costs.send)

    def keep(epochs: int) -> None:
        stage.remembered.append((epochs, stage.told[-1].kind))
        remember(stage)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock_file, "time", time)
        patch.setattr(clock_file, "witness", witness)
        patch.setattr(clock_file, "process_witness", process_witness)
        patch.setattr(clock_file, "threads_alive", lambda: 9)
        memory = Memory(time, costs.meter)
        clock = Clock(
            started_ns=STARTED, marks=marks, remember=keep, send=send, meter=memory, device=Gpu(time, costs.device)
        )
        time.now_ns = STARTED  # its first witnesses, taken once, are no part of what is tested
        stage = Stage(time, clock, memory, [], [], [])
        yield stage


def phase_of(mark: MarkEvent, name: str) -> PhaseEvent:
    (phase,) = (phase for phase in mark.phases if phase.name == name)
    return phase


durations = st.integers(0, 30 * S)
costs_of_all_kinds = st.builds(
    Costs,
    look=st.integers(0, 1000),
    meter=durations,
    device=durations,
    witness=st.integers(1, 30 * S),
    send=durations,
)
epochs_of_all_kinds = st.lists(st.tuples(durations, durations, durations), min_size=1, max_size=5)

# ------------------------------------------------------------------------------- time


def test_an_epochs_parts_are_what_passes_between_the_loops_four_calls() -> None:
    with staged(Costs(look=0)) as stage:
        stage.epoch(train_ns=3 * S, val_ns=5 * MS, callback_ns=7)
        stage.epoch(train_ns=11, val_ns=2 * S, callback_ns=MS)
    parts = [(epoch.epoch, epoch.train_s, epoch.val_s, epoch.callback_s) for epoch in stage.epochs]
    assert parts == [(1, 3.0, 0.005, 7e-9), (2, 11e-9, 2.0, 0.001)]


@given(costs=costs_of_all_kinds, spans=epochs_of_all_kinds)
def test_the_parts_add_up_to_the_wall_time_from_the_epochs_begin_to_its_telling(
    costs: Costs, spans: Sequence[tuple[int, int, int]]
) -> None:
    with staged(costs, marks=(2,)) as stage:
        begun = []
        for train_ns, val_ns, callback_ns in spans:
            stage.clock.epoch_begin()
            begun.append(stage.time.now_ns)
            stage.time.spend(train_ns)
            stage.clock.validation_begin()
            stage.time.spend(val_ns)
            stage.clock.validation_end()
            stage.time.spend(callback_ns)
            stage.clock.epoch_end({"loss": 1.0, "val_loss": 1.0})
    told = [at for event, at in zip(stage.told, stage.told_ns, strict=True) if isinstance(event, EpochEvent)]
    for epoch, begin_ns, told_ns in zip(stage.epochs, begun, told, strict=True):
        parts = epoch.train_s + epoch.val_s + epoch.callback_s + epoch.harness_s
        assert parts == pytest.approx((told_ns - begin_ns) / S, abs=0.001)


@given(costs=costs_of_all_kinds, spans=epochs_of_all_kinds)
def test_the_harness_own_work_is_in_no_part_but_its_own(costs: Costs, spans: Sequence[tuple[int, int, int]]) -> None:
    with staged(costs, marks=()) as stage:
        for span in spans:
            stage.epoch(*span)
    looks = pytest.approx(0, abs=3e-6)
    for epoch, (train_ns, val_ns, callback_ns) in zip(stage.epochs, spans, strict=True):
        assert epoch.train_s - train_ns / S == looks
        assert epoch.val_s - val_ns / S == looks
        assert epoch.callback_s - callback_ns / S == looks
        # Three readings, and the two witnesses at the end; those at the begin come before the epoch.
        readings = 3 * (costs.meter + costs.device) + 2 * costs.witness
        assert epoch.harness_s == pytest.approx(readings / S, abs=20e-6)


@given(costs=costs_of_all_kinds, spans=epochs_of_all_kinds, import_ns=durations, evaluation_ns=durations)
def test_the_time_of_a_mark_leaves_out_all_of_the_harness_work(
    costs: Costs, spans: Sequence[tuple[int, int, int]], import_ns: int, evaluation_ns: int
) -> None:
    every = tuple(range(1, len(spans) + 1))
    with staged(costs, marks=every, remember=lambda stage: stage.time.spend(evaluation_ns)) as stage:
        stage.time.spend(import_ns)
        stage.clock.end_phase("import", STARTED)
        at_ns = []
        for span in spans:
            stage.clock.epoch_begin()
            stage.time.spend(span[0])
            stage.clock.validation_begin()
            stage.time.spend(span[1])
            stage.clock.validation_end()
            stage.time.spend(span[2])
            at_ns.append(stage.time.now_ns)
            stage.clock.epoch_end({"loss": 1.0, "val_loss": 1.0})
    truth_ns = import_ns
    for mark, span, ended_ns in zip(stage.marks, spans, at_ns, strict=True):
        truth_ns += sum(span)
        assert mark.wall_s == pytest.approx(truth_ns / S, abs=0.001)
        assert mark.at_s == pytest.approx((ended_ns - STARTED) / S, abs=0.001)


def test_what_the_loop_does_between_epochs_is_in_the_time_of_a_mark_and_in_no_epoch() -> None:
    with staged(Costs(look=0, witness=0, send=S), marks=(2,)) as stage:
        stage.epoch(S, S, S)
        stage.time.spend(5 * MS)
        stage.epoch(S, S, S)
    assert [(each.train_s, each.val_s, each.callback_s) for each in stage.epochs] == [(1.0, 1.0, 1.0)] * 2
    assert stage.epochs[1].between_s == 1.0, "the telling alone"
    assert stage.marks[0].wall_s == 6.005


def test_no_time_is_taken_while_the_device_is_behind() -> None:
    with staged() as stage:
        gpu = stage.clock.device
        assert isinstance(gpu, Gpu)
        behind: list[int] = []
        stage.time.looks.append(lambda: behind.append(gpu.behind_ns))
        losses = {"loss": 1.0, "val_loss": 1.0}
        for step in (
            stage.clock.epoch_begin,
            stage.clock.validation_begin,
            stage.clock.validation_end,
            lambda: stage.clock.epoch_end(losses),
        ):
            gpu.behind_ns = S
            step()
    assert set(behind) == {0}


def test_what_the_device_still_has_to_do_counts_to_the_part_that_began_it() -> None:
    with staged(Costs(look=0)) as stage:
        gpu = stage.clock.device
        assert isinstance(gpu, Gpu)
        stage.clock.epoch_begin()
        gpu.behind_ns = 3 * S
        stage.clock.validation_begin()
        gpu.behind_ns = 2 * S
        stage.clock.validation_end()
        stage.clock.epoch_end({"loss": 1.0, "val_loss": 1.0})
    (epoch,) = stage.epochs
    assert (epoch.train_s, epoch.val_s, epoch.callback_s) == (3.0, 2.0, 0.0)


def test_an_epochs_cpu_time_is_the_process_own_since_its_begin() -> None:
    with staged() as stage:
        stage.time.spend(S, cpu_ns=50 * S)
        for cpu_s in (3, 2):
            stage.clock.epoch_begin()
            stage.time.spend(S, cpu_ns=cpu_s * S)
            stage.clock.validation_begin()
            stage.clock.validation_end()
            stage.clock.epoch_end({"loss": 1.0, "val_loss": 1.0})
            stage.time.spend(S, cpu_ns=7 * S)
    assert [epoch.cpu_s for epoch in stage.epochs] == [3.0, 2.0]
    assert [mark.cpu_s for mark in stage.marks] == [53.0], "a mark's is the process' since its start"


def test_an_epochs_noise_is_what_lies_within_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def between(before: Witness, after: Witness, *_own: ProcessWitness) -> Interval:
        seen.append(after.monotonic_ns - before.monotonic_ns)
        return scripted.QUIET

    with staged(Costs(look=0, send=50 * S), marks=(1, 2)) as stage:
        monkeypatch.setattr(clock_file, "between", between)
        stage.epoch(S, S, S)
        stage.epoch(2 * S, S, S)
    assert seen == pytest.approx([3 * S, 4 * S], abs=10)


# ------------------------------------------------------------------------------- phases


def test_a_phase_of_the_set_up_is_told_at_its_end_and_the_next_one_begins_after_the_telling() -> None:
    with staged(Costs(look=0, meter=S, send=S)) as stage:
        stage.time.spend(3 * S)
        resumed = stage.clock.end_phase("interpreter", STARTED)
        stage.time.spend(2 * S)
        stage.clock.end_phase("import", resumed)
    phases = [(event.name, event.seconds) for event in stage.told if isinstance(event, PhaseEvent)]
    assert phases == [("interpreter", 3.0), ("import", 2.0)]


def test_each_phase_has_its_own_peak_and_what_is_resident_at_its_end() -> None:
    with staged() as stage:
        stage.memory.keep(200.0)
        now = stage.clock.end_phase("import", STARTED)
        stage.memory.spike(50.0)
        now = stage.clock.end_phase("data", now)
        stage.clock.end_phase("build", now)
    told = [(each.peak_mib, each.rss_mib, each.anon_mib, each.file_mib) for each in stage.told]  # type: ignore[union-attr]
    assert told == [(300.0, 300.0, 60.0, 240.0), (350.0, 300.0, 60.0, 240.0), (300.0, 300.0, 60.0, 240.0)]


def test_what_the_loop_takes_before_the_first_epoch_counts_to_that_epoch() -> None:
    with staged(marks=(1,)) as stage:
        stage.clock.end_phase("build", STARTED)
        stage.memory.spike(500.0)
        stage.epoch()
    (mark,) = stage.marks
    assert phase_of(mark, "first_epoch").peak_mib == 600.0
    assert mark.peak_rss_mib == 600.0
    assert [phase.name for phase in mark.phases] == ["first_epoch", "val"]


def test_the_first_epochs_training_stands_apart_from_the_later_ones() -> None:
    with staged(Costs(look=0), marks=(3,)) as stage:
        for train_s, spike in ((9, 400.0), (1, 20.0), (2, 10.0)):
            stage.clock.epoch_begin()
            stage.memory.spike(spike)
            stage.time.spend(train_s * S)
            stage.clock.validation_begin()
            stage.memory.spike(5.0)
            stage.time.spend(S // 2)
            stage.clock.validation_end()
            stage.clock.epoch_end({"loss": 1.0, "val_loss": 1.0})
    (mark,) = stage.marks
    told = {phase.name: (phase.seconds, phase.peak_mib) for phase in mark.phases}
    assert told == {
        "first_epoch": (9.0, 500.0),
        "train": (3.0, 120.0),
        "val": (1.5, 105.0),
        "harness": (0.0, 100.0),
    }


def test_memory_that_callbacks_take_is_the_models() -> None:
    with staged(marks=(1,)) as stage:
        stage.clock.epoch_begin()
        stage.clock.validation_begin()
        stage.clock.validation_end()
        stage.memory.spike(77.0)
        stage.clock.epoch_end({"loss": 1.0, "val_loss": 1.0})
    assert stage.marks[0].peak_rss_mib == 177.0


def test_memory_that_remembering_takes_is_in_no_later_peak() -> None:
    with staged(marks=(1, 2, 3), remember=lambda stage: stage.memory.spike(1000.0)) as stage:
        for _ in range(3):
            stage.epoch()
    assert [mark.peak_rss_mib for mark in stage.marks] == [100.0, 100.0, 100.0]
    assert phase_of(stage.marks[-1], "harness").peak_mib == 1100.0


def test_a_peak_stays_the_peak_of_all_later_marks() -> None:
    with staged(marks=(2, 3, 4)) as stage:
        for spike in (0.0, 0.0, 300.0, 0.0):
            stage.memory.spike(0.0)
            stage.clock.epoch_begin()
            stage.memory.spike(spike)
            stage.clock.validation_begin()
            stage.clock.validation_end()
            stage.clock.epoch_end({"loss": 1.0, "val_loss": 1.0})
    assert [mark.peak_rss_mib for mark in stage.marks] == [100.0, 400.0, 400.0]


def test_the_largest_anonymous_memory_stays_that_of_all_later_marks() -> None:
    with staged(marks=(1, 2, 3)) as stage:
        for anon in (61.0, 99.0, 62.0):
            stage.memory.anon = anon
            stage.epoch()
    assert [mark.anon_peak_mib for mark in stage.marks] == [61.0, 99.0, 99.0]
    assert phase_of(stage.marks[-1], "train").anon_mib == 62.0, "a phase's is that at its end"


def test_anonymous_memory_that_is_not_told_is_empty() -> None:
    with staged(marks=(1,)) as stage:
        stage.memory.anon = None
        stage.epoch()
    assert stage.marks[0].anon_peak_mib is None


def test_where_phases_cannot_be_told_apart_their_peaks_are_empty_but_the_marks_is_not() -> None:
    with staged(marks=(1,)) as stage:
        stage.memory.per_phase = False
        stage.memory.keep(30.0)
        stage.epoch()
    (mark,) = stage.marks
    assert [phase.peak_mib for phase in mark.phases] == [None, None]
    assert mark.peak_rss_mib == 130.0


def test_an_epoch_tells_what_is_resident_at_its_end() -> None:
    with staged() as stage:
        for _ in range(2):
            stage.memory.keep(5.0)
            stage.epoch()
    assert [epoch.rss_mib for epoch in stage.epochs] == [105.0, 110.0]


# -------------------------------------------------------------------------------- marks


def test_marks_are_told_at_their_epochs_alone_and_after_them() -> None:
    with staged(marks=(2, 4)) as stage:
        for _ in range(5):
            stage.epoch()
    told = [(event.kind, getattr(event, "epoch", None) or getattr(event, "epochs", None)) for event in stage.told]
    assert told == [
        ("epoch", 1), ("epoch", 2), ("mark", 2), ("epoch", 3), ("epoch", 4), ("mark", 4), ("epoch", 5),
    ]  # fmt: skip


def test_a_mark_is_remembered_after_it_was_told() -> None:
    with staged(marks=(1, 3)) as stage:
        for _ in range(4):
            stage.epoch()
    assert stage.remembered == [(1, "mark"), (3, "mark")]


def test_the_time_of_remembering_is_in_no_later_figure() -> None:
    def run(cost_ns: int) -> Stage:
        with staged(Costs(look=0), marks=(1, 2), remember=lambda stage: stage.time.spend(cost_ns)) as stage:
            stage.epoch()
            stage.epoch()
        return stage

    free, costly = run(0), run(40 * S)
    assert [replace(epoch, between_s=0.0) for epoch in costly.epochs] == [
        replace(epoch, between_s=0.0) for epoch in free.epochs
    ]
    assert [round(epoch.between_s, 3) for epoch in costly.epochs] == [0.0, 40.0], "it is told as what it is"
    assert [mark.wall_s for mark in costly.marks] == [mark.wall_s for mark in free.marks]
    assert [mark.at_s for mark in costly.marks] == pytest.approx([free.marks[0].at_s, free.marks[1].at_s + 40])
    for one, other in zip(costly.marks[1].phases, free.marks[1].phases, strict=True):
        assert one == other if one.name != "harness" else (one.seconds, one.peak_mib) == (40.0, other.peak_mib)


def test_a_mark_tells_threads_and_what_the_gpu_used() -> None:
    with staged(marks=(1,)) as stage:
        stage.epoch()
    (mark,) = stage.marks
    assert (mark.threads_alive, mark.gpu_peak_mib, mark.gpu_used_mib) == (9, 321.0, 4.0)


# --------------------------------------------------------------------------- divergence


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("which", ["loss", "val_loss"])
def test_a_loss_that_is_not_finite_ends_the_run_after_its_epoch_was_told(
    wrong: float, which: Literal["loss", "val_loss"]
) -> None:
    with staged(marks=(2,)) as stage:
        stage.epoch()
        losses = (wrong, 0.4) if which == "loss" else (0.5, wrong)
        with pytest.raises(Diverged, match="epoch 2"):
            stage.epoch(losses=losses)
    told = stage.epochs[-1]
    assert told.epoch == 2
    assert (told.train_loss, told.val_loss) == ((None, 0.4) if which == "loss" else (0.5, None))
    assert not stage.marks
    assert not stage.remembered


@pytest.mark.parametrize(
    ("value", "expected"), [(0.25, 0.25), (math.nan, None), (math.inf, None), (-math.inf, None), (0, 0.0)]
)
def test_a_finite_value_is_a_plain_float_and_any_other_is_empty(value: Any, expected: float | None) -> None:
    assert finite(value) == expected
    assert type(finite(value)) is type(expected)
