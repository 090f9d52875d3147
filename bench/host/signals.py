"""Ctrl-C, SIGTERM and SIGHUP: each raises KeyboardInterrupt, except while signals are held.

So SIGTERM and SIGHUP end a sweep as Ctrl-C does: with its report. A signal that comes while signals are held raises
when they are released. What the caller had ignored (`nohup`, a shell's background job) stays ignored.

Compiled code of a library may swallow an exception that it did not expect (pandas does, where it finds out what a list
holds): hold signals around such code, and call `check` before a longer piece of work.
"""

import _thread
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")


class _State:
    """Signals belong to the whole process, so there is one state."""

    holds = 0
    """How many `hold_signals` are open."""
    pending = False
    """Whether a signal came while they were."""
    received = False
    """Whether any signal came since `catch_signals` was opened."""


@contextmanager
def catch_signals() -> Iterator[None]:
    """Let each of the signals raise KeyboardInterrupt, then restore the earlier handlers. For the main thread.

    A handler that was not installed by Python code could not be restored, so its signal is left to it.
    """
    numbers = [getattr(signal, name) for name in _ENDING if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    replaced = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    _State.received = False
    try:
        for number in replaced:
            signal.signal(number, receive)
        yield
    finally:
        for number, handler in replaced.items():
            signal.signal(number, handler)


@contextmanager
def hold_signals() -> Iterator[None]:
    """Finish what is within; a signal that came meanwhile raises right afterwards."""
    _State.holds += 1
    try:
        yield
    finally:
        _State.holds -= 1
        if _State.pending and not _State.holds:
            _State.pending = False
            raise KeyboardInterrupt


def keep_exit_codes() -> None:
    """Let children be waited for: where the caller ignored SIGCHLD, every one of them seems to end with exit code 0."""
    if sys.platform != "win32":
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def raise_if_received() -> None:
    """Raise KeyboardInterrupt where a signal came since `catch_signals` was opened, and its exception was swallowed."""
    if _State.received:
        raise KeyboardInterrupt


def interrupt_main_thread() -> None:
    """Raise KeyboardInterrupt in the main thread, from another one; `receive` has to be its handler of SIGUSR1."""
    if sys.platform == "win32":
        _thread.interrupt_main()
    else:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)


def receive(_number: int, _frame: FrameType | None) -> None:
    """Handle a signal: raise KeyboardInterrupt, now or once signals are no longer held."""
    _State.received = True
    if _State.holds:
        _State.pending = True
        return
    raise KeyboardInterrupt
