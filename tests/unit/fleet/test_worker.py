"""A worker's own address, label and lock."""

import socket

import pytest

from bench.fleet.worker import find_own_address


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
