"""The disk under a report folder fills, becomes read-only or goes away: the journal stays whole and can be resumed."""

import csv
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults import stage
from faults.stage import Run, Stage

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="small disks are mounted as Linux does")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk with room for a megabyte."""
    place = tmp_path / "disk"
    try:
        with stage.disk(place, 1024):
            yield place
    except PermissionError as error:
        pytest.skip(f"no disk may be mounted here: {error}")


def stopped(theatre: Stage, run: Run, report: Path) -> str:
    """What a run said that the disk has stopped."""
    assert run.code() == 3, run.said()
    assert "Traceback" not in run.said()
    assert stage.orphans(theatre) == []
    stage.check_journal(report, run.cases())
    return run.said()


def finish(theatre: Stage, report: Path, quiet: Path) -> None:
    run = theatre.resume(report)
    assert run.code() == 0, run.said()
    stage.check_complete(report)
    assert stage.figures(report) == stage.figures(quiet)


@pytest.mark.parametrize("kib", [12, 40, 64, 76, 116])
def test_a_full_disk_ends_the_sweep_and_room_lets_it_go_on(theatre: Stage, quiet: Path, small: Path, kib: int) -> None:
    stage.mounted("-o", f"remount,size={kib}k", str(small))
    report = small / "report"
    said = stopped(theatre, theatre.begin(report), report)
    assert "No space left on device" in said
    assert "--resume --out" in said or "aebench report" in said
    stage.mounted("-o", "remount,size=4m", str(small))
    finish(theatre, report, quiet)


@pytest.mark.parametrize("room", [1000, 8000, 14000, 30000])
def test_a_disk_that_is_full_within_a_line_or_a_table_loses_nothing(
    theatre: Stage, quiet: Path, tmp_path: Path, room: int
) -> None:
    report = tmp_path / "report"
    said = stopped(theatre, theatre.begin(report, before=stage.SHIM.format(room=room)), report)
    assert "No space left on device" in said
    finish(theatre, report, quiet)


READ_ONLY = """
import errno, io, os
from bench.results import journal
class Refusing(io.FileIO):
    lines = 1
    def write(self, data):
        if not self.lines:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        self.lines -= 1
        return super().write(data)
journal.FileIO = Refusing
"""
"""A disk in use does not become read-only for the asking: this refuses as one does after an error."""


def test_a_disk_that_becomes_read_only_ends_the_sweep(theatre: Stage, quiet: Path, tmp_path: Path) -> None:
    report = tmp_path / "report"
    run = theatre.begin(report, before=READ_ONLY)
    assert f"{report}: Read-only file system" in stopped(theatre, run, report)
    assert len(run.cases()) == 1
    finish(theatre, report, quiet)


def test_a_folder_on_a_read_only_disk_is_refused_before_anything_is_run(
    theatre: Stage, quiet: Path, small: Path
) -> None:
    report = small / "report"
    shutil.copytree(quiet, report)
    stage.mounted("-o", "remount,ro", str(small))
    run = theatre.resume(report)
    assert "Read-only file system" in stopped(theatre, run, report)
    new = theatre.begin(small / "new")
    assert new.code() == 2
    assert "cannot be written: Read-only file system" in new.said()


def test_a_disk_that_goes_away_ends_the_sweep(theatre: Stage, small: Path) -> None:
    report = small / "report"
    run = theatre.begin(report, pace=stage.UNHURRIED_S)
    run.wait_for_case()
    subprocess.run(("umount", "-l", str(small)), check=True)
    said = run.code(), run.said()
    assert said[0] == 3, said[1]
    assert f"{report}" in said[1]
    assert "No such file or directory" in said[1]
    assert "Traceback" not in said[1]
    assert stage.orphans(theatre) == []
    assert len(run.cases()) <= 2, "it noticed with the next case"


def test_a_folder_that_is_moved_away_ends_the_sweep_and_is_gone_on_from_where_it_is(
    theatre: Stage, quiet: Path, tmp_path: Path
) -> None:
    report, elsewhere = tmp_path / "report", tmp_path / "elsewhere"
    run = theatre.begin(report, pace=stage.UNHURRIED_S)
    run.wait_for_case()
    report.rename(elsewhere)
    assert run.code() == 3, run.said()
    assert "No such file or directory" in run.said()
    assert stage.orphans(theatre) == []
    stage.check_journal(elsewhere, run.cases())
    finish(theatre, elsewhere, quiet)


def test_a_page_that_cannot_be_drawn_costs_no_table(theatre: Stage, quiet: Path, tmp_path: Path) -> None:
    report = tmp_path / "report"
    broken = "from bench.report import html; html.write_page = lambda *_, **__: 1 / 0"
    run = theatre.begin(report, before=broken)
    said = stopped(theatre, run, report)
    assert "The report is not whole: ZeroDivisionError" in said
    assert f"aebench report {report}" in said
    assert stage.figures(report) == stage.figures(quiet)
    assert json.loads((report / "status.json").read_text())["exit_code"] == 3
    assert (report / "report.md").is_file()
    again = theatre.run("report", str(report))
    assert again.code() == 0, again.said()
    stage.check_complete(report)


def test_who_reads_the_tables_meanwhile_never_sees_half_of_one(theatre: Stage, tmp_path: Path) -> None:
    report = tmp_path / "report"
    run = theatre.begin(report)
    seen: set[int] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            if (report / "results.csv").exists():
                text = (report / "results.csv").read_text(encoding="utf-8")
                header, *lines = csv.reader(text.splitlines())
                whole = text.endswith("\n") and all(len(line) == len(header) for line in lines)
                seen.add(len(lines) if whole else -1)

    reader = threading.Thread(target=read)
    reader.start()
    code = run.code()
    done.set()
    reader.join()
    assert code == 0, run.said()
    assert seen
    assert -1 not in seen
