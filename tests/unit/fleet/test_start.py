"""Home's command: what a resume takes from the folder, and what stops home."""

import asyncio
import errno
import io
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import scripted
from rich.console import Console

from bench.errors import InvalidInput
from bench.fleet import start
from bench.fleet.dask_settings import DEFAULT_SCHEDULER
from bench.fleet.home import Home
from bench.fleet.ledger import FleetFile, open_ledger, read_fleet_file
from bench.fleet.member import DiskRefused
from bench.fleet.start import FleetRequest
from bench.sweep.flags import SweepRequest

HEADER = scripted.header()
FILE = FleetFile(sweep="0" * 32, spread="cases", scheduler="tcp://10.0.0.5:9", machines=3, header=HEADER)


@pytest.fixture(autouse=True)
def _stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder of a fleet's sweep, whose images are there, and no Dask."""
    with open_ledger(tmp_path / "out", FILE, is_new=True):
        pass
    dataset = scripted.dataset()
    for name, value in {
        "import_distributed": lambda: None,
        "find_images": lambda *_: dataset,
        "ensure_scheduler": lambda *_: None,
        "require_scheduler": lambda _: None,
        "is_answering": lambda _: True,
        "report_fleet": lambda *_, **asked: asked,
    }.items():
        monkeypatch.setattr(start, name, value)
    file = FILE.model_copy(update={"header": HEADER.model_copy(update={"dataset_digest": dataset.digest})})
    with open_ledger(tmp_path / "out", file, is_new=True):
        pass


@pytest.fixture
def _heeded() -> Iterator[None]:
    """Ctrl-C interrupts, also where the tests are a shell's background job, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def resume(monkeypatch: pytest.MonkeyPatch, out: Path, **asked: object) -> FleetFile:
    """Resume the sweep; returns what is in the folder while home works."""
    found: list[FleetFile] = []

    async def run(_home: object) -> None:
        found.append(read_fleet_file(out))

    monkeypatch.setattr(Home, "run", run)
    request = FleetRequest(SweepRequest(None, {}, None, False, out, True), **asked)  # type: ignore[arg-type]
    start.start_fleet(request, Console(quiet=True))
    return found[0]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.usefixtures("_heeded")
@pytest.mark.parametrize("while_ending", [False, True])
def test_another_ctrl_c_leaves_and_the_report_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, while_ending: bool
) -> None:
    def press(*_: object, **_flags: object) -> str:
        if while_ending:
            return "e"
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("nothing heard Ctrl-C")

    async def run(home: Home) -> None:
        signal.raise_signal(signal.SIGINT)
        await home.stop.wait()

    async def end_cases(_home: Home) -> None:
        signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(60)

    monkeypatch.setattr(Home, "run", run)
    monkeypatch.setattr(Home, "end_cases", end_cases)
    console = Console(force_terminal=True, file=io.StringIO())
    monkeypatch.setattr(console, "input", press)
    sweep = SweepRequest(None, {}, None, False, tmp_path / "out", True)
    asked: Any = start.start_fleet(FleetRequest(sweep), console)
    assert isinstance(asked["stopped_by"], KeyboardInterrupt)


def test_ctrl_c_waits_for_no_scheduler_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "is_answering", lambda _: False)
    said = Console(file=io.StringIO(), width=200)
    home: Any = SimpleNamespace(ledger=SimpleNamespace(file=FILE))
    start._settle_cases(home, "end", said)
    assert isinstance(said.file, io.StringIO)
    assert said.file.getvalue().startswith("No scheduler answers")


def test_who_leaves_hears_that_workers_by_ssh_end() -> None:
    said = Console(file=io.StringIO(), width=200)
    start._settle_cases(None, "detach", said)  # type: ignore[arg-type]
    start._settle_cases(None, "detach", said, ssh=True, slurm=True)  # type: ignore[arg-type]
    assert isinstance(said.file, io.StringIO)
    first, second = said.file.getvalue().splitlines()
    assert "finishes the case that it runs" in first
    assert "ssh" not in first
    assert "what --ssh started ends now" in second


def test_another_ctrl_c_while_a_scheduler_is_looked_for_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_address: str) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(start, "is_answering", interrupt)
    said = Console(file=io.StringIO(), width=200)
    home: Any = SimpleNamespace(ledger=SimpleNamespace(file=SimpleNamespace(scheduler="tcp://127.0.0.1:1")))
    start._settle_cases(home, "end", said, ssh=True, slurm=True)
    monkeypatch.setattr(start, "is_answering", lambda _address: False)
    start._settle_cases(home, "end", said, ssh=True, slurm=True)
    assert isinstance(said.file, io.StringIO)
    assert said.file.getvalue().startswith("No scheduler answers: each machine finishes")
    assert said.file.getvalue().endswith("what --ssh and --slurm started ends now.\n")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.usefixtures("_heeded")
def test_ctrl_c_at_a_collecting_home_reports_what_has_come(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def run(home: Home) -> None:
        signal.raise_signal(signal.SIGINT)
        await home.stop.wait()

    monkeypatch.setattr(Home, "run", run)
    asked: Any = start.collect_fleet(tmp_path / "out", None, Console(quiet=True))
    assert isinstance(asked["stopped_by"], KeyboardInterrupt)


def test_a_full_disk_at_a_collecting_home_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def run(_home: Home) -> None:
        raise DiskRefused(OSError(errno.ENOSPC, "No space left on device"))

    monkeypatch.setattr(Home, "run", run)
    asked: Any = start.collect_fleet(tmp_path / "out", None, Console(quiet=True))
    assert asked["stopped_by"].errno == errno.ENOSPC


def test_a_resume_goes_on_as_the_sweep_was_begun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = resume(monkeypatch, tmp_path / "out")
    assert (file.spread, file.scheduler, file.machines) == ("cases", "tcp://10.0.0.5:9", 3)


def test_what_a_resume_names_is_kept_for_the_next_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    resume(monkeypatch, tmp_path / "out", scheduler=DEFAULT_SCHEDULER, machines=2)
    file = resume(monkeypatch, tmp_path / "out", spread="cases")
    assert (file.spread, file.scheduler, file.machines) == ("cases", DEFAULT_SCHEDULER, 2)
    with pytest.raises(InvalidInput, match="another --spread"):
        resume(monkeypatch, tmp_path / "out", spread="machines")
