"""A whole sweep, from the request to the exit code, on an executor that plays a script."""

import contextlib
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import scripted
from scripted import Script
from unit.sweeps import PROFILE, measured, status

from bench.errors import InvalidInput
from bench.host import fingerprint
from bench.plan.forecast import Forecast
from bench.plan.profile import Case
from bench.report import files
from bench.results import journal, usual
from bench.results.folder import ReportFolder
from bench.results.hours import HourRate
from bench.results.journal_lines import Outcome
from bench.results.schema import SCHEMA_VERSION, ResultRow
from bench.sweep import run
from bench.sweep.executor import Listener


def test_a_sweep_writes_its_whole_report(folder: ReportFolder, script: Script) -> None:
    code, printed = measured(folder)
    assert code == 0
    for path in (folder.journal, folder.results, folder.epochs, folder.environment, folder.status, folder.report):
        assert path.stat().st_size > 0, path.name
    assert status(folder) | {"cases": None} == {
        "schema_version": SCHEMA_VERSION,
        "exit_code": 0,
        "complete": True,
        "cases": None,
        "further_processes": {"run": 0},
        "failures": [],
    }
    assert status(folder)["cases"] == {"planned": 3, "not_run": 0, "ok": 3}
    assert str(folder.page) in printed


def test_a_sweep_knows_the_usual_memory_bandwidth_and_keeps_its_own(
    folder: ReportFolder, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[list[HourRate]] = []
    monkeypatch.setattr(usual, "find_usual", lambda machine_id, now_s: (50.0, 3))
    monkeypatch.setattr(run, "measure_hours", lambda rows: {0: HourRate(0.0, float(len(rows)))})
    monkeypatch.setattr(run, "keep_hours", lambda machine_id, rates: kept.append(rates))
    measured(folder)
    header = journal.read_header(folder.journal)
    assert (header.usual_gb_per_s, header.usual_hours) == (50.0, 3)
    rows = pd.read_csv(folder.results)
    assert set(zip(rows.usual_gb_per_s, rows.usual_hours, strict=True)) == {(50.0, 3)}
    assert kept == [[HourRate(0.0, float(len(rows)))]]


def test_of_a_machine_with_a_gpu_memory_bandwidth_says_nothing(
    folder: ReportFolder, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usual, "find_usual", lambda machine_id, now_s: pytest.fail("it was asked for"))
    script.fingerprint = script.fingerprint.model_copy(update={"gpu": "a GPU"})
    measured(folder)
    assert journal.read_header(folder.journal).usual_hours is None


def test_nothing_of_a_runs_own_is_left_behind(folder: ReportFolder, script: Script) -> None:
    measured(folder)
    assert not folder.data.exists()
    assert not [path for path in folder.root.iterdir() if path.suffix == ".part" or path.name == ".probe"]


def test_the_prepared_data_are_there_while_cases_run(
    folder: ReportFolder, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    real = scripted.ScriptedExecutor.run

    def run_cases(self: scripted.ScriptedExecutor, cases: Sequence[Case], listen: Listener) -> Iterator[Outcome]:
        assert self.folder is not None
        seen.append(self.folder.data.is_file())
        return real(self, cases, listen)

    monkeypatch.setattr(scripted.ScriptedExecutor, "run", run_cases)
    measured(folder)
    assert seen == [True]


def test_results_csv_equals_the_rows_of_the_journal_at_full_precision(folder: ReportFolder, script: Script) -> None:
    measured(folder)
    stored = journal.read_journal(folder.journal)
    rows = files.make_all_result_rows(stored.outcomes, stored.header)
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


def test_a_sweep_ends_with_the_answer_on_one_screen(folder: ReportFolder, script: Script) -> None:
    _, printed = measured(folder)
    for expected in ("Profile quick: 3 cases on 40 images", "\nTime:   ", "\nMemory: ", "\nQuality: ", "\nTrust:  "):
        assert expected in printed
    for model in PROFILE["models"]:
        assert f"\n{model} " in printed
        assert f"\n{model}: " not in printed
    assert "Compared with the published figures" not in printed


def test_all_tables_are_printed_where_asked_the_answer_below_them(folder: ReportFolder, script: Script) -> None:
    _, printed = measured(folder, tables=True)
    for model in PROFILE["models"]:
        assert f"\n{model}: " in printed
    assert printed.index("Compared with the published figures") < printed.index("\nTime:  ")


def test_one_of_a_thing_is_counted_as_one(
    folder: ReportFolder, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed = measured(folder, overrides={"models": ["basic"], "epochs": [1], "batch_sizes": [4]})
    assert code == 0
    progress = capsys.readouterr().out
    assert "1 epoch; " in progress
    for text in (progress, printed, folder.report.read_text(), folder.page.read_text()):
        plurals = set(re.findall(r"(?<![\w.,/–-])1 ((?:[a-z]+ )?[a-z]+s)\b", text))
        assert {words for words in plurals if not words.endswith((" is", " was", "ss"))} == set()


def test_the_profiles_limits_reach_the_executor(
    folder: ReportFolder, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[tuple[float | None, ...]] = []

    def executor(of: ReportFolder, *given: Any) -> scripted.ScriptedExecutor:
        limits.append(given)
        return script.executor(of, *given)

    monkeypatch.setattr(run, "LocalExecutor", executor)
    measured(folder, overrides=PROFILE | {"timeout_s": 7.5, "stall_s": 2.5})
    assert limits == [(7.5, 2.5)]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_a_signal_that_comes_while_tables_are_written_is_not_lost_in_somebody_elses_code(
    folder: ReportFolder, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(*_arguments: Any) -> None:
        with contextlib.suppress(KeyboardInterrupt):  # as compiled code may
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(files.GrowingTables, "write", write)
    assert measured(folder)[0] == 130
    assert len(journal.read_journal(folder.journal).outcomes) == 1


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


def test_a_failed_case_makes_exit_code_3_and_does_not_stop_the_others(folder: ReportFolder, script: Script) -> None:
    script.endings = {"deep": {"reached": 1, "log_tail": "tf: noise\nRuntimeError: its last words"}}
    code, printed = measured(folder)
    assert code == 3
    assert script.ran == ["basic", "deep", "sparse"]
    assert "RuntimeError: its last words" in printed
    assert str(folder.locate_log(scripted.case(model="deep").case_id)) in printed
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


def test_a_batch_larger_than_the_data_is_refused_before_anything_is_written(
    folder: ReportFolder, script: Script
) -> None:
    with pytest.raises(InvalidInput, match="41 is larger than the 40 training images"):
        measured(folder, overrides=PROFILE | {"batch_sizes": [41]})
    assert not folder.root.exists()


def test_a_report_without_out_goes_into_a_folder_named_by_time_machine_and_profile(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    measured(ReportFolder(tmp_path), out=None)
    [made] = (tmp_path / "reports").iterdir()
    assert re.fullmatch(r"\d{8}T\d{6}Z-[a-z0-9.-]+-quick", made.name)


def test_a_backend_that_is_not_installed_is_refused_before_anything_is_written(
    folder: ReportFolder, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "find_backends", lambda: ["jax"])
    with pytest.raises(InvalidInput, match=r"'tensorflow' is not installed here.*Installed backends: jax"):
        measured(folder)
    assert not folder.root.exists()
    assert not script.ran
    code, _ = measured(folder, overrides=PROFILE | {"backends": ["jax"]})
    assert code == 0


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
    chosen = {"models": ["basic", "convolutional"], "epochs": [1, 2], "repeats": 1}
    measured(folder, profile=None, overrides=chosen)
    rows = pd.read_csv(folder.results)
    assert list(zip(rows["model"], rows["batch_size"], rows["epochs"], strict=True)) == [
        ("basic", 256, 1),
        ("basic", 256, 2),
        ("convolutional", 128, 1),
        ("convolutional", 128, 2),
    ]


def test_a_checkout_that_git_does_not_read_leaves_git_commit_empty_with_one_note(
    folder: ReportFolder, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "fatal: detected dubious ownership\nTo add an exception, call:\n\n\tgit config --global …"
    monkeypatch.setattr(run, "read_git_state", lambda _: fingerprint.GitState(problem=words))
    printed = measured(folder)[1]
    note = "Note: git_commit stays empty in the rows: fatal: detected dubious ownership To add an exception, call: git"
    assert printed.count(note) == 1
    assert pd.read_csv(folder.results)["git_commit"].isna().all()


@pytest.mark.parametrize(("is_scaled", "whose"), [(False, ""), (True, ", by reports of another machine")])
def test_a_sweep_keeps_what_was_foretold_of_its_cases_and_says_how_good_it_was(
    folder: ReportFolder, script: Script, monkeypatch: pytest.MonkeyPatch, is_scaled: bool, whose: str
) -> None:
    foretold = Forecast(10.0, 1.0, 604.0, is_scaled=is_scaled)
    monkeypatch.setattr(
        run, "forecast_cases", lambda cases, *_: {case.name: foretold for case in cases if case.model == "basic"}
    )
    _code, printed = measured(folder)
    assert list(journal.read_header(folder.journal).forecasts.values()) == [foretold]
    sentence = f"Forecast: the time within 25 %, the peak within 10 %{whose}; 1 of 3 cases had one."
    assert sentence in " ".join(printed.split())
    assert sentence in folder.report.read_text(encoding="utf-8")
    assert sentence in folder.page.read_text(encoding="utf-8")
