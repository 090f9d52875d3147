"""Signals that ask a run to end raise KeyboardInterrupt, at any instant but those that are shielded.

SIGTERM and SIGHUP then end a sweep as Ctrl-C does: with its report. A signal that comes while a shield is up is kept
until it is down. What the caller had ignored (`nohup`, a shell's background job) stays ignored.

Compiled code of others may swallow an exception that it did not expect (pandas does, where it asks what a list holds):
such code is called under a shield, and whoever begins a longer piece of work asks `check` first.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")


class _State:
    """Signals are the process', so there is one."""

    shields = 0
    """How many are up."""
    waiting = False
    """Whether a signal waits for them."""
    asked = False
    """Whether any has come."""


@contextmanager
def listening() -> Iterator[None]:
    """Let each of the signals raise KeyboardInterrupt; what was before is put back. For the main thread."""
    numbers = [getattr(signal, name) for name in _ENDING if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    _State.asked = False
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, _raise)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def shielded() -> Iterator[None]:
    """Finish what is within; a signal that came meanwhile raises right afterwards."""
    _State.shields += 1
    try:
        yield
    finally:
        _State.shields -= 1
        if _State.waiting and not _State.shields:
            _State.waiting = False
            raise KeyboardInterrupt


def check() -> None:
    """Raise KeyboardInterrupt where a signal came since `listening` began: had it ended the run, nobody would ask."""
    if _State.asked:
        raise KeyboardInterrupt


def _raise(_number: int, _frame: FrameType | None) -> None:
    _State.asked = True
    if _State.shields:
        _State.waiting = True
        return
    raise KeyboardInterrupt
