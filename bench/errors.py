"""The one error a person's input can cause, and text that may be shown to a person."""

import difflib
import re
import unicodedata
from collections.abc import Sequence
from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended, for shells and CI."""

    OK = 0
    REGRESSION = 1
    INVALID_INPUT = 2
    FAILED = 3
    """A case failed, or the disk refused."""
    INCOMPARABLE = 4
    UNDECIDED = 5
    """Only where `--fail-undecided` asks for it."""
    INTERRUPTED = 130


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


_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def printable(text: str) -> str:
    """Text without colours, control characters and invisible checkpoints; of these only tabs and newlines stay."""
    if text.isprintable():  # nearly always
        return text
    return "".join(map(_kept, _COLOURS.sub("", text)))


def one_line(text: str) -> str:
    """The same on one line: what a tab or a newline parted, a space parts."""
    return text if text.isprintable() else " ".join(printable(text).split())


def shown(text: object, longest: int = 1_000) -> str:
    """What a message or a table may quote of a stranger's text: one line of at most so many characters."""
    kept = one_line(str(text))
    return kept if len(kept) <= longest else kept[: longest - 1] + "…"


def _kept(char: str) -> str:
    if char.isprintable() or char in "\t\n":
        return char
    return " " if unicodedata.category(char) == "Zs" else ""


def format_count(count: int, noun: str) -> str:
    """So many of something: "1 case", "2 cases"."""
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"
