"""What the page shows of a sweep: which tables, which pictures, and what is left out."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scripted

from bench.report.contents import SweepReport
from bench.report.drawings import Drawings, ModelPart, draw_report
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome
from bench.worker.protocol import PeaksEvent

pytestmark = pytest.mark.usefixtures("undrawn")


def drawn(*ended: Outcome, root: Path = Path("nowhere")) -> Drawings:
    return draw_report(SweepReport(ReportFolder(root), scripted.header(), ended))


def test_the_roofline_is_drawn_where_peaks_were_measured() -> None:
    setup = dataclasses.replace(scripted.SETUP, forward_flops=1e6, training_flops=2.5e6, step_bytes=1e6)
    peaks = PeaksEvent(gflop_per_s=100.0, gb_per_s=20.0, dispatch_s=0.001)
    found = drawn(scripted.outcome(setup=setup, peaks=peaks)).roofline
    assert found is not None
    assert "100 GFLOP/s, 20 GB/s" in found.svg
    assert drawn(scripted.outcome()).roofline is None


# ------------------------------------------------------------------------------ pictures


def save(folder: ReportFolder, outcome: Outcome, *checkpoints: int, **changes: Any) -> None:
    """Three images of four by four pixels at each of the checkpoints."""
    folder.samples.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((3, 4, 4), np.uint8)
    fields: dict[str, Any] = {"labels": np.zeros(3, np.uint8), "input": pixels, "target": pixels, "output": pixels}
    for epochs in checkpoints:
        np.savez(folder.locate_sample(outcome.case.case_id, epochs), **fields | changes)


def only(shown: Drawings) -> ModelPart:
    (model,) = shown.models
    return model


def test_a_broken_or_missing_file_is_a_note_beside_the_other_pictures(folder: ReportFolder) -> None:
    outcome = scripted.outcome(scripted.case(checkpoints=(1, 2, 3)))
    save(folder, outcome, 1)
    folder.locate_sample(outcome.case.case_id, 3).write_bytes(b"PK nonsense")
    (gallery,) = only(drawn(outcome, root=folder.root)).galleries
    assert len(gallery.images) == 2
    assert gallery.notes == [
        "No samples were saved at 2 epochs.",
        "The samples at 3 epochs are not drawn: the archive is cut off or damaged; fetch or save it again.",
    ]


def test_a_name_that_leads_out_of_the_folder_is_not_followed(folder: ReportFolder) -> None:
    outcome = scripted.outcome(scripted.strange_case(model="../elsewhere/basic"))
    elsewhere = folder.locate_sample(outcome.case.case_id, 3).parent
    elsewhere.mkdir(parents=True)
    save(folder, outcome, 1, 3)
    assert only(drawn(outcome, root=folder.root)).galleries == []


def test_of_many_cases_and_checkpoints_only_some_are_shown(folder: ReportFolder) -> None:
    ended = [scripted.outcome(scripted.case(batch_size=size, checkpoints=tuple(range(1, 10)))) for size in range(1, 7)]
    for outcome in ended:
        save(folder, outcome, *outcome.case.checkpoints)
    shown = only(drawn(*ended, root=folder.root))
    assert [gallery.title for gallery in shown.galleries] == ["batch 1", "batch 2", "batch 3", "batch 4"]
    assert [image.label for image in shown.galleries[0].images] == [
        "original", "1 epoch", "3 epochs", "5 epochs", "7 epochs", "9 epochs",
    ]  # fmt: skip
    assert shown.pictures_left_out == 2


def test_one_process_of_several_is_pictured(folder: ReportFolder) -> None:
    ended = [scripted.outcome(scripted.case(repeat=repeat)) for repeat in (0, 1)]
    for outcome in ended:
        save(folder, outcome, 4)
    assert len(only(drawn(*ended, root=folder.root)).galleries) == 1


# ------------------------------------------------------------------------------ side by side


def test_the_case_that_ended_best_is_shown_at_each_checkpoint(folder: ReportFolder) -> None:
    worse = scripted.outcome()
    better = tuple(scripted.evaluation(epochs, val_bce=0.01) for epochs in (1, 4))
    best = scripted.outcome(scripted.case(batch_size=8), evaluations=better)
    save(folder, best, 1, 4, labels=np.arange(3, dtype=np.uint8))
    found = drawn(worse, best, root=folder.root).checkpoint_table
    assert found is not None
    assert found.epochs == (1, 4)
    (row,) = found.rows
    assert (row.label, row.batch_size) == ("basic", 8)
    assert [(cell.total, cell.bce) for cell in row.cells if cell] == [("11.0 s", "0.0100"), ("14.0 s", "0.0100")]
    pictures = [row.original, *(cell.picture for cell in row.cells if cell)]
    assert [picture.alt for picture in pictures if picture] == [
        "images of classes 0, 1, 2",
        "images of classes 0, 1, 2, rebuilt after 1 epoch",
        "images of classes 0, 1, 2, rebuilt after 4 epochs",
    ]


def test_where_the_first_process_failed_the_one_that_ended_well_is_shown(folder: ReportFolder) -> None:
    killed, well = scripted.outcome(reached=2), scripted.outcome(scripted.case(repeat=1))
    save(folder, killed, 1)
    save(folder, well, 1, 4)
    found = drawn(killed, well, root=folder.root)
    assert found.checkpoint_table is not None
    (row,) = found.checkpoint_table.rows
    assert [cell is not None and cell.picture is not None for cell in row.cells] == [True, True]
    (gallery,) = only(found).galleries
    assert len(gallery.images) == 3, "the original, and two checkpoints"


def test_a_checkpoint_that_a_model_does_not_have_or_reach_is_empty() -> None:
    long = scripted.outcome(scripted.case(model="deep", checkpoints=(1, 4, 8)), reached=4)
    found = drawn(scripted.outcome(), long).checkpoint_table
    assert found is not None
    assert found.epochs == (1, 4, 8)
    assert [[cell is not None for cell in row.cells] for row in found.rows] == [[True, True, False]] * 2


def test_where_nothing_was_measured_there_is_nothing_side_by_side() -> None:
    assert drawn(scripted.outcome(reached=0)).checkpoint_table is None


def test_a_folded_model_says_how_it_ended() -> None:
    assert only(drawn(scripted.outcome())).figures == "4 epochs · 14.0 s · 604 MiB · bce 0.050"
    assert only(drawn(scripted.outcome(reached=0))).figures == ""
