"""`aebench run --plan --probe`: how many times as long as the reference machine this one takes, by loop.

A short process of the basic model is run for each backend and loop of the plan, on its images and with its batch size.
What it takes per epoch, compared with what is forecast, scales the plan's times, never its memory.
"""

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.datasets.find import provide_npz
from bench.errors import join_names
from bench.host import signals
from bench.host.fingerprint import check_backends
from bench.plan.estimate import format_duration
from bench.plan.forecast import Forecast, forecast_case
from bench.plan.profile import Case
from bench.results.folder import ReportFolder
from bench.results.schema import Outcome
from bench.sweep.executor import Executor
from bench.sweep.flags import SweepRequest
from bench.sweep.local import LocalExecutor
from bench.sweep.run import find_images

Loop = tuple[str, str]
"""A backend and a loop."""

_MODEL = "basic"
_TRAINING_S = 2.0
"""Of a probe, on the reference machine."""
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
    """How many times as long as the reference an epoch took; None where the probe failed."""
    problem: str | None = None
    """Why it failed."""


def probe_machine(request: SweepRequest, console: Console) -> list[Probe]:
    """Run a probe for each backend and loop of a plan that has a reference; nothing of it is kept. For the main thread.

    Raises `InvalidInput` where a backend or the images are missing.
    """
    profile = request.choose_profile()
    check_backends(profile.backends)
    with signals.catch_signals(), tempfile.TemporaryDirectory(prefix="aebench-probe-") as root:
        dataset = find_images(request, profile, console)
        folder = ReportFolder(Path(root))
        with provide_npz(dataset, folder.data):
            chosen = choose_probes(profile.list_cases(), dataset.train_samples)
            return list(run_probes(LocalExecutor(folder, _TIMEOUT_S), chosen))


def choose_probes(cases: Sequence[Case], train_samples: int) -> dict[Loop, tuple[Case, Forecast]]:
    """Choose the case to probe each backend and loop with, and its forecast; a loop without any has none."""
    chosen: dict[Loop, tuple[Case, Forecast]] = {}
    for case in cases:
        probe = case.model_copy(update={"model": _MODEL, "precision": "float32", "threads": None, "repeat": 0})
        forecast = forecast_case(probe, train_samples)
        if forecast is not None and forecast.epoch_s > 0:
            epochs = min(max(round(_TRAINING_S / forecast.epoch_s), _FEWEST_EPOCHS), _MOST_EPOCHS)
            short = probe.model_copy(update={"checkpoints": (epochs,)})
            chosen.setdefault((case.backend, case.loop), (short, forecast))
    return chosen


def run_probes(executor: Executor, chosen: dict[Loop, tuple[Case, Forecast]]) -> Iterator[Probe]:
    """Run a probe after the other."""
    forecasts = {case.case_id: (loop, forecast) for loop, (case, forecast) in chosen.items()}
    for outcome in executor.run([case for case, _forecast in chosen.values()], lambda _case, _event: None):
        loop, forecast = forecasts[outcome.case.case_id]
        factor = _measure_epoch(outcome) / forecast.epoch_s if outcome.status == "ok" else None
        yield Probe(loop, outcome.duration_s, factor, outcome.error)


def _measure_epoch(outcome: Outcome) -> float:
    """Return the median seconds of an epoch with its validation, the first one left out."""
    return sum(float(statistics.median(outcome.epochs.get_column(name)[1:])) for name in ("train_s", "val_s"))


def describe_probes(probes: Sequence[Probe], cases: Sequence[Case]) -> list[str]:
    """Say what each probe found, and which loops of a plan have none."""
    loops = list(dict.fromkeys((case.backend, case.loop) for case in cases))
    sentences = []
    for probe in probes:
        name = "" if len(loops) == 1 else f" with {_name(probe.loop, loops)}"
        if probe.factor is None:
            sentences.append(f"The probe{name} failed, so these times are not scaled: {probe.problem}")
        else:
            sentences.append(
                f"This machine takes {probe.factor:.2g} times as long as the reference{name}, "
                f"by a probe of {format_duration(probe.seconds)}."
            )
    probed = [probe.loop for probe in probes]
    without = [_name(loop, loops) for loop in loops if loop not in probed]
    if without:
        sentences.append(
            f"No probe with {join_names(without, 5)}: no reference report has the {_MODEL} model trained so. "
            "Its times are not scaled."
        )
    return sentences


def _name(loop: Loop, loops: Sequence[Loop]) -> str:
    """Name a loop, with its backend where a plan has several."""
    backend, name = loop
    return name if len({each[0] for each in loops}) == 1 else f"{name} on {backend}"
