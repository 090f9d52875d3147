"""`aebench run --json`: what another program reads."""

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from scripted import NOISY, QUIET, Script

from bench import cli

SWEEP = ("--models", "basic,deep", "--epochs", "1,3", "--batch-sizes", "4", "--out", "mine")


class Run:
    """The command: its exit code, and what a program on its standard output reads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys
        self.out = self.err = ""

    def __call__(self, *flags: str) -> tuple[int, list[dict[str, Any]]]:
        self.monkeypatch.setattr(sys, "argv", ["aebench", "run", *flags, "--json"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        self.out, self.err = self.capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], script: Script) -> Run:
    monkeypatch.chdir(tmp_path)
    return Run(monkeypatch, capsys)


def test_each_event_is_an_object_on_a_line_and_nothing_else_is_there(run: Run, tmp_path: Path) -> None:
    code, events = run(*SWEEP, "--repeats", "1")
    assert code == 0
    case = ["case_started", "epoch", "epoch", "epoch", "case_finished"]
    assert [event["event"] for event in events] == ["sweep_started", *case, *case, "sweep_finished"]
    started, begun, epoch, *_, finished = events
    assert started == {
        "event": "sweep_started", "profile": "quick", "folder": str(tmp_path / "mine"), "minutes": None,
        "cases": 2, "cases_done": 0, "epochs": 6,
    }  # fmt: skip
    assert (begun["model"], begun["batch_size"], begun["epochs"], begun["further"]) == ("basic", 4, 3, False)
    assert begun["case_id"] == "basic.tensorflow.fit.float32.adam-0.001.b4.mnist-5k.s0.r0"
    assert {"case_id", "epoch", "train_s", "val_s", "train_loss", "val_loss", "rss_mib", "left_s"} < epoch.keys()
    assert epoch["left_s"] > 0
    assert events[5]["status"] == "ok"
    assert [checkpoint["epochs"] for checkpoint in events[5]["checkpoints"]] == [1, 3]
    assert all(set(each) == {"epochs", "total_s", "peak_rss_mib", "val_bce"} for each in events[5]["checkpoints"])
    assert all(each["val_bce"] > 0 for each in events[5]["checkpoints"])
    assert finished["exit_code"] == 0
    assert all(Path(finished[name]).is_file() for name in ("page", "results", "journal"))
    assert "Profile quick: 2 cases" in run.err, "what people read is on standard error"


def test_a_case_that_failed_says_how(run: Run, script: Script) -> None:
    script.endings = {"deep": {"reached": 1}}
    code, events = run(*SWEEP, "--repeats", "1")
    assert code == events[-1]["exit_code"] == 3
    assert (events[-2]["status"], events[-2]["error"]) == ("failed", "ValueError: scripted")
    assert [checkpoint["epochs"] for checkpoint in events[-2]["checkpoints"]] == [1]


def test_further_processes_and_waits_are_events_too(run: Run, script: Script) -> None:
    script.seen = itertools.chain([NOISY] * 2, itertools.repeat(QUIET))
    _, events = run(*SWEEP, "--epochs", "1,6", "--minutes", "2")
    assert events[0]["minutes"] == 2.0
    assert [event["further"] for event in events if event["event"] == "case_started"] == [
        False,
        False,
        True,
        True,
        True,
    ]
    (wait,) = [event for event in events if event["event"] == "waiting"]
    assert "other programs use 1.0 cores" in wait["reason"]


def test_a_sweep_that_was_interrupted_says_so_and_goes_on_where_it_was(run: Run, script: Script) -> None:
    script.interrupt_at = "deep"
    code, events = run(*SWEEP, "--repeats", "1")
    assert code == events[-1]["exit_code"] == 130
    script.interrupt_at = None
    _, events = run("--resume", "--out", "mine")
    assert (events[0]["cases"], events[0]["cases_done"], events[0]["epochs"]) == (2, 1, 6)
    assert [event["model"] for event in events if event["event"] == "case_started"] == ["deep"]


def test_a_case_that_was_given_up_is_planned_and_not_done(run: Run, script: Script) -> None:
    script.endings = {"deep": {"reached": 1}}
    run(*SWEEP, "--repeats", "1", "--retries", "0")
    _, events = run("--resume", "--out", "mine")
    assert (events[0]["cases"], events[0]["cases_done"], events[0]["epochs"]) == (2, 1, 6)
    assert [event["event"] for event in events] == ["sweep_started", "sweep_finished"]


@pytest.mark.parametrize("flags", [("--plan",), ("--models", "basci")])
def test_what_is_refused_is_one_message_and_no_event(run: Run, flags: tuple[str, ...]) -> None:
    code, events = run(*flags)
    assert (code, events) == (2, [])
    assert run.err.count("aebench: ") == 1
