"""Fleets of real processes that train nothing: what is killed, cut off or late costs no measured case."""

import importlib.util
import json
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faults import fleet_stage
from faults.fleet_stage import CASES, FleetStage

from bench.results import journal

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="signals and forks are POSIX's"),
    pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="Dask is not installed: .[fleet]"),
]


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    root = tmp_path_factory.mktemp("fleets")
    with fleet_stage.opened(root) as server:
        yield server, root


@pytest.fixture
def fleet(_server: tuple[subprocess.Popen[str], Path], tmp_path: Path) -> Iterator[FleetStage]:
    """A scheduler, and nothing else yet."""
    server, root = _server
    stage = FleetStage(server, root, tmp_path)
    stage.scheduler()
    yield stage
    stage.end()


def test_every_machine_runs_every_case_and_home_has_one_folder(fleet: FleetStage) -> None:
    fleet.machine("one")
    fleet.machine("two")
    home = fleet.home("--machines", "2")
    assert home.code() == 0, fleet.describe()
    fleet.check("one", "two")
    assert (fleet.out / "comparison.html").is_file()
    assert (fleet.out / "machines" / "one" / "report.html").is_file()
    assert "one takes part: Scripted CPU" in home.said()
    assert "two: 6 of 6 cases" in home.said()


def test_machines_of_one_kind_share_the_cases_and_a_late_one_gets_some(fleet: FleetStage) -> None:
    fleet.pace = 0.3
    fleet.machine("one")
    home = fleet.home("--spread", "cases", "--machines", "2")
    fleet.wait_for_rows("one", 1)
    fleet.pace = 0.02
    fleet.machine("late")
    fleet.machine("other", fingerprint={"cpu_model": "Another CPU"})
    assert home.code() == 0, fleet.describe()
    one, late = fleet.rows_at_home("one"), fleet.rows_at_home("late")
    assert one.total() + late.total() == CASES == len(one | late)
    assert late
    stored = journal.read_journal(fleet.out / "journal.jsonl")
    assert len(stored.outcomes) == CASES
    assert json.loads((fleet.out / "status.json").read_text())["complete"]
    if "other does not" in home.said():  # it came in time to be refused
        assert "cpu_model: 'Scripted CPU' before, 'Another CPU' now" in home.said()
    assert fleet.rows_at("other").total() == 0


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"commit": "b" * 40}, "commit bbbbbbbbbbbb there, cccccccccccc here"),
        ({"fingerprint": {"keras": "2.0"}}, "keras 2.0 there, 3.13.2 in the rest of the fleet"),
    ],
)
def test_another_code_is_refused_by_name_before_the_first_case(
    fleet: FleetStage, changes: dict[str, object], named: str
) -> None:
    fleet.machine("strange", **changes)
    home = fleet.home("--lease", "3")
    assert home.code() == 2, fleet.describe()
    assert f"strange does not take part: {named}" in home.said()
    assert "no machine took part within 3 seconds" in home.said()
    assert fleet.rows_at("strange").total() == 0


def test_python_and_numpy_may_differ(fleet: FleetStage) -> None:
    fleet.machine("one", fingerprint={"python": "CPython 3.11.7", "numpy": "2.4.6"})
    fleet.machine("two", fingerprint={"python": "CPython 3.13.2", "numpy": "2.5.5"})
    assert fleet.home("--machines", "2").code() == 0, fleet.describe()
    fleet.check("one", "two")


def test_a_second_worker_on_a_machine_is_refused(fleet: FleetStage) -> None:
    first = fleet.machine("one")
    fleet_stage.wait_for(first.is_connected, first.said)
    second = fleet.machine("one")
    assert second.code() == 2
    assert "a worker of a fleet runs on this machine already" in second.said()


def test_a_worker_says_once_why_there_is_no_connection_and_that_there_is_one(fleet: FleetStage) -> None:
    fleet.actors[0].kill()
    fleet_stage.wait_for(lambda: not fleet.is_listening(), fleet.describe)
    worker = fleet.machine("one")
    fleet_stage.wait_for(lambda: "one: no connection to" in worker.said(), worker.said)
    fleet.scheduler()
    fleet_stage.wait_for(lambda: "one: connected to" in worker.said(), worker.said)
    assert worker.said().count("no connection") == 1


def test_what_a_nanny_sets_is_removed_and_named(fleet: FleetStage) -> None:
    nanny = {"OMP_NUM_THREADS": "1", "MALLOC_TRIM_THRESHOLD_": "65536", "MKL_NUM_THREADS": "2"}
    machine = fleet.machine("one", environ=nanny)
    fleet_stage.wait_for(machine.is_connected, machine.said)
    assert "OMP_NUM_THREADS=1 is removed" in machine.said()
    assert "MALLOC_TRIM_THRESHOLD_=65536 is removed" in machine.said()
    assert "MKL_NUM_THREADS" not in machine.said()


def test_a_worker_that_is_killed_takes_its_process_with_it_and_its_case_is_run_again(fleet: FleetStage) -> None:
    fleet.pace = 0.1
    worker = fleet.machine("one")
    home = fleet.home()
    fleet.wait_for_rows("one", 1)
    worker.kill()
    fleet.machine("one")
    assert home.code() == 0, fleet.describe()
    fleet.check("one")


def test_a_case_that_kills_its_worker_again_and_again_is_left_out(fleet: FleetStage) -> None:
    fleet.pace = 30.0
    home = fleet.home("--retries", "1", "--models", "basic", "--batch-sizes", "4")
    for _ in range(2):
        worker = fleet.machine("one")
        fleet_stage.wait_for((fleet.place("one") / "busy").exists, fleet.describe)
        worker.kill()
        (fleet.place("one") / "busy").unlink()
    fleet.machine("one")
    assert home.code() == 3, fleet.describe()
    assert "its worker died 2 times with basic" in home.said()


@pytest.mark.parametrize("spread", ["machines", "cases"])
def test_a_machine_that_never_comes_back_is_given_up_after_the_lease(fleet: FleetStage, spread: str) -> None:
    fleet.pace = 0.1
    fleet.machine("one")
    gone = fleet.machine("gone")
    home = fleet.home("--machines", "2", "--lease", "8", "--spread", spread)
    fleet.wait_for_rows("gone", 1)
    gone.kill()
    assert home.code() == (3 if spread == "machines" else 0), fleet.describe()
    if spread == "machines":
        fleet.check("one")
        assert f"--resume --out {fleet.out}" in home.said()
    else:
        assert json.loads((fleet.out / "status.json").read_text())["complete"]


def test_a_scheduler_that_is_killed_costs_nothing(fleet: FleetStage) -> None:
    fleet.pace = 0.05
    fleet.machine("one")
    fleet.machine("two")
    home = fleet.home("--machines", "2")
    fleet.wait_for_rows("one", 1)
    fleet.actors[0].kill()
    fleet_stage.wait_for(lambda: "trying again" in home.said(), fleet.describe)
    time.sleep(1.0)  # the machines go on with what they run
    fleet.scheduler()
    assert home.code() == 0, fleet.describe()
    fleet.check("one", "two")
    assert "Connected again." in home.said()


def test_a_home_that_is_killed_resumes_and_asks_for_what_it_lacks(fleet: FleetStage) -> None:
    fleet.pace = 0.05
    fleet.machine("one")
    home = fleet.home()
    fleet.wait_for_rows("one", 2)
    home.kill()
    assert fleet.home(resume=True).code() == 0, fleet.describe()
    fleet.check("one")


def test_collect_fetches_what_machines_have_and_runs_nothing(fleet: FleetStage) -> None:
    fleet.pace = 0.1
    fleet.machine("one")
    home = fleet.home("--on-interrupt", "detach")
    fleet.wait_for_starts("one", 2)
    home.send(signal.SIGINT)
    assert home.code() == 130, fleet.describe()
    assert "each machine finishes the case that it runs" in home.said()
    before = fleet.rows_at_home("one").total()
    fleet_stage.wait_for(lambda: fleet.rows_at("one").total() > before, fleet.describe)
    collect = fleet.play("collect", str(fleet.out))
    assert collect.code() == 3, fleet.describe()
    assert fleet.rows_at_home("one") == fleet.rows_at("one")
    assert fleet.rows_at("one").total() == before + 1
    assert fleet.home(resume=True).code() == 0, fleet.describe()
    fleet.check("one")


def test_the_command_that_home_prints_goes_on_as_the_sweep_was_begun(fleet: FleetStage) -> None:
    fleet.pace = 0.1
    fleet.machine("one")
    home = fleet.home("--spread", "cases", "--on-interrupt", "end")
    fleet.wait_for_rows("one", 1)
    home.send(signal.SIGINT)
    assert home.code() == 130, fleet.describe()
    (command,) = re.findall(r"To run what failed or is missing: (.*)", home.said())
    again = fleet.play(*shlex.split(command)[2:])
    assert again.code() == 0, fleet.describe()
    fleet.check("one")


def test_ctrl_c_at_home_ends_what_runs_and_the_machine_stays(fleet: FleetStage) -> None:
    fleet.pace = 0.1
    fleet.machine("one")
    home = fleet.home("--on-interrupt", "end")
    fleet.wait_for_rows("one", 1)
    home.send(signal.SIGINT)
    assert home.code() == 130, fleet.describe()
    status = fleet.play("status", "--scheduler", fleet.address)
    assert status.code() == 0
    assert "one: nothing runs" in status.said(), fleet.describe()
    assert fleet.home(resume=True).code() == 0, fleet.describe()
    fleet.check("one")


def test_a_machine_that_hears_nothing_for_a_while_goes_on_afterwards(fleet: FleetStage) -> None:
    fleet.pace = 0.05
    fleet.machine("one")
    home = fleet.home()
    fleet.wait_for_rows("one", 1)
    fleet.actors[0].send(signal.SIGSTOP)
    time.sleep(3.0)
    fleet.actors[0].send(signal.SIGCONT)
    assert home.code() == 0, fleet.describe()
    fleet.check("one")


def test_a_stopped_fleet_ends_with_its_cases(fleet: FleetStage) -> None:
    fleet.pace = 30.0
    worker = fleet.machine("one")
    home = fleet.home("--lease", "2")
    fleet.wait_for_run("one")
    stop = fleet.play("stop", "--scheduler", fleet.address)
    assert stop.code() == 0, fleet.describe()
    assert worker.code() == 0, fleet.describe()
    assert "Stopped 1 machine and the scheduler" in stop.said()
    home.send(signal.SIGTERM)
    assert home.code() in (3, 130), fleet.describe()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("victim", ["worker", "scheduler", "home"])
def test_kills_at_random_instants(fleet: FleetStage, victim: str, seed: int) -> None:
    chance = random.Random(f"{victim} {seed}")
    fleet.pace = 0.1
    actors = {"worker": fleet.machine("one"), "scheduler": fleet.actors[0], "home": fleet.home("--lease", "60")}
    fleet.machine("two")
    again: dict[str, Callable[[], Any]] = {
        "worker": lambda: fleet.machine("one"),
        "scheduler": fleet.scheduler,
        "home": lambda: fleet.home("--lease", "60", resume=True),
    }
    for _ in range(3):
        time.sleep(chance.uniform(0, 2.5))
        actors[victim].kill()
        actors[victim] = again[victim]()
    assert actors["home"].code() == 0, fleet.describe()
    fleet.check("one", "two")
