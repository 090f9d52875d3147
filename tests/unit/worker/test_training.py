"""Runs that end early: what is evaluated all the same, and which error the case is said to have failed of."""

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench.worker import training
from bench.worker.clock import Clock, Diverged
from bench.worker.device import Device
from bench.worker.inputs import Examples
from bench.worker.protocol import EvaluationEvent, Event, FailureEvent, FinishedEvent, Job, PeaksEvent, SetupEvent

JOB = Job(
    model="basic", backend="tensorflow", loop="fit", precision="float32", optimizer="adam", learning_rate=0.001,
    batch_size=4, seed=0, threads=None, data="none.npz", checkpoints=(1, 2), started_ns=0,
)  # fmt: skip
SETUP = SetupEvent(params=1, peak_rss_method="none", intra_threads=None, inter_threads=None)
PEAKS = PeaksEvent(gflop_per_s=1.0, gb_per_s=1.0, dispatch_s=1.0)
Run = Callable[..., list[Event]]


class OneWeight:
    """Stands in for a Keras model: its only weight is the number of epochs that it was trained for."""

    def __init__(self) -> None:
        self.weight = 0.0

    def get_weights(self) -> list[float]:
        return [self.weight]

    def set_weights(self, weights: list[Any]) -> None:
        self.weight = float(weights[0])


def evaluate(autoencoder: Any, _x: Any, _y: Any, *, epochs: int) -> EvaluationEvent:
    return EvaluationEvent(epochs=epochs, val_bce=autoencoder.model.weight, code_mean=0.0, code_units=1, dead_units=0)


def evaluated(epochs: int) -> EvaluationEvent:
    return EvaluationEvent(epochs=epochs, val_bce=float(epochs), code_mean=0.0, code_units=1, dead_units=0)


def fail_to_evaluate(*_: Any, **_options: Any) -> EvaluationEvent:
    raise ValueError("no memory left to evaluate with")


def train_both_epochs(model: OneWeight, clock: Clock) -> None:
    for epochs in JOB.checkpoints:
        model.weight = epochs
        clock.remember(epochs)


def diverge_in_the_second_epoch(model: OneWeight, clock: Clock) -> None:
    model.weight = 1
    clock.remember(1)
    model.weight = float("nan")
    raise Diverged("epoch 2: loss nan, validation loss nan")


def break_in_the_second_epoch(model: OneWeight, clock: Clock) -> None:
    clock.remember(1)
    raise RuntimeError("the layer broke")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """A function that runs the job with a made-up training and evaluation: what it sends but for phases and set-up."""

    def run(train: Callable[[OneWeight, Clock], None], evaluate: Any = evaluate) -> list[Event]:
        images = Examples(np.zeros((4, 1), np.uint8), np.zeros((4, 1), np.uint8))
        loop = SimpleNamespace(train=lambda model, _training, _validation, *, clock, **_options: train(model, clock))
        backend = SimpleNamespace(limit_threads=lambda _threads: (None, None), find_device=Device)
        monkeypatch.setattr(training, "import_parts", lambda _job: (None, None, loop))
        monkeypatch.setattr(training, "load_backend", lambda _name: backend)
        monkeypatch.setattr(training, "prepare_examples", lambda *_: (images, images))
        monkeypatch.setattr(training, "build_model", lambda *_: SimpleNamespace(model=OneWeight()))
        monkeypatch.setattr(training, "evaluate", evaluate)
        monkeypatch.setattr(training, "_describe_setup", lambda *_: SETUP)
        peaks = SimpleNamespace(measure_peaks=lambda *_: PEAKS)
        monkeypatch.setitem(sys.modules, "bench.worker.peaks", peaks)
        sent: list[Event] = []
        code = training.train(JOB, SimpleNamespace(send=sent.append))  # type: ignore[arg-type]
        assert code == (0 if sent[-1] == FinishedEvent() else 1)
        return [event for event in sent if event.kind not in {"phase", "setup"}]

    return run


@pytest.mark.parametrize(
    ("loop", "added"),
    [(SimpleNamespace(), {}), (SimpleNamespace(COMPILE={"jit_compile": True}), {"jit_compile": True})],
)
def test_a_model_is_compiled_with_what_its_loop_adds(loop: Any, added: dict[str, Any]) -> None:
    given: dict[str, Any] = {}
    keras = SimpleNamespace(optimizers=SimpleNamespace(get=lambda optimizer: optimizer["class_name"]))
    training.compile_model(SimpleNamespace(compile=given.update), "bce", JOB, keras, loop)
    assert given == {"optimizer": "adam", "loss": "bce", **added}


DIVERGED = FailureEvent(error="epoch 2: loss nan, validation loss nan", diverged=True)
BROKE = FailureEvent(error="RuntimeError: the layer broke")


def test_every_checkpoint_is_evaluated_with_the_weights_that_it_had(run: Run) -> None:
    assert run(train_both_epochs) == [evaluated(1), evaluated(2), PEAKS, FinishedEvent()]


def test_what_was_reached_before_a_loss_diverged_is_evaluated(run: Run) -> None:
    assert run(diverge_in_the_second_epoch) == [evaluated(1), DIVERGED]


@pytest.mark.parametrize(
    ("train", "failure"), [(diverge_in_the_second_epoch, DIVERGED), (break_in_the_second_epoch, BROKE)]
)
def test_what_ended_training_is_reported_even_where_evaluation_fails_too(
    train: Callable[[OneWeight, Clock], None], failure: FailureEvent, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(train, fail_to_evaluate) == [failure]
    assert "no memory left to evaluate with" in capsys.readouterr().err, "the log has it"


def test_an_evaluation_that_fails_after_a_good_training_fails_the_case(run: Run) -> None:
    assert run(train_both_epochs, fail_to_evaluate) == [
        FailureEvent(error="ValueError: no memory left to evaluate with")
    ]
