"""A sweep that was interrupted, or had failures, goes on where it stood."""

from pathlib import Path

import pandas as pd
import pytest
import scripted
from scripted import Script
from unit.sweeps import PROFILE, measured, resumed, status

from bench.datasets import find
from bench.errors import InvalidInput
from bench.results import journal
from bench.results.folder import ReportFolder


def test_an_interrupted_sweep_keeps_what_was_finished_and_says_how_to_go_on(
    folder: ReportFolder, script: Script
) -> None:
    script.interrupt_at = "deep"
    code, printed = measured(folder)
    assert code == 130
    assert set(pd.read_csv(folder.results)["model"]) == {"basic"}
    assert status(folder)["exit_code"] == 130
    assert status(folder)["cases"] == {"planned": 3, "not_run": 2, "ok": 1}
    assert f"aebench run --resume --out {folder.root}" in printed
    assert folder.report.is_file()
    assert not folder.data.exists()


def test_a_resumed_sweep_runs_each_missing_case_once(folder: ReportFolder, script: Script) -> None:
    script.interrupt_at = "deep"
    measured(folder)
    script.interrupt_at, script.ran = None, []
    code, printed = resumed(folder)
    assert code == 0
    assert script.ran == ["deep", "sparse"]
    assert "1 of them kept" in printed
    frame = pd.read_csv(folder.results)
    assert list(frame["model"]) == ["basic", "basic", "deep", "deep", "sparse", "sparse"]
    assert status(folder)["complete"] is True
    assert len(journal.read_journal(folder.journal).outcomes) == 3


def test_a_failed_case_that_ends_well_on_resuming_leaves_no_trace_in_the_tables(
    folder: ReportFolder, script: Script
) -> None:
    script.endings = {"deep": {"reached": 1}}
    measured(folder)
    script.endings, script.ran = {}, []
    code, _ = resumed(folder)
    assert code == 0
    assert script.ran == ["deep"]
    frame = pd.read_csv(folder.results)
    assert len(frame) == 6
    assert set(frame["run_status"]) == {"ok"}


def test_a_line_that_was_cut_off_is_reported_on_resuming(folder: ReportFolder, script: Script) -> None:
    measured(folder)
    folder.journal.write_bytes(folder.journal.read_bytes()[:-5])
    script.ran = []
    code, printed = resumed(folder)
    assert code == 0
    assert script.ran == ["sparse"]
    assert "line 4" in printed


def test_resuming_on_other_data_is_refused(folder: ReportFolder, script: Script) -> None:
    measured(folder)
    script.dataset = scripted.dataset(digest="e" * 64)
    with pytest.raises(InvalidInput, match="dataset_digest"):
        resumed(folder)


def test_resuming_with_another_profile_is_refused(folder: ReportFolder, script: Script) -> None:
    measured(folder)
    with pytest.raises(InvalidInput, match=r"profile\.epochs"):
        measured(folder, overrides=PROFILE | {"epochs": [1, 5]}, resume=True)


def test_resuming_without_naming_the_folder_is_refused(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match="--out"):
        measured(ReportFolder(tmp_path), out=None, resume=True)
    assert list(tmp_path.iterdir()) == []


def test_the_hint_to_resume_names_the_same_data(folder: ReportFolder, script: Script, tmp_path: Path) -> None:
    script.interrupt_at = "deep"
    _, printed = measured(folder, data=tmp_path / "my images.npz", offline=True)
    assert f"--resume --out {folder.root} --data '{tmp_path}/my images.npz' --offline" in printed


def test_after_a_failed_case_the_hint_says_how_to_run_it_again(folder: ReportFolder, script: Script) -> None:
    script.endings = {"deep": {"reached": 1}}
    code, printed = measured(folder)
    assert code == 3
    assert f"--resume --out {folder.root}" in printed


def test_a_resumed_sweep_may_get_another_time_limit(folder: ReportFolder, script: Script) -> None:
    script.interrupt_at = "deep"
    measured(folder)
    script.interrupt_at = None
    code, _ = measured(folder, profile=None, overrides={"timeout_s": 99.0}, resume=True)
    assert code == 0


def test_a_case_that_failed_too_often_is_named_and_not_run_again(folder: ReportFolder, script: Script) -> None:
    script.endings = {"deep": {"reached": 1}}
    code, printed = measured(folder, overrides=PROFILE | {"retries": 0})
    assert code == 3
    assert f"--resume --out {folder.root} --offline --retries 1" in printed
    script.ran = []
    code, printed = resumed(folder)
    assert (code, script.ran) == (3, [])
    assert "1 case failed 1 time or more" in printed
    script.endings = {}
    code, _ = measured(folder, profile=None, overrides={"retries": 1}, resume=True)
    assert (code, script.ran) == (0, ["deep"])
    assert list(pd.read_csv(folder.results)["attempts"]) == [1, 1, 2, 2, 1, 1]


def test_a_case_that_was_given_up_is_not_counted_as_kept(
    folder: ReportFolder, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    script.endings, script.interrupt_at = {"deep": {"reached": 1}}, "sparse"
    measured(folder, overrides=PROFILE | {"retries": 0})
    script.interrupt_at = None
    capsys.readouterr()
    _, printed = resumed(folder)
    assert "3 cases, 1 of them kept from before" in printed
    assert [line.split("]")[0] for line in capsys.readouterr().out.splitlines()] == ["[2/2", "[2/2"]


def test_a_disk_without_room_for_the_data_leaves_a_sweep_that_can_be_resumed(
    folder: ReportFolder, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(find, "write_npz", refuse)
        code, printed = measured(folder)
    assert code == 3
    assert f"{folder.root}: No space left on device" in printed
    assert f"--resume --out {folder.root}" in printed
    code, _ = resumed(folder)
    assert (code, script.ran) == (0, PROFILE["models"])
