"""A table of text, for a terminal and for Markdown."""

from dataclasses import dataclass

from rich import box
from rich.table import Table as RichTable
from rich.text import Text


@dataclass(frozen=True)
class Table:
    """A title, headers and rows of text; the first ``labels`` columns are names, the others numbers."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int = 1
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it has neither rows nor notes."""
        return not self.rows and not self.notes

    def to_rich(self) -> RichTable:
        """Return the table for a terminal."""
        table = RichTable(
            title=Text(self.title, "bold"),
            title_justify="left",
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
            pad_edge=False,
        )
        for number, header in enumerate(self.headers):
            if number < self.labels:
                table.add_column(Text(header), overflow="fold")
            else:  # a number that was cut must show it
                table.add_column(Text(header), justify="right", overflow="ellipsis", no_wrap=True)
        for row in self.rows:
            table.add_row(*map(Text, row))
        table.caption, table.caption_justify = Text("\n".join(self.notes)), "left"
        return table

    def to_markdown(self) -> str:
        """Return the table for report.md, without its title."""
        rules = [":---" if number < self.labels else "---:" for number in range(len(self.headers))]
        lines = [self.headers, tuple(rules), *(tuple(map(escape_cell, row)) for row in self.rows)]
        text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return "\n\n".join([text, *self.notes])


def escape_cell(cell: str) -> str:
    """Escape a cell, so that it neither ends early nor becomes markup."""
    for char in "\\`*_<>|[]":
        cell = cell.replace(char, f"\\{char}") if char in "\\`*_[]|" else cell.replace(char, f"&#{ord(char)};")
    return " ".join(cell.split())
