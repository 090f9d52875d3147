"""Which rows of a machine answer which question: pure functions on rows of the full MNIST.

Only what was trained alike is compared: the same data, optimizer and checkpoint, in float32, with the backend's own
threads; and within one report, wherever one has both, since a machine's speed differs from hour to hour.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.plan.catalog import DEFAULT_BACKEND, read_model_settings
from bench.reference.references import ReferenceRow
from bench.report import variants
from bench.results.stats import compute_median_of_known

CHECKPOINTS = (50, 100, 500)
"""The blog's and the field notes'."""

Rows = Sequence[ReferenceRow]


def choose_full(rows: Iterable[ReferenceRow]) -> list[ReferenceRow]:
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


def choose_published(rows: Rows) -> list[ReferenceRow]:
    """Rows that trained with the model's own batch size, optimizer and learning rate."""
    return [row for row in _choose_optimizer(rows) if _has_own_batch_size(row)]


def _choose_optimizer(rows: Rows) -> list[ReferenceRow]:
    settings = read_model_settings()
    wanted = {name: (each.optimizer, each.learning_rate) for name, each in settings.items()}
    return [row for row in rows if (row.optimizer, row.learning_rate) == wanted[row.model]]


def _has_own_batch_size(row: ReferenceRow) -> bool:
    return row.batch_size == read_model_settings()[row.model].batch_size


def choose_own(rows: Rows) -> list[ReferenceRow]:
    """Of these, rows that trained with `fit`, on the backend that others are compared with."""
    backend = choose_backend(rows)
    return [row for row in choose_published(rows) if (row.loop, row.backend) == ("fit", backend)]


def list_pictured(rows: Iterable[ReferenceRow]) -> list[ReferenceRow]:
    """List the rows whose samples a reference needs: of each model as published, the first process with `fit`."""
    found: dict[tuple[str, int], ReferenceRow] = {}
    for row in sorted(choose_own(choose_full(rows)), key=lambda row: row.repeat):
        if row.epochs in CHECKPOINTS:
            found.setdefault((row.model, row.epochs), row)
    return list(found.values())


def split(rows: Rows, column: str) -> dict[Any, list[ReferenceRow]]:
    """Rows by a column's values: models in the catalog's order, numbers ascending, others as they come."""
    groups: dict[Any, list[ReferenceRow]] = {}
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
    """A way to train a model, beside the one that it is compared with, mostly `fit`, at the same checkpoint."""

    model: str
    batch_size: int
    epochs: int
    backend: str
    loop: str
    rows: Rows
    base: Rows
    """Those of what it is compared with."""

    @property
    def name(self) -> str:
        """Its loop, after its backend where that is not TensorFlow."""
        return name_way(self.backend, self.loop)

    @property
    def is_across(self) -> bool:
        """Whether the two are of different reports, since no report has both."""
        return self.rows[0].report not in {row.report for row in self.base}

    def compute_ratio(self, column: str) -> float | None:
        """What it is compared with has of a column, over what this way has."""
        own, base = find_median(self.rows, column), find_median(self.base, column)
        return base / own if own and base else None


def compare_ways(rows: Rows, loop: str = "fit") -> list[WayRows]:
    """Each way to train each model beside a loop of the backend that others are compared with, by default `fit`.

    In one report, wherever one has both, or in all that have both alike; then with the published batch size, at a
    published checkpoint, a later one, with more processes. That loop itself is not among them, nor is a way that has no
    case in common with it.
    """
    base, found = (choose_backend(rows), loop), []
    timed = [row for row in _choose_optimizer(rows) if row.epoch_s_quiet is not None]
    for model, same in split(timed, "model").items():
        ways: dict[tuple[str, str], list[ReferenceRow]] = {}
        for row in same:
            ways.setdefault((row.backend, row.loop), []).append(row)
        bases = _group_alike(ways.pop(base, []), "batch_size")
        of_model = []
        for (its_backend, its_loop), own in ways.items():
            alike = _group_alike(own, "batch_size")
            pairs = [
                (mine, theirs)
                for key in alike
                if key in bases
                for mine in split(alike[key], "report").values()
                for theirs in split(bases[key], "report").values()
            ]
            if pairs:
                mine, theirs = _join_pairs(pairs)
                size, epochs = mine[0].batch_size, mine[0].epochs
                of_model.append(WayRows(model, size, epochs, its_backend, its_loop, mine, theirs))
        found += sorted(of_model, key=lambda way: (-way.epochs, way.batch_size, way.base[0].report))
    return found


def _join_pairs(pairs: Sequence[tuple[Rows, Rows]]) -> tuple[Rows, Rows]:
    """Put the best pair together with those of other reports that are as good and of the same cases."""
    best = max(pairs, key=_rank_pair)
    if best[0][0].report != best[1][0].report:
        return best
    batch_size = best[0][0].batch_size
    alike = [pair for pair in pairs if _rank_pair(pair) == _rank_pair(best) and pair[0][0].batch_size == batch_size]
    mine, theirs = ([row for side in sides for row in side] for sides in zip(*alike, strict=True))
    return mine, theirs


def _rank_pair(pair: tuple[Rows, Rows]) -> tuple[bool, bool, bool, int, int]:
    """The larger, the better may the two be compared."""
    (own, *_), base = pair
    is_one = own.report == base[0].report
    return is_one, _has_own_batch_size(own), own.epochs in CHECKPOINTS, own.epochs, min(map(len, pair))


_Alike = tuple[Any, ...]
"""What is equal where times, memory and losses are compared: the checkpoint, the data, the optimizer."""


def _group_alike(rows: Rows, *further: str) -> dict[_Alike, list[ReferenceRow]]:
    """Group rows that may be compared, with the same value in the further columns."""
    groups: dict[_Alike, list[ReferenceRow]] = {}
    columns = ("epochs", "dataset_digest", "val_samples", "optimizer", "learning_rate", *further)
    for row in rows:
        groups.setdefault(tuple(getattr(row, column) for column in columns), []).append(row)
    return groups


def choose_fastest(ways: Sequence[WayRows], model: str) -> WayRows | None:
    """The way of a model that trains an epoch fastest, if that is faster than `fit`."""
    timed = [(ratio, each) for each in ways if each.model == model and (ratio := each.compute_ratio("epoch_s_quiet"))]
    ratio, way = max(timed, key=lambda each: each[0], default=(0.0, None))
    return way if ratio > 1 else None


# ------------------------------------------------------------------ batch sizes


@dataclass(frozen=True)
class Scaling:
    """A model trained in one way with several batch sizes up to the same checkpoint, in one report."""

    model: str
    backend: str
    loop: str
    epochs: int
    sizes: dict[int, list[ReferenceRow]]
    """Rows by batch size, ascending."""

    def list_medians(self, column: str) -> dict[int, float]:
        """The medians of a column by batch size, of those sizes that have it."""
        found = {size: find_median(rows, column) for size, rows in self.sizes.items()}
        return {size: value for size, value in found.items() if value}

    def compute_change(self, column: str) -> float | None:
        """What the smallest batch size has of a column, over what the largest has."""
        medians, sizes = self.list_medians(column), list(self.sizes)
        ends = sizes[0], sizes[-1]
        return medians[ends[0]] / medians[ends[1]] if all(size in medians for size in ends) else None


def list_scaling(rows: Rows) -> list[Scaling]:
    """List each model and loop with the report and checkpoint that has the most batch sizes, the last one of equals."""
    found, backend = [], choose_backend(rows)
    for model, same in split([row for row in rows if row.backend == backend], "model").items():
        for loop, own in sorted(split(same, "loop").items(), key=lambda loop: loop[0] != "fit"):
            groups = [
                (key[0], split(of_report, "batch_size"))
                for key, alike in _group_alike(own).items()
                for of_report in split(alike, "report").values()
            ]
            epochs, sizes = max(groups, key=lambda group: (len(group[1]), group[0]))
            if len(sizes) > 1:
                found.append(Scaling(model, backend, loop, epochs, sizes))
    return found
