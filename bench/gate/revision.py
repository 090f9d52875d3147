"""The base of a comparison: which revision it is, its code in a folder of its own, and its dependencies."""

import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import InvalidInput
from bench.host import git
from bench.host.signals import hold_signals
from bench.plan import catalog

_SECONDS = 120.0
"""Time that git gets: a worktree on a slow disk takes a while."""
_DEFAULT_BRANCHES = ("origin/HEAD", "origin/main", "origin/master", "main", "master")
_SHORT = 9
"""Characters of a commit that people read."""
_MEASURED = frozenset({"keras", "numpy", *catalog.read_backends()})
"""Packages that a measured process runs on."""
_NAME = re.compile(r"[^a-z0-9_.-]")


@dataclass(frozen=True)
class Base:
    """The revision that a candidate is compared with."""

    commit: str
    origin: str
    """What it is: "what --base main names", "the merge base of HEAD and origin/main"."""


def find_base(root: Path, revision: str | None) -> Base:
    """The commit that ``revision`` names, else the merge base of HEAD and the default branch. Raises `InvalidInput`."""
    _check_checkout(root)
    if revision is not None:
        commit = _find(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if commit is None:
            raise InvalidInput(f"--base takes a revision that git knows here; got {revision!r}.{explain_shallow(root)}")
        return Base(commit, f"what --base {revision} names")
    for branch in _DEFAULT_BRANCHES:
        commit = _find(root, "merge-base", "HEAD", branch)
        if commit is not None:
            return Base(commit, f"the merge base of HEAD and {branch}")
    tried = ", ".join(_DEFAULT_BRANCHES)
    raise InvalidInput(f"no merge base with any of {tried}; name one with --base REVISION.{explain_shallow(root)}")


def _check_checkout(root: Path) -> None:
    """Raise `InvalidInput` where git knows nothing of the harness here, in its own words where it has any."""
    otherwise = "name two environments with --base-python and --candidate-python"
    try:
        if git.is_checkout(root, seconds=_SECONDS):
            return
    except git.GitFailed as error:
        raise InvalidInput(f"{root} is a git checkout, but git does not read it: {error}\nOr {otherwise}.") from error
    raise InvalidInput(
        f"{root} is no git checkout of aebench, so there is no other revision; run it from one, or {otherwise}."
    )


def explain_shallow(root: Path) -> str:
    """A sentence for where the clone lacks older commits, with a space before it; empty where it has all."""
    if _find(root, "rev-parse", "--is-shallow-repository") != "true":
        return ""
    return (
        " This clone is shallow, so older commits are missing: `git fetch --unshallow` gets them, in GitHub Actions "
        "`fetch-depth: 0` for actions/checkout."
    )


def shorten(commit: str) -> str:
    """A commit as people read it."""
    return commit[:_SHORT]


@contextmanager
def check_out(root: Path, commit: str) -> Iterator[Path]:
    """The commit's files in a git worktree, which is gone when the context is left. Raises `InvalidInput`."""
    folder = Path(tempfile.mkdtemp(prefix="aebench-base-"))
    place = folder / shorten(commit)
    try:
        try:
            _ask_git(root, "worktree", "add", "--detach", "--quiet", str(place), commit)
        except git.GitFailed as error:
            raise InvalidInput(f"git could not check out {shorten(commit)} into {place}: {error}") from error
        yield place
    finally:
        with hold_signals():
            _find(root, "worktree", "remove", "--force", str(place))
            shutil.rmtree(folder, ignore_errors=True)
            _find(root, "worktree", "prune")


def compare_dependencies(base: Path, candidate: Path, backends: Sequence[str]) -> list[str]:
    """Requirements that only one of two checkouts' pyproject.toml has, as "base: keras>=3.13" or "candidate: …".

    Only those that a measured process of these backends runs on: the parent process is the candidate's for both sides.
    """
    before, after = (set(filter(is_measured, read_dependencies(root, backends))) for root in (base, candidate))
    lines = [f"base: {name}" for name in sorted(before - after)]
    return lines + [f"candidate: {name}" for name in sorted(after - before)]


def read_dependencies(root: Path, extras: Sequence[str]) -> list[str]:
    """The requirements in a checkout's pyproject.toml, with those extras; none where it cannot be read."""
    try:
        project: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    except (OSError, ValueError, KeyError):
        return []
    optional = project.get("optional-dependencies", {})
    return [*project.get("dependencies", ()), *(name for extra in extras for name in optional.get(extra, ()))]


def is_measured(requirement: str) -> bool:
    """Whether a measured process runs on the package that a requirement names."""
    return parse_name(requirement) in _MEASURED


def parse_name(requirement: str) -> str:
    """The name of the package that a requirement asks for, in small letters."""
    return _NAME.split(requirement.lower(), maxsplit=1)[0]


def _find(root: Path, *arguments: str) -> str | None:
    """Git's answer; None where it has none, which is an answer too."""
    try:
        return _ask_git(root, *arguments)
    except git.GitFailed:
        return None


def _ask_git(root: Path, *arguments: str) -> str:
    return git.ask(root, *arguments, seconds=_SECONDS)
