"""Which rows of a machine answer which question: pure functions on rows of the full MNIST.

Only what was trained alike is compared: the same data, optimizer and checkpoint, in float32, with the backend's own
threads.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.plan.catalog import DEFAULT_BACKEND, read_model_settings
from bench.report import variants
from bench.results.schema import ResultRow
from bench.results.stats import compute_median_of_known

CHECKPOINTS = (50, 100, 500)
"""The blog's and the field notes'."""

Rows = Sequence[ResultRow]


def choose_full(rows: Iterable[ResultRow]) -> list[ResultRow]:
    """Rows of known models on the full MNIST."""
    settings = read_model_settings()
    return [
        row
        for row in rows
        if (row.dataset, row.dataset_genuine, row.train_samples) == ("mnist", "yes", 60_000)
        and (row.precision, row.threads) == ("float32", None)
        and row.model in settings
    ]


def choose_backend(rows: Rows) -> str:
    """The backend that the others are compared with: TensorFlow where it trained, else that of the most rows."""
    counts = {backend: len(same) for backend, same in split(rows, "backend").items()}
    return DEFAULT_BACKEND if not counts or DEFAULT_BACKEND in counts else max(counts, key=lambda name: counts[name])


def choose_published(rows: Rows) -> list[ResultRow]:
    """Rows that trained with the model's own batch size, optimizer and learning rate."""
    settings = read_model_settings()
    wanted = {name: (each.batch_size, each.optimizer, each.learning_rate) for name, each in settings.items()}
    return [row for row in rows if (row.batch_size, row.optimizer, row.learning_rate) == wanted[row.model]]


def choose_own(rows: Rows) -> list[ResultRow]:
    """Of these, rows that trained with `fit`, on the backend that others are compared with."""
    backend = choose_backend(rows)
    return [row for row in choose_published(rows) if (row.loop, row.backend) == ("fit", backend)]


def list_pictured(rows: Iterable[ResultRow]) -> list[ResultRow]:
    """List the rows whose samples a reference needs: of each model as published, the first process with `fit`."""
    found: dict[tuple[str, int], ResultRow] = {}
    for row in sorted(choose_own(choose_full(rows)), key=lambda row: row.repeat):
        if row.epochs in CHECKPOINTS:
            found.setdefault((row.model, row.epochs), row)
    return list(found.values())


def split(rows: Rows, column: str) -> dict[Any, list[ResultRow]]:
    """Rows by a column's values: models in the catalog's order, numbers ascending, others as they come."""
    groups: dict[Any, list[ResultRow]] = {}
    for row in rows:
        groups.setdefault(getattr(row, column), []).append(row)
    if column == "model":
        order = list(read_model_settings())
        return {name: groups[name] for name in order if name in groups}
    return dict(sorted(groups.items())) if column in {"batch_size", "epochs"} else groups


def find_median(rows: Rows, column: str) -> float | None:
    """The median of a column over processes; None where none has it."""
    return compute_median_of_known(getattr(row, column) for row in rows)


def name_way(backend: str, loop: str) -> str:
    """Name a loop, after its backend where that is not TensorFlow."""
    return variants.name_way(backend, loop, "float32")


# ------------------------------------------------------------------ ways to train


@dataclass(frozen=True)
class WayRows:
    """A way to train a model, beside `fit` at the same checkpoint."""

    model: str
    batch_size: int
    epochs: int
    backend: str
    loop: str
    rows: Rows
    fit: Rows
    """Those of `fit` on the backend that others are compared with."""

    @property
    def name(self) -> str:
        """Its loop, after its backend where that is not TensorFlow."""
        return name_way(self.backend, self.loop)

    def compute_ratio(self, column: str) -> float | None:
        """What `fit` has of a column, over what this way has."""
        own, fit = find_median(self.rows, column), find_median(self.fit, column)
        return fit / own if own and fit else None


def compare_ways(rows: Rows) -> list[WayRows]:
    """Each way to train each model as published beside `fit`, at the last checkpoint that both reached.

    `fit` itself is not among them, nor is a way that has no checkpoint in common with it.
    """
    backend, found = choose_backend(rows), []
    for model, same in split(choose_published(rows), "model").items():
        ways: dict[tuple[str, str], list[ResultRow]] = {}
        for row in same:
            ways.setdefault((row.backend, row.loop), []).append(row)
        fit = _group_alike(ways.pop((backend, "fit"), []))
        for (its_backend, loop), own in ways.items():
            alike = _group_alike(own)
            keys = [key for key in alike if key in fit]
            if keys:
                key = max(keys)
                size = own[0].batch_size
                found.append(WayRows(model, size, key[0], its_backend, loop, alike[key], fit[key]))
    return found


_Alike = tuple[int, str, int, str, float]
"""What is equal where times, memory and losses are compared: the checkpoint, the data, the optimizer."""


def _group_alike(rows: Rows) -> dict[_Alike, list[ResultRow]]:
    groups: dict[_Alike, list[ResultRow]] = {}
    for row in rows:
        if row.epoch_s_median is not None:
            key = (row.epochs, row.dataset_digest, row.val_samples, row.optimizer, row.learning_rate)
            groups.setdefault(key, []).append(row)
    return groups


def choose_fastest(ways: Sequence[WayRows], model: str) -> WayRows | None:
    """The way of a model that trains an epoch fastest, if that is faster than `fit`."""
    timed = [(ratio, each) for each in ways if each.model == model and (ratio := each.compute_ratio("epoch_s_median"))]
    ratio, way = max(timed, key=lambda each: each[0], default=(0.0, None))
    return way if ratio > 1 else None


# ------------------------------------------------------------------ batch sizes


@dataclass(frozen=True)
class Scaling:
    """A model trained in one way with several batch sizes up to the same checkpoint."""

    model: str
    backend: str
    loop: str
    epochs: int
    sizes: dict[int, list[ResultRow]]
    """Rows by batch size, ascending."""

    def compute_change(self, column: str) -> float | None:
        """What the smallest batch size has of a column, over what the largest has."""
        ends = list(self.sizes.values())
        one, other = find_median(ends[0], column), find_median(ends[-1], column)
        return one / other if one and other else None


def list_scaling(rows: Rows) -> list[Scaling]:
    """List each model and loop with the checkpoint that the most batch sizes share, the last one of equals."""
    found, backend = [], choose_backend(rows)
    for model, same in split([row for row in rows if row.backend == backend], "model").items():
        for loop, own in split(same, "loop").items():
            groups = {key: split(alike, "batch_size") for key, alike in _group_alike(own).items()}
            key = max(groups, key=lambda key: (len(groups[key]), key), default=None)
            if key is not None and len(groups[key]) > 1:
                found.append(Scaling(model, backend, loop, key[0], groups[key]))
    return found
