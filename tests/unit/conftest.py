"""What the unit tests share. None of them may need TensorFlow or a Keras backend: importing one is an error here."""

import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import hypothesis
import platformdirs
import pytest
import scripted

from bench.datasets import find
from bench.host import fingerprint, machine
from bench.report import drawings, plots
from bench.report.figures import Plot
from bench.results.folder import ReportFolder
from bench.results.journal_lines import SweepHeader
from bench.sweep import repeats, run, session

EXAMPLES = 500 if "AEBENCH_EXAMPLES" in os.environ else 40
"""Of each property; `nox -s long` tries more."""
hypothesis.settings.register_profile("unit", deadline=None, max_examples=EXAMPLES)  # a slow disk is no mistake
hypothesis.settings.load_profile("unit")

HEAVY = frozenset({"tensorflow", "keras", "jax", "torch"})


class _Barrier:
    """Finds no heavy library; their metadata stays readable."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name.partition(".")[0] in HEAVY:
            raise ImportError(f"a unit test imports {name}; what needs it belongs to tests/integration")
        return None


@contextmanager
def _without_heavy_libraries() -> Iterator[None]:
    """Hide the heavy libraries, also where other tests of the session have imported them."""
    hidden = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in HEAVY}
    for name in hidden:
        del sys.modules[name]
    sys.meta_path.insert(0, _Barrier)
    try:
        yield
    finally:
        sys.meta_path.remove(_Barrier)
        sys.modules.update(hidden)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    """Cover what test files of this folder import when they are read."""
    with _without_heavy_libraries():
        return (yield)


@pytest.fixture(autouse=True, scope="module")
def _barrier() -> Iterator[None]:
    with _without_heavy_libraries():
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_waiting_for_disks() -> Iterator[None]:
    """What is written is on no disk when a test reads it again; tests of just that say how `os.fsync` behaves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        yield


@pytest.fixture(autouse=True)
def _no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget how wide somebody's terminal is: some set it for all that they start."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(scope="session")
def noxfile() -> ModuleType:
    """The noxfile, loaded once: its sessions must not be registered twice."""
    root = Path(__file__).parents[2]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)  # where nox runs a noxfile
        found = importlib.util.spec_from_file_location("noxfile", root / "noxfile.py")
        assert found is not None
        assert found.loader is not None
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
    return module


@pytest.fixture
def header() -> SweepHeader:
    return scripted.header()


@pytest.fixture
def folder(tmp_path: Path) -> ReportFolder:
    """A report folder that does not exist yet."""
    return ReportFolder(tmp_path / "report")


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the charts and each model's curves: drawing takes seconds, and has tests of its own."""
    plot = Plot("curve", "Losses", "A caption.", '<svg role="img"></svg>', b"png")
    monkeypatch.setattr(plots, "draw_model", lambda *_: [plot])
    monkeypatch.setattr(drawings, "draw_charts", lambda _ways: [])


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, undrawn: None, tmp_path: Path) -> scripted.Script:
    """A sweep without children, on a machine, a clock and a dataset that the test made up; its curves are not drawn."""
    script = scripted.Script()
    for module in (session, repeats):
        monkeypatch.setattr(module, "monotonic", lambda: script.now)
    monkeypatch.setattr(repeats, "observe", script.observe)
    monkeypatch.setattr(run, "LocalExecutor", script.executor)
    monkeypatch.setattr(find, "find_dataset", script.find)
    monkeypatch.setattr(platformdirs, "user_state_path", lambda *_, **__: tmp_path / "state")
    monkeypatch.setattr(run, "take_fingerprint", lambda **_: script.fingerprint)
    monkeypatch.setattr(machine, "measure_reference", lambda: scripted.KERNEL_RATES)
    monkeypatch.setattr(fingerprint, "find_backends", lambda: ["tensorflow", "jax", "torch"])
    monkeypatch.setattr(run, "read_git_state", lambda _folder: fingerprint.GitState("0123456789abcdef", False))
    return script
