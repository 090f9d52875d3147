"""One case whose process is a few lines of Python, run here or by a parent of its own."""

import sys
import time
from pathlib import Path

import psutil
import scripted

from bench.plan.profile import Case
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome
from bench.sweep.local import LocalExecutor
from bench.worker.protocol import Event, FinishedEvent, to_line

SETUP = scripted.SETUP
FINISHED = FinishedEvent()
epoch, checkpoint, evaluation = scripted.epoch, scripted.checkpoint, scripted.evaluation

WELL: list[Event] = [
    *scripted.PHASES,
    SETUP,
    epoch(1),
    checkpoint(1),
    epoch(2),
    checkpoint(2),
    evaluation(1),
    evaluation(2),
    FINISHED,
]


def child(*steps: Event | str) -> tuple[str, ...]:
    """A process that sends events and runs statements, in order."""
    head = ["import os, signal, sys, time", "EVENTS = int(sys.argv[-1])", "sys.stdin.buffer.readline()"]
    lines = [step if isinstance(step, str) else f"os.write(EVENTS, {to_line(step)!r})" for step in steps]
    return (sys.executable, "-c", "\n".join(head + lines))


def run(
    tmp_path: Path,
    case: Case,
    command: tuple[str, ...],
    timeout_s: float | None = 60.0,
    stall_s: float | None = None,
) -> Outcome:
    folder = ReportFolder(tmp_path)
    executor = LocalExecutor(folder, timeout_s=timeout_s, stall_s=stall_s, command=command)
    (outcome,) = executor.run([case], lambda _case, _event: None)
    return outcome


ALONE = """\
import sys
from pathlib import Path
from bench.sweep.local import LocalExecutor
from bench.results.folder import ReportFolder
from bench.plan.profile import Case

folder, case, *command = sys.argv[1:]
executor = LocalExecutor(ReportFolder(Path(folder)), command=tuple(command))
for outcome in executor.run([Case.model_validate_json(case)], lambda *_: None):
    print(outcome.status, outcome.error, sep="\\n")
"""
"""A parent of its own: it runs one case with a given command, and prints how that ended and why."""


def alone(tmp_path: Path, case: Case, command: tuple[str, ...]) -> tuple[str, ...]:
    return (sys.executable, "-c", ALONE, str(tmp_path), case.model_dump_json(), *command)


def gone(pid: int) -> bool:
    """Whether a process has ended; waits a little, since the kernel ends it in its own time."""
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False
