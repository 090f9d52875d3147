"""Bytes that would be too many to hold: the first stay in memory, all later ones go to a file without a name.

The system takes the file back when its last user has gone, however the process ends. A disk that is full costs nothing
but memory: what it does not take is held.
"""

import os
import tempfile
import threading
import weakref
from dataclasses import dataclass
from typing import IO, Protocol

ROOM = 16 << 20
"""Bytes that are held before the first goes to the file: a sweep of some 200,000 epochs never needs one."""


class Part(Protocol):
    """Bytes, wherever they are."""

    def read(self) -> bytes:
        """All of them. Raises `OSError` where the disk does not give them back."""


@dataclass(frozen=True)
class Held:
    """Bytes in memory."""

    data: bytes

    def read(self) -> bytes:
        """All of them."""
        return self.data


@dataclass(frozen=True)
class _Stored:
    """Bytes in a spool's file."""

    spool: "Spool"
    begin: int
    length: int

    def read(self) -> bytes:
        return self.spool.stretch(self.begin, self.length)


class Spool:
    """Where parts are put away. It lives as long as any part of it is held; nothing is ever taken out."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._file: IO[bytes] | None = None
        self._end = 0
        self._turn = threading.Lock()

    def keep(self, data: bytes) -> Part:
        """The same bytes, as something small where there are many."""
        with self._turn:
            if len(data) <= self._room:
                self._room -= len(data)
                return Held(data)
            try:
                return self._written(data)
            except OSError:
                return Held(data)

    def _written(self, data: bytes) -> Part:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="aebench-", buffering=0)  # noqa: SIM115 - for the spool's life
            weakref.finalize(self, self._file.close)
        self._file.seek(self._end)
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]
        self._end += len(data)
        return _Stored(self, self._end - len(data), len(data))

    def stretch(self, begin: int, length: int) -> bytes:
        """So many bytes of the file."""
        with self._turn:
            assert self._file is not None  # noqa: S101 - something was written
            self._file.seek(begin, os.SEEK_SET)
            found = bytearray()
            while len(found) < length and (piece := self._file.read(length - len(found))):
                found += piece
        if len(found) < length:
            raise OSError(f"a temporary file in {tempfile.gettempdir()} lost what was written to it")
        return bytes(found)
