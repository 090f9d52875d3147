"""Looks after a measured process from outside: its limits, its log's size, and its end when the parent is gone."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from bench.sweep.poller import Poller

GRACE_S = 5.0
"""Seconds that a process has to end when it is asked to, before it is killed."""
LOOK_S = 1.0
"""A look takes the parent some 20 µs."""
MOST_LOG_BYTES = 16 << 20
KEPT_LOG_BYTES = 1 << 20

Limit = Literal["timeout", "stalled"]


def end_group(child: subprocess.Popen[bytes]) -> None:
    """Ask the child to stop, then kill whatever is left of its group, also where Ctrl-C comes meanwhile."""
    try:
        if child.poll() is None:
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(GRACE_S)
    finally:
        _kill_group(child)
        child.wait()


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.kill()
    if hasattr(os, "killpg"):
        # No such group: it ended with its leader.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)


class Reaper:
    """A shell that outlives a parent killed with SIGKILL, and then kills the group that the parent cannot end.

    A measured process ends by itself when its parent is gone, unless it hangs in native code, is stopped or has
    started others. The shell waits for the end of its input, which only the parent's death or `release` brings; until
    then it takes no time and a megabyte.
    """

    _WILL = 'while read -r group; do last=$group; done; [ -n "$last" ] && kill -s KILL -- "-$last"'

    def __enter__(self) -> Self:
        self._shell: subprocess.Popen[bytes] | None = None
        if os.name == "posix":
            with contextlib.suppress(OSError):  # without one, the process' own watch is what there is
                self._shell = subprocess.Popen(
                    ("/bin/sh", "-c", self._WILL),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shell is not None and self._shell.stdin is not None:
            with contextlib.suppress(OSError):
                self._shell.stdin.close()
            self._shell.wait()

    def guard(self, group: int) -> None:
        """From now on this process group ends with the parent."""
        self._tell(str(group))

    def release(self) -> None:
        """The group has ended."""
        self._tell("")

    def _tell(self, line: str) -> None:
        if self._shell is None or self._shell.stdin is None:
            return
        with contextlib.suppress(OSError):  # somebody has killed it
            self._shell.stdin.write(line.encode() + b"\n")
            self._shell.stdin.flush()


class Watchdog(Poller):
    """Holds a child to its limits while its context is open, with a look a second.

    ``limit`` says which one was passed: the run's time, or the time since the last `progress`. What a dead child's
    own children hold open is closed, so that nobody waits for them. The log keeps its last part.
    """

    def __init__(
        self, child: subprocess.Popen[bytes], log: Path, *, timeout_s: float | None, stall_s: float | None
    ) -> None:
        super().__init__()
        self.limit: Limit | None = None
        self._child = child
        self._log = log
        self._timeout_s = timeout_s
        self._stall_s = stall_s
        self._began = self._heard = time.monotonic()
        self._seen_dead = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        trim(self._log)

    def progress(self) -> None:
        """The child has told something."""
        self._heard = time.monotonic()

    def look(self) -> bool:
        """Cut the log, end a child that has passed a limit, and what a dead one has left at the second look."""
        trim(self._log)
        dead = self._child.poll() is not None
        if dead and self._seen_dead:
            _kill_group(self._child)
            return False
        self._seen_dead = dead
        self.limit = None if dead else self._passed()
        if self.limit is not None:
            end_group(self._child)
        return self.limit is None

    def _passed(self) -> Limit | None:
        now = time.monotonic()
        if self._timeout_s is not None and now - self._began >= self._timeout_s:
            return "timeout"
        if self._stall_s is not None and now - self._heard >= self._stall_s:
            return "stalled"
        return None

    def pause(self) -> float:
        """A second, or less where a limit comes sooner."""
        now = time.monotonic()
        ends = [] if self._timeout_s is None else [self._began + self._timeout_s]
        ends += [] if self._stall_s is None else [self._heard + self._stall_s]
        return max(0.001, min([LOOK_S, *(end - now for end in ends)]))


def trim(log: Path) -> None:
    """Keep the last part of a log that has grown too large; whoever writes must be appending."""
    with contextlib.suppress(OSError):
        size = log.stat().st_size
        if size <= MOST_LOG_BYTES:
            return
        with log.open("rb") as file:
            file.seek(size - KEPT_LOG_BYTES)
            tail = file.read(KEPT_LOG_BYTES)
        with log.open("ab") as file:
            file.truncate(0)
            file.write(b"[all before was cut: the log had more than 16 MiB]\n" + tail)
