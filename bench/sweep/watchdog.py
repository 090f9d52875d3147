"""Watches over a measured process while it runs: its time limits and the size of its log."""

import contextlib
import time
from pathlib import Path
from types import TracebackType
from typing import Literal

from bench.sweep.poller import Poller
from bench.sweep.process import ChildProcess

LOOK_S = 1.0
"""A look takes the parent some 20 µs."""
MOST_LOG_BYTES = 16 << 20
KEPT_LOG_BYTES = 1 << 20

Limit = Literal["timeout", "stalled"]


class Watchdog(Poller):
    """Ends a child that exceeds a limit; it looks once a second while its context is open.

    ``limit`` says which limit was exceeded: the time of the whole run, or the time since the last `note_progress`.
    What a child leaves behind when it ends is killed, and no more events are waited for: a fork keeps their pipe open.
    A log that grows too large keeps its last part.
    """

    def __init__(self, child: ChildProcess, log: Path, *, timeout_s: float | None, stall_s: float | None) -> None:
        super().__init__()
        self.limit: Limit | None = None
        self._child = child
        self._log = log
        self._timeout_s = timeout_s
        self._stall_s = stall_s
        self._began = self._last_progress = time.monotonic()
        self._had_ended = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        trim_log(self._log)

    def note_progress(self) -> None:
        """The child has sent something: its time until it counts as stalled begins anew."""
        self._last_progress = time.monotonic()

    def look(self) -> bool:
        """Trim the log; end a child that exceeds a limit; kill what a child left behind that had ended a look ago."""
        trim_log(self._log)
        has_ended = self._child.has_ended
        if has_ended and self._had_ended:
            self._child.kill()
            return False
        self._had_ended = has_ended
        now = time.monotonic()
        if not has_ended and self._timeout_s is not None and now - self._began >= self._timeout_s:
            self.limit = "timeout"
        elif not has_ended and self._stall_s is not None and now - self._last_progress >= self._stall_s:
            self.limit = "stalled"
        if self.limit is not None:
            self._child.end()
        return self.limit is None

    def pause(self) -> float:
        """Return a second, or less where a limit comes sooner."""
        now = time.monotonic()
        ends = [] if self._timeout_s is None else [self._began + self._timeout_s]
        ends += [] if self._stall_s is None else [self._last_progress + self._stall_s]
        return max(0.001, min([LOOK_S, *(end - now for end in ends)]))


def trim_log(log: Path) -> None:
    """Keep the last part of a log that has grown too large; whoever writes it must be appending."""
    with contextlib.suppress(OSError):
        size = log.stat().st_size
        if size <= MOST_LOG_BYTES:
            return
        with log.open("rb") as file:
            file.seek(size - KEPT_LOG_BYTES)
            tail = file.read(KEPT_LOG_BYTES)
        with log.open("ab") as file:
            file.truncate(0)
            file.write(b"[the beginning was cut: the log had more than 16 MiB]\n" + tail)
