"""A sweep: what is pending goes to an executor, what comes back goes to the journal."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from bench.errors import InvalidInput
from bench.host.signals import shielded
from bench.plan.profile import Case, Profile
from bench.results import journal
from bench.results.folder import ReportFolder, is_leftover
from bench.results.schema import Outcome, SweepHeader
from bench.sweep.executor import Executor, Listener


@dataclass(frozen=True)
class Sweep:
    """A report folder that is open for measuring."""

    folder: ReportFolder
    header: SweepHeader
    pending: tuple[Case, ...]
    kept: tuple[Outcome, ...]
    """Outcomes of an earlier run, the last of each case, the well-ended ones of which are not repeated."""
    given_up: tuple[Case, ...]
    """Cases that failed as often as the retries allow: they are not run again."""
    retries: int
    """How many times a case that failed may be run again."""
    runs: Mapping[str, int]
    """How many times each case was run before, by its id."""
    notes: tuple[str, ...]
    """What of the journal cannot be read."""
    found: tuple[str, ...]
    """The same when the folder was opened: a line that was cut off is among it, and gone since."""
    writer: journal.Writer

    def outcomes(self, executor: Executor, listen: Listener) -> Iterator[Outcome]:
        """Run what is pending; an outcome is on the disk before it is yielded.

        Raises `OSError` where the disk does not take it; what it took before stays.
        """
        for ended in executor.outcomes(self.pending, listen):
            outcome = ended.model_copy(update={"attempt": self.runs.get(ended.case.case_id, 0) + 1})
            with shielded():
                self.writer.append(outcome)
            yield outcome


def check_batches(cases: Sequence[Case], train_samples: int) -> None:
    """Raise `InvalidInput` where a batch is larger than the training data."""
    too_large = sorted({case.batch_size for case in cases if case.batch_size > train_samples})
    if too_large:
        sizes = ", ".join(map(str, too_large))
        raise InvalidInput(
            f"batch size {sizes} is larger than the {train_samples:,} training images of {cases[0].dataset}; "
            "choose smaller ones, or a larger dataset."
        )


def stored_profile(folder: ReportFolder) -> Profile:
    """The profile that a folder was begun with."""
    _require_journal(folder)
    return journal.read_header(folder.journal).profile


@contextmanager
def opened(folder: ReportFolder, header: SweepHeader, *, resume: bool) -> Iterator[Sweep]:
    """Open a folder for the sweep of ``header``: a new one, or with ``resume`` one that the same sweep began.

    A failed case is pending as long as it was not run more often than ``header``'s retries allow. Raises `InvalidInput`
    where the folder does not fit, before anything is written.
    """
    if resume:
        found = _notes_of_the_same(folder, header)
    else:
        _create(folder.root)
        found = ()
    with journal.open_writer(folder, None if resume else header) as writer:
        stored = journal.read(folder.journal)
        latest, runs = stored.latest, stored.runs
        ended = {case_id for case_id, outcome in latest.items() if outcome.status == "ok"}
        missing = [case for case in header.cases if case.case_id not in ended]
        pending = tuple(case for case in missing if runs[case.case_id] <= header.profile.retries)
        yield Sweep(
            folder=folder,
            header=stored.header,
            pending=pending,
            kept=tuple(latest.values()),
            given_up=tuple(case for case in missing if case not in pending),
            retries=header.profile.retries,
            runs=runs,
            notes=stored.notes,
            found=found,
            writer=writer,
        )


def _notes_of_the_same(folder: ReportFolder, header: SweepHeader) -> tuple[str, ...]:
    """What of the folder's journal cannot be read. Raises `InvalidInput` where it is another sweep's."""
    _require_journal(folder)
    _require_same(journal.read_header(folder.journal), header, folder)
    return journal.read(folder.journal).notes


def check_folder(folder: ReportFolder, *, resume: bool) -> None:
    """Raise `InvalidInput` where a folder cannot be begun or resumed; nothing is written."""
    if resume:
        _require_journal(folder)
    else:
        _require_unused(folder.root)


def _require_unused(root: Path) -> None:
    try:
        # What is left of a run that was killed before its first line is nothing to go on with.
        used = root.exists() and (not root.is_dir() or not all(map(is_leftover, root.iterdir())))
    except OSError as error:
        raise InvalidInput(f"{root} cannot be read: {error.strerror}; choose another --out.") from error
    if used:
        raise InvalidInput(f"{root} exists and is not empty; continue it with --resume, or choose another --out.")


def _create(root: Path) -> None:
    _require_unused(root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        probe = root / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InvalidInput(f"{root} cannot be written: {error.strerror}; choose another --out.") from error


def _require_journal(folder: ReportFolder) -> None:
    if not folder.journal.is_file():
        raise InvalidInput(f"{folder.root} holds no journal to resume; leave --resume out to begin there.")


def _require_same(stored: SweepHeader, wanted: SweepHeader, folder: ReportFolder) -> None:
    """Raise `InvalidInput` with everything in which the stored sweep and the wanted one differ."""
    compared = ("dataset_digest", "fingerprint", "profile", "git_commit", "git_dirty")
    differences = [
        line
        for name in compared
        for line in _differences(name, getattr(stored, name), getattr(wanted, name))
        if line.partition(":")[0] not in _MAY_DIFFER
    ]
    if differences:
        raise InvalidInput(
            f"{folder.root} holds another sweep, so its rows and the new ones do not belong together:\n"
            + "\n".join(f"  {line}" for line in differences)
            + "\nResume with the same settings (just --resume --out), or choose another --out."
        )


_MAY_DIFFER = ("profile.timeout_s", "profile.stall_s", "profile.retries", "profile.description")
"""What does not change what is measured."""


def _differences(name: str, stored: object, wanted: object) -> list[str]:
    if isinstance(stored, BaseModel):
        fields = type(stored).model_fields
        pairs = [(f"{name}.{key}", getattr(stored, key), getattr(wanted, key)) for key in fields]
    else:
        pairs = [(name, stored, wanted)]
    return [f"{where}: there {there!r}, now {now!r}" for where, there, now in pairs if there != now]
