"""What every figure has in common: one look, and two forms of it, an SVG element for the page and a PNG for a folder.

Figures are drawn without pyplot, so that there is no display and no state that others share, and with matplotlib's own
defaults, so that a person's matplotlibrc changes nothing. The same rows give the same bytes.
"""

import io
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from matplotlib import style
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

INK, RULE, WARNING = "#010203", "#c8cdd3", "#c02942"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8c8c8c", "#8c510a")
"""Okabe and Ito's and three more, one for each of the blog's models; on a dark ground the page has lighter ones."""
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
    """One drawn figure."""

    name: str
    """Stem of its file name."""
    title: str
    caption: str
    svg: str
    """An `svg` element for inlining; its colours are the page's."""
    png: bytes
    """The same on white."""


@contextmanager
def drawing() -> Iterator[None]:
    """Matplotlib's defaults and ours, for as long as the context lasts."""
    with style.context(["default", _RC]):
        yield


# ------------------------------------------------------------------------------- what is drawn


def plain(text: str) -> str:
    """Text that every font has: a stranger's journal may name anything."""
    return "".join(char if " " <= char <= "~" else "?" for char in text)[:40]


def number(value: float | None) -> float:
    """NaN, which is not drawn, where there is none or one that no axis can show."""
    return math.nan if value is None or not math.isfinite(value) or abs(value) > 1e12 else float(value)


def label_plainly(axis: Axis) -> None:
    """Label a logarithmic axis with plain numbers; where it crosses a decade, few of the decade's steps."""
    for put in (axis.set_major_formatter, axis.set_minor_formatter):
        put(_PlainLog(labelOnlyBase=False, minor_thresholds=(2, 0.6)))


class _PlainLog(LogFormatter):
    """0.2 rather than 2 times ten to the minus first."""

    def _num_to_string(self, x: float, *_limits: float) -> str:
        return f"{x:g}"


# ------------------------------------------------------------------------------- its forms


def file_stem(name: str) -> str:
    """A name that is safe in a file name and in an element's id."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", name)[:120]


def png(figure: Figure) -> bytes:
    """The figure on white."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def inline_svg(figure: Figure, prefix: str, label: str) -> str:
    """The figure as an element for a page: no declaration, ids that begin with ``prefix``, the page's colours, any
    width; ``label`` is read aloud in its place.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for clutter in _CLUTTER:
        text = re.sub(clutter, "", text, flags=re.DOTALL)
    text = _own_ids(text, prefix)
    for colour, variable in _THEMED.items():
        text = text.replace(colour, variable)
    box = re.search(r'viewBox="[^"]*"', text)
    head = f'<svg {box.group() if box else ""} role="img" aria-label="{_attribute(label)}">'
    return head + text[text.index(">") + 1 :].strip()


_CLUTTER = (
    r"<metadata>.*?</metadata>\s*",
    r"<style.*?</style>\s*",  # a style sheet within a page is the whole page's; the page has this one's rule
    r" font-family: [^;\"]*;",
    r' transform="rotate\(-?0 [^"]*"',
    r"(?<=[Lz]) (?=\n)|\n(?=[LzC])",
)
_THEMED = {
    INK: "currentColor",
    RULE: "var(--rule)",
    WARNING: "var(--warning)",
    **{colour: f"var(--series-{place})" for place, colour in enumerate(PALETTE, 1)},
}


def _own_ids(text: str, prefix: str) -> str:
    """Ids that something refers to begin with ``prefix``; all others go."""
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda found: f' id="{prefix}-{found[1]}"' if found[1] in used else "", text)
    return re.sub(r'(href="#|url\(#)', lambda found: f"{found[1]}{prefix}-", text)


def _attribute(text: str) -> str:
    return "".join(f"&#{ord(char)};" if char in "&<>\"'" else char for char in text)
