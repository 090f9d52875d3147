"""Standard output whose reader may leave (`| head`, a terminal that is closed): what is then said goes nowhere.

A sweep of hours is not lost because nobody listens any more, and a command's exit code stays its own. A disk that
takes no more of a redirected output is an error as ever.
"""

import errno
import io
import os
import sys
from typing import Any

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
