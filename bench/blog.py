"""Ours against what was published: the blog's figures and a reader's own run (the field notes). Pure functions on rows.

A published time that a sweep did not run itself is projected from the time of a step, and says so; a loss is never
projected.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.record import ResultRow
from models.contract import Published, Settings

_FULL_TRAIN, _FULL_VAL = 60_000, 10_000
_QUANTITIES = {
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "val_bce": "validation loss without the penalty",
    "code_mean": "mean code activation",
    "fit_s": "time of training",
    "ram_mb": "peak RAM",
}


@dataclass(frozen=True)
class Comparison:
    """One published figure beside ours."""

    model: str
    published: Published
    ours: float | None
    """In the published figure's unit; None where there is nothing to hold against it."""
    kind: Literal["measured", "projected", "not run"]
    how: str
    """What ours was taken from, or what would have to run."""

    @property
    def quantity(self) -> str:
        """The quantity's name for people."""
        return _QUANTITIES[self.published.quantity]


def figure_text(published: Published) -> str:
    """A published figure in a few words: "blog, 50 epochs: training loss 0.11"."""
    value = f"{published.value:g}" + {"fit_s": " s", "ram_mb": " MB"}.get(published.quantity, "")
    return f"{published.source}, {published.epochs} epochs: {_QUANTITIES[published.quantity]} {value}"


def comparisons(rows: Sequence[ResultRow], settings: Mapping[str, Settings]) -> list[Comparison]:
    """Every published figure of each model that ``rows`` has."""
    measured = {row.model for row in rows if row.status == "ok"}
    return [
        _comparison(model, published, settings[model].batch_size, [row for row in rows if row.model == model])
        for model in settings
        if model in measured
        for published in settings[model].published
    ]


def _comparison(model: str, published: Published, batch_size: int, rows: Iterable[ResultRow]) -> Comparison:
    usable = [row for row in rows if row.status == "ok" and row.epoch_s_median is not None]
    row = min(usable, key=lambda row: _distance(row, published, batch_size), default=None)
    if row is None:
        return Comparison(model, published, None, "not run", "needs two epochs at least")
    if _same_run(row, published):
        return Comparison(model, published, _figure(row, published), "measured", _setting(row))
    if published.quantity == "fit_s":
        return Comparison(
            model, published, _projected_s(row, published.epochs), "projected", f"from steps of {_setting(row)}"
        )
    needed = f"needs {published.epochs} epochs of the full MNIST; nearest is {_setting(row)}"
    return Comparison(model, published, None, "not run", needed)


def _distance(row: ResultRow, published: Published, batch_size: int) -> tuple[bool, float, float, int]:
    """Smaller is nearer to what was published: the data, then the batch size, then the epochs."""
    apart = abs(math.log(row.batch_size / batch_size))
    return (not _full(row), apart, abs(math.log(row.epochs / published.epochs)), row.repeat)


def _full(row: ResultRow) -> bool:
    return row.dataset == "mnist" and row.train_samples == _FULL_TRAIN and row.dataset_genuine is not False


def _same_run(row: ResultRow, published: Published) -> bool:
    return _full(row) and row.epochs == published.epochs


def _figure(row: ResultRow, published: Published) -> float | None:
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
            return (row.train_s_total or 0) + (row.val_s_total or 0)
        case "ram_mb":
            return None if row.peak_rss_mib is None else row.peak_rss_mib * (1 << 20) / 1e6


def _projected_s(row: ResultRow, epochs: int) -> float:
    """Seconds for ``epochs`` epochs of the full MNIST, at this row's seconds a step and a validation digit."""
    assert row.epoch_s_median is not None  # noqa: S101 - chosen so
    step_s = row.epoch_s_median / math.ceil(row.train_samples / row.batch_size)
    val_s = (row.val_s_median or 0) * _FULL_VAL / row.val_samples
    return epochs * (step_s * math.ceil(_FULL_TRAIN / row.batch_size) + val_s)


def _setting(row: ResultRow) -> str:
    return (
        f"{row.dataset}, {row.epochs} epochs, batch {row.batch_size}, {row.optimizer} {row.learning_rate:g}, {row.loop}"
    )
