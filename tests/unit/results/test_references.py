"""The command that makes bench/plan/references.csv from reports."""

from pathlib import Path
from typing import Any

import pytest
import scripted
from unit import machines

from bench.results.reader import Report
from bench.results.references import describe_errors, list_references, main


def make_report(seconds: float = 1.0, **changes: Any) -> Report:
    figures: dict[str, Any] = {"total_s": 60.0, "val_s_median": 0.1, "loop": "fit", "threads": None} | changes
    return Report(
        path=Path("results.csv"),
        machine_id="m1",
        environment_id="e1",
        fingerprint=scripted.fingerprint(),
        started_at="2026-01-02T03:04:05+00:00",
        rows=(machines.result(seconds=seconds, **figures),),
    )


def test_the_start_is_what_the_epochs_leave_of_the_whole_time() -> None:
    [(reference, _row)] = list_references("a", make_report())
    assert reference.epoch_s == pytest.approx(1.1)
    assert reference.start_s == pytest.approx(60 - 50 * 1.1)
    assert reference.peak_rss_mib == 800


@pytest.mark.parametrize("changes", [{"val_s_median": None}, {"status": "failed"}, {"threads": 1}])
def test_what_was_not_measured_is_no_reference(changes: dict[str, Any]) -> None:
    assert list_references("a", make_report(**changes)) == []


def test_each_report_is_foretold_from_the_others() -> None:
    [one], [other] = (list_references(name, make_report(peak_rss_mib=mib)) for name, mib in (("a", 800.0), ("b", 1e3)))
    words = describe_errors([one, other])
    assert words.startswith("2 processes foretold from the other reports: 2 times within 25 %, the worst 0 % off; ")
    assert words.endswith("0 peaks within 10 %, the worst 25.0 % off.")
    assert describe_errors([one]).startswith("No report foretells another")


def test_a_report_that_is_not_there_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none")]) == 2
    assert "no such file" in capsys.readouterr().err
