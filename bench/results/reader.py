"""Other people's reports: a results.csv is read as data, checked as a whole, and refused with one message.

Nothing in such a file is run or trusted: its size is bounded before it is read, every cell of every known column must
be what the row type says (`bench.results.cells`), and text loses what a terminal would obey.
"""

import codecs
import csv
import difflib
import io
import itertools
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from bench.errors import InvalidInput, format_count, join_names, quote
from bench.host.fingerprint import Fingerprint
from bench.results.cells import SHOWN, parse_column
from bench.results.folder import ReportFolder
from bench.results.schema import SCHEMA_VERSION, ResultRow, Status, YesNo, check_schema_version

MAX_BYTES = 64 << 20
"""Largest results.csv that is read: some 70,000 rows."""
_FEW = 5


@dataclass(frozen=True, slots=True)
class Row:
    """The columns of results.csv that a comparison reads, as `ResultRow` has them."""

    case_id: str
    model: str
    backend: str
    loop: str
    precision: str
    optimizer: str
    learning_rate: float
    batch_size: int
    epochs: int
    dataset: str
    dataset_digest: str
    train_samples: int
    val_samples: int
    seed: int
    repeat: int
    started_at: str
    status: Status
    val_bce: float | None
    total_s: float | None
    epoch_s_median: float | None
    epoch_s_quiet: float | None
    epoch_s_low: float | None
    epoch_s_high: float | None
    epoch_s_error: float | None
    peak_rss_mib: float | None
    peak_rss_method: str | None
    peak_anon_mib: float | None
    noisy_epochs: int | None
    steady: YesNo = "unknown"
    reference_gflop_per_s: float | None = None
    reference_gb_per_s: float | None = None
    usual_gb_per_s: float | None = None
    usual_hours: int | None = None
    threads: int | None = None


_ROW_COLUMNS = tuple(field.name for field in fields(Row))
_NEEDED = (
    *(name for name, field in ResultRow.model_fields.items() if field.is_required()),
    *(field.name for field in fields(Row) if field.default is MISSING),
    *("cpu_model", "gpu", "keras", "tensorflow", "jax", "torch", "threads", "env_flags"),
)
"""Columns that a comparison cannot do without. Others may be absent, those of later backends among them."""


@dataclass(frozen=True)
class Report:
    """One report that was read and found valid."""

    path: Path
    """Its results.csv."""
    machine_id: str
    environment_id: str
    fingerprint: Fingerprint
    started_at: str
    """When its first run began, UTC."""
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    """What a person should know about how it was read."""


def read_report(path: Path) -> Report:
    """Read a report folder or a results.csv.

    Raises `InvalidInput` with the file, the line and the column of the first mistake.
    """
    return _read(path)[0]


def read_all_columns(path: Path) -> tuple[Report, tuple[ResultRow, ...]]:
    """Do the same, and return every row with all columns that this aebench knows; raises the same."""
    report, columns = _read(path)
    return report, tuple(
        ResultRow(**dict(zip(columns, values, strict=True))) for values in zip(*columns.values(), strict=True)
    )


def _read(path: Path) -> tuple[Report, dict[str, list[Any]]]:
    file = find_results(path)
    try:
        return parse_report(_read_bytes(file), file)
    except InvalidInput as error:
        raise InvalidInput(f"{quote(file)}{error}") from error


def parse_report(data: bytes, file: Path) -> tuple[Report, dict[str, list[Any]]]:
    """Parse the bytes of a results.csv; returns the report, and every known column by its name.

    Raises `InvalidInput` with a message that begins where the file's name ends.
    """
    lines, cells = _parse_cells(_decode(data))
    header, *body = cells
    _check_header(header, body, lines)
    columns = _parse_columns(header, body, lines[1:])
    return _make_report(file, columns, lines[1:], _note_unknown(header)), columns


def find_results(path: Path) -> Path:
    """The results.csv that a person means by a folder or a file."""
    try:
        return ReportFolder(path).results if path.is_dir() else path
    except OSError:  # a name too long, a loop of links: reading it says so
        return path


# ------------------------------------------------------------------ the file
# Messages begin where the file's name ends: ": …" or ", line 3: …".


def _decode(data: bytes) -> str:
    if not data.strip():
        raise InvalidInput(" is empty: expected a results.csv of aebench. Did its sweep end, and was all of it copied?")
    encoding = "UTF-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "UTF-8"
    if encoding == "UTF-8" and b"\0" in data:
        where = _name_line(data, data.index(0))
        raise InvalidInput(f"{where}: a NUL byte; this is not UTF-8 text. Give the file as aebench wrote it.")
    try:
        return data.decode("utf-8-sig" if encoding == "UTF-8" else encoding)
    except UnicodeDecodeError as error:
        where = _name_line(data, error.start)
        raise InvalidInput(f"{where}: not {encoding} text. Give the file as aebench wrote it.") from error


def _name_line(data: bytes, position: int) -> str:
    before = data.count(b"\n", 0, position)
    return f", line {before + 1}"


def _read_bytes(file: Path) -> bytes:
    """All bytes of a file that is a regular file and not too large."""
    try:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode):
            raise InvalidInput(" is not a file: expected a report folder or its results.csv.")
        if found.st_size <= MAX_BYTES:
            with file.open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
            if len(data) <= MAX_BYTES:
                return data
    except FileNotFoundError as error:
        raise InvalidInput(": no such file. Give report folders or results.csv files.") from error
    except (OSError, ValueError) as error:
        raise InvalidInput(f" cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    raise InvalidInput(f" is larger than {MAX_BYTES >> 20} MiB, which no results.csv is.")


def _parse_cells(text: str) -> tuple[list[int], list[list[str]]]:
    """The numbers of the lines at which rows begin, and the rows, the header first.

    Lines without anything are skipped, and a first line `sep=,`, which is there for spreadsheets.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines, cells, line = [], [], 1
    try:
        for row in reader:
            if any(row) and not (line == 1 and row[0].startswith("sep=")):
                lines.append(line)
                cells.append(row)
            line = reader.line_num + 1
    except csv.Error as error:
        raise InvalidInput(f", line {line}: {_explain_csv_error(str(error))}") from error
    if not cells:
        raise InvalidInput(" has no rows: expected a results.csv of aebench.")
    return lines, cells


def _explain_csv_error(message: str) -> str:
    if "field limit" in message:
        return f"a cell of more than {csv.field_size_limit():,} characters; no results.csv has such a cell."
    if "unexpected end" in message:
        return "a quoted cell never ends: the file was cut short. Copy it again."
    return f"not CSV as aebench writes it: {message}."


# ------------------------------------------------------------------ the header


def _check_header(header: Sequence[str], body: Sequence[Sequence[str]], lines: Sequence[int]) -> None:
    if "schema_version" not in header:
        raise InvalidInput(f", line {lines[0]}: {_describe_foreign(header)}")
    names = sorted(filter(None, header))
    doubled = [name for name, following in itertools.pairwise(names) if name == following]
    if doubled:
        raise InvalidInput(f", line {lines[0]}: the column {quote(doubled[0], SHOWN)!r} is there twice.")
    if not body:
        raise InvalidInput(" has a header and no rows: its sweep measured nothing.")
    _check_version(body[0][header.index("schema_version") :], lines[1])
    missing = [name for name in dict.fromkeys(_NEEDED) if name not in header]
    if missing:
        raise InvalidInput(f", line {lines[0]}: {_describe_missing(missing, header)}")


def _describe_foreign(header: Sequence[str]) -> str:
    if len(header) == 1 and (separator := next((char for char in ";\t" if char in header[0]), None)):
        name = {";": "semicolons", "\t": "tabs"}[separator]
        return (
            f"cells are separated by {name}: a spreadsheet may have saved it, and changed numbers. Give the original."
        )
    names = ", ".join(quote(name, 20) for name in header[:_FEW])
    return f"not a results.csv of aebench: no column schema_version; found {names or 'nothing'}."


def _check_version(cells: Sequence[str], line: int) -> None:
    """Refuse another schema version first: its columns may have other names."""
    text = cells[0] if cells else ""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        expected = f"expected {SCHEMA_VERSION}, got {quote(text, SHOWN)!r}"
        raise InvalidInput(f", line {line}, column schema_version: {expected}.")
    check_schema_version(int(text), file="")


def _describe_missing(missing: Sequence[str], header: Sequence[str]) -> str:
    strange = [name for name in header if name not in ResultRow.model_fields]
    close = difflib.get_close_matches(missing[0], strange, n=1)
    renamed = f"; is it {quote(close[0], SHOWN)!r}, renamed?" if close else "."
    others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    return f"the column {missing[0]}{others} is missing{renamed}"


def _note_unknown(header: Sequence[str]) -> tuple[str, ...]:
    """Columns that this aebench does not know are ignored: a later one may have added them."""
    strange = [quote(name, SHOWN) for name in header if name and name not in ResultRow.model_fields]
    names = f"ignored columns that this aebench does not know: {join_names(strange, _FEW)}"
    unnamed = f"ignored {format_count(header.count(''), 'column')} without a name, such as a data frame's index"
    return (*([names] if strange else []), *([unnamed] if "" in header else []))


# ------------------------------------------------------------------ the columns


def _parse_columns(header: Sequence[str], body: Sequence[Sequence[str]], lines: Sequence[int]) -> dict[str, list[Any]]:
    """The values of each known column by its name; columns that are absent are empty in every row."""
    for cells, line in zip(body, lines, strict=True):
        if len(cells) != len(header):
            cut = " Was the file cut short?" if cells is body[-1] and len(cells) < len(header) else ""
            raise InvalidInput(
                f", line {line}: {format_count(len(cells), 'cell')}, where the header has {len(header)}.{cut}"
            )
    found = dict(zip(header, zip(*body, strict=True), strict=True))
    checked = {name: parse_column(name, found[name], lines) for name in ResultRow.model_fields if name in found}
    absent = (name for name in ResultRow.model_fields if name not in found)
    return {**checked, **{name: [None] * len(body) for name in absent}}


# ------------------------------------------------------------------ the rows


def _make_report(file: Path, columns: Mapping[str, list[Any]], lines: Sequence[int], notes: tuple[str, ...]) -> Report:
    facts = ("schema_version", "machine_id", "environment_id", *Fingerprint.model_fields)
    for name in facts:
        _check_one_machine(name, columns[name], lines)
    rows = tuple(map(Row, *(columns[name] for name in _ROW_COLUMNS)))
    _check_rows(rows, lines, columns["run_epochs"])
    return Report(
        path=file,
        machine_id=columns["machine_id"][0],
        environment_id=columns["environment_id"][0],
        fingerprint=Fingerprint(**{name: columns[name][0] for name in Fingerprint.model_fields}),
        started_at=min(columns["started_at"]),
        rows=rows,
        notes=notes,
    )


def _check_one_machine(name: str, values: Sequence[Any], lines: Sequence[int]) -> None:
    for value, line in zip(values, lines, strict=True):
        if value != values[0]:
            both = f"{quote(values[0], SHOWN)!r} in line {lines[0]}, {quote(value, SHOWN)!r} here"
            raise InvalidInput(
                f", line {line}, column {name}: {both}. A results.csv is of one machine and environment; give each its "
                "own file."
            )


def _check_rows(rows: Iterable[Row], lines: Sequence[int], run_epochs: Sequence[int]) -> None:
    seen: dict[tuple[str, int], int] = {}
    for row, line, last in zip(rows, lines, run_epochs, strict=True):
        first = seen.setdefault((row.case_id, row.epochs), line)
        if first != line:
            case = f"{quote(row.case_id, 100)} at {format_count(row.epochs, 'epoch')}"
            raise InvalidInput(f", line {line}: the row of line {first} again ({case}).")
        mistake = _find_mistake(row, last)
        if mistake:
            raise InvalidInput(f", line {line}, column {mistake}.")


def _find_mistake(row: Row, run_epochs: int) -> str | None:
    """A mistake that no sweep would make, after the name of its column."""
    if not row.case_id.endswith(f".r{row.repeat}"):
        return f"case_id: does not end in .r{row.repeat}, the number of its process"
    if row.epochs > run_epochs:
        return f"epochs: {row.epochs}, in a run of {run_epochs}"
    if (row.noisy_epochs or 0) > row.epochs:
        return f"noisy_epochs: {row.noisy_epochs} of {format_count(row.epochs, 'epoch')}"
    low, value, high = row.epoch_s_low, row.epoch_s_quiet, row.epoch_s_high
    known = [row.epoch_s_median, low, value, high, row.epoch_s_error]
    if any(each is None for each in known) and any(each is not None for each in known):
        return "epoch_s_quiet: epoch_s_median, epoch_s_quiet, its interval and its error come together or not at all"
    if low is not None and value is not None and high is not None and not low < value < high:
        return f"epoch_s_quiet: {value:g} lies outside of its interval, {low:g} to {high:g}"
    return None
