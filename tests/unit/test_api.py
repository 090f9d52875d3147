"""`import aebench`: reports and comparisons as data frames, and in a notebook."""

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import scripted

import aebench
from bench.report.contents import SweepReport
from bench.report.dataframes import format_html, format_sweep
from bench.report.files import write_environment
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome
from bench.results.speed import estimate_cases

EPOCHS = 8
EVIL = "<script>alert(1)</script>"


def case(**changes: Any) -> Any:
    return scripted.case(**{"checkpoints": (2, EPOCHS)} | changes)


def ended(of: Any, seconds: float = 0.3, **changes: Any) -> Outcome:
    """A run whose epochs after the first take so many seconds, give or take a little."""
    reached = changes.get("reached")
    epochs = tuple(
        scripted.epoch(n, **({} if n == 1 else {"train_s": seconds + n / 1000}))
        for n in range(1, (EPOCHS if reached is None else reached) + 1)
    )
    return scripted.outcome(of, epochs=epochs, **changes)


OUTCOMES = (
    ended(case()),
    ended(case(repeat=1), seconds=0.4),
    ended(case(model="deep"), reached=2),
    ended(case(model="sparse"), reached=0),
)


@pytest.fixture
def folder(tmp_path: Path) -> ReportFolder:
    return scripted.written_report(tmp_path / "report", OUTCOMES)


@pytest.fixture
def report(folder: ReportFolder) -> aebench.Report:
    return aebench.load(folder.root)


def test_a_case_has_one_row_over_its_processes(report: aebench.Report) -> None:
    basic = report.cases.iloc[0]
    assert (basic["case"], basic["model"], basic["processes"]) == (case().name, "basic", 2)
    assert (basic["epochs"], basic["status"], basic["total_s"]) == (EPOCHS, "ok", 10.0 + EPOCHS)
    assert basic["epoch_s_median"] == pytest.approx(0.355)
    assert basic["val_bce"] == pytest.approx(0.2 / EPOCHS)
    assert basic["peak_rss_mib"] == 600.0 + EPOCHS


def test_seconds_per_epoch_and_their_interval_are_what_all_processes_say(report: aebench.Report) -> None:
    rows = SweepReport(ReportFolder(Path()), scripted.header(), OUTCOMES).rows
    speed = estimate_cases(rows)[case().name]
    found = report.cases.iloc[0]
    assert tuple(found[f"epoch_s_{end}"] for end in ("quiet", "low", "high")) == (speed.quiet, speed.low, speed.high)


def test_a_case_that_failed_has_a_row_too_and_empty_figures_where_it_reached_nothing(report: aebench.Report) -> None:
    _, deep, sparse = (row for _, row in report.cases.iterrows())
    assert (deep["epochs"], deep["processes"], deep["status"]) == (2, 1, "failed")
    assert (sparse["epochs"], sparse["processes"], sparse["status"]) == (EPOCHS, 0, "failed")
    assert deep["error"] == sparse["error"] == "ValueError: scripted"
    assert deep["total_s"] == 12.0
    assert pd.isna(sparse["total_s"])
    assert pd.isna(sparse["epoch_s_quiet"])


def test_figures_are_numbers_also_where_all_are_missing(tmp_path: Path) -> None:
    cases = aebench.load(scripted.written_report(tmp_path / "report", OUTCOMES[3:]).root).cases
    figures = cases.loc[:, "total_s":]
    assert len(figures.columns) > 10
    assert set(map(str, figures.dtypes)) == {"float64"}


def test_frames_are_what_pandas_reads_from_the_files(folder: ReportFolder, report: aebench.Report) -> None:
    write_environment(folder, scripted.header())
    pd.testing.assert_frame_equal(report.checkpoints, pd.read_csv(folder.results))
    pd.testing.assert_frame_equal(report.epochs, pd.read_csv(folder.epochs))
    pd.testing.assert_frame_equal(report.phases, pd.read_csv(folder.phases))
    assert report.environment == json.loads(folder.environment.read_text(encoding="utf-8"))


def test_a_sweep_that_has_only_begun_is_an_empty_report(tmp_path: Path) -> None:
    report = aebench.load(scripted.written_report(tmp_path / "report", ()).root)
    assert [len(frame) for frame in (report.cases, report.checkpoints, report.epochs, report.phases)] == [0] * 4
    assert "epoch_s_quiet" in report.cases
    assert repr(report)


def test_what_was_cut_off_is_said(folder: ReportFolder) -> None:
    with folder.journal.open("ab") as file:
        file.write(b'{"kind": "outcome"')
    assert "was cut off" in repr(aebench.load(folder.root))


def test_a_notebook_shows_the_answer_and_the_cases(report: aebench.Report) -> None:
    shown = report._repr_html_()
    assert type(shown) is str
    assert all(f"<p>{sentence}</p>" in shown for sentence in report.answer)
    assert shown.count("<tr>") > 2
    assert ">basic<" in shown


def test_text_of_others_is_escaped_in_a_notebook() -> None:
    evil = ended(scripted.strange_case(model=EVIL, loop=EVIL, checkpoints=(2, EPOCHS)), error=EVIL)
    header = scripted.header(fingerprint=scripted.fingerprint(cpu_model=EVIL))
    report = SweepReport(ReportFolder(Path()), header, [evil, ended(case())], notes=(EVIL,))
    shown = format_sweep(report)
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    assert "<img" not in format_html(["<img src=x onerror=alert(1)>"], report.overview)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["absent", "empty", "report/results.csv", "report/journal.jsonl"])
def test_what_is_no_report_is_one_message_and_an_ordinary_exception(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(aebench.InvalidInput, match="is not a report folder: it has no journal") as raised:
        aebench.load(tmp_path / name)
    assert isinstance(raised.value, ValueError)
    assert raised.value.__suppress_context__, "nobody wants our traceback as well"
    assert str(tmp_path / name) in str(raised.value)


def test_the_message_obeys_no_terminal(tmp_path: Path) -> None:
    with pytest.raises(aebench.InvalidInput) as raised:
        aebench.load(tmp_path / "\x1b[31mred")
    assert "\x1b" not in str(raised.value)


def test_a_journal_of_another_version_is_refused_as_everywhere(tmp_path: Path) -> None:
    folder = scripted.written_report(tmp_path / "report", (), scripted.header(schema_version=99))
    with pytest.raises(aebench.InvalidInput, match="Update aebench"):
        aebench.load(folder.root)


@pytest.fixture
def two(folder: ReportFolder, tmp_path: Path) -> list[Path]:
    """A report folder and, of a machine that is twice as fast, a results.csv alone."""
    other = scripted.header(machine_id="mffff0000", environment_id="effff0000")
    fast = scripted.written_report(tmp_path / "fast", [ended(case(), seconds=0.15)], other)
    return [folder.root, fast.results]


def test_machines_are_compared_with_the_first(two: list[Path]) -> None:
    comparison = aebench.compare(two)
    first, second = (row for _, row in comparison.machines.iterrows())
    assert (first["times_as_fast"], first["memory_ratio"], first["machine_id"]) == (1.0, 1.0, "ma1b2c3d4")
    assert second["times_as_fast_low"] < 2 < second["times_as_fast_high"]
    assert (second["rank"], second["cases"], second["cpu_model"]) == (1, 1, "Scripted CPU")
    assert set(comparison.cases["machine"]) == {second["machine"]}
    assert comparison.cases["times_as_fast"].iloc[0] == pytest.approx(second["times_as_fast"])
    assert "lacks" in repr(comparison)
    assert f">{first['machine']}</td>" in comparison._repr_html_()


def test_one_path_is_no_list_and_one_report_no_comparison(two: list[Path]) -> None:
    with pytest.raises(aebench.InvalidInput, match="takes a list of reports"):
        aebench.compare(str(two[0]))
    with pytest.raises(aebench.InvalidInput, match="two reports or more, the reference first; got 1"):
        aebench.compare(two[:1])
    with pytest.raises(aebench.InvalidInput, match="no such file"):
        aebench.compare([*two, "absent"])


def test_what_is_loaded_can_be_copied_and_sent_to_other_processes(report: aebench.Report, two: list[Path]) -> None:
    for each in (report, aebench.compare(two)):
        again = pickle.loads(pickle.dumps(copy.deepcopy(each)))  # noqa: S301 - ours
        assert repr(again) == repr(each)
        pd.testing.assert_frame_equal(again.cases, each.cases)
