"""The command that makes bench/plan/references.csv from reports."""

from pathlib import Path
from typing import Any

import pytest
import scripted

from bench.errors import InvalidInput
from bench.results.forecast_basis import describe_errors, list_measured, main
from bench.results.schema import ResultRow


def make_row(**changes: Any) -> ResultRow:
    figures: dict[str, Any] = {
        "epochs": 50,
        "run_epochs": 50,
        **scripted.times(1.0),
        "epoch_s_quiet": 0.9,
        "total_s": 63.0,
        "first_epoch_s": 3.0,
        "train_total_s": 54.0,
        "val_s_median": 0.1,
        "val_total_s": 5.5,
        "peak_rss_mib": 800.0,
    }
    return scripted.result_row(**figures | changes)


def test_an_epoch_is_the_median_as_it_was_and_the_start_is_apart() -> None:
    [process] = list_measured([("a", [make_row()])])
    assert process.epoch_s == pytest.approx(1.1)
    assert process.start_s == pytest.approx((63.0 - 54.0 - 5.5) + (3.0 - 1.0) + (5.5 - 50 * 0.1))
    assert process.peak_rss_mib == 800


def test_a_process_says_what_machine_it_is_from() -> None:
    [process] = list_measured([("a", [make_row(reference_gflop_per_s=150.0)])])
    assert (process.cpu_model, process.cores, process.gflop_per_s) == ("Scripted CPU", 2.0, 150.0)
    with pytest.raises(InvalidInput, match="several machines"):
        list_measured([("a", [make_row()]), ("b", [make_row(cpu_limit=4.0)])])


@pytest.mark.parametrize("changes", [{"val_s_median": None}, {"status": "failed"}, {"threads": 1}])
def test_of_what_was_not_measured_nothing_is_foretold(changes: dict[str, Any]) -> None:
    assert list_measured([("a", [make_row(**changes)])]) == []


def test_each_report_is_foretold_from_the_others() -> None:
    one, other = make_row(), make_row(peak_rss_mib=1_000.0)
    measured = list_measured([("a", [one]), ("b", [other])])
    assert [each.peak_percent for each in measured] == pytest.approx([25.0, 20.0])
    words = describe_errors(measured)
    assert words.startswith("2 processes of 2 foretold from the other reports: 2 times within 25 %, the worst ")
    assert words.endswith("0 peaks within 10 %, the worst 25.0 % off.")


def test_reports_without_a_case_in_common_do_not_say_how_good_forecasts_are() -> None:
    for others in ([], [("b", [make_row(optimizer="adadelta")])]):
        measured = list_measured([("a", [make_row()]), *others])
        assert {each.time_percent for each in measured} == {None}
        assert describe_errors(measured).startswith("It is not known how good")


def test_the_command_prints_a_line_for_each_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = scripted.written_report(tmp_path / "here", [scripted.outcome()])
    assert main([str(folder.root)]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0].startswith("report,cpu_model,cores,gflop_per_s,model,")
    assert printed.out.splitlines()[1].startswith("here,Scripted CPU,2.0,,basic,tensorflow,fit,float32,adam,4,40,")
    assert "not known how good" in printed.err


def test_reports_of_folders_of_one_name_foretell_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [scripted.written_report(tmp_path / each / "here", [scripted.outcome()]).root for each in ("a", "b")]
    assert main([str(folders[0]), str(folders[1] / "results.csv")]) == 0
    printed = capsys.readouterr()
    assert [line.split(",")[0] for line in printed.out.splitlines()[1:]] == ["here", "here 2"]
    assert "2 processes of 2 foretold" in printed.err


def test_a_report_given_twice_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = scripted.written_report(tmp_path / "here", [scripted.outcome()]).root
    assert main([str(folder), str(folder / "results.csv")]) == 2
    assert "is given twice" in capsys.readouterr().err


def test_a_report_that_is_not_there_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none")]) == 2
    assert "no such file" in capsys.readouterr().err
    assert main([]) == 2
