"""The three charts that a page opens with: quality against time, time per epoch by batch size, peak RAM by phase."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullFormatter, NullLocator

from bench.errors import format_count
from bench.plan.profile import name_briefly
from bench.report.figures import (
    INK,
    PHASE_COLOURS,
    End,
    Look,
    Plot,
    add_hover,
    apply_style,
    choose_look,
    label_ends,
    make_plain,
    measure_labels,
    render_plot,
    use_plain_labels,
)
from bench.report.tables import format_loss, format_seconds
from bench.report.ways import PHASES, Trained, Way

MOST_LINES = 24
"""Ways to train in one chart: more names do not fit beside it."""
NAMES = ("quality", "batch-sizes", "memory-by-phase")
_WIDTH_IN = 5.0


_LEAST = 1e-9
"""Of what a logarithmic axis shows."""


@dataclass(frozen=True)
class _Line:
    """A way to train, as it is drawn."""

    label: str
    look: Look
    cases: tuple[Trained, ...]
    best: Trained


def _make_lines(ways: Sequence[Way]) -> list[_Line]:
    """Each model has a colour and a marker; further ways to train it are hollow."""
    models = list(dict.fromkeys(way.model for way in ways))
    shown = ways[:MOST_LINES]
    return [
        _Line(label, choose_look(models.index(way.model), is_filled=way.is_first), way.cases, way.best)
        for way, label in zip(shown, _shorten_labels([way.label for way in shown]), strict=True)
    ]


def _shorten_labels(labels: Sequence[str]) -> list[str]:
    """Return labels that leave room for the axes: where they begin alike without their middle, or else numbered."""
    short = [_cut(label, at_end=0) for label in labels]
    short = [_cut(label, at_end=10) if short.count(cut) > 1 else cut for label, cut in zip(labels, short, strict=True)]
    earlier = [short[:place].count(label) for place, label in enumerate(short)]
    return [f"{label} ({count + 1})" if count else label for label, count in zip(short, earlier, strict=True)]


def _cut(label: str, at_end: int) -> str:
    """Keep the beginning of a long label, and so many characters at its end."""
    if len(label) <= _LONGEST:
        return make_plain(label)
    return f"{make_plain(label[: _LONGEST - 1 - at_end])}…{make_plain(label[len(label) - at_end :])}"


_LONGEST = 26


def draw_charts(ways: Sequence[Way]) -> list[Plot]:
    """Draw the charts of a sweep; one without data is left out."""
    lines = _make_lines(ways)
    with apply_style():
        drawn = [draw(lines) for draw in (_draw_quality, _draw_batch_sizes, _draw_memory)]
    return [plot for plot in drawn if plot is not None]


def _make_axes(ways: Sequence[_Line], least_in: float) -> tuple[Figure, Axes]:
    """Make axes with room for the ways' names to the right, and high enough for all of them."""
    height = max(least_in, 0.9 + 0.15 * len(ways))
    figure = Figure(figsize=(_WIDTH_IN, height))
    right = 1 - measure_labels([way.label for way in ways]) / (72 * _WIDTH_IN)
    figure.subplots_adjust(left=0.08, right=right, top=1 - 0.26 / height, bottom=0.45 / height)
    return figure, figure.subplots()


def _scale(axes: Axes, xs: Sequence[float], ys: Sequence[float]) -> None:
    """Use a logarithmic scale where values are far apart, with plain numbers."""
    for values, axis, set_scale in ((xs, axes.xaxis, axes.set_xscale), (ys, axes.yaxis, axes.set_yscale)):
        if max(values) > 3 * min(values):
            set_scale("log")
            use_plain_labels(axis)
            axes.grid(visible=True, which="minor", axis="y")


# ------------------------------------------------------------------------------- quality


def _draw_quality(ways: Sequence[_Line]) -> Plot | None:
    shown = [way for way in ways if way.best.curve]
    points = [(at, bce) for way in shown for case in way.cases for _, at, bce in case.curve]
    if not points:
        return None
    figure, axes = _make_axes(shown, 3.3)
    _scale(axes, [at for at, _ in points], [bce for _, bce in points])
    axes.set(xlabel="training seconds, with compilation", title="bce of the validation images")
    front = _find_front(points)
    (band,) = axes.plot(*zip(*front, strict=True), drawstyle="steps-post", color=INK, alpha=0.13, linewidth=5)
    add_hover(band, "Pareto front: nothing here was both quicker and better")
    for way in shown:
        for case in way.cases:
            _draw_curve(axes, way, case, is_best=case is way.best)
    at, bce = front[len(front) // 2]
    style: dict[str, Any] = {"fontsize": 8, "fontstyle": "italic", "ha": "right", "va": "top"}
    axes.annotate("Pareto front", (at, bce), (-4, -4), textcoords="offset points", **style)
    axes.margins(0.03)
    label_ends(axes, [End(way.label, way.look, way.best.curve[-1][1], way.best.curve[-1][2]) for way in shown])
    caption = (
        "Lower and further left is better. A line is a model as it trains, a marker a checkpoint; the batch size that "
        "ended best is drawn full, the others pale. Grey: the Pareto front."
    )
    return render_plot(figure, NAMES[0], "Quality against time", caption, alt=f"Quality against time. {caption}")


def _find_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Find the points of which no other is both as quick and as good, from the quickest to the best."""
    front: list[tuple[float, float]] = []
    for at, bce in sorted(points):
        if not front or bce < front[-1][1]:
            front.append((at, bce))
    return front


def _draw_curve(axes: Axes, way: _Line, case: Trained, *, is_best: bool) -> None:
    name = name_briefly(way.label, (), case.batch_size)
    colour = way.look.colour
    weight: dict[str, Any] = {"linewidth": 1.4} if is_best else {"linewidth": 0.8, "alpha": 0.4}
    (line,) = axes.plot([at for _, at, _ in case.curve], [bce for *_, bce in case.curve], color=colour, **weight)
    add_hover(line, name)
    for epochs, at, bce in case.curve if is_best else []:
        if epochs in case.reached:
            (marker,) = axes.plot([at], [bce], **way.look.style_marker())
            epoch = format_count(epochs, "epoch")
            add_hover(marker, f"{name}: {epoch} in {format_seconds(at)} s, bce {format_loss(bce)}")


# ------------------------------------------------------------------------------- batch sizes


def _draw_batch_sizes(ways: Sequence[_Line]) -> Plot | None:
    timed = [
        (way, [(case, y) for case in way.cases if (y := case.find_median("epoch_s_median")) > _LEAST]) for way in ways
    ]
    shown = [(way, cases) for way, cases in timed if cases]
    if not shown:
        return None
    figure, axes = _make_axes([way for way, _ in shown], 2.9)
    sizes = sorted({case.batch_size for _, cases in shown for case, _ in cases})
    _scale(axes, [1.0], [y for _, cases in shown for _, y in cases])
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_major_formatter(FixedFormatter([str(size) for size in sizes]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="batch size", title="seconds per epoch", xlim=(sizes[0] / 1.15, sizes[-1] * 1.15))
    for way, cases in shown:
        axes.plot([case.batch_size for case, _ in cases], [y for _, y in cases], color=way.look.colour, linewidth=1.1)
        for case, seconds in cases:
            (marker,) = axes.plot([case.batch_size], [seconds], **way.look.style_marker())
            add_hover(marker, f"{name_briefly(way.label, (), case.batch_size)}: {format_seconds(seconds)} s per epoch")
    label_ends(axes, [End(way.label, way.look, cases[-1][0].batch_size, cases[-1][1]) for way, cases in shown])
    caption = "Training seconds of a median epoch after the warm-up, without validation. Lower is faster."
    return render_plot(figure, NAMES[1], "Time per epoch by batch size", caption, alt=f"Time per epoch. {caption}")


# ------------------------------------------------------------------------------- memory


def _draw_memory(ways: Sequence[_Line]) -> Plot | None:
    shown = [(way, peak) for way in ways if (peak := way.best.find_median("peak_rss_mib")) > 0]
    if not shown:
        return None
    top = max(peak for _, peak in shown)
    figure, axes = _make_axes([way for way, _ in shown], 0)
    left = measure_labels([way.label for way, _ in shown]) / (72 * _WIDTH_IN)
    figure.subplots_adjust(left=left, right=0.9, top=1 - 0.32 / figure.get_figheight())
    parts = [way.best.peaks for way, _ in shown]
    for lane, ((way, peak), found) in enumerate(zip(shown, parts, strict=True)):
        _draw_stack(axes, lane, way, found or {"training": peak})
        axes.text(peak + 0.012 * top, lane, f"{peak:.0f}", va="center", fontsize=8.5)
    axes.set_yticks(range(len(shown)), [way.label for way, _ in shown])
    axes.set(xlim=(0, top), ylim=(len(shown) - 0.45, -0.55), xlabel="MiB, peak of the process so far")
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    _name_phases(axes, [part for part in PHASES if any(part in found for found in parts)])
    imports = [found["imports"] / peak for (_, peak), found in zip(shown, parts, strict=True) if "imports" in found]
    ends = " to ".join(dict.fromkeys(f"{100 * end(imports):.0f}" for end in (min, max))) if imports else ""
    lead = f"Imports alone take {ends} % of the peak. " if ends else ""
    rest = "What the harness does after training (evaluation, peaks) is not counted."
    caption = f"{lead}Of each model, the batch size that ended best. {rest}"
    return render_plot(figure, NAMES[2], "Peak RAM by phase", caption, alt=f"Peak RAM by phase. {caption}")


def _draw_stack(axes: Axes, lane: int, way: _Line, peaks: Mapping[str, float]) -> None:
    before = 0.0
    for part, peak in peaks.items():
        colour = PHASE_COLOURS[list(PHASES).index(part)]
        (bar,) = axes.barh(lane, peak - before, left=before, height=0.72, color=colour, linewidth=0)
        add_hover(
            bar, f"{name_briefly(way.label, (), way.best.batch_size)}, {part}: +{peak - before:.0f}, to {peak:.0f} MiB"
        )
        before = peak


def _name_phases(axes: Axes, parts: Sequence[str]) -> None:
    """Name the parts of a bar above the bars, from left to right as they are stacked."""
    handles = [axes.barh(0, 0, color=PHASE_COLOURS[list(PHASES).index(part)], label=part) for part in parts]
    box = axes.get_position()
    right = 1 + (1 - box.x1) / box.width  # of the figure: beside long names there is little room above the bars
    place: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (right, 1.0), "ncols": len(parts), "borderpad": 0}
    axes.legend(handles, parts, handlelength=0.9, handletextpad=0.35, columnspacing=0.8, **place)
