"""Revisions of this checkout: which one a change is held against, its code in a folder of its own, its dependencies."""

import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.errors import InvalidInput
from bench.host import git
from bench.host.signals import hold_signals
from bench.plan import catalog

_SECONDS = 120.0
"""That git is given: a worktree on a slow disk takes a while."""
_DEFAULT_BRANCHES = ("origin/HEAD", "origin/main", "origin/master", "main", "master")
_SHORT = 9
_MEASURED = frozenset({"keras", "numpy", *catalog.backends()})
_NAME = re.compile(r"[^a-z0-9_.-]")


def resolve(root: Path, revision: str | None) -> str:
    """The commit that ``revision`` names, else the merge base of HEAD and the default branch. Raises `InvalidInput`."""
    if _git(root, "ls-files", "--error-unmatch", "bench/__init__.py") is None:
        raise InvalidInput(
            f"{root} is no git checkout of the harness, so there is no other revision; run it from one, or name two "
            "environments with --base-python and --candidate-python."
        )
    if revision is not None:
        commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if commit is None:
            raise InvalidInput(
                f"--base takes a revision that git knows here; got {revision!r}. In a shallow clone, fetch more first."
            )
        return commit
    for branch in _DEFAULT_BRANCHES:
        commit = _git(root, "merge-base", "HEAD", branch)
        if commit is not None:
            return commit
    raise InvalidInput(f"no merge base with any of {', '.join(_DEFAULT_BRANCHES)}; name one with --base REVISION.")


def short(commit: str) -> str:
    """A commit as people read it."""
    return commit[:_SHORT]


@contextmanager
def checked_out(root: Path, commit: str) -> Iterator[Path]:
    """The commit's files in a git worktree, which is gone when the context is left. Raises `InvalidInput`."""
    folder = Path(tempfile.mkdtemp(prefix="aebench-base-"))
    place = folder / short(commit)
    try:
        if _git(root, "worktree", "add", "--detach", "--quiet", str(place), commit) is None:
            raise InvalidInput(f"git could not check out {short(commit)} into {place}; is the disk full?")
        yield place
    finally:
        with hold_signals():
            _git(root, "worktree", "remove", "--force", str(place))
            shutil.rmtree(folder, ignore_errors=True)
            _git(root, "worktree", "prune")


def changed_dependencies(base: Path, candidate: Path, backends: Sequence[str]) -> list[str]:
    """What only one of two checkouts' pyproject.toml asks for, as "base: keras>=3.13" or "candidate: …".

    Of what a measured process of those backends runs on: the parent is the candidate's for both sides.
    """
    before, after = ({name for name in dependencies(root, backends) if is_measured(name)} for root in (base, candidate))
    return [f"base: {name}" for name in sorted(before - after)] + [
        f"candidate: {name}" for name in sorted(after - before)
    ]


def dependencies(root: Path, extras: Sequence[str]) -> list[str]:
    """What a checkout's pyproject.toml asks for, with those extras; nothing where it cannot be read."""
    try:
        project: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    except (OSError, ValueError, KeyError):
        return []
    optional = project.get("optional-dependencies", {})
    return [*project.get("dependencies", ()), *(name for extra in extras for name in optional.get(extra, ()))]


def is_measured(requirement: str) -> bool:
    """Whether a measured process runs on what a requirement names."""
    return distribution(requirement) in _MEASURED


def distribution(requirement: str) -> str:
    """The name of what a requirement asks for, in small letters."""
    return _NAME.split(requirement.lower(), maxsplit=1)[0]


def _git(root: Path, *arguments: str) -> str | None:
    return git.ask(root, *arguments, seconds=_SECONDS)
