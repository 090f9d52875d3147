"""A measured process as its parent starts it, speaks with it and ends it: a case of a sweep or a side of a pair."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bench.launch import ROOT
from bench.sweep.watchdog import Reaper, end_group

LAUNCHER = Path("bench", "launch.py")
"""In the folder that holds `bench` and `models`."""
_MAX_LINE_BYTES = 1 << 20
_TAIL_BYTES = 4096
_TAIL_LINES = 25
_DROPPED = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "PYTHONDONTWRITEBYTECODE")
"""Keras cuts training short where the first two are set, and says so in its log only; with the last one every process
would compile all of TensorFlow's modules anew, which doubles the seconds of its import."""


class NotStarted(Exception):
    """The system did not start a process; says why."""


def start_command(module: str, root: Path = ROOT, python: str = sys.executable) -> tuple[str, ...]:
    """What runs a module of the `bench` in ``root``, whatever else on the interpreter's path is called `bench`."""
    return (python, "-P", str(root.resolve() / LAUNCHER), module)


def make_environment(backend: str, threads: int | None) -> dict[str, str]:
    """The parent's environment with Keras' backend and the backend's threads; ``PYTHONPATH`` stays the user's."""
    limits = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    inherited = {name: value for name, value in os.environ.items() if name not in _DROPPED}
    return {**inherited, **limits, "KERAS_BACKEND": backend}


@contextmanager
def started(command: Sequence[str], environ: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, all of which is gone when the context is left, or when this process is.

    What it writes to standard error is its log's only content. Raises `NotStarted`, and `OSError` where the log cannot
    be written.
    """
    with Reaper() as reaper, _emptied(log) as file:
        process = _process(command, environ, file)
        try:
            reaper.guard(process.pid)  # before it has a job: without one it ends by itself
            yield process
        finally:
            end_group(process)
            reaper.release()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):  # what was not sent to one that is gone
                        pipe.close()


def _process(command: Sequence[str], environ: Mapping[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environ,
            start_new_session=True,
        )
    except OSError as error:
        raise NotStarted(f"the process could not be started: {error}") from error


@contextmanager
def _emptied(log: Path) -> Iterator[IO[bytes]]:
    """A log, empty; appending, so that it can be cut while the process writes. Raises `OSError`."""
    with log.open("ab") as file:
        file.truncate(0)
        yield file


def tell(process: subprocess.Popen[bytes], line: bytes) -> None:
    """Write a line to the process; to none where it has ended, which its exit code or its silence says."""
    assert process.stdin is not None  # noqa: S101 - opened as a pipe above
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(line)
        process.stdin.flush()


def heard(process: subprocess.Popen[bytes]) -> bytes:
    """The process' next line, or its first MiB; empty once it has closed its side.

    Blocked until the line comes, so that the process has the machine.
    """
    assert process.stdout is not None  # noqa: S101 - opened as a pipe above
    return process.stdout.readline(_MAX_LINE_BYTES)


def tail(log: Path) -> str | None:
    """The last lines of a log; None where it cannot be read any more."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return None
    return "\n".join(text.splitlines()[-_TAIL_LINES:])


def shareable(text: str) -> str:
    """Text without this machine's folders: rows and reports are made to be handed around."""
    folders = {str(ROOT): "<aebench>", sys.prefix: "<python>"}
    folders |= {sys.base_prefix: "<python>", str(Path.home()): "~"}
    for folder in sorted(folders, key=len, reverse=True):
        if len(folder) > 1:
            text = text.replace(folder, folders[folder])
    return text
