"""The console that commands print with, and a standard output whose reader may go away.

When nobody reads any more (`| head`, a terminal that was closed), output is dropped: a sweep of hours is not lost, and
the exit code of a command stays its own. A full disk under a redirected output is an error as always.
"""

import errno
import io
import os
import sys
from typing import Any

from rich.console import Console

_WIDE = 160


def make_console(width: int = _WIDE) -> Console:
    """Return a console on standard output, at least ``width`` characters wide where that is no terminal."""
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, width)
    return console


def say(console: Console, text: str) -> None:
    """Print text as it is: without markup or colours, and without breaking lines."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


_GONE = (errno.EPIPE, errno.EIO)


class Outlet(io.FileIO):
    """Writes to a file descriptor as long as somebody reads from it."""

    def write(self, data: Any, /) -> int:
        """Write, or drop what nobody reads; returns the number of bytes. Raises every other `OSError`."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in _GONE:
                raise
            return memoryview(data).nbytes


def open_outlets() -> None:
    """Replace standard output and standard error with outlets; those of a test, or of Windows, stay."""
    if os.name != "posix":
        return
    if sys.stdout is sys.__stdout__ and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = _wrap_stream(sys.stdout, line_buffering=sys.stdout.line_buffering)
    if sys.stderr is sys.__stderr__ and isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = _wrap_stream(sys.stderr, line_buffering=True)


def _wrap_stream(stream: io.TextIOWrapper, *, line_buffering: bool) -> io.TextIOWrapper:
    stream.flush()
    buffered = io.BufferedWriter(Outlet(stream.fileno(), "w", closefd=False))
    return io.TextIOWrapper(buffered, encoding=stream.encoding, errors=stream.errors, line_buffering=line_buffering)
