"""Files of a report are replaced whole or not at all."""

import os
from datetime import datetime, tzinfo
from pathlib import Path

import pytest

from bench.results import folder as folders
from bench.results.folder import ReportFolder, write_whole


def test_every_file_of_a_report_lies_in_its_folder_under_a_name_of_its_own(tmp_path: Path) -> None:
    folder = ReportFolder(tmp_path)
    names = ("journal", "lock", "holder", "results", "epochs", "environment", "status", "report", "logs", "data")
    paths = [getattr(folder, name) for name in names]
    assert {path.parent for path in paths} == {tmp_path}
    assert len(set(paths)) == len(names)
    assert folder.locate_log("some.case").parent == folder.logs


def test_a_report_of_a_second_that_has_one_already_gets_a_name_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Clock":
            return cls(2026, 1, 2, tzinfo=tz)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(folders, "datetime", Clock)
    for expected in ("20260102T000000Z-x", "20260102T000000Z-x-2", "20260102T000000Z-x-3"):
        folder = ReportFolder.pick_new("x")
        assert folder.root == Path("reports", expected)
        folder.root.mkdir(parents=True)


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    for text in ("first, and longer\n", "second ·\n"):
        write_whole(path, text)
    assert path.read_bytes() == "second ·\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_others_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    write_whole(path, "x")
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("failure", [OSError("disk full"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    path = tmp_path / "results.csv"
    write_whole(path, "old")

    def fail(_handle: int) -> None:
        raise failure

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(type(failure)):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
