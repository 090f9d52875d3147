"""What a stranger, a disk or an editor may do to a file: each function takes bytes that a reader accepts and a source
of chance, and returns bytes that differ in bytes, in values or in structure.
"""

import csv
import gzip
import io
import json
import struct
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

Mutation = Callable[[bytes, Random], bytes]

TEXTS = (
    "", "a", "basic", "../../../etc/passwd", "/etc/passwd", "..", ".", "a/b", "a\\b", "C:\\x", "\\\\host\\share", "NUL",
    "\x1b[2J\x1b]0;title\x07", "\x9b31m", "\x00", "\r\n", "\u202eevil", "\u2028", "\ufeff", "\ud7ff", "\U0001f4a9",
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", "'", '"', '","', "<script>alert(1)</script>",
    "[link](javascript:1)", "![](http://x)", "`", "|", "{{ 7*7 }}", "%s%n", "!!python/object:os.system", "$(id)",
    "__import__('os')", "nan", "inf", "-inf", "NaN", "1e308", "1e999", "-0", "0x10", "1_000", "٣", "1,5", "x" * 1_000,
    "9" * 5_000, "True", "null", "2026-01-02T03:04:05+00:00",
)  # fmt: skip
NUMBERS = (
    0, -1, 1, 2, 3, 255, 2**31, 2**63, -(2**63), 10**15, 10**18, 10**400, 0.0, -0.0, -0.5, 0.5, 5e-324, 1e-200, 1e16,
    1e155, 1e308, -1e308, float("inf"), float("-inf"), float("nan"),
)  # fmt: skip


def make_hostile(chance: Random, depth: int = 0) -> Any:
    """Return a value that no honest program would write there."""
    kind = chance.randrange(8 if depth < 3 else 5)
    if kind < 2:
        return chance.choice(TEXTS)
    if kind < 4:
        return chance.choice(NUMBERS)
    if kind == 4:
        return chance.choice((None, True, False))
    if kind == 5:
        return [make_hostile(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind == 6:
        return {chance.choice(TEXTS): make_hostile(chance, depth + 1) for _ in range(chance.randrange(3))}
    return _nest(chance.choice((10, 100, 300)))


def _nest(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def damage(data: bytes, chance: Random) -> bytes:
    """Cut, double, flip or insert bytes."""
    if not data:
        return bytes([chance.randrange(256)])
    at, length = chance.randrange(len(data)), chance.choice((1, 2, 4, 100, 10_000))
    match chance.randrange(5):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + data[at + length :]
        case 2:
            return data[:at] + data[at : at + length] * 2 + data[at + length :]
        case 3:
            return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]
        case _:
            return data[:at] + chance.randbytes(chance.choice((1, 2, 8))) + data[at:]


# ------------------------------------------------------------------------------ journals


def mutate_journal(data: bytes, chance: Random) -> bytes:
    """Change, repeat or drop one of the JSON lines, or now and then bytes at random."""
    lines = data.split(b"\n")
    number = chance.randrange(len(lines))
    match chance.randrange(12):
        case 0:
            return damage(data, chance)
        case 1:
            lines.insert(number, chance.choice(lines))
        case 2:
            del lines[number]
        case _:
            lines[number] = _mutate_line(lines[number], chance)
    return b"\n".join(lines)


def _mutate_line(line: bytes, chance: Random) -> bytes:
    try:
        fields = json.loads(line)
    except ValueError:
        return damage(line, chance)
    for _ in range(chance.choice((1, 1, 2, 5))):
        fields = change(fields, chance)
    return json.dumps(fields, ensure_ascii=chance.random() < 0.5).encode("utf-8", "replace")


def change(value: Any, chance: Random) -> Any:
    """Change some part of a JSON value."""
    if value and isinstance(value, dict | list) and chance.random() < 0.9:
        return _change_fields(value, chance) if isinstance(value, dict) else _change_items(value, chance)
    if isinstance(value, int | float) and chance.random() < 0.6:
        return chance.choice(NUMBERS)
    return make_hostile(chance)


def _change_fields(value: dict[str, Any], chance: Random) -> dict[str, Any]:
    key = chance.choice(list(value))
    match chance.randrange(10):
        case 0:
            return {name: of for name, of in value.items() if name != key}
        case 1:
            return {**value, chance.choice(TEXTS): make_hostile(chance)}
    return {**value, key: change(value[key], chance)}


def _change_items(value: list[Any], chance: Random) -> list[Any]:
    at = chance.randrange(len(value))
    match chance.randrange(8):
        case 0:
            return value[:at] + value[at + 1 :]
        case 1:
            return value + value[at:]
        case 2:
            return value[::-1]
    return [*value[:at], change(value[at], chance), *value[at + 1 :]]


# --------------------------------------------------------------------------------- tables


def mutate_table(data: bytes, chance: Random) -> bytes:
    """Change, add or drop a cell, a column or a row of a CSV."""
    try:
        rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    except (ValueError, csv.Error):
        return damage(data, chance)
    if chance.randrange(10) == 0 or not rows:
        return damage(data, chance)
    for _ in range(chance.choice((1, 1, 2, 4))):
        _change_table(rows, chance)
    out = io.StringIO()
    csv.writer(out, lineterminator=chance.choice(("\n", "\r\n"))).writerows(rows)
    return out.getvalue().encode("utf-8", "replace")


def _change_table(rows: list[list[str]], chance: Random) -> None:
    row = chance.choice(rows)
    at = chance.randrange(len(row)) if row else 0
    match chance.randrange(9):
        case 0:
            rows.append(list(row))
        case 1 if len(rows) > 1:
            rows.remove(row)
        case 2:
            del row[at : at + 1]
        case 3:
            for each in rows:
                del each[at : at + 1]
        case 4:
            for each in rows:
                each.insert(at, chance.choice(TEXTS))
        case 5:
            row[at : at + 1] = [str(chance.choice(NUMBERS))]
        case _:
            row[at : at + 1] = [chance.choice(TEXTS)]


# ------------------------------------------------------------------------------- profiles


def mutate_profile(data: bytes, chance: Random) -> bytes:
    """Change, add or drop a value, a key or a table of a TOML."""
    lines = data.decode("utf-8", "replace").splitlines()
    if chance.randrange(8) == 0 or not lines:
        return damage(data, chance)
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(lines))
        key, equals, _value = lines[at].partition("=")
        match chance.randrange(8):
            case 0:
                lines.insert(at, lines[chance.randrange(len(lines))])
            case 1 if len(lines) > 1:
                del lines[at]
            case 2:
                lines.insert(at, f"[{_make_toml_key(chance)}.{_make_toml_key(chance)}]")
            case 3:
                lines.insert(at, f"{_make_toml_key(chance)} = {_write_toml(make_hostile(chance))}")
            case _ if equals:
                lines[at] = f"{key}= {_write_toml(make_hostile(chance))}"
            case _:
                lines.append(f"epochs = {_write_toml(make_hostile(chance))}")
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def _make_toml_key(chance: Random) -> str:
    names = ("model", "basic", "epochs", "batch_sizes", "loops", "models", "name", "seed", *TEXTS)
    return json.dumps(chance.choice(names))


def _write_toml(value: Any) -> str:
    """A value in TOML, or nearly."""
    if isinstance(value, list):
        return "[" + ", ".join(map(_write_toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_write_toml(of)}" for key, of in value.items()) + "}"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value) if value is not None else "{}"


# ---------------------------------------------------------------------------------- arrays

_SHAPES = (
    "3, 28, 28",
    "3,",
    "3, 4",
    "",
    "-1, 28, 28",
    "True, 28, 28",
    "1000000000000, 28, 28",
    f"0x{'f' * 5_000},",
    "'a',",
)
_TYPES = ("'|u1'", "'<f2'", "'<i8'", "'|O'", "'|S0'", "'|V3'", "5", "(1,)", "[('a', '|u1')]", "('|u1', (2,))")
_BROKEN = ("[" * 150, "-" * 9_000 + "1", "(\n", "{'a': 1L}", "{}", "'''", "__import__('os').getpid()", "1", "\x00")


def _make_header(chance: Random) -> str:
    if chance.randrange(3) == 0:
        return chance.choice(_BROKEN)
    order = chance.choice(("False", "False", "True", "1"))
    return f"{{'descr': {chance.choice(_TYPES)}, 'fortran_order': {order}, 'shape': ({chance.choice(_SHAPES)}), }}"


def mutate_npz(data: bytes, chance: Random) -> bytes:
    """Change a member, a header, the compression or a size of an archive of arrays."""
    if chance.randrange(4) == 0:
        return damage(data, chance)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(info.file_size for info in archive.infolist()) > 1 << 20:
                return damage(data, chance)
            members = {info.filename: archive.read(info) for info in archive.infolist()}
    except Exception:  # noqa: BLE001 - what a mutation before this one left is no archive any more
        return damage(data, chance)
    if not members:
        return damage(data, chance)
    name = chance.choice(list(members))
    match chance.randrange(6):
        case 0:
            members[name] = damage(members[name], chance)
        case 1:
            del members[name]
        case 2:
            members[chance.choice(TEXTS).replace("\x00", "") or "x"] = members[name]
        case 3:
            members[name] = members[chance.choice(list(members))]
        case _:
            members[name] = _make_array(chance) + members[name][128:]
    return _falsify_directory(_write_archive(members, chance), chance)


def _make_array(chance: Random) -> bytes:
    header = _make_header(chance).encode() + b"\n"
    version = chance.choice((1, 1, 1, 2, 3, 9))
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(header)) + header


def _write_archive(members: dict[str, bytes], chance: Random) -> bytes:
    out = io.BytesIO()
    kind = chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(out, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def _falsify_directory(data: bytes, chance: Random) -> bytes:
    """Now and then have the archive's directory declare another size, compression or flag than there is."""
    at = data.find(b"PK\x01\x02")
    if at < 0 or chance.randrange(3):
        return data
    offset, packed = chance.choice(((8, "<H"), (10, "<H"), (20, "<I"), (24, "<I"), (28, "<H"), (42, "<I")))
    largest = (1 << 8 * struct.calcsize(packed)) - 1
    value = chance.choice((0, 1, 8, 12, 14, 1 << 15, largest - 1, largest)) & largest
    return data[: at + offset] + struct.pack(packed, value) + data[at + offset + struct.calcsize(packed) :]


def mutate_idx(data: bytes, chance: Random) -> bytes:
    """Change the declared sizes of a gzipped IDX file."""
    try:
        plain = gzip.decompress(data)
    except Exception:  # noqa: BLE001 - as above
        return damage(data, chance)
    if chance.randrange(3) == 0 or len(plain) < 16:
        return damage(data, chance)
    at = 4 * chance.randrange(4)
    value = chance.choice((0, 1, 28, 0x0803, 0x0801, 1 << 20, 1 << 31, (1 << 32) - 1))
    return gzip.compress(plain[:at] + struct.pack(">I", value) + plain[at + 4 :], 1)
