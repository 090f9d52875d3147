"""The flags of `aebench run`, validated: their lists, which of them go together, each as a field of a profile.

What such a field may be is the same in a flag and in a TOML file: `bench.plan.profile.Profile`.
"""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import InvalidInput, split_list
from bench.plan.mistakes import make_flag
from bench.plan.profile import Profile, change_profile, list_published_batch_sizes, read_profile
from bench.results.folder import ReportFolder
from bench.sweep.session import read_stored_profile

_DEFAULT_PROFILE = "quick"
_NAMES = {"models", "backends", "loops", "precisions"}
_NUMBERS = {"epochs", "batch_sizes", "threads"}
_LEAST_LEFT_S = 6.0
"""A tenth of a minute: less is too short for a process."""


def parse_fields(**flags: str | float | None) -> dict[str, Any]:
    """Return the profile fields that flags set; None is a flag that was not given. Raises `InvalidInput`."""
    fields: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
    names = {name: split_list(fields[name]) for name in _NAMES & fields.keys()}
    numbers = {name: _parse_numbers(name, fields[name]) for name in _NUMBERS & fields.keys()}
    return fields | names | numbers


def _parse_numbers(name: str, text: str) -> list[int]:
    try:
        return [int(part) for part in split_list(text)]
    except ValueError as error:
        example = "whole numbers with commas between them, such as 50,100,500"
        raise InvalidInput(f"{make_flag(name)} takes {example}; got {text!r}.") from error


@dataclass(frozen=True)
class SweepRequest:
    """What a person asked for."""

    profile: str | None
    overrides: Mapping[str, Any]
    """Profile fields that flags set."""
    data: Path | None
    offline: bool
    out: Path | None
    resume: bool
    tables: bool = False
    """Whether all tables are printed at the end."""
    json: bool = False
    """Whether standard output is for another program."""

    def choose_profile(self) -> Profile:
        """Read the profile that was asked for, or that the folder to resume was begun with. Raises `InvalidInput`."""
        if self.resume and self.out is None:
            raise InvalidInput("--resume continues a report folder; name it with --out DIR.")
        profile = self._read_profile()
        if "within_percent" in self.overrides and profile.minutes is None:
            raise InvalidInput(
                "--within says when further processes are enough; say with --minutes how long they may run."
            )
        return profile

    def _read_profile(self) -> Profile:
        overrides = dict(self.overrides)
        if self.resume or "repeats" in overrides:
            # A fixed design has no further processes, and a sweep that is finished does not go on by itself.
            overrides.setdefault("minutes", None)
        if self.resume and self.out is not None and self.profile is None:
            return change_profile(read_stored_profile(ReportFolder(self.out)), overrides)
        if self.profile is None and "epochs" in overrides and "batch_sizes" not in overrides:
            # Whoever names epochs alone wants runs like the blog's, not the quick profile's two batch sizes.
            overrides["model"] = list_published_batch_sizes()
        return read_profile(self.profile or _DEFAULT_PROFILE, overrides)

    def make_resume_command(self, folder: ReportFolder, left_s: float = 0.0) -> str:
        """Return the command that resumes this sweep with the same data, and uses the seconds that are left."""
        words = ["--resume", "--out", str(folder.root)]
        words += ["--data", str(self.data)] if self.data is not None else []
        words += ["--offline"] if self.offline else []
        if left_s >= _LEAST_LEFT_S:
            words += ["--minutes", f"{left_s / 60:.1f}"]
            words += ["--within", f"{self.overrides['within_percent']:g}"] if "within_percent" in self.overrides else []
        return f"{os.environ.get('AEBENCH_COMMAND', 'aebench run')} {shlex.join(words)}"
