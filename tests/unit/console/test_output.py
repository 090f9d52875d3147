"""Output that nobody reads is dropped; a full disk is an error."""

import errno
import os
import sys
from pathlib import Path

import pytest

from bench.console.output import Outlet, open_outlets

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes as POSIX has them")


def test_what_nobody_reads_is_dropped() -> None:
    reading, writing = os.pipe()
    with Outlet(writing, "w") as outlet:
        assert outlet.write(b"read") == 4
        assert os.read(reading, 10) == b"read"
        os.close(reading)
        assert outlet.write(b"not read") == 8


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux' device that is always full")
def test_a_full_disk_is_an_error() -> None:
    with Path("/dev/full").open("wb") as full, Outlet(full.fileno(), "w", closefd=False) as outlet:
        with pytest.raises(OSError, match="No space left") as raised:
            outlet.write(b"x")
        assert raised.value.errno == errno.ENOSPC


def test_a_test_s_own_output_stays() -> None:
    before = sys.stdout, sys.stderr
    open_outlets()
    assert (sys.stdout, sys.stderr) == before
