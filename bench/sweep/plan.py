"""`aebench run --plan`: the cases of a sweep and the time that they may take."""

import math
from collections.abc import Sequence

from rich.console import Console

from bench.console.output import make_console
from bench.console.table import Table, print_table
from bench.datasets import find
from bench.errors import ExitCode, InvalidInput, format_count, join_names
from bench.host.fingerprint import take_fingerprint
from bench.host.machine import measure_machine
from bench.plan import estimate
from bench.plan.forecast import (
    Forecast,
    Machine,
    compare_kernels,
    describe_machine,
    find_worst,
    forecast_cases,
    list_measured_on,
    order_machines,
    read_measured,
)
from bench.plan.profile import DATASET_SIZES
from bench.results.forecast_basis import describe_machine_errors
from bench.sweep import session
from bench.sweep.flags import SweepRequest
from bench.sweep.probe import describe_probes, probe_machine
from bench.sweep.progress import describe

_MOST_NAMED = 3
"""Machines whose reports foretell."""


def show_plan(request: SweepRequest, console: Console | None = None, *, probe: bool = False) -> int:
    """Print the cases and the time that they may take; nothing is trained, downloaded or written.

    With ``probe`` short processes are run, whose speed scales the times. Raises `InvalidInput`.
    """
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
    machine = measure_machine(take_fingerprint())
    foretold = forecast_cases(cases, train, machine)
    probes = probe_machine(request, console, machine) if probe else []
    factors = {each.loop: (each.start_factor, each.factor) for each in probes if each.factor is not None}
    scales = [factors.get((case.backend, case.loop), (1.0, 1.0)) for case in cases]
    parts = [estimate.estimate_parts(case, train, val, foretold.get(case.name)) for case in cases]
    seconds = [
        None if part is None else scale[0] * part[0] + case.run_epochs * scale[1] * part[1]
        for case, part, scale in zip(cases, parts, scales, strict=True)
    ]
    forecasts = [foretold.get(case.name) for case in cases]
    rows = tuple(
        (
            describe(case),
            ", ".join(map(str, case.checkpoints)),
            f"{case.optimizer} {case.learning_rate:g}",
            "no estimate" if took is None else estimate.format_duration(took),
            "" if forecast is None else f"{forecast.epoch_s * scale[1]:.3g}",
            "" if forecast is None else f"{forecast.peak_rss_mib:,.0f}",
        )
        for case, took, forecast, scale in zip(cases, seconds, forecasts, scales, strict=True)
    )
    title = f"Profile {profile.name}: {format_count(len(cases), 'case')} on {train:,} images of {profile.dataset}"
    print_table(console, Table(title, ("case", "epochs", "optimizer", "about", "s/epoch", "MiB"), rows, labels=3))
    known = [took for took in seconds if took is not None]
    if known:
        here = [
            (case.backend, case.loop) in factors or forecast is not None
            for case, forecast, took in zip(cases, forecasts, seconds, strict=True)
            if took is not None
        ]
        where = "this machine" if all(here) else "two cores of a server; other machines differ"
        where += f", and {sum(here)} of {len(here)} cases are for this one" if any(here) != all(here) else ""
        console.print(f"About {estimate.format_duration(sum(known))} on {where}.")
    for sentence in describe_probes(probes, cases) if probe else []:
        console.print(sentence, markup=False, highlight=False)
    if any(forecasts):
        whose = _describe_machines(machine, list(foretold.values()))
        console.print(
            f"s/epoch, validation included, and MiB of peak RAM are what reports of {whose} say "
            "(docs/profiles.md); they are empty where none has such a case."
        )
        for sentence in _list_errors(machine, [forecast for forecast in forecasts if forecast is not None]):
            console.print(sentence)
    if profile.minutes is not None:
        console.print(_describe_further(profile.minutes, profile.within_percent, sum(known)))
    if len(known) < len(cases):
        console.print(
            f"{format_count(len(cases) - len(known), 'case')} without an estimate: that way to train that model was "
            "never measured. On a processor, XLA trains convolutions 10 to 150 times slower than the other loops "
            "(docs/research/loops.md); try few epochs first, or set --timeout."
        )
    return ExitCode.OK


def _describe_machines(machine: Machine, forecasts: Sequence[Forecast]) -> str:
    """Name the machine whose reports foretell, and say what its times are scaled by."""
    machines = [describe_machine(own) for own in order_machines(read_measured(), machine)]
    like = list_measured_on(machine.cpu_model, machine.cores)
    others = machines[1:] if like else machines
    factors = sorted(compare_kernels(machine, each) for each in others)
    times = " to ".join(dict.fromkeys(f"{each:.2g}" for each in (*factors[:1], *factors[-1:])))
    scaled = f"times {times}, as the reference kernels take {times} times as long here"
    if like:
        count = sum(each.is_scaled for each in forecasts)
        rest = f" (for {format_count(count, 'case')} those of others, {scaled})" if count else ","
        return f"{format_count(machine.cores, 'core')} of {machine.cpu_model}, as here{rest}"
    named = join_names([f"{format_count(each.cores, 'core')} of {each.cpu_model}" for each in others], _MOST_NAMED)
    return f"{named}, {scaled},"


def _list_errors(machine: Machine, forecasts: Sequence[Forecast]) -> list[str]:
    """Say how good forecasts are on this machine, and from one machine to another."""
    across = describe_machine_errors(read_measured())
    if list_measured_on(machine.cpu_model, machine.cores):
        return [_describe_errors(forecasts), *across]
    return across or ["How good that is on another machine than theirs is not known."]


def _describe_errors(forecasts: Sequence[Forecast]) -> str:
    """Say how good the forecasts are, as far as the reference reports foretell each other."""
    time, peak = (find_worst(getattr(each, name) for each in forecasts) for name in ("time_percent", "peak_percent"))
    if time is None or peak is None:
        return "It is not known how good these forecasts are: no two reports have these cases."
    unknown = sum(each.time_percent is None for each in forecasts)
    rest = f"; of {format_count(unknown, 'case')} it is not known how good" if unknown else ""
    within, of_peaks = math.ceil(time), math.ceil(peak)
    return f"Reports foretell each other's times to within {within} % and peaks to within {of_peaks} %{rest}."


def _describe_further(minutes: float, within_percent: float, planned_s: float) -> str:
    """Say what comes after the planned cases, which take ``planned_s`` seconds or more."""
    used = format_count(minutes, "minute")
    if planned_s >= 60 * minutes:
        return f"That is more than {used}, so there will hardly be time for further processes."
    return (
        f"Then further processes of the cases that are known least, for the rest of {used} or until each case is known "
        f"to within {within_percent:g} %."
    )
