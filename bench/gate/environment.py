"""An environment of its own for a base that asks for other packages than this code does.

It holds what the base's pyproject.toml lists, and not the base itself: code comes from its worktree. What both ask for
in the same words gets the version that the candidate has, as far as it can, so that a difference is the change's and
not that of a release in between. An environment is kept in the harness' cache folder, named by all that decides what is
in it: the next base with the same list finds it there. Removing that folder is safe.
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bench.datasets import find
from bench.errors import printable
from bench.gate import revision
from bench.host.signals import hold_signals

_LAST_LINES = 15
_WHOLE = ".whole"
"""Written last: an environment without it is what an interrupted installation has left."""
_DROPPED = frozenset({"PYTHONPATH", "PYTHONHOME"})
"""With these an installer would see the packages of this environment."""
_ASK = """
import importlib.metadata, json, sys

def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None

print(json.dumps([sys.version, sys.base_prefix, {name: version(name) for name in sys.argv[1:]}]))
"""


class NotMade(Exception):
    """No environment for the base: the first line says why, the others are the installer's last ones."""


@dataclass(frozen=True)
class Environment:
    """One that is there."""

    python: str
    """Its interpreter."""
    versions: str
    """What of it measured processes run on, for people: "keras 3.13.2, numpy 2.1.0"."""


def prepared(
    base: Path,
    candidate: Path,
    extras: Sequence[str],
    python: str,
    tell: Callable[[str], None],
    environ: Mapping[str, str] = os.environ,
) -> Environment:
    """An environment for the checkout ``base``, made where there is none yet; ``tell`` hears what is being done.

    ``python`` is the interpreter that the checkout ``candidate`` runs on. Raises `NotMade`.
    """
    asked, same = revision.dependencies(base, extras), set(revision.dependencies(candidate, extras))
    measured = sorted({revision.distribution(each) for each in asked if revision.is_measured(each)})
    facts = _facts(python, measured)
    if facts is None:
        raise NotMade(f"{python} does not run")
    pins = sorted(
        f"{name}=={facts.versions[name]}"
        for name in (revision.distribution(each) for each in asked if each in same and revision.is_measured(each))
        if facts.versions[name]
    )
    place = find.find_cache_folder() / "environments" / _key(asked, pins, facts)
    try:
        with _locked(place, tell):
            if not (place / _WHOLE).exists() or _facts(str(_python(place)), measured) is None:
                _Making(place, python, sorted(asked), pins, tell, environ).carry_out()
    except OSError as error:
        raise NotMade(f"{error.filename or place}: {error.strerror or error}") from error
    made = _facts(str(_python(place)), measured)
    if made is None:
        raise NotMade("its interpreter does not run")
    return Environment(str(_python(place)), ", ".join(f"{name} {made.versions[name] or 'absent'}" for name in measured))


@dataclass(frozen=True)
class _Facts:
    """What an interpreter says of itself."""

    version: str
    prefix: str
    """Folder of the installation that it comes from."""
    versions: dict[str, str | None]
    """Of the distributions that it was asked for."""


def _facts(python: str, distributions: Sequence[str]) -> _Facts | None:
    """None where it does not run."""
    command = [python, "-I", "-c", _ASK, *distributions]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=60, stdin=subprocess.DEVNULL)
        told: list[Any] = json.loads(done.stdout)
        return _Facts(*told)
    except (OSError, subprocess.SubprocessError, ValueError, TypeError):
        return None


def _key(asked: Sequence[str], pins: Sequence[str], facts: _Facts) -> str:
    """Sixteen hex digits over all that decides what an environment holds."""
    decisive = json.dumps([sorted(asked), pins, facts.version, facts.prefix])
    return hashlib.sha256(decisive.encode()).hexdigest()[:16]


def _python(place: Path) -> Path:
    return place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@contextmanager
def _locked(place: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """One run makes it, others wait. Raises `OSError`."""
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        tell("Another run makes this environment; waiting for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


# ------------------------------------------------------------------------------------------------------------ making it


@dataclass(frozen=True)
class _Making:
    """An environment that is to be made."""

    place: Path
    python: str
    requirements: Sequence[str]
    pins: Sequence[str]
    tell: Callable[[str], None]
    environ: Mapping[str, str]

    def carry_out(self) -> None:
        """Make and fill it, without the pins where it cannot be had with them. Raises `NotMade`, `OSError`."""
        try:
            try:
                self._made(self.pins)
            except NotMade:
                if not self.pins:
                    raise
                self.tell(f"It cannot be had with {', '.join(self.pins)}; trying without.")
                self._made(())
        except BaseException:
            with hold_signals():
                shutil.rmtree(self.place, ignore_errors=True)
            raise

    def _made(self, pins: Sequence[str]) -> None:
        if self.place.exists():
            shutil.rmtree(self.place)
        uv = shutil.which("uv", path=self.environ.get("PATH"))
        self.tell(
            f"Making an environment for the base with {'uv' if uv else 'pip'}, in {self.place}: it may take minutes."
        )
        self._run([uv, "venv", "--python", self.python] if uv else [self.python, "-I", "-m", "venv"], str(self.place))
        asked, bounds = self.place / "requirements.txt", self.place / "constraints.txt"
        asked.write_text("".join(f"{each}\n" for each in self.requirements), encoding="utf-8")
        bounds.write_text("".join(f"{each}\n" for each in pins), encoding="utf-8")
        inside = str(_python(self.place))
        command = (
            [uv, "pip", "install", "--python", inside] if uv else [inside, "-I", "-m", "pip", "install", "--no-input"]
        )
        self._run(command, "--requirement", str(asked), "--constraint", str(bounds))
        (self.place / _WHOLE).touch()

    def _run(self, command: Sequence[str], *arguments: str) -> None:
        """Run an installer. Raises `NotMade` with its last lines."""
        whole = [*command, *arguments]
        name = Path(command[0]).stem if "uv" in Path(command[0]).stem else "pip"
        ours = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "VIRTUAL_ENV": str(self.place)}
        inherited = {name: value for name, value in self.environ.items() if name not in _DROPPED}
        try:
            done = subprocess.run(
                whole,
                env={**inherited, **ours},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
            )
        except OSError as error:
            raise NotMade(f"{name} could not be started: {error.strerror or error}") from error
        if done.returncode:
            last = printable(done.stdout.decode(errors="replace")).strip().splitlines()[-_LAST_LINES:]
            raise NotMade("\n".join([f"{name} ended with exit code {done.returncode}", *last]))
