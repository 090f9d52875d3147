"""The roofline plot: the arithmetic rate of the cases over their arithmetic intensity, and what the machine allows.

After Williams, Waterman and Patterson, https://doi.org/10.1145/1498765.1498785. Each precision has a roofline.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.plan.profile import name_briefly
from bench.report import variants
from bench.report.figures import (
    INK,
    Plot,
    add_hover,
    apply_style,
    choose_look,
    make_plain,
    render_plot,
    use_plain_labels,
)
from bench.report.summary import select_last_rows
from bench.report.ways import label_way
from bench.results.schema import ResultRow

_SIZE_IN = (5.0, 3.4)
_CAPTION = (
    "Each marker is a case: operations per second of its training over operations per byte moved (estimated from layer "
    "shapes). Lines: the limits of memory traffic (slanted) and of arithmetic (level), as measured on this machine. A "
    "case far below both is limited by dispatch or by kernels that do not use the machine; where a case is above the "
    "slanted line, its data stay in the caches."
)


@dataclass(frozen=True)
class _Point:
    model: str
    way: str
    """The loop, with backend and precision where they are not the default."""
    batch_size: int
    precision: str
    intensity: float
    """Operations per byte."""
    rate: float
    """10^9 operations per second, as the peak."""
    peak_rate: float
    peak_traffic: float
    """10^9 bytes per second."""


def draw_roofline(rows: Sequence[ResultRow]) -> Plot | None:
    """Draw the last checkpoint of each case; None where nothing was counted or no peaks were measured."""
    points = [point for row in select_last_rows(rows) if (point := _make_point(row)) is not None]
    if not points:
        return None
    with apply_style():
        figure = Figure(figsize=_SIZE_IN)
        axes = figure.subplots()
        axes.set(xscale="log", yscale="log", xlabel="operations per byte", title="GFLOP/s")
        use_plain_labels(axes.xaxis)
        use_plain_labels(axes.yaxis)
        figure.subplots_adjust(left=0.08, right=0.68, top=0.92, bottom=0.13)
        edge = (min(p.intensity for p in points) / 2, max(p.intensity for p in points) * 2)
        for precision in sorted({point.precision for point in points}):
            _draw_limits(axes, [point for point in points if point.precision == precision], edge)
        _draw_points(axes, points)
        return render_plot(figure, "roofline", "Roofline", _CAPTION, alt=f"Roofline. {_CAPTION}")


def _make_point(row: ResultRow) -> _Point | None:
    measured = (row.flops_per_sample, row.step_bytes, row.gflop_per_s, row.peak_gflop_per_s, row.peak_gb_per_s)
    shown = [value for value in measured if value is not None and _LEAST <= value <= _MOST]
    if len(shown) < len(measured):
        return None
    flops_per_sample, step_bytes, rate, peak_rate, peak_traffic = shown
    way = variants.name_way(*variants.get_way(row))
    intensity = flops_per_sample * row.batch_size / step_bytes
    return _Point(
        make_plain(row.model),
        make_plain(way),
        row.batch_size,
        make_plain(row.precision),
        intensity,
        rate,
        peak_rate,
        peak_traffic,
    )


_LEAST, _MOST = 1e-12, 1e18
"""No machine measures, and no axis shows, what is beyond these."""


def _draw_limits(axes: Axes, points: Sequence[_Point], edge: tuple[float, float]) -> None:
    """Draw the roofline of one precision: the medians of the peaks that its cases measured."""
    arithmetic = statistics.median(point.peak_rate for point in points)
    memory = statistics.median(point.peak_traffic for point in points)
    ridge = arithmetic / memory
    right = max(edge[1], 2 * ridge)
    xs = [edge[0], *([ridge] if edge[0] < ridge else []), right]
    precision = points[0].precision
    style: dict[str, Any] = {"color": INK, "linewidth": 1.2, "linestyle": "-" if precision == "float32" else "--"}
    axes.plot(xs, [min(arithmetic, memory * x) for x in xs], **style)
    label = f"{precision}: {arithmetic:.0f} GFLOP/s, {memory:.0f} GB/s"
    axes.annotate(label, (right, arithmetic), ha="right", va="bottom", fontsize=8)


def _draw_points(axes: Axes, points: Sequence[_Point]) -> None:
    """Draw the cases: each model has a colour and a marker, hollow for further ways to train it."""
    ways: dict[str, list[str]] = {}
    for point in points:
        ways.setdefault(point.model, []).append(point.way)
    handles = {}
    for point in points:
        label = label_way(point.model, point.way, set(ways[point.model]))
        look = choose_look(list(ways).index(point.model), is_filled=point.way == ways[point.model][0])
        (marker,) = axes.plot(point.intensity, point.rate, **look.style_marker(6), label=label)
        add_hover(marker, f"{name_briefly(label, (), point.batch_size)}: {point.rate:.3g} GFLOP/s")
        handles[label] = marker
    axes.legend(handles.values(), handles.keys(), loc="upper left", bbox_to_anchor=(1.0, 1.0), handletextpad=0.2)
