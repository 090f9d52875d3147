"""What all figures have in common: one style, and two formats, an SVG element for a page and a PNG file.

Figures are drawn without pyplot, which has global state and may need a display, and from matplotlib's own defaults, so
that a person's matplotlibrc changes nothing. The same rows give the same bytes.
"""

import io
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from matplotlib import style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator

from bench.report.svg import HOVER, simplify_svg

INK, RULE, WARNING, GROUND = "#010203", "#c8cdd3", "#c02942", "#fefefe"
PALETTE = ("#1465b7", "#e0564b", "#c837c8", "#119191", "#800e5a", "#0b640b", "#b07a10", "#4e3821", "#3a2ae0")
"""One for each model, chosen so that they differ without red or green too; the page shows lighter ones on a dark
background. Each series has a marker and its name beside it as well."""
PHASE_COLOURS = ("#d3d9df", "#a9b6c3", "#7f93a6", "#54708a", "#28506f")
"""From light to dark in the order of a process' life, so that no hue has to be seen."""
MARKERS = "os^DvPX<>p*h"
_RC: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "aebench",
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    **dict.fromkeys(("xtick.bottom", "ytick.left", "xtick.minor.bottom", "ytick.minor.left"), False),
    **dict.fromkeys(("xtick.major.size", "ytick.major.size", "xtick.minor.size", "ytick.minor.size"), 0),
    **dict.fromkeys(("xtick.major.pad", "ytick.major.pad", "xtick.minor.pad", "ytick.minor.pad"), 4),
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titlepad": 5,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.linewidth": 0.6,
    "axes.spines.left": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.3,
    "savefig.dpi": 160,
    "path.simplify_threshold": 0.3,
}


@dataclass(frozen=True)
class Plot:
    """A drawn figure."""

    name: str
    """Stem of its file name."""
    title: str
    caption: str
    svg: str
    """An `svg` element that takes its colours from the page around it."""
    png: bytes
    """The same figure on white."""


@contextmanager
def apply_style(changes: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Use matplotlib's defaults and our style, with ``changes`` to its rcParams, as long as the context lasts."""
    with style.context(["default", _RC | dict(changes or {})]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # the reader's own font draws the text
        yield


# ------------------------------------------------------------------------------- values and axes


def make_plain(text: str) -> str:
    """Return at most 40 characters that every font has: a stranger's journal may name anything."""
    return "".join(char if " " <= char <= "~" else "?" for char in text)[:40]


def make_drawable(value: float | None) -> float:
    """Return a number, or NaN, which is not drawn, where there is none or one that no axis can show."""
    return math.nan if value is None or not math.isfinite(value) or abs(value) > 1e12 else float(value)


def use_plain_labels(axis: Axis) -> None:
    """Label a logarithmic axis with plain numbers, and few of the steps between powers of ten where it has several."""
    for set_formatter in (axis.set_major_formatter, axis.set_minor_formatter):
        set_formatter(_PlainLog(labelOnlyBase=False, minor_thresholds=(2.5, 0.6)))
    axis.set_tick_params(which="minor", labelbottom=True, labelleft=True)


class _PlainLog(LogFormatter):
    """Writes 0.2 instead of 2 × 10⁻¹; over more than a decade and a half no more than 1, 3, 10, 30."""

    def set_locs(self, locs: Any = None) -> None:
        super().set_locs(locs)
        low, high = sorted(self.axis.get_view_interval()) if self.axis else (0.0, 0.0)
        chosen: set[float] | None = getattr(self, "_sublabels", None)
        if chosen and low > 0 and high / low > _MANY_STEPS:
            self._sublabels = chosen & {1, 3, 10}

    def _num_to_string(self, x: float, *_limits: float) -> str:
        return f"{x:g}"


_MANY_STEPS = 30.0
"""From this ratio of an axis' ends on, labels of three digits would touch each other."""


# ------------------------------------------------------------------------------- series


@dataclass(frozen=True)
class Look:
    """How a series is drawn: its name stands beside it in the same colour and with the same marker."""

    colour: str
    marker: str
    is_filled: bool = True

    def style_marker(self, size: float = 4.5) -> dict[str, Any]:
        """Return the arguments of `Axes.plot` for markers alone; ``size`` is in points."""
        face = self.colour if self.is_filled else GROUND
        shown = {"color": self.colour, "markerfacecolor": face, "markeredgewidth": 1.0, "clip_on": False}
        return {"linestyle": "", "marker": self.marker, "markersize": size, **shown}


def choose_look(number: int, *, is_filled: bool = True) -> Look:
    """Choose the look of a series by its place among all."""
    return Look(PALETTE[number % len(PALETTE)], MARKERS[number % len(MARKERS)], is_filled)


def add_hover(artist: Artist, text: str) -> None:
    """Show a text where the pointer rests on what is drawn."""
    artist.set_gid(f"{HOVER}{text}")


@dataclass(frozen=True)
class End:
    """Where a line ends, and its name."""

    label: str
    look: Look
    x: float
    """In the units of the axes, as `y`."""
    y: float


def measure_labels(labels: Sequence[str]) -> float:
    """Return the room in points that `label_ends` needs to the right of the axes."""
    return _KEY_PT + _CHAR_PT * max(map(len, labels), default=0)


def label_ends(axes: Axes, ends: Sequence[End]) -> None:
    """Write the names of lines to the right of the axes, none above another, and lead from each line to its name.

    The axes have their size and limits.
    """
    box, figure = axes.get_position(), axes.get_figure(root=True)
    if figure is None:
        return
    axes.autoscale_view()
    width, height = (72 * inches for inches in figure.get_size_inches() * (box.width, box.height))
    to_axes = axes.transData + axes.transAxes.inverted()
    found = [(min(max(y, 0.0), 1.0), min(x, 1.0), end) for end in ends for x, y in [to_axes.transform((end.x, end.y))]]
    found.sort(key=lambda each: each[0])
    places = _spread([y for y, _, _ in found], _LINE_PT / height, 1.0)
    drawn: dict[str, Any] = {"transform": axes.transAxes}
    for place, (y, x, end) in zip(places, found, strict=True):
        line: dict[str, Any] = {"color": end.look.colour, "linewidth": 0.6, "linestyle": ":"}
        axes.plot([x, 1.0, 1 + 8 / width], [y, y, place], clip_on=False, **line, **drawn)
        axes.plot([1 + 13 / width], [place], **end.look.style_marker(4.0), **drawn)
        axes.text(1 + 18 / width, place, end.label, va="center", fontsize=_LABEL_PT, transform=axes.transAxes)


_LABEL_PT, _LINE_PT, _CHAR_PT, _KEY_PT = 8.5, 10.5, 5.2, 22.0
"""Height of a name, of its line, width of a letter, and of the marker before it."""


def _spread(wanted: Sequence[float], gap: float, top: float) -> list[float]:
    """Return ascending places as near to those wanted, which ascend too, as a gap between them allows."""
    places: list[float] = []
    for each in wanted:
        places.append(max(each, places[-1] + gap) if places else each)
    limit = top
    for number in reversed(range(len(places))):
        places[number] = min(places[number], limit)
        limit = places[number] - gap
    return places


def use_few_steps(axes: Axes) -> None:
    """Label few steps of the axes: each is one more thing to read."""
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(4, min_n_ticks=1))


# ------------------------------------------------------------------------------- formats


def make_file_stem(name: str) -> str:
    """Return a name that is safe in a file name and in an element's id."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", name)[:120]


def render_plot(figure: Figure, name: str, title: str, caption: str = "", *, alt: str) -> Plot:
    """Render a figure in both formats; ``alt`` says what it shows to those who cannot see it."""
    return Plot(name, title, caption, render_svg(figure, name, alt), render_png(figure))


def render_png(figure: Figure) -> bytes:
    """Render a figure on white."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def render_svg(figure: Figure, prefix: str, label: str) -> str:
    """Render a figure as an `svg` element for a page: with the page's colours and font, in any width.

    Its ids begin with ``prefix``; ``label`` is its accessible name.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return simplify_svg(buffer.getvalue(), prefix, label, _PAGE_COLOURS)


_PAGE_COLOURS = {
    INK: "currentColor",
    RULE: "var(--rule)",
    WARNING: "var(--warning)",
    GROUND: "var(--ground)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(PALETTE, 1)},
    **{colour: f"var(--phase-{number})" for number, colour in enumerate(PHASE_COLOURS, 1)},
}


def make_svg_file(svg: str) -> str:
    """Return an `svg` element for a page as a file of its own, on white: in light colours, with a font and a size."""
    for colour, variable in _PAGE_COLOURS.items():
        svg = svg.replace(variable, colour)
    svg = re.sub(r"calc\(([\d.]+px) \* var\(--text, 1\)\)", r"\1", svg)
    head = '<svg xmlns="http://www.w3.org/2000/svg" font-family="system-ui, sans-serif" '
    ground = '<rect width="100%" height="100%" fill="white" />'
    start, end = svg.removeprefix("<svg ").split(">", 1)
    return f"{head}{start}>{ground}{end}\n"
