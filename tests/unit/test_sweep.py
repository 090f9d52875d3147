"""A whole sweep, from the request to the exit code, on an executor that plays a script."""

import io
import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import scripted
from rich.console import Console
from scripted import Script

from bench import data, journal, machine, sweep
from bench.errors import InvalidInput
from bench.executors import Listener
from bench.folder import ReportFolder
from bench.record import Outcome, ResultRow
from bench.report import files
from bench.spec import Case

PROFILE: dict[str, Any] = {"models": ["basic", "deep", "sparse"], "epochs": [1, 3], "batch_sizes": [4]}


def request(folder: ReportFolder, **changes: Any) -> sweep.Request:
    fields: dict[str, Any] = {
        "profile": "quick",
        "overrides": PROFILE,
        "data": None,
        "offline": True,
        "out": folder.root,
        "resume": False,
    }
    return sweep.Request(**fields | changes)


def measured(folder: ReportFolder, **changes: Any) -> tuple[int, str]:
    """The exit code, and what was printed into a pipe of that console and of standard output."""
    out = io.StringIO()
    code = sweep.measure(request(folder, **changes), Console(file=out, width=160))
    return code, out.getvalue()


def resumed(folder: ReportFolder) -> tuple[int, str]:
    """As `aebench run --resume --out DIR`."""
    return measured(folder, profile=None, overrides={}, resume=True)


def status(folder: ReportFolder) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(folder.status.read_text())
    return found


def test_a_sweep_writes_its_whole_report(folder: ReportFolder, script: Script) -> None:
    code, printed = measured(folder)
    assert code == 0
    for path in (folder.journal, folder.results, folder.epochs, folder.environment, folder.status, folder.report):
        assert path.stat().st_size > 0, path.name
    assert status(folder) | {"cases": None} == {
        "schema_version": 1,
        "exit_code": 0,
        "complete": True,
        "cases": None,
        "failures": [],
    }
    assert status(folder)["cases"] == {"planned": 3, "not_run": 0, "ok": 3}
    assert str(folder.page) in printed


def test_nothing_of_a_runs_own_is_left_behind(folder: ReportFolder, script: Script) -> None:
    measured(folder)
    assert not folder.data.exists()
    assert not [path for path in folder.root.iterdir() if path.suffix == ".part" or path.name == ".probe"]


def test_the_prepared_data_are_there_while_cases_run(
    folder: ReportFolder, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    real = scripted.ScriptedExecutor.outcomes

    def outcomes(self: scripted.ScriptedExecutor, cases: Sequence[Case], listen: Listener) -> Iterator[Outcome]:
        assert self.folder is not None
        seen.append(self.folder.data.is_file())
        return real(self, cases, listen)

    monkeypatch.setattr(scripted.ScriptedExecutor, "outcomes", outcomes)
    measured(folder)
    assert seen == [True]


def test_results_csv_equals_the_rows_of_the_journal_at_full_precision(folder: ReportFolder, script: Script) -> None:
    measured(folder)
    stored = journal.read(folder.journal)
    rows = files.result_rows(stored.outcomes, stored.header)
    frame = pd.read_csv(folder.results, dtype=str, keep_default_na=False)
    assert len(frame) == len(rows) == 6
    for name in ResultRow.model_fields:
        for written, row in zip(frame[name], rows, strict=True):
            value = getattr(row, name)
            same = (
                float(written) == value if isinstance(value, float) else written == str("" if value is None else value)
            )
            assert same, (name, written, value)
    assert frame["train_loss"][0] == "0.30000000000000004"


def test_the_tables_on_the_terminal_have_every_model(folder: ReportFolder, script: Script) -> None:
    _, printed = measured(folder)
    for model in PROFILE["models"]:
        assert f"\n{model}: " in printed
    assert "Against the published figures" in printed


def test_the_profiles_limits_reach_the_executor(
    folder: ReportFolder, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[tuple[float | None, ...]] = []

    def executor(of: ReportFolder, *given: Any) -> scripted.ScriptedExecutor:
        limits.append(given)
        return script.executor(of, *given)

    monkeypatch.setattr(sweep, "LocalExecutor", executor)
    measured(folder, overrides=PROFILE | {"timeout_s": 7.5, "stall_s": 2.5, "threads": 3})
    assert limits == [(3, 7.5, 2.5)]


def test_results_are_on_the_disk_after_every_case(
    folder: ReportFolder, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []
    real = files.GrowingTables.write

    def write(*arguments: Any) -> None:
        real(*arguments)
        lengths.append(len(pd.read_csv(folder.results)))

    monkeypatch.setattr(files.GrowingTables, "write", write)
    measured(folder)
    assert lengths == [2, 4, 6]


# --- cases that fail -------------------------------------------------------------------------------------------------


def test_a_failed_case_makes_exit_code_3_and_does_not_stop_the_others(folder: ReportFolder, script: Script) -> None:
    script.endings = {"deep": {"reached": 1, "log_tail": "tf: noise\nRuntimeError: its last words"}}
    code, printed = measured(folder)
    assert code == 3
    assert script.ran == ["basic", "deep", "sparse"]
    assert "RuntimeError: its last words" in printed
    assert str(folder.log(scripted.case(model="deep").case_id)) in printed
    assert status(folder)["exit_code"] == 3
    assert [failure["status"] for failure in status(folder)["failures"]] == ["failed"]


def test_a_failed_case_stays_in_results_csv_with_what_it_reached(folder: ReportFolder, script: Script) -> None:
    script.endings = {"deep": {"reached": 1}}
    measured(folder)
    frame = pd.read_csv(folder.results)
    rows = frame[frame["model"] == "deep"]
    assert list(rows["status"]) == ["ok", "failed"]
    assert list(rows["run_status"]) == ["failed", "failed"]
    assert rows["train_loss"].notna().tolist() == [True, False]


def test_start_up_noise_of_a_well_ended_case_is_not_shown(folder: ReportFolder, script: Script) -> None:
    script.endings = {"deep": {"log_tail": "oneDNN custom operations are on"}}
    _, printed = measured(folder)
    assert "oneDNN" not in printed


def test_a_pipe_gets_no_control_characters(
    folder: ReportFolder, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    script.endings = {"deep": {"reached": 1, "error": "\x1b[1mbold\x1b[0m", "log_tail": "\x1b[31mred\x1b[0m\r\n50%\r"}}
    _, printed = measured(folder)
    for text in (printed, capsys.readouterr().out, folder.report.read_text()):
        assert text
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)


def test_markup_in_what_a_case_wrote_is_shown_as_it_is(folder: ReportFolder, script: Script) -> None:
    script.endings = {"deep": {"reached": 1, "error": "bad [/bold] shape", "log_tail": "[red]x[/nothing]"}}
    _, printed = measured(folder)
    assert "bad [/bold] shape" in printed
    assert "[red]x[/nothing]" in printed


def test_a_sweep_that_measured_nothing_is_no_success(folder: ReportFolder, script: Script) -> None:
    script.stop_at = "basic"
    code, _ = measured(folder)
    assert code == 3
    assert status(folder)["cases"] == {"planned": 3, "not_run": 3}


def test_a_sweep_that_left_cases_out_is_no_success(folder: ReportFolder, script: Script) -> None:
    script.stop_at = "sparse"
    code, _ = measured(folder)
    assert code == 3
    assert status(folder)["complete"] is False


# --- interrupted and resumed -----------------------------------------------------------------------------------------


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
    assert len(journal.read(folder.journal).outcomes) == 3


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


def test_a_line_that_was_cut_off_is_told_of_on_resuming(folder: ReportFolder, script: Script) -> None:
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
        measured(folder, overrides=PROFILE | {"epochs": [1, 4]}, resume=True)


def test_resuming_without_naming_the_folder_is_refused(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match="--out"):
        measured(ReportFolder(tmp_path), out=None, resume=True)
    assert list(tmp_path.iterdir()) == []


# --- what is refused before anything is written ----------------------------------------------------------------------


def test_a_batch_larger_than_the_data_is_refused_before_anything_is_written(
    folder: ReportFolder, script: Script
) -> None:
    with pytest.raises(InvalidInput, match="41 is larger than the 40 training digits"):
        measured(folder, overrides=PROFILE | {"batch_sizes": [41]})
    assert not folder.root.exists()


def test_a_report_without_out_goes_into_a_folder_named_by_time_machine_and_profile(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    measured(ReportFolder(tmp_path), out=None)
    [made] = (tmp_path / "reports").iterdir()
    assert re.fullmatch(r"\d{8}T\d{6}Z-[a-z0-9.-]+-quick", made.name)


# --- a report drawn again --------------------------------------------------------------------------------------------


def redrawn(folder: ReportFolder) -> str:
    out = io.StringIO()
    sweep.redraw(folder.root, Console(file=out, width=160))
    return out.getvalue()


@pytest.mark.parametrize("failing", [False, True])
def test_a_report_is_drawn_again_from_the_journal_alone(folder: ReportFolder, script: Script, *, failing: bool) -> None:
    script.endings = {"deep": {"reached": 1}} if failing else {}
    measured(folder)
    made = (folder.results, folder.epochs, folder.environment, folder.report, folder.status)
    before = [path.read_bytes() for path in made]
    for path in made:
        path.unlink()
    printed = redrawn(folder)
    assert [path.read_bytes() for path in made] == before
    assert "basic: " in printed
    assert not script.ran[3:]


def test_a_report_drawn_again_of_an_unfinished_sweep_does_not_call_it_a_success(
    folder: ReportFolder, script: Script
) -> None:
    script.interrupt_at = "deep"
    measured(folder)
    redrawn(folder)
    assert status(folder)["complete"] is False
    assert status(folder)["exit_code"] == 130


def test_a_folder_without_a_journal_has_no_report_to_draw(folder: ReportFolder) -> None:
    with pytest.raises(InvalidInput, match=r"journal\.jsonl"):
        redrawn(folder)


# --- the plan --------------------------------------------------------------------------------------------------------


def test_a_plan_prints_every_case_and_the_time_and_runs_and_writes_nothing(
    folder: ReportFolder, script: Script
) -> None:
    out = io.StringIO()
    assert sweep.show_plan(request(folder), Console(file=out, width=160)) == 0
    for expected in (
        "basic · batch 4",
        "deep · batch 4",
        "sparse · batch 4",
        "1, 3",
        "adam 0.001",
        "3 cases",
        "About ",
    ):
        assert expected in out.getvalue()
    assert not folder.root.exists()
    assert script.ran == []


def test_a_plan_refuses_what_the_run_would_refuse(folder: ReportFolder, script: Script) -> None:
    with pytest.raises(InvalidInput, match="4001"):
        sweep.show_plan(request(folder, overrides=PROFILE | {"batch_sizes": [4001]}))


def test_a_backend_that_is_not_installed_is_refused_before_anything_is_written(
    folder: ReportFolder, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "installed_backends", lambda: ["jax"])
    with pytest.raises(InvalidInput, match=r"'tensorflow' is not installed here.*Installed backends: jax"):
        measured(folder)
    assert not folder.root.exists()
    assert not script.ran
    code, _ = measured(folder, overrides=PROFILE | {"backends": ["jax"]})
    assert code == 0


def test_a_plan_needs_no_backend(folder: ReportFolder, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "installed_backends", list)
    assert sweep.show_plan(request(folder), Console(file=io.StringIO(), width=160)) == 0


def test_the_hint_to_resume_names_the_same_data(folder: ReportFolder, script: Script, tmp_path: Path) -> None:
    script.interrupt_at = "deep"
    _, printed = measured(folder, data=tmp_path / "my digits.npz", offline=True)
    assert f"--resume --out {folder.root} --data '{tmp_path}/my digits.npz' --offline" in printed


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


def test_a_disk_without_room_for_the_data_leaves_a_sweep_that_can_be_resumed(
    folder: ReportFolder, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(data, "write_npz", refuse)
        code, printed = measured(folder)
    assert code == 3
    assert f"{folder.root}: No space left on device" in printed
    assert f"--resume --out {folder.root}" in printed
    code, _ = resumed(folder)
    assert (code, script.ran) == (0, PROFILE["models"])


def test_a_report_in_a_second_that_has_one_already_gets_a_name_of_its_own(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Clock":
            return cls(2026, 1, 2, tzinfo=tz)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweep, "datetime", Clock)
    for _ in range(3):
        assert measured(ReportFolder(tmp_path), out=None)[0] == 0
    names = sorted(path.name for path in (tmp_path / "reports").iterdir())
    assert names == [names[0], f"{names[0]}-2", f"{names[0]}-3"]


def test_the_report_of_a_sweep_that_is_on_is_left_to_it(folder: ReportFolder, script: Script) -> None:
    measured(folder)
    with journal.locked(folder), pytest.raises(InvalidInput, match="another run"):
        sweep.redraw(folder.root, Console(file=io.StringIO()))


def test_tables_that_cannot_be_replaced_now_do_not_end_the_sweep(
    folder: ReportFolder, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError(13, "open in a spreadsheet")

    monkeypatch.setattr(files.GrowingTables, "write", refuse)
    code, _ = measured(folder)
    assert code == 0
    assert folder.results.is_file()


def test_epochs_alone_take_each_models_published_batch_size(folder: ReportFolder, script: Script) -> None:
    script.dataset = scripted.dataset(train_samples=4_000)
    chosen = {"models": ["basic", "convolutional"], "epochs": [1, 2]}
    measured(folder, profile=None, overrides=chosen)
    rows = pd.read_csv(folder.results)
    assert list(zip(rows["model"], rows["batch_size"], rows["epochs"], strict=True)) == [
        ("basic", 256, 1),
        ("basic", 256, 2),
        ("convolutional", 128, 1),
        ("convolutional", 128, 2),
    ]
