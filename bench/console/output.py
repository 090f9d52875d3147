"""What commands print with: a console for tables and plain lines."""

from rich.console import Console

_WIDE = 160


def output(width: int = _WIDE) -> Console:
    """Standard output; where it is no terminal, at least ``width`` characters wide, for every table."""
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, width)
    return console


def say(console: Console, text: str) -> None:
    """Print text as it is: no markup, no colours, lines not broken."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
