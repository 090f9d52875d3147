"""`aebench report`: writes the report of a folder again from its journal; a sweep ends with the same."""

import contextlib
import shlex
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bench.console.output import make_console, say
from bench.console.table import print_lines, print_table, wrap
from bench.errors import ExitCode
from bench.report.contents import SweepReport
from bench.report.exports import write_exports
from bench.report.files import write_environment, write_status, write_tables
from bench.report.markdown import format_markdown
from bench.report.summary import describe_sweep
from bench.results import journal
from bench.results.folder import ReportFolder, write_whole

_INDENT = len("Forecast: ")


def choose_exit_code(report: SweepReport, *, interrupted: bool, refused: bool = False) -> int:
    """Return the exit code of the sweep; ``refused`` says that the system did, a full disk for example."""
    if interrupted:
        return ExitCode.INTERRUPTED
    ok = not report.failed and not report.is_cut and not refused
    return ExitCode.OK if ok else ExitCode.FAILED


def write_report(report: SweepReport, exit_code: int) -> None:
    """Write every file that is made from the journal.

    The tables come before what is drawn: where a disk is full or a drawing fails, they are there already.
    """
    folder, header, outcomes = report.folder, report.header, report.outcomes
    write_tables(folder, outcomes, header, report.rows)
    write_environment(folder, header)
    write_exports(report)
    write_whole(folder.report, format_markdown(report))
    write_status(folder, header, outcomes, exit_code)
    from bench.report.html import write_page  # noqa: PLC0415 - matplotlib only for those who draw

    write_page(report)


def write_or_explain(report: SweepReport, exit_code: int) -> str | None:
    """Write every file of the report; returns None, or a message where not all of it could be written."""
    try:
        write_report(report, exit_code)
    except OSError as error:
        reason = describe_refusal(error, report.folder)
    except Exception as error:  # noqa: BLE001 - whatever a drawing raises, what was measured is there
        reason = f"{type(error).__name__}: {error}"
    else:
        return None
    with contextlib.suppress(OSError):
        write_status(report.folder, report.header, report.outcomes, exit_code or ExitCode.FAILED)
    again = shlex.join(["aebench", "report", str(report.folder.root)])
    return f"The report is not whole: {reason}. The journal has all of it; draw it again with: {again}"


def print_answer(report: SweepReport, console: Console) -> None:
    """Print on one screen what was swept, the answer in sentences, every case, and how well the times are known."""
    say(console, "")
    print_lines(console, [describe_sweep(report.header, report.outcomes)])
    say(console, "")
    for sentence in report.answer:
        _print_sentence(sentence, console)
    if not report.cases.is_empty:
        say(console, "")
        print_table(console, report.cases)
    print_lines(console, report.certainty)


def _print_sentence(sentence: str, console: Console) -> None:
    """Print a sentence with what it is about ("Time: …") in a column of its own."""
    topic, colon, rest = sentence.partition(": ")
    if not colon:
        print_lines(console, [sentence])
        return
    first, *others = wrap(rest, console.width - _INDENT)
    console.print(Text.assemble((f"{topic}:".ljust(_INDENT), "bold"), first), soft_wrap=True)
    for line in others:
        console.print(Text(" " * _INDENT + line), soft_wrap=True)


def print_tables(report: SweepReport, console: Console) -> None:
    """Print all tables of the report and what a reader must know of them."""
    say(console, "")
    for table in report.tables:
        print_table(console, table)
    print_lines(console, [f"Note: {remark}" for remark in report.remarks])


def redraw_report(
    root: Path,
    console: Console | None = None,
    *,
    without_noisy: bool = False,
    thresholds: tuple[float, ...] = (),
    tables: bool = False,
) -> int:
    """Write the report of a folder again from its journal and print its answer; returns the exit code.

    With ``tables`` all of its tables come before.

    Its status.json says again how the sweep ended, as far as what failed or is missing shows it; the exit code is 3
    only where the report could not be written as a whole. Raises `InvalidInput` where there is no journal, or where a
    sweep is still running in the folder.
    """
    console = console or make_console()
    folder = ReportFolder(root)
    stored = journal.read_journal(folder.journal)
    report = SweepReport(folder, stored.header, list(stored.latest.values()), stored.notes, without_noisy, thresholds)
    sweep_exit_code = choose_exit_code(report, interrupted=report.is_cut)
    with journal.lock_folder(folder):  # a sweep that is running writes its report itself
        problem = write_or_explain(report, sweep_exit_code)
    for note in stored.notes:
        say(console, f"Note: the journal's {note}.")
    if tables:
        print_tables(report, console)
    print_answer(report, console)
    say(console, f"\n{problem or f'Report: {folder.page}'}")
    return ExitCode.FAILED if problem else ExitCode.OK


def describe_refusal(error: OSError, folder: ReportFolder) -> str:
    """Say what the system refused, and for which file, as far as it said so."""
    return f"{error.filename or folder.root}: {error.strerror or error}"
