"""SIGKILL at random instants: a hundred of a scripted sweep, ten of a real one."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from faults import stage
from faults.stage import Stage

from bench.errors import InvalidInput
from bench.results import journal

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform == "win32", reason="signals and forks are POSIX's"),
]

SCRIPTED_KILLS = 100
REAL_KILLS = 10


def say(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        print(f"\n{text}")  # noqa: T201 - figures for docs/reliability.md


def describe_progress(report: Path, acknowledged: int, planned: int) -> str:
    """What a run was doing when it was killed."""
    if not (report / "journal.jsonl").exists():
        return "before the first line"
    return "measuring" if acknowledged < planned else "writing the report"


def test_a_hundred_kills_of_a_scripted_sweep(
    theatre: Stage, quiet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planned = len({row["case_id"] for row in stage.rows(quiet)})
    lasts = 2.0
    chance = random.Random()
    killed: Counter[str] = Counter()
    sweeps = 0
    while killed.total() < SCRIPTED_KILLS:
        sweeps += 1
        report = tmp_path / f"report-{sweeps}"
        acknowledged: list[str] = []
        while True:
            began = time.monotonic()
            run = theatre.resume(report)
            code = run.kill_after(chance.uniform(0, lasts)) if killed.total() < SCRIPTED_KILLS else run.code()
            if code == 0:
                lasts = (lasts + time.monotonic() - began) / 2  # other programs come and go
            acknowledged += run.cases()
            assert stage.orphans(theatre) == []
            stage.check_journal(report, acknowledged)
            if (report / "results.csv").exists():
                stage.rows(report)
            if code != -signal.SIGKILL:
                break
            killed[describe_progress(report, len(acknowledged), planned)] += 1
        assert code == 0, run.said()
        stage.check_complete(report)
        assert stage.figures(report) == stage.figures(quiet)
        shutil.rmtree(report)
    say(capsys, f"scripted: {killed.total()} kills of {sweeps} sweeps, {dict(killed)}")


# --------------------------------------------------------------------------- a real sweep

REAL = ("--models", "basic,deep", "--epochs", "1,2", "--batch-sizes", "256", "--repeats", "1", "--offline")
EXACT = {"case_id", "epochs", "status", "run_status", "attempts", "train_loss", "val_loss", "val_bce", "params", "seed"}


def start(folder: Path, report: Path) -> subprocess.Popen[bytes]:
    if (report / "journal.jsonl").exists():
        arguments: tuple[str, ...] = ("--resume", "--out", str(report))
    else:
        arguments = (*REAL, "--out", str(report))
    return subprocess.Popen(
        (sys.executable, "-m", "bench", "run", *arguments),
        cwd=stage.ROOT,
        env={**os.environ, stage.STAGE_VARIABLE: str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def count_runs(report: Path) -> Counter[str]:
    with suppress(InvalidInput):
        return journal.read_journal(report / "journal.jsonl").runs
    return Counter()


def read_exact_figures(report: Path) -> list[dict[str, str]]:
    return stage.figures(report, changing=set(stage.rows(report)[0]) - EXACT)


def test_ten_kills_of_a_real_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = tmp_path / "whole"
    began = time.monotonic()
    assert start(tmp_path, whole).wait() == 0
    lasts = time.monotonic() - began
    chance = random.Random()
    killed: Counter[str] = Counter()
    sweeps = 0
    while killed.total() < REAL_KILLS:
        sweeps += 1
        report = tmp_path / f"report-{sweeps}"
        code = -signal.SIGKILL
        while code == -signal.SIGKILL:
            with start(tmp_path, report) as run:
                if killed.total() < REAL_KILLS:
                    with suppress(subprocess.TimeoutExpired):
                        run.wait(chance.uniform(0, 1.5 * lasts))
                    before = count_runs(report)
                    run.kill()
                code = run.wait()
            assert stage.left_over(tmp_path, but=0) == []
            stored = count_runs(report)
            assert before <= stored
            assert set(stored.values()) <= {1}
            if code == -signal.SIGKILL:
                killed[f"with {stored.total()} of 2 cases in the journal"] += 1
        assert code == 0
        stage.check_complete(report)
        assert read_exact_figures(report) == read_exact_figures(whole)
    say(capsys, f"real: {killed.total()} kills of {sweeps} sweeps, {dict(killed)}")
