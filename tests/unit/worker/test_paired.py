import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from bench.worker import paired
from bench.worker.inputs import Examples
from bench.worker.memory import Meter
from bench.worker.paired import Stopped, TurnClock, take_images, take_turns
from bench.worker.paired_protocol import GO, PROTOCOL, STOP, PairedEvent, PairedJob, ReadyEvent, TurnEvent
from bench.worker.protocol import to_line

READY = ReadyEvent(params=1, peak_rss_method="none")
LOSSES: Mapping[str, float] = {"loss": 0.5, "val_loss": 0.4}


class Wire:
    """Both ends: tokens to be read, and in which order things were said and read."""

    def __init__(self, *tokens: bytes) -> None:
        self.course: list[Any] = []
        self.tokens = iter(tokens)

    def readline(self) -> bytes:
        self.course.append("waits")
        return next(self.tokens, b"")

    def send(self, event: PairedEvent) -> None:
        self.course.append(event.kind)
        self.last = event


def turns(wire: Wire) -> TurnClock:
    return TurnClock(wire, wire.send, Meter(), pending=READY)  # type: ignore[arg-type]


def epoch(clock: TurnClock, losses: Mapping[str, float] = LOSSES) -> None:
    clock.begin_epoch()
    clock.begin_validation()
    clock.end_validation()
    clock.end_epoch(losses)


def test_each_turn_is_sent_when_the_process_is_idle_and_waits_again() -> None:
    wire = Wire(GO, GO, STOP)
    clock = turns(wire)
    epoch(clock)
    assert wire.course == ["ready", "waits"], "between the end of an epoch and the next one the loop still works"
    epoch(clock)
    with pytest.raises(Stopped):
        clock.begin_epoch()
    assert wire.course == ["ready", "waits", "turn", "waits", "turn", "waits"]


class Time:
    """The clocks that a turn is timed with, in nanoseconds; they stand still unless a test moves them on."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0

    def pass_by(self, wall_s: int, cpu_s: int) -> None:
        self.wall += wall_s * 10**9
        self.cpu += cpu_s * 10**9

    def perf_counter_ns(self) -> int:
        return self.wall

    def process_time_ns(self) -> int:
        return self.cpu


def test_a_turn_is_training_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    passing = Time()
    monkeypatch.setattr(paired, "time", passing)
    clock = turns(Wire(GO))
    passing.pass_by(1, 1)
    clock.begin_epoch()
    passing.pass_by(3, 5)
    clock.begin_validation()
    passing.pass_by(10, 10)
    clock.end_validation()
    passing.pass_by(10, 10)
    clock.end_epoch(LOSSES)
    assert isinstance(clock.pending, TurnEvent)
    assert (clock.pending.wall_s, clock.pending.cpu_s) == (3.0, 5.0)
    assert (clock.pending.train_loss, clock.pending.val_loss) == (0.5, 0.4)


def test_a_parent_that_is_gone_ends_the_process() -> None:
    with pytest.raises(Stopped):
        turns(Wire()).begin_epoch()


def test_a_loss_that_is_not_finite_is_none() -> None:
    wire = Wire(GO)
    clock = turns(wire)
    epoch(clock, losses={"loss": float("nan"), "val_loss": float("inf")})
    assert isinstance(clock.pending, TurnEvent)
    assert (clock.pending.train_loss, clock.pending.val_loss) == (None, None)


def test_the_last_event_has_the_largest_memory_of_all_turns() -> None:
    clock = turns(Wire(GO, GO, GO))
    epoch(clock)
    held = np.ones(8 << 20)
    epoch(clock)
    del held
    epoch(clock)
    done = clock.end()
    before, with_it, after = clock.readings
    assert done.peak_rss_mib >= with_it.rss
    assert done.anon_mib is None or done.anon_mib == with_it.anon
    assert before.anon is None or after.anon is None or (done.anon_mib or 0) > max(before.anon, after.anon) + 32


def test_images_are_taken_from_the_start_again_where_there_are_too_few() -> None:
    images = np.arange(5, dtype=np.uint8).reshape(5, 1)
    same = take_images(Examples(images, images), 12)
    assert same.x is same.y
    assert same.x[:, 0].tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
    other = take_images(Examples(images, images + 1), 3)
    assert (other.x[:, 0].tolist(), other.y[:, 0].tolist()) == ([0, 1, 2], [1, 2, 3])


# --------------------------------------------------------------------------------------------------------- protocol

JOB = PairedJob(
    protocol=PROTOCOL, model="basic", backend="tensorflow", loop="fit", precision="float32", optimizer="adam",
    learning_rate=0.001, batch_size=4, seed=0, threads=None, data="none.npz", images=8, val_images=4,
)  # fmt: skip


def spoken(monkeypatch: pytest.MonkeyPatch, train: Any, text: bytes) -> tuple[int, list[str]]:
    monkeypatch.setattr(paired, "_train", train)
    sent: list[PairedEvent] = []
    code = take_turns(io.BytesIO(text), sent.append)
    return code, [json.loads(to_line(event))["kind"] for event in sent]


def train(job: PairedJob, clock: TurnClock) -> None:
    assert job == JOB
    clock.pending = READY
    while True:
        epoch(clock)


def test_the_whole_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    code, sent = spoken(monkeypatch, train, to_line(JOB) + GO + GO + STOP)
    assert (code, sent) == (0, ["hello", "ready", "turn", "turn", "done"])


def test_a_parent_that_only_asks_for_the_protocol_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert spoken(monkeypatch, train, b"") == (0, ["hello"])


def test_whatever_goes_wrong_is_sent(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def raises(_job: PairedJob, _clock: TurnClock) -> None:
        raise ValueError("no such layer")

    assert spoken(monkeypatch, raises, to_line(JOB)) == (1, ["hello", "broken"])
    assert "no such layer" in capsys.readouterr().err
    assert spoken(monkeypatch, train, b'{"model": "basic"}\n') == (1, ["hello", "broken"])
