"""A table of text: for Markdown, and for a terminal of any width, where no name and no number is ever cut.

Where a terminal is too narrow, columns that may be left out go first, whole; then names break at their spaces; then a
row takes several lines, its headings likewise.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

_GAP = 2
"""Spaces between columns, and before the further lines of a row."""
_CODE = re.compile(r"((?<!`)`[^`<\\\n]+`(?!`))")
"""Code within a sentence."""
_MOST_LINES = 2
"""A name beside numbers breaks into so many lines, at most."""


@dataclass(frozen=True)
class Table:
    """A title, headers and rows of text; the first ``labels`` columns are names, the others numbers.

    On a terminal, headings that end in a number ("bce at 2", "bce at 10") have their words in a line above, and
    neighbours share them.
    """

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int = 1
    notes: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    """Headings of columns that a narrow terminal leaves out, in the order in which they go."""

    @property
    def is_empty(self) -> bool:
        """Whether it has neither rows nor notes."""
        return not self.rows and not self.notes

    def to_markdown(self) -> str:
        """Return the table for report.md, without its title."""
        rules = [":---" if number < self.labels else "---:" for number in range(len(self.headers))]
        lines = [self.headers, tuple(rules), *(tuple(map(escape_cell, row)) for row in self.rows)]
        text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return "\n\n".join([text, *self.notes])


def escape_cell(cell: str) -> str:
    """Escape a cell, so that it neither ends early nor becomes markup."""
    return _escape(" ".join(cell.split()))


def escape_sentence(sentence: str) -> str:
    """Escape a sentence, so that nothing in it becomes markup but `code`."""
    parts = _CODE.split(" ".join(sentence.split()))
    return "".join(part if _CODE.fullmatch(part) else _escape(part) for part in parts)


def _escape(text: str) -> str:
    for char in "\\`*_<>|[]":
        text = text.replace(char, f"\\{char}") if char in "\\`*_[]|" else text.replace(char, f"&#{ord(char)};")
    return text


# ------------------------------------------------------------------------------ on a terminal


def print_table(console: Console, table: Table) -> None:
    """Print a table as wide as the console at most, its title above, its notes and an empty line below."""
    heading, body = lay_out(table, console.width) if table.rows else ([], [])
    rule = "─" * max(map(cell_len, (*heading, *body)), default=0)
    for line in (*wrap(table.title, console.width), *heading):
        console.print(Text(line, "bold"), soft_wrap=True)
    for line in (rule, *body, *([""] if table.notes else [])) if body else ():
        console.print(Text(line), soft_wrap=True)
    print_lines(console, [*table.notes, ""])


def print_lines(console: Console, texts: Sequence[str]) -> None:
    """Print texts as they are, each broken at its spaces where the console is narrower."""
    for text in texts:
        for line in wrap(text, console.width):
            console.print(Text(line), soft_wrap=True)


def wrap(text: str, width: int) -> list[str]:
    """Break a text at its spaces, so that no line is wider than ``width`` characters unless a single word is."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if cell_len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines[1:] if len(lines) > 1 and not lines[0] else lines


@dataclass
class _Column:
    """A column on its way to a terminal."""

    heading: str
    cells: list[str]
    is_label: bool
    above: str = ""
    """What it shares of its heading with its neighbours."""
    width: int = field(init=False)
    least: int = field(init=False)
    """The width of its longest word."""

    def __post_init__(self) -> None:
        texts = (self.heading, *self.cells)
        self.width = max(map(cell_len, texts))
        self.least = max(map(cell_len, " ".join(texts).split()), default=0)

    def count_lines(self) -> int:
        """Count the lines of its longest cell."""
        return max((len(wrap(cell, self.width)) for cell in self.cells), default=1)

    def align(self, text: str) -> list[str]:
        """Return the lines of a text, each as wide as the column: names on the left, numbers on the right."""
        spare = [(line, " " * max(self.width - cell_len(line), 0)) for line in wrap(text, self.width)]
        return [line + space if self.is_label else space + line for line, space in spare]


_Block = list[_Column]
"""The columns in one line of a row."""


def lay_out(table: Table, width: int) -> tuple[list[str], list[str]]:
    """Return the lines of a table's headings and of its rows, for a terminal of ``width`` characters."""
    blocks = _arrange(table, width)
    heading = [line for block in blocks for line in _head(block, indent=0 if block is blocks[0] else _GAP)]
    body = [
        line
        for row in range(len(table.rows))
        for block in blocks
        for line in _join([column.align(column.cells[row]) for column in block], 0 if block is blocks[0] else _GAP)
    ]
    return heading, body


def _arrange(table: Table, width: int) -> list[_Block]:
    """Choose the columns that are shown, and divide them into the lines of a row."""
    left_out: list[str] = []
    optional = iter(table.optional)
    while True:
        groups = _share_headings(_make_columns(table, left_out))
        columns = [column for group in groups for column in group]
        if _measure(columns) <= width:
            return [columns]
        if (heading := next(optional, None)) is None:
            return _break_names(columns, width) or _stack(_share_headings(_make_columns(table, left_out)), width)
        left_out.append(heading)


def _make_columns(table: Table, left_out: Sequence[str]) -> _Block:
    return [
        _Column(heading, [row[place] for row in table.rows], place < table.labels)
        for place, heading in enumerate(table.headers)
        if heading not in left_out
    ]


def _share_headings(columns: _Block) -> list[_Block]:
    """Group neighbours with the same words before the numbers of their headings, and put the words above the group.

    Its first column is made as wide as that takes; a column without such a heading is a group of its own.
    """
    groups: list[_Block] = []
    for shared, group in itertools.groupby(columns, lambda column: _split_heading(column.heading)[0]):
        if not shared:
            groups += [[column] for column in group]
            continue
        members = [replace(each, heading=_split_heading(each.heading)[1], above=shared) for each in group]
        members[0].width += max(cell_len(shared) - _measure(members), 0)
        groups.append(members)
    return groups


def _split_heading(heading: str) -> tuple[str, str]:
    """Split off the number that a heading ends in; the words before it are "" where it ends in none."""
    words, _, last = heading.rpartition(" ")
    return (words, last) if last.isdecimal() else ("", heading)


def _measure(columns: Sequence[_Column]) -> int:
    """Measure columns beside each other, in characters."""
    return sum(column.width + _GAP for column in columns) - _GAP


def _break_names(columns: _Block, width: int) -> list[_Block] | None:
    """Fit all columns into one line by breaking names at their spaces; None where that does not do."""
    labels, numbers = ([each for each in columns if each.is_label is is_label] for is_label in (True, False))
    fits = _narrow(labels, width - sum(column.width + _GAP for column in numbers))
    are_short = not numbers or all(label.count_lines() <= _MOST_LINES for label in labels)
    return [columns] if fits and are_short else None


def _narrow(columns: Sequence[_Column], width: int) -> bool:
    """Narrow columns, the widest first, and say whether they fit beside each other without breaking a word."""
    while _measure(columns) > width:
        wide = [column for column in columns if column.width > column.least]
        if not wide:
            return False
        max(wide, key=lambda column: column.width).width -= 1
    return True


def _stack(groups: list[_Block], width: int) -> list[_Block]:
    """Divide groups of columns into as few lines as hold them, and those as evenly as that allows."""
    widest = max(map(_measure, groups))
    blocks = _fill(groups, width)
    for narrower in range(width - 1, widest + _GAP, -1):
        if len(evener := _fill(groups, narrower)) > len(blocks):
            break
        blocks = evener
    return blocks


def _fill(groups: list[_Block], width: int) -> list[_Block]:
    """Add groups to a line as long as they fit, then to the next; what alone is wider is divided or breaks."""
    blocks: list[_Block] = []
    for group in groups:
        room = width - (_GAP if len(blocks) > 1 else 0)
        if blocks and _measure([*blocks[-1], *group]) <= room:
            blocks[-1] = [*blocks[-1], *group]
        elif len(group) > 1 and _measure(group) > width - _GAP:
            blocks += [[replace(column, heading=f"{column.above} {column.heading}", above="")] for column in group]
        else:
            for column in group:
                column.width = min(column.width, max(width - (_GAP if blocks else 0), column.least))
            blocks.append(group)
    return blocks


def _head(columns: _Block, indent: int) -> list[str]:
    """Return the lines of the headings, with what neighbours share above them."""
    shared = [
        [above.center(_measure(list(members)))]
        for above, members in itertools.groupby(columns, lambda each: each.above)
    ]
    texts = [column.align(column.heading) for column in columns]
    tallest = max(map(len, texts), default=0)
    texts = [
        [" " * column.width] * (tallest - len(lines)) + lines for column, lines in zip(columns, texts, strict=True)
    ]
    return [line for line in _join(shared, indent) if line] + _join(texts, indent)


def _join(cells: Sequence[list[str]], indent: int) -> list[str]:
    """Put cells beside each other, each of them lines of one width."""
    widths = [cell_len(lines[0]) for lines in cells]
    rows = itertools.zip_longest(*cells)
    gap = " " * _GAP
    return [
        (
            " " * indent
            + gap.join(" " * width if text is None else text for text, width in zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
