"""`aebench run --plan --probe`: how many times as long as planned this machine takes, by loop.

A short process of the basic model is run for each backend and loop of the plan, on its images and with its batch size.
What an epoch takes, compared with the plan, scales the plan's epochs; what the start takes, its starts; its memory is
not scaled.
"""

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.datasets.find import provide_npz
from bench.errors import format_count, join_names
from bench.host import signals
from bench.host.fingerprint import check_backends
from bench.plan.estimate import estimate_parts, format_duration
from bench.plan.forecast import PROBED, Machine, forecast_case
from bench.plan.profile import Case
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome
from bench.sweep.executor import Executor
from bench.sweep.flags import SweepRequest
from bench.sweep.local import LocalExecutor
from bench.sweep.run import find_images

Loop = tuple[str, str]
"""A backend and a loop."""

_TRAINING_S = 2.0
"""Of a probe, on the plan's machine."""
_FEWEST_EPOCHS, _MOST_EPOCHS = 4, 30
"""The first one, which compiles, does not count; of fewer than three a median says nothing."""
_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Probe:
    """What the probe of a backend and loop came to."""

    loop: Loop
    seconds: float
    """Of its whole process."""
    factor: float | None
    """How many times as long as planned an epoch took; None where the probe failed."""
    start_factor: float = 1.0
    """The same of all that is not an epoch: imports, building, compiling."""
    problem: str | None = None
    """Why it failed."""


def probe_machine(request: SweepRequest, console: Console, machine: Machine) -> list[Probe]:
    """Run a probe for each backend and loop of a plan that the basic model has an estimate for; nothing of it is kept.

    For the main thread.

    Raises `InvalidInput` where a backend or the images are missing.
    """
    profile = request.choose_profile()
    check_backends(profile.backends)
    with signals.catch_signals(), tempfile.TemporaryDirectory(prefix="aebench-probe-") as root:
        dataset = find_images(request, profile, console)
        folder = ReportFolder(Path(root))
        with provide_npz(dataset, folder.data):
            chosen = choose_probes(profile.list_cases(), dataset.train_samples, dataset.val_samples, machine)
            return list(run_probes(LocalExecutor(folder, _TIMEOUT_S), chosen))


Planned = tuple[float, float]
"""Seconds of a case outside of its epochs, and of an epoch."""


def choose_probes(
    cases: Sequence[Case], train_samples: int, val_samples: int, machine: Machine | None = None
) -> dict[Loop, tuple[Case, Planned]]:
    """Choose the case to probe each backend and loop with, and what it is planned to take.

    A loop that nobody trained the basic model with has none.
    """
    chosen: dict[Loop, tuple[Case, Planned]] = {}
    for case in cases:
        probe = case.model_copy(update={"model": PROBED, "precision": "float32", "threads": None, "repeat": 0})
        forecast = forecast_case(probe, train_samples, machine=machine)
        planned = estimate_parts(probe, train_samples, val_samples, forecast)
        if planned is not None and min(planned) > 0:
            epochs = min(max(round(_TRAINING_S / planned[1]), _FEWEST_EPOCHS), _MOST_EPOCHS)
            short = probe.model_copy(update={"checkpoints": (epochs,)})
            chosen.setdefault((case.backend, case.loop), (short, planned))
    return chosen


def run_probes(executor: Executor, chosen: dict[Loop, tuple[Case, Planned]]) -> Iterator[Probe]:
    """Run a probe after the other."""
    plans = {case.case_id: (loop, planned) for loop, (case, planned) in chosen.items()}
    for outcome in executor.run([case for case, _planned in chosen.values()], lambda _case, _event: None):
        loop, (start_s, epoch_s) = plans[outcome.case.case_id]
        if outcome.status == "ok" and outcome.checkpoints:
            took = _measure_epoch(outcome)
            started = max(outcome.checkpoints[-1].wall_s - len(outcome.epochs) * took, 0.0)
            yield Probe(loop, outcome.duration_s, took / epoch_s, started / start_s)
        else:
            yield Probe(loop, outcome.duration_s, None, problem=outcome.error)


def _measure_epoch(outcome: Outcome) -> float:
    """Return the median seconds of an epoch with its validation, the first one left out."""
    return sum(float(statistics.median(outcome.epochs.get_column(name)[1:])) for name in ("train_s", "val_s"))


def describe_probes(probes: Sequence[Probe], cases: Sequence[Case]) -> list[str]:
    """Say what each probe found, and which cases of a plan are not scaled, and why."""
    loops = list(dict.fromkeys((case.backend, case.loop) for case in cases))
    sentences = []
    for probe in probes:
        name = "" if len(loops) == 1 else f" with {_name(probe.loop, loops)}"
        if probe.factor is None:
            of = _count_cases(cases, [probe.loop])
            sentences.append(f"The probe{name} failed, so the times of {of} are not scaled: {probe.problem}")
        else:
            took = f"{probe.factor:.2g} times as long here as planned"
            sentences.append(
                f"By a probe of {format_duration(probe.seconds)}, an epoch{name} takes {took}, and a start "
                f"{probe.start_factor:.2g} times as long."
            )
    probed = [probe.loop for probe in probes]
    without = [loop for loop in loops if loop not in probed]
    if without:
        names = join_names([_name(loop, loops) for loop in without], 5)
        sentences.append(
            f"The times of {_count_cases(cases, without)} are not scaled: there is no probe with {names}, since nobody "
            f"measured how long the {PROBED} model takes so."
        )
    return sentences


def _count_cases(cases: Sequence[Case], loops: Sequence[Loop]) -> str:
    return format_count(sum((case.backend, case.loop) in loops for case in cases), "case")


def _name(loop: Loop, loops: Sequence[Loop]) -> str:
    """Name a loop, with its backend where a plan has several."""
    backend, name = loop
    return name if len({each[0] for each in loops}) == 1 else f"{name} on {backend}"
