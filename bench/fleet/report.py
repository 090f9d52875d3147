"""What is made of a fleet's rows: a report of each machine, the machines compared, and who is the odd one out."""

from pathlib import Path

from rich.console import Console

from bench.compare.compare import CompareRequest, compare_reports
from bench.console.output import say
from bench.errors import ExitCode, InvalidInput, format_count
from bench.fleet.ledger import Account, Ledger, read_outcomes
from bench.fleet.odd import Figures, find_odd_ones, read_figures
from bench.report.contents import SweepReport
from bench.report.files import write_environment, write_status, write_tables
from bench.report.report import choose_exit_code, describe_refusal, print_answer, write_or_explain
from bench.results.folder import ReportFolder, write_whole
from bench.results.journal_lines import Outcome, SweepHeader

MOST_PAGES = 20
"""Of more machines only the tables are written; `aebench report` draws the page of any."""
_MOST_COMPARED = 200


def report_fleet(
    ledger: Ledger,
    console: Console,
    *,
    again: str,
    machines: int = 1,
    stopped_by: KeyboardInterrupt | OSError | None = None,
) -> int:
    """Write and print the reports; returns the exit code, which is that of the worst machine.

    Fewer ``machines`` than that are a failure too.
    """
    if isinstance(stopped_by, OSError):
        say(console, f"\nStopped: {describe_refusal(stopped_by, ReportFolder(ledger.out))}. Each row is whole.")
    accounts = [ledger.accounts[label] for label in sorted(ledger.accounts)]
    if not accounts:
        say(console, f"\nNo machine has a row yet. Go on with: {again}")
        return ExitCode.INTERRUPTED if isinstance(stopped_by, KeyboardInterrupt) else ExitCode.FAILED
    with_rows = [account for account in accounts if account.runs]
    figures = [_write_machine(account, with_page=len(accounts) <= MOST_PAGES) for account in with_rows]
    if ledger.file.spread == "cases":
        code = _report_merged(ledger, accounts, console)
    else:
        unwell = any(each.is_unwell or len(each.settled) < len(ledger.cases) for each in accounts)
        code = ExitCode.FAILED if unwell else ExitCode.OK
        _compare(ledger.out, with_rows, console)
    for sentence in find_odd_ones(figures):
        say(console, sentence)
    _print_ends(ledger, accounts, console)
    if len(accounts) < machines:
        say(console, f"{len(accounts)} of {format_count(machines, 'machine')} took part.")
        code = code or ExitCode.FAILED
    if isinstance(stopped_by, KeyboardInterrupt):
        code = ExitCode.INTERRUPTED
    if code != ExitCode.OK:
        say(console, f"\nTo run what failed or is missing: {again}")
    return code


def _write_machine(account: Account, *, with_page: bool) -> Figures:
    """Write what is made of one machine's journal; only its figures stay in memory."""
    outcomes = read_outcomes(account)
    report = SweepReport(account.folder, account.header, outcomes)
    code = choose_exit_code(report, interrupted=False)
    if with_page:
        write_or_explain(report, code)
    else:
        write_tables(account.folder, outcomes, account.header, report.rows)
        write_environment(account.folder, account.header)
        write_status(account.folder, account.header, outcomes, code)
    return read_figures(account.label, account.header.machine_id, outcomes, report.rows)


def _compare(out: Path, accounts: list[Account], console: Console) -> None:
    """Compare the machines that have rows, and write the comparison into the fleet's folder."""
    roots = [account.folder.root for account in accounts[:_MOST_COMPARED]]
    if len(roots) < 2:
        for root in roots:
            say(console, f"\nReport: {ReportFolder(root).page}")
        return
    try:
        compare_reports(CompareRequest(roots, out=out), console)
    except InvalidInput as error:
        say(console, f"Note: the machines are not compared: {error}")


def _report_merged(ledger: Ledger, accounts: list[Account], console: Console) -> int:
    """Write one report of all machines' rows: they are of one kind, and each ran a part of the cases."""
    header, outcomes = merge_accounts(accounts)
    folder = ReportFolder(ledger.out)
    lines = (line.model_dump_json() + "\n" for line in (header, *outcomes))
    write_whole(folder.journal, lines)
    report = SweepReport(folder, header, outcomes)
    code = choose_exit_code(report, interrupted=False)
    problem = write_or_explain(report, code)
    print_answer(report, console)
    say(console, f"\n{problem or f'Report: {folder.page}'}")
    return code


def merge_accounts(accounts: list[Account]) -> tuple[SweepHeader, list[Outcome]]:
    """Return one outcome for each case: the first that went well, else the last."""
    merged: dict[str, Outcome] = {}
    for account in accounts:
        for outcome in read_outcomes(account):
            before = merged.get(outcome.case.case_id)
            if before is None or before.status != "ok":
                merged[outcome.case.case_id] = outcome
    # What one machine's memory usually reaches says nothing of the others' rows.
    header = accounts[0].header.model_copy(update={"usual_gb_per_s": None, "usual_hours": None})
    order = {case.case_id: number for number, case in enumerate(header.cases)}
    return header, sorted(merged.values(), key=lambda outcome: order.get(outcome.case.case_id, len(order)))


def _print_ends(ledger: Ledger, accounts: list[Account], console: Console) -> None:
    """Say how many rows each machine has, and where they are."""
    for account in accounts:
        failed = [case_id for case_id, status in account.statuses.items() if status != "ok"]
        words = f"{len(account.statuses)} of {format_count(len(ledger.cases), 'case')}"
        words += f", {len(failed)} of them failed: {', '.join(failed[:3])}" if failed else ""
        say(console, f"{account.label}: {words}: {account.folder.root}")
