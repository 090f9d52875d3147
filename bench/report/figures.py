"""What all figures have in common: one style, and two formats, an SVG element for a page and a PNG file.

Figures are drawn without pyplot, which has global state and may need a display, and from matplotlib's own defaults, so
that a person's matplotlibrc changes nothing. The same rows give the same bytes.
"""

import io
import math
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from markupsafe import escape
from matplotlib import style
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

INK, RULE, WARNING = "#010203", "#c8cdd3", "#c02942"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8c8c8c", "#8c510a")
"""Okabe and Ito's colours and three more, one for each model; the page shows lighter ones on a dark background."""
_RC: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "aebench",
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 8.5,
    "axes.labelsize": 8.5,
    "legend.fontsize": 8,
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
        set_formatter(_PlainLog(labelOnlyBase=False, minor_thresholds=(2, 0.6)))


class _PlainLog(LogFormatter):
    """Writes 0.2 instead of 2 × 10⁻¹."""

    def _num_to_string(self, x: float, *_limits: float) -> str:
        return f"{x:g}"


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
    text = buffer.getvalue()
    for clutter in _CLUTTER:
        text = re.sub(clutter, "", text, flags=re.DOTALL)
    for colour, variable in _PAGE_COLOURS.items():
        text = text.replace(colour, variable)
    _, view_box, body = re.split(r'<svg[^>]*(viewBox="[^"]*")[^>]*>', _prefix_ids(text, prefix), maxsplit=1)
    return f'<svg {view_box} role="img" aria-label="{escape(label)}">{body.strip()}'


_CLUTTER = (
    r"<metadata>.*?</metadata>\s*",
    r"<style.*?</style>\s*",  # it would apply to the whole page, which has this one's rule in its own style sheet
    r" font-family: [^;\"]*;",
    r' transform="rotate\(-?0 [^"]*"',
    r"(?<=[Lz]) (?=\n)|\n(?=[LzC])",
)
_PAGE_COLOURS = {
    INK: "currentColor",
    RULE: "var(--rule)",
    WARNING: "var(--warning)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(PALETTE, 1)},
}


def _prefix_ids(text: str, prefix: str) -> str:
    """Put ``prefix`` before the ids that something refers to, and remove all others."""
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda found: f' id="{prefix}-{found[1]}"' if found[1] in used else "", text)
    return re.sub(r'(href="#|url\(#)', lambda found: f"{found[1]}{prefix}-", text)
