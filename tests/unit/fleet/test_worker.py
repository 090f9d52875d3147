"""A worker's own address, label and lock."""

import errno
import socket
import tempfile
from pathlib import Path

import filelock
import pytest

from bench.errors import InvalidInput
from bench.fleet.worker import choose_label, find_own_address, lock_machine


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_its_own_address_is_the_one_that_reaches_the_scheduler(host: str) -> None:
    assert find_own_address(host) == "127.0.0.1"


def test_it_may_be_of_ipv6() -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("there is no IPv6 here")
    assert find_own_address("::1") == "::1"


def test_a_host_that_nobody_knows_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match=r"."):
        find_own_address("nobody.invalid")


def test_a_lock_that_is_another_users_file_is_no_running_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with pytest.raises(InvalidInput, match=r"another user has run a worker here.*TMPDIR"), lock_machine():
        pass


def test_a_lock_that_is_held_is_a_running_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with lock_machine(), pytest.raises(InvalidInput, match="runs on this machine already"), lock_machine():
        pass


def test_a_label_stays_and_a_damaged_file_of_it_is_named(tmp_path: Path) -> None:
    assert choose_label(None, tmp_path) == choose_label(None, tmp_path)
    (tmp_path / "label").write_bytes(b"\xff /../")
    with pytest.raises(InvalidInput, match=r"label holds no label.*delete it"):
        choose_label(None, tmp_path)
    with pytest.raises(InvalidInput, match="--label takes"):
        choose_label("../x", tmp_path)
