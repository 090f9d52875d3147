"""The arrays of an .npz archive, which may be a stranger's: bounded by what it declares, never unpickled."""

import gzip
import lzma
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from bench.errors import InvalidInput

Arrays = dict[str, npt.NDArray[Any]]
Shape = tuple[int, ...]
HeaderCheck = Callable[[str, Shape, np.dtype[Any]], None]
"""Is called with an array's name, shape and dtype before the array is read; raises InvalidInput to refuse it."""

DAMAGE = (OSError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, RuntimeError, struct.error)
"""What reading a damaged file may raise."""
LONGEST_REASON = 200
"""Characters of such an error's own words that a message quotes."""
_MAX_DIRECTORY_BYTES = 1 << 20
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What np.savez and np.savez_compressed write; other kinds may ask for gigabytes before a byte comes out."""
_PICKLE = "a pickle"
_SIGNATURES = {
    b"\x93NUMPY": "a single .npy array",
    b"\x80": _PICKLE,
    b"PAR1": "a Parquet file",
    b"\x89HDF": "an HDF5 file",
    b"<": "a web page or XML, perhaps what a failed download left",
}


def read_arrays(path: Path, checks: Mapping[str, HeaderCheck], *, required: Sequence[str], max_bytes: int) -> Arrays:
    """Read those arrays of an .npz archive that ``checks`` names, as far as they are there; others are never unpacked.

    The archive may neither have nor declare more than ``max_bytes``. Raises InvalidInput, which does not name the file.
    """
    _check_is_archive(path, required, max_bytes)
    try:
        with zipfile.ZipFile(path) as archive:
            members = _select_members(archive, checks, required, max_bytes)
            for name, member in members.items():
                _check_header(archive, member, name, checks[name])
            return {name: _read_array(archive, member) for name, member in members.items()}
    except DAMAGE as error:
        raise InvalidInput(f"the archive cannot be read ({error}); fetch or save it again") from error


def _check_is_archive(path: Path, required: Sequence[str], max_bytes: int) -> None:
    """A zip begins with its magic and ends with its directory: with only the first, it was cut off."""
    start = _read_start(path)
    if (size := path.stat().st_size) > max_bytes:
        raise InvalidInput(f"has {size:,} bytes; at most {max_bytes:,} are read")
    if zipfile.is_zipfile(path):
        _check_directory(path)
        return
    if start.startswith(b"PK"):
        raise InvalidInput("the archive is cut off or damaged; fetch or save it again")
    raise InvalidInput(f"not an .npz archive but {_describe_start(path, start, required)}")


def _check_directory(path: Path) -> None:
    """An archive's directory is read whole before anything else, so its declared size must be small.

    The last record of a zip has it at byte 12 (APPNOTE.TXT 4.3.16); a longer form is for more than our arrays need.
    """
    with path.open("rb") as stream:
        stream.seek(-min(path.stat().st_size, 22 + 0xFFFF + 20), os.SEEK_END)
        tail = stream.read()
    last = tail.rfind(b"PK\x05\x06")
    size = struct.unpack_from("<I", tail, last + 12)[0] if 0 <= last <= len(tail) - 22 else None
    if size is None or size > _MAX_DIRECTORY_BYTES or tail[max(0, last - 20) : last].startswith(b"PK\x06\x07"):
        raise InvalidInput("not an .npz archive of a few arrays; expected what np.savez writes")


def _read_start(path: Path) -> bytes:
    try:
        if not path.exists():
            raise InvalidInput("no such file")
        if not path.is_file():  # a folder cannot be read, a pipe might wait for ever
            raise InvalidInput("not a file; expected an .npz archive")
        with path.open("rb") as stream:
            return stream.read(8)
    except OSError as error:
        raise InvalidInput(f"cannot be read ({error.strerror})") from error


def _describe_start(path: Path, start: bytes, required: Sequence[str]) -> str:
    """What a file is, by how it begins and what it is called, and what to do."""
    packed = "a gzip file of " if start.startswith(b"\x1f\x8b") else ""
    if packed:
        with suppress(*DAMAGE), gzip.open(path) as stream:
            start = stream.read(8)
    known = (kind for signature, kind in _SIGNATURES.items() if start.startswith(signature))
    kind = next(known, f"something that begins with {start!r}" if start else "an empty file")
    if kind == _PICKLE or {".pkl", ".pickle"} & set(path.suffixes):
        return (
            f"{packed}{_PICKLE}, which is never loaded, since loading one can run any code. If you trust it, load it"
            f" yourself and save {', '.join(required)} with np.savez; Keras' mnist.npz has the same images"
        )
    return f"{packed}{kind}; expected what np.savez writes"


def _select_members(
    archive: zipfile.ZipFile, wanted: Iterable[str], required: Sequence[str], max_bytes: int
) -> dict[str, zipfile.ZipInfo]:
    declared = sum(info.file_size for info in archive.infolist())
    if declared > max_bytes:
        raise InvalidInput(f"declares {declared:,} bytes unpacked; at most {max_bytes:,} are read")
    if any(info.compress_type not in _COMPRESSIONS for info in archive.infolist()):
        raise InvalidInput("compressed otherwise than np.savez_compressed does; save it again")
    there = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    if there and not any(info.filename.endswith(".npy") for info in archive.infolist()):
        found = ", ".join(map(ascii, sorted(there)[:8]))
        raise InvalidInput(f"an archive of {found}, not of arrays: unpack it and name the folder")
    missing = [name for name in required if name not in there]
    if missing:
        found = ", ".join(map(ascii, sorted(there)[:8])) or "nothing"
        raise InvalidInput(f"without {', '.join(missing)}; it has {found}. Expected the arrays {', '.join(required)}")
    return {name: there[name] for name in wanted if name in there}


def _check_header(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, check: HeaderCheck) -> None:
    with archive.open(member) as stream:
        shape, dtype = _read_header(name, stream)
        if dtype.hasobject:
            raise InvalidInput(
                f"{name} holds pickled objects, which may run code when loaded: refused, not loaded."
                " Save it as a plain uint8 array"
            )
        check(name, shape, dtype)
        if stream.tell() + math.prod(shape) * dtype.itemsize != member.file_size:
            raise InvalidInput(f"{name} declares {shape} {dtype} but holds another number of bytes; save it again")


def _read_header(name: str, stream: IO[bytes]) -> tuple[Shape, np.dtype[Any]]:
    """Read an array's header alone (format 3.0 is for structured arrays only, which none of ours is)."""
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        shape, _, dtype = readers[np.lib.format.read_magic(stream)](stream)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError):
        raise  # of the archive, not of the array
    except Exception as error:  # NumPy's parser is Python's own, which breaks in many ways
        why = f"{type(error).__name__}: {error}"[:LONGEST_REASON]
        raise InvalidInput(f"{name} is not a NumPy array ({why}); expected what np.savez writes") from error
    return shape, dtype


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> npt.NDArray[Any]:
    with archive.open(member) as stream:
        array: npt.NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return array
