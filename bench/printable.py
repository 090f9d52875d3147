"""Text that may be shown: nothing in it that a terminal would obey or that turns the direction of reading."""

import re
import unicodedata

_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def printable(text: str) -> str:
    """Text without colours, control characters and invisible marks; of these only tabs and newlines stay."""
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
