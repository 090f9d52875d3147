"""The parent is ended while it sweeps: what the journal had stays, nothing runs on, `--resume` comes to the same end.

Real processes that train nothing; a hundred instants, and a real sweep, are in `long/`.
"""

import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faults import stage
from faults.stage import Stage

from bench.results import journal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and forks are POSIX's")

ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGINT") if hasattr(signal, name)]


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return tmp_path / "report"


def finish(theatre: Stage, report: Path, quiet: Path) -> str:
    """Resume to the end and compare with a sweep that was left alone; returns what was said."""
    run = theatre.resume(report)
    assert run.code() == 0, run.said()
    stage.check_complete(report)
    assert stage.figures(report) == stage.figures(quiet)
    return run.said()


def test_a_sweep_that_is_killed_again_and_again_loses_nothing(theatre: Stage, quiet: Path, report: Path) -> None:
    chance = random.Random(1)
    acknowledged: list[str] = []
    for cases in (0, 1, 1):
        run = theatre.resume(report, pace=stage.UNHURRIED_S)
        run.wait_for_case(cases)
        run.kill_after(chance.uniform(0, 0.3))
        acknowledged += run.cases()
        assert stage.orphans(theatre) == []
        stage.check_journal(report, acknowledged)
        if (report / "results.csv").exists():
            stage.rows(report)
    assert acknowledged
    finish(theatre, report, quiet)


@pytest.mark.parametrize("number", ENDING, ids=lambda number: number.name)
def test_a_sweep_that_is_asked_to_end_writes_its_report_and_says_how_to_go_on(
    theatre: Stage, quiet: Path, report: Path, number: signal.Signals
) -> None:
    run = theatre.begin(report, pace=stage.UNHURRIED_S)
    run.wait_for_case()
    run.send(number)
    assert run.code() == 130
    assert f"aebench run --resume --out {report}" in run.said()
    assert "Traceback" not in run.said()
    assert stage.orphans(theatre) == []
    status = json.loads((report / "status.json").read_text())
    assert status["exit_code"] == 130
    assert status["cases"]["ok"] == len(run.cases()) == len(stage.rows(report)) / 2
    finish(theatre, report, quiet)


def test_ctrl_c_twice_leaves_nothing_running_and_nothing_broken(theatre: Stage, quiet: Path, report: Path) -> None:
    run = theatre.begin(report, pace=stage.UNHURRIED_S)
    run.wait_for_case()
    for _ in range(2):
        run.send(signal.SIGINT)
        time.sleep(0.03)
    assert run.code() == 130
    assert "Traceback" not in run.said()
    assert stage.orphans(theatre) == []
    stage.check_journal(report, run.cases())
    finish(theatre, report, quiet)


def test_a_sweep_under_nohup_outlives_its_terminal(theatre: Stage, report: Path) -> None:
    run = theatre.begin(report, before="import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)")
    run.wait_for_case()
    run.send(signal.SIGHUP)
    assert run.code() == 0, run.said()


def test_a_sweep_goes_on_when_nobody_reads_its_output(theatre: Stage, quiet: Path, report: Path) -> None:
    closed = "import os; reading, writing = os.pipe(); os.close(reading); os.dup2(writing, 1)"
    run = theatre.begin(report, before=closed)
    assert run.code() == 0, run.said()
    assert run.said() == ""
    assert stage.figures(report) == stage.figures(quiet)


def test_a_list_whose_reader_leaves_is_no_failure() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        (sys.executable, "-m", "bench", "models"), stdout=writing, stderr=subprocess.PIPE, cwd=stage.ROOT, check=False
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_a_second_run_in_a_folder_learns_who_holds_it(theatre: Stage, quiet: Path, report: Path) -> None:
    shutil.copytree(quiet, report)
    lines = (report / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (report / "journal.jsonl").write_bytes(b"".join(lines[:-1]))
    run = theatre.resume(report, pace=30.0)
    while not (report / ".holder").exists():
        time.sleep(0.002)
    command = (sys.executable, "-m", "bench", "report", str(report))
    second = subprocess.run(command, capture_output=True, text=True, cwd=stage.ROOT, check=False)
    assert (second.returncode, second.stdout) == (2, "")
    assert f"another run, process {run.pid}" in second.stderr
    run.send(signal.SIGINT)
    assert run.code() == 130
    finish(theatre, report, quiet)


def test_a_line_that_was_damaged_is_named_and_its_case_is_run_again(theatre: Stage, quiet: Path, report: Path) -> None:
    shutil.copytree(quiet, report)
    lines = (report / "journal.jsonl").read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"deep"', b'"de\xffp"')
    (report / "journal.jsonl").write_bytes(b"".join(lines))
    run = theatre.resume(report)
    assert run.code() == 0, run.said()
    assert "line 3 is set aside" in run.said()
    assert [case.partition(".")[0] for case in run.cases()] == ["deep"]
    assert stage.figures(report) == stage.figures(quiet)
    assert "line 3 is set aside" in (report / "report.md").read_text()
    assert len(journal.read_journal(report / "journal.jsonl").notes) == 1


# ------------------------------------------------------------------- odd surroundings


BACKWARDS = """
import datetime, itertools, time
from bench.sweep import local, run
class Clock(datetime.datetime):
    hours = itertools.count()
    @classmethod
    def now(cls, tz=None):
        return datetime.datetime(2026, 1, 2, tzinfo=tz) - datetime.timedelta(hours=next(cls.hours))
run.datetime = local.datetime = Clock
time.time = lambda: Clock.now().timestamp()
"""
"""A clock that is set back by an hour whenever it is read."""


def test_a_clock_that_runs_backwards_changes_nothing_but_the_dates(theatre: Stage, quiet: Path, report: Path) -> None:
    run = theatre.begin(report, before=BACKWARDS, pace=stage.UNHURRIED_S)
    run.wait_for_case()
    run.send(signal.SIGTERM)
    assert run.code() == 130
    again = theatre.resume(report, before=BACKWARDS)
    assert again.code() == 0, again.said()
    assert stage.figures(report) == stage.figures(quiet)
    begun = [row["started_at"] for row in stage.rows(report)]
    assert begun[2] > begun[4], "the clock did run backwards"
    took = [outcome.duration_s for outcome in journal.read_journal(report / "journal.jsonl").outcomes]
    assert all(0 < seconds < stage.LIMIT_S for seconds in took)


def test_a_locale_with_decimal_commas_changes_no_number(theatre: Stage, quiet: Path, report: Path) -> None:
    locales = theatre.folder / "locales"
    locales.mkdir()
    made = ("localedef", "-i", "de_DE", "-f", "UTF-8", str(locales / "de_DE.UTF-8"))
    if shutil.which("localedef") is None or subprocess.run(made, capture_output=True, check=False).returncode > 1:
        pytest.skip("no locale with decimal commas can be made here")
    german = f"""
import locale, os
os.environ.update(LOCPATH={str(locales)!r}, LC_ALL="de_DE.UTF-8")
locale.setlocale(locale.LC_ALL, "")
assert locale.localeconv()["decimal_point"] == ","
"""
    run = theatre.begin(report, before=german)
    assert run.code() == 0, run.said()
    assert stage.figures(report) == stage.figures(quiet)


def test_a_folder_may_have_any_name_and_the_hint_to_resume_can_be_pasted(
    theatre: Stage, quiet: Path, tmp_path: Path
) -> None:
    report = tmp_path / 'two  words, a "quote", it\'s\na $HOME; `line` [bold]* of -its own'
    run = theatre.begin(report, pace=stage.UNHURRIED_S)
    run.wait_for_case()
    run.send(signal.SIGINT)
    assert run.code() == 130
    hint = run.said().split("Continue with: ")[1].split("\n\nReport: ")[0]
    program, *arguments = shlex.split(hint)
    assert program == "aebench"
    again = theatre.run(*arguments)
    assert again.code() == 0, again.said()
    stage.check_complete(report)
    assert stage.figures(report) == stage.figures(quiet)
