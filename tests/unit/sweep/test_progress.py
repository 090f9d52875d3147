"""What the person sees while a sweep runs costs the measured process next to nothing."""

import io
import itertools
import re
import threading
import time
from typing import Any

import pytest
import scripted
from rich.console import Console
from rich.live import Live

from bench.plan.estimate import Remaining
from bench.plan.profile import Case
from bench.results.journal_lines import Outcome
from bench.sweep.progress import LiveDisplay, PlainDisplay, describe, show_download, summarize

CASES = scripted.profile(models=("basic", "deep"), epochs=(40,)).list_cases()


class _Clock:
    """Time that passes when the test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def remaining() -> Remaining:
    return Remaining(CASES, 40, 10)


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100, legacy_windows=False)


def play(shown: Any, clock: _Clock, case: Case, *, epoch_s: float = 0.1) -> Outcome:
    """A case from its start to its end, an epoch every ``epoch_s``."""
    shown.listen(case, None)
    outcome = scripted.outcome(case)
    for epoch in outcome.epochs:
        clock.now += epoch_s
        shown.listen(case, epoch)
    shown.finish(outcome)
    return outcome


# --- words -----------------------------------------------------------------------------------------------------------


def test_a_case_is_described_without_what_stands_at_its_default() -> None:
    assert describe(scripted.case()) == "basic · batch 4"
    special = scripted.case(backend="jax", loop="xla", precision="mixed_bfloat16", repeat=2)
    assert describe(special) == "basic jax xla mixed_bfloat16 · batch 4, repeat 2"


def test_a_well_ended_case_is_summed_up_with_time_losses_and_memory() -> None:
    text = summarize(scripted.outcome())
    for expected in ("4 epochs", "20 s", "0.303 s per epoch", "loss 0.0750", "val_loss 0.1000", "604 MiB"):
        assert expected in text


@pytest.mark.parametrize("reached", [0, 1])
def test_a_case_that_failed_is_summed_up_with_its_error(reached: int) -> None:
    assert summarize(scripted.outcome(reached=reached)) == "failed: ValueError: scripted"


# --- plain lines -----------------------------------------------------------------------------------------------------


def plain(clock: _Clock, *, epoch_s: float) -> list[str]:
    out = io.StringIO()
    with PlainDisplay(CASES, CASES, remaining(), out) as shown:
        for case in CASES:
            play(shown, clock, case, epoch_s=epoch_s)
    text = out.getvalue()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    return text.splitlines()


def test_plain_lines_say_when_each_case_starts_and_how_it_ended(clock: _Clock) -> None:
    lines = plain(clock, epoch_s=0.1)
    assert len(lines) == 4
    assert [line.split("]")[0] for line in lines] == ["[1/2", "[1/2", "[2/2", "[2/2"]
    assert "left" in lines[0]
    assert "peak" in lines[1]


def test_a_long_case_says_every_half_minute_how_far_it_is(clock: _Clock) -> None:
    lines = plain(clock, epoch_s=10.0)
    between = [line for line in lines if "epoch " in line and "/40" in line]
    assert len(between) == 2 * 10
    assert "epoch 4/40" in between[0]
    assert "val_loss" in between[0]


def test_a_resumed_sweep_counts_on_from_what_is_kept(clock: _Clock) -> None:
    out = io.StringIO()
    with PlainDisplay(CASES, CASES[1:], Remaining(CASES[1:], 40, 10), out) as shown:
        play(shown, clock, CASES[1])
    assert out.getvalue().startswith("[2/2] deep")


def test_a_loss_that_is_not_finite_is_said(clock: _Clock) -> None:
    out = io.StringIO()
    with PlainDisplay(CASES, CASES, remaining(), out) as shown:
        shown.listen(CASES[0], None)
        clock.now += 31
        shown.listen(CASES[0], scripted.epoch(1, train_loss=None))
    assert "loss not finite" in out.getvalue()


# --- a terminal ------------------------------------------------------------------------------------------------------


@pytest.fixture
def refreshes(monkeypatch: pytest.MonkeyPatch, clock: _Clock) -> list[float]:
    """The times at which the picture was drawn again."""
    drawn: list[float] = []
    monkeypatch.setattr(Live, "update", lambda _self, _picture, *, refresh: drawn.append(clock.now))
    return drawn


def test_epochs_redraw_a_terminal_at_most_once_a_second(clock: _Clock, refreshes: list[float]) -> None:
    with LiveDisplay(CASES, CASES, remaining(), terminal()) as shown:
        shown.listen(CASES[0], None)
        for number in range(1, 501):
            clock.now += 0.01
            shown.listen(CASES[0], scripted.epoch(number))
    assert 4 <= len(refreshes) <= 6
    assert min(later - earlier for earlier, later in itertools.pairwise(refreshes)) >= 1.0


def test_other_events_than_epochs_redraw_nothing(clock: _Clock, refreshes: list[float]) -> None:
    with LiveDisplay(CASES, CASES, remaining(), terminal()) as shown:
        shown.listen(CASES[0], None)
        drawn = len(refreshes)
        for event in (scripted.SETUP, *scripted.PHASES, scripted.checkpoint(1), scripted.evaluation(1)):
            clock.now += 10
            shown.listen(CASES[0], event)
        assert len(refreshes) == drawn


def test_no_display_starts_a_thread_of_its_own(clock: _Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        pytest.fail(f"started {thread}")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with (
        LiveDisplay(CASES, CASES, remaining(), terminal()) as live,
        PlainDisplay(CASES, CASES, remaining(), io.StringIO()) as lines,
    ):
        for shown in (live, lines):
            play(shown, clock, CASES[0])


def test_a_terminal_keeps_each_finished_case_above_the_bar(clock: _Clock) -> None:
    console = terminal()
    with LiveDisplay(CASES, CASES, remaining(), console) as shown:
        play(shown, clock, CASES[0])
        failed = scripted.outcome(CASES[1], reached=1)
        shown.listen(CASES[1], None)
        shown.finish(failed)
    assert isinstance(console.file, io.StringIO)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue())
    for expected in (
        "✓ basic · batch 4",
        "✗ deep · batch 4",
        "failed: ValueError: scripted",
        "1/2 cases, ",
        "2/2 cases",
    ):
        assert expected in text
    assert "2/2 cases, " not in text, "nothing is left"


def test_a_terminal_shows_what_a_further_process_is_for_and_why_it_waits(clock: _Clock) -> None:
    console = terminal()
    with LiveDisplay(CASES[:1], CASES[:1], Remaining(CASES[:1], 40, 10), console) as shown:
        play(shown, clock, CASES[0])
        shown.announce_repeat(0.11, 0.05, 130.0)
        shown.show_wait("waiting up to 30 s: other programs use 0.9 cores")
        clock.now += 10
        play(shown, clock, CASES[0].model_copy(update={"repeat": 1}))
    assert isinstance(console.file, io.StringIO)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue())
    for expected in (
        "1/1 case and 1 further process, 2 min 10 s left",
        "waiting up to 30 s: other programs use 0.9 cores",
        "2 min 0 s left",
        "repeat of basic · batch 4 (within 11 %, wanted 5 %): starting",
        "repeat of basic · batch 4 (within 11 %, wanted 5 %): epoch 10/40, ",
        "✓ basic · batch 4, repeat 1: 40 epochs",
    ):
        assert expected in text


def test_markup_in_an_error_is_shown_as_it_is(clock: _Clock) -> None:
    console = terminal()
    with LiveDisplay(CASES, CASES, remaining(), console) as shown:
        shown.listen(CASES[0], None)
        shown.finish(scripted.outcome(CASES[0], reached=0, error="shape [/red] is odd"))
    assert isinstance(console.file, io.StringIO)
    assert "shape [/red] is odd" in console.file.getvalue()


def test_the_bar_moves_with_epochs(clock: _Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[float] = []

    def note(_self: Live, picture: Any, *, refresh: bool) -> None:
        bar = next(picture.renderables[0].columns[0].cells)
        drawn.append(bar.completed / bar.total)

    monkeypatch.setattr(Live, "update", note)
    with LiveDisplay(CASES, CASES[1:], Remaining(CASES[1:], 40, 10), terminal()) as shown:
        play(shown, clock, CASES[1], epoch_s=1.0)
        assert drawn == [pytest.approx((40 + epoch) / 80) for epoch in [0, *range(1, 41), 40]]
        drawn.clear()
        shown.announce_repeat(0.11, 0.05, 130.0)
        play(shown, clock, CASES[0].model_copy(update={"repeat": 1}), epoch_s=1.0)
    assert drawn == [pytest.approx(epoch / 40) for epoch in [0, *range(1, 41), 40]], "a further process has its own"


@pytest.mark.parametrize("width", [30, 40, 60, 80, 160])
def test_what_does_not_fit_is_left_out_and_no_figure_is_cut(clock: _Clock, width: int) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, legacy_windows=False)
    with LiveDisplay(CASES, CASES, remaining(), console) as shown:
        play(shown, clock, CASES[0], epoch_s=2.0)
    assert isinstance(console.file, io.StringIO)
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue()).replace("\r", "\n").splitlines()
    running = [line.strip() for line in lines if "epoch 40/40" in line]
    assert running
    words = ["basic · batch 4: epoch 40/40", "0.34 s per epoch", "loss 0.0075", "val_loss 0.0100", "540 MiB"]
    wholes = [", ".join(words[:count]) for count in range(1, 6)]
    assert set(running) == {max((each for each in wholes if len(each) <= width), key=len)}
    assert not any("…" in line for line in lines)


def test_there_is_always_time_left_while_epochs_are_to_go(clock: _Clock) -> None:
    """A case of epochs that become slower and slower, then a further process that takes longer than the sweep has."""
    out = io.StringIO()
    with PlainDisplay(CASES[:1], CASES[:1], Remaining(CASES[:1], 40, 10), out) as shown:
        shown.listen(CASES[0], None)
        for number in range(1, 40):
            clock.now += 2.0 * number
            shown.listen(CASES[0], scripted.epoch(number))
            assert shown.describe_remaining() != "about 0 s left"
        shown.finish(scripted.outcome(CASES[0]))
        shown.announce_repeat(0.11, 0.05, 10.0)
        clock.now += 11
        assert shown.describe_remaining() == "finishing"


def test_a_download_into_a_pipe_is_a_few_lines() -> None:
    out = io.StringIO()
    with show_download(Console(file=out)) as on_progress:
        for done in range(0, 25 << 20, 1 << 16):
            on_progress(done, 25 << 20)
        on_progress(25 << 20, 25 << 20)
    lines = out.getvalue().splitlines()
    assert 2 <= len(lines) <= 4
    assert "26.2 of 26.2 MB" in lines[-1]
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", out.getvalue())
