"""The one error a person's input can cause."""

import difflib
from collections.abc import Sequence

from bench.printable import printable


class InvalidInput(Exception):
    """What was asked for cannot be done: says what arrived, what was expected and what to do.

    The command line prints the message without a traceback and exits with code 2. What it quotes of a file may be a
    stranger's, so the message loses what a terminal would obey.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def unknown(kind: str, value: str, names: Sequence[str]) -> str:
    """Say "unknown model 'basci': did you mean 'basic'? Known: …"."""
    close = difflib.get_close_matches(value, names, n=1)
    hint = f": did you mean {close[0]!r}?" if close else "."
    return f"unknown {kind} {value!r}{hint} Known: {', '.join(names)}"
