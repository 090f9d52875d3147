"""Speeds case by case, and total times and memory model by model, drawn as SVGs that take the page's colours."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from bench.compare.cases import CheckpointFigures
from bench.compare.machines import Comparison
from bench.compare.pairs import CasePair
from bench.compare.ratios import Ratio
from bench.compare.sentences import SIDE_BY_SIDE, name_cases
from bench.errors import quote
from bench.report.figures import INK, PALETTE, RULE, apply_style, render_svg
from bench.report.tables import format_seconds

_MOST_CASES = 120
_WIDTH = 5.2
"""In inches: on a phone the words are still large enough to be read."""
_MARKERS = ("s", "o", "D", "^")
_STYLE = {
    "font.size": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 9,
    "axes.linewidth": 0.8,
    "axes.edgecolor": RULE,
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
            _draw_models(comparison, "total", "s", lambda each: each.end_to_end, lambda figures, _: figures.total_s),
        ),
        Drawing(
            "Memory by model",
            "Peak, of anonymous memory where both sides know it: the geometric mean over the cases that all have.",
            _draw_models(comparison, "memory", "MiB", lambda each: each.memory, _read_memory),
        ),
    ]


# ------------------------------------------------------------------ speeds by case


def draw_speeds(comparison: Comparison) -> str:
    """The forest plot as an SVG element; empty where no speed is compared."""
    cases = [case for case in comparison.reference.cases if any(_list_speeds(comparison, case))][:_MOST_CASES]
    if not cases:
        return ""
    with apply_style(_STYLE):
        figure = Figure(figsize=(_WIDTH, 1.1 + 0.26 * len(cases)), layout="constrained")
        axes = figure.add_subplot()
        _draw_speeds(axes, comparison, cases)
        if 1 < len(comparison.others) <= SIDE_BY_SIDE:
            figure.legend(loc="outside upper left", ncols=2, borderaxespad=0.2)
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
    _remove_frame(axes)


def _remove_frame(axes: Axes) -> None:
    axes.tick_params(length=0, which="both")
    axes.spines["left"].set_visible(False)


def _draw_machines(axes: Axes, comparison: Comparison, cases: Sequence[str]) -> None:
    """A point per machine and case, with its interval."""
    drawn = [other for other in comparison.others if other.speed]
    for number, other in enumerate(drawn):
        offset = 0.6 * ((number + 0.5) / len(drawn) - 0.5)
        colour = PALETTE[number]
        axes.plot([], [], color=colour, marker=_MARKERS[number], linestyle="none", label=other.machine.label)
        for place, case in enumerate(cases):
            each = other.find_pair(case)
            if each and each.speed:
                axes.plot([each.speed.low, each.speed.high], [place + offset] * 2, color=colour, linewidth=1.4)
                axes.plot(
                    [each.speed.value],
                    [place + offset],
                    color=colour,
                    marker=_MARKERS[number],
                    markersize=5,
                    markerfacecolor=colour if each.clearly else "none",
                    linestyle="none",
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


# ------------------------------------------------------------------ total time and memory by model


def _read_memory(figures: CheckpointFigures, each: CasePair) -> float | None:
    return figures.anon_mib if each.anon else figures.rss_mib


def _draw_models(
    comparison: Comparison,
    prefix: str,
    unit: str,
    compare: Callable[[CasePair], float | None],
    read: Callable[[CheckpointFigures, CasePair], float | None],
) -> str:
    """A row per model with a point for each machine, the reference's hollow, and the numbers beside; empty without."""
    found = _average_models(comparison, compare, read)
    if not found:
        return ""
    labels = [comparison.reference.label, *(each.machine.label for each in comparison.others)]
    with apply_style(_STYLE):
        figure = Figure(figsize=(_WIDTH, 1.1 + 0.3 * len(found)), layout="constrained")
        axes = figure.add_subplot()
        for place, values in enumerate(found.values()):
            axes.plot([min(values), max(values)], [place] * 2, color=RULE, linewidth=2)
            text = " · ".join(map(format_seconds if unit == "s" else "{:.0f}".format, values))
            axes.text(1.02, place, text, transform=axes.get_yaxis_transform(), va="center")
        for number, label in enumerate(labels):
            is_reference = number == 0
            axes.plot(
                [values[number] for values in found.values()],
                range(len(found)),
                color=INK if is_reference else PALETTE[number - 1],
                marker="o" if is_reference else _MARKERS[number - 1],
                markersize=6 if is_reference else 4.5,
                markerfacecolor="none" if is_reference else PALETTE[number - 1],
                linestyle="none",
                label=label,
            )
        axes.set_yticks(range(len(found)), [quote(model, 30) for model in found])
        axes.set_ylim(len(found) - 0.4, -0.6)
        axes.set_xlim(left=0)
        axes.set_xlabel(unit)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        _remove_frame(axes)
        figure.legend(loc="outside upper left", ncols=2, borderaxespad=0.2)
        words = "; ".join(
            f"{model}: {', '.join(f'{value:.3g}' for value in values)}" for model, values in list(found.items())[:20]
        )
        return render_svg(figure, prefix, f"{unit} on {', '.join(labels)}. {words}")


def _average_models(
    comparison: Comparison,
    compare: Callable[[CasePair], float | None],
    read: Callable[[CheckpointFigures, CasePair], float | None],
) -> dict[str, list[float]]:
    """The reference's and each machine's mean by model, over the cases that are compared on all of them."""
    values: dict[str, list[list[float]]] = {}
    for case, row in comparison.cases.items():
        pairs = [other.find_pair(case) for other in comparison.others]
        known = [each for each in pairs if each and each.sized and compare(each)]
        if known and len(known) == len(pairs):
            sides = [known[0].sized[0] if known[0].sized else None, *(each.sized[1] for each in known if each.sized)]
            read_values = [read(figures, known[0]) if figures else None for figures in sides]
            numbers = [value for value in read_values if value]
            if len(numbers) == len(sides):
                values.setdefault(row.model, []).append(numbers)
    return {
        model: [statistics.geometric_mean(column) for column in zip(*rows, strict=True)]
        for model, rows in values.items()
    }
