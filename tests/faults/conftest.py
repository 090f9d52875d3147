"""What the tests of interrupted sweeps have in common: one stage, and one sweep that was left alone."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults import stage
from faults.stage import Stage

from bench.plan.profile import Case


@pytest.fixture
def _without_reference_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take most of a second per case, and have tests of their own."""
    monkeypatch.setattr("bench.sweep.local.measure_reference", lambda _threads: None)


@pytest.fixture
def case() -> Case:
    """Two checkpoints and two epochs."""
    return Case(
        model="basic", backend="tensorflow", loop="fit", precision="float32", optimizer="adam", learning_rate=0.001,
        batch_size=256, dataset="mnist-5k", seed=0, repeat=0, checkpoints=(1, 2),
    )  # fmt: skip


@pytest.fixture(scope="session")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Runs of scripted sweeps, in real processes."""
    if sys.platform == "win32":
        pytest.skip("signals and forks are POSIX's")
    with stage.opened(tmp_path_factory.mktemp("stage")) as opened:
        yield opened


@pytest.fixture(scope="session")
def quiet(theatre: Stage) -> Path:
    """The report of a sweep that ended well."""
    report = theatre.folder / "quiet"
    run = theatre.begin(report)
    assert run.code() == 0, run.said()
    stage.check_complete(report)
    assert stage.orphans(theatre) == []
    return report
