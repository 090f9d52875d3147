"""`aebench datasets`: what each dataset is, and where it was looked for."""

from rich.console import Console
from rich.text import Text

from bench.console.output import output
from bench.datasets import find


def show_datasets(console: Console | None = None) -> None:
    """Print each dataset and the places where it was looked for; nothing is downloaded."""
    console = console or output()
    for name, what in find.DATASETS.items():
        looks = [f"  {'✓' if look.found else '·'} {look.origin}: {look.note}" for look in find.availability(name)]
        text = Text(f"\n{name}", "bold") + Text("\n".join([f": {what}", *looks]), "not bold")
        console.print(text, highlight=False, soft_wrap=True)
