"""The commands: each parses, calls and prints; what they do is elsewhere."""

import io
import math
import sys
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from bench.console.output import open_outlets
from bench.errors import ExitCode, InvalidInput

app = typer.Typer(
    name="aebench",
    help="Measure every autoencoder of the Keras blog on this machine: time per epoch, peak RAM, losses.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _numbers(flag: str, text: str | None) -> list[int] | None:
    try:
        return None if text is None else [int(part) for part in _names(text) or []]
    except ValueError as error:
        example = "whole numbers with commas between them, such as 50,100,500"
        raise InvalidInput(f"{flag} takes {example}; got {text!r}.") from error


def _levels(flag: str, text: str | None) -> tuple[float, ...]:
    try:
        levels = tuple(float(part) for part in _names(text) or [])
    except ValueError as error:
        raise InvalidInput(f"{flag} takes numbers with commas between them, such as 0.12,0.1; got {text!r}.") from error
    if not all(0 < level < math.inf for level in levels):
        raise InvalidInput(f"{flag} takes numbers above zero; got {text!r}.")
    return tuple(sorted(set(levels), reverse=True))


@app.command()
def run(
    profile: Annotated[
        str | None, typer.Option(help="quick, blog, full, ci, or a TOML file; quick if not given")
    ] = None,
    models: Annotated[str | None, typer.Option(help="a,b: only these")] = None,
    epochs: Annotated[str | None, typer.Option(help="50,100,500: epoch counts, all checkpoints on one run")] = None,
    batch_sizes: Annotated[
        str | None, typer.Option(help="128,256; with --epochs alone, each model's published one")
    ] = None,
    backends: Annotated[str | None, typer.Option(help="Keras backends")] = None,
    loops: Annotated[str | None, typer.Option(help="training loops")] = None,
    precisions: Annotated[str | None, typer.Option(help="dtype policies")] = None,
    optimizer: Annotated[
        Literal["adam", "adadelta", "blog"] | None, typer.Option(help="blog: each model's own")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="mnist-5k, mnist or fashion-mnist")] = None,
    data: Annotated[Path | None, typer.Option(help="npz file with x_train, y_train, x_test, y_test")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="never download")] = False,
    repeats: Annotated[int | None, typer.Option(help="fresh processes a case")] = None,
    seed: Annotated[int | None, typer.Option(help="of weights, shuffling, noise and sampling")] = None,
    threads: Annotated[
        int | None, typer.Option(help="threads that the backend may use; its own choice if not given")
    ] = None,
    timeout: Annotated[float | None, typer.Option(help="seconds after which a case is ended")] = None,
    stall: Annotated[
        float | None, typer.Option(help="seconds without a word after which a case is ended; an hour if not given")
    ] = None,
    retries: Annotated[
        int | None, typer.Option(help="how often --resume may run a failed case again; 3 if not given")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="report folder")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="continue the folder of --out")] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="print the cases and the time they may take, run nothing")
    ] = False,
) -> None:
    """Sweep autoencoders over epoch counts and batch sizes and write a report folder."""
    from bench.sweep import run as run_command  # noqa: PLC0415 - pandas and scipy are for those who measure

    given = {
        "models": _names(models),
        "epochs": _numbers("--epochs", epochs),
        "batch_sizes": _numbers("--batch-sizes", batch_sizes),
        "backends": _names(backends),
        "loops": _names(loops),
        "precisions": _names(precisions),
        "optimizer": optimizer,
        "dataset": dataset,
        "repeats": repeats,
        "seed": seed,
        "threads": threads,
        "timeout_s": timeout,
        "stall_s": stall,
        "retries": retries,
    }
    overrides = {name: value for name, value in given.items() if value is not None}
    request = run_command.SweepRequest(profile, overrides, data, offline, out, resume)
    raise typer.Exit(run_command.show_plan(request) if plan else run_command.measure(request))


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="report folder")],
    without_noisy: Annotated[
        bool, typer.Option("--without-noisy", help="leave epochs out whose noise indicators were out of bounds")
    ] = False,
    thresholds: Annotated[
        str | None, typer.Option(help="0.12,0.11: values of val_bce until which epochs and seconds are told")
    ] = None,
) -> None:
    """Draw a folder's report again from its journal."""
    from bench.report.choices import AS_THEY_ARE, Choices  # noqa: PLC0415
    from bench.sweep import run as run_command  # noqa: PLC0415

    levels = _levels("--thresholds", thresholds) or AS_THEY_ARE.thresholds
    raise typer.Exit(run_command.redraw(folder, choices=Choices(without_noisy, levels)))


@app.command()
def compare(
    reports: Annotated[list[Path], typer.Argument(help="report folders or results.csv files, two or more")],
    reference: Annotated[
        str | None,
        typer.Option(help="report or machine's label that all others are held against; the first if not given"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="folder for comparison.csv, comparison.md and comparison.html")
    ] = None,
) -> None:
    """Compare machines: their reports side by side, case by case."""
    from bench.compare import compare as compare_command  # noqa: PLC0415

    raise typer.Exit(compare_command.show_comparison(reports, reference, out))


@app.command()
def regress(
    base: Annotated[
        str | None, typer.Option(help="revision to hold this code against; the merge base if not given")
    ] = None,
    cases: Annotated[
        str | None, typer.Option(help="basic,deep:xla,convolutional:fit:128; three sentinels if not given")
    ] = None,
    minimum_effect: Annotated[
        float, typer.Option(min=0.1, max=100.0, help="percent; a smaller slowdown does not count")
    ] = 5.0,
    most_discarded: Annotated[
        float, typer.Option(min=0.0, max=100.0, help="percent of the blocks that noise may cost before it is undecided")
    ] = 30.0,
    budget: Annotated[
        float | None, typer.Option(min=0.0, help="minutes after which no round is begun; no limit if not given")
    ] = None,
    base_python: Annotated[str | None, typer.Option(help="interpreter of the base's environment")] = None,
    candidate_python: Annotated[str | None, typer.Option(help="interpreter of the candidate's environment")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="threads that the backend may use")] = None,
    fail_undecided: Annotated[bool, typer.Option("--fail-undecided", help="exit code 5 where a case is")] = False,
    out: Annotated[Path | None, typer.Option(help="report folder")] = None,
) -> None:
    """Hold this code against another revision: slower, more memory or a higher loss? Takes some 20 minutes."""
    from bench.gate import regress as regress_command  # noqa: PLC0415 - scipy is for those who measure

    request = regress_command.RegressRequest(
        base=base,
        cases=_names(cases),
        minimum_effect=minimum_effect / 100,
        most_discarded=most_discarded / 100,
        budget_s=None if budget is None else 60 * budget,
        base_python=base_python,
        candidate_python=candidate_python,
        threads=threads,
        fail_undecided=fail_undecided,
        out=out,
    )
    raise typer.Exit(regress_command.gate(request))


@app.command()
def check(
    report: Annotated[Path, typer.Argument(help="report folder or results.csv")],
    baseline: Annotated[
        Path | None, typer.Option(help="report of the same machine to hold it against, folder or file")
    ] = None,
    save_baseline: Annotated[
        Path | None, typer.Option(help="keep the report in this file, for later checks to be held against")
    ] = None,
    minimum_effect: Annotated[
        float, typer.Option(min=0.1, max=100.0, help="percent; a smaller slowdown does not count")
    ] = 5.0,
    fail_undecided: Annotated[bool, typer.Option("--fail-undecided", help="exit code 5 where a case is")] = False,
    out: Annotated[Path | None, typer.Option(help="report folder")] = None,
) -> None:
    """Hold a report against a stored baseline of the same machine: slower, more memory or a higher loss? Or keep one."""
    from bench.gate import check as check_command  # noqa: PLC0415 - scipy is for those who measure

    request = check_command.CheckRequest(report, baseline, save_baseline, minimum_effect / 100, fail_undecided, out)
    raise typer.Exit(check_command.check(request))


@app.command()
def models() -> None:
    """List the models: what they are, their parameters and the blog's figures."""
    from bench.plan.models import show_models  # noqa: PLC0415

    show_models()


@app.command()
def datasets() -> None:
    """List the datasets and where each was looked for."""
    from bench.datasets.datasets import show_datasets  # noqa: PLC0415

    show_datasets()


@app.command()
def machine(
    threads: Annotated[int | None, typer.Option(min=1, help="threads that a sweep is to use")] = None,
) -> None:
    """Print this machine's fingerprint, its reference kernels' figures and how quiet it is now."""
    from bench.host.machine import show_machine  # noqa: PLC0415

    show_machine(threads)


def main() -> None:
    """Run the command line; each foreseen mistake is one message, with exit code 2, or 3 where the disk refused."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a code page without "·" is no reason to lose a sweep
    open_outlets()
    try:
        app()
    except InvalidInput as error:
        _end(str(error), ExitCode.INVALID_INPUT)
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        _end(
            f"the system refused{where}: {error.strerror}. What a journal holds is kept; --resume goes on.",
            ExitCode.FAILED,
        )
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)


def _end(message: str, code: ExitCode) -> NoReturn:
    print(f"aebench: {message}", file=sys.stderr)  # noqa: T201
    sys.exit(code)
