"""Workers in jobs of Slurm that home submits, to a stand-in that starts at once what it is given, on this machine."""

import importlib.util
import os
import signal
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
SBATCH = """
job=$(($(ls *.script 2>/dev/null | wc -l) + 1))
cat > $job.script
for option in "$@"; do
    case $option in
        --job-name=*) echo ${option#*=} > $job.name;;
        --array=1-*) count=${option#--array=1-};;
    esac
done
for task in $(seq $count); do
    (
        sleep $(cat wait 2>/dev/null || echo 0)
        export SLURMD_NODENAME=node-$job-$task
        exec setsid bash $job.script
    ) > $job.out 2>&1 < /dev/null &
    echo $! >> $job.pids
done
echo "$job;here"
"""
SQUEUE = """
for each in *.pids; do
    job=${each%.pids}
    case " $* " in *" --name=$(cat $job.name) "*) ;; *) continue;; esac
    for pid in $(cat $each); do
        case $(ps -o stat= -p $pid) in ""|Z*) ;; *) echo "${job}_$pid|RUNNING|part|(null)|None";; esac
    done
done
"""
SCANCEL = """
for each in *.name; do
    case $1 in --name=$(cat $each)) ;; *) continue;; esac
    echo ${each%.name} >> cancelled
    kill $(cat ${each%.name}.pids)
done
"""
NODES = ("node-1-1", "node-1-2")


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    root = tmp_path_factory.mktemp("fleets")
    with fleet_stage.opened(root) as server:
        yield server, root


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    folder = tmp_path / "slurm"
    folder.mkdir()
    for name, script in (("sbatch", SBATCH), ("squeue", SQUEUE), ("scancel", SCANCEL)):
        write_script(folder / name, f"cd {folder}", script)
    return folder


@pytest.fixture
def fleet(_server: tuple[subprocess.Popen[str], Path], cluster: Path, tmp_path: Path) -> Iterator[FleetStage]:
    """A scheduler, and a cluster whose `aebench` is a scripted machine."""
    server, root = _server
    path = os.pathsep.join((str(cluster), os.environ["PATH"]))
    stage = FleetStage(server, root, tmp_path, pace=0.1, environ={"PATH": path})
    stage.write_aebench(cluster, "$SLURMD_NODENAME")
    stage.scheduler()
    yield stage
    stage.end()


def list_cancelled(cluster: Path) -> list[str]:
    path = cluster / "cancelled"
    return path.read_text().split() if path.exists() else []


def test_home_submits_a_job_per_node_and_cancels_all(fleet: FleetStage, cluster: Path) -> None:
    home = fleet.home("--slurm", "part:2")
    assert home.code() == 0, fleet.describe()
    assert "Slurm's job 1: part, 2 nodes." in home.said()
    fleet.check(*NODES)
    assert list_cancelled(cluster) == ["1"]
    fleet.check_that_the_workers_have_ended()


def test_home_waits_for_jobs_that_wait(fleet: FleetStage, cluster: Path) -> None:
    (cluster / "wait").write_text("6")
    home = fleet.home("--slurm", "part:2", "--lease", "2")
    assert home.code() == 0, fleet.describe()
    fleet.check(*NODES)


def test_jobs_of_a_home_that_was_killed_are_taken_over(fleet: FleetStage, cluster: Path) -> None:
    home = fleet.home("--slurm", "part:2")
    fleet.wait_for_rows(NODES[0], 1)
    home.kill()
    again = fleet.home("--slurm", "part:2", resume=True)
    assert again.code() == 0, fleet.describe()
    assert "In Slurm's queue from before: part, 2 nodes." in again.said()
    assert not (cluster / "2.script").exists()
    fleet.check(*NODES)
    assert list_cancelled(cluster) == ["1"]
    fleet.check_that_the_workers_have_ended()


def test_ctrl_c_at_home_cancels_the_jobs(fleet: FleetStage, cluster: Path) -> None:
    home = fleet.home("--slurm", "part:2")
    fleet.wait_for_starts(NODES[0], 2)
    home.send(signal.SIGINT)
    assert home.code() == 130, fleet.describe()
    assert list_cancelled(cluster) == ["1"]
    fleet.check_that_the_workers_have_ended()
    assert "--slurm part:2" in home.said().replace("\n", " "), "the command that goes on submits jobs again"


def test_who_leaves_lets_the_jobs_run(fleet: FleetStage, cluster: Path) -> None:
    home = fleet.home("--slurm", "part:2", "--on-interrupt", "detach")
    fleet.wait_for_starts(NODES[0], 2)
    home.send(signal.SIGINT)
    assert home.code() == 130, fleet.describe()
    assert "Slurm's jobs run on: --resume goes on with them, and scancel --name=" in home.said().replace("\n", " ")
    assert list_cancelled(cluster) == []
    assert fleet.home("--slurm", "part:2", resume=True).code() == 0, fleet.describe()
    fleet.check(*NODES)
    assert list_cancelled(cluster) == ["1"]
