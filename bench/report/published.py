"""Ours against what was published: the blog's figures and a reader's own run (the field notes). Pure functions on rows.

A published time that a sweep did not run itself is projected from the time of a step, and says so; a loss is never
projected.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.results.schema import ResultRow
from models.contract import Published, Settings

_FULL_TRAIN, _FULL_VAL = 60_000, 10_000


@dataclass(frozen=True)
class PublishedComparison:
    """One published figure beside ours."""

    model: str
    published: Published
    ours: float | None
    """In the published figure's unit; None where there is nothing to hold against it."""
    kind: Literal["measured", "projected", "not run"]
    how: str
    """In what our run differed from the published one, or what would have to run."""

    @property
    def quantity(self) -> str:
        """The quantity's name for people."""
        return self.published.quantity_title


def comparisons(rows: Sequence[ResultRow], settings: Mapping[str, Settings]) -> list[PublishedComparison]:
    """Every published figure of each model that ``rows`` has."""
    measured = {row.model for row in rows if row.status == "ok"}
    return [
        _comparison(model, published, settings[model], [row for row in rows if row.model == model])
        for model in settings
        if model in measured
        for published in settings[model].published
    ]


def _comparison(model: str, published: Published, settings: Settings, rows: Sequence[ResultRow]) -> PublishedComparison:
    usable = [row for row in rows if row.status == "ok"]
    if published.quantity == "fit_s":
        usable = [row for row in usable if row.epoch_s_median is not None]
    row = min(usable, key=lambda row: _distance(row, published, settings.batch_size), default=None)
    if row is None:
        return PublishedComparison(model, published, None, "not run", "needs two epochs at least")
    processes = [other for other in usable if _run_key(other) == _run_key(row)]
    if _same_run(row, published):
        figures = [figure for other in processes if (figure := _figure(other, published)) is not None]
        ours = statistics.median(figures) if figures else None
        return PublishedComparison(
            model, published, ours, "measured" if figures else "not run", _otherwise(row, settings)
        )
    if published.quantity == "fit_s":
        ours = statistics.median(_projected_s(other, published.epochs) for other in processes)
        return PublishedComparison(model, published, ours, "projected", _otherwise(row, settings))
    needed = f"needs {published.epochs} epochs of the full MNIST"
    return PublishedComparison(model, published, None, "not run", needed)


def _distance(row: ResultRow, published: Published, batch_size: int) -> tuple[bool, bool, float, float]:
    """Smaller is nearer to what was published: the data, the same epochs, then the batch size, then the epochs."""
    apart = abs(math.log(row.batch_size / batch_size))
    return (not _full(row), row.epochs != published.epochs, apart, abs(math.log(row.epochs / published.epochs)))


def _run_key(row: ResultRow) -> tuple[object, ...]:
    """What several processes of one case have in common."""
    return tuple(getattr(row, name) for name in _RUN_COLUMNS)


_RUN_COLUMNS = ("batch_size", "epochs", "optimizer", "learning_rate", "backend", "loop", "precision", "dataset_digest")


def _otherwise(row: ResultRow, settings: Settings) -> str:
    """In what a run differs from the published one: "batch 512, adam 0.001"; empty where in nothing."""
    differences = [
        *([f"batch {row.batch_size}"] if row.batch_size != settings.batch_size else []),
        *(
            [f"{row.optimizer} {row.learning_rate:g}"]
            if (row.optimizer, row.learning_rate) != (settings.optimizer, settings.learning_rate)
            else []
        ),
        *([row.backend] if row.backend != "tensorflow" else []),
        *([row.loop] if row.loop != "fit" else []),
        *([row.precision] if row.precision != "float32" else []),
    ]
    return ", ".join(differences)


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
    """Seconds for ``epochs`` epochs of the full MNIST, at this row's seconds a step and a validation image."""
    assert row.epoch_s_median is not None  # noqa: S101 - chosen so
    step_s = row.epoch_s_median / math.ceil(row.train_samples / row.batch_size)
    val_s = (row.val_s_median or 0) * _FULL_VAL / row.val_samples
    return epochs * (step_s * math.ceil(_FULL_TRAIN / row.batch_size) + val_s)


def explanations(rows: Sequence[ResultRow]) -> list[str]:
    """Sentences on what readers of the blog have wondered about, where ``rows`` show it."""
    killed = [row for row in rows if row.model == "sparse_batch_sum" and _mostly_dead(row)]
    if not killed:
        return []
    last = max(killed, key=lambda row: row.epochs)
    sentence = (
        f"In sparse_batch_sum {last.dead_units} of {last.code_units} code units are zero for every image: for years "
        "Keras summed the activity penalty over the batch instead of averaging it, which makes it as many times too "
        'strong as a batch has images. That is the 0.27 that readers of the blog got "for some unknown reason" '
        "(keras-team/keras #22018, mended by #22021; fchollet/keras-blog #5)."
    )
    return [sentence]


def _mostly_dead(row: ResultRow) -> bool:
    return row.dead_units is not None and row.code_units is not None and 2 * row.dead_units > row.code_units
