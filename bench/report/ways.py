"""The models and ways to train of a sweep, each with its cases: what the page's answer and charts are made of."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from bench.report import variants
from bench.report.figures import make_drawable
from bench.report.summary import list_models, select_last_rows
from bench.report.thresholds import find_curve
from bench.results.journal_lines import Outcome
from bench.results.schema import ResultRow
from bench.results.speed import name_case
from bench.results.stats import compute_median_of_known


@dataclass(frozen=True)
class Trained:
    """A case: the rows of all its processes at its last checkpoint, and what is known of the first of these."""

    rows: tuple[ResultRow, ...]
    case_id: str
    """The first process'."""
    curve: list[tuple[int, float, float]]
    """Epochs, training seconds with compilation, and `val_bce` in nats per pixel, as far as it is known."""
    checkpoints: tuple[int, ...]
    """Those that it had to reach."""
    reached: frozenset[int]
    """Those that it reached."""
    peaks: Mapping[str, float]
    """The largest peak so far, in MiB, at the end of each of its `PHASES` that was measured."""

    @property
    def batch_size(self) -> int:
        """Samples per training step."""
        return self.rows[0].batch_size

    @property
    def epochs(self) -> int:
        """The last checkpoint that was reached."""
        return self.rows[0].epochs

    def find_median(self, column: str) -> float:
        """Return the median of a column over the processes; NaN where none of them has a finite number."""
        known = (value for row in self.rows if (value := getattr(row, column)) is not None and abs(value) <= _MOST)
        median = compute_median_of_known(known)
        return math.nan if median is None else median


_LEAST, _MOST = 1e-9, 1e12
"""A stranger's journal may hold what no machine measures and no axis shows."""


def _read_outcome(outcome: Outcome, rows: Sequence[ResultRow]) -> Trained:
    return Trained(
        rows=tuple(rows),
        case_id=outcome.case.case_id,
        curve=time_curve(find_curve(outcome)[0], outcome.epochs.get_column("train_s")),
        checkpoints=outcome.case.checkpoints,
        reached=frozenset(each.epochs for each in outcome.checkpoints) | {rows[0].epochs},
        peaks=list_phase_peaks(outcome),
    )


def time_curve(losses: Sequence[tuple[int, float]], train_s: Sequence[float]) -> list[tuple[int, float, float]]:
    """Add to epochs and their loss the training seconds up to there; what no axis can show is left out."""
    seconds = list(accumulate(train_s))
    points = [(epochs, seconds[epochs - 1], loss) for epochs, loss in losses]
    return [(epochs, at, loss) for epochs, at, loss in points if _LEAST < at <= _MOST and _LEAST < loss <= _MOST]


def list_phase_peaks(outcome: Outcome) -> dict[str, float]:
    """List the largest peak so far, in MiB, at the end of each part of `PHASES` that was measured."""
    training = outcome.checkpoints[-1].phases if outcome.checkpoints else ()
    return add_up_peaks({phase.name: make_drawable(phase.peak_mib) for phase in (*outcome.phases, *training)})


def add_up_peaks(peaks: Mapping[str, float]) -> dict[str, float]:
    """Return the largest peak so far at the end of each part of `PHASES`, from the peaks of phases."""
    found, highest = {}, 0.0
    for part, names in PHASES.items():
        known = [peak for name in names if (peak := peaks.get(name, math.nan)) > 0]
        if known:
            highest = max(highest, *known)
            found[part] = highest
    return found


PHASES = {
    "imports": ("interpreter", "import"),
    "data": ("data",),
    "build": ("build",),
    "first epoch": ("first_epoch",),
    "training": ("train", "val"),
}
"""What is counted of a process' life, in its order; evaluation and peaks are the harness' own work and come after."""


@dataclass(frozen=True)
class Way:
    """A model trained in one way, with one case per batch size, the smallest first."""

    model: str
    name: str
    """The loop, with backend, precision and threads where they are not the default."""
    label: str
    """The model, and the name where `fit` is not the only one of its ways."""
    is_first: bool
    """Whether it is the first way of its model."""
    cases: tuple[Trained, ...]

    @property
    def best(self) -> Trained:
        """The case with the lowest `val_bce`; the first where none was evaluated."""
        return min(self.cases, key=lambda case: (math.isnan(bce := case.find_median("val_bce")), bce))


def label_way(model: str, way: str, of_model: Collection[str]) -> str:
    """Name a model and a way to train it; `fit` needs no word where it is the only one of the model's ways."""
    return model if way == "fit" and len(of_model) == 1 else f"{model} {way}"


def list_ways(outcomes: Sequence[Outcome], rows: Sequence[ResultRow]) -> list[Way]:
    """List each model and way to train that reached a checkpoint, in the catalog's order."""
    last: dict[str, list[ResultRow]] = {}
    for row in select_last_rows(rows):
        last.setdefault(name_case(row), []).append(row)
    ended = {row.case_id for of_case in last.values() for row in of_case}
    by_case: dict[str, list[Outcome]] = {}
    for outcome in sorted(outcomes, key=lambda each: (each.case.case_id not in ended, each.case.repeat)):
        by_case.setdefault(outcome.case.name, []).append(outcome)
    found: dict[str, dict[str, list[Trained]]] = {model: {} for model in list_models(rows)}
    for name, of_case in last.items():
        row = of_case[0]
        way = variants.name_way(*variants.get_way(row))
        found[row.model].setdefault(way, []).append(_read_outcome(by_case[name][0], of_case))
    return [
        Way(
            model,
            way,
            label=label_way(model, way, of_model),
            is_first=place == 0,
            cases=tuple(sorted(cases, key=lambda case: case.batch_size)),
        )
        for model, of_model in found.items()
        for place, (way, cases) in enumerate(of_model.items())
    ]
