"""Output that nobody reads is dropped; what a full disk refuses is known."""

import errno
import io
import os
import sys
import threading
from pathlib import Path

import pytest

from bench.console.output import Outlet, guard_output

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


def test_a_test_s_own_output_stays() -> None:
    before = sys.stdout, sys.stderr
    with guard_output():
        assert (sys.stdout, sys.stderr) == before
