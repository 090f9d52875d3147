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


class _Inside:
    """The path of a file or folder inside a report folder."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, folder: "ReportFolder", _owner: type) -> Path:
        return folder.root / self.name


@dataclass(frozen=True)
class ReportFolder:
    """The paths of one report."""

    root: Path

    journal = _Inside("journal.jsonl")
    """The truth, from which all else can be written again: one line per finished case."""
    lock = _Inside(".lock")
    """Locked by the one run that writes here."""
    holder = _Inside(".holder")
    """Process id of the run that holds the lock, for the message to a second run."""
    results = _Inside("results.csv")
    """One row per case and checkpoint."""
    epochs = _Inside("epochs.csv")
    """One row per epoch."""
    phases = _Inside("phases.csv")
    """One row per phase of a case's process."""
    environment = _Inside("environment.json")
    """The machine's fingerprint."""
    status = _Inside("status.json")
    """Counts and exit code, for programs."""
    report = _Inside("report.md")
    """The report for people."""
    pytest_benchmark = _Inside("pytest-benchmark.json")
    """For `pytest-benchmark compare`."""
    github_action_benchmark = _Inside("github-action-benchmark.json")
    """For github-action-benchmark."""
    bencher = _Inside("bencher.json")
    """For Bencher."""
    page = _Inside("report.html")
    """The report for people, with curves and pictures, in one file."""
    plots = _Inside("plots")
    """The page's curves and pictures, one PNG file each."""
    rounds = _Inside("rounds.jsonl")
    """What a gate recorded: one line per round, from which its verdicts can be computed again."""
    junit = _Inside("junit.xml")
    """A gate's verdicts, for CI servers."""
    samples = _Inside("samples")
    """For each case and checkpoint a few images, as the model rebuilds them."""
    logs = _Inside("logs")
    """One log file per case: what the measured process wrote."""
    data = _Inside(".data.npz")
    """The prepared dataset, during a run."""

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

    def locate_sample(self, case_id: str, epochs: int) -> Path:
        """The samples of one case at one checkpoint."""
        return self.samples / f"{case_id}-{epochs}.npz"

    def locate_log(self, case_id: str) -> Path:
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
