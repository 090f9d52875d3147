"""What bench/plan/references.csv has of reports."""

from typing import Any

import pytest
import scripted

from bench.plan.forecast import MeasuredProcess
from bench.results.forecast_basis import describe_errors, format_measured, list_measured
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


def test_a_start_has_the_imports_that_are_usual_on_its_machine() -> None:
    """One read its backend from the disk; the other machine, and the other backend, have their own."""
    rows = [
        make_row(import_s=4.0, case_id="a"),
        make_row(import_s=18.0, total_s=77.0, case_id="b"),
        make_row(import_s=5.0, case_id="c"),
        make_row(import_s=9.0, cpu_limit=4.0, case_id="d"),
        make_row(import_s=3.0, backend="jax", case_id="e"),
        make_row(import_s=None, case_id="f"),
    ]
    outside_s = 63.0 - 54.0 - 5.5 + 2.0 + 0.5
    starts = [each.start_s for each in list_measured([("report", rows)])]
    assert starts == pytest.approx([outside_s + 1.0, outside_s + 1.0, outside_s, outside_s, outside_s, outside_s])


def test_a_process_says_what_machine_it_is_from() -> None:
    [process] = list_measured([("a", [make_row(reference_gflop_per_s=150.0, reference_gb_per_s=40.0)])])
    assert (process.cpu_model, process.cores) == ("Scripted CPU", 2.0)
    assert (process.gflop_per_s, process.gb_per_s) == (150.0, 40.0)


def test_reports_of_several_machines_are_foretold_from_those_of_their_own() -> None:
    rows = [make_row(), make_row(peak_rss_mib=900.0), make_row(cpu_limit=4.0, peak_rss_mib=1_000.0)]
    measured = list_measured(zip("abc", [[row] for row in rows], strict=True))
    assert [each.cores for each in measured] == [2.0, 2.0, 4.0]
    assert [each.peak_percent for each in measured] == [pytest.approx(12.5), pytest.approx(100 / 9), None]
    assert describe_errors(measured).endswith(
        "Each machine foretold from the others, scaled by the reference kernels: times per epoch 3 of 3 within 25 %, "
        "the worst 0 % off; peaks 0 of 3 within 10 %, the worst 25 % off."
    )


@pytest.mark.parametrize(
    "changes", [{"val_s_median": None}, {"status": "failed"}, {"threads": 1}, {"env_flags": "TF_X=1"}]
)
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


def test_the_file_has_a_line_for_each_process() -> None:
    lines = format_measured(list_measured([("here", [make_row(), make_row(case_id="another")])])).splitlines()
    assert lines[0].startswith("report,cpu_model,cores,gflop_per_s,gb_per_s,model,")
    assert [line.split(",")[:3] for line in lines[1:]] == [["here", "Scripted CPU", "2.0"]] * 2
    assert len(lines[1].split(",")) == len(MeasuredProcess.__dataclass_fields__)
