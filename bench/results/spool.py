"""Bytes that would be too many to hold: some stay in memory, those beyond a bound go to a temporary file.

The system takes the file back when its last user has gone, however the process ends. It lies where the system keeps
what may be large, since what is called temporary is often memory itself. A disk that does not take a part costs nothing
but memory: the part is held.
"""

import contextlib
import errno
import os
import tempfile
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

ROOM = 16 << 20
"""Bytes that are held before the file is begun: a sweep of some 100,000 epochs never needs one."""
_LARGE = Path("/var/tmp")  # noqa: S108 - a file without a name; TMPDIR comes first
"""Where many systems keep temporary files on a disk, while the usual place is memory."""


class Part(Protocol):
    """Bytes, wherever they are."""

    def read(self, begin: int = 0, length: int | None = None) -> bytes:
        """A stretch of them; without ``length``, all from ``begin``. Raises `OSError` where a disk lost them."""


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes in memory."""

    data: bytes

    def read(self, begin: int = 0, length: int | None = None) -> bytes:
        """A stretch of them."""
        return self.data[begin:] if length is None else self.data[begin : begin + length]


@dataclass(frozen=True, slots=True)
class _Stored:
    """Bytes in a spool's file."""

    spool: "Spool"
    begin: int
    length: int

    def read(self, begin: int = 0, length: int | None = None) -> bytes:
        return self.spool.stretch(self.begin + begin, self.length - begin if length is None else length)


class Spool:
    """Where parts are put away. It lives as long as any part of it is held; nothing is ever taken out."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._file: IO[bytes] | None = None
        self._end = 0
        self._is_full = False
        self._turn = threading.Lock()

    def keep(self, data: bytes) -> Part:
        """The same bytes, as something small where there are many."""
        with self._turn:
            if len(data) <= self._room:
                self._room -= len(data)
                return Held(data)
            if self._is_full:
                return Held(data)
            try:
                return self._written(data)
            except OSError:
                self._is_full = True
                self._give_back()
                return Held(data)

    def _written(self, data: bytes) -> Part:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="aebench-", buffering=0, dir=_folder())  # noqa: SIM115 - for life
            weakref.finalize(self, self._file.close)
        self._file.seek(self._end)
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]
        self._end += len(data)
        return _Stored(self, self._end - len(data), len(data))

    def _give_back(self) -> None:
        """Free what a part took that did not fit: the journal may need it."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.truncate(self._end)

    def stretch(self, begin: int, length: int) -> bytes:
        """So many bytes of the file."""
        with self._turn:
            assert self._file is not None  # noqa: S101 - something was written
            self._file.seek(begin)
            found = bytearray()
            while len(found) < length and (piece := self._file.read(length - len(found))):
                found += piece
        if len(found) < length:
            raise OSError(errno.EIO, "a temporary file lost what was written to it", _folder() or tempfile.gettempdir())
        return bytes(found)


def _folder() -> str | None:
    """Where the file is; None is the usual place."""
    large = not os.environ.get("TMPDIR") and os.access(_LARGE, os.W_OK | os.X_OK)
    return str(_LARGE) if large else None
