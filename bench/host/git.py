"""Asks git about a checkout."""

import os
import subprocess
from pathlib import Path


def ask(folder: Path, *arguments: str, seconds: float) -> str | None:
    """Run git in exactly this folder and return its output; None where it fails, is missing or takes too long.

    It runs no hooks, ignores the variables that git sets for a hook which called the harness, and gets no Ctrl-C.
    """
    folder = folder.resolve()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environ |= {"GIT_CEILING_DIRECTORIES": str(folder.parent), "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    command = ["git", "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=seconds,
            start_new_session=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace").strip()
