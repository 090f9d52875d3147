"""The console that commands print with, and standard streams that may be closed, full, or without a reader.

None of that ends a command before its time: a sweep of hours is not lost. When nobody reads any more (`| head`, a
terminal that was closed) or never did (`>&-`), output is dropped and the exit code stays the command's own. What a full
disk under a redirected output refuses is an error at the very end.
"""

import contextlib
import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from rich.console import Console

from bench.errors import ExitCode, InvalidInput

_WIDE = 160


def make_console(width: int = _WIDE, *, stderr: bool = False) -> Console:
    """Return a console on standard output or error, at least ``width`` characters wide where that is no terminal.

    Colours make no terminal of a pipe (`FORCE_COLOR`, `TTY_COMPATIBLE`), and `COLUMNS` is taken at its word.
    """
    console = Console(stderr=stderr)
    if not console.file.isatty() and not os.environ.get("COLUMNS", "").isdecimal():
        console.width = max(console.width, width)
    return console


def say(console: Console, text: str) -> None:
    """Print text as it is: without markup or colours, and without breaking lines."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def list_examples(*examples: tuple[str, str]) -> str:
    """The end of a command's help: command lines, and what each does."""
    return "\n\n".join(
        ["Examples:" if len(examples) > 1 else "Example:", *(f"{line}\n    {does}" for line, does in examples)]
    )


_GONE = (errno.EPIPE, errno.EIO, errno.EBADF, errno.ECONNRESET)


class Outlet(io.FileIO):
    """Writes to a file descriptor as long as somebody takes it, and drops the rest."""

    refusal: OSError | None = None
    """Why something was dropped although it had a place to go to: a full disk, for example."""

    def write(self, data: Any, /) -> int:
        """Write, or drop what nobody takes; returns the number of bytes. Waits where a pipe is full."""
        try:
            while (count := super().write(data)) is None:  # another program made this pipe non-blocking
                select.select([], [self], [])
        except OSError as error:
            if error.errno not in _GONE:
                self.refusal = error
            return memoryview(data).nbytes
        return count


@contextmanager
def guard_output() -> Iterator[None]:
    """Print through outlets while the context is open; those of a test, or of Windows, stay. A letter that a code page
    lacks becomes a question mark.

    Where one was refused, what was lost is said at the end, and an exit code of 0 becomes 3.
    """
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a code page without "·" is no reason to lose a sweep
    before = sys.stdout, sys.stderr
    outlets = []
    if os.name == "posix":
        if sys.stdout is sys.__stdout__ and isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout, outlet = _wrap_stream(sys.stdout, line_buffering=sys.stdout.line_buffering)
            outlets.append(outlet)
        if sys.stderr is sys.__stderr__ and isinstance(sys.stderr, io.TextIOWrapper):
            sys.stderr, outlet = _wrap_stream(sys.stderr, line_buffering=True)
            outlets.append(outlet)
    try:
        yield
    except SystemExit as end:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        refusal = next((outlet.refusal for outlet in outlets if outlet.refusal is not None), None)
        if refusal is None:
            raise
        print(f"aebench: what was printed is not whole: {refusal.strerror}.", file=sys.stderr)  # noqa: T201
        raise SystemExit(end.code or ExitCode.FAILED) from end
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        sys.stdout, sys.stderr = before


@contextmanager
def report_mistakes() -> Iterator[None]:
    """End the process with one message and an exit code where what was asked for cannot be done, else with code 0.

    2 where the input is wrong, 3 where the system refused, 130 after Ctrl-C.
    """
    try:
        yield
    except InvalidInput as error:
        _end(str(error), ExitCode.INVALID_INPUT)
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        _end(f"the system refused{where}: {error.strerror or error}.", ExitCode.FAILED)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    sys.exit()


def _end(message: str, code: ExitCode) -> NoReturn:
    print(f"aebench: {message}", file=sys.stderr)  # noqa: T201
    sys.exit(code)


def _open_streams() -> None:
    """Open the standard streams that were closed before the start (`>&-`), into nothing.

    Their numbers would otherwise go to the next files that are opened, and what any library prints would go into these.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            stream = open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8")  # noqa: PTH123, SIM115 - stays
            setattr(sys, name, stream)


def _wrap_stream(stream: io.TextIOWrapper, *, line_buffering: bool) -> tuple[io.TextIOWrapper, Outlet]:
    stream.flush()
    outlet = Outlet(stream.fileno(), "w", closefd=False)
    buffered = io.BufferedWriter(outlet)
    wrapper = io.TextIOWrapper(buffered, stream.encoding, stream.errors, line_buffering=line_buffering)
    return wrapper, outlet
