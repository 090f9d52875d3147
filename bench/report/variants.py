"""Loops, backends and precisions that trained the same model, side by side: pure functions on rows."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from bench.plan import catalog
from bench.plan.profile import Case
from bench.results.roofline import Bound
from bench.results.schema import ResultRow
from bench.results.stats import compute_median_of_known

_MOST_PARTS = 20
"""Fractions have a denominator of at most this: nobody can picture "61 of every 73 seconds"."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to train a model; figures are medians over its processes, None where none of them has one."""

    name: str
    """The loop, with backend and precision where they are not the default: "fit", "jax xla", "graph mixed_bfloat16"."""
    epoch_s: float
    peak_rss_mib: float | None
    val_bce: float | None
    gflop_per_s: float | None
    peak_fraction: float | None
    bound: Bound | None
    faster: float | None
    """How many times as fast as `plain`: the median over the repeats that both have. None without `plain`."""
    memory: float | None
    """Peak resident memory as a fraction of that of `plain`, likewise."""


@dataclass(frozen=True, kw_only=True)
class SideBySide:
    """All ways in which a model was trained with one batch size, at the last checkpoint that all of them reached."""

    model: str
    batch_size: int
    epochs: int
    variants: tuple[Variant, ...]
    """In the order of the rows."""
    plain: Variant | None
    """`fit` in float32, on TensorFlow where that was run: what the others are compared with."""

    @property
    def fastest(self) -> Variant:
        """The way with the shortest epochs."""
        return min(self.variants, key=lambda variant: variant.epoch_s)


_Key = tuple[str, str, str]


def compare_variants(rows: Sequence[ResultRow]) -> list[SideBySide]:
    """Compare the ways to train, for each model and batch size that has more than one, in the order of the rows."""
    cells: dict[tuple[str, int], list[ResultRow]] = {}
    for row in rows:
        if row.status == "ok" and row.epoch_s_median is not None:
            cells.setdefault((row.model, row.batch_size), []).append(row)
    found = [_compare_ways(model, batch_size, cell) for (model, batch_size), cell in cells.items()]
    return [entry for entry in found if entry is not None]


def _compare_ways(model: str, batch_size: int, rows: Sequence[ResultRow]) -> SideBySide | None:
    ways: dict[_Key, list[ResultRow]] = {}
    for row in rows:
        ways.setdefault((row.backend, row.loop, row.precision), []).append(row)
    common = set.intersection(*({row.epochs for row in way} for way in ways.values()))
    if len(ways) < 2 or not common:
        return None
    epochs = max(common)
    processes = {key: [row for row in way if row.epochs == epochs] for key, way in ways.items()}
    plain = _find_plain(list(ways))
    variants = {
        key: _make_variant(key, way, processes.get(plain, []) if plain else []) for key, way in processes.items()
    }
    return SideBySide(
        model=model,
        batch_size=batch_size,
        epochs=epochs,
        variants=tuple(variants.values()),
        plain=variants[plain] if plain else None,
    )


def _find_plain(ways: Sequence[_Key]) -> _Key | None:
    """Find the way that the others are compared with; TensorFlow's is the blog's."""
    plain = [key for key in ways if key[1:] == ("fit", "float32")]
    return min(plain, key=lambda key: key[0] != catalog.DEFAULT_BACKEND, default=None)


def _make_variant(key: _Key, processes: Sequence[ResultRow], plain: Sequence[ResultRow]) -> Variant:
    bounds = [row.bound for row in processes if row.bound is not None]
    return Variant(
        name=name_way(*key),
        epoch_s=statistics.median(row.epoch_s_median for row in processes if row.epoch_s_median is not None),
        peak_rss_mib=compute_median_of_known(row.peak_rss_mib for row in processes),
        val_bce=compute_median_of_known(row.val_bce for row in processes),
        gflop_per_s=compute_median_of_known(row.gflop_per_s for row in processes),
        peak_fraction=compute_median_of_known(row.peak_fraction for row in processes),
        bound=statistics.mode(bounds) if bounds else None,
        faster=_compute_ratio(plain, processes, lambda row: row.epoch_s_median),
        memory=_compute_ratio(processes, plain, lambda row: row.peak_rss_mib),
    )


def name_way(backend: str, loop: str, precision: str) -> str:
    """Name a way to train by what is not the default: "fit", "jax xla", "graph mixed_bfloat16"."""
    parts = (backend if backend != catalog.DEFAULT_BACKEND else "", loop, precision if precision != "float32" else "")
    return " ".join(filter(None, parts))


def find_varying(trained: Sequence[ResultRow | Case]) -> list[str]:
    """Find which of backend, loop and precision differ: tables and pictures name cases by these."""
    return [axis for axis in ("backend", "loop", "precision") if len({getattr(each, axis) for each in trained}) > 1]


def _compute_ratio(
    above: Sequence[ResultRow], below: Sequence[ResultRow], figure: Callable[[ResultRow], float | None]
) -> float | None:
    """Return the median ratio over repeats: processes of one repeat ran one after the other, so that noise cancels."""
    others = {row.repeat: figure(row) for row in below}
    ratios = [value / other for row in above if (value := figure(row)) and (other := others.get(row.repeat))]
    return statistics.median(ratios) if ratios else None


def describe(entry: SideBySide) -> str | None:
    """Describe how the ways compare, in a sentence; None where there is no `plain` to compare them with."""
    plain, fastest = entry.plain, entry.fastest
    if plain is None:
        return None
    case, outside = f"{entry.model}, batch {entry.batch_size}", _describe_overhead(plain)
    if fastest is plain or fastest.faster is None:
        return f"{case}: `{plain.name}` is the fastest way here{outside and f', and {outside}'}."
    overhead = f"`{plain.name}` {outside}; " if outside else ""
    memory = "" if fastest.memory is None else f", in {100 * fastest.memory:.0f} % of the memory"
    times = f"{fastest.faster:.1f} times" if fastest.faster < 10 else f"{fastest.faster:.0f} times"
    return f"{case}: {overhead}`{fastest.name}` trains this model {times} as fast here{memory}."


def _describe_overhead(variant: Variant) -> str:
    """Describe what is not arithmetic: "spends 5 of every 6 seconds outside the arithmetic", by the measured peak."""
    if variant.peak_fraction is None or not 0 < variant.peak_fraction < 1:
        return ""
    part = Fraction(1 - variant.peak_fraction).limit_denominator(_MOST_PARTS)
    if part.denominator == 1:
        return f"spends nearly {'all' if part else 'none'} of its time outside the arithmetic"
    return f"spends {part.numerator} of every {part.denominator} seconds outside the arithmetic"
