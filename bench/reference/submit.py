"""`aebench submit`: packs a report into one archive to hand in. Uploads nothing."""

import functools
import getpass
import gzip
import io
import platform
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import Console

from bench.console.output import make_console, say
from bench.errors import ExitCode, InvalidInput, quote
from bench.host.fingerprint import Fingerprint
from bench.launch import ROOT
from bench.reference.archive import pack_epochs, read_files
from bench.reference.verify import judge_report, say_verdict
from bench.results import reader
from bench.results.schema import ResultRow

_COMMON = {"root", "user", "admin", "localhost", "ubuntu", "debian", "runner"}
"""Names that tell nobody from another."""
_OWN = [ROOT / "bench", ROOT / "models"]
"""Folders of what every report says, whoever made it: models, settings, sentences."""
_SHORTEST = 3
_PATH = re.compile(r"(?<![\w+/=.:])(?:/(?:home|Users|root|tmp|var/folders)/|[A-Za-z]:\\Users\\)[^\s\"'<>,]+")


def submit(folder: Path, out: Path | None = None, console: Console | None = None) -> int:
    """Check a report folder, show what it says of the machine and write the archive; returns the exit code.

    Raises `InvalidInput` where the folder is no report, names a person, host or path, or ``out`` exists.
    """
    console = console or make_console()
    if not folder.is_dir():
        raise InvalidInput(f"{quote(folder)} is no folder: expected a report folder of aebench.")
    name = folder.resolve().name
    place = out or Path(f"{name}.tar.gz")
    if place.exists():
        raise InvalidInput(f"{quote(place)} exists already; name another file with --out.")
    if not place.name.endswith((".tar.gz", ".tgz")):
        raise InvalidInput(f"--out takes a name that ends in .tar.gz; got {quote(place)}.")
    files = read_files(folder)
    members = pack_epochs(files, folder)
    if found := next(find_personal(files, list_personal(folder)), None):
        raise InvalidInput(f"Not packed: {found}. Nothing that names a person, a host or a path is handed in.")
    verdict = judge_report(files, folder)
    say_verdict(console, folder, verdict)
    if verdict.reasons:
        say(console, "Nothing was written: the collection would refuse it.")
        return ExitCode.REGRESSION
    packed = _pack(members)
    try:
        place.write_bytes(packed)
    except OSError as error:
        raise InvalidInput(f"--out {quote(place)} cannot be written: {error.strerror or error}.") from error
    _show(console, files, folder)
    say(
        console,
        f"Archive: {quote(place)}, {len(packed):,} bytes. Nothing was uploaded: docs/submitting.md says where to.",
    )
    return ExitCode.OK


def list_personal(folder: Path) -> list[str]:
    """List the texts that may not be in an archive from here: host name, user, home and the folder's path.

    A name that is a word of aebench's own, such as adam or deep, is left out: only as a part of a path it tells
    something, and every path is found anyway.
    """
    host = platform.node()
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = ""
    names = {name for name in (host, host.split(".")[0], user) if len(name) >= _SHORTEST and name not in _COMMON}
    names = {name for name in names if not _has_word(_read_own_text(), name)}
    return sorted(names | {str(path) for path in (Path.home(), folder.resolve().parent) if len(path.parts) > 2})


@functools.cache
def _read_own_text() -> str:
    files = [file for folder in _OWN for file in folder.rglob("*") if file.is_file() and file.suffix != ".pyc"]
    return "\n".join(text for file in files for text in (file.stem, file.read_text(encoding="utf-8", errors="replace")))


def _has_word(text: str, word: str) -> bool:
    # Pictures are base64: a short name within one is chance.
    return bool(re.search(rf"(?<![\w+/=-]){re.escape(word)}(?![\w+=-])", text))


def find_personal(files: Mapping[str, bytes], personal: list[str]) -> Iterator[str]:
    """Find what names a person, host or path, each as "results.csv names 'x'"."""
    for name, data in files.items():
        text = data.decode("utf-8", "replace")
        for each in personal:
            if _has_word(text, each):
                yield f"{name} names {quote(each, 100)!r}"
        if path := _PATH.search(text):
            yield f"{name} names the path {quote(path[0], 100)!r}"


def _pack(members: Mapping[str, bytes]) -> bytes:
    """The same bytes of the same report, whoever packs it and when."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return gzip.compress(plain.getvalue(), mtime=0)


def _show(console: Console, files: Mapping[str, bytes], folder: Path) -> None:
    """Print each file with its size, and each fact of the machine with what it means."""
    for name, data in files.items():
        say(console, f"  {name}: {len(data):,} bytes")
    report, columns = reader.parse_report(files["results.csv"], folder)
    say(console, "What it says of the machine:")
    for name, field in Fingerprint.model_fields.items():
        if (value := getattr(report.fingerprint, name)) is not None:
            say(console, f"  {name}: {quote(value, 100)} ({field.description})")
    for name in ("machine_id", "environment_id", "started_at", "git_commit"):
        say(console, f"  {name}: {quote(columns[name][0], 100)} ({ResultRow.model_fields[name].description})")
