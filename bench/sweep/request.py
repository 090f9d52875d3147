"""The flags of `aebench run`, validated: as fields of a profile, each by the rules in `bench.plan.profile`."""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import InvalidInput
from bench.plan.profile import Profile, change_profile, list_published_batch_sizes, read_profile
from bench.results.folder import ReportFolder
from bench.sweep.session import read_stored_profile

_DEFAULT_PROFILE = "quick"


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

    def choose_profile(self) -> Profile:
        """Read the profile that was asked for, or that the folder to resume was begun with. Raises `InvalidInput`."""
        if self.resume and self.out is None:
            raise InvalidInput("--resume continues a report folder; name it with --out DIR.")
        if self.resume and self.out is not None and self.profile is None:
            return change_profile(read_stored_profile(ReportFolder(self.out)), self.overrides)
        if self.profile is None and "epochs" in self.overrides and "batch_sizes" not in self.overrides:
            # Whoever names epochs alone wants runs like the blog's, not the quick profile's two batch sizes.
            return read_profile(_DEFAULT_PROFILE, {**self.overrides, "model": list_published_batch_sizes()})
        return read_profile(self.profile or _DEFAULT_PROFILE, self.overrides)

    def make_resume_command(self, folder: ReportFolder) -> str:
        """Return the command that resumes this sweep with the same data."""
        words = ["--resume", "--out", str(folder.root)]
        words += ["--data", str(self.data)] if self.data is not None else []
        words += ["--offline"] if self.offline else []
        return f"{os.environ.get('AEBENCH_COMMAND', 'aebench run')} {shlex.join(words)}"
