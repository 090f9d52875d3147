"""Fleets over a network that is cut, and over one where a stranger has no key."""

import importlib.util
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from faults import fleet_stage
from faults.fleet_stage import FleetStage

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="signals and forks are POSIX's"),
    pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="Dask is not installed: .[fleet]"),
]
BRIDGE, NETWORK = "aeb-test", "10.213.87"
IMPATIENT = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "11s"}
"""A connection counts as dead after eleven seconds, the fewest that Dask takes, not after thirty."""


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    root = tmp_path_factory.mktemp("fleets")
    with fleet_stage.opened(root) as server:
        yield server, root


@pytest.fixture
def fleet(_server: tuple[subprocess.Popen[str], Path], tmp_path: Path) -> FleetStage:
    """Nothing yet."""
    server, root = _server
    return FleetStage(server, root, tmp_path)


def call_ip(*words: str) -> None:
    done = subprocess.run(("ip", *words), capture_output=True, text=True, check=False)
    if done.returncode:
        raise PermissionError(f"ip {' '.join(words)}: {done.stderr.strip()}")


@pytest.fixture
def _networks() -> Iterator[None]:
    """A bridge, and two network namespaces behind it."""
    if shutil.which("ip") is None:
        pytest.skip("there is no `ip`")
    labels = ("one", "two")
    made: list[tuple[str, ...]] = []
    try:
        call_ip("link", "add", BRIDGE, "type", "bridge")
        made.append(("link", "del", BRIDGE))
        call_ip("addr", "add", f"{NETWORK}.1/24", "dev", BRIDGE)
        call_ip("link", "set", BRIDGE, "up")
        for number, label in enumerate(labels, start=2):
            name, outer, inner = f"aeb-{label}", f"aeb-{label}-o", f"aeb-{label}-i"
            call_ip("netns", "add", name)
            made.append(("netns", "del", name))
            call_ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
            call_ip("link", "set", outer, "master", BRIDGE, "up")
            call_ip("-n", name, "addr", "add", f"{NETWORK}.{number}/24", "dev", inner)
            call_ip("-n", name, "link", "set", inner, "up")
            call_ip("-n", name, "link", "set", "lo", "up")
        yield
    except PermissionError as error:
        pytest.skip(f"no networks can be made here: {error}")
    finally:
        for words in reversed(made):  # nothing of those names that was there before
            subprocess.run(("ip", *words), capture_output=True, check=False)


@pytest.mark.long
@pytest.mark.usefixtures("_networks")
@pytest.mark.parametrize(("cut_s", "environ"), [(20.0, IMPATIENT), (300.0, {})])
def test_a_cut_cable_costs_nothing(fleet: FleetStage, cut_s: float, environ: dict[str, str]) -> None:
    fleet = replace(fleet, host=f"{NETWORK}.1", environ=environ, pace=0.1, port=0)
    fleet.scheduler()
    fleet.machine("one", network="aeb-one")
    fleet.machine("two", network="aeb-two")
    home = fleet.home("--machines", "2")
    fleet.wait_for_rows("two", 1)
    before = fleet.rows_at_home("two").total()
    call_ip("link", "set", "aeb-two-o", "down")
    time.sleep(cut_s)
    assert fleet.rows_at_home("two").total() <= before + 1
    call_ip("link", "set", "aeb-two-o", "up")
    assert home.code() == 0, fleet.describe()
    fleet.check("one", "two")
    assert "is not encrypted" in home.said()
    fleet.end()


def test_with_tls_only_who_has_the_key_takes_part(fleet: FleetStage, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl")
    ours, theirs = make_settings(tmp_path / "ours"), make_settings(tmp_path / "theirs")
    fleet = replace(fleet, protocol="tls", environ=ours, port=0)
    fleet.scheduler()
    fleet.machine("one")
    stranger = fleet.machine("stranger", environ=theirs)
    fleet_stage.wait_for(lambda: "stranger: no connection to" in stranger.said(), fleet.describe)
    home = fleet.home()
    assert home.code() == 0, fleet.describe()
    fleet.check("one")
    assert "stranger" not in home.said()
    assert fleet.rows_at("stranger").total() == 0
    status = fleet.play("status", "--scheduler", fleet.address, environ=theirs)
    assert status.code() != 0
    fleet.actors[2].kill()
    fleet.end()


def make_settings(folder: Path) -> dict[str, str]:
    """Dask's settings, as in docs/fleet.md, for a new key."""
    folder.mkdir()
    key, certificate = folder / "key.pem", folder / "cert.pem"
    made = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=my-fleet")
    subprocess.run((*made, "-keyout", str(key), "-out", str(certificate)), capture_output=True, check=True)
    settings = {"REQUIRE_ENCRYPTION": "True", "TLS__CA_FILE": str(certificate)}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        settings |= {f"TLS__{role}__CERT": str(certificate), f"TLS__{role}__KEY": str(key)}
    return {f"DASK_DISTRIBUTED__COMM__{name}": value for name, value in settings.items()}
