"""What a measured process gets from its parent, and what of its words may be handed around."""

import sys
from pathlib import Path

import pytest

from bench.launch import ROOT
from bench.sweep.process import hide_folders, make_environment, read_tail


def test_backend_and_threads_are_the_cases_and_the_path_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KERAS_BACKEND", "OMP_NUM_THREADS", "PYTHONPATH"):
        monkeypatch.setenv(name, "mine")
    found = make_environment("jax", 3)
    assert (found["KERAS_BACKEND"], found["OMP_NUM_THREADS"]) == ("jax", "3")
    assert found["PYTHONPATH"] == "mine", "nothing of ours is on a path that others are looked up on"
    assert make_environment("jax", None)["OMP_NUM_THREADS"] == "mine"


@pytest.mark.parametrize("name", ["KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "PYTHONDONTWRITEBYTECODE"])
def test_what_would_make_a_process_another_one_is_not_handed_down(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    assert name not in make_environment("tensorflow", None)


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\xff" * 9000 + b"".join(b"\nline %d" % number for number in range(100)))
    assert (read_tail(log) or "").splitlines() == [f"line {number}" for number in range(75, 100)]
    assert read_tail(tmp_path / "none") is None


def test_folders_of_this_machine_are_not_shared() -> None:
    files = [ROOT / "bench" / "cli.py", Path(sys.prefix) / "lib", Path.home() / "mine"]
    assert hide_folders(" ".join(map(str, files))) == "<aebench>/bench/cli.py <python>/lib ~/mine"
