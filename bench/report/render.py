"""HTML from the templates in this folder: one Jinja environment for all pages."""

from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

TEMPLATES = Path(__file__).parent / "templates"


def render_template(name: str, **values: Any) -> str:
    """Render a template; text in ``values`` is escaped unless it is Markup, and a value that lacks is an error."""
    return _get_environment().get_template(name).render(**values)


def read_asset(name: str) -> Markup:
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
    environment.filters["prose"] = format_code_spans
    environment.filters["svg"] = Markup  # drawn by `bench.report.figures`, whose words are escaped by matplotlib
    return environment
