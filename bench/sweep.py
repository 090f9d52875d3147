"""What `aebench run` and `aebench report` do, from the request to the exit code."""

import contextlib
import os
import shlex
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import data, estimate, journal, machine, run, spec
from bench.errors import InvalidInput
from bench.executors import Executor
from bench.executors.local import LocalExecutor
from bench.folder import ReportFolder
from bench.progress import describe, display, download_progress
from bench.record import Outcome, SweepHeader
from bench.report import page
from bench.report.files import write_tables
from bench.report.tables import Table

_OK, _CASE_FAILED, _INTERRUPTED = 0, 3, 130
_DEFAULT_PROFILE = "quick"
_WIDE = 160
_REPORTS = Path("reports")


@dataclass(frozen=True)
class Request:
    """What a person asked to be measured."""

    profile: str | None
    overrides: Mapping[str, Any]
    """Profile fields that flags set."""
    data: Path | None
    offline: bool
    out: Path | None
    resume: bool


def show_plan(request: Request, console: Console | None = None) -> int:
    """Print the cases and the time they may take; nothing is run, downloaded or written."""
    console = console or _console()
    profile = _profile(request)
    train, val = spec.DATASET_SIZES[profile.dataset]
    if request.data is not None:
        found = data.find(profile.dataset, data_file=request.data)
        train, val = found.train_samples, found.val_samples
    cases = profile.cases()
    run.check_batches(cases, train)
    seconds = [estimate.case_seconds(case, train, val) for case in cases]
    rows = tuple(
        (
            describe(case),
            ", ".join(map(str, case.marks)),
            f"{case.optimizer} {case.learning_rate:g}",
            estimate.duration(took),
        )
        for case, took in zip(cases, seconds, strict=True)
    )
    title = f"Profile {profile.name}: {_cases(len(cases))} on {train:,} digits of {profile.dataset}"
    console.print(Table(title, ("case", "epochs", "optimizer", "about"), rows, labels=3).rich())
    console.print(f"About {estimate.duration(sum(seconds))} on two cores of a server; other machines differ.")
    return _OK


def measure(request: Request, console: Console | None = None) -> int:
    """Run the sweep, write its report, print its tables; returns the exit code."""
    console = console or _console()
    profile = _profile(request)
    if request.out is not None:
        run.check_folder(ReportFolder(request.out), resume=request.resume)
    dataset = _dataset(profile.dataset, request, console)
    run.check_batches(profile.cases(), dataset.train_samples)
    header = _header(profile, dataset)
    folder = ReportFolder(request.out or _default_out(header))
    with run.opened(folder, header, resume=request.resume) as sweep, _prepared(dataset, folder):
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends a sweep gets its report
        return _carry_out(sweep, LocalExecutor(folder, profile.threads, profile.timeout_s), request, console)


def redraw(root: Path, console: Console | None = None, *, without_flagged: bool = False) -> int:
    """Write a folder's report again from its journal, print its tables; returns 0.

    Its status.json says anew how that sweep ended.
    """
    console = console or _console()
    folder = ReportFolder(root)
    stored = journal.read(folder.journal)
    outcomes = list(stored.latest().values())
    planned = len(stored.header.cases)
    code = _exit_code(planned, outcomes, interrupted=len(outcomes) < planned)
    with journal.locked(folder):  # a sweep that is on writes its report itself
        page.write_report(folder, stored.header, outcomes, stored.notes, code, without_flagged=without_flagged)
    _print_tables(console, stored.header, outcomes, without_flagged=without_flagged)
    _say(console, f"\nReport: {folder.report}")
    return _OK


def _console() -> Console:
    """Standard output; where it is no terminal, wide enough for every table."""
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, _WIDE)
    return console


def _profile(request: Request) -> spec.Profile:
    if request.resume and request.out is None:
        raise InvalidInput("--resume continues a report folder; name it with --out DIR.")
    if request.resume and request.out is not None and request.profile is None:
        return spec.changed(run.stored_profile(ReportFolder(request.out)), request.overrides)
    if request.profile is None and "epochs" in request.overrides and "batch_sizes" not in request.overrides:
        # Whoever names epochs alone asks for runs like the blog's, not for the quick profile's two batch sizes.
        return spec.read_profile(_DEFAULT_PROFILE, {**request.overrides, "model": spec.published_batch_sizes()})
    return spec.read_profile(request.profile or _DEFAULT_PROFILE, request.overrides)


def _dataset(name: str, request: Request, console: Console) -> data.Dataset:
    with download_progress(console) as on_progress:
        dataset = data.find(name, data_file=request.data, offline=request.offline, on_progress=on_progress)
    if dataset.genuine is False:
        _say(console, f"Note: the arrays are not those usually known as {name}; rows carry their digest and say so.")
    return dataset


def _header(profile: spec.Profile, dataset: data.Dataset) -> SweepHeader:
    fingerprint = machine.fingerprint(threads=profile.threads)
    commit, dirty = machine.git_state(Path(__file__).parent.parent)
    return SweepHeader(
        profile=profile,
        cases=tuple(profile.cases()),
        dataset_digest=dataset.digest,
        dataset_genuine=dataset.genuine,
        dataset_origin=dataset.origin,
        train_samples=dataset.train_samples,
        val_samples=dataset.val_samples,
        machine_id=machine.machine_id(fingerprint),
        fingerprint=fingerprint,
        git_commit=commit,
        git_dirty=dirty,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _default_out(header: SweepHeader) -> Path:
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return _REPORTS / f"{now}-{machine.label(header.fingerprint)}-{header.profile.name}"


@contextlib.contextmanager
def _prepared(dataset: data.Dataset, folder: ReportFolder) -> Iterator[None]:
    """The dataset as one file in the folder, while it is measured."""
    try:
        data.prepare(dataset, folder.data)
        yield
    finally:
        folder.data.unlink(missing_ok=True)


def _carry_out(sweep: run.Sweep, executor: Executor, request: Request, console: Console) -> int:
    header, folder = sweep.header, sweep.folder
    outcomes = {outcome.case.case_id: outcome for outcome in sweep.kept}
    remaining = estimate.Remaining(sweep.pending, header.train_samples, header.val_samples)
    total = len(header.cases)
    _announce(sweep, total, remaining, console)
    interrupted = False
    try:
        with display(total, total - len(sweep.pending), remaining, console) as shown:
            for outcome in sweep.outcomes(executor, shown.listen):
                outcomes[outcome.case.case_id] = outcome
                shown.finished(outcome)
                # Windows lets nobody replace a file that a spreadsheet has open; the journal has the case all the same.
                with contextlib.suppress(PermissionError):
                    write_tables(folder, list(outcomes.values()), header)
    except KeyboardInterrupt:
        interrupted = True
    code = _exit_code(total, list(outcomes.values()), interrupted=interrupted)
    page.write_report(folder, header, list(outcomes.values()), sweep.notes, code)
    _print_tables(console, header, list(outcomes.values()))
    _say_farewell(sweep, list(outcomes.values()), code, request, console)
    return code


def _announce(sweep: run.Sweep, total: int, remaining: estimate.Remaining, console: Console) -> None:
    header = sweep.header
    for note in sweep.found:
        _say(console, f"Note: the journal's {note}.")
    kept = total - len(sweep.pending)
    resumed = f", {kept} of them kept from before" if kept else ""
    _say(
        console,
        f"Profile {header.profile.name}: {_cases(total)}{resumed}, about {estimate.duration(remaining.seconds())}; "
        f"{header.train_samples:,} training and {header.val_samples:,} validation digits of {header.profile.dataset}.",
    )


def _cases(count: int) -> str:
    return "1 case" if count == 1 else f"{count} cases"


def _exit_code(planned: int, outcomes: list[Outcome], *, interrupted: bool) -> int:
    if interrupted:
        return _INTERRUPTED
    return _OK if sum(outcome.status == "ok" for outcome in outcomes) == planned else _CASE_FAILED


def _print_tables(
    console: Console, header: SweepHeader, outcomes: list[Outcome], *, without_flagged: bool = False
) -> None:
    for table in page.tables(header, outcomes, without_flagged=without_flagged):
        console.print()
        console.print(table.rich())
    for remark in page.remarks(header, outcomes, without_flagged=without_flagged):
        _say(console, f"Note: {remark}")


def _say_farewell(sweep: run.Sweep, outcomes: list[Outcome], code: int, request: Request, console: Console) -> None:
    for outcome in outcomes:
        if outcome.status != "ok":
            log = sweep.folder.log(outcome.case.case_id)
            _say(
                console,
                f"\n{describe(outcome.case)}: {outcome.status}: {outcome.error}\n{outcome.log_tail}\nLog: {log}",
            )
    if code == _INTERRUPTED:
        _say(console, f"\nInterrupted; what was finished is kept. Continue with: {_again(sweep, request)}")
    if code == _CASE_FAILED:
        _say(console, f"\nTo run what failed again: {_again(sweep, request)}")
    _say(console, f"\nReport: {sweep.folder.report}")


def _again(sweep: run.Sweep, request: Request) -> str:
    """The command that resumes this sweep with the same data."""
    words = ["--resume", "--out", str(sweep.folder.root)]
    words += ["--data", str(request.data)] if request.data is not None else []
    words += ["--offline"] if request.offline else []
    return f"{os.environ.get('AEBENCH_COMMAND', 'aebench run')} {shlex.join(words)}"


def _say(console: Console, text: str) -> None:
    """Print text as it is: no markup, no colours, lines not broken."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
