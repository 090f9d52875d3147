"""A real sweep on a machine whose processor counts energy, in a powercap tree that rises with each batch."""

import sys
from pathlib import Path

import pytest

from bench.datasets.files import write_npz
from bench.datasets.find import find_dataset
from bench.host import energy
from bench.plan.profile import Profile
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome
from bench.sweep import local

ZONE = "sys/class/powercap/intel-rapl:0"
BATCHES = 16
"""Of 256 images, of the 4,000 that the dataset has."""

_COUNTED = """
import functools, sys
from pathlib import Path
import keras
from bench.worker import training
from bench.worker.channel import Channel

root = Path(sys.argv[1])
place = root / "sys/class/powercap/intel-rapl:0"
training.find_rapl_counters = functools.partial(training.find_rapl_counters, root)

def add(joules):
    if (place / "energy_uj").is_dir():
        return
    most = int((place / "max_energy_range_uj").read_text())
    (place / "energy_uj").write_text(str((int((place / "energy_uj").read_text()) + joules * 1_000_000) % most))

class Meter(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        add(1)
    def on_test_batch_end(self, batch, logs=None):
        add(50)

fit = keras.Model.fit
keras.Model.fit = lambda model, *given, callbacks, **more: fit(model, *given, callbacks=[Meter(), *callbacks], **more)
channel = Channel()
sys.exit(training.train(channel.receive_job(), channel))
"""
"""A measured process whose processor takes a joule for each batch that it trains, and 50 for each that it validates."""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What stands in for / of this machine."""
    zone = tmp_path / "root" / ZONE
    zone.mkdir(parents=True)
    for name, text in {"name": "package-0", "energy_uj": "65500000000", "max_energy_range_uj": "65532610987"}.items():
        (zone / name).write_text(f"{text}\n")
    monkeypatch.setattr(energy, "_IDLE_S", 0.01)
    monkeypatch.setattr(local, "measure_idle_power", lambda: energy.measure_idle_power(tmp_path / "root"))
    return tmp_path / "root"


def run(folder: ReportFolder, root: Path, epochs: tuple[int, ...]) -> Outcome:
    profile = Profile(models=("basic",), epochs=epochs, batch_sizes=(256,), dataset="mnist-5k")
    write_npz(find_dataset("mnist-5k").images, folder.data)
    executor = local.LocalExecutor(folder, command=(sys.executable, "-P", "-c", _COUNTED, str(root)))
    (outcome,) = executor.run(profile.list_cases(), lambda _case, _event: None)
    assert outcome.status == "ok", outcome.log_tail
    return outcome


def test_every_epochs_joules_are_those_of_its_training(tmp_path: Path, root: Path) -> None:
    outcome = run(ReportFolder(tmp_path), root, (1, 6))
    assert outcome.epochs.get_column("energy_j") == pytest.approx([BATCHES] * 6), "also where the counter began again"
    assert int((root / ZONE / "energy_uj").read_text()) < 65_500_000_000, "it did"
    assert outcome.setup is not None
    assert (outcome.setup.energy_counters, outcome.idle_w) == (("RAPL package-0",), (("RAPL package-0", 0.0),))


def test_a_counter_that_may_not_be_read_changes_nothing(tmp_path: Path, root: Path) -> None:
    (root / ZONE / "energy_uj").rename(root / "elsewhere")
    (root / ZONE / "energy_uj").mkdir()
    outcome = run(ReportFolder(tmp_path), root, (1,))
    assert set(outcome.epochs.get_column("energy_j")) == {None}
    assert outcome.setup is not None
    assert (outcome.setup.energy_counters, outcome.idle_w) == ((), ())
