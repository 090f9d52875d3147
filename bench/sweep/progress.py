"""What a person sees while a sweep runs.

The measured process needs the machine, so a display does little: it refreshes at most once a second and has no timer of
its own; between two events the parent is blocked.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bench.plan.estimate import Remaining, duration
from bench.plan.profile import Case
from bench.results.schema import Outcome
from bench.worker.protocol import EpochEvent, Event

_REFRESH_S = 1.0
_PLAIN_EVERY_S = 30.0
_DOWNLOAD_STEP = 10 << 20


def describe(case: Case) -> str:
    """Describe a case in a few words; axes that have their default value are left out."""
    extras = [
        *([case.backend] if case.backend != "tensorflow" else []),
        *([case.loop] if case.loop != "fit" else []),
        *([case.precision] if case.precision != "float32" else []),
        *([f"repeat {case.repeat}"] if case.repeat else []),
    ]
    return " ".join([f"{case.model} · batch {case.batch_size}", *extras])


def summarize(outcome: Outcome) -> str:
    """Describe an outcome in one line."""
    if outcome.status != "ok" or not outcome.epochs:
        return f"{outcome.status}: {outcome.error}"
    last, checkpoint, times = outcome.epochs[-1], outcome.checkpoints[-1], outcome.epochs.column("train_s")
    typical = _format_seconds(statistics.median(times[1:] or times))
    return (
        f"{len(outcome.epochs)} epochs in {duration(outcome.duration_s)}, {typical} per epoch, "
        f"loss {last.train_loss:.4f}, val_loss {last.val_loss:.4f}, peak {checkpoint.peak_rss_mib:.0f} MiB"
    )


def _format_seconds(value: float) -> str:
    return f"{value:.3g} s"


class Display(Protocol):
    """Shows the progress of a sweep."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def listen(self, case: Case, event: Event | None) -> None:
        """Show an event of the running case; None when the case starts."""
        ...

    def finish(self, outcome: Outcome) -> None:
        """Show the outcome of the case that was running."""
        ...


class _SweepProgress:
    """How far a sweep is."""

    def __init__(self, total: int, done: int, remaining: Remaining) -> None:
        self.total = total
        self.number = done
        self.remaining = remaining
        self.case: Case | None = None
        self.began = time.monotonic()
        self.epoch: EpochEvent | None = None

    def update(self, case: Case, event: Event | None) -> None:
        if event is None:
            self.case, self.epoch, self.began = case, None, time.monotonic()
            self.number += 1
        elif isinstance(event, EpochEvent):
            self.epoch = event

    def describe_remaining(self) -> str:
        return f"{self.remaining.words(self.case, time.monotonic() - self.began)} left"

    def describe_epoch(self) -> str:
        if self.case is None or self.epoch is None:
            return "starting"
        epoch = self.epoch
        losses = f"loss {_format_loss(epoch.train_loss)} val_loss {_format_loss(epoch.val_loss)}"
        speed = f"{_format_seconds(epoch.train_s)} per epoch, {epoch.rss_mib:.0f} MiB"
        return f"epoch {epoch.epoch}/{self.case.run_epochs} {losses} {speed}"


def _format_loss(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4f}"


class PlainDisplay:
    """Prints lines, for a pipe, a file or CI; no control characters."""

    def __init__(self, total: int, done: int, remaining: Remaining, out: TextIO) -> None:
        self._progress = _SweepProgress(total, done, remaining)
        self._out = out
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.flush()

    def listen(self, case: Case, event: Event | None) -> None:
        """Print a line when a case starts, then one every half minute."""
        self._progress.update(case, event)
        if event is None:
            self._print(f"{describe(case)}, {case.run_epochs} epochs; {self._progress.describe_remaining()}")
        elif isinstance(event, EpochEvent) and time.monotonic() - self._last_line > _PLAIN_EVERY_S:
            self._print(f"{describe(case)}: {self._progress.describe_epoch()}")

    def finish(self, outcome: Outcome) -> None:
        """Print how the case ended."""
        self._progress.remaining.finished(outcome.case, outcome.duration_s)
        self._print(f"{describe(outcome.case)}: {summarize(outcome)}")

    def _print(self, text: str) -> None:
        self._last_line = time.monotonic()
        print(f"[{self._progress.number}/{self._progress.total}] {text}", file=self._out, flush=True)


class LiveDisplay:
    """Shows a bar and the running case at the bottom of a terminal, finished cases above."""

    def __init__(self, total: int, done: int, remaining: Remaining, console: Console) -> None:
        self._progress = _SweepProgress(total, done, remaining)
        self._finished = done
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._last_refresh = 0.0

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def listen(self, case: Case, event: Event | None) -> None:
        """Show how far the case is, at most once a second."""
        self._progress.update(case, event)
        if event is None or (isinstance(event, EpochEvent) and time.monotonic() - self._last_refresh >= _REFRESH_S):
            self._refresh()

    def finish(self, outcome: Outcome) -> None:
        """Print the outcome above the bar."""
        self._progress.remaining.finished(outcome.case, outcome.duration_s)
        self._progress.case = None
        self._finished += 1
        tick = Text("✓ ", "green") if outcome.status == "ok" else Text("✗ ", "red")
        self._live.console.print(tick + Text(f"{describe(outcome.case)}: ", "bold") + Text(summarize(outcome)))
        self._refresh()

    def _refresh(self) -> None:
        self._last_refresh = time.monotonic()
        self._live.update(self._draw(), refresh=True)

    def _draw(self) -> Group:
        head = Table.grid(padding=(0, 1))
        counts = f"{self._finished}/{self._progress.total} cases"
        bar = ProgressBar(total=max(self._progress.total, 1), completed=self._finished, width=30)
        head.add_row(bar, counts, self._progress.describe_remaining())
        case = self._progress.case
        line = f"{describe(case)}: {self._progress.describe_epoch()}" if case else ""
        return Group(head, Text(line, overflow="ellipsis", no_wrap=True))


def choose_display(total: int, done: int, remaining: Remaining, console: Console) -> Display:
    """Return a live display for a terminal, plain lines for anything else."""
    if console.is_terminal:
        return LiveDisplay(total, done, remaining, console)
    return PlainDisplay(total, done, remaining, sys.stdout)


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
