"""The journal: one line per finished case, on the disk before the next case begins.

The first line says what is measured. A run that goes on with another aim (`--within`) appends a line like it.

A line that was cut off (the machine died while writing it) is recognised by its missing newline: readers skip it and
say so, and the next writer removes it.
"""

import contextlib
import errno
import json
import os
import re
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from bench.errors import InvalidInput, strip_controls
from bench.plan.profile import STORED
from bench.results.epochs import Columns
from bench.results.folder import ReportFolder, remove_leftovers, write_whole
from bench.results.journal_lines import JOURNAL_LINE, Outcome, SweepHeader
from bench.results.schema import check_schema_version

_MAX_LINE_BYTES = 256 << 20
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Journal:
    """What a journal holds. ``notes`` says what could not be read and where."""

    header: SweepHeader
    """Its first line, with the aim of the last run that had one of its own."""
    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...]

    @property
    def latest(self) -> dict[str, Outcome]:
        """The last outcome of each case by its id, in the order in which the cases first ended."""
        return {outcome.case.case_id: outcome for outcome in self.outcomes}

    @property
    def runs(self) -> Counter[str]:
        """How many times each case was run to an end, by its id; what was interrupted has no line."""
        return Counter(outcome.case.case_id for outcome in self.outcomes)


def read_journal(path: Path) -> Journal:
    """Read the journal at ``path``. Raises `InvalidInput` where there is none or its header cannot be read."""
    notes: list[str] = []
    lines = _read_lines(path, notes)
    header, outcomes = _take_header(path, lines), []
    for line in lines:
        if isinstance(line, Outcome):
            outcomes.append(line)
        else:  # the sweep went on with another aim
            header = aim_at(header, line.profile.within_percent)
    return Journal(header, tuple(outcomes), tuple(notes))


def aim_at(header: SweepHeader, within_percent: float) -> SweepHeader:
    """The header of a sweep whose cases are to be known to within so much: a resumed one may want something else."""
    profile = header.profile.model_copy(update={"within_percent": within_percent})
    return header.model_copy(update={"profile": profile})


def read_header(path: Path) -> SweepHeader:
    """Read the first line of the journal at ``path`` alone. Raises `InvalidInput` as `read` does."""
    with contextlib.closing(_read_lines(path, [])) as lines:
        return _take_header(path, lines)


def _take_header(path: Path, lines: Iterator[SweepHeader | Outcome]) -> SweepHeader:
    first = next(lines, None)
    if not isinstance(first, SweepHeader):
        raise InvalidInput(f"{path} does not begin with a journal's header: it is not a journal of aebench.")
    return first


def _read_lines(path: Path, notes: list[str]) -> Generator[SweepHeader | Outcome]:
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
                yield from _parse(line, f"line {number} is set aside", path, notes)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from error


def _parse(line: bytes, refusal: str, path: Path, notes: list[str]) -> Iterator[SweepHeader | Outcome]:
    """What a line holds; nothing, and a note that begins with ``refusal``, where it holds nothing valid."""
    _check_version(line, path)
    try:
        parsed = JOURNAL_LINE.validate_json(_clean(line), context=STORED)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))[:_LONGEST_NAME]
        notes.append(f"{refusal}: {where} {first['msg']}")
        return
    if not _is_plausible(parsed):
        notes.append(f"{refusal}: a number in it is beyond all that can be measured")
        return
    yield parsed


def _check_version(line: bytes, path: Path) -> None:
    """Raise `InvalidInput` for the header of another schema version, whatever else it holds."""
    if b"schema_version" not in line:  # as no outcome has it, which may be long
        return
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return
    version = fields.get("schema_version") if isinstance(fields, dict) else None
    if type(version) is int:
        check_schema_version(version, str(path))


_ESCAPES = re.compile(rb"\\[ubfr]")
"""What in a line's JSON may stand for something that `strip_controls` takes away."""


def _clean(line: bytes) -> bytes:
    """The line without what a terminal would obey, in its texts and its names; as it is where it is no JSON."""
    if line.isascii() and b"\x7f" not in line and not _ESCAPES.search(line):  # nearly always
        return line
    try:
        return json.dumps(_clean_texts(json.loads(line))).encode()
    except (ValueError, RecursionError):
        return line  # which the reader refuses too


def _clean_texts(value: Any) -> Any:
    match value:
        case str():
            return strip_controls(value)
        case list():
            return [_clean_texts(item) for item in value]
        case dict():
            return {strip_controls(key): _clean_texts(item) for key, item in value.items()}
    return value


_SMALLEST, _LARGEST, _LARGEST_WHOLE = 1e-100, 1e100, 1 << 63
"""No loss in single precision comes near, also not one that is about to diverge."""


def _is_plausible(value: object) -> bool:
    """Whether sums, squares and ratios of all numbers within are numbers too."""
    parts: Iterable[object]
    match value:
        case None | str():
            return True
        case float():
            return value == 0 or _SMALLEST < abs(value) < _LARGEST
        case int():
            return -_LARGEST_WHOLE < value < _LARGEST_WHOLE
        case Columns():
            return all(map(_are_plausible, value.iterate_arrays()))
        case tuple() | list():
            parts = value
        case Mapping():
            parts = value.values()
        case _:
            kind = type(value)
            names = getattr(kind, "model_fields", None) or getattr(kind, "__dataclass_fields__", {})
            parts = (getattr(value, name) for name in names)
    return all(map(_is_plausible, parts))


def _are_plausible(numbers: npt.NDArray[Any]) -> bool:
    """The same of a column."""
    if numbers.dtype.kind != "f":
        return bool(np.all(numbers > -_LARGEST_WHOLE))
    sizes = np.abs(numbers)
    return bool(np.all((sizes == 0) | ((sizes > _SMALLEST) & (sizes < _LARGEST))))


class Writer:
    """Appends to a journal; each line is on the disk when `append` returns."""

    def __init__(self, file: FileIO) -> None:
        self._file = file

    def append(self, line: SweepHeader | Outcome) -> None:
        """Write one line. Raises `OSError` where the disk does not take it; the lines before stay whole."""
        data = memoryview(_to_line(line))
        begun = self._file.seek(0, os.SEEK_END)
        try:
            while data:
                data = data[self._file.write(data) :]
            os.fsync(self._file.fileno())
            self._require_in_place()
        except OSError:
            with contextlib.suppress(OSError):  # a disk that is gone; the next writer cuts what is torn
                self._file.truncate(begun)
            raise

    def _require_in_place(self) -> None:
        """Raise `FileNotFoundError` where the journal is no longer in its folder: nobody would find what is written."""
        path = os.fspath(self._file.name)
        if not os.path.samestat(os.stat(path), os.fstat(self._file.fileno())):  # noqa: PTH116 - of a name and a handle
            raise FileNotFoundError(errno.ENOENT, "another file has taken its place", path)


def _to_line(line: SweepHeader | Outcome) -> bytes:
    return line.model_dump_json().encode() + b"\n"


@contextmanager
def lock_folder(folder: ReportFolder) -> Iterator[None]:
    """Keep other runs out of the folder. Raises `InvalidInput` where another run is in it, or where it holds links."""
    _refuse_links(folder)
    lock = filelock.FileLock(folder.lock)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise InvalidInput(
            f"{folder.root} is being written by another run{_name_holder(folder)}; wait for it, or choose another "
            "--out."
        ) from error
    try:
        with contextlib.suppress(OSError):  # a full disk: whoever is refused then does not learn by whom
            folder.holder.write_text(f"{os.getpid()}\n", encoding="ascii")
        yield
    finally:
        with contextlib.suppress(OSError):
            folder.holder.unlink()
        lock.release()


def _name_holder(folder: ReportFolder) -> str:
    """The process that holds the lock, as words for a message; none where it is not known."""
    try:
        written = folder.holder.read_bytes()[:20].strip()
    except OSError:
        return ""
    return f", process {int(written)}" if written.isdigit() else ""


def _refuse_links(folder: ReportFolder) -> None:
    """Raise `InvalidInput` where a folder holds a pipe, or a link, through which one would write elsewhere."""
    inner = (folder.plots, folder.samples, folder.logs)
    entries = [entry for place in (folder.root, *inner) if place.is_dir() for entry in os.scandir(place)]
    strange = next((entry.path for entry in entries if not _is_plain(entry)), None)
    if strange is not None:
        raise InvalidInput(f"{strange} is a link or a pipe; report folders have none. Remove it.")


def _is_plain(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)


@contextmanager
def open_writer(folder: ReportFolder, begin: SweepHeader | None = None) -> Iterator[Writer]:
    """Lock the folder and open its journal for appending; with ``begin``, begin a new one with that header.

    A journal exists with its whole header or not at all. Raises `InvalidInput` where another run holds the folder, or
    has begun a journal there meanwhile.
    """
    with lock_folder(folder):
        remove_leftovers(folder)
        if begin is not None:
            if folder.journal.exists():
                raise InvalidInput(f"{folder.root} was begun by another run meanwhile; choose another --out.")
            write_whole(folder.journal, _to_line(begin).decode())
        with FileIO(folder.journal, "a+") as file:
            _cut_torn_line(file)
            _sync_folder(folder)
            yield Writer(file)


def _sync_folder(folder: ReportFolder) -> None:
    """Write the folder's entries to the disk, so that a new file survives a power cut; Windows has no such call."""
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
