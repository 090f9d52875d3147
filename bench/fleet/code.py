"""Which code a machine of the fleet runs, and whether that is home's."""

import hashlib
from collections.abc import Iterator

from bench import __version__
from bench.fleet.messages import PROTOCOL, Code
from bench.host.fingerprint import Fingerprint, read_git_state
from bench.launch import ROOT


def read_code() -> Code:
    """Describe the code that runs here."""
    files = sorted(path for name in ("bench", "models") for path in (ROOT / name).rglob("*.py"))
    sources = hashlib.sha256()
    for path in files:
        sources.update(f"{path.relative_to(ROOT).as_posix()}\n".encode() + path.read_bytes())
    lock = ROOT / ".ci" / "requirements.txt"
    return Code(
        protocol=PROTOCOL,
        version=__version__,
        commit=read_git_state(ROOT).commit,
        sources=sources.hexdigest(),
        lock=hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else None,
    )


def list_differences(here: Code, there: Code) -> Iterator[str]:
    """Say in what the code there is another one, one fact each."""
    if here.version != there.version:
        yield f"aebench {there.version} there, {here.version} here"
    if here.commit and there.commit and here.commit != there.commit:
        yield f"commit {there.commit[:12]} there, {here.commit[:12]} here"
    elif here.sources != there.sources:
        yield f"other source files of aebench {here.version}"
    if here.lock and there.lock and here.lock != there.lock:
        yield "another lock (.ci/requirements.txt)"


def list_other_libraries(known: dict[str, str], there: Fingerprint, backends: tuple[str, ...]) -> Iterator[str]:
    """Say which libraries have another version there than is known; those that are not known yet become so.

    NumPy may be another one, as Python may: not every version of it is there for every Python, and training uses it for
    the images alone.
    """
    for name in ("keras", *backends):
        version = getattr(there, name)
        if version is not None and known.setdefault(name, version) != version:
            yield f"{name} {version} there, {known[name]} in the rest of the fleet"
