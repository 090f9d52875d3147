"""The same case twenty times: how far its figures spread, and whether its losses are the same to the last bit."""

import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bare_script import median_seconds

from bench.console.table import Table
from bench.datasets.files import write_npz
from bench.datasets.find import find_dataset
from bench.plan.profile import ModelOverride, Profile
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome
from bench.sweep.local import LocalExecutor

TIMES = 20
MODELS = ("basic", "convolutional")
EPOCHS = {"basic": 40, "convolutional": 4}

FIGURES: dict[str, Callable[[Outcome], float]] = {
    "epoch_s_median": median_seconds,
    "peak_rss_mib": lambda outcome: outcome.checkpoints[-1].peak_rss_mib,
    "peak_anon_mib": lambda outcome: outcome.checkpoints[-1].peak_anon_mib or 0.0,
    "train_loss": lambda outcome: outcome.epochs[-1].train_loss or 0.0,
    "val_loss": lambda outcome: outcome.epochs[-1].val_loss or 0.0,
    "val_bce": lambda outcome: outcome.evaluations[-1].val_bce or 0.0,
}


def validate() -> tuple[Table, bool]:
    """Spread of each figure over fresh processes; losses must be equal to the last bit."""
    rows, holds = [], True
    for model, outcomes in _measure().items():
        for name, figure in FIGURES.items():
            values = [figure(outcome) for outcome in outcomes]
            rows.append((model, name, *_summarise(values)))
            holds &= len(set(values)) == 1 or not name.endswith(("loss", "bce"))
    headers = ("model", "figure", "median", "smallest", "largest", "standard deviation", "different values")
    return Table(f"Repetition: one case in {TIMES} processes", headers, tuple(rows), labels=2), holds


def _measure() -> dict[str, list[Outcome]]:
    with tempfile.TemporaryDirectory() as directory:
        folder = ReportFolder(Path(directory))
        write_npz(find_dataset("mnist-5k").images, folder.data)
        profile = Profile(
            models=MODELS,
            epochs=(1,),
            batch_sizes=(256,),
            repeats=TIMES,
            model={name: ModelOverride(epochs=(epochs,)) for name, epochs in EPOCHS.items()},
        )
        outcomes = list(LocalExecutor(folder).run(profile.list_cases(), lambda _case, _event: None))
    return {model: [outcome for outcome in outcomes if outcome.case.model == model] for model in MODELS}


def _summarise(values: Sequence[float]) -> tuple[str, ...]:
    middle = statistics.median(values)
    return (
        f"{middle:.6g}",
        f"{min(values):.6g}",
        f"{max(values):.6g}",
        f"{100 * statistics.stdev(values) / middle:.2f} %",
        str(len(set(values))),
    )
