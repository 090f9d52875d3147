"""`aebench models`: what each model is, its parameters and the figures that were published for it."""

from rich.console import Console
from rich.text import Text

from bench.console.output import make_console
from bench.plan import catalog


def show_models(console: Console | None = None) -> None:
    """Print each model with its blog section, parameters, settings and published figures."""
    console = console or make_console()
    for name, settings in catalog.read_model_settings().items():
        text = Text(f"\n{name}", "bold") + Text(f": {settings.title}\n", "not bold")
        facts = (
            f"{settings.parameters:,} parameters, codes of {settings.codes}",
            f"batch {settings.batch_size}, {settings.optimizer} at {settings.learning_rate:g}",
            f'"{settings.section}"',
        )
        lines = ["; ".join(facts), *(figure.text for figure in settings.published)]
        body = Text("\n".join(f"  {line}" for line in lines), "not bold")
        console.print(text + body, highlight=False, soft_wrap=True)
