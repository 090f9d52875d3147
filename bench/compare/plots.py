"""Speeds case by case, and total times and memory model by model, drawn as SVGs that take the page's colours."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from bench.compare.averages import Measure, average_models
from bench.compare.machines import Comparison
from bench.compare.pairs import CasePair
from bench.compare.sentences import SIDE_BY_SIDE, format_interval, format_ratio, name_cases
from bench.errors import quote
from bench.report.figures import GROUND, INK, PALETTE, RULE, add_hover, apply_style, render_svg
from bench.report.tables import format_total
from bench.results.ratios import Ratio

_MOST_CASES = 120
_WIDTH = 5.2
"""In inches: on a phone the words are still large enough to be read."""
_PAD = 0.15
"""In inches, at each side: the page makes the words larger on a phone."""
_MARKERS = ("s", "o", "D", "^")
_STYLE = {
    "axes.grid.axis": "x",
}


@dataclass(frozen=True)
class Drawing:
    """A figure of the page."""

    title: str
    caption: str
    svg: str


def draw_comparison(comparison: Comparison) -> list[Drawing]:
    """The figures that there is something for: the speeds, then total times and memory of a few machines."""
    speeds = Drawing(
        f"Per epoch: times as fast as {comparison.reference.label}",
        f"Right of the line is faster. {describe_lines(comparison)}",
        draw_speeds(comparison),
    )
    by_model = _draw_by_model(comparison) if len(comparison.others) <= SIDE_BY_SIDE else []
    return [drawing for drawing in (speeds, *by_model) if drawing.svg]


def _draw_by_model(comparison: Comparison) -> list[Drawing]:
    return [
        Drawing(
            "Total time by model",
            "Seconds from the process' start to the last common checkpoint, imports and compilation included: the "
            "geometric mean over the cases that all have.",
            _draw_models(comparison, "total_s"),
        ),
        Drawing(
            "Memory by model",
            "Peak, of anonymous memory where both sides know it: the geometric mean over the cases that all have.",
            _draw_models(comparison, "memory_mib"),
        ),
    ]


# ------------------------------------------------------------------ speeds by case


def draw_speeds(comparison: Comparison) -> str:
    """The forest plot as an SVG element; empty where no speed is compared."""
    cases = [case for case in comparison.reference.cases if any(_list_speeds(comparison, case))][:_MOST_CASES]
    if not cases:
        return ""
    with apply_style(_STYLE):
        figure = Figure(figsize=(_WIDTH, 1.1 + 0.26 * len(cases)), layout=ConstrainedLayoutEngine(w_pad=_PAD))
        axes = figure.add_subplot()
        _draw_speeds(axes, comparison, cases)
        if 1 < len(comparison.others) <= SIDE_BY_SIDE:
            timed = [other.machine.label for other in comparison.others if other.speed]
            keys = [Line2D([], [], label=label, **_choose_marker(number)) for number, label in enumerate(timed)]
            figure.legend(handles=keys, loc="outside upper left", ncols=2, borderaxespad=0.2)
        return render_svg(figure, "speeds", f"Speeds. {describe_lines(comparison)}")


def describe_lines(comparison: Comparison) -> str:
    """What the lines and markers of the forest plot are."""
    if len(comparison.others) > SIDE_BY_SIDE:
        return "Over all machines: the range, the middle half (thick), the median (tick)."
    return "Lines are each case's own 95 % interval; filled: clearly faster or slower, hollow: not."


def _list_speeds(comparison: Comparison, case: str) -> list[Ratio | None]:
    """The machines' speeds in a case, in their order."""
    pairs: list[CasePair | None] = [other.find_pair(case) for other in comparison.others]
    return [each.speed if each else None for each in pairs]


def _draw_speeds(axes: Axes, comparison: Comparison, cases: Sequence[str]) -> None:
    short = name_cases(comparison.cases)
    axes.axvline(1, color=INK, linewidth=0.8)
    if len(comparison.others) > SIDE_BY_SIDE:
        _draw_ranges(axes, comparison, cases)
    else:
        _draw_machines(axes, comparison, cases)
    axes.set_xscale("log")
    axes.set_yticks(range(len(cases)), [quote(short[case], 40) for case in cases])
    axes.set_ylim(len(cases) - 0.4, -0.6)
    axes.set_xlabel(f"times as fast as {comparison.reference.label}")
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7) if high < 12 * low else (1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _choose_marker(number: int, *, is_filled: bool = True) -> dict[str, Any]:
    """The look of a machine by its number; -1 is the reference, which is hollow."""
    colour, marker = (INK, "o") if number < 0 else (PALETTE[number], _MARKERS[number])
    face = colour if is_filled and number >= 0 else GROUND
    size = {"markersize": 5.5 if number < 0 else 4.8, "markeredgewidth": 1.1}
    return {"color": colour, "marker": marker, "markerfacecolor": face, "linestyle": "", "clip_on": False, **size}


def _draw_machines(axes: Axes, comparison: Comparison, cases: Sequence[str]) -> None:
    """A point per machine and case, with its interval."""
    drawn = [other for other in comparison.others if other.speed]
    for number, other in enumerate(drawn):
        offset = 0.6 * ((number + 0.5) / len(drawn) - 0.5)
        for place, case in enumerate(cases):
            each = other.find_pair(case)
            if each and each.speed:
                ends = [each.speed.low, each.speed.high]
                [line] = axes.plot(ends, [place + offset] * 2, color=PALETTE[number], linewidth=1.4)
                add_hover(
                    line, f"{other.machine.label}: {format_ratio(each.speed.value)} ({format_interval(each.speed)})"
                )
                look = _choose_marker(number, is_filled=each.clearly is not None)
                axes.plot([each.speed.value], [place + offset], **look)


def _draw_ranges(axes: Axes, comparison: Comparison, cases: Sequence[str]) -> None:
    """Of many machines: each case's range, the middle half of them, the median."""
    for place, case in enumerate(cases):
        speeds = sorted(speed.value for speed in _list_speeds(comparison, case) if speed)
        axes.plot([speeds[0], speeds[-1]], [place] * 2, color=PALETTE[0], linewidth=0.9)
        if len(speeds) > 1:
            first, _, third = statistics.quantiles(speeds, n=4, method="inclusive")
            axes.plot([first, third], [place] * 2, color=PALETTE[0], linewidth=5)
        axes.plot([statistics.median(speeds)], [place], color=INK, marker="|", markersize=9, linestyle="none")


# ------------------------------------------------------------------ total time and memory by model


def _draw_models(comparison: Comparison, measure: Measure) -> str:
    """A row per model with a point for each machine, the reference's hollow, and the numbers beside; empty without."""
    found = average_models(comparison, measure)
    if not found:
        return ""
    unit = "s" if measure == "total_s" else "MiB"
    labels = [comparison.reference.label, *(each.machine.label for each in comparison.others)]
    with apply_style(_STYLE):
        figure = Figure(figsize=(_WIDTH, 1.1 + 0.3 * len(found)), layout=ConstrainedLayoutEngine(w_pad=_PAD))
        axes = figure.add_subplot()
        for place, values in enumerate(found.values()):
            axes.plot([min(values), max(values)], [place] * 2, color=RULE, linewidth=2)
            text = " · ".join(map(format_total if unit == "s" else "{:.0f}".format, values))
            axes.text(1.03, place, text, transform=axes.get_yaxis_transform(), va="center")
        for number, label in enumerate(labels):
            values = [values[number] for values in found.values()]
            axes.plot(values, range(len(found)), label=label, **_choose_marker(number - 1))
        axes.set_yticks(range(len(found)), [quote(model, 30) for model in found])
        axes.set_ylim(len(found) - 0.4, -0.6)
        axes.set_xlim(left=0)
        axes.set_xlabel(unit)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        figure.legend(loc="outside upper left", ncols=2, borderaxespad=0.2)
        lines = [f"{model}: {', '.join(f'{value:.3g}' for value in values)}" for model, values in found.items()]
        return render_svg(figure, measure, f"{unit} on {', '.join(labels)}. {'; '.join(lines[:_MOST_CASES])}")
