"""The commands `aebench fleet …`: each one hands its flags to the function that does the work."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from bench.console.output import list_examples
from bench.errors import InvalidInput, join_names
from bench.fleet.dask_settings import DEFAULT_SCHEDULER

fleet = typer.Typer(no_args_is_help=True, help="Run the same sweep on many machines, and compare them.")
_MEETING = "Where home and the machines meet: tcp://HOST:PORT or tls://HOST:PORT"
Scheduler = Annotated[str, typer.Option(metavar="ADDRESS", help=f"{_MEETING}.")]


@fleet.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog=list_examples(
        ("aebench fleet start --models basic,deep --epochs 50 --out reports/fleet", "on each machine that joins"),
        ("aebench fleet start --machines 4 --spread cases --out reports/fleet", "each case once, on four alike"),
        ("aebench fleet start --resume --out reports/fleet", "what is missing or failed"),
    ),
)
def start(
    context: typer.Context,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help=f"{_MEETING}; by default {DEFAULT_SCHEDULER}.")
    ] = None,
    spread: Annotated[
        Literal["machines", "cases"] | None,
        typer.Option(help="Every case on all machines (default), or each once on whichever of one kind is free."),
    ] = None,
    machines: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Do not end before so many took part; by default 1, or all of --ssh and --slurm."
        ),
    ] = None,
    lease: Annotated[
        float,
        typer.Option(metavar="S", min=1, help="Give up a machine that is away for so many seconds, or if none comes."),
    ] = 600.0,
    ssh: Annotated[
        str | None, typer.Option(metavar="A,B", help="Start a worker on these hosts by ssh, as long as home runs.")
    ] = None,
    slurm: Annotated[
        str | None,
        typer.Option(
            metavar="P[:FEATURE][:N],Q",
            help="Start workers as jobs of Slurm: on one node of a partition, or on N, which have a feature.",
        ),
    ] = None,
    on_interrupt: Annotated[
        Literal["ask", "end", "detach"],
        typer.Option(help="Ctrl-C ends the cases that run, or leaves machines to finish them; off a terminal it ends."),
    ] = "ask",
) -> None:
    """Run a sweep on all machines that join, and write one folder with their reports and the comparison.

    Takes what `aebench run` takes, too; --out is needed. --resume goes on as the sweep was begun.
    """
    from bench.fleet import start as command  # noqa: PLC0415 - scipy is for those who measure

    sweep = _make_sweep_request(context)
    request = command.FleetRequest(sweep, scheduler, spread, machines, lease, on_interrupt, ssh, slurm)
    raise typer.Exit(command.start_fleet(request))


_FIELDS = {"within": "within_percent", "timeout": "timeout_s", "stall": "stall_s"}
"""Flags of `aebench run` whose fields in a profile have other names."""
_NOT_FOR_FLEETS = {"plan": "--plan", "probe": "--probe", "tables": "--tables", "as_json": "--json"}
_NO_FIELDS = ("profile", "data", "offline", "out", "resume", *_NOT_FOR_FLEETS)


def _make_sweep_request(context: typer.Context) -> Any:
    """Let `aebench run` read the words that `fleet start` does not know."""
    from bench.sweep.flags import SweepRequest, parse_fields  # noqa: PLC0415

    root = context.find_root()
    aebench: Any = root.command
    flags: Mapping[str, Any] = aebench.commands["run"].make_context("run", list(context.args), parent=root).params
    given = [flag for name, flag in _NOT_FOR_FLEETS.items() if flags[name]]
    if given:
        raise InvalidInput(
            f"{join_names(given, 4)}: that is for `aebench run`, and a fleet does not do it; leave it out."
        )
    fields = {_FIELDS.get(name, name): value for name, value in flags.items() if name not in _NO_FIELDS}
    return SweepRequest(
        flags["profile"], parse_fields(**fields), flags["data"], flags["offline"], flags["out"], flags["resume"]
    )


@fleet.command(epilog=list_examples(("aebench fleet worker --scheduler tcp://10.0.0.5:8790", "on each machine")))
def worker(
    scheduler: Scheduler = DEFAULT_SCHEDULER,
    label: Annotated[
        str | None, typer.Option(metavar="NAME", help="This machine's name in the fleet; by default one is made up.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where this machine keeps its journals and the datasets.")
    ] = None,
) -> None:
    """Let this machine take part: it runs one case at a time, until it is stopped."""
    from bench.fleet import worker as command  # noqa: PLC0415

    raise typer.Exit(command.run_worker(command.WorkerRequest(scheduler, label, folder)))


@fleet.command(epilog=list_examples(("aebench fleet scheduler --scheduler tcp://10.0.0.5:8790", "at that address")))
def scheduler(scheduler: Scheduler = DEFAULT_SCHEDULER) -> None:
    """Run a scheduler here; `fleet start` does so by itself where the address is its machine's."""
    from bench.fleet.scheduler import run_scheduler  # noqa: PLC0415

    raise typer.Exit(run_scheduler(scheduler))


@fleet.command(epilog=list_examples(("aebench fleet status", "what each machine does")))
def status(scheduler: Scheduler = DEFAULT_SCHEDULER) -> None:
    """Show the machines of a scheduler, and what they do."""
    from bench.fleet.control import show_status  # noqa: PLC0415

    raise typer.Exit(show_status(scheduler))


@fleet.command(epilog=list_examples(("aebench fleet collect reports/fleet", "after home was ended or killed")))
def collect(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of `aebench fleet start`.")],
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="By default that with which the sweep was begun.")
    ] = None,
) -> None:
    """Fetch the rows that the machines have and DIR has not, and report on all; runs nothing."""
    from bench.fleet.start import collect_fleet  # noqa: PLC0415

    raise typer.Exit(collect_fleet(out, scheduler))


@fleet.command(epilog=list_examples(("aebench fleet stop", "finished cases are kept on the machines")))
def stop(scheduler: Scheduler = DEFAULT_SCHEDULER) -> None:
    """End all workers of a scheduler, what they run, and the scheduler, unless it has other Dask workers."""
    from bench.fleet.control import stop_fleet  # noqa: PLC0415

    raise typer.Exit(stop_fleet(scheduler))
