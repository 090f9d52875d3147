"""Signals that ask a run to end raise KeyboardInterrupt, but not in the middle of what has to be finished."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bench.host import signals

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")

ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@pytest.fixture(autouse=True)
def _not_ignored() -> Iterator[None]:
    """What starts the tests may ignore some of them: a shell does in the background, as nohup does."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDING)
def test_each_signal_is_a_keyboard_interrupt_while_signals_are_caught(number: int) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), signals.catch_signals():
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_a_child_has_an_exit_code_also_where_the_caller_ignored_children() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        signals.keep_exit_codes()
        assert subprocess.run((sys.executable, "-c", "raise SystemExit(3)"), check=False).returncode == 3
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_what_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with signals.catch_signals():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="SIGHUP is POSIX's")
def test_a_handler_that_was_not_installed_by_python_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real, before = signal.getsignal, signal.getsignal(signal.SIGHUP)
    monkeypatch.setattr(signal, "getsignal", lambda number: None if number == signal.SIGHUP else real(number))
    with signals.catch_signals():
        assert real(signal.SIGHUP) is before
        assert real(signal.SIGTERM) is not signal.default_int_handler
    assert real(signal.SIGHUP) is before
    assert real(signal.SIGTERM) is signal.default_int_handler


def test_a_held_signal_lets_the_work_be_finished_and_then_raises() -> None:
    done = []

    def work() -> None:
        with signals.hold_signals(), signals.hold_signals():
            signal.raise_signal(signal.SIGTERM)
            done.append("within")
        done.append("after")

    with pytest.raises(KeyboardInterrupt), signals.catch_signals():
        work()
    assert done == ["within"]


def test_a_signal_is_raised_once() -> None:
    with signals.catch_signals():
        with pytest.raises(KeyboardInterrupt), signals.hold_signals():
            signal.raise_signal(signal.SIGTERM)
        with signals.hold_signals():
            pass


def test_a_signal_that_somebody_swallowed_is_found_by_whoever_asks() -> None:
    with signals.catch_signals():
        signals.raise_if_received()
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signals.raise_if_received()


def test_a_signal_of_an_earlier_run_is_forgotten() -> None:
    with contextlib.suppress(KeyboardInterrupt), signals.catch_signals():
        signal.raise_signal(signal.SIGTERM)
    with signals.catch_signals():
        signals.raise_if_received()
