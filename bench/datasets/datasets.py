"""`aebench datasets`: what each dataset is, and which sources on this machine have it."""

from rich.console import Console
from rich.text import Text

from bench.console.output import make_console
from bench.datasets import find


def show_datasets(console: Console | None = None) -> None:
    """Print each dataset and its sources; nothing is downloaded."""
    console = console or make_console()
    for name, what in find.DATASETS.items():
        sources = [f"  {'✓' if each.found else '·'} {each.origin}: {each.note}" for each in find.check_sources(name)]
        text = Text(f"\n{name}", "bold") + Text("\n".join([f": {what}", *sources]), "not bold")
        console.print(text, highlight=False, soft_wrap=True)
