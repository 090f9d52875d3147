"""Which files of a report are kept as a reference, and which reports are refused."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import scripted

from bench.errors import InvalidInput
from bench.reference.keep import keep_report
from bench.report.files import format_csv
from bench.results.schema import ResultRow

_GOOD: dict[str, Any] = {"dataset_genuine": "yes", "git_dirty": "no"}


def write_status(folder: Path, *, not_run: int = 0) -> None:
    cases = {"planned": 4, "not_run": not_run}
    (folder / "status.json").write_text(json.dumps({"complete": not not_run, "cases": cases, "failures": []}))


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return write(tmp_path / "report")


def write(folder: Path, **changes: Any) -> Path:
    folder.mkdir()
    write_status(folder)
    (folder / "results.csv").write_text(format_csv(ResultRow, [scripted.result_row(**_GOOD | changes)]))
    for name in ("environment.json", "report.md", "report.html", "epochs.csv", "journal.jsonl"):
        (folder / name).write_text(name)
    return folder


def test_five_files_are_kept(report: Path, tmp_path: Path) -> None:
    out = keep_report(report, "blog", tmp_path / "one")
    names = {"results.csv", "environment.json", "report.md", "report.html", "epochs.csv.gz"}
    assert {file.name for file in out.iterdir()} == names
    assert out.name.endswith("c-blog")
    assert gzip.decompress((out / "epochs.csv.gz").read_bytes()) == b"epochs.csv"
    again = keep_report(report, "blog", tmp_path / "two")
    assert all((again / name).read_bytes() == (out / name).read_bytes() for name in names)
    with pytest.raises(InvalidInput, match="there already"):
        keep_report(report, "blog", tmp_path / "one")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": "failed", "run_status": "failed", "error": "boom"}, "1 case failed"),
        ({"git_dirty": "yes"}, "uncommitted changes"),
        ({"dataset_genuine": "no"}, "not known to be"),
    ],
)
def test_a_doubtful_report_is_kept_only_on_demand(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    folder = write(tmp_path / "report", **changes)
    with pytest.raises(InvalidInput, match=reason):
        keep_report(folder, "blog", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert keep_report(folder, "blog", tmp_path / "out", anyway=True).is_dir()


def test_a_sweep_that_did_not_end_is_kept_only_on_demand(report: Path, tmp_path: Path) -> None:
    write_status(report, not_run=1)
    with pytest.raises(InvalidInput, match="1 of 4 cases were not run"):
        keep_report(report, "blog", tmp_path / "out")
    assert keep_report(report, "blog", tmp_path / "out", anyway=True).is_dir()


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"complete": false, "cases": {"planned": 1, "not_run": 0}}'])
def test_a_status_that_cannot_be_read_proves_no_end(report: Path, tmp_path: Path, text: str | None) -> None:
    (report / "status.json").unlink()
    if text is not None:
        (report / "status.json").write_text(text)
    with pytest.raises(InvalidInput, match="aebench report DIR"):
        keep_report(report, "blog", tmp_path / "out")


@pytest.mark.parametrize("what", ["", "../x", "A", "a" * 41])
def test_a_name_that_is_none_is_refused(report: Path, tmp_path: Path, what: str) -> None:
    with pytest.raises(InvalidInput, match="WHAT"):
        keep_report(report, what, tmp_path / "out")


def test_nothing_is_left_of_a_report_that_cannot_be_kept(report: Path, tmp_path: Path) -> None:
    (report / "epochs.csv").unlink()
    with pytest.raises(InvalidInput, match=r"epochs\.csv: No such file"):
        keep_report(report, "blog", tmp_path / "out")
    (report / "report.html").write_text("x" * 1_500_001)
    with pytest.raises(InvalidInput, match="1,500,000 at most"):
        keep_report(report, "blog", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
