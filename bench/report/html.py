"""report.html: everything of a sweep on one page that needs nothing else, neither a network nor another file.

The page is a list of sections, each a function of `SECTIONS` that gives a template and what it shows; a new section is
a function here and a template beside the others.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from bench import blog, catalog, variants
from bench.folder import ReportFolder, write_whole
from bench.record import Outcome, ResultRow, SweepHeader
from bench.report import plots, summary
from bench.report.choices import AS_THEY_ARE, Choices
from bench.report.files import result_rows
from bench.report.pictures import Drawing, Gallery, Image, Samples, gallery, read_samples
from bench.report.plots import Plot, Run, file_stem
from bench.report.roofs import roof_plot
from bench.report.tables import Table, blog_table, model_table, quality_table, variants_table
from models.contract import Settings

_TEMPLATES = Path(__file__).parent / "templates"
MOST_GALLERIES = 4
"""Cases of one model whose pictures are shown."""
MOST_MARKS = 5
"""Marks of one case whose pictures are shown."""
_FILTERED_FROM = 5
"""Rows from which a table can be filtered."""
_NOT_MEASURED = "–"


# ------------------------------------------------------------------------------ tables


@dataclass(frozen=True)
class Column:
    """A table's column as the page shows it."""

    label: str
    unit: str
    hint: str
    """How its numbers were taken; empty where its label says all."""
    is_text: bool


@dataclass(frozen=True)
class Cell:
    """Text, and what it is sorted by: a number, itself if None, or the end of the table if empty."""

    text: str
    sort: str | None


@dataclass(frozen=True)
class TableView:
    """A table that sorts and, where it is long enough, filters."""

    anchor: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...]
    filtered: bool


_COLUMNS = {
    "batch": "batch_size",
    "s/epoch": "epoch_s_median",
    "95 %": "epoch_s_ci_low",
    "first": "first_epoch_s",
    "train": "train_loss",
    "val": "val_loss",
    "bce": "val_bce",
    "MiB": "peak_rss_mib",
    "dead": "dead_units",
    "GFLOP/s": "gflop_per_s",
    "share": "peak_share",
}
"""The row's column behind a table's heading, where it has another name."""
_HINTS = {
    "95 %": ("s", "that median's 95 % interval, from six epochs on; over several processes, theirs or their range"),
    "dead": ("of all units", "code units that stay at zero for every validation digit, of all code units"),
    "remarks": ("", "flagged: epochs disturbed by others; not steady: times after the warm-up with a trend"),
    "trained by": ("", "loop, with backend and precision where they are not TensorFlow and float32"),
    "× fit": ("", "times as fast as `fit`: above one is faster"),
    "of fit": ("", "peak resident memory as a share of that of `fit`"),
    "published": ("", "what the blog or a reader of it printed"),
    "ours": ("", "the same figure here: measured, or projected where the last column says so"),
    "ratio": ("ours to published", "below one: ours is smaller"),
    "ours is": ("", "projected: the median time of a step here, times the steps of that run; only time is projected"),
}
_UNTIL = "epochs, and training seconds with compilation, until the bce of the validation digits was that low"


def view(table: Table, anchor: str) -> TableView:
    """A table of `bench.report.tables` for the page."""
    columns = [
        _column(header, is_text=place < table.labels or not _is_numeric(header, [row[place] for row in table.rows]))
        for place, header in enumerate(table.headers)
    ]
    rows = tuple(
        tuple(
            Cell(text, None if column.is_text else _sort_key(text)) for text, column in zip(row, columns, strict=True)
        )
        for row in table.rows
    )
    return TableView(anchor, table.title, tuple(columns), rows, table.notes, len(rows) >= _FILTERED_FROM)


def _is_numeric(header: str, cells: Sequence[str]) -> bool:
    """Whether a column holds numbers; one of figures that were not measured would hold some."""
    field = ResultRow.model_fields.get(_COLUMNS.get(header, header))
    return any(map(_sort_key, cells)) or (field is not None and field.annotation in _NUMERIC)


_NUMERIC: tuple[Any, ...] = (int, float, int | None, float | None)


def _column(header: str, *, is_text: bool) -> Column:
    if header in _HINTS or header.startswith("≤"):
        unit, hint = _HINTS.get(header, ("epochs, s", _UNTIL))
        return Column(header, unit, hint, is_text)
    field = ResultRow.model_fields.get(_COLUMNS.get(header, header))
    extra = field.json_schema_extra if field else None
    if field is None or not isinstance(extra, dict):
        return Column(header, "", "", is_text)
    empty = f"; {_NOT_MEASURED}: {extra['empty']}" if extra["empty"] else ""
    unit = str(extra["unit"])
    told = unit in {header, *re.split(r"\W", header)}
    return Column(header, "" if told else unit, f"{field.description}{empty}", is_text)


_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
_DURATION = re.compile(r"(?:(\d+) h )?(?:(\d+) min )?(\d+) (s|min)")


def _sort_key(text: str) -> str:
    """The number that a cell begins with, durations in seconds; empty where it begins with none."""
    if duration := _DURATION.fullmatch(text):
        hours, minutes, last, unit = duration.groups()
        return str(3600 * int(hours or 0) + 60 * int(minutes or 0) + int(last) * (60 if unit == "min" else 1))
    found = _NUMBER.match(text)
    return found[0].replace(",", "") if found else ""


def overview(rows: Sequence[ResultRow]) -> Table:
    """Every case at its last mark, all models in one table."""
    lines: list[dict[str, str]] = []
    for name in summary.models(rows):
        of_model = [row for row in summary.last_rows(rows) if row.model == name]
        table = model_table(name, of_model)
        same = {axis: str(getattr(of_model[0], axis)) for axis in _AXES} if of_model else {}
        lines += [{"model": name, **same, **dict(zip(table.headers, line, strict=True))} for line in table.rows]
    varying = [axis for axis in _AXES if len({line[axis] for line in lines}) > 1]
    named = dict.fromkeys(header for line in lines for header in line if header not in _AXES)
    headers = list(named)
    headers[3:3] = varying
    cells = tuple(tuple(line.get(header, "") for header in headers) for line in lines)
    return Table("All models at their last mark", tuple(headers), cells)


_AXES = ("backend", "loop", "precision")


# ------------------------------------------------------------------------------ content


@dataclass(frozen=True)
class ModelPart:
    """All that the page shows of a model."""

    anchor: str
    name: str
    title: str
    settings: Settings | None
    table: TableView
    plots: list[Plot]
    galleries: list[Gallery]
    curves_left_out: int
    """Lines of the table that have no curve."""
    pictures_left_out: int
    """Cases whose pictures are not shown."""


@dataclass(frozen=True)
class Content:
    """All that the page shows."""

    header: SweepHeader
    outcomes: Sequence[Outcome]
    rows: Sequence[ResultRow]
    notes: Sequence[str]
    models: Sequence[ModelPart]
    choices: Choices = AS_THEY_ARE
    roof: Plot | None = None


def content(
    folder: ReportFolder,
    header: SweepHeader,
    outcomes: Sequence[Outcome],
    notes: Sequence[str],
    choices: Choices = AS_THEY_ARE,
) -> Content:
    """Draw every model; ``notes`` are what a reader must know before trusting the tables."""
    rows = result_rows(outcomes, header, without_flagged=choices.without_flagged)
    parts = [_model_part(folder, name, outcomes, rows) for name in summary.models(rows)]
    return Content(header, outcomes, rows, notes, parts, choices, roof_plot(rows))


def _model_part(folder: ReportFolder, name: str, outcomes: Sequence[Outcome], rows: Sequence[ResultRow]) -> ModelPart:
    of_model = [row for row in rows if row.model == name]
    last = {row.case_id: row for row in summary.last_rows(of_model)}
    ran = [outcome for outcome in outcomes if outcome.case.model == name]
    pictured = [outcome for outcome in ran if outcome.case.repeat == 0 and _has_samples(folder, outcome)]
    runs = [Run(outcome, last.get(outcome.case.case_id)) for outcome in ran]
    anchor = f"model-{file_stem(name)}"
    return ModelPart(
        anchor=anchor,
        name=name,
        title=summary.model_title(name),
        settings=catalog.model_settings().get(name),
        table=view(model_table(name, of_model), f"{anchor}-table"),
        plots=plots.model_plots(name, runs),
        galleries=[_gallery(folder, outcome, pictured) for outcome in pictured[:MOST_GALLERIES]],
        curves_left_out=plots.left_out(runs),
        pictures_left_out=max(0, len(pictured) - MOST_GALLERIES),
    )


def _has_samples(folder: ReportFolder, outcome: Outcome) -> bool:
    """Whether there is a file for any mark; one that a name of a strange journal points to elsewhere does not count."""
    paths = [folder.sample(outcome.case.case_id, mark.epochs) for mark in outcome.marks]
    return any(path.parent == folder.samples and path.is_file() for path in paths)


def _gallery(folder: ReportFolder, outcome: Outcome, pictured: Sequence[Outcome]) -> Gallery:
    case = outcome.case
    found: list[Samples] = []
    notes: list[str] = []
    for epochs in _spread([mark.epochs for mark in outcome.marks]):
        try:
            found.append(read_samples(folder.sample(case.case_id, epochs), epochs))
        except FileNotFoundError:
            notes.append(f"No samples were saved at {epochs} epochs.")
        except ValueError as error:
            notes.append(f"The samples at {epochs} epochs are not drawn: {error}.")
    varying = [axis for axis in _AXES if len({getattr(other.case, axis) for other in pictured}) > 1]
    title = ", ".join([f"batch {case.batch_size}", *(str(getattr(case, axis)) for axis in varying)])
    return gallery(title, case.case_id, found, notes)


def _spread(marks: Sequence[int]) -> list[int]:
    """At most so many of them, the first and the last among them."""
    if len(marks) <= MOST_MARKS:
        return list(marks)
    return [marks[round(place * (len(marks) - 1) / (MOST_MARKS - 1))] for place in range(MOST_MARKS)]


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


def _overview(shown: Content) -> Section | None:
    table = overview(shown.rows)
    return Section("overview", table.title, "overview.html.j2", view(table, "overview-table")) if table.rows else None


def _ways(shown: Content) -> Section | None:
    entries = variants.side_by_side(shown.rows)
    if not entries:
        return None
    table = variants_table(entries)
    return Section("ways", table.title, "overview.html.j2", view(table, "ways-table"))


def _roof(shown: Content) -> Section | None:
    return Section("roof", shown.roof.title, "plot.html.j2", shown.roof) if shown.roof else None


def _quality(shown: Content) -> Section | None:
    table = quality_table(shown.outcomes, shown.choices.thresholds)
    return Section("quality", table.title, "overview.html.j2", view(table, "quality-table")) if table.rows else None


def _models(shown: Content) -> Section | None:
    under = [(part.anchor, part.name) for part in shown.models]
    return Section("models", "Model by model", "models.html.j2", shown.models, under) if under else None


def _published(shown: Content) -> Section | None:
    comparisons = blog.comparisons(shown.rows, catalog.model_settings())
    if not comparisons:
        return None
    table = blog_table(comparisons)
    return Section("published", table.title, "overview.html.j2", view(table, "published-table"))


def _reading(shown: Content) -> Section | None:
    columns: dict[str, Column] = {}
    ways = view(variants_table(variants.side_by_side(shown.rows)), "")
    for table in [
        view(overview(shown.rows), ""),
        *(part.table for part in shown.models),
        *([ways] if ways.rows else []),
    ]:
        columns |= {column.label: column for column in table.columns if column.hint}
    return Section("reading", "How to read this", "reading.html.j2", list(columns.values()))


def _machine(shown: Content) -> Section:
    fields = {"machine_id": shown.header.machine_id, **shown.header.fingerprint.model_dump()}
    rows = tuple((name, str(value)) for name, value in fields.items() if value is not None)
    table = Table("The machine", ("field", "value"), rows, labels=2)
    return Section("machine", table.title, "overview.html.j2", view(table, "machine-table"))


SECTIONS: tuple[Callable[[Content], Section | None], ...] = (
    _summary,
    _failures,
    _overview,
    _ways,
    _roof,
    _quality,
    _models,
    _published,
    _reading,
    _machine,
)
"""The page from top to bottom; a section that has nothing to show is left out."""


# ------------------------------------------------------------------------------ the page


def document(shown: Content) -> str:
    """The text of report.html."""
    sections = [section for make in SECTIONS if (section := make(shown)) is not None]
    script = (_TEMPLATES / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=f"Autoencoders on {summary.machine_name(shown.header.fingerprint)}",
            sections=sections,
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
    environment.filters["svg"] = Markup  # drawn by `bench.report.plots`, whose words are escaped by matplotlib
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
    for name, png in _files(shown):
        folder.plots.mkdir(exist_ok=True)
        (folder.plots / f"{name}.png").write_bytes(png)


def _files(shown: Content) -> list[tuple[str, bytes]]:
    """Names and bytes of what goes into plots/."""
    found = [(plot.name, plot.png) for part in shown.models for plot in part.plots]
    found += [(shown.roof.name, shown.roof.png)] if shown.roof else []
    for each in (each for part in shown.models for each in part.galleries):
        pictures: dict[str, Sequence[Image | Drawing]]
        pictures = {"digits": each.digits, "codes": each.maps, "plane": each.planes, "grid": each.grids}
        found += [
            (f"{each.name}-{kind}-{file_stem(picture.label)}", picture.png)
            for kind, drawn in pictures.items()
            for picture in drawn
        ]
    return found
