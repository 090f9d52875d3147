"""Schedulers, machines and homes of fleets that train nothing: a server that forks one for each line it reads.

The line says what a process is to play: `arguments` for the command line, `environ` to set, `output` (a file), `pace`
(seconds between a child's events), `network` (a namespace), `busy` (a file that a machine's children lock, and write
into when they began), `commit`, and `fingerprint`, what of the machine's is another one. Its exit code is written
beside the output.

With such a line as its argument, and arguments of the command line after it, it plays that itself.
"""

import ctypes
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask
import scripted
from faults.sweeper import EVENTS

from bench import cli
from bench.datasets import find
from bench.datasets.files import compute_digest
from bench.fleet import code, control, dask_settings, machine, report, start, worker
from bench.host.fingerprint import GitState
from bench.report import drawings, plots
from bench.sweep import local, run
from bench.worker.protocol import to_line

__all__ = ["control", "report"]

CHILD = """
import fcntl, os, sys, time
events = int(sys.argv[-1])
if not sys.stdin.buffer.readline():
    sys.exit("no job")
busy = os.open({busy!r}, os.O_RDWR | os.O_CREAT | os.O_APPEND)
try:
    fcntl.flock(busy, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    open({busy!r} + ".overlap", "a").close()
os.write(busy, b"%d\\n" % time.monotonic_ns())
if os.fork() == 0:
    os.close(events)
    os.close(busy)
    time.sleep(600)
for line in {lines!r}:
    os.write(events, line)
    time.sleep({pace})
"""
"""Sends its events, notes where two run on a machine at once, and leaves a child of its own behind."""


def make_child(pace: float, busy: str) -> str:
    """Python code that plays a measured process."""
    return CHILD.format(lines=[to_line(event) for event in EVENTS], pace=pace, busy=busy)


def play(request: dict[str, Any]) -> None:
    """Run the command line, with machines, images and children that are made up."""
    os.environ.update(request["environ"])
    dask.config.refresh()  # Dask's settings may be in the environment
    if request["network"]:
        enter_network(request["network"])
    tempfile.tempdir = None
    script = scripted.Script(fingerprint=scripted.fingerprint(**request["fingerprint"]))
    script.dataset.images.x_train[:] = script.dataset.images.x_val[:] = 200
    script.dataset = replace(script.dataset, digest=compute_digest(script.dataset.images))
    child = make_child(request["pace"], request["busy"])
    vars(find).update(find_dataset=script.find)
    for module in (run, machine, worker, code):
        vars(module).update(
            take_fingerprint=lambda **_: script.fingerprint,
            read_git_state=lambda _: GitState(commit=request["commit"]),
            check_backends=lambda _: None,
        )
    vars(local).update(measure_reference=lambda _threads: None)
    vars(plots).update(draw_model=lambda *_: [])
    vars(drawings).update(draw_charts=lambda _ways: [])
    machine_of = machine.Machine
    command = (sys.executable, "-I", "-S", "-c", child)
    vars(worker).update(Machine=lambda folder, label, _command: machine_of(folder, label, command))
    # The stage's scheduler is there, or will be again; and loopback is where its machines are.
    vars(start).update(ensure_scheduler=lambda *_: None, require_reachable=lambda *_: None)
    sys.argv = ["aebench", *request["arguments"]]
    cli.main()


def enter_network(name: str) -> None:
    """Move into a network namespace that `ip netns` made."""
    clone_newnet = 0x40000000
    with Path("/run/netns", name).open("rb") as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), clone_newnet):
            raise OSError(ctypes.get_errno(), "setns")


def become(request: dict[str, Any], act: Callable[[dict[str, Any]], None]) -> None:
    """What a fork does: a process in a session of its own that Ctrl-C ends; never returns."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for standard, handle in ((0, os.open(os.devnull, os.O_RDONLY)), (1, output), (2, output)):
        os.dup2(handle, standard)
    ended = 1
    try:
        act(request)
    except SystemExit as end:
        ended = end.code if isinstance(end.code, int) else 0
    except BaseException:  # noqa: BLE001 - printed, as the interpreter would
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    Path(request["output"] + ".code").write_text(str(ended), encoding="ascii")
    os._exit(0)


def main() -> None:
    """Serve."""
    dask_settings.import_distributed()
    if sys.argv[1:]:
        request = json.loads(sys.argv[1])
        play(request | {"arguments": [*sys.argv[2:], *request["arguments"]]})
        return
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            become(json.loads(line), play)
        print(pid, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
