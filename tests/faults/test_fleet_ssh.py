"""Workers that home starts by ssh, through a real sshd on loopback."""

import getpass
import importlib.util
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults import fleet_stage
from faults.fleet_stage import FleetStage, write_script

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="signals and forks are POSIX's"),
    pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="Dask is not installed: .[fleet]"),
]
HOST = "loop"
SERVER = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host-key
AuthorizedKeysFile {folder}/key.pub
ForceCommand {folder}/shell
PidFile none
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
"""
CLIENT = """
Host {host}
HostName 127.0.0.1
Port {port}
User {user}
IdentityFile {folder}/key
IdentitiesOnly yes
UserKnownHostsFile {folder}/known
"""


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    root = tmp_path_factory.mktemp("fleets")
    with fleet_stage.opened(root) as server:
        yield server, root


@pytest.fixture(scope="module")
def _host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder on the PATH of this machine as an ssh host, with an `ssh` that reaches it as HOST."""
    folder = tmp_path_factory.mktemp("ssh")
    search = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"))
    sshd, ssh, keygen = (shutil.which(name, path=search) for name in ("sshd", "ssh", "ssh-keygen"))
    if sshd is None or ssh is None or keygen is None:
        pytest.skip("there is no sshd, no ssh or no ssh-keygen")
    for name in ("key", "host-key"):
        subprocess.run((keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)), check=True)
    port = fleet_stage.find_port("127.0.0.1")
    words = {"port": port, "folder": folder, "host": HOST, "user": getpass.getuser()}
    (folder / "server").write_text(SERVER.format_map(words))
    (folder / "client").write_text(CLIENT.format_map(words))
    (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host-key.pub').read_text()}")
    # Whatever the user's shell puts into its PATH first, `aebench` is the one that is written here.
    write_script(folder / "shell", f"PATH={folder}:$PATH", 'eval "$SSH_ORIGINAL_COMMAND"')
    write_script(folder / "ssh", f'exec {shlex.quote(ssh)} -F {folder}/client "$@"')
    said = folder / "said"
    with said.open("w") as output, subprocess.Popen((sshd, "-D", "-e", "-f", folder / "server"), stderr=output) as run:
        try:
            fleet_stage.wait_for(lambda: run.poll() is not None or is_listening(port), said.read_text)
            asked = (folder / "ssh", "-o", "BatchMode=yes", HOST, "true")
            if run.poll() is not None or subprocess.run(asked, check=False, stderr=output).returncode:
                pytest.skip(f"sshd lets nobody in here: {said.read_text().strip()}")
            yield folder
        finally:
            run.terminate()


def is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def fleet(_server: tuple[subprocess.Popen[str], Path], _host: Path, tmp_path: Path) -> Iterator[FleetStage]:
    """A scheduler, and a host whose `aebench` is a scripted machine."""
    server, root = _server
    path = os.pathsep.join((str(_host), os.environ["PATH"]))
    stage = FleetStage(server, root, tmp_path, pace=0.1, environ={"PATH": path})
    stage.write_aebench(_host, HOST)
    stage.scheduler()
    yield stage
    stage.end()


def test_home_starts_a_worker_and_ends_it(fleet: FleetStage) -> None:
    home = fleet.home("--ssh", HOST)
    assert home.code() == 0, fleet.describe()
    fleet.check(HOST)
    fleet.check_that_the_workers_have_ended()


def test_ctrl_c_at_home_ends_the_worker_and_what_it_runs(fleet: FleetStage) -> None:
    home = fleet.home("--ssh", HOST, "--on-interrupt", "detach")
    fleet.wait_for_starts(HOST, 2)
    home.send(signal.SIGINT)
    assert home.code() == 130, fleet.describe()
    fleet.check_that_the_workers_have_ended()
    assert fleet.home("--ssh", HOST, resume=True).code() == 0, fleet.describe()
    fleet.check(HOST)
