"""Workers by ssh and by Slurm."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from bench.errors import InvalidInput
from bench.fleet.launchers import make_slurm_script, parse_hosts, require_reachable, start_by_ssh

ADDRESS = "tcp://10.0.0.5:8790"


def test_hosts_are_a_list() -> None:
    assert parse_hosts("host1, me@host2.example.org") == ["host1", "me@host2.example.org"]


@pytest.mark.parametrize("text", ["", "-oProxyCommand=evil", "a b", "a;b", "a,a", "me@-v"])
def test_what_ssh_would_take_for_something_else_is_no_host(text: str) -> None:
    with pytest.raises(InvalidInput, match="--ssh takes hosts"):
        parse_hosts(text)


def test_other_machines_cannot_reach_loopback() -> None:
    require_reachable(ADDRESS, "--ssh")
    with pytest.raises(InvalidInput, match="reached from this one alone"):
        require_reachable("tcp://127.0.0.1:8790", "--ssh")
    for anywhere in ("tcp://0.0.0.0:8790", "tcp://[::]:8790"):
        with pytest.raises(InvalidInput, match="no address that one can connect to"):
            require_reachable(anywhere, "--slurm")


def test_the_script_for_slurm_is_a_script(tmp_path: Path) -> None:
    script = make_slurm_script("gpu", ADDRESS)
    path = tmp_path / "script"
    path.write_text(script)
    assert subprocess.run(("bash", "-n", str(path)), check=False).returncode == 0
    assert "#SBATCH --partition=gpu\n" in script
    assert f'aebench fleet worker --scheduler {ADDRESS} --label "$SLURMD_NODENAME"' in script
    with pytest.raises(InvalidInput, match="--slurm takes"):
        make_slurm_script("a\n#SBATCH --wrap=evil", ADDRESS)


@pytest.mark.skipif(os.name != "posix", reason="the stand-in is a shell script")
def test_ssh_runs_a_worker_there_says_how_it_ended_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n'
        'case "$*" in *bad*) echo "bad: Permission denied"; exit 255;; esac\nexec sleep 60\n'
    )
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    told: list[str] = []
    with start_by_ssh(["good", "me@bad"], ADDRESS, told.append) as workers:
        end = time.monotonic() + 30
        while not told and time.monotonic() < end:
            workers.look()
            time.sleep(0.01)
        (good,) = workers._running.values()
    assert told == ["ssh me@bad has ended with exit code 255: bad: Permission denied"]
    assert good.returncode is not None
    asked = (tmp_path / "asked").read_text()
    assert "-tt -o BatchMode=yes -o ServerAliveInterval=30 -o ControlPath=none good aebench" in asked
    assert f"aebench fleet worker --scheduler {ADDRESS}" in asked
    assert "--label bad" in asked
