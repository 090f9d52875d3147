"""A report folder that is open for measuring: pending cases go to an executor, their outcomes to the journal."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from pydantic import BaseModel

from bench.errors import InvalidInput
from bench.host.signals import hold_signals
from bench.plan.profile import Case, Profile
from bench.results import journal
from bench.results.folder import ReportFolder, is_leftover
from bench.results.journal_lines import Outcome, SweepHeader
from bench.sweep.executor import Executor, Listener


@dataclass(frozen=True)
class Sweep:
    """A report folder that is open for measuring."""

    folder: ReportFolder
    header: SweepHeader
    profile: Profile
    """What is asked for now: in limits, retries and minutes it may differ from the header's."""
    pending: tuple[Case, ...]
    """Planned cases that are missing, and all that failed and may be run again."""
    kept: tuple[Outcome, ...]
    """Outcomes of earlier runs, the last of each case; cases that ended well are not run again."""
    given_up: tuple[Case, ...]
    """Cases that failed as often as the retries allow, and are not run again."""
    runs: Mapping[str, int]
    """How many times each case was run before, by its id."""
    notes: tuple[str, ...]
    """What of the journal cannot be read."""
    found: tuple[str, ...]
    """The same when the folder was opened, with a line that was cut off and has been removed since."""
    writer: journal.Writer
    ends_at: float | None
    """When the minutes for further processes are over, by `monotonic`; None where there are none."""

    @property
    def cases(self) -> tuple[Case, ...]:
        """The cases that are planned, and the further processes that failed and are run again."""
        return tuple({case.case_id: case for case in (*self.header.cases, *self.pending)}.values())

    @property
    def done(self) -> tuple[Case, ...]:
        """Cases that ended well in an earlier run: neither pending nor given up."""
        not_done = {case.case_id for case in (*self.pending, *self.given_up)}
        return tuple(case for case in self.cases if case.case_id not in not_done)

    @property
    def left_s(self) -> float:
        """Seconds left for further processes."""
        return 0.0 if self.ends_at is None else max(0.0, self.ends_at - monotonic())

    def run(self, cases: Sequence[Case], executor: Executor, listen: Listener) -> Iterator[Outcome]:
        """Run cases; each outcome is on the disk before it is yielded.

        Raises `OSError` where it cannot be written; what was written before stays.
        """
        for ended in executor.run(cases, listen):
            outcome = ended.model_copy(update={"attempt": self.runs.get(ended.case.case_id, 0) + 1})
            with hold_signals():
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


def read_stored_profile(folder: ReportFolder) -> Profile:
    """Read the profile that a folder was begun with. Raises `InvalidInput`."""
    _require_journal(folder)
    return journal.read_header(folder.journal).profile


@contextmanager
def open_sweep(folder: ReportFolder, header: SweepHeader, *, resume: bool) -> Iterator[Sweep]:
    """Open a folder for the sweep of ``header``: a new one, or with ``resume`` one that the same sweep began.

    A failed case is pending as long as the retries of ``header`` allow another run. Raises `InvalidInput` where the
    folder does not fit, before anything is written.
    """
    found: tuple[str, ...] = ()
    if resume:
        _require_journal(folder)
        _require_same(journal.read_header(folder.journal), header, folder)
        found = journal.read_journal(folder.journal).notes
    else:
        _create_folder(folder.root)
    with journal.open_writer(folder, None if resume else header) as writer:
        stored = journal.read_journal(folder.journal)
        latest, runs = stored.latest, stored.runs
        ended = {case_id for case_id, outcome in latest.items() if outcome.status == "ok"}
        _planned, further = header.split_outcomes(latest.values())
        cases = (*header.cases, *(outcome.case for outcome in further))
        missing = [case for case in cases if case.case_id not in ended]
        pending = tuple(case for case in missing if runs[case.case_id] <= header.profile.retries)
        minutes, within = header.profile.minutes, header.profile.within_percent
        if minutes is not None and within != stored.header.profile.within_percent:
            writer.append(header)  # the report says how many cases are known as well as is wanted now
            stored = replace(stored, header=journal.aim_at(stored.header, within))
        yield Sweep(
            folder=folder,
            header=stored.header,
            profile=header.profile,
            pending=pending,
            kept=tuple(latest.values()),
            given_up=tuple(case for case in missing if case not in pending),
            runs=runs,
            notes=stored.notes,
            found=found,
            writer=writer,
            ends_at=None if minutes is None else monotonic() + 60 * minutes,
        )


def check_folder(folder: ReportFolder, *, resume: bool) -> None:
    """Raise `InvalidInput` where a sweep can be neither begun nor resumed in a folder; nothing is written."""
    if resume:
        _require_journal(folder)
    else:
        _require_unused(folder.root)


def _require_unused(root: Path) -> None:
    try:
        # Leftovers of a run that was killed before its first line do not count.
        used = root.exists() and (not root.is_dir() or not all(map(is_leftover, root.iterdir())))
    except OSError as error:
        raise InvalidInput(f"{root} cannot be read: {error.strerror}; choose another --out.") from error
    if used:
        raise InvalidInput(f"{root} exists and is not empty; continue it with --resume, or choose another --out.")


def _create_folder(root: Path) -> None:
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


_COMPARED = ("dataset_digest", "fingerprint", "profile", "git_commit", "git_dirty")
_MAY_DIFFER = tuple(
    f"profile.{name}" for name in ("timeout_s", "stall_s", "retries", "minutes", "within_percent", "description")
)
"""What does not change what is measured."""


def _require_same(stored: SweepHeader, wanted: SweepHeader, folder: ReportFolder) -> None:
    """Raise `InvalidInput` with everything in which the stored sweep and the wanted one differ."""
    before, now = _flatten(stored), _flatten(wanted)
    differences = [
        f"  {name}: there {before[name]!r}, now {now[name]!r}"
        for name in before
        if before[name] != now[name] and name not in _MAY_DIFFER
    ]
    if differences:
        raise InvalidInput(
            f"{folder.root} holds another sweep, so its rows and the new ones do not belong together:\n"
            + "\n".join(differences)
            + "\nResume with the same settings (just --resume --out), or choose another --out."
        )


def _flatten(header: SweepHeader) -> dict[str, object]:
    """Return what must agree of a header, fields of fields by their dotted names."""
    values: dict[str, object] = {}
    for name in _COMPARED:
        value = getattr(header, name)
        if isinstance(value, BaseModel):
            values |= {f"{name}.{field}": getattr(value, field) for field in type(value).model_fields}
        else:
            values[name] = value
    return values
