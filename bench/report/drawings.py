"""What report.html shows beside the tables: its charts, checkpoints side by side, and the curves of each model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.errors import InvalidInput, format_count
from bench.plan import catalog
from bench.report import plots, summary, variants
from bench.report.charts import draw_charts
from bench.report.contents import SweepReport
from bench.report.figures import Plot, make_file_stem
from bench.report.headline import list_figures, write_answer
from bench.report.pictures import Gallery, Picture, SampleImages, draw_gallery, draw_strip, read_samples
from bench.report.plots import Run
from bench.report.render import Answer
from bench.report.roofline import draw_roofline
from bench.report.tables import NOT_MEASURED, format_loss
from bench.report.views import TableView, make_view
from bench.report.ways import Way, list_ways
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome
from bench.results.schema import ResultRow
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
    figures: str
    """How its first way to train ended, in a few figures."""
    settings: Settings | None
    table: TableView
    plots: list[Plot]
    galleries: list[Gallery]
    curves_left_out: int
    """Lines of the table that have no curve."""
    pictures_left_out: int
    """Cases whose pictures are not shown."""


@dataclass(frozen=True)
class CheckpointCell:
    """What a case was at a checkpoint."""

    total: str
    """From the start of the process to here."""
    bce: str
    picture: Picture | None


@dataclass(frozen=True)
class CheckpointRow:
    """A model and way to train, with the batch size that ended best."""

    label: str
    batch_size: int
    original: Picture | None
    cells: tuple[CheckpointCell | None, ...]
    """One per column; None where the case has no such checkpoint."""


@dataclass(frozen=True)
class CheckpointTable:
    """Checkpoints side by side: a column for each epoch count."""

    epochs: tuple[int, ...]
    rows: tuple[CheckpointRow, ...]


@dataclass(frozen=True)
class Drawings:
    """What the page shows beside the tables."""

    answer: Answer
    checkpoint_table: CheckpointTable | None
    roofline: Plot | None
    models: Sequence[ModelPart]


def draw_report(report: SweepReport) -> Drawings:
    """Draw the charts, the roofline and all models."""
    ways = list_ways(report.outcomes, report.shown_rows)
    firsts = {way.model: way for way in reversed(ways)}
    return Drawings(
        answer=replace(write_answer(report, ways), charts=draw_charts(ways)),
        checkpoint_table=_compare_checkpoints(report, ways),
        roofline=draw_roofline(report.shown_rows),
        models=[_draw_model(report, name, firsts.get(name)) for name in report.models],
    )


def _compare_checkpoints(report: SweepReport, ways: Sequence[Way]) -> CheckpointTable | None:
    """Set the best case of each way at its checkpoints side by side; None where there are no ways."""
    rows = {(row.case_id, row.epochs): row for row in report.shown_rows if row.status == "ok"}
    every = sorted({epochs for way in ways for epochs in way.best.checkpoints})
    epochs = tuple(every[place] for place in _spread_evenly(len(every)))
    if not epochs:
        return None
    found = []
    for way in ways:
        of_case = [rows.get((way.best.case_id, count)) for count in epochs]
        samples = [read_if_there(report.folder, way.best.case_id, row.epochs) if row else None for row in of_case]
        known = [sample for sample in samples if sample]
        cells = [_make_cell(row, sample) for row, sample in zip(of_case, samples, strict=True)]
        original = draw_strip(known[0], is_original=True) if known else None
        found.append(CheckpointRow(way.label, way.best.batch_size, original, tuple(cells)))
    return CheckpointTable(epochs, tuple(found))


def _make_cell(row: ResultRow | None, samples: SampleImages | None) -> CheckpointCell | None:
    if row is None:
        return None
    total = NOT_MEASURED if row.total_s is None else summary.format_time(row.total_s)
    return CheckpointCell(total, format_loss(row.val_bce), draw_strip(samples) if samples else None)


def read_if_there(folder: ReportFolder, case_id: str, epochs: int) -> SampleImages | None:
    """Read the samples of a checkpoint; None where there are none that can be drawn, as the model's gallery says."""
    path = folder.locate_sample(case_id, epochs)
    try:
        return read_samples(path, epochs) if path.parent == folder.samples else None
    except (FileNotFoundError, InvalidInput):
        return None


def _spread_evenly(count: int) -> list[int]:
    """Return the places of at most `MOST_CHECKPOINTS` of so many checkpoints, the first and the last among them."""
    return [int(place) for place in np.linspace(0, count - 1, min(count, MOST_CHECKPOINTS)).round()]


def _draw_model(report: SweepReport, name: str, way: Way | None) -> ModelPart:
    of_model = [row for row in report.shown_rows if row.model == name]
    last = {row.case_id: row for row in summary.select_last_rows(of_model)}
    ran = [outcome for outcome in report.outcomes if outcome.case.model == name]
    pictured = _choose_pictured([outcome for outcome in ran if _has_samples(report.folder, outcome)])
    runs = [Run(outcome, last.get(outcome.case.case_id)) for outcome in ran]
    anchor = f"model-{make_file_stem(name)}"
    return ModelPart(
        anchor=anchor,
        name=name,
        title=summary.name_model(name),
        figures=" · ".join([format_count(way.best.epochs, "epoch"), *list_figures(way.best)]) if way else "",
        settings=catalog.read_model_settings().get(name),
        table=make_view(replace(report.models[name], title=name), f"{anchor}-table"),
        plots=plots.draw_model(name, runs),
        galleries=[_collect_gallery(report.folder, outcome, pictured) for outcome in pictured[:MOST_GALLERIES]],
        curves_left_out=plots.count_left_out(runs),
        pictures_left_out=max(0, len(pictured) - MOST_GALLERIES),
    )


def _choose_pictured(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Choose one process of each case: the first that ended well, or else the first."""
    found: dict[str, Outcome] = {}
    for outcome in sorted(outcomes, key=lambda each: (each.status != "ok", each.case.repeat)):
        found.setdefault(outcome.case.name, outcome)
    return list(found.values())


def _has_samples(folder: ReportFolder, outcome: Outcome) -> bool:
    """Whether any checkpoint has a file in samples/; a stranger's journal may have names that lead elsewhere."""
    paths = [folder.locate_sample(outcome.case.case_id, checkpoint.epochs) for checkpoint in outcome.checkpoints]
    return any(path.parent == folder.samples and path.is_file() for path in paths)


def _collect_gallery(folder: ReportFolder, outcome: Outcome, pictured: Sequence[Outcome]) -> Gallery:
    case = outcome.case
    found: list[SampleImages] = []
    notes: list[str] = []
    for place in _spread_evenly(len(outcome.checkpoints)):
        epochs = outcome.checkpoints[place].epochs
        try:
            found.append(read_samples(folder.locate_sample(case.case_id, epochs), epochs))
        except FileNotFoundError:
            notes.append(f"No samples were saved at {format_count(epochs, 'epoch')}.")
        except InvalidInput as error:
            notes.append(f"The samples at {format_count(epochs, 'epoch')} are not drawn: {error}.")
    varying = variants.find_varying([other.case for other in pictured])
    title = ", ".join([f"batch {case.batch_size}", *variants.name_axes(case, varying)])
    return draw_gallery(title, case.case_id, found, notes)
