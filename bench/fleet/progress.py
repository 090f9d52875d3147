"""What a person sees at home while a fleet works: a line per machine."""

import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bench.console.output import say
from bench.fleet.home import Home
from bench.fleet.member import Member
from bench.plan.estimate import format_duration
from bench.results.journal_lines import Outcome
from bench.sweep.progress import describe, summarize

_REFRESH_S = 1.0


class FleetDisplay(AbstractContextManager["FleetDisplay"]):
    """A table that changes on a terminal; elsewhere a line for each case that ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._drawn_at = 0.0

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def tell(self, line: str) -> None:
        """Print a line, above the table."""
        say(self._console, line)

    def finish(self, member: Member, outcome: Outcome) -> None:
        """Say how a case ended."""
        if self._live is None or outcome.status != "ok":
            self.tell(f"{member.account.label}: {describe(outcome.case)}: {summarize(outcome)}")

    def show(self, home: Home) -> None:
        """Draw where everything stands, at most once a second."""
        now = time.monotonic()
        if self._live is not None and now - self._drawn_at >= _REFRESH_S:
            self._drawn_at = now
            self._live.update(tabulate_members(home), refresh=True)


def tabulate_members(home: Home) -> Table:
    """Make a table of a line per machine: cases done, what runs, time left."""
    table = Table(box=None, pad_edge=False)
    for name in ("machine", "done", "runs now", "left"):
        table.add_column(name, justify="right" if name in ("done", "left") else "left", no_wrap=True)
    total = len(home.ledger.cases)
    for label, member in home.members.items():
        done = len(member.account.settled)
        table.add_row(Text(label), f"{done}/{total}", Text(_describe_now(member)), _estimate_left(home, member))
    if not home.members:
        table.add_row("none yet", "", "waiting for machines", "")
    return table


def _describe_now(member: Member) -> str:
    if member.address is None:
        return f"away for {format_duration(time.monotonic() - member.heard_at)}"
    if member.case is None:
        return "nothing"
    epoch = f", epoch {member.epoch}/{member.case.run_epochs}" if member.epoch else ""
    return f"{describe(member.case)}{epoch}"


def _estimate_left(home: Home, member: Member) -> str:
    """By what the machine's cases took so far in the mean; empty as long as none has ended."""
    account = member.account
    if not account.took:
        return ""
    missing = len(home.ledger.cases) - len(account.settled)
    if home.ledger.file.spread == "cases":
        missing = -(-len(home.ledger.open) // max(1, len(home.members)))
    running_s = time.monotonic() - member.begun_at if member.case else 0.0
    return format_duration(max(0.0, missing * account.took_s / account.took - running_s))
