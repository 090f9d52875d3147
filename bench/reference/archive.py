"""The files of a report that is handed in, from an archive or a folder: read into memory, each up to a bound."""

import gzip
import io
import stat
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from bench.errors import InvalidInput, quote
from bench.results.folder import ReportFolder
from bench.results.reader import MAX_BYTES

NAMES = ("results.csv", "epochs.csv.gz", "environment.json", "report.md", "report.html")
"""What an archive and a committed folder hold, in this order."""
_MAX_PACKED = 16 << 20
_MAX_TEXT = 8 << 20


def read_files(path: Path) -> dict[str, bytes]:
    """Read a report's files by their names, epochs unpacked as epochs.csv.

    Raises `InvalidInput` where something is no such report, too large, or a link.
    """
    try:
        is_folder = path.is_dir()
    except OSError:  # a name too long: reading it says so
        is_folder = False
    if is_folder:
        return _read_folder(ReportFolder(path))
    if path.name.endswith((".tar.gz", ".tgz")):
        return _read_archive(_read_bounded(path, _MAX_PACKED), path)
    return {"results.csv": _read_bounded(path, MAX_BYTES)}


def pack_epochs(files: Mapping[str, bytes], path: Path) -> dict[str, bytes]:
    """Return the files as they are handed in and kept, epochs packed: of the same report the same bytes.

    Raises `InvalidInput` where one is missing.
    """
    plain = {name: name.removesuffix(".gz") for name in NAMES}
    if missing := [name for name in plain.values() if name not in files]:
        raise InvalidInput(f"{quote(path)} lacks {', '.join(missing)}; `aebench report DIR` writes them again.")
    return {
        name: files[source] if name == source else gzip.compress(files[source], mtime=0)
        for name, source in plain.items()
    }


def _read_folder(folder: ReportFolder) -> dict[str, bytes]:
    found = {"results.csv": _read_bounded(folder.results, MAX_BYTES)}
    packed = folder.root / "epochs.csv.gz"
    if packed.exists():
        found["epochs.csv"] = _unpack(_read_bounded(packed, _MAX_PACKED), MAX_BYTES, packed)
    elif folder.epochs.exists():
        found["epochs.csv"] = _read_bounded(folder.epochs, MAX_BYTES)
    for file in (folder.environment, folder.report, folder.page):
        if file.exists():
            found[file.name] = _read_bounded(file, _MAX_TEXT)
    return found


def _read_bounded(path: Path, most: int) -> bytes:
    """All bytes of a regular file, of ``most`` bytes at most."""
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise InvalidInput(f"{quote(path)} is a link or no file: expected a regular file.")
        with path.open("rb") as stream:
            data = stream.read(most + 1)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{quote(path)} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if len(data) > most:
        raise InvalidInput(f"{quote(path)} is larger than {most >> 20} MiB, which no such file of a report is.")
    return data


def _unpack(data: bytes, most: int, path: Path) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            unpacked = stream.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInput(f"{quote(path)} is not gzip, or was cut short. Copy it again.") from error
    if len(unpacked) > most:
        raise InvalidInput(f"{quote(path)} unpacks to more than {most >> 20} MiB, which no report does.")
    return unpacked


def _read_archive(data: bytes, path: Path) -> dict[str, bytes]:
    """Nothing is written: members are read into memory, by the few names that are expected."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(_unpack(data, 2 * MAX_BYTES, path)), mode="r:") as archive:
            for member in archive:
                plain = member.type in {tarfile.REGTYPE, tarfile.AREGTYPE} and not member.issparse()
                if member.name not in NAMES or not plain or member.size > MAX_BYTES or member.name in found:
                    expected = f"expected these files, each once: {', '.join(NAMES)}"
                    raise InvalidInput(f"{quote(path)} holds {quote(member.name, 60)!r}; {expected}.")
                stream = archive.extractfile(member)
                found[member.name] = stream.read() if stream else b""
    except (tarfile.TarError, ValueError, EOFError, OSError, RecursionError) as error:
        raise InvalidInput(f"{quote(path)} is not an archive of `aebench submit`: {quote(error, 100)}.") from error
    if "results.csv" not in found:
        raise InvalidInput(f"{quote(path)} holds no results.csv: expected an archive of `aebench submit`.")
    if "epochs.csv.gz" in found:
        found["epochs.csv"] = _unpack(found.pop("epochs.csv.gz"), MAX_BYTES, path)
    return found
