"""The curves of a model: losses, time per epoch, memory over time."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bench.report import variants
from bench.report.figures import (
    PHASE_COLOURS,
    WARNING,
    End,
    Look,
    Plot,
    add_hover,
    apply_style,
    choose_look,
    label_ends,
    make_drawable,
    make_file_stem,
    make_plain,
    measure_labels,
    render_plot,
    use_few_steps,
    use_plain_labels,
)
from bench.report.tables import format_seconds
from bench.report.ways import PHASES
from bench.results.journal_lines import Outcome
from bench.results.schema import ResultRow
from bench.worker.protocol import PhaseEvent

WIDTH_IN, AXES_IN = 4.6, 2.2
"""Small, so that its words can still be read on a phone."""
MOST_SERIES = 8
MOST_POINTS = 1_000
"""Of one curve: a plot has fewer pixels than that."""
MOST_IN_A_FIGURE = 16_000
"""Points of all curves together, unless there are very many: large pages are slow in a browser."""
_FEWEST_POINTS = 32


@dataclass(frozen=True)
class Run:
    """A case's outcome with the row of its last checkpoint that was reached."""

    outcome: Outcome
    row: ResultRow | None


def draw_model(model: str, runs: Sequence[Run]) -> list[Plot]:
    """Draw the figures of one model, each over all its cases; one without data is left out."""
    series = _group_runs(runs)
    drawers: list[Callable[[str, list[_Series]], Plot | None]] = [_draw_losses, _draw_times, _draw_memory]
    with apply_style():
        return [plot for draw in drawers if (plot := draw(model, series[:MOST_SERIES])) is not None]


def count_left_out(runs: Sequence[Run]) -> int:
    """Count the lines of the table that have no curve, since there are no more colours."""
    return max(0, len(_group_runs(runs)) - MOST_SERIES)


# ------------------------------------------------------------------------------- series


@dataclass(frozen=True)
class _Series:
    """The runs on one line of the table; they look alike."""

    label: str
    look: Look
    runs: tuple[Run, ...]


def _group_runs(runs: Sequence[Run]) -> list[_Series]:
    varying = variants.find_varying([run.outcome.case for run in runs])
    of_many_batches = len({run.outcome.case.batch_size for run in runs}) > 1
    groups: dict[str, list[Run]] = {}
    for run in runs:
        case = run.outcome.case
        batch = [f"batch {case.batch_size}"] if of_many_batches or not varying else []
        label = " ".join([*batch, *variants.name_axes(case, varying)])
        groups.setdefault(make_plain(label), []).append(run)
    return [_Series(label, choose_look(number), tuple(found)) for number, (label, found) in enumerate(groups.items())]


def _drop_nans(values: Sequence[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def _find_extremes(values: Sequence[float]) -> list[float]:
    """Return the smallest and the largest number, or nothing where there is no number."""
    known = _drop_nans(values)
    return [min(known), max(known)] if known else []


def _limit_points(curves: int) -> int:
    """Return how many points each of so many curves in one figure may have: even, as each stretch has two extremes."""
    return max(_FEWEST_POINTS, min(MOST_POINTS, MOST_IN_A_FIGURE // max(curves, 1) // 2 * 2))


def _draw_line(axes: Axes, numbers: Sequence[float], values: Sequence[float], most: int, **style: Any) -> None:
    places = _thin_out(values, most)
    axes.plot([numbers[place] for place in places], [values[place] for place in places], **style)


def _thin_out(values: Sequence[float], most: int) -> Sequence[int]:
    """Return the places of the values to draw: of more than ``most``, the smallest and the largest of each stretch."""
    count = len(values)
    if count <= most:
        return range(count)
    ends = pairwise(2 * part * count // most for part in range(most // 2 + 1))
    stretches = [[place for place in range(*each) if not math.isnan(values[place])] for each in ends]
    extremes = (extreme(stretch, key=values.__getitem__) for stretch in stretches if stretch for extreme in (min, max))
    return sorted({0, *extremes, count - 1})


# ------------------------------------------------------------------------------- losses


def _draw_losses(model: str, series: list[_Series]) -> Plot | None:
    figure, axes = _make_figure(series, "loss, as Keras prints it")
    values: list[float] = []
    ends: list[End] = []
    most = _limit_points(2 * sum(len(each.runs) for each in series))
    for each in series:
        for run in each.runs:
            values += _draw_losses_of(axes, run, each, most)
        ends += _find_end(each, [(*_get_columns(run, "epoch", "val_loss"),) for run in each.runs])
    if not values:
        return None
    if min(values) > 0 and max(values) > 5 * min(values):
        axes.set_yscale("log")
        axes.grid(which="minor", axis="y")
        use_plain_labels(axes.yaxis)
    label_ends(axes, ends)
    caption = "Full: validation; dashed: training. A marker for each row of the table."
    return _render(figure, model, "loss", "Losses", caption)


def _get_columns(run: Run, numbers: str, values: str) -> tuple[Sequence[float], Sequence[float]]:
    epochs = run.outcome.epochs
    return epochs.get_column(numbers), [make_drawable(value) for value in epochs.get_column(values)]


def _find_end(each: _Series, curves: Sequence[tuple[Sequence[float], Sequence[float]]]) -> list[End]:
    """Find where the first of a series' curves ends; nowhere if it has no number."""
    known = [point for curve in curves for point in zip(*curve, strict=True) if not math.isnan(sum(point))]
    first = [point for point in zip(*curves[0], strict=True) if not math.isnan(sum(point))] or known
    return [End(each.label, each.look, *first[-1])] if first else []


def _draw_losses_of(axes: Axes, run: Run, each: _Series, most: int) -> list[float]:
    """Draw both curves of a run and its checkpoints; returns the smallest and the largest value drawn."""
    numbers, training = _get_columns(run, "epoch", "train_loss")
    _, validation = _get_columns(run, "epoch", "val_loss")
    colour = each.look.colour
    _draw_line(axes, numbers, training, most, color=colour, linestyle="--", linewidth=0.9, alpha=0.8)
    _draw_line(axes, numbers, validation, most, color=colour)
    by_number = dict(zip(numbers, validation, strict=True))
    checkpoints = [checkpoint.epochs for checkpoint in run.outcome.checkpoints if checkpoint.epochs in by_number]
    (dots,) = axes.plot(checkpoints, [by_number[epochs] for epochs in checkpoints], **each.look.style_marker())
    add_hover(dots, each.label)
    return _find_extremes([*training, *validation])


# ------------------------------------------------------------------------------- times


def _draw_times(model: str, series: list[_Series]) -> Plot | None:
    figure, axes = _make_figure(series, "training seconds")
    runs = [(run, each) for each in series for run in each.runs if run.outcome.epochs]
    times = [_get_columns(run, "epoch", "train_s")[1] for run, _ in runs]
    firsts = _drop_nans([of_run[0] for of_run in times])
    later = [extreme for of_run in times for extreme in _find_extremes(of_run[1:])]
    if not later and not firsts:
        return None
    top = 1.12 * max(later or firsts) or 1.0
    most = _limit_points(4 * len(runs))  # a noisy epoch has a bar of three points
    for run, each in runs:
        _draw_times_of(axes, run, each, top, most)
    axes.set_ylim(0, top)
    label_ends(
        axes,
        [
            end
            for each in series
            for end in _find_end(each, [(*_get_columns(run, "epoch", "train_s"),) for run in each.runs])
        ],
    )
    caption = "Dotted: the median after the warm-up, in its 95 % interval. Red bars: noisy epochs."
    if firsts:
        caption += f" The first epoch traces and compiles: {_format_range(firsts)}; a triangle where that does not fit."
    return _render(figure, model, "time", "Time per epoch", caption)


def _draw_times_of(axes: Axes, run: Run, each: _Series, top: float, most: int) -> None:
    numbers, times = _get_columns(run, "epoch", "train_s")
    noise, colour = run.outcome.epochs.get_column("noisy"), each.look.colour
    above = times[0] > top
    markers = {"marker": each.look.marker, "markersize": 3.5, "markevery": max(1, min(len(times), most) // _MARKERS)}
    _draw_line(axes, numbers[above:], times[above:], most, color=colour, linewidth=1.0, **markers)
    if above:
        axes.plot(numbers[:1], [0.975 * top], color=colour, marker="^", markersize=5)
    noisy = [(n, min(s, 0.96 * top)) for n, s, is_noisy in zip(numbers, times, noise, strict=True) if is_noisy]
    _draw_bars(axes, [noisy[place] for place in _thin_out([s for _, s in noisy], most)], top / 30)
    row = run.row
    if row is None or row.epoch_s_median is None or row.warmup_epochs is None:
        return
    span = (row.warmup_epochs + 0.5, row.epochs + 0.5)
    median = axes.hlines(min(make_drawable(row.epoch_s_median), top), *span, color=colour, linestyle=":", linewidth=1.3)
    add_hover(median, f"{each.label}: median {format_seconds(row.epoch_s_median)} s")
    if row.epoch_s_low is not None and row.epoch_s_high is not None:
        low, high = (min(make_drawable(end), top) for end in (row.epoch_s_low, row.epoch_s_high))
        axes.fill_between(span, low, high, color=colour, alpha=0.15, lw=0)


_MARKERS = 3
"""Markers of a line: more would hide it."""


def _draw_bars(axes: Axes, points: Sequence[tuple[float, float]], half: float) -> None:
    """Draw short vertical bars, all as one path, so that hundreds of noisy epochs take little room in the page."""
    xs = [x for n, _ in points for x in (n, n, math.nan)]
    ys = [y for _, s in points for y in (s - half, s + half, math.nan)]
    axes.plot(xs, ys, color=WARNING, linewidth=2, solid_capstyle="butt")


def _format_range(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.3g} s" if f"{low:.3g}" == f"{high:.3g}" else f"{low:.3g} to {high:.3g} s"


# ------------------------------------------------------------------------------- memory


def _draw_memory(model: str, series: list[_Series]) -> Plot | None:
    figure = Figure()
    strip_in = 0.16 * len(series) + 0.05
    axes, strip = figure.subplots(2, sharex=True, height_ratios=[AXES_IN - 0.2, strip_in])
    most = _limit_points(sum(len(each.runs) for each in series))
    drawn = [(each, _draw_memory_of(axes, run, each.look.colour, most)) for each in series for run in each.runs]
    if not any(points for _, points in drawn):
        return None
    for lane, each in enumerate(series):
        for place, (name, begin, seconds, peak) in _arrange_phases(each.runs[0].outcome):
            (bar,) = strip.barh(lane, seconds, left=begin, height=0.7, color=PHASE_COLOURS[place], linewidth=0)
            reached = "" if math.isnan(peak) else f", peak {peak:.0f} MiB"
            add_hover(bar, f"{each.label}, {name}: {format_seconds(seconds)} s{reached}")
        strip.plot(-0.02, lane, transform=strip.get_yaxis_transform(), **each.look.style_marker())
    strip.set(yticks=[], ylim=(len(series) - 0.4, -0.6), xlabel="seconds since the process' start")
    strip.grid(visible=False)
    strip.spines[["left", "bottom"]].set_visible(False)
    axes.set(title="resident MiB")
    use_few_steps(axes)
    axes.set_ylim(bottom=0)
    _arrange(figure, AXES_IN - 0.1 + strip_in, series)
    ends = {each.label: End(each.label, each.look, *points[-1]) for each, points in reversed(drawn) if points}
    label_ends(axes, list(ends.values()))
    caption = (
        "Thin lines: resident memory, sampled from outside, up to the last checkpoint: what the harness does after "
        f"it is not counted. Broad lines: the peak of each phase, as the system counted it. Below: {', '.join(PHASES)}."
    )
    return _render(figure, model, "memory", "Memory over time", caption)


def _draw_memory_of(axes: Axes, run: Run, colour: str, most: int) -> list[tuple[float, float]]:
    """Draw the samples and the phases' peaks of a run; returns the points drawn, seconds and MiB."""
    timeline, until = run.outcome.timeline, _find_end_of_training(run.outcome)
    samples = [(make_drawable(at), make_drawable(mib)) for at, mib in timeline.samples] if timeline else []
    samples = [(at, mib) for at, mib in samples if at <= until]
    _draw_line(axes, [at for at, _ in samples], [mib for _, mib in samples], most, color=colour)
    spans = [span for _, span in _arrange_phases(run.outcome) if not math.isnan(span[3])]
    begins, ends = [begin for _, begin, _, _ in spans], [begin + seconds for _, begin, seconds, _ in spans]
    bands = [(x, y) for begin, end, (*_, y) in zip(begins, ends, spans, strict=True) for x in (begin, end, math.nan)]
    axes.plot([x for x, _ in bands], [y for _, y in bands], color=colour, alpha=0.3, linewidth=4, solid_capstyle="butt")
    sampled = [point for point in samples if not math.isnan(point[1])]
    return sampled or [(end, peak) for end, (*_, peak) in zip(ends, spans, strict=True)]


def _find_end_of_training(outcome: Outcome) -> float:
    """Find when training ended, in seconds since the process' start; infinity where it did not reach its end."""
    last = outcome.checkpoints[-1] if outcome.checkpoints else None
    return last.at_s if last and last.epochs == outcome.case.run_epochs else math.inf


def _arrange_phases(outcome: Outcome) -> list[tuple[int, tuple[str, float, float, float]]]:
    """Return the phases in order, each with its place in `PHASES`: name, begin and length in seconds, peak in MiB.

    Training and validation alternate, so they are one phase here, up to the last checkpoint.
    """
    phases: dict[str, PhaseEvent] = {phase.name: phase for phase in outcome.phases}
    phases |= {phase.name: phase for phase in outcome.checkpoints[-1].phases} if outcome.checkpoints else {}
    trained_until = make_drawable(outcome.checkpoints[-1].at_s) if outcome.checkpoints else math.nan
    spans, at = [], 0.0
    for place, (name, parts) in enumerate(PHASES.items()):
        found = [phases[part] for part in parts if part in phases]
        length = sum(_drop_nans([make_drawable(phase.seconds) for phase in found]))
        if name == "training" and trained_until > at:
            length = trained_until - at
        if found and length > 0:
            peaks = _drop_nans([make_drawable(phase.peak_mib) for phase in found])
            spans.append((place, (name, at, length, max(peaks, default=math.nan))))
            at += length
    return spans


# ------------------------------------------------------------------------------- figures


def _make_figure(series: Sequence[_Series], what: str) -> tuple[Figure, Axes]:
    """Make axes of epochs with ``what`` above them, and room for the names of the series."""
    figure = Figure()
    axes = figure.subplots()
    axes.set(xlabel="epoch", title=what)
    use_few_steps(axes)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    _arrange(figure, AXES_IN, series)
    return figure, axes


def _arrange(figure: Figure, axes_in: float, series: Sequence[_Series], below_in: float = 0.45) -> None:
    """Set the figure's height so that its axes are ``axes_in`` inches high, with room for the names of the series."""
    above_in, beside_in = 0.28, measure_labels([each.label for each in series]) / 72
    height = above_in + axes_in + below_in
    figure.set_size_inches(WIDTH_IN, height)
    right = max(0.4, 1 - beside_in / WIDTH_IN)
    figure.subplots_adjust(left=0.1, right=right, bottom=below_in / height, top=1 - above_in / height, hspace=0.06)


def _render(figure: Figure, model: str, kind: str, title: str, caption: str) -> Plot:
    return render_plot(figure, f"{make_file_stem(model)}-{kind}", title, caption, alt=f"{title} of {model}. {caption}")
