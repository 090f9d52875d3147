"""report.html: everything about a sweep on one page that needs nothing else, neither a network nor another file.

The page is a list of sections, each a template and what it shows: a new section is an entry in `_list_sections`.
"""

import re
from dataclasses import replace

from bench.console.table import Table
from bench.report import summary
from bench.report.charts import NAMES as CHARTS
from bench.report.contents import SweepReport
from bench.report.drawings import Drawings, ModelPart, draw_report
from bench.report.figures import make_file_stem
from bench.report.render import Section, render_page
from bench.report.views import READING, list_columns, list_explained, make_view
from bench.results.folder import write_whole


def _list_sections(report: SweepReport, drawings: Drawings) -> list[Section]:
    """List the sections of the page from top to bottom: the answer, then what is behind it."""
    models = [(part.anchor, part.name) for part in drawings.models]
    every = (report.overview, report.variants, report.reached, report.published)
    tables = [table for table in every if not table.is_empty]
    columns = list_explained([*map(list_columns, tables), *(part.table.columns for part in drawings.models)])
    return [
        Section("answer", "Answer", "answer.html.j2", drawings.answer),
        Section("failures", "Cases that failed", "failures.html.j2", report.failed),
        Section("checkpoints", "Checkpoints side by side", "checkpoints.html.j2", drawings.checkpoint_table),
        _make_table_section("overview", report.overview),
        Section("advice", "What to change in a script", "notes.html.j2", report.advice_sentences),
        _make_table_section("variants", report.variants),
        _make_table_section("thresholds", report.reached),
        Section("models", "Model by model", "models.html.j2", drawings.models, models),
        _make_table_section("published", report.published),
        Section("notes", "Notes", "notes.html.j2", [*report.notes, *report.remarks]),
        Section("roofline", "Roofline", "plot.html.j2", drawings.roofline, is_folded=True),
        Section("sweep", "What was measured", "facts.html.j2", summary.list_facts(report.header, report.outcomes)),
        Section(
            "reading", "How to read this", "reading.html.j2", {"columns": columns, "sentences": READING}, is_folded=True
        ),
        replace(_make_table_section("machine", report.machine), is_folded=True),
    ]


def _make_table_section(anchor: str, table: Table) -> Section:
    data = None if table.is_empty else make_view(table, f"{anchor}-table")
    return Section(anchor, table.title, "table.html.j2", data)


def format_html(report: SweepReport, drawings: Drawings) -> str:
    """Return the text of report.html."""
    return render_page(
        f"Autoencoders on {summary.name_machine(report.header.fingerprint)}",
        _list_sections(report, drawings),
        "Written by aebench from the journal of the sweep; `aebench report DIR` writes it again.",
    )


def write_page(report: SweepReport) -> None:
    """Write report.html, and its plots and pictures as files of their own."""
    folder, drawings = report.folder, draw_report(report)
    write_whole(folder.page, format_html(report, drawings))
    files = _list_files(drawings)
    folder.plots.mkdir(exist_ok=True)
    for name, png in files.items():
        (folder.plots / name).write_bytes(png)
    ours = _match_our_names(report)
    for path in folder.plots.iterdir():
        if path.name not in files and ours.fullmatch(path.name):
            path.unlink()


def _list_files(drawings: Drawings) -> dict[str, bytes]:
    """List the contents of plots/ by their names."""
    found = {plot.name: plot.png for part in drawings.models for plot in part.plots}
    found |= {plot.name: plot.png for plot in (*drawings.answer.charts, drawings.roofline) if plot}
    for part in drawings.models:
        for stem, gallery in zip(_name_galleries(part), part.galleries, strict=True):
            found |= {f"{stem}-{ending}": png for ending, png in gallery.files.items()}
    return {f"{name}.png": png for name, png in found.items()}


def _name_galleries(part: ModelPart) -> list[str]:
    """Name the files of a model's galleries: "basic-b256", "basic-b256-xla"."""
    titles = (gallery.title.replace("batch ", "b").replace(", ", "-") for gallery in part.galleries)
    short = [make_file_stem(f"{part.name}-{title}") for title in titles]
    return short if len(set(short)) == len(short) else [gallery.name for gallery in part.galleries]


def _match_our_names(report: SweepReport) -> re.Pattern[str]:
    """Match all names that `_list_files` can give to files of this sweep: those left over from before are deleted."""
    cases = [*report.header.cases, *(outcome.case for outcome in report.outcomes)]
    models = "|".join({re.escape(make_file_stem(case.model)) for case in cases})
    return re.compile(
        rf"(roofline|{'|'.join(CHARTS)}|({models})-(loss|time|memory|[A-Za-z0-9_-]+-e\d+(-plane|-grid)?))\.png"
    )
