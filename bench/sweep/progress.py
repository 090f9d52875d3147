"""What the person sees while a sweep runs.

The measured process needs the machine, so a display does little: at most one refresh a second, none from a timer of its
own; between two events the parent is blocked.
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
    """A case in a few words; axes that stand at their default are left out."""
    extras = [
        *([case.backend] if case.backend != "tensorflow" else []),
        *([case.loop] if case.loop != "fit" else []),
        *([case.precision] if case.precision != "float32" else []),
        *([f"repeat {case.repeat}"] if case.repeat else []),
    ]
    return " ".join([f"{case.model} · batch {case.batch_size}", *extras])


def summary(outcome: Outcome) -> str:
    """An outcome in one line."""
    if outcome.status != "ok" or not outcome.epochs:
        return f"{outcome.status}: {outcome.error}"
    last, checkpoint, times = outcome.epochs[-1], outcome.checkpoints[-1], outcome.epochs.column("train_s")
    typical = _seconds(statistics.median(times[1:] or times))
    return (
        f"{len(outcome.epochs)} epochs in {duration(outcome.duration_s)}, {typical} an epoch, "
        f"loss {last.train_loss:.4f}, val_loss {last.val_loss:.4f}, peak {checkpoint.peak_rss_mib:.0f} MiB"
    )


def _seconds(value: float) -> str:
    return f"{value:.3g} s"


class Display(Protocol):
    """Told of a sweep's course."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def listen(self, case: Case, event: Event | None) -> None:
        """Take an event of the running case; None when it starts."""
        ...

    def finished(self, outcome: Outcome) -> None:
        """Take the outcome of the case that ran."""
        ...


class _Course:
    """Where a sweep stands."""

    def __init__(self, total: int, done: int, remaining: Remaining) -> None:
        self.total = total
        self.number = done
        self.remaining = remaining
        self.case: Case | None = None
        self.began = time.monotonic()
        self.epoch: EpochEvent | None = None

    def take(self, case: Case, event: Event | None) -> None:
        if event is None:
            self.case, self.epoch, self.began = case, None, time.monotonic()
            self.number += 1
        elif isinstance(event, EpochEvent):
            self.epoch = event

    def left(self) -> str:
        return f"{self.remaining.words(self.case, time.monotonic() - self.began)} left"

    def epoch_line(self) -> str:
        if self.case is None or self.epoch is None:
            return "starting"
        epoch = self.epoch
        losses = f"loss {_loss(epoch.train_loss)} val_loss {_loss(epoch.val_loss)}"
        speed = f"{_seconds(epoch.train_s)} an epoch, {epoch.rss_mib:.0f} MiB"
        return f"epoch {epoch.epoch}/{self.case.run_epochs} {losses} {speed}"


def _loss(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4f}"


class PlainDisplay:
    """Lines for a pipe, a file or CI; no control characters."""

    def __init__(self, total: int, done: int, remaining: Remaining, out: TextIO) -> None:
        self._course = _Course(total, done, remaining)
        self._out = out
        self._said = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.flush()

    def listen(self, case: Case, event: Event | None) -> None:
        """Say when a case starts, and every half minute how far it is."""
        self._course.take(case, event)
        if event is None:
            self._say(f"{describe(case)}, {case.run_epochs} epochs; {self._course.left()}")
        elif isinstance(event, EpochEvent) and time.monotonic() - self._said > _PLAIN_EVERY_S:
            self._say(f"{describe(case)}: {self._course.epoch_line()}")

    def finished(self, outcome: Outcome) -> None:
        """Say how the case ended."""
        self._course.remaining.finished(outcome.case, outcome.duration_s)
        self._say(f"{describe(outcome.case)}: {summary(outcome)}")

    def _say(self, text: str) -> None:
        self._said = time.monotonic()
        print(f"[{self._course.number}/{self._course.total}] {text}", file=self._out, flush=True)


class LiveDisplay:
    """A bar and the running case at the bottom of a terminal, finished cases above."""

    def __init__(self, total: int, done: int, remaining: Remaining, console: Console) -> None:
        self._course = _Course(total, done, remaining)
        self._finished = done
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._shown = 0.0

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def listen(self, case: Case, event: Event | None) -> None:
        """Show where the case stands, at most once a second."""
        self._course.take(case, event)
        if event is None or (isinstance(event, EpochEvent) and time.monotonic() - self._shown >= _REFRESH_S):
            self._show()

    def finished(self, outcome: Outcome) -> None:
        """Leave the case's result above the bar."""
        self._course.remaining.finished(outcome.case, outcome.duration_s)
        self._course.case = None
        self._finished += 1
        checkpoint = Text("✓ ", "green") if outcome.status == "ok" else Text("✗ ", "red")
        self._live.console.print(checkpoint + Text(f"{describe(outcome.case)}: ", "bold") + Text(summary(outcome)))
        self._show()

    def _show(self) -> None:
        self._shown = time.monotonic()
        self._live.update(self._picture(), refresh=True)

    def _picture(self) -> Group:
        head = Table.grid(padding=(0, 1))
        counts = f"{self._finished}/{self._course.total} cases"
        bar = ProgressBar(total=max(self._course.total, 1), completed=self._finished, width=30)
        head.add_row(bar, counts, self._course.left())
        case = self._course.case
        body = Text(f"{describe(case)}: {self._course.epoch_line()}" if case else "", overflow="ellipsis", no_wrap=True)
        return Group(head, body)


def display(total: int, done: int, remaining: Remaining, console: Console) -> Display:
    """The display that fits where standard output goes."""
    if console.is_terminal:
        return LiveDisplay(total, done, remaining, console)
    return PlainDisplay(total, done, remaining, sys.stdout)


@contextmanager
def download_progress(console: Console) -> Iterator[Callable[[int, int | None], None]]:
    """Show a download's bytes: a bar on a terminal, a line each ten MiB elsewhere."""
    if not console.is_terminal:
        yield _plain_download(console)
        return
    columns = (TextColumn("downloading"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("download", total=None, visible=False)
        yield lambda done, total: progress.update(task, completed=done, total=total, visible=True)


def _plain_download(console: Console) -> Callable[[int, int | None], None]:
    said = 0

    def say(done: int, total: int | None) -> None:
        nonlocal said
        if done - said >= _DOWNLOAD_STEP or done == total:
            said = done
            whole = "" if total is None else f" of {total / 1e6:.1f}"
            console.print(f"downloading: {done / 1e6:.1f}{whole} MB", highlight=False)

    return say
