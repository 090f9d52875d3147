"""The command line of fleets: what goes wrong is one message with exit code 2, before anything is begun."""

import sys
from pathlib import Path

import pytest

from bench import cli
from bench.fleet import start
from bench.fleet.start import FleetRequest


def fleet(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["aebench", "fleet", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    code = ended.value.code
    assert code is None or isinstance(code, int)
    return code or 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("start",), "--out DIR"),
        (("start", "--out", "x", "--minutes", "3"), "--minutes and --within are for `aebench run`"),
        (("start", "--out", "x", "--plan"), "--plan: that is for `aebench run`"),
        (("start", "--out", "x", "--probe", "--json"), "--probe, --json: that is for `aebench run`"),
        (("start", "--out", "x", "--tables"), "--tables: that is for `aebench run`"),
        (("start", "--out", "x", "--scheduler", "nonsense"), "tcp://HOST:PORT"),
        (("start", "--out", "x", "--ssh", "a"), "reached from this one alone"),
        (("start", "--out", "x", "--ssh", "-v"), "--ssh takes hosts"),
        (("start", "--out", "x", "--models"), "--models"),
        (("start", "--out", "x", "--nonsense"), "--nonsense"),
        (("start", "--out", "x", "--epochs", "many"), "50,100,500"),
        (("start", "--out", "x", "--spread", "all"), "spread"),
        (("collect", "absent"), "holds no fleet's sweep"),
    ],
)
def test_a_mistake_is_one_message(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: tuple[str, ...],
    named: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(start, "import_distributed", lambda: None)
    assert fleet(monkeypatch, *arguments) == 2
    said = capsys.readouterr()
    assert named in said.err
    assert "Traceback" not in said.err
    assert list(tmp_path.iterdir()) == []


def test_start_takes_what_run_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[FleetRequest] = []

    def note(request: FleetRequest) -> int:
        asked.append(request)
        return 0

    monkeypatch.setattr(start, "start_fleet", note)
    words = ("--models", "basic", "--epochs=3", "--machines", "2", "--timeout", "60", "--out", "x", "--offline")
    assert fleet(monkeypatch, "start", *words, "--data", "mnist.npz") == 0
    (request,) = asked
    assert request.sweep.overrides == {"models": ["basic"], "epochs": [3], "timeout_s": 60.0}
    assert (request.machines, request.sweep.out, request.sweep.data) == (2, Path("x"), Path("mnist.npz"))
    assert request.sweep.offline


@pytest.mark.parametrize("command", ["start", "worker", "scheduler", "status", "collect", "stop"])
def test_every_command_has_help_with_an_example(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert fleet(monkeypatch, command, "-h") == 0
    assert f"aebench fleet {command}" in capsys.readouterr().out
