"""Disks that fill while journal and report are written, at random points: fifty real ones, fifty simulated ones."""

import random
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from faults import stage
from faults.stage import Run, Stage

from bench.results import journal

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="small disks are Linux' here"),
]

POINTS = 50


def say(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        print(f"\n{text}")  # noqa: T201 - figures for docs/reliability.md


def describe_refusal(theatre: Stage, run: Run, report: Path) -> str | None:
    """Wait for the run's end, check it, and say what the disk refused; None where there was room."""
    code = run.code()
    assert stage.orphans(theatre) == []
    assert "Traceback" not in run.said()
    stage.check_journal(report, run.cases())
    if code == 0:
        return None
    assert code in (2, 3), run.said()
    assert "No space left on device" in run.said()
    if not (report / "journal.jsonl").exists():
        return "before the journal"
    assert code == 3, run.said()
    if (report / "results.csv").exists():
        stage.rows(report)
    if journal.read_journal(report / "journal.jsonl").outcomes and "The report is not whole" in run.said():
        return "journal" if "Stopped: " in run.said() else "report"
    return "preparing or first case"


def finish(theatre: Stage, report: Path, quiet: Path) -> None:
    run = theatre.resume(report)
    assert run.code() == 0, run.said()
    stage.check_complete(report)
    assert stage.figures(report) == stage.figures(quiet)


def test_fifty_small_disks(theatre: Stage, quiet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Half are too small from the start, half are filled by somebody else at a random instant."""
    place = tmp_path / "disk"
    chance = random.Random()
    full: Counter[str] = Counter()
    tried = 0
    while full.total() < POINTS:
        tried += 1
        try:
            with stage.disk(place, chance.randrange(4, 140, 4) if tried % 2 else 4096):
                report = place / "report"
                run = theatre.begin(report)
                if not tried % 2:
                    time.sleep(chance.uniform(0, 1))
                    fill(place / "somebody's")
                refused = describe_refusal(theatre, run, report)
                if refused is None:
                    continue
                full[refused] += 1
                (place / "somebody's").unlink(missing_ok=True)
                stage.mounted("-o", "remount,size=8m", str(place))
                finish(theatre, report, quiet)
        except PermissionError as error:
            pytest.skip(f"no disk may be mounted here: {error}")
    say(capsys, f"full disks: {full.total()} of {tried} sweeps, {dict(full)}")


def fill(path: Path) -> None:
    """Take all room that there is."""
    with path.open("ab", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            return


def test_fifty_disks_that_are_full_within_a_line_or_a_file(
    theatre: Stage, quiet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random()
    room = sum(path.stat().st_size for path in quiet.iterdir() if path.is_file()) * 2
    full: Counter[str] = Counter()
    tried = 0
    while full.total() < POINTS:
        tried += 1
        report = tmp_path / f"report-{tried}"
        run = theatre.begin(report, before=stage.SHIM.format(room=chance.randrange(room)))
        refused = describe_refusal(theatre, run, report)
        if refused is not None:
            full[refused] += 1
            finish(theatre, report, quiet)
        shutil.rmtree(report, ignore_errors=True)
    say(capsys, f"simulated full disks: {full.total()} of {tried} sweeps, {dict(full)}")
