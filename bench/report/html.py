"""report.html: everything of a sweep on one page that needs nothing else, neither a network nor another file.

The page is a list of sections, each a template and what it shows: a new one is a line of `_sections`.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from bench.console.table import Table
from bench.report import summary
from bench.report.choices import AS_THEY_ARE, Choices
from bench.report.contents import Content, ModelPart, content
from bench.report.figures import Plot, file_stem
from bench.report.views import TableView, view
from bench.results.folder import ReportFolder, write_whole
from bench.results.schema import Outcome, SweepHeader

_TEMPLATES = Path(__file__).parent / "templates"

# ------------------------------------------------------------------------------ sections


@dataclass(frozen=True)
class Section:
    """A part of the page that the navigation leads to."""

    anchor: str
    title: str
    template: str
    data: Any
    under: Sequence[tuple[str, str]] = ()
    """Anchors and titles of its parts."""


def _summary(shown: Content) -> Section:
    data = {
        "sentences": summary.sentences(shown.header, shown.outcomes, shown.rows),
        "software": summary.software(shown.header),
        "content": shown,
    }
    return Section("summary", "Summary", "summary.html.j2", data)


def _failures(shown: Content) -> Section | None:
    failed = [outcome for outcome in shown.outcomes if outcome.status != "ok"]
    return Section("failures", "Cases that failed", "failures.html.j2", failed) if failed else None


def _table(anchor: str, table: TableView | None) -> Section | None:
    return Section(anchor, table.title, "table.html.j2", table) if table else None


def _plot(anchor: str, plot: Plot | None) -> Section | None:
    return Section(anchor, plot.title, "plot.html.j2", plot) if plot else None


def _models(shown: Content) -> Section | None:
    under = [(part.anchor, part.name) for part in shown.models]
    return Section("models", "Model by model", "models.html.j2", shown.models, under) if under else None


def _reading(shown: Content) -> Section:
    tables = [shown.overview, *(part.table for part in shown.models), shown.ways]
    columns = {column.label: column for table in tables if table for column in table.columns if column.hint}
    return Section("reading", "How to read this", "reading.html.j2", list(columns.values()))


def _machine(shown: Content) -> Section | None:
    rows = tuple(summary.machine(shown.header).items())
    return _table("machine", view(Table("The machine", ("field", "value"), rows, labels=2), "machine-table"))


def _sections(shown: Content) -> list[Section]:
    """The page from top to bottom; a section that has nothing to show is left out."""
    sections = (
        _summary(shown),
        _failures(shown),
        _table("overview", shown.overview),
        _table("ways", shown.ways),
        _plot("peaks", shown.peaks),
        _table("quality", shown.quality),
        _models(shown),
        _table("published", shown.published),
        _reading(shown),
        _machine(shown),
    )
    return [section for section in sections if section is not None]


# ------------------------------------------------------------------------------ the page


def document(shown: Content) -> str:
    """The text of report.html."""
    script = (_TEMPLATES / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=f"Autoencoders on {summary.machine_name(shown.header.fingerprint)}",
            sections=_sections(shown),
            style=Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - ours
            script=Markup(script),  # noqa: S704 - ours
            script_digest=digest,
        )
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["svg"] = Markup  # drawn by `bench.report.figures`, whose words are escaped by matplotlib
    environment.filters["prose"] = _prose
    return environment


def _prose(text: str) -> Markup:
    """Text whose `words` between backticks are code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
    )


def write_page(
    folder: ReportFolder,
    header: SweepHeader,
    outcomes: Sequence[Outcome],
    notes: Sequence[str],
    choices: Choices = AS_THEY_ARE,
) -> None:
    """Write report.html, and its curves and pictures once more as files of their own."""
    shown = content(folder, header, outcomes, notes, choices)
    write_whole(folder.page, document(shown))
    files = _files(shown)
    folder.plots.mkdir(exist_ok=True)
    for name, png in files.items():
        (folder.plots / name).write_bytes(png)
    own = _own_names(shown)
    for path in folder.plots.iterdir():
        if path.name not in files and own.fullmatch(path.name):
            path.unlink()


def _files(shown: Content) -> dict[str, bytes]:
    """What goes into plots/, by its name."""
    found = {plot.name: plot.png for part in shown.models for plot in part.plots}
    found |= {shown.peaks.name: shown.peaks.png} if shown.peaks else {}
    for part in shown.models:
        for stem, each in zip(_stems(part), part.galleries, strict=True):
            found |= {f"{stem}-{ending}": png for ending, png in each.files.items()}
    return {f"{name}.png": png for name, png in found.items()}


def _stems(part: ModelPart) -> list[str]:
    """What the names of a model's pictures begin with, a gallery each: "basic-b256", "basic-b256-xla"."""
    titles = (each.title.replace("batch ", "b").replace(", ", "-") for each in part.galleries)
    short = [file_stem(f"{part.name}-{title}") for title in titles]
    return short if len(set(short)) == len(short) else [each.name for each in part.galleries]


def _own_names(shown: Content) -> re.Pattern[str]:
    """What `_files` may ever call a file of this sweep: what was drawn before and is no more must not stay."""
    cases = [*shown.header.cases, *(outcome.case for outcome in shown.outcomes)]
    models = "|".join({re.escape(file_stem(case.model)) for case in cases})
    return re.compile(rf"(peaks|({models})-(loss|time|memory|[A-Za-z0-9_-]+-e\d+(-plane|-grid)?))\.png")
