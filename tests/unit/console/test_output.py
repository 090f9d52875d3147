"""Output that nobody reads is dropped; what a full disk refuses is known."""

import errno
import io
import os
import sys
import threading
from pathlib import Path

import pytest

from bench.console.output import Outlet, guard_output, make_console

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes as POSIX has them")


def test_what_nobody_reads_is_dropped() -> None:
    reading, writing = os.pipe()
    with Outlet(writing, "w") as outlet:
        assert outlet.write(b"read") == 4
        assert os.read(reading, 10) == b"read"
        os.close(reading)
        assert outlet.write(b"not read") == 8


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux' device that is always full")
def test_what_a_full_disk_refuses_is_known_afterwards() -> None:
    with Path("/dev/full").open("wb") as full, Outlet(full.fileno(), "w", closefd=False) as outlet:
        assert outlet.write(b"x") == 1
        assert outlet.refusal is not None
        assert outlet.refusal.errno == errno.ENOSPC


def test_a_full_pipe_that_blocks_nobody_is_waited_for() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    sent, received = b"x" * 500_000, bytearray()

    def read() -> None:
        while chunk := os.read(reading, 4096):
            received.extend(chunk)

    reader = threading.Thread(target=read)
    reader.start()
    with io.BufferedWriter(Outlet(writing, "w")) as file:
        file.write(sent)
    reader.join()
    os.close(reading)
    assert bytes(received) == sent


def test_a_test_s_own_output_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    own = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", own[0])
    monkeypatch.setattr(sys, "stderr", own[1])
    with guard_output():
        assert (sys.stdout, sys.stderr) == own


def test_the_streams_are_whole_and_put_back_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        for name, stream in (("stdout", out), ("stderr", err)):
            monkeypatch.setattr(sys, name, stream)
            monkeypatch.setattr(sys, f"__{name}__", stream)
        with guard_output():
            assert sys.stdout is not out
            print("said", end="")  # noqa: T201
            print("refused", end="", file=sys.stderr)  # noqa: T201
        assert (sys.stdout, sys.stderr) == (out, err)
        assert ((tmp_path / "out").read_text(), (tmp_path / "err").read_text()) == ("said", "refused")


@pytest.mark.parametrize(
    ("settings", "width"),
    [
        ({}, 160),
        ({"FORCE_COLOR": "1"}, 160),
        ({"TTY_COMPATIBLE": "1"}, 160),
        ({"COLUMNS": "70"}, 70),
        ({"COLUMNS": "70", "FORCE_COLOR": "1"}, 70),
        ({"COLUMNS": "wide"}, 160),
    ],
)
def test_a_pipe_is_wide_unless_columns_says_otherwise(
    settings: dict[str, str], width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert make_console().width == width
