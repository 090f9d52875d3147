"""The curves of a model: losses, time per epoch, memory over time."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, cycle, pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from bench.report import variants
from bench.report.figures import (
    INK,
    PALETTE,
    WARNING,
    Plot,
    apply_style,
    make_drawable,
    make_file_stem,
    make_plain,
    render_plot,
    use_plain_labels,
)
from bench.results.schema import Outcome, ResultRow
from bench.worker.protocol import PhaseEvent

WIDTH_IN, AXES_IN = 4.8, 2.25
"""Small, so that its words can still be read on a phone."""
MOST_SERIES = 8
MOST_POINTS = 1_000
"""Of one curve: a plot has fewer pixels than that."""
MOST_IN_A_FIGURE = 16_000
"""Points of all curves together, unless there are very many: large pages are slow in a browser."""
_FEWEST_POINTS = 32
PHASES = {
    "start": ("interpreter", "import"),
    "data": ("data",),
    "build": ("build",),
    "first epoch": ("first_epoch",),
    "training": ("train", "val"),
    "evaluation": ("evaluation",),
    "peaks": ("peaks",),
}
_PHASE_COLOURS = ("#aab2ba", "#ddcc77", "#88ccee", "#dd9933", "#44aa99", "#cc6677", "#882255")
"""Other colours than the palette's, which stand for cases."""


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
    """The runs on one line of the table; they have one colour."""

    label: str
    colour: str
    runs: tuple[Run, ...]


def _group_runs(runs: Sequence[Run]) -> list[_Series]:
    varying = variants.find_varying([run.outcome.case for run in runs])
    of_many_batches = len({run.outcome.case.batch_size for run in runs}) > 1
    groups: dict[str, list[Run]] = {}
    for run in runs:
        case = run.outcome.case
        batch = [f"batch {case.batch_size}"] if of_many_batches or not varying else []
        label = " ".join([*batch, *(str(getattr(case, axis)) for axis in varying)])
        groups.setdefault(make_plain(label), []).append(run)
    return [
        _Series(label, colour, tuple(found))
        for (label, found), colour in zip(groups.items(), cycle(PALETTE), strict=False)
    ]


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
    figure, axes = _make_figure()
    values: list[float] = []
    most = _limit_points(2 * _count_runs(series))
    for each in series:
        for run in each.runs:
            values += _draw_losses_of(axes, run, each.colour, most)
    if not values:
        return None
    if min(values) > 0 and max(values) > 5 * min(values):
        axes.set_yscale("log")
        axes.grid(which="minor", axis="y")
        use_plain_labels(axes.yaxis)
    _label(axes, "epoch", "loss, as Keras prints it")
    dashed = [Line2D([], [], color=INK, linestyle="--", linewidth=0.9), Line2D([], [], **_CHECKPOINT, color=INK)]
    rows = _add_legend(axes, series, list(zip(dashed, ("training", "checkpoint"), strict=True)))
    _arrange(figure, AXES_IN, rows)
    caption = "Validation loss (solid) and training loss (dashed); a dot for each row of the table."
    return _render(figure, model, "loss", "Losses", caption)


_CHECKPOINT: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": 4.5}


def _count_runs(series: Sequence[_Series]) -> int:
    return sum(len(each.runs) for each in series)


def _draw_losses_of(axes: Axes, run: Run, colour: str, most: int) -> list[float]:
    """Draw both curves of a run and its checkpoints; returns the smallest and the largest value drawn."""
    epochs = run.outcome.epochs
    numbers = epochs.get_column("epoch")
    training, validation = (
        [make_drawable(value) for value in epochs.get_column(name)] for name in ("train_loss", "val_loss")
    )
    _draw_line(axes, numbers, training, most, color=colour, linestyle="--", linewidth=0.9, alpha=0.8)
    _draw_line(axes, numbers, validation, most, color=colour)
    by_number = dict(zip(numbers, validation, strict=True))
    checkpoints = [checkpoint.epochs for checkpoint in run.outcome.checkpoints if checkpoint.epochs in by_number]
    axes.plot(checkpoints, [by_number[checkpoint] for checkpoint in checkpoints], color=colour, **_CHECKPOINT)
    return _find_extremes([*training, *validation])


# ------------------------------------------------------------------------------- times


def _draw_times(model: str, series: list[_Series]) -> Plot | None:
    figure, axes = _make_figure()
    runs = [(run, each.colour) for each in series for run in each.runs if run.outcome.epochs]
    firsts = _drop_nans([_get_times(run)[0] for run, _ in runs])
    later = [extreme for run, _ in runs for extreme in _find_extremes(_get_times(run)[1:])]
    if not later and not firsts:
        return None
    top = 1.12 * max(later or firsts) or 1.0
    most = _limit_points(4 * len(runs))  # a noisy epoch has a bar of three points
    for run, colour in runs:
        _draw_times_of(axes, run, colour, top, most)
    axes.set_ylim(0, top)
    _label(axes, "epoch", "training seconds")
    noisy = Line2D([], [], color=WARNING, linewidth=2)
    band = Patch(facecolor=INK, alpha=0.2)
    _arrange(figure, AXES_IN, _add_legend(axes, series, [(band, "95 % interval"), (noisy, "noisy")]))
    caption = "Training seconds of each epoch, without validation; dotted: the median after the warm-up."
    if firsts:
        caption += f" The first epoch traces and compiles: {_format_range(firsts)}; a triangle where that does not fit."
    return _render(figure, model, "time", "Time per epoch", caption)


def _get_times(run: Run) -> list[float]:
    return [make_drawable(value) for value in run.outcome.epochs.get_column("train_s")]


def _draw_times_of(axes: Axes, run: Run, colour: str, top: float, most: int) -> None:
    times = _get_times(run)
    numbers, noise = (run.outcome.epochs.get_column(name) for name in ("epoch", "noisy"))
    above = times[0] > top
    marker = "." if len(times) < 4 else None  # a line through one point is not seen
    _draw_line(axes, numbers[above:], times[above:], most, color=colour, linewidth=1.0, marker=marker)
    if above:
        axes.plot(numbers[:1], [0.975 * top], color=colour, marker="^", markersize=5)
    noisy = [(n, min(s, top)) for n, s, is_noisy in zip(numbers, times, noise, strict=True) if is_noisy]
    _draw_bars(axes, [noisy[place] for place in _thin_out([s for _, s in noisy], most)], top / 30)
    row = run.row
    if row is None or row.epoch_s_median is None or row.warmup_epochs is None:
        return
    span = (row.warmup_epochs + 0.5, row.epochs + 0.5)
    axes.hlines(make_drawable(row.epoch_s_median), *span, color=colour, linestyle=":", linewidth=1.3)
    if row.epoch_s_low is not None and row.epoch_s_high is not None:
        axes.fill_between(
            span, make_drawable(row.epoch_s_low), make_drawable(row.epoch_s_high), color=colour, alpha=0.2, lw=0
        )


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
    lanes = [(each, each.runs[0]) for each in series]
    figure = Figure()
    strip_in = 0.13 * len(lanes) + 0.05
    axes, strip = figure.subplots(2, sharex=True, height_ratios=[AXES_IN - 0.2, strip_in])
    most = _limit_points(_count_runs(series))
    drawn = [_draw_memory_of(axes, run, each.colour, most) for each in series for run in each.runs]
    if not any(drawn):
        return None
    for lane, (each, run) in enumerate(lanes):
        for place, (_, begin, seconds, _) in _arrange_phases(run.outcome):
            strip.barh(lane, seconds, left=begin, height=0.7, color=_PHASE_COLOURS[place], linewidth=0)
        strip.plot(-0.012, lane, color=each.colour, clip_on=False, transform=strip.get_yaxis_transform(), **_LANE)
    strip.set(yticks=[], ylim=(len(lanes) - 0.4, -0.6))
    strip.grid(visible=False)
    strip.spines[["left", "bottom"]].set_visible(False)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("resident MiB")
    strip.set_xlabel("seconds since the process' start")
    phases = [Patch(facecolor=colour) for colour in _PHASE_COLOURS]
    figure.legend(phases, list(PHASES), loc="lower center", bbox_to_anchor=(0.55, 0.0), ncols=len(PHASES), **_TIGHT)
    _arrange(figure, AXES_IN - 0.1 + strip_in, _add_legend(axes, series, []), below_in=0.65)
    caption = (
        "Thin lines: resident memory, sampled from outside. Broad lines: the peak of each phase, as the system itself "
        "counted it. Below: the phases of each process."
    )
    return _render(figure, model, "memory", "Memory over time", caption)


_LANE: dict[str, Any] = {"marker": "s", "markersize": 4, "linestyle": ""}
_TIGHT: dict[str, Any] = {"handlelength": 0.9, "handletextpad": 0.35, "columnspacing": 0.8, "borderpad": 0}


def _draw_memory_of(axes: Axes, run: Run, colour: str, most: int) -> bool:
    """Draw the samples and the phases' peaks of a run; returns whether there were any."""
    timeline = run.outcome.timeline
    samples = [(make_drawable(at), make_drawable(mib)) for at, mib in timeline.samples] if timeline else []
    samples = [(at, mib) for at, mib in samples if not math.isnan(at)]
    _draw_line(axes, [at for at, _ in samples], [mib for _, mib in samples], most, color=colour)
    peaks = [
        (begin, seconds, peak) for _, (_, begin, seconds, peak) in _arrange_phases(run.outcome) if not math.isnan(peak)
    ]
    begins, ends = [begin for begin, _, _ in peaks], [begin + seconds for begin, seconds, _ in peaks]
    axes.hlines([peak for _, _, peak in peaks], begins, ends, color=colour, alpha=0.3, linewidth=4)
    return bool(samples or peaks)


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


def _make_figure() -> tuple[Figure, Axes]:
    figure = Figure()
    return figure, figure.subplots()


def _arrange(figure: Figure, axes_in: float, legend_rows: int, below_in: float = 0.45) -> None:
    """Set the figure's height so that its axes are ``axes_in`` inches high, whatever is above and below them."""
    above_in = 0.16 + 0.16 * legend_rows
    height = above_in + axes_in + below_in
    figure.set_size_inches(WIDTH_IN, height)
    figure.subplots_adjust(left=0.125, right=0.98, bottom=below_in / height, top=1 - above_in / height, hspace=0.06)


def _label(axes: Axes, x: str, y: str) -> None:
    axes.set(xlabel=x, ylabel=y)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _add_legend(axes: Axes, series: Sequence[_Series], others: Sequence[tuple[Any, str]]) -> int:
    """Name what is drawn, above the axes; returns the number of rows in the legend."""
    handles = [(Line2D([], [], color=each.colour), each.label) for each in series]
    both = [*handles, *others]
    labels = [label for _, label in both]
    columns = max([1, *(n for n in range(2, 6) if _is_narrow_enough(labels, n))])
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.02, 1.0), "ncols": columns}
    axes.legend([handle for handle, _ in both], labels, **place | _TIGHT | {"handlelength": 1.4})
    return math.ceil(len(labels) / columns)


def _is_narrow_enough(labels: Sequence[str], columns: int) -> bool:
    """Whether a legend of so many columns fits; matplotlib fills them one after the other, the first ones longer."""
    rows, longer = divmod(len(labels), columns)
    ends = list(accumulate(rows + (column < longer) for column in range(columns)))
    found = [labels[start:end] for start, end in pairwise([0, *ends]) if start < end]
    return sum(max(map(len, column)) + _HANDLE_CHARS for column in found) <= _LEGEND_CHARS


_LEGEND_CHARS, _HANDLE_CHARS = 68, 5
"""Characters that fit into a figure's width; a legend's line and its gaps are as wide as so many characters."""


def _render(figure: Figure, model: str, kind: str, title: str, caption: str) -> Plot:
    return render_plot(figure, f"{make_file_stem(model)}-{kind}", title, caption, alt=f"{title} of {model}. {caption}")
