"""Speeds and their intervals by case, drawn as an SVG that stands inside a page and takes the page's colours."""

import statistics
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bench.compare.machines import Comparison
from bench.compare.pairs import CasePair
from bench.compare.ratios import Ratio
from bench.compare.sentences import name_cases
from bench.errors import quote
from bench.report.figures import INK, PALETTE, RULE, apply_style, render_svg

_SINGLE = 4
"""So many machines are drawn one by one; of more, each case's range and median."""
_MOST_CASES = 120
_MARKERS = ("o", "s", "D", "^")
_STYLE = {
    "font.size": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 9,
    "axes.linewidth": 0.8,
    "axes.edgecolor": RULE,
    "axes.grid.axis": "x",
}


def draw_svg(comparison: Comparison) -> str:
    """The plot as an SVG element, the same text for the same comparison; empty where no speed is compared."""
    cases = [case for case in comparison.reference.cases if any(_list_speeds(comparison, case))][:_MOST_CASES]
    if not cases:
        return ""
    with apply_style(_STYLE):
        figure = Figure(figsize=(6.2, 1.1 + 0.26 * len(cases)), layout="constrained")
        axes = figure.add_subplot()
        _draw(axes, comparison, cases)
        if len(comparison.others) <= _SINGLE:
            figure.legend(loc="outside upper left", ncols=2, borderaxespad=0.2)
        return render_svg(figure, "speeds", f"Speeds. {describe_lines(comparison)}")


def describe_lines(comparison: Comparison) -> str:
    """The plot's caption."""
    if len(comparison.others) > _SINGLE:
        return "Over all machines: the range, the middle half (thick), the median (tick)."
    return "Lines are 95 % intervals."


def _list_speeds(comparison: Comparison, case: str) -> list[Ratio | None]:
    """The machines' speeds in a case, in their order."""
    pairs: list[CasePair | None] = [other.find_pair(case) for other in comparison.others]
    return [each.speed if each else None for each in pairs]


def _draw(axes: Axes, comparison: Comparison, cases: Sequence[str]) -> None:
    short = name_cases(comparison.cases)
    axes.axvline(1, color=INK, linewidth=0.8)
    if len(comparison.others) > _SINGLE:
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
    axes.tick_params(length=0, which="both")
    axes.spines["left"].set_visible(False)


def _draw_machines(axes: Axes, comparison: Comparison, cases: Sequence[str]) -> None:
    """A point per machine and case, with its interval."""
    drawn = [other for other in comparison.others if other.speed]
    for number, other in enumerate(drawn):
        offset = 0.6 * ((number + 0.5) / len(drawn) - 0.5)
        found = [
            (place, each.speed) for place, case in enumerate(cases) if (each := other.find_pair(case)) and each.speed
        ]
        for place, speed in found:
            axes.plot([speed.low, speed.high], [place + offset] * 2, color=PALETTE[number], linewidth=1.4)
        axes.plot(
            [speed.value for _, speed in found],
            [place + offset for place, _ in found],
            color=PALETTE[number],
            marker=_MARKERS[number],
            markersize=4.5,
            linestyle="none",
            label=other.machine.label,
        )


def _draw_ranges(axes: Axes, comparison: Comparison, cases: Sequence[str]) -> None:
    """Of many machines: each case's range, the middle half of them, the median."""
    for place, case in enumerate(cases):
        speeds = sorted(speed.value for speed in _list_speeds(comparison, case) if speed)
        axes.plot([speeds[0], speeds[-1]], [place] * 2, color=PALETTE[0], linewidth=0.9)
        if len(speeds) > 1:
            first, _, third = statistics.quantiles(speeds, n=4, method="inclusive")
            axes.plot([first, third], [place] * 2, color=PALETTE[0], linewidth=5)
        axes.plot([statistics.median(speeds)], [place], color=INK, marker="|", markersize=9, linestyle="none")
