"""HTML from the templates in this folder: one Jinja environment and one frame for all pages."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from bench.errors import format_count

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Section:
    """A part of a page that the navigation leads to."""

    anchor: str
    title: str
    template: str
    data: Any
    """What its template shows; a section without data is left out."""
    parts: Sequence[tuple[str, str]] = ()
    """Anchors and titles of its parts."""
    is_folded: bool = False
    """Whether a reader has to open it: for what few look up."""


@dataclass(frozen=True)
class Card:
    """A figure that is large on the page, with what it is of."""

    label: str
    figure: str
    words: str
    remark: str = ""


@dataclass(frozen=True)
class Answer:
    """What a page opens with."""

    headline: Sequence[str]
    """One sentence in pieces: every second one, from the second on, is a figure and stands out."""
    details: str = ""
    """What the sentence holds for."""
    cards: Sequence[Card] = ()
    charts: Sequence[Any] = ()
    """Figures with a title, a caption and an svg, the widest first."""
    sentences: Sequence[str] = ()


def render_page(title: str, sections: Iterable[Section], footer: str) -> str:
    """Render a page that needs nothing else; all text in it is escaped, and what lacks is an error.

    Words of ``footer`` between backticks are shown as code.
    """
    script = _read_asset("page.js")
    template = _get_environment().get_template("page.html.j2")
    return template.render(
        title=title,
        sections=[section for section in sections if section.data],
        footer=footer,
        style=_read_asset("page.css"),
        script=script,
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _read_asset(name: str) -> Markup:
    """Read a style sheet or a script of ours, to be put into a page as it is."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704 - ours


def format_code_spans(text: str) -> Markup:
    """Escape a text and show its `words` between backticks as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
    )


@cache
def _get_environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["format_count"] = format_count
    environment.filters["prose"] = format_code_spans
    environment.filters["svg"] = Markup  # drawn by `bench.report.figures`, whose words are escaped by matplotlib
    return environment
