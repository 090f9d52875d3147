"""A `Clock` on scripted time: nothing passes but what a test declares, and a nanosecond or so a look."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st

from bench.host.noise import MachineCounters, ProcessCounters
from bench.worker import clock as clock_file
from bench.worker.clock import Clock
from bench.worker.device import Device
from bench.worker.memory import Meter, Reading
from bench.worker.protocol import CheckpointEvent, EpochEvent, Event, PhaseEvent

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

    def read_peak_mib(self) -> float | None:
        return 321.0


@dataclass
class Stage:
    """A clock, what it sent and remembered, and what drives it as a loop does."""

    time: Time
    clock: Clock
    memory: Memory
    sent: list[Event]
    sent_ns: list[int]
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
        self.clock.begin_epoch()
        self.time.spend(train_ns)
        self.clock.begin_validation()
        self.time.spend(val_ns)
        self.clock.end_validation()
        self.time.spend(callback_ns)
        self.clock.end_epoch({"loss": losses[0], "val_loss": losses[1]})

    @property
    def epochs(self) -> list[EpochEvent]:
        return [event for event in self.sent if isinstance(event, EpochEvent)]

    @property
    def checkpoints(self) -> list[CheckpointEvent]:
        return [event for event in self.sent if isinstance(event, CheckpointEvent)]


@dataclass(frozen=True)
class Costs:
    """What each part of the harness' work takes, in nanoseconds."""

    look: int = 1
    meter: int = 0
    device: int = 0
    read_machine_counters: int = 1
    send: int = 0


@contextmanager
def staged(
    costs: Costs | None = None,
    checkpoints: tuple[int, ...] = (1, 3),
    remember: Callable[[Stage], None] = lambda _stage: None,
) -> Iterator[Stage]:
    costs = costs or Costs()
    time = Time(costs.look)

    def read_machine_counters() -> MachineCounters:
        time.spend(costs.read_machine_counters)
        fields = dict.fromkeys(MachineCounters.__dataclass_fields__)
        return MachineCounters(**{**fields, "monotonic_ns": time.now_ns})  # type: ignore[arg-type]

    def read_process_counters() -> ProcessCounters:
        time.spend(costs.read_machine_counters)
        fields = dict.fromkeys(ProcessCounters.__dataclass_fields__)
        return ProcessCounters(**{**fields, "cpu_s": time.cpu_ns / S})  # type: ignore[arg-type]

    def send(event: Event) -> None:
        stage.sent.append(event)
        stage.sent_ns.append(time.now_ns)
        time.spend(costs.send)

    def keep(epochs: int) -> None:
        stage.remembered.append((epochs, stage.sent[-1].kind))
        remember(stage)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock_file, "time", time)
        patch.setattr(clock_file, "read_machine_counters", read_machine_counters)
        patch.setattr(clock_file, "read_process_counters", read_process_counters)
        patch.setattr(clock_file, "count_threads", lambda: 9)
        memory = Memory(time, costs.meter)
        clock = Clock(
            started_ns=STARTED,
            checkpoints=checkpoints,
            remember=keep,
            send=send,
            meter=memory,
            device=Gpu(time, costs.device),
        )
        time.now_ns = STARTED  # its first indicators, taken once, are no part of what is tested
        stage = Stage(time, clock, memory, [], [], [])
        yield stage


def phase_of(checkpoint: CheckpointEvent, name: str) -> PhaseEvent:
    (phase,) = (phase for phase in checkpoint.phases if phase.name == name)
    return phase


durations = st.integers(0, 30 * S)
costs_of_all_kinds = st.builds(
    Costs,
    look=st.integers(0, 1000),
    meter=durations,
    device=durations,
    read_machine_counters=st.integers(1, 30 * S),
    send=durations,
)
epochs_of_all_kinds = st.lists(st.tuples(durations, durations, durations), min_size=1, max_size=5)
