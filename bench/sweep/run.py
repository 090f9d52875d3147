"""What `aebench run` and `aebench report` do, from the request to the exit code."""

import contextlib
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.console.output import output, say
from bench.console.table import Table
from bench.datasets import find
from bench.errors import ExitCode, InvalidInput, format_count
from bench.host import signals
from bench.host.fingerprint import (
    check_backends,
    make_environment_id,
    make_label,
    make_machine_id,
    read_git_state,
    take_fingerprint,
)
from bench.launch import ROOT
from bench.plan import estimate
from bench.plan.profile import DATASET_SIZES, Profile, changed, published_batch_sizes, read_profile
from bench.report import page
from bench.report.choices import AS_THEY_ARE, Choices
from bench.report.files import GrowingTables, write_status
from bench.results import journal
from bench.results.folder import ReportFolder
from bench.results.schema import Outcome, SweepHeader
from bench.sweep import session
from bench.sweep.executor import Executor
from bench.sweep.local import LocalExecutor
from bench.sweep.progress import describe, display, download_progress

_DEFAULT_PROFILE = "quick"


@dataclass(frozen=True)
class SweepRequest:
    """What a person asked to be measured."""

    profile: str | None
    overrides: Mapping[str, Any]
    """Profile fields that flags set."""
    data: Path | None
    offline: bool
    out: Path | None
    resume: bool


def show_plan(request: SweepRequest, console: Console | None = None) -> int:
    """Print the cases and the time they may take; nothing is run, downloaded or written."""
    console = console or output()
    profile = _profile(request)
    train, val = DATASET_SIZES[profile.dataset]
    if request.data is not None:
        found = find.find_dataset(profile.dataset, data_file=request.data)
        train, val = found.train_samples, found.val_samples
    cases = profile.cases()
    session.check_batches(cases, train)
    seconds = [estimate.case_seconds(case, train, val) for case in cases]
    rows = tuple(
        (
            describe(case),
            ", ".join(map(str, case.checkpoints)),
            f"{case.optimizer} {case.learning_rate:g}",
            _NO_ESTIMATE if took is None else estimate.duration(took),
        )
        for case, took in zip(cases, seconds, strict=True)
    )
    title = f"Profile {profile.name}: {format_count(len(cases), 'case')} on {train:,} images of {profile.dataset}"
    console.print(Table(title, ("case", "epochs", "optimizer", "about"), rows, labels=3).rich())
    known = [took for took in seconds if took is not None]
    if known:
        console.print(f"About {estimate.duration(sum(known))} on two cores of a server; other machines differ.")
    if len(known) < len(cases):
        console.print(f"{format_count(len(cases) - len(known), 'case')} without an estimate: {_WITHOUT}")
    return ExitCode.OK


_NO_ESTIMATE = "no estimate"
_WITHOUT = (
    "nobody has measured that way to train that model. XLA trains convolutions 10 to 150 times slower than the other "
    "loops on a processor (docs/method.md); try few epochs first, or set --timeout."
)


def measure(request: SweepRequest, console: Console | None = None) -> int:
    """Run the sweep, write its report, print its tables; returns the exit code. For the main thread."""
    console = console or output()
    with signals.listening():
        return _measured(request, console)


def _measured(request: SweepRequest, console: Console) -> int:
    profile = _profile(request)
    check_backends(profile.backends)
    if request.out is not None:
        session.check_folder(ReportFolder(request.out), resume=request.resume)
    dataset = _dataset(profile.dataset, request, console)
    session.check_batches(profile.cases(), dataset.train_samples)
    header = _header(profile, dataset)
    folder = _folder(request, header)
    executor = LocalExecutor(folder, profile.threads, profile.timeout_s, profile.stall_s)
    try:
        with session.opened(folder, header, resume=request.resume) as sweep, find.prepared(dataset, folder.data):
            return _carry_out(sweep, executor, request, console)
    except OSError as error:
        say(console, f"\nStopped: {_reason(error, folder)}.{_next_step(folder, request)}")
        return ExitCode.FAILED
    except KeyboardInterrupt:
        say(console, f"\nInterrupted.{_next_step(folder, request)}")
        return ExitCode.INTERRUPTED


def redraw(root: Path, console: Console | None = None, choices: Choices = AS_THEY_ARE) -> int:
    """Write a folder's report again from its journal, print its tables; returns 0.

    Its status.json says anew how that sweep ended. Returns 3 where not all of the report could be written.
    """
    console = console or output()
    folder = ReportFolder(root)
    stored = journal.read(folder.journal)
    outcomes = list(stored.latest.values())
    planned = len(stored.header.cases)
    code = _exit_code(planned, outcomes, interrupted=len(outcomes) < planned)
    shown = _Shown(folder, stored.header, outcomes, stored.notes, choices)
    with journal.lock_folder(folder):  # a sweep that is on writes its report itself
        trouble = _written(shown, code)
    for note in stored.notes:
        say(console, f"Note: the journal's {note}.")
    _print_tables(console, shown)
    say(console, f"\n{trouble or f'Report: {folder.page}'}")
    return ExitCode.FAILED if trouble else ExitCode.OK


def _profile(request: SweepRequest) -> Profile:
    if request.resume and request.out is None:
        raise InvalidInput("--resume continues a report folder; name it with --out DIR.")
    if request.resume and request.out is not None and request.profile is None:
        return changed(session.stored_profile(ReportFolder(request.out)), request.overrides)
    if request.profile is None and "epochs" in request.overrides and "batch_sizes" not in request.overrides:
        # Whoever names epochs alone asks for runs like the blog's, not for the quick profile's two batch sizes.
        return read_profile(_DEFAULT_PROFILE, {**request.overrides, "model": published_batch_sizes()})
    return read_profile(request.profile or _DEFAULT_PROFILE, request.overrides)


def _dataset(name: str, request: SweepRequest, console: Console) -> find.Dataset:
    with download_progress(console) as on_progress:
        dataset = find.find_dataset(name, data_file=request.data, offline=request.offline, on_progress=on_progress)
    if dataset.genuine is False:
        say(console, f"Note: the arrays are not those usually known as {name}; rows carry their digest and say so.")
    return dataset


def _header(profile: Profile, dataset: find.Dataset) -> SweepHeader:
    fingerprint = take_fingerprint(threads=profile.threads)
    commit, dirty = read_git_state(ROOT)
    return SweepHeader(
        profile=profile,
        cases=tuple(profile.cases()),
        dataset_digest=dataset.digest,
        dataset_genuine=dataset.genuine,
        dataset_origin=dataset.origin,
        train_samples=dataset.train_samples,
        val_samples=dataset.val_samples,
        machine_id=make_machine_id(fingerprint),
        environment_id=make_environment_id(fingerprint),
        fingerprint=fingerprint,
        git_commit=commit,
        git_dirty=dirty,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _folder(request: SweepRequest, header: SweepHeader) -> ReportFolder:
    if request.out is not None:
        return ReportFolder(request.out)
    return ReportFolder.pick_new(f"{make_label(header.fingerprint)}-{header.profile.name}")


def _carry_out(sweep: session.Sweep, executor: Executor, request: SweepRequest, console: Console) -> int:
    header, folder = sweep.header, sweep.folder
    outcomes = {outcome.case.case_id: outcome for outcome in sweep.kept}
    total = len(header.cases)
    interrupted, refused = False, None
    try:
        _run(sweep, executor, outcomes, console)
    except KeyboardInterrupt:
        interrupted = True
    except OSError as error:
        refused = _reason(error, folder)
    code = _exit_code(total, list(outcomes.values()), interrupted=interrupted, refused=refused is not None)
    report = _Shown(folder, header, list(outcomes.values()), sweep.notes)
    trouble = _written(report, code)
    _print_tables(console, report)
    _say_failures(report, console)
    if refused is not None:
        say(
            console,
            f"\nStopped: {refused}. The journal holds {len(outcomes)} of {format_count(total, 'case')}, each whole.",
        )
    if code != ExitCode.OK:
        say(console, _advice(sweep, report.outcomes, code, request))
    say(console, f"\n{trouble or f'Report: {folder.page}'}")
    return code or (ExitCode.FAILED if trouble else ExitCode.OK)


def _run(sweep: session.Sweep, executor: Executor, outcomes: dict[str, Outcome], console: Console) -> None:
    """Run what is pending and show it; each outcome is among ``outcomes`` as soon as the journal has it."""
    header, total = sweep.header, len(sweep.header.cases)
    remaining = estimate.Remaining(sweep.pending, header.train_samples, header.val_samples)
    _announce(sweep, total, remaining, console)
    tables = GrowingTables(sweep.folder, header)
    with display(total, total - len(sweep.pending), remaining, console) as shown:
        for outcome in sweep.outcomes(executor, shown.listen):
            outcomes[outcome.case.case_id] = outcome
            shown.finished(outcome)
            # The journal has the case, whether or not the tables can be replaced now: a disk may be full, Windows
            # lets nobody replace a file that a spreadsheet has open. The report at the end tries again.
            with contextlib.suppress(OSError), signals.shielded():
                tables.write(outcomes)
            signals.check()


@dataclass(frozen=True)
class _Shown:
    """What a report is made of."""

    folder: ReportFolder
    header: SweepHeader
    outcomes: list[Outcome]
    notes: Sequence[str]
    choices: Choices = AS_THEY_ARE


def _written(shown: _Shown, code: int) -> str | None:
    """Write the report; returns what to tell the person where that did not succeed.

    The tables come before what is drawn: a disk that is full, a picture that fails, cost what was not written yet.
    """
    try:
        page.write_report(shown.folder, shown.header, shown.outcomes, shown.notes, code, shown.choices)
    except OSError as error:
        why = _reason(error, shown.folder)
    except Exception as error:  # noqa: BLE001 - whatever a drawing raises, what was measured is there
        why = f"{type(error).__name__}: {error}"
    else:
        return None
    with contextlib.suppress(OSError):
        write_status(shown.folder, shown.header, shown.outcomes, code or ExitCode.FAILED)
    again = shlex.join(["aebench", "report", str(shown.folder.root)])
    return f"The report is not whole: {why}. The journal has all of it; draw it again with: {again}"


def _reason(error: OSError, folder: ReportFolder) -> str:
    """What the system said, and of which file, as far as it said so."""
    return f"{error.filename or folder.root}: {error.strerror or error}"


def _next_step(folder: ReportFolder, request: SweepRequest) -> str:
    """How to go on from a folder that may hold a journal or not."""
    if not folder.journal.is_file():
        return " Nothing was begun."
    return f" Continue with: {_again(folder, request)}"


def _announce(sweep: session.Sweep, total: int, remaining: estimate.Remaining, console: Console) -> None:
    header = sweep.header
    for note in sweep.found:
        say(console, f"Note: the journal's {note}.")
    if sweep.given_up:
        times = "1 time" if sweep.retries == 0 else f"{sweep.retries + 1} times"
        say(
            console,
            f"Note: {format_count(len(sweep.given_up), 'case')} failed {times} or more and will not be run again; "
            "--retries allows another number.",
        )
    kept = total - len(sweep.pending)
    resumed = f", {kept} of them kept from before" if kept else ""
    say(
        console,
        f"Profile {header.profile.name}: {format_count(total, 'case')}{resumed}, {remaining.words()}; "
        f"{header.train_samples:,} training and {header.val_samples:,} validation images of {header.profile.dataset}.",
    )


def _exit_code(planned: int, outcomes: list[Outcome], *, interrupted: bool, refused: bool = False) -> int:
    if interrupted:
        return ExitCode.INTERRUPTED
    well = sum(outcome.status == "ok" for outcome in outcomes) == planned
    return ExitCode.OK if well and not refused else ExitCode.FAILED


def _print_tables(console: Console, shown: _Shown) -> None:
    for table in page.tables(shown.header, shown.outcomes, shown.choices):
        console.print()
        console.print(table.rich())
    for remark in page.remarks(shown.header, shown.outcomes, shown.choices):
        say(console, f"Note: {remark}")


def _say_failures(shown: _Shown, console: Console) -> None:
    for outcome in shown.outcomes:
        if outcome.status != "ok":
            head = f"{describe(outcome.case)}: {outcome.status}: {outcome.error}"
            count = f" (run {outcome.attempt} of this case)" if outcome.attempt > 1 else ""
            log = shown.folder.log(outcome.case.case_id)
            say(console, f"\n{head}{count}\n{outcome.log_tail}\nLog: {log}")


def _advice(sweep: session.Sweep, outcomes: list[Outcome], code: int, request: SweepRequest) -> str:
    """What the person may do next, where not all is well."""
    again = _again(sweep.folder, request)
    if code == ExitCode.INTERRUPTED:
        return f"\nInterrupted; what was finished is kept. Continue with: {again}"
    failed = [outcome.attempt for outcome in outcomes if outcome.status != "ok"]
    if failed and min(failed) > sweep.retries and len(outcomes) == len(sweep.header.cases):
        return f"\nWhat failed was run as often as it may be. Once more: {again} --retries {max(failed)}"
    return f"\nTo run what failed or is missing: {again}"


def _again(folder: ReportFolder, request: SweepRequest) -> str:
    """The command that resumes this sweep with the same data."""
    words = ["--resume", "--out", str(folder.root)]
    words += ["--data", str(request.data)] if request.data is not None else []
    words += ["--offline"] if request.offline else []
    return f"{os.environ.get('AEBENCH_COMMAND', 'aebench run')} {shlex.join(words)}"
