"""A report folder: every file of it is named here."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from bench.errors import InvalidInput

_REPORTS = Path("reports")


@dataclass(frozen=True)
class ReportFolder:
    """The paths of one report."""

    root: Path

    @classmethod
    def pick_new(cls, what: str) -> Self:
        """A folder below reports/ that does not exist yet, named by the time in UTC and by ``what`` it is of."""
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{what}"
        # Two runs in one second, or a clock that was set back, lead to a name that is taken.
        names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
        return next(cls(_REPORTS / each) for each in names if not (_REPORTS / each).exists())

    @classmethod
    def pick_empty(cls, out: Path | None, what: str) -> Self:
        """The folder that ``--out`` names, else a new one. Raises `InvalidInput` where ``--out`` holds anything."""
        if out is None:
            return cls.pick_new(what)
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InvalidInput(f"--out {out} exists already; name a folder that does not, or one that is empty.")
        return cls(out)

    @property
    def journal(self) -> Path:
        """The truth, from which all else can be written again: one line per finished case."""
        return self.root / "journal.jsonl"

    @property
    def lock(self) -> Path:
        """Locked by the one run that writes here."""
        return self.root / ".lock"

    @property
    def holder(self) -> Path:
        """Process id of the run that holds the lock, for the message to a second run."""
        return self.root / ".holder"

    @property
    def results(self) -> Path:
        """One row per case and checkpoint."""
        return self.root / "results.csv"

    @property
    def epochs(self) -> Path:
        """One row per epoch."""
        return self.root / "epochs.csv"

    @property
    def phases(self) -> Path:
        """One row per phase of a case's process."""
        return self.root / "phases.csv"

    @property
    def environment(self) -> Path:
        """The machine's fingerprint."""
        return self.root / "environment.json"

    @property
    def status(self) -> Path:
        """Counts and exit code, for programs."""
        return self.root / "status.json"

    @property
    def report(self) -> Path:
        """The report for people."""
        return self.root / "report.md"

    @property
    def pytest_benchmark(self) -> Path:
        """For `pytest-benchmark compare`."""
        return self.root / "pytest-benchmark.json"

    @property
    def github_action_benchmark(self) -> Path:
        """For github-action-benchmark."""
        return self.root / "github-action-benchmark.json"

    @property
    def bencher(self) -> Path:
        """For Bencher."""
        return self.root / "bencher.json"

    @property
    def page(self) -> Path:
        """The report for people, with curves and pictures, in one file."""
        return self.root / "report.html"

    @property
    def plots(self) -> Path:
        """The page's curves and pictures, one PNG file each."""
        return self.root / "plots"

    @property
    def rounds(self) -> Path:
        """What a gate recorded: one line per round, from which its verdicts can be computed again."""
        return self.root / "rounds.jsonl"

    @property
    def junit(self) -> Path:
        """A gate's verdicts, for CI servers."""
        return self.root / "junit.xml"

    @property
    def samples(self) -> Path:
        """For each case and checkpoint a few images, as the model rebuilds them."""
        return self.root / "samples"

    @property
    def logs(self) -> Path:
        """One log file per case: what the measured process wrote."""
        return self.root / "logs"

    @property
    def data(self) -> Path:
        """The prepared dataset, during a run."""
        return self.root / ".data.npz"

    def sample(self, case_id: str, epochs: int) -> Path:
        """The samples of one case at one checkpoint."""
        return self.samples / f"{case_id}-{epochs}.npz"

    def log(self, case_id: str) -> Path:
        """The log of one case."""
        return self.logs / f"{case_id}.log"


def is_leftover(path: Path) -> bool:
    """Whether a file or folder is one of the harness' own temporary ones, which a killed run leaves behind."""
    return path.name.startswith(".") and (path.suffix == ".part" or path.name.startswith(_TEMPORARY))


_TEMPORARY = (".lock", ".holder", ".probe", ".data.npz", "..data.npz-")


def remove_leftovers(folder: ReportFolder) -> None:
    """Remove what a killed run left behind; only for the run that holds the lock. Raises `OSError`."""
    for path in list(_find_leftovers(folder)):
        if path.is_dir():
            shutil.rmtree(path)
        elif path not in (folder.lock, folder.holder):
            path.unlink(missing_ok=True)


def _find_leftovers(folder: ReportFolder) -> Iterator[Path]:
    yield from filter(is_leftover, folder.root.iterdir())
    if folder.samples.is_dir():
        yield from filter(is_leftover, folder.samples.iterdir())


def write_whole(path: Path, text: str | Iterable[str]) -> None:
    """Write a temporary file and rename it, so that a reader never sees half of it.

    A large text may come in pieces, which are never in memory together.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.writelines([text] if isinstance(text, str) else text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
