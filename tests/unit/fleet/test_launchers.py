"""Workers by ssh and by Slurm."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bench.errors import InvalidInput
from bench.fleet import launchers
from bench.fleet.launchers import (
    SlurmNodes,
    make_slurm_script,
    parse_hosts,
    parse_nodes,
    require_reachable,
    start_by_slurm,
    start_by_ssh,
)

ADDRESS = "tcp://10.0.0.5:8790"
posix = pytest.mark.skipif(os.name != "posix", reason="the stand-in is a shell script")


def make_slurm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a stand-in for Slurm on the PATH: `queue` is what squeue prints; with `fails`, nothing works."""
    script = f"""#!/bin/sh
cd {folder}
echo "${{0##*/}} $*" >> asked
test -e fails && {{ echo "slurm_load_jobs error: tired" >&2; exit 1; }}
case $0 in
    *squeue)
        test -n "$SQUEUE_STATES" && exit 0
        cat queue 2>/dev/null || true;;
    *sbatch)
        cat > script
        case "$*" in *partition=bad*) echo "sbatch: error: invalid partition specified: bad" >&2; exit 1;; esac
        echo x >> jobs
        wc -l < jobs;;
esac
"""
    for name in ("sbatch", "squeue", "scancel"):
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SQUEUE_STATES", "COMPLETED")
    monkeypatch.setattr(launchers, "_SQUEUE_EACH_S", 0.0)


def list_asked(folder: Path, command: str) -> list[str]:
    """What one of Slurm's commands was asked for."""
    lines = (folder / "asked").read_text().splitlines() if (folder / "asked").exists() else []
    return [line.partition(" ")[2] for line in lines if line.startswith(command)]


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


def test_nodes_are_a_list_of_partitions_with_types_and_counts() -> None:
    assert parse_nodes("gpu:a100:4, cpu,gpu:1080ti,small:12") == [
        SlurmNodes("gpu", "a100", 4),
        SlurmNodes("cpu"),
        SlurmNodes("gpu", "1080ti"),
        SlurmNodes("small", None, 12),
    ]


@pytest.mark.parametrize(
    "text", ["", "a b", "-p", "a:0", "a:7:7", "a:b:c", "a,a:2", "a\n#SBATCH --wrap=evil", "a:b:9999"]
)
def test_what_is_no_type_of_node_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="--slurm takes"):
        parse_nodes(text)


def test_the_script_for_slurm_is_a_script(tmp_path: Path) -> None:
    script = make_slurm_script(SlurmNodes("gpu", "a100", 4), ADDRESS, "aebench-1")
    path = tmp_path / "script"
    path.write_text(script)
    assert subprocess.run(("bash", "-n", str(path)), check=False).returncode == 0
    options = [line.removeprefix("#SBATCH ") for line in script.splitlines() if line.startswith("#SBATCH")]
    assert options == [
        "--job-name=aebench-1",
        "--partition=gpu",
        "--constraint=a100",
        "--array=1-4",
        "--nodes=1",
        "--exclusive",
        "--mem=0",
    ]
    assert f'exec aebench fleet worker --scheduler {ADDRESS} --label "$SLURMD_NODENAME"' in script
    assert "--constraint" not in make_slurm_script(SlurmNodes("gpu"), ADDRESS, "aebench-1")


def look_until(workers: launchers.SlurmWorkers, is_enough: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_enough():
        assert time.monotonic() < end
        workers.look()
        time.sleep(0.01)


@posix
def test_slurm_says_why_jobs_wait_and_how_many_have_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_slurm(tmp_path, monkeypatch)
    told: list[str] = []
    nodes = [SlurmNodes("gpu", "a100", 2), SlurmNodes("cpu")]
    with start_by_slurm(nodes, ADDRESS, "f" * 32, None, told.append) as workers:
        assert told == ["Slurm's job 1: gpu:a100, 2 nodes.", "Slurm's job 2: cpu, 1 node."]
        gpu, cpu = "1_1|{}|gpu|a100|{}\n1_2|RUNNING|gpu|a100|None\n", "2_1|RUNNING|cpu|(null)|None\n"
        (tmp_path / "queue").write_text(gpu.format("PENDING", "None") + cpu + "slurm is tired\n")
        look_until(workers, lambda: len(list_asked(tmp_path, "squeue")) > 1)
        assert workers.is_waiting
        (tmp_path / "queue").write_text(gpu.format("PENDING", "Nodes \x1b[31mdown, or | not") + cpu)
        look_until(workers, lambda: len(told) > 2)
        (tmp_path / "queue").write_text("1_1|COMPLETING|gpu|a100|None\n1_2|RUNNING|gpu|a100|None\n")
        look_until(workers, lambda: len(told) > 4 and not workers.is_waiting)
    assert told[2:] == [
        "Slurm's job 1_1 (gpu:a100) waits: Nodes down, or | not.",
        "1 job of Slurm for gpu:a100 ended; see slurm-*.out where home was started.",
        "1 job of Slurm for cpu ended; see slurm-*.out where home was started.",
        "Slurm's jobs are cancelled.",
    ]
    assert list_asked(tmp_path, "scancel") == ["--name=aebench-ffffffff"]
    assert set(list_asked(tmp_path, "squeue")) == {
        "--noheader --array --all --name=aebench-ffffffff --format=%i|%T|%P|%f|%r"
    }
    gpu_options = "--job-name=aebench-ffffffff --partition=gpu --constraint=a100 --array=1-2"
    assert list_asked(tmp_path, "sbatch")[0] == f"--parsable {gpu_options} --nodes=1 --exclusive --mem=0"


@posix
def test_a_queue_that_does_not_answer_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_slurm(tmp_path, monkeypatch)
    told: list[str] = []
    with start_by_slurm([SlurmNodes("cpu")], ADDRESS, "f" * 32, None, told.append) as workers:
        (tmp_path / "fails").touch()
        look_until(workers, lambda: len(list_asked(tmp_path, "squeue")) > 3)
        assert not workers.is_waiting, "home would wait for ever"
    assert told[1:] == [
        "Slurm's jobs could not be cancelled (slurm_load_jobs error: tired); run: scancel --name=aebench-ffffffff"
    ]


@posix
def test_only_jobs_that_are_missing_are_submitted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_slurm(tmp_path, monkeypatch)
    (tmp_path / "queue").write_text("7_1|RUNNING|gpu|a100|None\n7_3|PENDING|gpu|a100|Resources\n")
    told: list[str] = []
    nodes = [SlurmNodes("gpu", "a100", 4), SlurmNodes("cpu")]
    with start_by_slurm(nodes, ADDRESS, "f" * 32, ADDRESS, told.append) as workers:
        workers.leave()
    assert [line for line in list_asked(tmp_path, "sbatch") if "--array=1-2" in line and "constraint=a100" in line]
    assert told == [
        "In Slurm's queue from before: gpu:a100, 2 nodes.",
        "Slurm's job 1: gpu:a100, 2 nodes.",
        "Slurm's job 2: cpu, 1 node.",
        "Slurm's jobs run on: --resume goes on with them, and scancel --name=aebench-ffffffff ends them.",
    ]
    assert list_asked(tmp_path, "scancel") == []


@posix
def test_jobs_that_know_another_scheduler_are_cancelled_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_slurm(tmp_path, monkeypatch)
    (tmp_path / "queue").write_text("7_1|RUNNING|cpu|(null)|None\n")
    told: list[str] = []
    with start_by_slurm([SlurmNodes("cpu")], ADDRESS, "f" * 32, "tcp://10.0.0.6:8790", told.append) as workers:
        workers.leave()
    assert len(list_asked(tmp_path, "scancel")) == 1
    assert told[1:3] == ["Slurm's jobs are cancelled.", "Slurm's job 1: cpu, 1 node."]


@posix
def test_what_slurm_refuses_is_said_and_what_it_took_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_slurm(tmp_path, monkeypatch)
    told: list[str] = []
    nodes = [SlurmNodes("cpu"), SlurmNodes("bad")]
    with (
        pytest.raises(InvalidInput, match="no job for bad: sbatch: error: invalid partition specified: bad"),
        start_by_slurm(nodes, ADDRESS, "f" * 32, None, told.append),
    ):
        pytest.fail("it was refused")
    assert told == ["Slurm's job 1: cpu, 1 node.", "Slurm's jobs are cancelled."]
    (tmp_path / "fails").touch()
    with (
        pytest.raises(InvalidInput, match="squeue fails"),
        start_by_slurm(nodes, ADDRESS, "f" * 32, ADDRESS, told.append),
    ):
        pytest.fail("it was refused")


@posix
def test_ctrl_c_while_jobs_are_cancelled_says_how_to_cancel_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(words: Sequence[str]) -> tuple[str, str]:
        raise KeyboardInterrupt

    make_slurm(tmp_path, monkeypatch)
    told: list[str] = []
    with (
        pytest.raises(KeyboardInterrupt),
        start_by_slurm([SlurmNodes("cpu")], ADDRESS, "f" * 32, None, told.append),
    ):
        monkeypatch.setattr(launchers, "_run_slurm", interrupt)
    assert told[-1] == "Slurm's jobs may run on; scancel --name=aebench-ffffffff ends them."


def test_without_sbatch_the_script_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    told: list[str] = []
    with start_by_slurm([SlurmNodes("gpu")], ADDRESS, "f" * 32, None, told.append) as workers:
        workers.look()
        workers.leave()
    assert len(told) == 2
    assert make_slurm_script(SlurmNodes("gpu"), ADDRESS, "aebench-ffffffff") in told[1]


@posix
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
