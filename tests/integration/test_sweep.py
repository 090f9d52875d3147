"""Real children on real images: every model, from the command line to the CSV."""

import csv
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from bench.plan import catalog
from bench.report.pictures import read_samples
from bench.results.folder import ReportFolder
from bench.worker.protocol import PhaseName

Rows = list[dict[str, str]]
EXACT = ("train_loss", "val_loss", "val_bce", "code_mean", "dead_units")


@dataclass(frozen=True)
class Report:
    folder: Path
    output: str

    @property
    def rows(self) -> Rows:
        return read(self.folder / "results.csv")

    @property
    def epochs(self) -> Rows:
        return read(self.folder / "epochs.csv")

    def row(self, model: str, epochs: int) -> dict[str, str]:
        (found,) = (row for row in self.rows if row["model"] == model and row["epochs"] == str(epochs))
        return found


def read(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def sweep(folder: Path, *arguments: str) -> Report:
    command = [sys.executable, "-m", "bench", "run", "--batch-sizes", "256", "--out", str(folder), *arguments]
    command += [] if "--minutes" in arguments else ["--repeats", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return Report(folder, done.stdout)


@pytest.fixture(scope="module")
def all_models(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return sweep(tmp_path_factory.mktemp("all") / "report", "--epochs", "2,4")


@pytest.fixture(scope="module")
def shorter(tmp_path_factory: pytest.TempPathFactory) -> Report:
    models = "basic,convolutional,denoising_small,sequence,variational"
    return sweep(tmp_path_factory.mktemp("shorter") / "report", "--epochs", "2", "--models", models)


def test_every_model_gives_a_row_for_every_checkpoint(all_models: Report) -> None:
    expected = {(model, epochs) for model in catalog.read_model_settings() for epochs in ("2", "4")}
    assert {(row["model"], row["epochs"]) for row in all_models.rows} == expected
    assert {row["status"] for row in all_models.rows} == {"ok"}


def test_every_model_learns_from_the_second_epoch_to_the_fourth(all_models: Report) -> None:
    for model in catalog.read_model_settings():
        before, after = (float(all_models.row(model, epochs)["val_bce"]) for epochs in (2, 4))
        assert 0 < after < before < 1, model


def test_parameters_are_those_that_the_catalog_declares(all_models: Report) -> None:
    for model, settings in catalog.read_model_settings().items():
        assert int(all_models.row(model, 4)["params"]) == settings.parameters
        assert int(all_models.row(model, 4)["code_units"]) == settings.codes


def test_epochs_add_up_to_the_rows(all_models: Report) -> None:
    for row in all_models.rows:
        epochs = [epoch for epoch in all_models.epochs if epoch["case_id"] == row["case_id"]]
        assert [int(epoch["epoch"]) for epoch in epochs] == [1, 2, 3, 4]
        trained = epochs[: int(row["epochs"])]
        assert float(row["train_total_s"]) == pytest.approx(sum(float(epoch["train_s"]) for epoch in trained))
        assert row["train_loss"] == trained[-1]["train_loss"]
        assert float(row["total_s"]) > float(row["train_total_s"]) + float(row["val_total_s"])


def test_the_peak_is_the_largest_phase(all_models: Report) -> None:
    phases = [f"peak_rss_{phase}_mib" for phase in ("import", "data", "build", "first_epoch", "train", "val")]
    for row in all_models.rows:
        if not row["peak_rss_import_mib"]:
            pytest.skip("this system has one peak for all phases")
        peaks = [float(row[phase]) for phase in phases]
        assert max(peaks) == float(row["peak_rss_mib"])
        assert min(peaks) > 50


def test_a_peak_from_inside_and_one_from_outside_agree(all_models: Report) -> None:
    for row in all_models.rows:
        inside, outside = float(row["peak_rss_mib"]), float(row["peak_sampled_mib"])
        assert outside <= inside * 1.01 + 1, "sampling can miss a peak, never exceed it"
        assert outside > 0.7 * inside


def test_every_phase_of_every_case_has_its_row(all_models: Report) -> None:
    phases = read(all_models.folder / "phases.csv")
    names = set(get_args(PhaseName)) - {"peaks"}
    for row in all_models.rows:
        found = {phase["phase"]: phase for phase in phases if phase["case_id"] == row["case_id"]}
        assert set(found) - {"peaks"} == names
        assert float(found["import"]["seconds"]) == float(row["import_s"])


def test_peaks_are_measured_once_for_all_cases_that_share_them(all_models: Report) -> None:
    phases = read(all_models.folder / "phases.csv")
    assert [phase["case_id"] for phase in phases if phase["phase"] == "peaks"] == [all_models.rows[0]["case_id"]]
    assert len({row["dispatch_s"] for row in all_models.rows}) == 1
    assert all(float(row["peak_gflop_per_s"]) > 0 for row in all_models.rows)


def test_noise_indicators_and_what_the_harness_costs_are_in_the_rows(all_models: Report) -> None:
    for row in all_models.rows:
        assert 0 <= float(row["parent_cores"]) < 0.5
        assert 0 <= float(row["harness_epoch_s"]) < 0.1 * float(row["train_total_s"])
        assert float(row["reference_gflop_per_s"]) > 0


def test_a_loss_that_is_a_cross_entropy_equals_val_bce(all_models: Report) -> None:
    for model in ("basic", "deep", "convolutional", "denoising", "denoising_small", "sequence"):
        row = all_models.row(model, 4)
        assert float(row["val_bce"]) == pytest.approx(float(row["val_loss"]), rel=1e-5)


def test_a_penalty_summed_over_the_batch_kills_units_and_one_averaged_over_it_does_not(all_models: Report) -> None:
    averaged, summed = all_models.row("sparse", 4), all_models.row("sparse_batch_sum", 4)
    assert int(averaged["dead_units"]) <= 4
    assert int(summed["dead_units"]) >= 16
    assert float(summed["code_mean"]) < 0.01 < float(averaged["code_mean"])
    assert float(summed["val_bce"]) > float(averaged["val_bce"])


def test_a_checkpoint_equals_to_the_last_bit_a_run_of_just_that_many_epochs(
    all_models: Report, shorter: Report
) -> None:
    for row in shorter.rows:
        longer = all_models.row(row["model"], 2)
        assert {name: row[name] for name in EXACT} == {name: longer[name] for name in EXACT}, row["model"]


def test_the_noise_is_the_same_for_both_denoising_models_and_harder_than_clean_images(all_models: Report) -> None:
    assert float(all_models.row("denoising_small", 4)["val_bce"]) > float(all_models.row("convolutional", 4)["val_bce"])


def test_a_pipe_gets_plain_lines(all_models: Report) -> None:
    assert all(char.isprintable() or char == "\n" for char in all_models.output)
    assert "[9/9] variational" in all_models.output


def test_tensorflow_s_talk_is_in_the_log_and_not_on_the_terminal(all_models: Report) -> None:
    assert "oneDNN" not in all_models.output
    logs = list((all_models.folder / "logs").iterdir())
    assert len(logs) == len(catalog.read_model_settings())


def test_nothing_is_left_of_the_run_but_its_report(all_models: Report) -> None:
    names = {path.name for path in all_models.folder.iterdir()} - {".lock"}
    assert names == {
        "journal.jsonl",
        "results.csv",
        "epochs.csv",
        "phases.csv",
        "environment.json",
        "status.json",
        "report.md",
        "report.html",
        "pytest-benchmark.json",
        "github-action-benchmark.json",
        "bencher.json",
        "plots",
        "samples",
        "logs",
    }
    assert json.loads((all_models.folder / "status.json").read_text(encoding="utf-8"))["complete"] is True


def test_the_field_notes_are_projected_and_named_so(all_models: Report) -> None:
    report = (all_models.folder / "report.md").read_text(encoding="utf-8")
    assert "| basic | time of training, 50 epochs (field notes: about a minute) |" in report
    assert "| projected: adam 0.001 |" in report


def test_every_checkpoint_has_samples_that_fit_its_model(all_models: Report) -> None:
    folder = ReportFolder(all_models.folder)
    assert len(list(folder.samples.iterdir())) == len(all_models.rows)
    for row in all_models.rows:
        path = folder.locate_sample(row["case_id"], int(row["epochs"]))
        assert path.stat().st_size < 300_000
        found = read_samples(path, int(row["epochs"]))
        assert found.labels.tolist() == list(range(10)), "one of each digit"
        assert found.output.shape == (10, 28, 28)
        noisy = not np.array_equal(found.input, found.target)
        assert noisy == row["model"].startswith("denoising")
        assert (found.codes is not None) == (int(row["code_units"]) <= 2048)
        assert (found.grid is not None) == (found.plane is not None) == (row["code_units"] == "2")


def test_reconstructions_come_nearer_from_the_second_epoch_to_the_fourth(all_models: Report) -> None:
    folder = ReportFolder(all_models.folder)
    distances = {}
    for epochs in (2, 4):
        found = read_samples(folder.locate_sample(all_models.row("convolutional", epochs)["case_id"], epochs), epochs)
        distances[epochs] = np.abs(found.output.astype(int) - found.target).mean()
    assert distances[4] < distances[2]


def test_the_page_shows_the_pictures_of_every_model(all_models: Report) -> None:
    page = (all_models.folder / "report.html").read_text(encoding="utf-8")
    assert page.count(", rebuilt after 4 epochs") == 2 * len(catalog.read_model_settings()), "side by side, and alone"
    assert "codes of images of classes 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, after 4 epochs" in page
    assert "images decoded from a grid of codes, after 4 epochs" in page
    assert len(page) < 3_000_000


def test_what_is_left_of_the_minutes_goes_into_further_processes(tmp_path: Path) -> None:
    report = sweep(tmp_path / "report", "--models", "basic", "--epochs", "8", "--minutes", "1.2", "--within", "3")
    assert len({row["case_id"] for row in report.rows}) > 1
    assert {row["status"] for row in report.rows} == {"ok"}
    status = json.loads((report.folder / "status.json").read_text(encoding="utf-8"))
    assert status["cases"] == {"planned": 1, "not_run": 0, "ok": 1}
    assert status["further_processes"]["ok"] == len(report.rows) - 1
    known = r"is known to within 3 %; the widest is basic · batch 256, within [\d.]+ %\."
    assert re.search(known, " ".join(report.output.split()))
    assert "[1/1 + 1] repeat of basic · batch 256 (within " in report.output


def test_resuming_a_finished_sweep_measures_nothing_again(all_models: Report) -> None:
    before = (all_models.folder / "results.csv").read_bytes()
    command = [sys.executable, "-m", "bench", "run", "--resume", "--out", str(all_models.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (all_models.folder / "results.csv").read_bytes() == before
