"""The commands: each one hands its flags to the function that does the work, which validates them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer
from typer import Argument, Option

from bench import __version__
from bench.console.output import guard_output, list_examples, report_mistakes
from bench.errors import InvalidInput, split_list
from bench.fleet.commands import fleet
from bench.host.home import provide_home
from bench.host.signals import keep_exit_codes

Command = TypeVar("Command", bound=Callable[..., None])
app = typer.Typer(
    name="aebench",
    help="Measure every autoencoder of the Keras blog on this machine: time per epoch, peak memory, losses.",
    epilog=list_examples(("aebench run", "every model, on images that come along: six minutes")),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def command(*examples: tuple[str, str]) -> Callable[[Command], Command]:
    """Make a function a command of its name, whose help ends with examples: command lines, and what each does."""
    return app.command(epilog=list_examples(*examples))


def print_version(asked: bool) -> None:
    """Print the version and exit, where ``--version`` was given."""
    if asked:
        typer.echo(f"aebench {__version__}")
        raise typer.Exit


Out = Annotated[Path | None, Option(metavar="DIR", help="Report folder; by default a new one in reports/.")]
MinimumEffect = Annotated[float, Option(metavar="PERCENT", help="A smaller slowdown does not count.")]
FailUndecided = Annotated[
    bool, Option("--fail-undecided", metavar=" ", help="Exit with code 5 where a case stays undecided.")
]
_ALL_TABLES = "Print all tables of the report, not the answer alone."


@app.callback()
def aebench(
    _version: Annotated[
        bool, Option("--version", callback=print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take the flags that belong to no command."""


what, how, limit, output = (
    partial(Option, rich_help_panel=panel) for panel in ("What to measure", "How", "Limits", "Output")
)
"""Flags of `aebench run` and `aebench advise`, each in a panel of its help."""
Dataset = Annotated[str | None, what(metavar="NAME", help="mnist-5k, mnist or fashion-mnist.")]
Data = Annotated[Path | None, what(metavar="PATH", help="The images: an .npz file, or a folder of IDX or CSV files.")]
Offline = Annotated[bool, limit("--offline", metavar=" ", help="Never download anything.")]
SweepOut = Annotated[Path | None, output(metavar="DIR", help="Report folder; by default a new one in reports/.")]


@command(
    ("aebench run --plan", "what the default sweep runs, and for how long"),
    ("aebench run --models basic,deep --epochs 50,100", "two models, both counts on one run"),
    ("aebench run --profile blog --data mnist.npz", "the published runs, on the full MNIST"),
)
def run(
    profile: Annotated[
        str | None, what(metavar="NAME", help="quick (the default), blog, full, scaling, ci, or TOML.")
    ] = None,
    models: Annotated[
        str | None, what(metavar="A,B", help="Only these of the models that `aebench models` lists.")
    ] = None,
    epochs: Annotated[str | None, what(metavar="N,N", help="Such as 50,100,500: all are measured on one run.")] = None,
    batch_sizes: Annotated[
        str | None,
        what(metavar="N,N", help="Such as 128,256. With --epochs alone: the one that each model was published with."),
    ] = None,
    dataset: Dataset = None,
    data: Data = None,
    backends: Annotated[str | None, how(metavar="A,B", help="tensorflow (the default), jax, torch.")] = None,
    loops: Annotated[
        str | None, how(metavar="A,B", help="fit (the default), dataset, steps, jit, steps_jit, graph, xla.")
    ] = None,
    precisions: Annotated[str | None, how(metavar="A,B", help="float32 (the default), mixed_bfloat16.")] = None,
    optimizer: Annotated[
        Literal["adam", "adadelta", "blog"] | None,
        how(metavar="NAME", help="adam (the default), adadelta, or blog: the one that each model was published with."),
    ] = None,
    repeats: Annotated[
        int | None,
        how(metavar="N", help="Run each case in so many fresh processes, and in no more unless --minutes says so."),
    ] = None,
    minutes: Annotated[
        float | None,
        how(
            metavar="M",
            help="Spend so many in all: what the cases leave goes into more processes of those known least. "
            "quick has 6.",
        ),
    ] = None,
    within: Annotated[
        float | None,
        how(metavar="PERCENT", help="End earlier, once each time per epoch is known to within so much (5)."),
    ] = None,
    threads: Annotated[
        str | None, how(metavar="N,N", help="Such as 1,2: threads for the backend; by default it decides.")
    ] = None,
    seed: Annotated[int | None, how(metavar="N", help="Of weights, shuffling, noise and sampling (0).")] = None,
    timeout: Annotated[float | None, limit(metavar="S", help="End a case after so many seconds.")] = None,
    stall: Annotated[
        float | None, limit(metavar="S", help="End a case that reports nothing for so many seconds (3600).")
    ] = None,
    retries: Annotated[
        int | None, limit(metavar="N", help="How often --resume may run a failed case again (3).")
    ] = None,
    offline: Offline = False,
    out: SweepOut = None,
    resume: Annotated[
        bool,
        output(
            "--resume",
            metavar=" ",
            help="Run what is missing or failed in the folder --out; with --minutes, more processes too.",
        ),
    ] = False,
    plan: Annotated[
        bool, output("--plan", metavar=" ", help="Run nothing: list the cases and the time that they may take.")
    ] = False,
    probe: Annotated[
        bool, output("--probe", metavar=" ", help="With --plan: a few seconds per loop say how fast this machine is.")
    ] = False,
    tables: Annotated[bool, output("--tables", metavar=" ", help=_ALL_TABLES)] = False,
    as_json: Annotated[
        bool, output("--json", metavar=" ", help="For other programs: a JSON object per event on standard output.")
    ] = False,
) -> None:
    """Measure autoencoders over epoch counts and batch sizes, and write a report."""
    from bench.sweep import plan as plan_command  # noqa: PLC0415 - scipy is for those who measure
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
    request = SweepRequest(profile, fields, data, offline, out, resume, tables, as_json)
    if probe and not plan:
        raise InvalidInput("--probe scales the times that --plan shows; give both, or leave --probe out.")
    raise typer.Exit(plan_command.show_plan(request, probe=probe) if plan else run_command.run_sweep(request))


@command(
    ("aebench advise", "which line to add to a script like the blog's, in two minutes"),
    ("aebench advise --models deep,convolutional --minutes 6", "other models, known better"),
    ("aebench advise --backends jax --json", "on JAX, for another program"),
)
def advise(
    models: Annotated[str | None, what(metavar="A,B", help="Models that are like yours: basic is the default.")] = None,
    batch_sizes: Annotated[
        str | None, what(metavar="N,N", help="By default the one that each model was published with.")
    ] = None,
    dataset: Dataset = None,
    data: Data = None,
    backends: Annotated[str | None, how(metavar="NAME", help="tensorflow (the default), jax or torch.")] = None,
    minutes: Annotated[
        float | None, how(metavar="M", help="What the cases leave of so many goes into more processes (2).")
    ] = None,
    offline: Offline = False,
    out: SweepOut = None,
    as_json: Annotated[bool, output("--json", metavar=" ", help="For other programs: one JSON object.")] = False,
) -> None:
    """Find the line to add to a script of your own that makes it train faster here.

    A sweep of some two minutes: what `compile` can be asked for, one thread, another precision.
    """
    from bench.sweep import advise as advise_command  # noqa: PLC0415 - scipy is for those who measure
    from bench.sweep.flags import parse_fields  # noqa: PLC0415

    fields = parse_fields(models=models, batch_sizes=batch_sizes, dataset=dataset, backends=backends, minutes=minutes)
    raise typer.Exit(advise_command.advise(advise_command.AdviseRequest(fields, data, offline, out, as_json)))


@command(("aebench report reports/FOLDER", "after an update of aebench, or with other flags"))
def report(
    folder: Annotated[Path, Argument(metavar="FOLDER", help="Report folder.")],
    without_noisy: Annotated[
        bool, Option("--without-noisy", metavar=" ", help="Leave epochs that other programs made noisy out of medians.")
    ] = False,
    thresholds: Annotated[
        str | None,
        Option(metavar="X,X", help="Values of val_bce, such as 0.12,0.11: how long training took to reach them."),
    ] = None,
    tables: Annotated[bool, Option("--tables", metavar=" ", help=_ALL_TABLES)] = False,
) -> None:
    """Draw the report of a folder again, from its journal."""
    from bench.report.report import redraw_report  # noqa: PLC0415
    from bench.report.thresholds import parse_thresholds  # noqa: PLC0415

    levels = () if thresholds is None else parse_thresholds(thresholds)
    raise typer.Exit(redraw_report(folder, without_noisy=without_noisy, thresholds=levels, tables=tables))


@command(("aebench compare reports/HERE elsewhere/results.csv", "how many times as fast the other machine is"))
def compare(
    reports: Annotated[
        list[Path], Argument(metavar="REPORT", help="Report folders or results.csv files, two or more.")
    ],
    reference: Annotated[
        str | None,
        Option(metavar="NAME", help="Report or machine to compare the others with; by default the first one."),
    ] = None,
    price_per_hour: Annotated[
        str | None,
        Option(
            metavar="A=X,B=X", help="Such as EPYC=0.4,Xeon=1.1: what a training to the same loss costs on each machine."
        ),
    ] = None,
    tables: Annotated[
        bool, Option("--tables", metavar=" ", help="Print all tables, each with all of its lines.")
    ] = False,
    out: Annotated[
        Path | None, Option(metavar="DIR", help="Folder for comparison.csv, comparison.md and comparison.html.")
    ] = None,
) -> None:
    """Compare machines by their reports: which is faster, case by case, in how much memory."""
    from bench.compare import compare as compare_command  # noqa: PLC0415

    request = compare_command.CompareRequest(reports, reference, price_per_hour, tables, out)
    raise typer.Exit(compare_command.compare_reports(request))


@command(
    ("aebench regress --base main", "did this branch make it slower?"),
    ("aebench regress --cases basic,deep:xla --budget 10", "other cases, ten minutes"),
)
def regress(
    base: Annotated[
        str | None, Option(metavar="REVISION", help="Revision to compare this code with; by default the merge base.")
    ] = None,
    cases: Annotated[
        str | None,
        Option(metavar="A,B", help="Cases such as basic,deep:xla; by default basic, convolutional and deep."),
    ] = None,
    minimum_effect: MinimumEffect = 5.0,
    most_discarded: Annotated[
        float, Option(metavar="PERCENT", help="A case stays undecided where noise makes more of its blocks useless.")
    ] = 30.0,
    budget: Annotated[float | None, Option(metavar="MINUTES", help="Begin no round after so many minutes.")] = None,
    base_python: Annotated[str | None, Option(metavar="PYTHON", help="Interpreter of the base's environment.")] = None,
    candidate_python: Annotated[
        str | None, Option(metavar="PYTHON", help="Interpreter of this code's environment.")
    ] = None,
    threads: Annotated[int | None, Option(metavar="N", min=1, help="Threads that the backend may use.")] = None,
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


@command(
    ("aebench check reports/OLD --save-baseline baseline.csv", "keep a report to compare later ones with"),
    ("aebench check reports/NEW --baseline baseline.csv", "is this one slower?"),
)
def check(
    report: Annotated[Path, Argument(metavar="REPORT", help="Report folder or results.csv.")],
    baseline: Annotated[
        Path | None, Option(metavar="REPORT", help="Report of the same machine to compare with, a folder or a file.")
    ] = None,
    save_baseline: Annotated[
        Path | None, Option(metavar="FILE", help="Keep the report in this file, as a baseline for later checks.")
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


@command(("aebench bands reports/SEED-0 reports/SEED-1 reports/SEED-2 --out bands.csv", "one report per seed"))
def bands(
    reports: Annotated[list[Path], Argument(metavar="REPORT...", help="Report folders or results.csv files.")],
    out: Annotated[Path, Option(metavar="FILE", help="Where to write the bands; others in it are kept.")],
) -> None:
    """Make reference bands of the loss from reports of three seeds or more: where one further run should end."""
    from bench.results.bands import store_bands  # noqa: PLC0415 - scipy is for those who measure

    raise typer.Exit(store_bands(reports, out))


@command(("aebench submit reports/FOLDER", "checks the report and packs it, to hand it in"))
def submit(
    folder: Annotated[Path, Argument(metavar="DIR", help="Report folder.")],
    out: Annotated[Path | None, Option(metavar="FILE", help="The archive; by default DIR's name with .tar.gz.")] = None,
) -> None:
    """Pack a report into one archive to hand in, and show what it says of the machine. Uploads nothing."""
    from bench.reference import submit as submit_command  # noqa: PLC0415

    raise typer.Exit(submit_command.submit(folder, out))


@command(("aebench verify theirs.tar.gz reports/reference/*", "may these reports join the collection?"))
def verify(
    files: Annotated[
        list[Path], Argument(metavar="FILE", help="Archives of aebench submit, report folders or results.csv.")
    ],
) -> None:
    """Check reports that others hand in. Exits with code 1 where one is refused, 2 where one cannot be read."""
    from bench.reference import verify as verify_command  # noqa: PLC0415

    raise typer.Exit(verify_command.verify(files))


@command(("aebench models", "what --models and profiles may name"))
def models() -> None:
    """List the models: what they are, their parameters and the figures that the blog gives for them."""
    from bench.plan.models import show_models  # noqa: PLC0415

    show_models()


@command(("aebench datasets", "which of them a sweep would find here"))
def datasets() -> None:
    """List the datasets and where each was looked for."""
    from bench.datasets.datasets import show_datasets  # noqa: PLC0415

    show_datasets()


@command(("aebench machine --threads 1", "as a sweep with one thread would find it"))
def machine(
    threads: Annotated[
        int | None, Option(metavar="N", min=1, help="Threads that a sweep would let the backend use.")
    ] = None,
) -> None:
    """Show what this machine is, how fast its reference kernels run and how quiet it is now."""
    from bench.host.machine import show_machine  # noqa: PLC0415

    show_machine(threads)


app.add_typer(fleet, name="fleet")


def main() -> None:
    """Run the command line; each foreseen mistake is one message, with exit code 2, or 3 where the system refused."""
    provide_home()
    keep_exit_codes()
    with guard_output(), report_mistakes():
        app(prog_name="aebench")
