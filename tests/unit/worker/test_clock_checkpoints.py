"""Checkpoints of the stopwatch, and runs that end before theirs."""

import math
from dataclasses import replace
from typing import Any, Literal

import pytest
from unit.worker.clockwork import Costs, S, Stage, staged

from bench.worker.clock import Diverged, keep_finite


def test_checkpoints_are_sent_at_their_epochs_alone_and_after_them() -> None:
    with staged(checkpoints=(2, 4)) as stage:
        for _ in range(5):
            stage.epoch()
    sent = [(event.kind, getattr(event, "epoch", None) or getattr(event, "epochs", None)) for event in stage.sent]
    assert sent == [
        ("epoch", 1), ("epoch", 2), ("checkpoint", 2), ("epoch", 3), ("epoch", 4), ("checkpoint", 4), ("epoch", 5),
    ]  # fmt: skip


def test_a_checkpoint_is_remembered_after_it_was_sent() -> None:
    with staged(checkpoints=(1, 3)) as stage:
        for _ in range(4):
            stage.epoch()
    assert stage.remembered == [(1, "checkpoint"), (3, "checkpoint")]


def test_the_time_of_remembering_is_in_no_later_figure() -> None:
    def run(cost_ns: int) -> Stage:
        with staged(Costs(look=0), checkpoints=(1, 2), remember=lambda stage: stage.time.spend(cost_ns)) as stage:
            stage.epoch()
            stage.epoch()
        return stage

    free, costly = run(0), run(40 * S)
    assert [replace(epoch, between_s=0.0) for epoch in costly.epochs] == [
        replace(epoch, between_s=0.0) for epoch in free.epochs
    ]
    assert [round(epoch.between_s, 3) for epoch in costly.epochs] == [0.0, 40.0], "it is counted as what it is"
    assert [checkpoint.wall_s for checkpoint in costly.checkpoints] == [
        checkpoint.wall_s for checkpoint in free.checkpoints
    ]
    assert [checkpoint.at_s for checkpoint in costly.checkpoints] == pytest.approx(
        [free.checkpoints[0].at_s, free.checkpoints[1].at_s + 40]
    )
    for one, other in zip(costly.checkpoints[1].phases, free.checkpoints[1].phases, strict=True):
        assert one == other if one.name != "harness" else (one.seconds, one.peak_mib) == (40.0, other.peak_mib)


def test_a_checkpoint_has_the_threads_and_what_the_gpu_used() -> None:
    with staged(checkpoints=(1,)) as stage:
        stage.epoch()
    (checkpoint,) = stage.checkpoints
    assert (checkpoint.threads_alive, checkpoint.peak_gpu_mib, checkpoint.peak_gpu_used_mib) == (9, 321.0, 4.0)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("which", ["loss", "val_loss"])
def test_a_loss_that_is_not_finite_ends_the_run_after_its_epoch_was_sent(
    wrong: float, which: Literal["loss", "val_loss"]
) -> None:
    with staged(checkpoints=(2,)) as stage:
        stage.epoch()
        losses = (wrong, 0.4) if which == "loss" else (0.5, wrong)
        with pytest.raises(Diverged, match="epoch 2"):
            stage.epoch(losses=losses)
    sent = stage.epochs[-1]
    assert sent.epoch == 2
    assert (sent.train_loss, sent.val_loss) == ((None, 0.4) if which == "loss" else (0.5, None))
    assert not stage.checkpoints
    assert not stage.remembered


@pytest.mark.parametrize(
    ("value", "expected"), [(0.25, 0.25), (math.nan, None), (math.inf, None), (-math.inf, None), (0, 0.0)]
)
def test_a_finite_value_is_a_plain_float_and_any_other_is_empty(value: Any, expected: float | None) -> None:
    assert keep_finite(value) == expected
    assert type(keep_finite(value)) is type(expected)
