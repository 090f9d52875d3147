"""Text that may be shown: nothing in it that a terminal would obey or that turns the direction of reading."""

import re
import unicodedata

_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def printable(text: str) -> str:
    """Text without colours, control characters and invisible marks; of these only tabs and newlines stay."""
    if text.isprintable():  # nearly always
        return text
    return "".join(map(_kept, _COLOURS.sub("", text)))


def _kept(char: str) -> str:
    if char.isprintable() or char in "\t\n":
        return char
    return " " if unicodedata.category(char) == "Zs" else ""
