"""Whole sweeps on the executor that plays a script: asked for, measured, resumed."""

import io
import json
from typing import Any

from rich.console import Console

from bench.results.folder import ReportFolder
from bench.sweep.flags import SweepRequest
from bench.sweep.run import run_sweep

PROFILE: dict[str, Any] = {"models": ["basic", "deep", "sparse"], "epochs": [1, 4], "batch_sizes": [4], "repeats": 1}
"""A fixed design: without `repeats` it would have the minutes of `quick`."""


def request(folder: ReportFolder, **changes: Any) -> SweepRequest:
    fields: dict[str, Any] = {
        "profile": "quick",
        "overrides": PROFILE,
        "data": None,
        "offline": True,
        "out": folder.root,
        "resume": False,
    }
    return SweepRequest(**fields | changes)


def measured(folder: ReportFolder, **changes: Any) -> tuple[int, str]:
    """The exit code, and what was printed into a pipe of that console and of standard output."""
    out = io.StringIO()
    code = run_sweep(request(folder, **changes), Console(file=out, width=160))
    return code, out.getvalue()


def resumed(folder: ReportFolder, **flags: Any) -> tuple[int, str]:
    """As `aebench run --resume --out DIR`."""
    return measured(folder, profile=None, overrides=flags, resume=True)


def status(folder: ReportFolder) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(folder.status.read_text())
    return found
