"""The journal: one line a finished case, on the disk before the next case begins.

A line that was cut off (the machine died while writing it) is recognised by its missing newline: readers pass over it
and say so, and the next writer cuts it away.
"""

import contextlib
import errno
import functools
import json
import operator
import os
import re
from array import array
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import filelock
from pydantic import ValidationError

from bench.errors import InvalidInput, printable
from bench.plan.profile import STORED
from bench.results.epochs import Packed
from bench.results.folder import ReportFolder, clear_rests, write_whole
from bench.results.schema import JOURNAL_LINE, SCHEMA_VERSION, Outcome, SweepHeader
from bench.results.spool import Spool

_MAX_LINE_BYTES = 256 << 20
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Journal:
    """What a journal holds. ``notes`` says what could not be read and where."""

    header: SweepHeader
    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...]
    spool: Spool
    """Where what is long of its outcomes lies; those that are still to come have room in it too."""

    def latest(self) -> dict[str, Outcome]:
        """The last outcome of each case by its id, in the order in which the cases first ended."""
        return {outcome.case.case_id: outcome for outcome in self.outcomes}

    def runs(self) -> Counter[str]:
        """How many times each case was run to an end, by its id; what was interrupted has no line."""
        return Counter(outcome.case.case_id for outcome in self.outcomes)


def read(path: Path) -> Journal:
    """The journal at ``path``. Raises `InvalidInput` where there is none or its header cannot be read."""
    notes: list[str] = []
    spool = Spool()
    lines = _lines(path, notes)
    first = _header(path, lines)
    outcomes = []
    for line in lines:
        if isinstance(line, Outcome):
            line.spool(spool)
            outcomes.append(line)
    return Journal(first, tuple(outcomes), tuple(notes), spool)


def header(path: Path) -> SweepHeader:
    """What the journal at ``path`` begins with. Raises `InvalidInput` as `read` does."""
    with contextlib.closing(_lines(path, [])) as lines:
        return _header(path, lines)


def _header(path: Path, lines: Iterator[SweepHeader | Outcome]) -> SweepHeader:
    first = next(lines, None)
    if not isinstance(first, SweepHeader):
        raise InvalidInput(f"{path} does not begin with a journal's header: it is not a journal of this harness.")
    return first


def _lines(path: Path, notes: list[str]) -> Generator[SweepHeader | Outcome]:
    try:
        if path.exists() and not path.is_file():  # a folder cannot be read, a pipe might wait for ever
            raise InvalidInput(f"{path} is not a file: expected a journal.")
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(_MAX_LINE_BYTES), b""), start=1):
                if len(line) == _MAX_LINE_BYTES:
                    notes.append(
                        f"line {number} is longer than {_MAX_LINE_BYTES >> 20} MiB; it and all after it are not counted"
                    )
                    return
                if not line.endswith(b"\n"):
                    notes.append(f"line {number} was cut off while it was written; its case is not counted")
                    return
                yield from _parsed(line, number, notes)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from error


def _parsed(line: bytes, number: int, notes: list[str]) -> Iterator[SweepHeader | Outcome]:
    try:
        parsed = JOURNAL_LINE.validate_json(_shown(line), context=STORED)
    except ValidationError as error:
        _refuse_newer(line)
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))[:_LONGEST_NAME]
        notes.append(f"line {number} is set aside: {where} {first['msg']}")
        return
    if not _plausible(parsed):
        notes.append(f"line {number} is set aside: a number in it is beyond all that can be measured")
        return
    if isinstance(parsed, SweepHeader):
        _refuse_newer(line)
    yield parsed


_ESCAPES = re.compile(rb"\\[ubfr]")
"""What in a line's JSON may stand for something that `printable` takes away."""


def _shown(line: bytes) -> bytes:
    """The line without what a terminal would obey, in its texts and its names; as it is where it is no JSON."""
    if line.isascii() and b"\x7f" not in line and not _ESCAPES.search(line):  # nearly always
        return line
    try:
        return json.dumps(_printable(json.loads(line))).encode()
    except (ValueError, RecursionError):
        return line  # which the reader refuses too


def _printable(value: Any) -> Any:
    match value:
        case str():
            return printable(value)
        case list():
            return [_printable(item) for item in value]
        case dict():
            return {printable(key): _printable(item) for key, item in value.items()}
    return value


def _plausible(value: object) -> bool:
    """Whether sums, squares and ratios of all numbers within are numbers too."""
    if isinstance(value, float):
        return value == 0 or _SMALLEST < abs(value) < _LARGEST
    if isinstance(value, int):
        return -_LARGEST_WHOLE < value < _LARGEST_WHOLE
    return value is None or isinstance(value, str) or all(map(_plausible, _parts(value)))


def _parts(value: Any) -> Iterable[object]:
    if isinstance(value, Packed):
        return value.columns()
    if isinstance(value, Mapping):
        return value.values()
    kind: Any = type(value)  # mypy holds no class for hashable
    return value if isinstance(value, tuple | list | array) else _fields(kind)(value)


@functools.cache
def _fields(kind: type[object]) -> Callable[[object], Iterable[object]]:
    """What gets all fields of a model or an event."""
    names = getattr(kind, "model_fields", None) or getattr(kind, "__dataclass_fields__", {})
    return operator.attrgetter(next(iter(names)), *names)  # of one name alone it would give no tuple


_SMALLEST, _LARGEST, _LARGEST_WHOLE = 1e-100, 1e100, 1 << 63
"""No loss in single precision comes near, also not one that is about to diverge."""


def _refuse_newer(line: bytes) -> None:
    """Raise `InvalidInput` for the header of a newer harness, whatever else it holds."""
    if b"schema_version" not in line:  # as no outcome has it, which may be long
        return
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return
    version = fields.get("schema_version") if isinstance(fields, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InvalidInput(
            f"the journal has schema version {version}, this harness reads up to {SCHEMA_VERSION}: "
            "use the version that wrote it, or a newer one."
        )


class Writer:
    """Appends to a journal; each line is on the disk when `append` returns."""

    def __init__(self, file: FileIO) -> None:
        self._file = file

    def append(self, line: SweepHeader | Outcome) -> None:
        """Write one line. Raises `OSError` where the disk does not take it; the lines before stay whole."""
        data = memoryview(_line(line))
        begun = self._file.seek(0, os.SEEK_END)
        try:
            while data:
                data = data[self._file.write(data) :]
            os.fsync(self._file.fileno())
            self._require_place()
        except OSError:
            with contextlib.suppress(OSError):  # a disk that is gone; the next writer cuts what is torn
                self._file.truncate(begun)
            raise

    def _require_place(self) -> None:
        """Raise `FileNotFoundError` where the journal is no longer in its folder: nobody would find what is written."""
        path = os.fspath(self._file.name)
        if not os.path.samestat(os.stat(path), os.fstat(self._file.fileno())):  # noqa: PTH116 - of a name and a handle
            raise FileNotFoundError(errno.ENOENT, "another file has taken its place", path)


def _line(line: SweepHeader | Outcome) -> bytes:
    return line.model_dump_json().encode() + b"\n"


@contextmanager
def locked(folder: ReportFolder) -> Iterator[None]:
    """The folder, for this process alone. Raises `InvalidInput` where another one holds it, or where it holds links."""
    _refuse_links(folder)
    lock = filelock.FileLock(folder.lock)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise InvalidInput(
            f"{folder.root} is being written by another run{_holder(folder)}; wait for it, or choose another --out."
        ) from error
    try:
        with contextlib.suppress(OSError):  # a full disk: whoever is refused then does not learn by whom
            folder.holder.write_text(f"{os.getpid()}\n", encoding="ascii")
        yield
    finally:
        with contextlib.suppress(OSError):
            folder.holder.unlink()
        lock.release()


def _holder(folder: ReportFolder) -> str:
    """Which process holds the lock, as far as it said so."""
    try:
        told = folder.holder.read_bytes()[:20].strip()
    except OSError:
        return ""
    return f", process {int(told)}" if told.isdigit() else ""


def _refuse_links(folder: ReportFolder) -> None:
    """Raise `InvalidInput` where a stranger's folder has a link, through which one would write elsewhere, or a pipe."""
    inner = (folder.plots, folder.samples, folder.logs)
    entries = [entry for place in (folder.root, *inner) if place.is_dir() for entry in os.scandir(place)]
    strange = next((entry.path for entry in entries if not _is_plain(entry)), None)
    if strange is not None:
        raise InvalidInput(f"{strange} is a link or a pipe; report folders have none. Remove it.")


def _is_plain(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)


@contextmanager
def writing(folder: ReportFolder, begin: SweepHeader | None = None) -> Iterator[Writer]:
    """The locked folder's journal, open for appending; with ``begin``, a new one that has that header.

    A journal is there with its whole header or not at all. Raises `InvalidInput` where another run holds the folder,
    or has begun a journal there meanwhile.
    """
    with locked(folder):
        clear_rests(folder)
        if begin is not None:
            if folder.journal.exists():
                raise InvalidInput(f"{folder.root} was begun by another run meanwhile; choose another --out.")
            write_whole(folder.journal, _line(begin).decode())
        with FileIO(folder.journal, "a+") as file:
            _cut_torn_line(file)
            _keep_entry(folder)
            yield Writer(file)


def _keep_entry(folder: ReportFolder) -> None:
    """A new file survives a power cut once its folder is on the disk too; Windows knows no such call."""
    if os.name != "posix":
        return
    handle = os.open(folder.root, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _cut_torn_line(file: FileIO) -> None:
    """Cut the file after its last newline."""
    end = file.seek(0, os.SEEK_END)
    position = end
    while position > 0:
        start = max(0, position - 65536)
        file.seek(start)
        newline = file.read(position - start).rfind(b"\n")
        if newline >= 0:
            if start + newline + 1 < end:
                file.truncate(start + newline + 1)
            return
        position = start
    file.truncate(0)
