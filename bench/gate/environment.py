"""An environment of its own for a base that asks for other packages than this code does.

It holds what the base's pyproject.toml lists. The base's code is not installed: it comes from its worktree. What both
sides ask for in the same words gets the candidate's version where possible, so that a difference is the change's own
and not that of a release in between. An environment is kept in the cache folder of aebench, named by everything that
decides what is in it, so that the next base with the same list finds it there. That folder can safely be removed.
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
from bench.errors import strip_controls
from bench.gate import revision
from bench.host.signals import hold_signals

_LAST_LINES = 15
_COMPLETE = ".whole"
"""Written last: an environment without it was left by an interrupted installation."""
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


class EnvironmentFailed(Exception):
    """There is no environment for the base: the first line says why, the others are the installer's last ones."""


@dataclass(frozen=True)
class Environment:
    """A Python environment that is there."""

    python: str
    """Its interpreter."""
    versions: str
    """Those of its packages that measured processes run on, for people: "keras 3.13.2, numpy 2.1.0"."""


def prepare_environment(
    base: Path,
    candidate: Path,
    extras: Sequence[str],
    python: str,
    say: Callable[[str], None],
    environ: Mapping[str, str] = os.environ,
) -> Environment:
    """The environment for the checkout ``base``, made unless it is there; ``say`` prints what is being done.

    ``python`` is the interpreter that the checkout ``candidate`` runs on. Raises `EnvironmentFailed`.
    """
    asked = revision.read_dependencies(base, extras)
    same = set(revision.read_dependencies(candidate, extras))
    measured = sorted({revision.parse_name(each) for each in asked if revision.is_measured(each)})
    own = _ask_interpreter(python, measured)
    if own is None:
        raise EnvironmentFailed(f"{python} does not run")
    pins = sorted(
        f"{name}=={own.versions[name]}"
        for name in (revision.parse_name(each) for each in asked if each in same and revision.is_measured(each))
        if own.versions[name]
    )
    place = find.find_cache_folder() / "environments" / _hash_contents(asked, pins, own)
    inside = str(_locate_python(place))
    try:
        with _lock(place, say):
            if not (place / _COMPLETE).exists() or _ask_interpreter(inside, measured) is None:
                _Installation(place, python, sorted(asked), say, environ).make(pins)
    except OSError as error:
        raise EnvironmentFailed(f"{error.filename or place}: {error.strerror or error}") from error
    made = _ask_interpreter(inside, measured)
    if made is None:
        raise EnvironmentFailed("its interpreter does not run")
    return Environment(inside, ", ".join(f"{name} {made.versions[name] or 'absent'}" for name in measured))


@dataclass(frozen=True)
class _Interpreter:
    """What an interpreter says of itself."""

    version: str
    prefix: str
    """Folder of the installation that it comes from."""
    versions: dict[str, str | None]
    """Of the distributions that it was asked for."""


def _ask_interpreter(python: str, distributions: Sequence[str]) -> _Interpreter | None:
    """None where it does not run."""
    command = [python, "-I", "-c", _ASK, *distributions]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=60, stdin=subprocess.DEVNULL)
        answer: list[Any] = json.loads(done.stdout)
        return _Interpreter(*answer)
    except (OSError, subprocess.SubprocessError, ValueError, TypeError):
        return None


def _hash_contents(asked: Sequence[str], pins: Sequence[str], own: _Interpreter) -> str:
    """Sixteen hex digits over everything that decides what an environment holds."""
    decisive = json.dumps([sorted(asked), pins, own.version, own.prefix])
    return hashlib.sha256(decisive.encode()).hexdigest()[:16]


def _locate_python(place: Path) -> Path:
    return place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@contextmanager
def _lock(place: Path, say: Callable[[str], None]) -> Iterator[None]:
    """One run makes the environment, others wait for it. Raises `OSError`."""
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say("Another run makes this environment; waiting for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


# ---------------------------------------------------------------------------------------------------------- installing


@dataclass(frozen=True)
class _Installation:
    """Makes a virtual environment and fills it, with uv where there is one, else with venv and pip."""

    place: Path
    python: str
    requirements: Sequence[str]
    say: Callable[[str], None]
    environ: Mapping[str, str]

    @property
    def uv(self) -> str | None:
        """Its path."""
        return shutil.which("uv", path=self.environ.get("PATH"))

    def make(self, pins: Sequence[str]) -> None:
        """Make and fill it, without the pins if they cannot be met. Raises `EnvironmentFailed`, `OSError`."""
        tool = "uv" if self.uv else "pip"
        self.say(f"Making an environment for the base with {tool}, in {self.place}: it may take minutes.")
        try:
            self._create()
            try:
                self._install(pins)
            except EnvironmentFailed:
                if not pins:
                    raise
                self.say(f"It cannot be had with {', '.join(pins)}; trying without.")
                self._create()
                self._install(())
            (self.place / _COMPLETE).touch()
        except BaseException:
            with hold_signals():
                shutil.rmtree(self.place, ignore_errors=True)
            raise

    def _create(self) -> None:
        if self.place.exists():
            shutil.rmtree(self.place)
        if self.uv:
            self._run("uv venv", self.uv, "venv", "--python", self.python, str(self.place))
        else:
            self._run("python -m venv", self.python, "-I", "-m", "venv", str(self.place))

    def _install(self, pins: Sequence[str]) -> None:
        asked, bounds = self.place / "requirements.txt", self.place / "constraints.txt"
        asked.write_text("".join(f"{each}\n" for each in self.requirements), encoding="utf-8")
        bounds.write_text("".join(f"{each}\n" for each in pins), encoding="utf-8")
        inside, files = str(_locate_python(self.place)), ("--requirement", str(asked), "--constraint", str(bounds))
        if self.uv:
            self._run("uv pip install", self.uv, "pip", "install", "--python", inside, *files)
        else:
            self._run("pip install", inside, "-I", "-m", "pip", "install", "--no-input", *files)

    def _run(self, step: str, *command: str) -> None:
        """Run one step. Raises `EnvironmentFailed`, which names the step and has its last lines."""
        ours = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "VIRTUAL_ENV": str(self.place)}
        inherited = {name: value for name, value in self.environ.items() if name not in _DROPPED}
        try:
            done = subprocess.run(
                command,
                env={**inherited, **ours},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
            )
        except OSError as error:
            raise EnvironmentFailed(f"{step} could not be started: {error.strerror or error}") from error
        if done.returncode:
            last = strip_controls(done.stdout.decode(errors="replace")).strip().splitlines()[-_LAST_LINES:]
            raise EnvironmentFailed("\n".join([f"{step} ended with exit code {done.returncode}", *last]))
