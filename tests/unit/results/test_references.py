"""The command that makes bench/plan/references.csv from reports."""

from pathlib import Path
from typing import Any

import pytest
import scripted

from bench.errors import InvalidInput
from bench.results.references import describe_errors, main, make_references
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
    [reference] = make_references([("a", [make_row()])])
    assert reference.epoch_s == pytest.approx(1.1)
    assert reference.start_s == pytest.approx((63.0 - 54.0 - 5.5) + (3.0 - 1.0) + (5.5 - 50 * 0.1))
    assert reference.peak_rss_mib == 800


def test_a_reference_says_what_machine_it_is_from() -> None:
    [reference] = make_references([("a", [make_row(reference_gflop_per_s=150.0)])])
    assert (reference.cpu_model, reference.cores, reference.gflop_per_s) == ("Scripted CPU", 2.0, 150.0)
    with pytest.raises(InvalidInput, match="several machines"):
        make_references([("a", [make_row()]), ("b", [make_row(cpu_limit=4.0)])])


@pytest.mark.parametrize("changes", [{"val_s_median": None}, {"status": "failed"}, {"threads": 1}])
def test_what_was_not_measured_is_no_reference(changes: dict[str, Any]) -> None:
    assert make_references([("a", [make_row(**changes)])]) == []


def test_each_report_is_foretold_from_the_others() -> None:
    one, other = make_row(), make_row(peak_rss_mib=1_000.0)
    references = make_references([("a", [one]), ("b", [other])])
    assert [each.peak_percent for each in references] == pytest.approx([25.0, 20.0])
    words = describe_errors(references)
    assert words.startswith("2 processes of 2 foretold from the other reports: 2 times within 25 %, the worst ")
    assert words.endswith("0 peaks within 10 %, the worst 25.0 % off.")


def test_reports_without_a_case_in_common_do_not_say_how_good_forecasts_are() -> None:
    for others in ([], [("b", [make_row(optimizer="adadelta")])]):
        references = make_references([("a", [make_row()]), *others])
        assert {each.time_percent for each in references} == {None}
        assert describe_errors(references).startswith("It is not known how good")


def test_the_command_prints_a_line_for_each_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = scripted.written_report(tmp_path / "here", [scripted.outcome()])
    assert main([str(folder.root)]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0].startswith("report,cpu_model,cores,gflop_per_s,model,")
    assert printed.out.splitlines()[1].startswith("here,Scripted CPU,2.0,,basic,tensorflow,fit,float32,adam,4,40,")
    assert "not known how good" in printed.err


def test_a_report_that_is_not_there_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none")]) == 2
    assert "no such file" in capsys.readouterr().err
    assert main([]) == 2
