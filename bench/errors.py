"""The error that wrong input raises, the exit codes, lists in flags, and text that is safe to show."""

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
    """What was asked for cannot be done: the message says what arrived, what was expected and what to do.

    The command line prints the message without a traceback and exits with code 2. The message may quote a file that
    somebody else wrote, so characters that control a terminal are removed from it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(strip_controls(message))


def describe_unknown(kind: str, value: str, names: Sequence[str]) -> str:
    """Return "unknown model 'basci': did you mean 'basic'? Known: …"."""
    close = difflib.get_close_matches(value, names, n=1)
    hint = f": did you mean {close[0]!r}?" if close else "."
    return f"unknown {kind} {value!r}{hint} Known: {', '.join(names)}"


_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def strip_controls(text: str) -> str:
    """Remove colours, control characters and invisible characters from text, all but tabs and newlines."""
    if text.isprintable():  # nearly always
        return text
    return "".join(map(_clean, _COLOURS.sub("", text)))


def make_one_line(text: str) -> str:
    """Do the same, and replace tabs and newlines with a space."""
    return text if text.isprintable() else " ".join(strip_controls(text).split())


def quote(text: object, longest: int = 1_000) -> str:
    """Return what a message or a table may quote of text that others wrote: one line, cut to ``longest`` characters."""
    kept = make_one_line(str(text))
    return kept if len(kept) <= longest else kept[: longest - 1] + "…"


def join_names(names: Sequence[str], most: int) -> str:
    """Return the first names: "a, b and 3 more"."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def split_list(text: str) -> list[str]:
    """Return the parts of a flag such as "a, b"."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _clean(char: str) -> str:
    if char.isprintable() or char in "\t\n":
        return char
    return " " if unicodedata.category(char) == "Zs" else ""


def format_count(count: float, noun: str) -> str:
    """Return a count with its noun: "1 case", "2 cases", "3 processes", "0.5 seconds"."""
    plural = "" if count == 1 else "es" if noun.endswith("s") else "s"
    return f"{count if isinstance(count, int) else format(count, 'g')} {noun}{plural}"
