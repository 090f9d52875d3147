"""The commands: each one hands its flags to the function that does the work, which validates them."""

import io
import sys
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from bench import __version__
from bench.console.output import guard_output
from bench.errors import ExitCode, InvalidInput, split_list
from bench.host.home import provide_home
from bench.host.signals import keep_exit_codes

app = typer.Typer(
    name="aebench",
    help="Measure every autoencoder of the Keras blog on this machine: time per epoch, peak memory, losses.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def print_version(asked: bool) -> None:
    """Print the version and exit, where ``--version`` was given."""
    if asked:
        typer.echo(f"aebench {__version__}")
        raise typer.Exit


Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Report folder; by default a new one in reports/.")]
MinimumEffect = Annotated[
    float, typer.Option(metavar="PERCENT", min=0.1, max=100.0, help="A smaller slowdown does not count.")
]
Tables = Annotated[bool, typer.Option("--tables", help="Print all tables of the report, not the answer alone.")]
FailUndecided = Annotated[bool, typer.Option("--fail-undecided", help="Exit with code 5 where a case stays undecided.")]


@app.callback()
def aebench(
    _version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take the flags that belong to no command."""


@app.command()
def run(
    profile: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What to measure: quick (the default), blog, full, ci, or a TOML file."),
    ] = None,
    models: Annotated[
        str | None, typer.Option(metavar="A,B", help="Only these models; `aebench models` lists them.")
    ] = None,
    epochs: Annotated[
        str | None,
        typer.Option(metavar="N,N", help="Epoch counts such as 50,100,500, all of them measured on one run."),
    ] = None,
    batch_sizes: Annotated[
        str | None,
        typer.Option(metavar="N,N", help="Batch sizes; with --epochs alone, the one each model was published with."),
    ] = None,
    backends: Annotated[
        str | None, typer.Option(metavar="A,B", help="Keras backends, such as tensorflow,jax,torch.")
    ] = None,
    loops: Annotated[str | None, typer.Option(metavar="A,B", help="Training loops, such as fit,graph,xla.")] = None,
    precisions: Annotated[
        str | None, typer.Option(metavar="A,B", help="Keras dtype policies, such as float32,mixed_bfloat16.")
    ] = None,
    optimizer: Annotated[
        Literal["adam", "adadelta", "blog"] | None, typer.Option(help="blog: the one each model was published with.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="mnist-5k, mnist or fashion-mnist; see `aebench datasets`.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The images: an npz file, or a folder of IDX or CSV files; see README.md."),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never download anything.")] = False,
    repeats: Annotated[
        int | None,
        typer.Option(metavar="N", help="Run each case in so many fresh processes, in no more without --minutes."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            metavar="M",
            help="When all cases ran, run those again that are known least, until so many minutes are over; quick: 6.",
        ),
    ] = None,
    within: Annotated[
        float | None,
        typer.Option(metavar="PERCENT", help="End that when each case is known to within so much; by default 5."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Seed of weights, shuffling, noise and sampling.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(metavar="N", help="Threads that the backend may use; by default it decides itself.")
    ] = None,
    timeout: Annotated[float | None, typer.Option(metavar="S", help="End a case after so many seconds.")] = None,
    stall: Annotated[
        float | None,
        typer.Option(metavar="S", help="End a case that reports nothing for so many seconds; by default 3600."),
    ] = None,
    retries: Annotated[
        int | None, typer.Option(metavar="N", help="How often --resume may run a failed case again; by default 3.")
    ] = None,
    out: Out = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Run what is missing or failed of the sweep in the folder --out; --minutes gives it more."
        ),
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the cases and the time that they may take; run nothing.")
    ] = False,
    tables: Tables = False,
) -> None:
    """Measure autoencoders over epoch counts and batch sizes, and write a report."""
    from bench.sweep import plan as plan_command  # noqa: PLC0415 - pandas and scipy are for those who measure
    from bench.sweep import run as run_command  # noqa: PLC0415
    from bench.sweep.flags import SweepRequest, parse_fields  # noqa: PLC0415

    fields = parse_fields(
        models=models,
        epochs=epochs,
        batch_sizes=batch_sizes,
        backends=backends,
        loops=loops,
        precisions=precisions,
        optimizer=optimizer,
        dataset=dataset,
        repeats=repeats,
        minutes=minutes,
        within_percent=within,
        seed=seed,
        threads=threads,
        timeout_s=timeout,
        stall_s=stall,
        retries=retries,
    )
    request = SweepRequest(profile, fields, data, offline, out, resume, tables)
    raise typer.Exit(plan_command.show_plan(request) if plan else run_command.run_sweep(request))


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Report folder.")],
    without_noisy: Annotated[
        bool, typer.Option("--without-noisy", help="Leave epochs that other programs made noisy out of the medians.")
    ] = False,
    thresholds: Annotated[
        str | None,
        typer.Option(metavar="X,X", help="Values of val_bce, such as 0.12,0.11: how long training took to reach them."),
    ] = None,
    tables: Tables = False,
) -> None:
    """Draw the report of a folder again, from its journal."""
    from bench.report.report import redraw_report  # noqa: PLC0415
    from bench.report.thresholds import parse_thresholds  # noqa: PLC0415

    levels = () if thresholds is None else parse_thresholds(thresholds)
    raise typer.Exit(redraw_report(folder, without_noisy=without_noisy, thresholds=levels, tables=tables))


@app.command()
def compare(
    reports: Annotated[
        list[Path], typer.Argument(metavar="REPORT", help="Report folders or results.csv files, two or more.")
    ],
    reference: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Report or machine to compare the others with; by default the first one."),
    ] = None,
    price_per_hour: Annotated[
        str | None,
        typer.Option(
            metavar="A=X,B=X", help="Such as EPYC=0.4,Xeon=1.1: what a training to the same loss costs on each machine."
        ),
    ] = None,
    tables: Annotated[
        bool, typer.Option("--tables", metavar=" ", help="Print all tables, each with all of its lines.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for comparison.csv, comparison.md and comparison.html.")
    ] = None,
) -> None:
    """Compare machines by their reports: which is faster, case by case, in how much memory."""
    from bench.compare import compare as compare_command  # noqa: PLC0415

    request = compare_command.CompareRequest(reports, reference, price_per_hour, tables, out)
    raise typer.Exit(compare_command.compare_reports(request))


@app.command()
def regress(
    base: Annotated[
        str | None,
        typer.Option(metavar="REVISION", help="Revision to compare this code with; by default the merge base."),
    ] = None,
    cases: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Cases such as basic,deep:xla; by default basic, convolutional and deep."),
    ] = None,
    minimum_effect: MinimumEffect = 5.0,
    most_discarded: Annotated[
        float,
        typer.Option(
            metavar="PERCENT",
            min=0.0,
            max=100.0,
            help="A case stays undecided where noise makes more of its blocks useless.",
        ),
    ] = 30.0,
    budget: Annotated[
        float | None, typer.Option(metavar="MINUTES", min=0.0, help="Begin no round after so many minutes.")
    ] = None,
    base_python: Annotated[
        str | None, typer.Option(metavar="PYTHON", help="Interpreter of the base's environment.")
    ] = None,
    candidate_python: Annotated[
        str | None, typer.Option(metavar="PYTHON", help="Interpreter of this code's environment.")
    ] = None,
    threads: Annotated[int | None, typer.Option(metavar="N", min=1, help="Threads that the backend may use.")] = None,
    fail_undecided: FailUndecided = False,
    out: Out = None,
) -> None:
    """Compare this code with another revision: its speed, memory and loss.

    Takes some 20 minutes. Exits with code 1 where this code is slower, needs more memory or has a higher loss.
    """
    from bench.gate import regress as regress_command  # noqa: PLC0415 - scipy is for those who measure

    request = regress_command.RegressRequest(
        base=base,
        cases=None if cases is None else split_list(cases),
        minimum_effect=minimum_effect / 100,
        most_discarded=most_discarded / 100,
        budget_s=None if budget is None else 60 * budget,
        base_python=base_python,
        candidate_python=candidate_python,
        threads=threads,
        fail_undecided=fail_undecided,
        out=out,
    )
    raise typer.Exit(regress_command.regress(request))


@app.command()
def check(
    report: Annotated[Path, typer.Argument(metavar="REPORT", help="Report folder or results.csv.")],
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="REPORT", help="Report of the same machine to compare with, a folder or a file."),
    ] = None,
    save_baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep the report in this file, as a baseline for later checks.")
    ] = None,
    minimum_effect: MinimumEffect = 5.0,
    fail_undecided: FailUndecided = False,
    out: Out = None,
) -> None:
    """Compare a report with a stored baseline of the same machine, or store it as one.

    Exits with code 1 where it is slower, needs more memory or has a higher loss.
    """
    from bench.gate import check as check_command  # noqa: PLC0415 - scipy is for those who measure

    request = check_command.CheckRequest(report, baseline, save_baseline, minimum_effect / 100, fail_undecided, out)
    raise typer.Exit(check_command.check(request))


@app.command()
def models() -> None:
    """List the models: what they are, their parameters and the figures that the blog gives for them."""
    from bench.plan.models import show_models  # noqa: PLC0415

    show_models()


@app.command()
def datasets() -> None:
    """List the datasets and where each was looked for."""
    from bench.datasets.datasets import show_datasets  # noqa: PLC0415

    show_datasets()


@app.command()
def machine(
    threads: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Threads that a sweep would let the backend use.")
    ] = None,
) -> None:
    """Show what this machine is, how fast its reference kernels run and how quiet it is now."""
    from bench.host.machine import show_machine  # noqa: PLC0415

    show_machine(threads)


def main() -> None:
    """Run the command line; each foreseen mistake is one message, with exit code 2, or 3 where the system refused."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a code page without "·" is no reason to lose a sweep
    provide_home()
    keep_exit_codes()
    with guard_output():
        run_command()


def run_command() -> NoReturn:
    """Run what the process' arguments ask for, and exit."""
    try:
        app(prog_name="aebench")
    except InvalidInput as error:
        exit_with_message(str(error), ExitCode.INVALID_INPUT)
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        why = f"the system refused{where}: {error.strerror or error}"
        exit_with_message(f"{why}.", ExitCode.FAILED)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    sys.exit()


def exit_with_message(message: str, code: ExitCode) -> NoReturn:
    """Print a message on standard error and exit."""
    print(f"aebench: {message}", file=sys.stderr)  # noqa: T201
    sys.exit(code)
