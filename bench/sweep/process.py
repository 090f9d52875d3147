"""Starts a measured process, talks to it and ends it: one case of a sweep or one side of a paired run."""

import contextlib
import io
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from bench.host import settings
from bench.launch import ROOT
from bench.sweep.reaper import Reaper

if sys.platform == "win32":
    import msvcrt
else:
    import resource

LAUNCHER = Path("bench", "launch.py")
"""In the folder that holds `bench` and `models`."""
GRACE_S = 5.0
"""Seconds that a process has to end after it was asked to, before it is killed."""
_MAX_LINE_BYTES = 1 << 20
_READ_BYTES = 1 << 16
_TAIL_CHARACTERS = 4096
_TAIL_LINES = 25
_CHATTER = re.compile(
    r"[IWE]\d{4} \d\d:\d\d:\S+ +\d+ \S+:\d+\] "
    r"|\d{4}-\d\d-\d\d \d\d:\d\d:\S+: [IWE] \S+:\d+\] "
    r"|WARNING: All log messages before absl::InitializeLog"
    r"|To enable the following instructions: "
)
"""How lines begin that TensorFlow and XLA log in every process, in the newer form and the older. As the last line of a
log, "failed call to cuInit" looks like the cause. What ends a process has level F or is an exception."""


class NotStarted(Exception):
    """The system did not start a process; says why."""


class EventPipe(io.FileIO):
    """Reads what a process has sent, until nobody can send any more or the other end of the pipe ``stop`` is closed.

    A process that has left its group keeps its end open for as long as it likes. On Windows, which cannot wait for two
    pipes, it is waited for.
    """

    def __init__(self, events: int, stop: int) -> None:
        super().__init__(events, "rb")
        self._stop = stop
        self._is_stopped = False

    def readinto(self, buffer: Any, /) -> int:
        """Wait for something to read; once stopped, read what is there and then nothing."""
        if self._is_stopped:
            return 0
        if sys.platform != "win32":
            ready, _, _ = select.select([self.fileno(), self._stop], [], [])
            self._is_stopped = self._stop in ready
            if self.fileno() not in ready:
                return 0
        return super().readinto(buffer)


class ChildProcess:
    """A started process, with pipes to its standard input and from its events; closing ``stop`` ends the latter."""

    def __init__(self, process: subprocess.Popen[bytes], events: BinaryIO, stop: BinaryIO, reaper: Reaper) -> None:
        self._process = process
        self._events = events
        self._stop = stop
        self._reaper = reaper

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether it has ended; processes that it started may still run."""
        return self._process.poll() is not None

    def send(self, line: bytes) -> None:
        """Write a line to its standard input. One that has ended is no error here: its exit code shows it."""
        assert self._process.stdin is not None  # noqa: S101 - opened as a pipe below
        with contextlib.suppress(OSError):  # a broken pipe, or what Windows calls it
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def close(self) -> None:
        """Close its standard input: what a process that was started well takes for the end of its parent."""
        assert self._process.stdin is not None  # noqa: S101 - opened as a pipe below
        with contextlib.suppress(OSError):  # what was not sent to a process that has ended
            self._process.stdin.close()

    def receive(self) -> bytes:
        """Return the next line of its events, at most 1 MiB of it; empty once it was killed or none can come.

        Blocks until the line comes, so that the process has the machine for itself.
        """
        return self._events.readline(_MAX_LINE_BYTES)

    def wait(self) -> int:
        """Wait until it has ended; returns its exit code, or a signal's number below zero."""
        return self._process.wait()

    def end(self) -> None:
        """Ask it to stop, then kill it and all that it has started, also if Ctrl-C is pressed meanwhile."""
        try:
            if not self.has_ended:
                self._process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(GRACE_S)
        finally:
            self.kill()
            self._process.wait()

    def kill(self) -> None:
        """Kill it and all that it has started, and wait for no more events than it has sent."""
        if not self.has_ended:
            if self._reaper.group == 0:  # it leads its own group, whose id is its own until it was waited for
                with contextlib.suppress(PermissionError, ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
        self._reaper.kill_group()
        self._stop.close()


@contextmanager
def start_process(command: Sequence[str], environ: Mapping[str, str], log: Path) -> Iterator[ChildProcess]:
    """Start a process in a process group of its own; the whole group ends with the context, or when this process dies.

    Its last argument is the handle of a pipe that it sends its events over: interpreters print at their start whatever
    the person's set-up wants, so standard output and standard error both go to the log, which is emptied first. Raises
    `NotStarted`, and `OSError` where the log cannot be written.
    """
    with log.open("ab") as file, ExitStack() as stack:  # appending, so that the log can be cut while it is written
        file.truncate(0)
        try:
            reaper = stack.enter_context(Reaper())
            watched, stopping = os.pipe()
            stack.enter_context(os.fdopen(watched, "rb"))
            stop = stack.enter_context(os.fdopen(stopping, "wb"))
            reading, writing = os.pipe()
            events = stack.enter_context(io.BufferedReader(EventPipe(reading, watched), _READ_BYTES))
            with os.fdopen(writing, "wb"):  # closed here once the process has it, so that its end is the pipe's end
                handle, inheritance = _hand_down(writing)
                process = subprocess.Popen(
                    (*command, str(handle)),
                    stdin=subprocess.PIPE,
                    stdout=file,
                    stderr=file,
                    env=environ,
                    process_group=reaper.group,
                    **inheritance,
                )
        except OSError as error:
            raise NotStarted(f"the process could not be started: {error}") from error
        child = ChildProcess(process, events, stop, reaper)
        try:
            yield child
        finally:
            child.end()
            child.close()


def _hand_down(descriptor: int) -> tuple[int, dict[str, Any]]:
    """Return a descriptor's handle in a process that is started, and the arguments of `Popen` that hand it down."""
    if sys.platform == "win32":
        handle = msvcrt.get_osfhandle(descriptor)
        os.set_handle_inheritable(handle, True)
        return handle, {"startupinfo": subprocess.STARTUPINFO(lpAttributeList={"handle_list": [handle]})}
    return descriptor, {"pass_fds": (descriptor,)}


def start_command(module: str, root: Path = ROOT, python: str = sys.executable) -> tuple[str, ...]:
    """Return the command that runs a module of the `bench` in ``root``, whatever else on the path is called `bench`."""
    return (python, "-P", str(root.resolve() / LAUNCHER), module)


def make_environment(backend: str, threads: int | None) -> dict[str, str]:
    """Return the parent's variables as `bench.host.settings` has them, with Keras' backend and its threads."""
    limits = {} if threads is None else {settings.THREADS: str(threads)}
    inherited = {name: value for name, value in os.environ.items() if not settings.is_removed(name)}
    return {**inherited, **settings.FIXED, **limits, "KERAS_BACKEND": backend}


def read_tail(log: Path) -> str | None:
    """Read the last lines of a log, without what TensorFlow logs beside them; None where it cannot be read any more."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _READ_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return None
    lines = [line for line in text.splitlines() if not _CHATTER.match(line)]
    return "\n".join(lines[-_TAIL_LINES:])[-_TAIL_CHARACTERS:]


def add_limit(why: str) -> str:
    """Return why a process ended, and below a limit of its memory (`ulimit -v`) that this may have been the reason.

    Only Python raises MemoryError there: libraries end the process as each sees fit, by SIGABRT and a stack of C++ or
    by an error of any name.
    """
    if sys.platform == "win32":
        return why
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return why
    return f"{why}; it may map {limit >> 20:,} MiB of memory at most (`ulimit -v`), which may be the reason"


def hide_folders(text: str) -> str:
    """Replace the names of this machine's folders, since rows and reports are handed around."""
    folders = {str(ROOT): "<aebench>", sys.prefix: "<python>"}
    folders |= {sys.base_prefix: "<python>", os.path.expanduser("~"): "~"}  # noqa: PTH111 - Path's own raises
    for folder in sorted(folders, key=len, reverse=True):
        if len(folder) > 1:
            text = re.sub(rf"{re.escape(folder)}(?!\w)", folders[folder], text)
    return text
