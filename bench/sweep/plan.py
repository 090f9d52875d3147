"""`aebench run --plan`: the cases of a sweep and the time that they may take."""

from rich.console import Console

from bench.console.output import make_console
from bench.console.table import Table, print_table
from bench.datasets import find
from bench.errors import ExitCode, InvalidInput, format_count
from bench.plan import estimate
from bench.plan.forecast import forecast_case
from bench.plan.profile import DATASET_SIZES
from bench.sweep import session
from bench.sweep.flags import SweepRequest
from bench.sweep.progress import describe


def show_plan(request: SweepRequest, console: Console | None = None) -> int:
    """Print the cases and the time that they may take; nothing is run, downloaded or written."""
    console = console or make_console()
    if request.json:
        raise InvalidInput("--json reports what a sweep does, and --plan runs none; leave one of the two out.")
    profile = request.choose_profile()
    train, val = DATASET_SIZES[profile.dataset]
    if request.data is not None:
        found = find.find_dataset(profile.dataset, data_file=request.data)
        train, val = found.train_samples, found.val_samples
    cases = profile.list_cases()
    session.check_batches(cases, train)
    seconds = [estimate.estimate_seconds(case, train, val) for case in cases]
    forecasts = [forecast_case(case, train) for case in cases]
    rows = tuple(
        (
            describe(case),
            ", ".join(map(str, case.checkpoints)),
            f"{case.optimizer} {case.learning_rate:g}",
            "no estimate" if took is None else estimate.format_duration(took),
            "" if forecast is None else f"{forecast.epoch_s:.3g}",
            "" if forecast is None else f"{forecast.peak_rss_mib:,.0f}",
        )
        for case, took, forecast in zip(cases, seconds, forecasts, strict=True)
    )
    title = f"Profile {profile.name}: {format_count(len(cases), 'case')} on {train:,} images of {profile.dataset}"
    print_table(console, Table(title, ("case", "epochs", "optimizer", "about", "s/epoch", "MiB"), rows, labels=3))
    known = [took for took in seconds if took is not None]
    if known:
        console.print(f"About {estimate.format_duration(sum(known))} on two cores of a server; other machines differ.")
    if any(forecasts):
        console.print(
            "s/epoch, validation included, and MiB of peak RAM are what the reference reports say (docs/profiles.md); "
            "they are empty where none has such a case."
        )
    if profile.minutes is not None:
        console.print(_describe_further(profile.minutes, profile.within_percent, sum(known)))
    if len(known) < len(cases):
        console.print(
            f"{format_count(len(cases) - len(known), 'case')} without an estimate: that way to train that model was "
            "never measured. On a processor, XLA trains convolutions 10 to 150 times slower than the other loops "
            "(docs/research/loops.md); try few epochs first, or set --timeout."
        )
    return ExitCode.OK


def _describe_further(minutes: float, within_percent: float, planned_s: float) -> str:
    """Say what comes after the planned cases, which take ``planned_s`` seconds or more."""
    used = format_count(minutes, "minute")
    if planned_s >= 60 * minutes:
        return f"That is more than {used}, so there will hardly be time for further processes."
    return (
        f"Then further processes of the cases that are known least, for the rest of {used} or until each case is known "
        f"to within {within_percent:g} %."
    )
