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
    def fresh(cls, what: str) -> Self:
        """One below reports/ that is not there yet, named by the time in UTC and by ``what`` it is of."""
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{what}"
        # A clock that was set back, or two runs in one second, come to a name that is taken.
        names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
        return next(cls(_REPORTS / each) for each in names if not (_REPORTS / each).exists())

    @classmethod
    def vacant(cls, out: Path | None, what: str) -> Self:
        """The one that ``--out`` names, which must not hold anything yet; else a fresh one. Raises `InvalidInput`."""
        if out is None:
            return cls.fresh(what)
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InvalidInput(f"--out {out} is there already; name a folder that is not, or is empty.")
        return cls(out)

    @property
    def journal(self) -> Path:
        """The truth: a line a finished case."""
        return self.root / "journal.jsonl"

    @property
    def lock(self) -> Path:
        """Held by the one run that writes here."""
        return self.root / ".lock"

    @property
    def holder(self) -> Path:
        """Process id of the one that holds the lock, for the one that is refused."""
        return self.root / ".holder"

    @property
    def results(self) -> Path:
        """A row a case and checkpoint."""
        return self.root / "results.csv"

    @property
    def epochs(self) -> Path:
        """A row an epoch."""
        return self.root / "epochs.csv"

    @property
    def phases(self) -> Path:
        """A row a phase of a case's process."""
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
        """The page's curves and pictures, a PNG each."""
        return self.root / "plots"

    @property
    def rounds(self) -> Path:
        """What a gate recorded: a line a round, from which its verdicts can be found again."""
        return self.root / "rounds.jsonl"

    @property
    def junit(self) -> Path:
        """A gate's verdicts, for CI servers."""
        return self.root / "junit.xml"

    @property
    def samples(self) -> Path:
        """A few images a case and checkpoint, as the model rebuilds them."""
        return self.root / "samples"

    @property
    def logs(self) -> Path:
        """A log file a case: what the measured process wrote."""
        return self.root / "logs"

    @property
    def data(self) -> Path:
        """The prepared dataset while a run is on."""
        return self.root / ".data.npz"

    def sample(self, case_id: str, epochs: int) -> Path:
        """The samples of one case at one checkpoint."""
        return self.samples / f"{case_id}-{epochs}.npz"

    def log(self, case_id: str) -> Path:
        """The log of one case."""
        return self.logs / f"{case_id}.log"


def is_rest(path: Path) -> bool:
    """Whether a file or folder is what a run that was killed leaves behind: of no use, and the harness' own."""
    return path.name.startswith(".") and (path.suffix == ".part" or path.name.startswith(_PASSING))


_PASSING = (".lock", ".holder", ".probe", ".data.npz", "..data.npz-")


def clear_rests(folder: ReportFolder) -> None:
    """Remove what a killed run has left; only for the run that holds the lock. Raises `OSError`."""
    for path in list(_rests(folder)):
        if path.is_dir():
            shutil.rmtree(path)
        elif path not in (folder.lock, folder.holder):
            path.unlink(missing_ok=True)


def _rests(folder: ReportFolder) -> Iterator[Path]:
    yield from filter(is_rest, folder.root.iterdir())
    if folder.samples.is_dir():
        yield from filter(is_rest, folder.samples.iterdir())


def write_whole(path: Path, text: str | Iterable[str]) -> None:
    """Write a file beside its place, then move it there, so that a reader never sees half of it.

    A large one may come in pieces, which are never in memory together.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    beside = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.writelines([text] if isinstance(text, str) else text)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(0o644)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
