"""What report.html shows of a sweep: its tables, and the plots and pictures of each model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.console.table import Table
from bench.errors import InvalidInput, format_count
from bench.plan import catalog
from bench.report import plots, summary, variants
from bench.report.choices import AS_THEY_ARE, Choices
from bench.report.figures import Plot, make_file_stem
from bench.report.files import make_result_rows
from bench.report.pictures import Gallery, SampleImages, draw_gallery, read_samples
from bench.report.plots import Run
from bench.report.published import compare_with_published
from bench.report.roofline import draw_roofline
from bench.report.tables import tabulate_model, tabulate_published, tabulate_thresholds, tabulate_variants
from bench.report.views import TableView, make_view
from bench.results.folder import ReportFolder
from bench.results.schema import Outcome, ResultRow, SweepHeader
from models.contract import Settings

MOST_GALLERIES = 4
"""Cases of one model whose pictures are shown."""
MOST_CHECKPOINTS = 5
"""Checkpoints of one case whose pictures are shown: evenly spread, with the first and the last."""


@dataclass(frozen=True)
class ModelPart:
    """What the page shows of a model."""

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
    """What the page shows; a table may be empty."""

    header: SweepHeader
    outcomes: Sequence[Outcome]
    rows: Sequence[ResultRow]
    notes: Sequence[str]
    overview: Table
    variants: Table
    thresholds: Table
    published: Table
    roofline: Plot | None
    models: Sequence[ModelPart]


def collect_content(
    folder: ReportFolder,
    header: SweepHeader,
    outcomes: Sequence[Outcome],
    notes: Sequence[str],
    choices: Choices = AS_THEY_ARE,
) -> Content:
    """Make all tables and draw all models; ``notes`` are what a reader must know before trusting the tables."""
    rows = make_result_rows(outcomes, header, without_noisy=choices.without_noisy)
    return Content(
        header=header,
        outcomes=outcomes,
        rows=rows,
        notes=notes,
        overview=tabulate_overview(rows),
        variants=tabulate_variants(variants.compare_variants(rows)),
        thresholds=tabulate_thresholds(outcomes, choices.thresholds),
        published=tabulate_published(compare_with_published(rows, catalog.model_settings())),
        roofline=draw_roofline(rows),
        models=[_collect_model(folder, name, outcomes, rows) for name in summary.list_models(rows)],
    )


def tabulate_overview(rows: Sequence[ResultRow]) -> Table:
    """Tabulate every case at its last checkpoint, all models in one table."""
    last = summary.select_last_rows(rows)
    varying = variants.find_varying(last)
    tables = {
        name: tabulate_model(name, [row for row in last if row.model == name], varying)
        for name in summary.list_models(last)
    }
    headers = max((table.headers for table in tables.values()), key=len, default=())
    cells = tuple(
        (name, *line, *[""] * (len(headers) - len(line)))  # a model without remarks has no column of them
        for name, table in tables.items()
        for line in table.rows
    )
    return Table("All models at their last checkpoint", ("model", *headers), cells)


def _collect_model(
    folder: ReportFolder, name: str, outcomes: Sequence[Outcome], rows: Sequence[ResultRow]
) -> ModelPart:
    of_model = [row for row in rows if row.model == name]
    last = {row.case_id: row for row in summary.select_last_rows(of_model)}
    ran = [outcome for outcome in outcomes if outcome.case.model == name]
    pictured = [outcome for outcome in ran if outcome.case.repeat == 0 and _has_samples(folder, outcome)]
    runs = [Run(outcome, last.get(outcome.case.case_id)) for outcome in ran]
    anchor = f"model-{make_file_stem(name)}"
    return ModelPart(
        anchor=anchor,
        name=name,
        title=summary.name_model(name),
        settings=catalog.model_settings().get(name),
        table=make_view(tabulate_model(name, of_model), f"{anchor}-table"),
        plots=plots.draw_model(name, runs),
        galleries=[_collect_gallery(folder, outcome, pictured) for outcome in pictured[:MOST_GALLERIES]],
        curves_left_out=plots.count_left_out(runs),
        pictures_left_out=max(0, len(pictured) - MOST_GALLERIES),
    )


def _has_samples(folder: ReportFolder, outcome: Outcome) -> bool:
    """Whether any checkpoint has a file in samples/; a stranger's journal may have names that lead elsewhere."""
    paths = [folder.sample(outcome.case.case_id, checkpoint.epochs) for checkpoint in outcome.checkpoints]
    return any(path.parent == folder.samples and path.is_file() for path in paths)


def _collect_gallery(folder: ReportFolder, outcome: Outcome, pictured: Sequence[Outcome]) -> Gallery:
    case = outcome.case
    found: list[SampleImages] = []
    notes: list[str] = []
    count = len(outcome.checkpoints)
    for place in np.linspace(0, count - 1, min(count, MOST_CHECKPOINTS)).round().astype(int):
        epochs = outcome.checkpoints[place].epochs
        try:
            found.append(read_samples(folder.sample(case.case_id, epochs), epochs))
        except FileNotFoundError:
            notes.append(f"No samples were saved at {format_count(epochs, 'epoch')}.")
        except InvalidInput as error:
            notes.append(f"The samples at {format_count(epochs, 'epoch')} are not drawn: {error}.")
    varying = variants.find_varying([other.case for other in pictured])
    title = ", ".join([f"batch {case.batch_size}", *(str(getattr(case, axis)) for axis in varying)])
    return draw_gallery(title, case.case_id, found, notes)
