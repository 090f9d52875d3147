"""What a fleet costs: the time from one case to the next on a machine, against the local executor, and an idle worker.

The cases train nothing and end at once, so that nothing but the engine shows. Both sides run in turns.
"""

import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

import scripted
from faults import fleet_stage
from faults.fleet_server import make_child

from bench.console.table import Table
from bench.results import journal
from bench.results.folder import ReportFolder
from bench.sweep import local

ROUNDS = 4
SIZES = tuple(range(1, 25))
CASE_S = 11.0
"""A case of the default sweep."""
MOST = 0.01
IDLE_S = 20.0
HEADERS = ("what", "local", "fleet", "fleet less local", "of an 11 s case", "bound")


def validate() -> tuple[Table, bool]:
    """The engine costs at most 1 % of an 11 s case, and an idle worker 1 % of a core."""
    alone, there = [], []
    with tempfile.TemporaryDirectory() as directory, fleet_stage.opened(Path(directory)) as server:
        for number in range(ROUNDS):
            alone += _run_alone(Path(directory, f"alone-{number}"))
            folder = Path(directory, f"fleet-{number}")
            folder.mkdir()
            steps, idle = _run_fleet(fleet_stage.FleetStage(server, Path(directory), folder, pace=0.0), number)
            there += steps
    one, two = statistics.median(alone), statistics.median(there)
    cost = (two - one) / CASE_S
    steps_ms = (f"{one * 1e3:.0f} ms", f"{two * 1e3:.0f} ms", f"{(two - one) * 1e3:.1f} ms")
    rows = [
        ("from case to case", *steps_ms, f"{cost:.2%}", "1 %"),
        ("an idle worker, of a core", "", f"{idle:.2%}", "", "", "1 %"),
    ]
    return Table("A fleet: what the engine costs", HEADERS, tuple(rows), labels=1), cost <= MOST and idle <= MOST


def _run_alone(folder: Path) -> list[float]:
    busy = folder.with_suffix(".busy")
    vars(local).update(measure_reference=lambda _threads: None)
    report = ReportFolder(folder)
    folder.mkdir()
    executor = local.LocalExecutor(report, command=(sys.executable, "-I", "-S", "-c", make_child(0.0, str(busy))))
    cases = [scripted.case(batch_size=size, checkpoints=(1, 3)) for size in SIZES]
    with journal.open_writer(report, scripted.header()) as writer:
        for outcome in executor.run(cases, lambda *_: None):
            writer.append(outcome)
    return _read_steps(busy)


def _run_fleet(stage: fleet_stage.FleetStage, number: int) -> tuple[list[float], float]:
    """Returns the seconds from case to case, and the fraction of a core that the worker took before them."""
    stage.scheduler()
    worker = stage.machine("one")
    fleet_stage.wait_for(lambda: "waiting" in worker.said(), worker.said)
    time.sleep(3)
    idle = 0.0
    if number == ROUNDS - 1:
        process = psutil.Process(worker.pid)
        before = sum(process.cpu_times()[:2])
        time.sleep(IDLE_S)
        idle = (sum(process.cpu_times()[:2]) - before) / IDLE_S
    home = stage.home("--models", "basic", "--batch-sizes", ",".join(map(str, SIZES)))
    assert home.code() == 0, stage.describe()
    stage.end()
    return _read_steps(stage.place("one") / "busy"), idle


def _read_steps(busy: Path) -> list[float]:
    began = [int(line) for line in busy.read_text().split()]
    return [(b - a) / 1e9 for a, b in pairwise(began)]
