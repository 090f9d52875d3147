"""`aebench machine`: this machine's fingerprint, reference kernels, how quiet it is now, energy counters."""

import statistics
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from bench.console.output import make_console
from bench.console.table import Table, print_table
from bench.errors import format_count
from bench.host import energy, quietness
from bench.host.fingerprint import Fingerprint, make_environment_id, make_machine_id, take_fingerprint
from bench.host.reference_kernels import KernelRates, measure_reference
from bench.plan.forecast import Machine, describe_machine, list_measured_on


def show_machine(threads: int | None = None, console: Console | None = None) -> None:
    """Print the fingerprint, what the reference kernels reach, how quiet the machine is, and its energy counters.

    Takes two seconds.
    """
    console = console or make_console()
    fingerprint = take_fingerprint(sets_threads=threads is not None)
    table = tabulate_machine(
        "This machine", make_machine_id(fingerprint), make_environment_id(fingerprint), fingerprint
    )
    print_table(console, table)
    references, intervals = quietness.survey(threads=threads)
    figures = tuple(_format_figure(*column, references) for column in _KERNELS)
    headers = ("reference kernel", "best", "median", "lowest median", "unit")
    print_table(console, Table(f"With {format_count(references[0].threads, 'thread')}, now", headers, figures))
    found = quietness.judge(references, intervals, fingerprint, quietness.read_conditions())
    console.print(Text(found.word, "bold"), *(f"- {sentence}" for sentence in found.advice), sep="\n", highlight=False)
    console.print(Text(f"\n{energy.describe_counters()}"))


def measure_machine(fingerprint: Fingerprint) -> Machine:
    """Describe this machine for forecasts: its reference kernels by the reports of machines like it, or else as they
    are now, which takes half a second.
    """
    if like := list_measured_on(fingerprint.cpu_model, fingerprint.cpu_limit):
        return describe_machine(like)
    rates = measure_reference()
    # Those of reports are of the best repeats, too.
    return Machine(fingerprint.cpu_model, fingerprint.cpu_limit, rates.gflop_per_s, rates.gb_per_s)


def tabulate_machine(title: str, machine_id: str, environment_id: str, fingerprint: Fingerprint) -> Table:
    """Tabulate what is known of a machine, by the fingerprint's fields."""
    fields = {"machine_id": machine_id, "environment_id": environment_id, **fingerprint.model_dump()}
    rows = tuple((name, str(value)) for name, value in fields.items() if value is not None)
    return Table(title, ("field", "value"), rows, labels=2)


_KERNELS = (
    ("matrix product in cache, float32", "gflop_per_s", "GFLOP/s"),
    ("triad through memory", "gb_per_s", "GB/s"),
)


def _format_figure(title: str, column: str, unit: str, references: Sequence[KernelRates]) -> tuple[str, ...]:
    medians = [getattr(run, f"{column}_median") for run in references]
    best = max(getattr(run, column) for run in references)
    return (title, f"{best:.0f}", f"{statistics.median(medians):.0f}", f"{min(medians):.0f}", unit)
