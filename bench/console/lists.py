"""What there is to measure, with what, on what: the lists that the command line prints."""

import statistics
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from bench import catalog, data, machine, quiet
from bench.blog import figure_text
from bench.kernels import Reference
from bench.report.tables import Table
from bench.terminal import output


def show_models(console: Console | None = None) -> None:
    """Print each model with its blog section, parameters, settings and published figures."""
    console = console or output()
    for name, settings in catalog.model_settings().items():
        text = Text(f"\n{name}", "bold") + Text(f": {settings.title}\n", "not bold")
        facts = (
            f"{settings.parameters:,} parameters, codes of {settings.codes}",
            f"batch {settings.batch_size}, {settings.optimizer} at {settings.learning_rate:g}",
            f'"{settings.section}"',
        )
        lines = ["; ".join(facts), *map(figure_text, settings.published)]
        body = Text("\n".join(f"  {line}" for line in lines), "not bold")
        console.print(text + body, highlight=False, soft_wrap=True)


def show_datasets(console: Console | None = None) -> None:
    """Print each dataset and the places where it was looked for; nothing is downloaded."""
    console = console or output()
    for name, what in data.DATASETS.items():
        looks = [f"  {'✓' if look.found else '·'} {look.origin}: {look.note}" for look in data.availability(name)]
        text = Text(f"\n{name}", "bold") + Text("\n".join([f": {what}", *looks]), "not bold")
        console.print(text, highlight=False, soft_wrap=True)


def show_machine(threads: int | None = None, console: Console | None = None) -> None:
    """Print the fingerprint, what the reference kernels reach, and how quiet the machine is now; takes two seconds."""
    console = console or output()
    fingerprint = machine.fingerprint(threads=threads)
    fields = {"machine_id": machine.machine_id(fingerprint), **fingerprint.model_dump()}
    facts = tuple((name, str(value)) for name, value in fields.items() if value is not None)
    console.print(Table("This machine", ("field", "value"), facts, labels=2).rich())
    references, intervals = quiet.survey(threads=threads)
    figures = tuple(_figure(*column, references) for column in _KERNELS)
    headers = ("reference kernel", "best", "median", "lowest median", "unit")
    console.print(Table(f"With {references[0].threads} threads, just now", headers, figures).rich())
    found = quiet.verdict(references, intervals, fingerprint, quiet.conditions())
    console.print(Text(found.word, "bold"), *(f"- {sentence}" for sentence in found.advice), sep="\n", highlight=False)


_KERNELS = (
    ("matrix product in cache, float32", "gflop_per_s", "GFLOP/s"),
    ("triad through memory", "gb_per_s", "GB/s"),
)


def _figure(title: str, column: str, unit: str, references: Sequence[Reference]) -> tuple[str, ...]:
    medians = [getattr(run, f"{column}_median") for run in references]
    best = max(getattr(run, column) for run in references)
    return (title, f"{best:.0f}", f"{statistics.median(medians):.0f}", f"{min(medians):.0f}", unit)
