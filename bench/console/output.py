"""What commands print with: a console for tables and plain lines, on a standard output whose reader may leave.

When nobody reads any more (`| head`, a terminal that is closed), what is then said goes nowhere: a sweep of hours is
not lost, and a command's exit code stays its own. A disk that takes no more of a redirected output is an error as ever.
"""

import errno
import io
import os
import sys
from typing import Any

from rich.console import Console

_WIDE = 160


def output(width: int = _WIDE) -> Console:
    """Standard output; where it is no terminal, at least ``width`` characters wide, for every table."""
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, width)
    return console


def say(console: Console, text: str) -> None:
    """Print text as it is: no markup, no colours, lines not broken."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


_GONE = (errno.EPIPE, errno.EIO)


class Outlet(io.FileIO):
    """Writes to a file descriptor as long as somebody reads."""

    def write(self, data: Any, /) -> int:
        """Write, or pass over what nobody reads; returns how many bytes are dealt with. Raises other `OSError`."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in _GONE:
                raise
            return memoryview(data).nbytes


def open_outlets() -> None:
    """Put outlets in the place of standard output and standard error; those of a test, or of Windows, stay."""
    if os.name != "posix":
        return
    if sys.stdout is sys.__stdout__ and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = _outlet(sys.stdout, line_buffering=sys.stdout.line_buffering)
    if sys.stderr is sys.__stderr__ and isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = _outlet(sys.stderr, line_buffering=True)


def _outlet(stream: io.TextIOWrapper, *, line_buffering: bool) -> io.TextIOWrapper:
    stream.flush()
    buffered = io.BufferedWriter(Outlet(stream.fileno(), "w", closefd=False))
    return io.TextIOWrapper(buffered, encoding=stream.encoding, errors=stream.errors, line_buffering=line_buffering)
