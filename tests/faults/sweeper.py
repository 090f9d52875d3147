"""`aebench` with real processes that train nothing, many times over: a server that forks a run for each line it reads.

The line says what the run is to play: `arguments` for the command line, `output` and `acknowledged` (files),
`pace` (seconds between a child's events). It appends a case's id to `acknowledged` when the journal has it for good.
The server answers with the run's process id when it begins and its exit status when it has ended.
"""

import contextlib
import functools
import json
import os
import signal
import sys
from typing import Any

import scripted

from bench import cli
from bench.datasets import find
from bench.host.fingerprint import GitState
from bench.report import drawings, plots
from bench.results import journal
from bench.results.journal_lines import Outcome, SweepHeader
from bench.sweep import local, run
from bench.worker.protocol import Event, FinishedEvent, to_line

CHECKPOINTS = (1, 3)
"""What every run's ARGUMENTS have to ask for: the children report these, whatever their job says."""
EVENTS: tuple[Event, ...] = (
    *scripted.PHASES,
    scripted.SETUP,
    scripted.epoch(1),
    scripted.checkpoint(1),
    scripted.epoch(2),
    scripted.epoch(3),
    scripted.checkpoint(3),
    *map(scripted.evaluation, CHECKPOINTS),
    FinishedEvent(),
)
CHILD = """
import os, sys, time
events = int(sys.argv[-1])
if not sys.stdin.buffer.readline():
    sys.exit("no job")
if os.fork() == 0:
    os.close(events)
    time.sleep(600)
for line in {lines!r}:
    os.write(events, line)
    time.sleep({pace})
"""
"""Sends its events; once it has its job it never looks whether its parent is there, and it leaves a child of its own
behind."""


def play(request: dict[str, Any]) -> None:
    """Run the command line, with a machine, a dataset and children that are made up."""
    script = scripted.Script()
    code = CHILD.format(lines=[to_line(event) for event in EVENTS], pace=request["pace"])
    command = (sys.executable, "-I", "-S", "-c", code)
    vars(find).update(find_dataset=script.find)
    vars(run).update(
        take_fingerprint=lambda **_: script.fingerprint,
        read_git_state=lambda _: GitState(),
        check_backends=lambda _: None,
    )
    vars(plots).update(draw_model=lambda *_: [])
    vars(drawings).update(draw_charts=lambda _ways: [])
    vars(local).update(measure_reference=lambda _threads: None)
    vars(run).update(LocalExecutor=functools.partial(local.LocalExecutor, command=command))
    acknowledge(os.open(request["acknowledged"], os.O_WRONLY | os.O_CREAT | os.O_APPEND))
    exec(request.get("before", ""), {"request": request})  # noqa: S102 - a test's own lines
    sys.argv = ["aebench", *request["arguments"]]
    cli.main()


def acknowledge(handle: int) -> None:
    """Note each case that the journal has for good."""
    append = journal.Writer.append

    def noting(self: journal.Writer, line: SweepHeader | Outcome) -> None:
        append(self, line)
        if isinstance(line, Outcome):
            os.write(handle, line.case.case_id.encode() + b"\n")

    vars(journal)["Writer"].append = noting


def become_a_run(request: dict[str, Any]) -> None:
    """What a fork does: a process in a session of its own that Ctrl-C ends; never returns."""
    os.setsid()
    # Tests that a shell runs in the background ignore Ctrl-C, and so would all that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for standard, handle in ((0, os.open(os.devnull, os.O_RDONLY)), (1, output), (2, output)):
        os.dup2(handle, standard)
    code = 1
    try:
        play(request)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:  # noqa: BLE001 - printed, as the interpreter would
        sys.excepthook(*sys.exc_info())
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    os._exit(code)


def main() -> None:
    """Serve."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            become_a_run(json.loads(line))
        print(pid, flush=True)  # noqa: T201
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
