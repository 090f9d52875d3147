"""Runs of the sweeper that are interrupted on purpose, and what must hold of a report folder whatever happens."""

import contextlib
import csv
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.results import journal
from bench.results.folder import ReportFolder

ROOT = Path(__file__).parent.parent.parent
SWEEP = ("--models", "basic,deep,sparse", "--epochs", "1,3", "--batch-sizes", "4", "--repeats", "1", "--offline")
LIMIT_S = 120.0
"""What takes longer hangs."""
UNHURRIED_S = 0.1
"""Pace of a sweep that seconds are left of after its first case, so that a busy machine interrupts it in time too."""
CHANGING = {
    "started_at", "parent_cores", "steal_percent", "cpu_pressure_percent", "memory_pressure_percent",
    "io_pressure_percent", "load", "peak_sampled_mib", "sampled_every_s",
}  # fmt: skip
"""Columns of a scripted sweep that the parent measures: no two runs agree in them."""


@dataclass
class Run:
    """One run of the sweeper."""

    pid: int
    acknowledged: Path
    output: Path
    _answers: Any
    began: float = field(default_factory=time.monotonic)

    def cases(self) -> list[str]:
        """Cases that the journal has for good, as the run said at once."""
        return self.acknowledged.read_text().split() if self.acknowledged.exists() else []

    def send(self, number: int) -> None:
        """Send a signal; nothing where the run has ended already."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill_after(self, seconds: float) -> int:
        """Send SIGKILL so long from now; the exit code, which is not that of a kill where it ended before."""
        ended, _, _ = select.select([self._answers], [], [], seconds)
        if not ended:
            self.send(signal.SIGKILL)
        return self.code()

    def wait_for_case(self, count: int = 1) -> None:
        """Wait until so many cases are in the journal."""
        end = time.monotonic() + LIMIT_S
        while len(self.cases()) < count:
            assert time.monotonic() < end, self.said()
            time.sleep(0.002)

    def code(self) -> int:
        """Wait for the end; the exit code, or a signal's number below zero."""
        return int(self._answers.readline())

    def said(self) -> str:
        return self.output.read_text(errors="replace") if self.output.exists() else ""


@dataclass
class Stage:
    """Starts runs, one at a time."""

    server: subprocess.Popen[str]
    folder: Path
    """For what is not part of a report."""
    number: int = 0

    def run(self, *arguments: str, pace: float = 0.01, before: str = "") -> Run:
        self.number += 1
        acknowledged, output = self.folder / f"acknowledged-{self.number}", self.folder / f"output-{self.number}"
        request = {
            "arguments": arguments, "pace": pace, "before": before,
            "acknowledged": str(acknowledged), "output": str(output),
        }  # fmt: skip
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        return Run(int(self.server.stdout.readline()), acknowledged, output, self.server.stdout)

    def begin(self, report: Path, *more: str, **options: Any) -> Run:
        return self.run("run", *SWEEP, "--out", str(report), *more, **options)

    def resume(self, report: Path, *more: str, **options: Any) -> Run:
        """As a person would: what was never begun is begun."""
        if not ReportFolder(report).journal.exists():
            return self.begin(report, *more, **options)
        return self.run("run", "--resume", "--out", str(report), *more, **options)


@contextlib.contextmanager
def disk(place: Path, kib: int) -> Iterator[None]:
    """A disk of its own with so much room. Raises `OSError` where none may be mounted: root may."""
    place.mkdir(exist_ok=True)
    mounted("-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(place))
    try:
        yield
    finally:
        subprocess.run(("umount", "-l", str(place)), check=False, capture_output=True)


def mounted(*arguments: str) -> None:
    """Call mount. Raises `OSError` where it is refused."""
    done = subprocess.run(("mount", *arguments), check=False, capture_output=True, text=True)
    if done.returncode:
        raise PermissionError(done.stderr.strip())


SHIM = """
import errno, io, os
from bench.results import journal
class Disk:
    room = {room}
    def take(self, count):
        taken = min(count, self.room)
        self.room -= taken
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return taken
disk, sync = Disk(), os.fsync
class Full(io.FileIO):
    def write(self, data):
        return super().write(bytes(data)[: disk.take(len(data))])
def fsync(handle):
    sync(handle)
    if not isinstance(handle, int) or os.readlink(f"/proc/self/fd/{{handle}}").endswith(".part"):
        size = os.fstat(handle).st_size
        if disk.take(size) < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
journal.FileIO, os.fsync = Full, fsync
"""
"""A disk that has room for so many bytes of journal and report and then is full, where no small one can be mounted."""


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Stage]:
    """A stage whose processes carry a variable of their environment."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        STAGE_VARIABLE: str(folder),
    }
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "GITHUB_ACTIONS", "AEBENCH_COMMAND"):
        environment.pop(name, None)
    command = (sys.executable, "-m", "faults.sweeper")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=folder
    ) as server:
        try:
            yield Stage(server, folder)
        finally:
            server.kill()
            for pid in processes(folder, but=server.pid):
                os.kill(pid, signal.SIGKILL)


# ------------------------------------------------------------------------- what must hold


STAGE_VARIABLE = "AEBENCH_FAULTS_STAGE"


def processes(folder: Path, *, but: int) -> list[int]:
    """Processes that were started on a stage and still run, the given one left out."""
    found = []
    for process in psutil.process_iter():
        try:
            is_ours = process.environ().get(STAGE_VARIABLE) == str(folder)
            if is_ours and process.pid != but and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def orphans(stage: Stage) -> list[int]:
    """What of a stage still runs after its run has ended; processes have some seconds to end."""
    return left_over(stage.folder, but=stage.server.pid)


def left_over(folder: Path, *, but: int) -> list[int]:
    """The same, of a stage's folder."""
    end = time.monotonic() + 10
    while (found := processes(folder, but=but)) and time.monotonic() < end:
        time.sleep(0.01)
    return found


def rows(report: Path) -> list[dict[str, str]]:
    """The rows of results.csv. Fails where it is not whole."""
    text = (report / "results.csv").read_text(encoding="utf-8")
    assert text.endswith("\n"), "half-written"
    header, *lines = csv.reader(text.splitlines())
    assert all(len(line) == len(header) for line in lines), "half-written"
    return [dict(zip(header, line, strict=True)) for line in lines]


def figures(report: Path, *, changing: set[str] = CHANGING) -> list[dict[str, str]]:
    """What of the rows has to be equal in every run of the same sweep, in one order."""
    kept = [{name: cell for name, cell in row.items() if name not in changing} for row in rows(report)]
    return sorted(kept, key=lambda row: (row["case_id"], int(row["epochs"])))


def check_journal(report: Path, acknowledged: list[str]) -> None:
    """Nothing that was acknowledged is lost, and nothing is there twice."""
    if not (report / "journal.jsonl").exists():
        assert acknowledged == []
        return
    stored = Counter(outcome.case.case_id for outcome in journal.read_journal(report / "journal.jsonl").outcomes)
    assert set(acknowledged) <= set(stored)
    assert set(stored.values()) <= {1}


def check_complete(report: Path) -> None:
    """The folder is that of a sweep that ended well, and holds nothing of a killed run."""
    status = json.loads((report / "status.json").read_text())
    assert (status["exit_code"], status["complete"]) == (0, True)
    names = {path.name for path in report.iterdir()}
    assert {name for name in names if name.startswith(".")} <= {".lock"}
    assert {"journal.jsonl", "results.csv", "epochs.csv", "report.md", "report.html"} <= names
    assert journal.read_journal(report / "journal.jsonl").notes == ()
