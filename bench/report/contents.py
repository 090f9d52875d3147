"""What the page shows of a sweep: its tables, each model's curves and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.console.table import Table
from bench.errors import InvalidInput
from bench.plan import catalog
from bench.report import plots, summary, variants
from bench.report.choices import AS_THEY_ARE, Choices
from bench.report.figures import Plot, file_stem
from bench.report.files import result_rows
from bench.report.pictures import Gallery, SampleImages, gallery, read_samples
from bench.report.plots import Run
from bench.report.published import comparisons
from bench.report.roofline import draw_roofline
from bench.report.tables import blog_table, model_table, quality_table, variants_table
from bench.report.views import TableView, view
from bench.results.folder import ReportFolder
from bench.results.schema import Outcome, ResultRow, SweepHeader
from models.contract import Settings

MOST_GALLERIES = 4
"""Cases of one model whose pictures are shown."""
MOST_CHECKPOINTS = 5
"""Checkpoints of one case whose pictures are shown."""


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
    """All that the page shows; a part without anything to tell is None or empty."""

    header: SweepHeader
    outcomes: Sequence[Outcome]
    rows: Sequence[ResultRow]
    notes: Sequence[str]
    overview: TableView | None
    ways: TableView | None
    peaks: Plot | None
    quality: TableView | None
    models: Sequence[ModelPart]
    published: TableView | None


def content(
    folder: ReportFolder,
    header: SweepHeader,
    outcomes: Sequence[Outcome],
    notes: Sequence[str],
    choices: Choices = AS_THEY_ARE,
) -> Content:
    """Draw every model; ``notes`` are what a reader must know before trusting the tables."""
    rows = result_rows(outcomes, header, without_noisy=choices.without_noisy)
    return Content(
        header=header,
        outcomes=outcomes,
        rows=rows,
        notes=notes,
        overview=_view(overview(rows), "overview"),
        ways=_view(variants_table(variants.side_by_side(rows)), "ways"),
        peaks=draw_roofline(rows),
        quality=_view(quality_table(outcomes, choices.thresholds), "quality"),
        models=[_model_part(folder, name, outcomes, rows) for name in summary.models(rows)],
        published=_view(blog_table(comparisons(rows, catalog.model_settings())), "published"),
    )


def _view(table: Table, section: str) -> TableView | None:
    return None if table.is_empty else view(table, f"{section}-table")


def overview(rows: Sequence[ResultRow]) -> Table:
    """Every case at its last checkpoint, all models in one table."""
    last = summary.last_rows(rows)
    varying = variants.varying(last)
    tables = {
        name: model_table(name, [row for row in last if row.model == name], varying) for name in summary.models(last)
    }
    headers = max((table.headers for table in tables.values()), key=len, default=())
    cells = tuple(
        (name, *line, *[""] * (len(headers) - len(line)))  # a model without remarks has no column of them
        for name, table in tables.items()
        for line in table.rows
    )
    return Table("All models at their last checkpoint", ("model", *headers), cells)


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
    """Whether there is a file for any checkpoint; one that a name of a strange journal points to elsewhere does not count."""
    paths = [folder.sample(outcome.case.case_id, checkpoint.epochs) for checkpoint in outcome.checkpoints]
    return any(path.parent == folder.samples and path.is_file() for path in paths)


def _gallery(folder: ReportFolder, outcome: Outcome, pictured: Sequence[Outcome]) -> Gallery:
    case = outcome.case
    found: list[SampleImages] = []
    notes: list[str] = []
    for epochs in _spread([checkpoint.epochs for checkpoint in outcome.checkpoints]):
        try:
            found.append(read_samples(folder.sample(case.case_id, epochs), epochs))
        except FileNotFoundError:
            notes.append(f"No samples were saved at {epochs} epochs.")
        except InvalidInput as error:
            notes.append(f"The samples at {epochs} epochs are not drawn: {error}.")
    varying = variants.varying([other.case for other in pictured])
    title = ", ".join([f"batch {case.batch_size}", *(str(getattr(case, axis)) for axis in varying)])
    return gallery(title, case.case_id, found, notes)


def _spread(checkpoints: Sequence[int]) -> list[int]:
    """At most so many of them, the first and the last among them."""
    if len(checkpoints) <= MOST_CHECKPOINTS:
        return list(checkpoints)
    return [
        checkpoints[round(place * (len(checkpoints) - 1) / (MOST_CHECKPOINTS - 1))] for place in range(MOST_CHECKPOINTS)
    ]
