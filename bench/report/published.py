"""Our figures compared with published ones: the blog's and those of a reader's own run (the field notes).

Where a sweep did not run as many epochs as a published time is for, ours is projected from the time of a step, and says
so; nothing else is ever projected. Pure functions on rows.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.errors import format_count
from bench.plan import catalog
from bench.results.schema import ResultRow
from bench.results.stats import compute_median_of_known
from models.contract import Published, Settings

Kind = Literal["measured", "projected", "not run"]
_FULL_TRAIN, _FULL_VAL = 60_000, 10_000


@dataclass(frozen=True)
class PublishedComparison:
    """A published figure and ours."""

    model: str
    published: Published
    ours: float | None
    """In the published figure's unit; None where nothing here is comparable."""
    kind: Kind
    how: str
    """How our run differed from the published one, or what would have to run."""

    @property
    def quantity(self) -> str:
        """The quantity's name for people."""
        return self.published.quantity_title


def compare_with_published(rows: Sequence[ResultRow], settings: Mapping[str, Settings]) -> list[PublishedComparison]:
    """Compare every published figure of each model that ``rows`` has."""
    measured = {row.model for row in rows if row.status == "ok"}
    return [
        _compare(model, published, settings[model], [row for row in rows if row.model == model])
        for model in settings
        if model in measured
        for published in settings[model].published
    ]


def _compare(model: str, published: Published, settings: Settings, rows: Sequence[ResultRow]) -> PublishedComparison:
    usable = [row for row in rows if row.status == "ok"]
    if published.quantity == "fit_s":
        usable = [row for row in usable if row.epoch_s_median is not None]
    row = min(usable, key=lambda row: _rank(row, published, settings.batch_size), default=None)
    if row is None:
        return PublishedComparison(model, published, None, "not run", "needs at least two epochs")
    processes = [other for other in usable if _get_run_key(other) == _get_run_key(row)]
    if _is_full_mnist(row) and row.epochs == published.epochs:
        ours = compute_median_of_known(_get_figure(other, published) for other in processes)
        kind: Kind = "not run" if ours is None else "measured"
        return PublishedComparison(model, published, ours, kind, _list_differences(row, settings))
    if published.quantity == "fit_s":
        ours = compute_median_of_known(_project_s(other, published.epochs) for other in processes)
        return PublishedComparison(model, published, ours, "projected", _list_differences(row, settings))
    needed = f"needs {published.epochs} epochs of the full MNIST"
    return PublishedComparison(model, published, None, "not run", needed)


def _rank(row: ResultRow, published: Published, batch_size: int) -> tuple[bool, bool, float, float]:
    """Return a sort key; smaller is more like what was published: first the data, then the epochs, the batch size."""
    apart = abs(math.log(row.batch_size / batch_size))
    return (
        not _is_full_mnist(row),
        row.epochs != published.epochs,
        apart,
        abs(math.log(row.epochs / published.epochs)),
    )


def _get_run_key(row: ResultRow) -> tuple[object, ...]:
    """Return what several processes of one case have in common."""
    return tuple(getattr(row, name) for name in _RUN_COLUMNS)


_RUN_COLUMNS = (
    "batch_size",
    "epochs",
    "optimizer",
    "learning_rate",
    "backend",
    "loop",
    "precision",
    "threads",
    "dataset_digest",
)


def _list_differences(row: ResultRow, settings: Settings) -> str:
    """List how a run differs from the published one: "batch 512, adam 0.001"."""
    differences = {
        f"batch {row.batch_size}": row.batch_size != settings.batch_size,
        f"{row.optimizer} {row.learning_rate:g}": (row.optimizer, row.learning_rate)
        != (settings.optimizer, settings.learning_rate),
        row.backend: row.backend != catalog.DEFAULT_BACKEND,
        row.loop: row.loop != "fit",
        row.precision: row.precision != "float32",
        format_count(row.threads or 0, "thread"): row.threads is not None,
    }
    return ", ".join(name for name, differs in differences.items() if differs)


def _is_full_mnist(row: ResultRow) -> bool:
    return row.dataset == "mnist" and row.train_samples == _FULL_TRAIN and row.dataset_genuine != "no"


def _get_figure(row: ResultRow, published: Published) -> float | None:
    """Return our figure, in the published one's unit."""
    match published.quantity:
        case "train_loss":
            return row.train_loss
        case "val_loss":
            return row.val_loss
        case "val_bce":
            return row.val_bce
        case "code_mean":
            return row.code_mean
        case "fit_s":
            return (row.train_total_s or 0) + (row.val_total_s or 0)
        case "ram_mb":
            return None if row.peak_rss_mib is None else row.peak_rss_mib * (1 << 20) / 1e6


def _project_s(row: ResultRow, epochs: int) -> float:
    """Project the seconds of ``epochs`` epochs on the full MNIST from a row's seconds per step and validation image."""
    assert row.epoch_s_median is not None  # noqa: S101 - chosen so
    step_s = row.epoch_s_median / math.ceil(row.train_samples / row.batch_size)
    val_s = (row.val_s_median or 0) * _FULL_VAL / row.val_samples
    return epochs * (step_s * math.ceil(_FULL_TRAIN / row.batch_size) + val_s)


def explain_dead_units(rows: Sequence[ResultRow], settings: Mapping[str, Settings]) -> list[str]:
    """Explain the loss of 0.27 that readers of the blog have wondered about, where ``rows`` show it."""
    sentences = []
    for model, own in settings.items():
        killed = [row for row in rows if row.model == model and own.why_codes_die and _is_mostly_dead(row)]
        if killed:
            last = max(killed, key=lambda row: row.epochs)
            units = f"{last.dead_units} of {last.code_units} code units"
            sentences.append(f"In {model} {units} are zero for every image: {own.why_codes_die}")
    return sentences


def _is_mostly_dead(row: ResultRow) -> bool:
    return row.dead_units is not None and row.code_units is not None and 2 * row.dead_units > row.code_units
