"""The parts of real epochs against a stopwatch that is not the harness' own."""

import importlib.util
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.datasets.files import write_npz
from bench.datasets.find import find_dataset
from bench.plan import catalog
from bench.plan.profile import Profile
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome
from bench.sweep.local import LocalExecutor

EPOCHS = 12

_WATCHED = """
import json, sys, time
import keras
from bench.worker.channel import Channel
from bench.worker.training import train
from bench.worker.protocol import EpochEvent

begun, sent = [], []

class Stopwatch(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        begun.append(time.perf_counter_ns())

fit, send = keras.Model.fit, Channel.send

def fit_watched(model, *arguments, callbacks, **options):
    return fit(model, *arguments, callbacks=[*callbacks, Stopwatch()], **options)

def send_watched(channel, event):
    if isinstance(event, EpochEvent):
        sent.append(time.perf_counter_ns())
    send(channel, event)

keras.Model.fit, Channel.send = fit_watched, send_watched
channel = Channel()
code = train(channel.receive_job(), channel)
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump([begun, sent], file)
sys.exit(code)
"""
"""A measured process in which somebody else, too, notes when each epoch begins and when it is sent."""


def watched(backend: str, folder: Path) -> tuple[Outcome, Any]:
    """How a run of the basic model ended, and the other stopwatch's nanoseconds."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    report, notes = ReportFolder(folder), folder / "notes.json"
    profile = Profile(
        models=("basic",), backends=(backend,), epochs=(EPOCHS // 2, EPOCHS), batch_sizes=(256,), dataset="mnist-5k"
    )
    write_npz(find_dataset("mnist-5k").images, report.data)
    executor = LocalExecutor(report, command=(sys.executable, "-P", "-c", _WATCHED, str(notes)))
    (outcome,) = executor.run(profile.list_cases(), lambda _case, _event: None)
    assert outcome.status == "ok", outcome.log_tail
    return outcome, json.loads(notes.read_text(encoding="utf-8"))


@pytest.mark.parametrize("backend", list(catalog.read_backends()))
def test_the_parts_of_real_epochs_add_up_to_their_wall_time(backend: str, tmp_path: Path) -> None:
    outcome, (begun, sent) = watched(backend, tmp_path)
    assert len(sent) == len(outcome.epochs) == EPOCHS
    begun = begun[:EPOCHS]  # what is trained once the case is over is nobody's epoch
    parts = [epoch.train_s + epoch.val_s + epoch.callback_s + epoch.harness_s for epoch in outcome.epochs]
    missed = [(end - begin) / 1e9 - part for begin, end, part in zip(begun, sent, parts, strict=True)]
    # Whoever is set aside between two looks at the clock misses more; that may befall an epoch, not most of them.
    assert statistics.median(map(abs, missed)) < 0.001
    between = [(begin - end) / 1e9 for begin, end in zip(begun[1:], sent, strict=False)]
    harness = [epoch.between_s for epoch in outcome.epochs[1:]]
    assert all(own < passed + 0.001 for own, passed in zip(harness, between, strict=True))
