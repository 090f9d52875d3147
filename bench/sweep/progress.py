"""What a person sees while a sweep runs.

The measured process needs the machine, so a display does little: it refreshes at most once a second and has no timer of
its own; between two events the parent is blocked.
"""

import itertools
import json
import statistics
import sys
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bench.errors import format_count
from bench.plan.estimate import Remaining, format_duration
from bench.plan.profile import Case
from bench.report.tables import format_within
from bench.results.journal_lines import Outcome
from bench.sweep.session import Sweep
from bench.worker.protocol import EpochEvent, Event

_REFRESH_S = 1.0
_PLAIN_EVERY_S = 30.0
_DOWNLOAD_STEP = 10 << 20
_SHORTEST_BAR, _LONGEST_BAR = 8, 30
_WIDE = 160
"""Characters of a line in a file."""


def describe(case: Case) -> str:
    """Describe a case in a few words, with its repeat where it is not the first."""
    return f"{case.title}, repeat {case.repeat}" if case.repeat else case.title


def summarize(outcome: Outcome) -> str:
    """Describe an outcome in one line."""
    if outcome.status != "ok" or not outcome.epochs:
        return f"{outcome.status}: {outcome.error}"
    last, checkpoint, times = outcome.epochs[-1], outcome.checkpoints[-1], outcome.epochs.get_column("train_s")
    typical = _format_seconds(statistics.median(times[1:] or times))
    return (
        f"{format_count(len(outcome.epochs), 'epoch')} in {format_duration(outcome.duration_s)}, {typical} per epoch, "
        f"loss {last.train_loss:.4f}, val_loss {last.val_loss:.4f}, peak {checkpoint.peak_rss_mib:.0f} MiB"
    )


def _format_seconds(value: float) -> str:
    return f"{value:.3g} s"


def _describe_epoch(name: str, case: Case, epoch: EpochEvent, width: int) -> str:
    """Describe how far a case is in so many characters: what does not fit is left out, figures are not cut."""
    figures = (
        f"{_format_seconds(epoch.train_s)} per epoch",
        f"loss {_format_loss(epoch.train_loss)}",
        f"val_loss {_format_loss(epoch.val_loss)}",
        f"{epoch.rss_mib:.0f} MiB",
    )
    lines = itertools.accumulate(figures, "{}, {}".format, initial=f"{name}: epoch {epoch.epoch}/{case.run_epochs}")
    first, *longer = lines
    return next((line for line in reversed(longer) if len(line) <= width), first)


def _format_loss(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4f}"


class Display(AbstractContextManager["Display"]):
    """Follows a sweep of ``cases``, of which those that are not ``pending`` are done, and shows how far it is.

    Further processes come after them, each of which is announced.
    """

    def __init__(self, cases: Sequence[Case], pending: Sequence[Case], remaining: Remaining) -> None:
        self._total, self._finished = len(cases), len(cases) - len(pending)
        self._total_epochs = sum(case.run_epochs for case in cases)
        self._finished_epochs = self._total_epochs - sum(case.run_epochs for case in pending)
        self._epoch = self._run_epochs = 0
        """Of the running process: where it is, and how many it trains."""
        self._remaining = remaining
        self._further = 0
        """Further processes that were announced."""
        self._aim = ""
        """Of the one that is announced: how well its case is known, and how well it is to be known."""
        self._ends_at = 0.0
        self._began = time.monotonic()

    def listen(self, case: Case, event: Event | None) -> None:
        """Take an event of the running case; None when the case starts."""
        if event is None:
            self._began = time.monotonic()
            self._epoch, self._run_epochs = 0, case.run_epochs
            if not self._further:
                self._remaining.start(case)
            self.show_start(case)
        elif isinstance(event, EpochEvent):
            self._epoch = event.epoch
            if not self._further:
                self._remaining.note_epoch(event.epoch, time.monotonic() - self._began)
            self.show_epoch(case, event)

    def announce_repeat(self, within: float, wanted: float, left_s: float) -> None:
        """Take that a further process comes next, of a case that is known to within a fraction; of the time left."""
        self._further += 1
        self._aim = f"(within {format_within(within)}, wanted {format_within(wanted)})"
        self._ends_at = time.monotonic() + left_s

    def finish(self, outcome: Outcome) -> None:
        """Take the outcome of the case that was running."""
        if not self._further:
            self._remaining.finish(outcome.duration_s if outcome.status == "ok" else None)
            self._finished += 1
            self._finished_epochs += outcome.case.run_epochs
            self._epoch = 0
        self.show_outcome(outcome)

    @abstractmethod
    def show_start(self, case: Case) -> None:
        """Show that a case starts."""

    @abstractmethod
    def show_epoch(self, case: Case, epoch: EpochEvent) -> None:
        """Show how far the case is, if it was not shown just now."""

    @abstractmethod
    def show_outcome(self, outcome: Outcome) -> None:
        """Show how a case ended."""

    @abstractmethod
    def show_wait(self, why: str) -> None:
        """Show that the next process waits, and why."""

    @abstractmethod
    def show_end(self, exit_code: int) -> None:
        """Show that the report is written and with which exit code the sweep ends."""

    @property
    def epochs(self) -> tuple[int, int]:
        """How many epochs of all cases are done, and how many there are; of a further process, its own."""
        if self._further:
            return self._epoch, self._run_epochs
        return self._finished_epochs + self._epoch, self._total_epochs

    def describe_running(self, case: Case) -> str:
        """Describe the case that runs; of a further process, what it is for."""
        return f"repeat of {case.title} {self._aim}" if self._further else describe(case)

    def describe_remaining(self) -> str:
        """Return the time that the sweep may still take."""
        if self._further:
            left_s = self._ends_at - time.monotonic()
            return f"{format_duration(left_s)} left" if left_s >= 1 else "finishing"
        return f"{self._remaining.describe(time.monotonic() - self._began)} left"


class PlainDisplay(Display):
    """Prints lines without control characters, for a pipe, a file or CI: one every half minute while a case runs."""

    def __init__(self, cases: Sequence[Case], pending: Sequence[Case], remaining: Remaining, out: TextIO) -> None:
        super().__init__(cases, pending, remaining)
        self._out = out
        self._last_line = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.flush()

    def show_start(self, case: Case) -> None:
        """Print which case starts."""
        epochs = "" if self._further else f", {format_count(case.run_epochs, 'epoch')}"
        self._print(self._finished + 1, f"{self.describe_running(case)}{epochs}; {self.describe_remaining()}")

    def show_epoch(self, case: Case, epoch: EpochEvent) -> None:
        """Print how far the case is, at most every half minute."""
        if time.monotonic() - self._last_line > _PLAIN_EVERY_S:
            self._print(self._finished + 1, _describe_epoch(describe(case), case, epoch, _WIDE))

    def show_outcome(self, outcome: Outcome) -> None:
        """Print how the case ended."""
        self._print(self._finished, f"{describe(outcome.case)}: {summarize(outcome)}")

    def show_wait(self, why: str) -> None:
        """Print why the next process waits."""
        self._print(self._finished, why)

    def show_end(self, exit_code: int) -> None:
        """Print nothing: the report itself is printed."""

    def _print(self, number: int, text: str) -> None:
        self._last_line = time.monotonic()
        count = f"{self._finished}/{self._total} + {self._further}" if self._further else f"{number}/{self._total}"
        print(f"[{count}] {text}", file=self._out, flush=True)


class LiveDisplay(Display):
    """Shows a bar and the running case at the bottom of a terminal, finished cases above."""

    def __init__(self, cases: Sequence[Case], pending: Sequence[Case], remaining: Remaining, console: Console) -> None:
        super().__init__(cases, pending, remaining)
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._last_refresh = 0.0

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show_start(self, case: Case) -> None:
        """Show the case below the bar."""
        self._refresh(f"{self.describe_running(case)}: starting")

    def show_epoch(self, case: Case, epoch: EpochEvent) -> None:
        """Show how far the case is, at most once a second."""
        if time.monotonic() - self._last_refresh >= _REFRESH_S:
            width = self._live.console.width
            self._refresh(_describe_epoch(self.describe_running(case), case, epoch, width))

    def show_outcome(self, outcome: Outcome) -> None:
        """Print the outcome above the bar."""
        tick = Text("✓ ", "green") if outcome.status == "ok" else Text("✗ ", "red")
        self._live.console.print(tick + Text(f"{describe(outcome.case)}: ", "bold") + Text(summarize(outcome)))
        self._refresh("")

    def show_wait(self, why: str) -> None:
        """Show below the bar why the next process waits."""
        self._refresh(why)

    def show_end(self, exit_code: int) -> None:
        """Print nothing: the report itself is printed."""

    def _refresh(self, line: str) -> None:
        self._last_refresh = time.monotonic()
        head = Table.grid(padding=(0, 1))
        further = f" and {format_count(self._further, 'further process')}" if self._further else ""
        count = f"{self._finished}/{format_count(self._total, 'case')}{further}"
        text = f"{count}, {self.describe_remaining()}" if further or self._finished < self._total else count
        width = max(_SHORTEST_BAR, min(_LONGEST_BAR, self._live.console.width - len(text) - 1))
        done, total = self.epochs
        head.add_row(ProgressBar(total=max(total, 1), completed=done, width=width), text)
        self._live.update(Group(head, Text(line, overflow="ellipsis", no_wrap=True)), refresh=True)


class JsonDisplay(Display):
    """Prints each event as a line of JSON, for other programs: docs/exports.md has the fields."""

    def __init__(self, sweep: Sweep, remaining: Remaining, out: TextIO) -> None:
        super().__init__((*sweep.done, *sweep.pending), sweep.pending, remaining)
        self._sweep, self._out = sweep, out

    def __enter__(self) -> Self:
        profile, folder = self._sweep.profile, self._sweep.folder
        cases = self._sweep.cases
        epochs = sum(case.run_epochs for case in cases)
        counts = {"cases": len(cases), "cases_done": self._finished, "epochs": epochs}
        place = str(folder.root.resolve())
        self._print("sweep_started", profile=profile.name, folder=place, minutes=profile.minutes, **counts)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.flush()

    def show_start(self, case: Case) -> None:
        """Print which case starts."""
        fields = case.model_dump(mode="json", include=_CASE_FIELDS)
        self._print("case_started", case_id=case.case_id, **fields, epochs=case.run_epochs, further=self._further > 0)

    def show_epoch(self, case: Case, epoch: EpochEvent) -> None:
        """Print an epoch's figures."""
        fields = {name: getattr(epoch, name) for name in _EPOCH_FIELDS}
        self._print("epoch", case_id=case.case_id, **fields, left_s=self._compute_left())

    def show_outcome(self, outcome: Outcome) -> None:
        """Print how a case ended, with what is known at each of its checkpoints."""
        losses = {evaluation.epochs: evaluation.val_bce for evaluation in outcome.evaluations}
        checkpoints = [
            {
                "epochs": each.epochs,
                "total_s": each.wall_s,
                "peak_rss_mib": each.peak_rss_mib,
                "val_bce": losses.get(each.epochs),
            }
            for each in outcome.checkpoints
        ]
        ending = {"status": outcome.status, "error": outcome.error, "took_s": outcome.duration_s}
        self._print("case_finished", case_id=outcome.case.case_id, **ending, checkpoints=checkpoints)

    def show_wait(self, why: str) -> None:
        """Print why the next process waits."""
        self._print("waiting", reason=why)

    def show_end(self, exit_code: int) -> None:
        """Print the exit code and where the report is."""
        folder = self._sweep.folder
        files = {"page": folder.page, "results": folder.results, "journal": folder.journal}
        places = {name: str(file.resolve()) for name, file in files.items()}
        self._print("sweep_finished", exit_code=exit_code, **places)

    def _compute_left(self) -> float:
        now = time.monotonic()
        return max(self._ends_at - now, 0.0) if self._further else self._remaining.compute_seconds(now - self._began)

    def _print(self, event: str, **fields: Any) -> None:
        print(json.dumps({"event": event, **fields}, allow_nan=False), file=self._out, flush=True)


_CASE_FIELDS = {
    "model",
    "backend",
    "loop",
    "precision",
    "optimizer",
    "batch_size",
    "dataset",
    "seed",
    "repeat",
    "threads",
}
_EPOCH_FIELDS = ("epoch", "train_s", "val_s", "train_loss", "val_loss", "rss_mib")


def choose_display(sweep: Sweep, remaining: Remaining, console: Console, *, as_json: bool = False) -> Display:
    """Return a live display for a terminal, plain lines for anything else, lines of JSON where they are asked for."""
    if as_json:
        return JsonDisplay(sweep, remaining, sys.stdout)
    cases = (*sweep.done, *sweep.pending)  # without those that were given up, so that the last one is the last
    if console.is_terminal:
        return LiveDisplay(cases, sweep.pending, remaining, console)
    return PlainDisplay(cases, sweep.pending, remaining, sys.stderr if console.stderr else sys.stdout)


@contextmanager
def show_download(console: Console) -> Iterator[Callable[[int, int | None], None]]:
    """Show how far a download is: a bar on a terminal, a line every ten MiB elsewhere."""
    if not console.is_terminal:
        yield _make_download_printer(console)
        return
    columns = (TextColumn("downloading"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("download", total=None, visible=False)
        yield lambda done, total: progress.update(task, completed=done, total=total, visible=True)


def _make_download_printer(console: Console) -> Callable[[int, int | None], None]:
    said = 0

    def say(done: int, total: int | None) -> None:
        nonlocal said
        if done - said >= _DOWNLOAD_STEP or done == total:
            said = done
            whole = "" if total is None else f" of {total / 1e6:.1f}"
            console.print(f"downloading: {done / 1e6:.1f}{whole} MB", highlight=False)

    return say
