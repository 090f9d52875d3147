"""`aebench report`: writes the report of a folder again from its journal; a sweep ends with the same."""

import contextlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.console.output import make_console, say
from bench.errors import ExitCode
from bench.report import page
from bench.report.choices import AS_THEY_ARE, Choices
from bench.report.files import write_status
from bench.results import journal
from bench.results.folder import ReportFolder
from bench.results.schema import Outcome, SweepHeader


@dataclass(frozen=True)
class SweepReport:
    """What a report is made of."""

    folder: ReportFolder
    header: SweepHeader
    outcomes: Sequence[Outcome]
    """The last outcome of each case that was run."""
    notes: Sequence[str]
    """What of the journal cannot be read."""
    choices: Choices = AS_THEY_ARE

    def choose_exit_code(self, *, interrupted: bool, refused: bool = False) -> int:
        """Return the exit code of the sweep; ``refused`` says that the system did, a full disk for example."""
        if interrupted:
            return ExitCode.INTERRUPTED
        all_ok = sum(outcome.status == "ok" for outcome in self.outcomes) == len(self.header.cases)
        return ExitCode.OK if all_ok and not refused else ExitCode.FAILED

    def write_or_explain(self, exit_code: int) -> str | None:
        """Write every file of the report; returns None, or a message where not all of it could be written.

        The tables come before what is drawn: where a disk is full or a drawing fails, they are there already.
        """
        try:
            page.write_report(self.folder, self.header, self.outcomes, self.notes, exit_code, self.choices)
        except OSError as error:
            reason = describe_refusal(error, self.folder)
        except Exception as error:  # noqa: BLE001 - whatever a drawing raises, what was measured is there
            reason = f"{type(error).__name__}: {error}"
        else:
            return None
        with contextlib.suppress(OSError):
            write_status(self.folder, self.header, self.outcomes, exit_code or ExitCode.FAILED)
        again = shlex.join(["aebench", "report", str(self.folder.root)])
        return f"The report is not whole: {reason}. The journal has all of it; draw it again with: {again}"

    def print_tables(self, console: Console) -> None:
        """Print the tables of the report and what a reader must know of them."""
        for table in page.make_tables(self.header, self.outcomes, self.choices):
            console.print()
            console.print(table.to_rich())
        for remark in page.list_remarks(self.header, self.outcomes, self.choices):
            say(console, f"Note: {remark}")


def redraw_report(root: Path, console: Console | None = None, choices: Choices = AS_THEY_ARE) -> int:
    """Write the report of a folder again from its journal and print its tables; returns the exit code.

    Its status.json says again how the sweep ended; the exit code is 3 only where the report could not be written as a
    whole. Raises `InvalidInput` where there is no journal, or where a sweep is still running in the folder.
    """
    console = console or make_console()
    folder = ReportFolder(root)
    stored = journal.read(folder.journal)
    report = SweepReport(folder, stored.header, list(stored.latest.values()), stored.notes, choices)
    sweep_exit_code = report.choose_exit_code(interrupted=len(report.outcomes) < len(stored.header.cases))
    with journal.lock_folder(folder):  # a sweep that is running writes its report itself
        problem = report.write_or_explain(sweep_exit_code)
    for note in stored.notes:
        say(console, f"Note: the journal's {note}.")
    report.print_tables(console)
    say(console, f"\n{problem or f'Report: {folder.page}'}")
    return ExitCode.FAILED if problem else ExitCode.OK


def describe_refusal(error: OSError, folder: ReportFolder) -> str:
    """Say what the system refused, and for which file, as far as it said so."""
    return f"{error.filename or folder.root}: {error.strerror or error}"
