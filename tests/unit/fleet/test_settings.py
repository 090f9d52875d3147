"""Addresses, their risk, and what a Dask nanny leaves in the environment."""

import builtins
import logging
from typing import Any

import pytest

from bench.errors import InvalidInput
from bench.fleet.dask_settings import (
    SETTINGS,
    describe_risk,
    import_distributed,
    remove_nanny_variables,
    split_address,
)


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("tcp://127.0.0.1:8790", ("tcp", "127.0.0.1", 8790)),
        ("tls://fleet.example.org:1", ("tls", "fleet.example.org", 1)),
        ("tcp://[::1]:8790", ("tcp", "::1", 8790)),
    ],
)
def test_an_address_has_protocol_host_and_port(address: str, parts: tuple[str, str, int]) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize(
    "address", ["", "127.0.0.1:8790", "tcp://host", "tcp://host:0", "tcp://host:70000", "ucx://a:1"]
)
def test_what_is_no_address_is_named(address: str) -> None:
    with pytest.raises(InvalidInput, match="tcp://HOST:PORT"):
        split_address(address)


@pytest.mark.parametrize("address", ["tcp://127.0.0.3:1", "tcp://localhost:1", "tcp://[::1]:1", "tls://10.0.0.5:1"])
def test_loopback_and_tls_bring_no_warning(address: str) -> None:
    assert describe_risk(address) is None


@pytest.mark.parametrize("address", ["tcp://10.0.0.5:8790", "tcp://0.0.0.0:8790", "tcp://fleet:8790"])
def test_an_address_that_others_reach_does(address: str) -> None:
    assert "can run code there as you" in (describe_risk(address) or "")


def test_what_a_nanny_sets_is_removed_and_other_values_are_not() -> None:
    environ = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "2", "MALLOC_TRIM_THRESHOLD_": "65536", "HOME": "/root"}
    assert remove_nanny_variables(environ) == ["MALLOC_TRIM_THRESHOLD_=65536", "OMP_NUM_THREADS=1"]
    assert environ == {"MKL_NUM_THREADS": "2", "HOME": "/root"}


def test_what_dask_does_badly_is_off() -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: .[fleet]")
    dask = pytest.importorskip("dask")
    import_distributed()
    for name, value in SETTINGS.items():
        assert dask.config.get(name) == value, name
    assert not logging.getLogger("distributed.scheduler").isEnabledFor(logging.CRITICAL)
    assert dask.config.get("distributed.nanny.pre-spawn-environ").keys() == {
        "MALLOC_TRIM_THRESHOLD_",
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
    }, f"distributed {distributed.__version__} sets other variables: bench/fleet/dask_settings.py has to remove them"


def test_without_dask_one_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "dask":
            raise ModuleNotFoundError("No module named 'dask'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InvalidInput, match=r"pip install 'aebench\[fleet\]'"):
        import_distributed()
