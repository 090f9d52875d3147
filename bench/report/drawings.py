"""What report.html shows beside the tables: the roofline, and the plots and pictures of each model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.errors import InvalidInput, format_count
from bench.plan import catalog
from bench.report import plots, summary, variants
from bench.report.contents import SweepReport
from bench.report.figures import Plot, make_file_stem
from bench.report.pictures import Gallery, SampleImages, draw_gallery, read_samples
from bench.report.plots import Run
from bench.report.roofline import draw_roofline
from bench.report.views import TableView, make_view
from bench.results.folder import ReportFolder
from bench.results.schema import Outcome
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
class Drawings:
    """What the page shows beside the tables."""

    roofline: Plot | None
    models: Sequence[ModelPart]


def draw_report(report: SweepReport) -> Drawings:
    """Draw the roofline and all models."""
    return Drawings(
        roofline=draw_roofline(report.shown_rows), models=[_draw_model(report, name) for name in report.models]
    )


def _draw_model(report: SweepReport, name: str) -> ModelPart:
    of_model = [row for row in report.shown_rows if row.model == name]
    last = {row.case_id: row for row in summary.select_last_rows(of_model)}
    ran = [outcome for outcome in report.outcomes if outcome.case.model == name]
    pictured = [outcome for outcome in ran if outcome.case.repeat == 0 and _has_samples(report.folder, outcome)]
    runs = [Run(outcome, last.get(outcome.case.case_id)) for outcome in ran]
    anchor = f"model-{make_file_stem(name)}"
    return ModelPart(
        anchor=anchor,
        name=name,
        title=summary.name_model(name),
        settings=catalog.read_model_settings().get(name),
        table=make_view(replace(report.models[name], title=name), f"{anchor}-table"),
        plots=plots.draw_model(name, runs),
        galleries=[_collect_gallery(report.folder, outcome, pictured) for outcome in pictured[:MOST_GALLERIES]],
        curves_left_out=plots.count_left_out(runs),
        pictures_left_out=max(0, len(pictured) - MOST_GALLERIES),
    )


def _has_samples(folder: ReportFolder, outcome: Outcome) -> bool:
    """Whether any checkpoint has a file in samples/; a stranger's journal may have names that lead elsewhere."""
    paths = [folder.locate_sample(outcome.case.case_id, checkpoint.epochs) for checkpoint in outcome.checkpoints]
    return any(path.parent == folder.samples and path.is_file() for path in paths)


def _collect_gallery(folder: ReportFolder, outcome: Outcome, pictured: Sequence[Outcome]) -> Gallery:
    case = outcome.case
    found: list[SampleImages] = []
    notes: list[str] = []
    count = len(outcome.checkpoints)
    for place in np.linspace(0, count - 1, min(count, MOST_CHECKPOINTS)).round().astype(int):
        epochs = outcome.checkpoints[place].epochs
        try:
            found.append(read_samples(folder.locate_sample(case.case_id, epochs), epochs))
        except FileNotFoundError:
            notes.append(f"No samples were saved at {format_count(epochs, 'epoch')}.")
        except InvalidInput as error:
            notes.append(f"The samples at {format_count(epochs, 'epoch')} are not drawn: {error}.")
    varying = variants.find_varying([other.case for other in pictured])
    title = ", ".join([f"batch {case.batch_size}", *(str(getattr(case, axis)) for axis in varying)])
    return draw_gallery(title, case.case_id, found, notes)
