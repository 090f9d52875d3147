"""Fleets of 50 and of 200 simulated machines with 200 cases each: what home needs, and that it grows with the rows.

The machines' cases end as soon as they are asked for, so home has as much to do as it ever will.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

VALIDATION = Path(__file__).parent
PLACES = (VALIDATION, VALIDATION.parent, VALIDATION.parent.parent)
sys.path[:0] = map(str, PLACES)

import fleet_crowd
import scripted
from rich.console import Console

from bench.console.table import Table
from bench.fleet import home, start
from bench.fleet.report import report_fleet
from bench.fleet.scheduler import is_answering
from bench.sweep.flags import SweepRequest

SIZES = (50, 200)
CASES = 200
"""Of each machine."""
MOST_MIB = 1024.0
MOST_CORES = 1.02
"""One, and what threads of libraries take beside it."""
MOST_GROWTH = 1.5
"""Of the processor time per row, from the fewest machines to the most."""
HEADERS = (
    *("machines", "rows", "gathering", "rows/s", "CPU s", "ms per row", "reporting", "CPU s", "ms per row"),
    *("peak MiB", "bound"),
)


def validate() -> tuple[Table, bool]:
    """Home stays below 1 GiB and one core, and needs as much time per row of many machines as of few."""
    runs = [_simulate(machines) for machines in SIZES]
    bound = f"{MOST_MIB:,.0f} MiB, one core, {MOST_GROWTH:g} times as long per row as of {SIZES[0]}"
    rows = []
    for run in runs:
        cells = [f"{run['machines']}", f"{run['rows']:,}"]
        for part in ("gather", "report"):
            wall_s, cpu_s = run[part]
            rate = [f"{run['rows'] / wall_s:,.0f}"] if part == "gather" else []
            cells += [f"{wall_s:.1f} s", *rate, f"{cpu_s:.1f}", f"{1e3 * cpu_s / run['rows']:.2f}"]
        rows.append((*cells, f"{run['peak_mib']:,.0f}", bound))
    holds = all(run["code"] == 0 and run["rows"] == run["machines"] * CASES for run in runs)
    holds = holds and all(run["peak_mib"] < MOST_MIB for run in runs)
    holds = holds and all(
        cpu_s < MOST_CORES * wall_s for run in runs for wall_s, cpu_s in (run["gather"], run["report"])
    )
    per_row = {run["machines"]: sum(run[part][1] for part in ("gather", "report")) / run["rows"] for run in runs}
    return Table("Simulated fleets: what home needs", HEADERS, tuple(rows)), (
        holds and per_row[SIZES[-1]] <= MOST_GROWTH * per_row[SIZES[0]]
    )


def _simulate(machines: int) -> dict[str, Any]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, PLACES))}
    started: list[subprocess.Popen[bytes]] = []

    def begin(*words: str, **options: Any) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen((sys.executable, *words), env=environ, **options))
        return started[-1]

    try:
        begin("-m", "aebench", "fleet", "scheduler", "--scheduler", address, stdout=subprocess.DEVNULL)
        while not is_answering(address):
            time.sleep(0.1)
        begin("-m", "fleet_crowd", address, str(machines))
        with tempfile.TemporaryDirectory() as directory:
            asked = ("-m", "fleet_scale", address, str(machines), directory)
            done, _ = begin(*asked, stdout=subprocess.PIPE).communicate()
            found: dict[str, Any] = json.loads(done.splitlines()[-1])
            return found
    finally:
        for process in started:
            process.kill()
            process.wait()


def be_home(address: str, machines: int, directory: str) -> dict[str, Any]:
    """Run the command with a crowd that answers; returns what it took."""
    models = ("basic", "deep")
    profile = scripted.profile(models=models, batch_sizes=tuple(range(1, CASES // len(models) + 1)), epochs=(1, 10))
    header, dataset = scripted.header(profile=profile), scripted.dataset()
    vars(home).update(answer=fleet_crowd.answer)
    vars(start).update(find_images=lambda *_: dataset, make_header=lambda *_: header, ensure_scheduler=lambda *_: None)
    moments = [_read_clocks()]

    def report(*arguments: Any, **options: Any) -> int:
        moments.append(_read_clocks())
        return report_fleet(*arguments, **options)

    vars(start).update(report_fleet=report)
    out = Path(directory, "fleet")
    sweep = SweepRequest(None, {"epochs": [1, 10]}, None, True, out, False)
    with Path(directory, "said").open("w", encoding="utf-8") as said:
        code = start.start_fleet(start.FleetRequest(sweep, address, machines=machines), Console(file=said))
    moments.append(_read_clocks())
    (gather, reported) = ([b - a for a, b in zip(*pair, strict=True)] for pair in (moments[:2], moments[1:]))
    lines = sum(len(path.read_bytes().splitlines()) - 1 for path in out.glob("machines/*/journal.jsonl"))
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak_mib = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    return {
        "machines": machines, "code": code, "rows": lines, "gather": gather, "report": reported, "peak_mib": peak_mib,
    }  # fmt: skip


def _read_clocks() -> tuple[float, float]:
    return time.monotonic(), time.process_time()


if __name__ == "__main__":
    address, machines, directory = sys.argv[1:]
    print(json.dumps(be_home(address, int(machines), directory)))
