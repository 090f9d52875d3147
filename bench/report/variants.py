"""Loops, backends, precisions and threads that trained the same model, side by side: pure functions on rows."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

from bench.errors import format_count, join_names
from bench.plan import catalog
from bench.plan.profile import Case, name_briefly
from bench.results.roofline import Bound
from bench.results.schema import ResultRow
from bench.results.speed import CaseSpeed, name_case
from bench.results.stats import compute_median_of_known

_MOST_PARTS = 20
"""Fractions have a denominator of at most this: nobody can picture "61 of every 73 seconds"."""

_MOST_EPOCHS = 100_000
"""What pays later than that never does."""


class Way(NamedTuple):
    """What trains a model."""

    backend: str
    loop: str
    precision: str
    threads: int | None


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to train a model; figures are medians over its processes, None where none of them has one."""

    name: str
    """The loop, with backend, precision and threads where they are not the default: "jax xla", "fit 1 thread"."""
    epoch_s: float
    """Training seconds of an epoch on a quiet machine."""
    total_s: float
    """From the start of the process to the checkpoint."""
    start_s: float
    """Seconds before the first epoch: the median over all ways of the backend, whose imports differ by chance alone."""
    compile_s: float
    """What the first epoch and the first validation take longer than later ones."""
    step_s: float
    """What each further epoch costs, its validation included."""
    peak_rss_mib: float | None
    gflop_per_s: float | None
    peak_fraction: float | None
    bound: Bound | None
    way: Way
    speed: CaseSpeed
    loss: float | None
    """`val_bce` at the checkpoint, else the validation loss as Keras prints it."""
    faster: float | None = None
    """How many times as fast as `plain` per epoch; None without `plain`."""
    end_to_end: float | None = None
    """How many times as fast as `plain` from the start of the process to the checkpoint, by `compute_whole_s`."""
    pays_from: int | None = None
    """The epoch count from which it is faster than `plain` in all; None where it never is."""
    memory: float | None = None
    """Peak resident memory as a fraction of that of `plain`, likewise."""

    def compute_whole_s(self, epochs: int) -> float:
        """Compute what so many epochs take from the start of the process."""
        return self.start_s + self.compile_s + epochs * self.step_s


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


def compare_variants(rows: Sequence[ResultRow], speeds: Mapping[str, CaseSpeed]) -> list[SideBySide]:
    """Compare the ways to train, for each model and batch size that has more than one, in the order of the rows.

    ``speeds`` are those of ``rows``.
    """
    cells: dict[tuple[str, int], list[ResultRow]] = {}
    for row in rows:
        if row.status == "ok" and row.total_s and row.total_s > 0 and name_case(row) in speeds:
            cells.setdefault((row.model, row.batch_size), []).append(row)
    found = [_compare_ways(model, batch_size, cell, speeds) for (model, batch_size), cell in cells.items()]
    return [entry for entry in found if entry is not None]


def _compare_ways(
    model: str, batch_size: int, rows: Sequence[ResultRow], speeds: Mapping[str, CaseSpeed]
) -> SideBySide | None:
    ways: dict[Way, list[ResultRow]] = {}
    for row in rows:
        ways.setdefault(get_way(row), []).append(row)
    common = set.intersection(*({row.epochs for row in way} for way in ways.values()))
    if len(ways) < 2 or not common:
        return None
    epochs = max(common)
    variants = {
        key: _make_variant(key, [row for row in way if row.epochs == epochs], speeds) for key, way in ways.items()
    }
    variants = {key: replace(each, start_s=_find_start(key.backend, variants)) for key, each in variants.items()}
    plain = find_plain(list(ways))
    if plain:
        variants = {key: _compare_with(variants[plain], variant, epochs) for key, variant in variants.items()}
    return SideBySide(
        model=model,
        batch_size=batch_size,
        epochs=epochs,
        variants=tuple(variants.values()),
        plain=variants[plain] if plain else None,
    )


def _find_start(backend: str, variants: Mapping[Way, Variant]) -> float:
    """Find how long processes of a backend take to start: what single ones differ by is more than a loop brings in few
    epochs, and no loop's doing.
    """
    return max(statistics.median(each.start_s for way, each in variants.items() if way.backend == backend), 0.0)


def find_plain(ways: Sequence[Way]) -> Way | None:
    """Find the way that the others are compared with; TensorFlow's with threads of its own choice is the blog's."""
    plain = [way for way in ways if (way.loop, way.precision) == ("fit", "float32")]
    return min(plain, key=lambda way: (way.backend != catalog.DEFAULT_BACKEND, way.threads is not None), default=None)


def _make_variant(way: Way, processes: Sequence[ResultRow], speeds: Mapping[str, CaseSpeed]) -> Variant:
    def find_median(column: str) -> float | None:
        return compute_median_of_known(getattr(row, column) for row in processes)

    bounds = [row.bound for row in processes if row.bound is not None]
    speed = speeds[name_case(processes[0])]
    epoch_s, total_s = speed.quiet, find_median("total_s") or 0.0
    steady_s, val_s = find_median("epoch_s_median") or epoch_s, find_median("val_s_median") or 0.0
    trained_s, validated_s = find_median("train_total_s") or 0.0, find_median("val_total_s") or 0.0
    first_s = (find_median("first_epoch_s") or steady_s) - steady_s
    return Variant(
        name=name_way(*way),
        epoch_s=epoch_s,
        total_s=total_s,
        # Not the total less so many median epochs: slow epochs would count as a part of the start.
        start_s=total_s - trained_s - validated_s,
        compile_s=max(first_s, 0.0) + max(validated_s - processes[0].epochs * val_s, 0.0),
        step_s=epoch_s + val_s,
        peak_rss_mib=find_median("peak_rss_mib"),
        gflop_per_s=find_median("gflop_per_s"),
        peak_fraction=find_median("peak_fraction"),
        bound=statistics.mode(bounds) if bounds else None,
        way=way,
        speed=speed,
        loss=find_median("val_bce") or find_median("val_loss"),
    )


def _compare_with(plain: Variant, variant: Variant, epochs: int) -> Variant:
    ours, theirs = variant.peak_rss_mib, plain.peak_rss_mib
    costs_s = variant.compute_whole_s(0) - plain.compute_whole_s(0)
    return replace(
        variant,
        faster=plain.epoch_s / variant.epoch_s,
        end_to_end=plain.compute_whole_s(epochs) / variant.compute_whole_s(epochs),
        pays_from=find_break_even(plain.step_s - variant.step_s, costs_s),
        memory=ours / theirs if ours and theirs else None,
    )


def find_break_even(saved_s: float, costs_s: float) -> int | None:
    """Find the first epoch count at which what each epoch saves has made up for what a way costs; None for never."""
    needed = costs_s / saved_s if saved_s > 0 else math.inf
    return max(1, math.floor(needed) + 1) if needed < _MOST_EPOCHS else None


def get_way(trained: ResultRow | Case) -> Way:
    """Return what trained a case."""
    return Way(*(getattr(trained, axis) for axis in Way._fields))


def name_way(backend: str, loop: str, precision: str, threads: int | None = None) -> str:
    """Name a way to train by what is not the default: "fit", "jax xla", "graph mixed_bfloat16", "fit 1 thread"."""
    parts = (backend if backend != catalog.DEFAULT_BACKEND else "", loop, precision if precision != "float32" else "")
    return " ".join(filter(None, (*parts, _name_threads(threads))))


def _name_threads(threads: int | None) -> str:
    return "" if threads is None else format_count(threads, "thread")


def find_varying(trained: Sequence[ResultRow | Case]) -> list[str]:
    """Find which of backend, loop, precision and threads differ: tables and pictures name cases by these."""
    return [axis for axis in Way._fields if len({getattr(each, axis) for each in trained}) > 1]


def name_axes(trained: ResultRow | Case, axes: Sequence[str]) -> list[str]:
    """Name a case's values of these axes: "xla", "1 thread"; the backend's own choice has a name only by itself."""
    names = [str(getattr(trained, axis)) for axis in axes if axis != "threads"]
    if "threads" not in axes:
        return names
    return [*names, *filter(None, [_name_threads(trained.threads)])] or ["default threads"]


def recommend(entries: Sequence[SideBySide]) -> str | None:
    """Say in one sentence which way to train with; None where there is no choice, or nothing to compare with."""
    groups: dict[tuple[str, str], list[SideBySide]] = {}
    for entry in entries:
        if entry.plain is not None:
            groups.setdefault((entry.fastest.name, entry.plain.name), []).append(entry)
    return f"{'; '.join(_recommend_way(*names, some) for names, some in groups.items())}." if groups else None


def _recommend_way(name: str, plain: str, entries: Sequence[SideBySide]) -> str:
    """Say what the fastest way gains beside ``plain``, over the models and batch sizes where it is the fastest."""
    models = join_names(list(dict.fromkeys(entry.model for entry in entries)), 3)
    if name == plain:
        return f"use {name} for {models}, where it is the fastest"
    counts = format_range([entry.epochs for entry in entries])
    ratios = [entry.fastest.end_to_end or 0.0 for entry in entries]
    pays = [entry.fastest.pays_from for entry in entries if entry.fastest.pays_from is not None]
    memory = [f"{100 * entry.fastest.memory:.0f}" for entry in entries if entry.fastest.memory is not None]
    return (
        f"{'use ' if min(ratios) > 1 else ''}{name} for {models}: "
        f"{format_range([entry.fastest.faster or 0.0 for entry in entries])} times as fast as {plain} per epoch, "
        f"{format_range(ratios)} times end to end at {counts} epochs"
        + (
            f", in {' to '.join(dict.fromkeys((min(memory, key=int), max(memory, key=int))))} % of the memory"
            if memory
            else ""
        )
        + (f"; pays from epoch {format_range(pays)} on" if len(pays) == len(entries) else "")
    )


def format_range(values: Sequence[float]) -> str:
    """Format the smallest and the largest of several: "2.1 to 2.9"."""
    ends = dict.fromkeys(format_times(value) for value in (min(values), max(values)))
    return " to ".join(ends)


def format_times(value: float) -> str:
    """Format how many times: "1.14", "6.2", "40"; whole numbers as they are."""
    if isinstance(value, int) or value >= 10:
        return f"{value:.0f}"
    return f"{value:.2f}" if value < 2 else f"{value:.1f}"


def describe(entry: SideBySide) -> str | None:
    """Describe how the ways compare, in a sentence; None where there is no `plain` to compare them with."""
    plain, fastest = entry.plain, entry.fastest
    if plain is None:
        return None
    case, outside = name_briefly(entry.model, (), entry.batch_size), _describe_overhead(plain)
    if fastest is plain or fastest.faster is None or fastest.end_to_end is None:
        return f"{case}: `{plain.name}` is the fastest way here{outside and f', and {outside}'}."
    overhead = f"`{plain.name}` {outside}; " if outside else ""
    memory = "" if fastest.memory is None else f", in {100 * fastest.memory:.0f} % of the memory"
    pays = "" if fastest.pays_from is None else f"; pays from epoch {fastest.pays_from} on"
    return (
        f"{case}: {overhead}`{fastest.name}`: {format_times(fastest.faster)} times as fast per epoch, "
        f"{format_times(fastest.end_to_end)} times end to end at {format_count(entry.epochs, 'epoch')}{memory}{pays}."
    )


def _describe_overhead(variant: Variant) -> str:
    """Describe what is not arithmetic: "spends 5 of every 6 seconds outside the arithmetic", by the measured peak."""
    if variant.peak_fraction is None or not 0 < variant.peak_fraction < 1:
        return ""
    part = Fraction(1 - variant.peak_fraction).limit_denominator(_MOST_PARTS)
    if part.denominator == 1:
        return f"spends nearly {'all' if part else 'none'} of its time outside the arithmetic"
    return f"spends {part.numerator} of every {part.denominator} seconds outside the arithmetic"
