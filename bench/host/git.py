"""Asks git about a checkout."""

import os
import subprocess
from pathlib import Path


class GitFailed(Exception):
    """Git gave no answer: the message is in git's own words, or says that it is missing or too slow."""


def is_checkout(folder: Path, *, seconds: float) -> bool:
    """Whether exactly this folder is the top of a git checkout of aebench. Raises `GitFailed` where git refuses it.

    The repository that an installed wheel lies in, committed there or not, is somebody else's.
    """
    return (folder / ".git").exists() and bool(ask(folder, "ls-files", "--", "aebench/__init__.py", seconds=seconds))


def ask(folder: Path, *arguments: str, seconds: float) -> str:
    """Run git in exactly this folder and return its output. Raises `GitFailed`.

    It runs no hooks and gets no Ctrl-C. The variables that git sets for a hook which called the harness are left out:
    they name another folder. Those of the user's configuration stay, since `safe.directory` may come with them.
    """
    folder = folder.resolve()
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith("GIT_CONFIG")
    }
    environ |= {"GIT_CEILING_DIRECTORIES": str(folder.parent), "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    command = ["git", "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=seconds,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise GitFailed("git is not installed, or not on PATH") from error
    except subprocess.TimeoutExpired as error:
        raise GitFailed(f"git gave no answer within {seconds:g} seconds") from error
    except OSError as error:
        raise GitFailed(f"git could not be started: {error.strerror or error}") from error
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()
        raise GitFailed(words or f"`git {arguments[0]}` ended with exit code {done.returncode}")
    return done.stdout.decode(errors="replace").strip()
