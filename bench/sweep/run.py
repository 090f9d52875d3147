"""`aebench run`: a sweep, from what was asked for to the exit code."""

import contextlib
import itertools
from collections.abc import Callable
from datetime import UTC, datetime

from rich.console import Console

from bench.console.output import make_console, say
from bench.datasets import find
from bench.errors import ExitCode, format_count, make_one_line
from bench.host import signals
from bench.host.fingerprint import (
    check_backends,
    make_environment_id,
    make_label,
    make_machine_id,
    read_git_state,
    take_fingerprint,
)
from bench.host.machine import measure_machine
from bench.launch import ROOT
from bench.plan import estimate
from bench.plan.forecast import forecast_cases
from bench.plan.profile import Profile
from bench.report.contents import SweepReport
from bench.report.files import GrowingTables
from bench.report.report import choose_exit_code, describe_refusal, print_answer, print_tables, write_or_explain
from bench.results.folder import ReportFolder
from bench.results.hours import measure_hours
from bench.results.journal_lines import Outcome, SweepHeader
from bench.results.usual import describe_usual, keep_hours
from bench.sweep.executor import Executor
from bench.sweep.flags import SweepRequest
from bench.sweep.local import LocalExecutor
from bench.sweep.progress import Display, choose_display, describe, show_download
from bench.sweep.repeats import Ranking, rank_by_width, run_repeats
from bench.sweep.session import Sweep, check_batches, check_folder, open_sweep


def run_sweep(
    request: SweepRequest,
    console: Console | None = None,
    *,
    print_report: Callable[[SweepReport, Console], None] = print_answer,
    rank: Ranking = rank_by_width,
) -> int:
    """Measure the cases of a profile and report on them; returns the exit code. For the main thread.

    ``rank`` says which cases' further processes come first.
    Raises `InvalidInput` for what cannot be done, before anything is written.
    """
    console = console or make_console(stderr=request.json)
    with signals.catch_signals():
        profile = request.choose_profile()
        check_request(request, profile)
        dataset = find_images(request, profile, console)
        header = make_header(profile, dataset, console)
        folder = choose_folder(request, header)
        executor = LocalExecutor(folder, profile.timeout_s, profile.stall_s)
        try:
            with open_sweep(folder, header, resume=request.resume) as sweep, find.provide_npz(dataset, folder.data):
                remaining = estimate.Remaining(
                    sweep.pending, header.train_samples, header.val_samples, sweep.header.forecasts
                )
                print_start(sweep, remaining, console)
                display = choose_display(sweep, remaining, console, as_json=request.json)
                outcomes, stopped_by = measure_cases(sweep, executor, display, rank)
                report = SweepReport(folder, sweep.header, outcomes, sweep.notes)
                exit_code = choose_exit_code(
                    report,
                    interrupted=isinstance(stopped_by, KeyboardInterrupt),
                    refused=isinstance(stopped_by, OSError),
                )
                keep_hours(sweep.header.machine_id, list(measure_hours(report.rows).values()))
                problem = write_or_explain(report, exit_code)
                if request.tables:
                    print_tables(report, console)
                print_report(report, console)
                print_failures(report, stopped_by, console)
                left_s = sweep.left_s if stopped_by else 0.0
                print_next_step(request.make_resume_command(folder, left_s), sweep, report, exit_code, console)
                say(console, f"\n{problem or f'Report: {folder.page}'}")
                exit_code = exit_code or (ExitCode.FAILED if problem else ExitCode.OK)
                display.show_end(exit_code)
                return exit_code
        except (OSError, KeyboardInterrupt) as error:
            return print_early_end(request, folder, error, console)


def check_request(request: SweepRequest, profile: Profile) -> None:
    """Raise `InvalidInput` where a backend is missing or the folder cannot be used, before a download is begun."""
    check_backends(profile.backends)
    if request.out is not None:
        check_folder(ReportFolder(request.out), resume=request.resume)


def find_images(request: SweepRequest, profile: Profile, console: Console) -> find.Dataset:
    """Find or download the images to train on, at least one batch of them. Raises `InvalidInput`."""
    with show_download(console) as on_progress:
        dataset = find.find_dataset(
            profile.dataset, data_file=request.data, offline=request.offline, on_progress=on_progress
        )
    if dataset.images.remark:
        say(console, f"Note: {dataset.images.remark}.")
    if dataset.genuine is False:
        say(
            console,
            f"Note: the arrays are not those usually known as {profile.dataset}; rows carry their digest and say so.",
        )
    check_batches(profile.list_cases(), dataset.train_samples)
    return dataset


def make_header(profile: Profile, dataset: find.Dataset, console: Console) -> SweepHeader:
    """Describe the sweep: what is measured, on which images, machine and commit; a note says what git does not tell."""
    cases = tuple(profile.list_cases())
    fingerprint = take_fingerprint(sets_threads=all(case.threads is not None for case in cases))
    now = datetime.now(UTC)
    state = read_git_state(ROOT)
    if state.problem is not None:
        column = "git_dirty" if state.commit else "git_commit"
        say(console, f"Note: {column} stays empty in the rows: {make_one_line(state.problem)}")
    return SweepHeader(
        profile=profile,
        cases=cases,
        dataset_digest=dataset.digest,
        dataset_genuine=dataset.genuine,
        dataset_origin=dataset.origin,
        train_samples=dataset.train_samples,
        val_samples=dataset.val_samples,
        machine_id=make_machine_id(fingerprint),
        environment_id=make_environment_id(fingerprint),
        fingerprint=fingerprint,
        git_commit=state.commit,
        git_dirty=state.dirty,
        created_at=now.isoformat(timespec="seconds"),
        forecasts=forecast_cases(cases, dataset.train_samples, measure_machine(fingerprint)),
        **describe_usual(fingerprint, now),
    )


def choose_folder(request: SweepRequest, header: SweepHeader) -> ReportFolder:
    """Return the folder that was asked for, or a new one named after the time, the machine and the profile."""
    if request.out is not None:
        return ReportFolder(request.out)
    return ReportFolder.pick_new(f"{make_label(header.fingerprint)}-{header.profile.name}")


def measure_cases(
    sweep: Sweep, executor: Executor, display: Display, rank: Ranking
) -> tuple[list[Outcome], KeyboardInterrupt | OSError | None]:
    """Run what is pending, then further processes where the sweep has minutes for them, and show the progress.

    Returns the last outcome of each case, those of earlier runs included, and what stopped the sweep before its end.
    """
    outcomes = {outcome.case.case_id: outcome for outcome in sweep.kept}
    tables = GrowingTables(sweep.folder, sweep.header)
    try:
        with display:
            pending = sweep.run(sweep.pending, executor, display.listen)
            for outcome in itertools.chain(pending, run_repeats(sweep, executor, display, outcomes, rank)):
                outcomes[outcome.case.case_id] = outcome
                display.finish(outcome)
                # The journal has the case, whether or not the tables can be replaced now: a disk may be full, Windows
                # lets nobody replace a file that a spreadsheet has open. The report at the end tries again.
                with contextlib.suppress(OSError), signals.hold_signals():
                    tables.write(outcomes)
                signals.raise_if_received()
    except (KeyboardInterrupt, OSError) as error:
        return list(outcomes.values()), error
    return list(outcomes.values()), None


def print_start(sweep: Sweep, remaining: estimate.Remaining, console: Console) -> None:
    """Say what will be measured, and what of an earlier run will not be."""
    header, total, minutes = sweep.header, len(sweep.cases), sweep.profile.minutes
    for note in sweep.found:
        say(console, f"Note: the journal's {note}.")
    if sweep.given_up:
        times = format_count(sweep.profile.retries + 1, "time")
        say(
            console,
            f"Note: {format_count(len(sweep.given_up), 'case')} failed {times} or more and will not be run again; "
            "--retries allows another number.",
        )
    resumed = f", {len(sweep.done)} of them kept from before" if sweep.done else ""
    then = "" if minutes is None else f", then further processes for the rest of {format_count(minutes, 'minute')}"
    say(
        console,
        f"Profile {header.profile.name}: {format_count(total, 'case')}{resumed}, {remaining.describe()}{then}; "
        f"{header.train_samples:,} training and {header.val_samples:,} validation images of {header.profile.dataset}.",
    )


def print_failures(report: SweepReport, stopped_by: BaseException | None, console: Console) -> None:
    """Print the last lines of each case that failed, and what the system refused, if it did."""
    for outcome in report.outcomes:
        if outcome.status != "ok":
            head = f"{describe(outcome.case)}: {outcome.status}: {outcome.error}"
            count = f" (run {outcome.attempt} of this case)" if outcome.attempt > 1 else ""
            log = report.folder.locate_log(outcome.case.case_id)
            say(
                console,
                "\n".join(["", f"{head}{count}", *([outcome.log_tail] if outcome.log_tail else []), f"Log: {log}"]),
            )
    if isinstance(stopped_by, OSError):
        planned, further = report.header.split_outcomes(report.outcomes)
        cases = f"{len(planned)} of {format_count(len(report.header.cases), 'case')}"
        cases += f" and {format_count(len(further), 'further process')}" if further else ""
        reason = describe_refusal(stopped_by, report.folder)
        say(console, f"\nStopped: {reason}. The journal holds {cases}, each of them whole.")


def print_next_step(again: str, sweep: Sweep, report: SweepReport, exit_code: int, console: Console) -> None:
    """Print how to go on where not every case succeeded: with ``again``, the command that resumes the sweep."""
    if exit_code == ExitCode.OK:
        return
    failed = [outcome.attempt for outcome in report.outcomes if outcome.status != "ok"]
    if exit_code == ExitCode.INTERRUPTED:
        say(console, f"\nInterrupted; finished cases are kept. Continue with: {again}")
    elif failed and min(failed) > sweep.profile.retries and not report.is_cut:
        once_more = f"{again} --retries {max(failed)}"
        say(console, f"\nThe failed cases were run as often as --retries allows. To run them once more: {once_more}")
    else:
        say(console, f"\nTo run what failed or is missing: {again}")


def print_early_end(
    request: SweepRequest, folder: ReportFolder, error: OSError | KeyboardInterrupt, console: Console
) -> int:
    """Print why the sweep ended outside of its cases and how to go on; returns the exit code."""
    begun = folder.journal.is_file()
    next_step = f"Continue with: {request.make_resume_command(folder)}" if begun else "Nothing was begun."
    if isinstance(error, KeyboardInterrupt):
        say(console, f"\nInterrupted. {next_step}")
        return ExitCode.INTERRUPTED
    say(console, f"\nStopped: {describe_refusal(error, folder)}. {next_step}")
    return ExitCode.FAILED
