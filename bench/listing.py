"""What there is to measure, with what, on what: the lists that the command line prints."""

from rich.console import Console
from rich.text import Text

from bench import catalog, data, machine
from bench.blog import figure_text
from bench.report.tables import Table


def show_models(console: Console | None = None) -> None:
    """Print each model with its blog section, parameters, settings and published figures."""
    for name, settings in catalog.model_settings().items():
        text = Text(f"\n{name}", "bold") + Text(f": {settings.title}\n", "not bold")
        facts = (
            f"{settings.parameters:,} parameters, codes of {settings.codes}",
            f"batch {settings.batch_size}, {settings.optimizer} at {settings.learning_rate:g}",
            f'"{settings.section}"',
        )
        lines = ["; ".join(facts), *map(figure_text, settings.published)]
        body = Text("\n".join(f"  {line}" for line in lines), "not bold")
        (console or Console()).print(text + body, highlight=False, soft_wrap=True)


def show_datasets(console: Console | None = None) -> None:
    """Print each dataset and the places where it was looked for; nothing is downloaded."""
    for name, what in data.DATASETS.items():
        looks = [f"  {'✓' if look.found else '·'} {look.origin}: {look.note}" for look in data.availability(name)]
        text = Text(f"\n{name}", "bold") + Text("\n".join([f": {what}", *looks]), "not bold")
        (console or Console()).print(text, highlight=False, soft_wrap=True)


def show_machine(console: Console | None = None) -> None:
    """Print the fingerprint."""
    fingerprint = machine.fingerprint()
    fields = {"machine_id": machine.machine_id(fingerprint), **fingerprint.model_dump()}
    rows = tuple((name, str(value)) for name, value in fields.items() if value is not None)
    (console or Console()).print(Table("This machine", ("field", "value"), rows, labels=2).rich())
