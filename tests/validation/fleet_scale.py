"""A fleet of 200 simulated machines with 200 cases each: what home needs, and that it grows with the rows alone.

The machines are Dask workers, 50 to a process, whose cases end as soon as they are asked for. So home and its scheduler
have as much to do as they ever will.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent), str(TESTS / "validation")]

import scripted
from rich.console import Console

from bench.console.table import Table
from bench.fleet import home, start
from bench.fleet import messages as say
from bench.fleet.code import read_code
from bench.fleet.dask_settings import import_distributed
from bench.fleet.scheduler import is_answering
from bench.sweep.flags import SweepRequest

MACHINES = 200
CASES = (50, 100, 200)
"""Of one machine; home's processor time per row has to stay the same."""
PER_PROCESS = 50
MOST_MIB = 1024
MOST_GROWTH = 1.25
"""Of the processor seconds per row, from the fewest cases to the most."""
HEADERS = ("machines", "cases each", "rows", "home: CPU s", "ms per row", "cores", "peak MiB", "seconds", "bound")


def validate() -> tuple[Table, bool]:
    """Home stays below 1 GiB and one core, and takes as long per row with many rows as with few."""
    runs = [_simulate(MACHINES, cases) for cases in CASES]
    rows = [
        (
            *(f"{MACHINES}", f"{run['cases']}", f"{run['rows']:,}", f"{run['cpu_s']:.0f}"),
            *(f"{1e3 * run['cpu_s'] / run['rows']:.2f}", f"{run['cpu_s'] / run['wall_s']:.2f}"),
            *(f"{run['peak_mib']:,.0f}", f"{run['wall_s']:.0f}", f"{MOST_MIB:,} MiB, 1 core, linear in rows"),
        )
        for run in runs
    ]
    per_row = [run["cpu_s"] / run["rows"] for run in runs]
    holds = (
        all(run["rows"] == MACHINES * run["cases"] and run["code"] == 0 for run in runs)
        and max(run["peak_mib"] for run in runs) < MOST_MIB
        and max(run["cpu_s"] / run["wall_s"] for run in runs) <= 1.02
        and per_row[-1] <= MOST_GROWTH * per_row[0]
    )
    return Table("A fleet of simulated machines: what home needs, its reports included", HEADERS, tuple(rows)), holds


def _simulate(machines: int, cases: int) -> dict[str, Any]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path[:3])}
    started: list[subprocess.Popen[bytes]] = []

    def begin(*words: str, **options: Any) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen((sys.executable, *words), env=environ, **options))
        return started[-1]

    try:
        begin("-m", "aebench", "fleet", "scheduler", "--scheduler", address, stdout=subprocess.DEVNULL)
        while not _answers(address):
            time.sleep(0.1)
        for first in range(0, machines, PER_PROCESS):
            begin(__file__, "crowd", address, str(first), str(min(PER_PROCESS, machines - first)))
        with tempfile.TemporaryDirectory() as directory:
            asked = (__file__, "home", address, str(machines), str(cases), directory)
            done, _ = begin(*asked, stdout=subprocess.PIPE).communicate()
            found: dict[str, Any] = json.loads(done.splitlines()[-1])
            return found
    finally:
        for process in started:
            process.kill()
            process.wait()


def _answers(address: str) -> bool:
    return is_answering(address)


# ------------------------------------------------------------------ the machines


async def answer_for_crowd(text: str, data: bytes = b"", dask_worker: Any = None) -> str:
    """Take the place of `bench.fleet.machine.answer`."""
    label, request = dask_worker.name, say.REQUEST.validate_json(text)
    match request:
        case say.Describe():
            machine = scripted.fingerprint()
            reply: Any = say.Description(
                label=label, life=label, code=read_code(), fingerprint=machine, machine_id="m1", environment_id="e1",
                running=None, sweeps={},
            )  # fmt: skip
        case say.SendImages():
            reply = say.Received(size=len(data), is_whole=True)
        case say.Begin():
            update = {"fingerprint": scripted.fingerprint(), "machine_id": "m1", "environment_id": "e1"}
            reply = request.header.model_copy(update=update)
        case say.RunCase():
            reply = say.Ended(row=scripted.outcome(request.case, attempt=request.attempt).model_dump_json())
        case say.SendRows():
            reply = say.Rows(rows=[], is_all=True)
        case _:
            reply = say.Done()
    return str(reply.model_dump_json())


async def _be_crowd(address: str, first: int, count: int) -> None:
    distributed = import_distributed()
    workers = [
        distributed.Worker(
            address, name=f"machine-{first + number:03}", nthreads=1, memory_limit=0, dashboard=False, host="127.0.0.1"
        )
        for number in range(count)
    ]
    await asyncio.gather(*workers)
    await asyncio.gather(*(worker.finished() for worker in workers))


# ------------------------------------------------------------------ home


def _be_home(address: str, machines: int, cases: int, directory: str) -> None:
    models = ("basic", "deep")
    sizes = tuple(range(1, cases // len(models) + 1))
    profile = scripted.profile(models=models, batch_sizes=sizes, epochs=(1, 10))
    header = scripted.header(profile=profile)
    dataset = scripted.dataset()
    vars(home).update(answer=_find_crowd_answer())
    vars(start).update(find_images=lambda *_: dataset, make_header=lambda *_: header, ensure_scheduler=lambda *_: None)
    sweep = SweepRequest(None, {"epochs": [1, 10]}, None, True, Path(directory, "fleet"), False)
    request = start.FleetRequest(sweep, address, machines=machines)
    began, cpu = time.monotonic(), time.process_time()
    code = start.start_fleet(request, Console(file=open(os.devnull, "w", encoding="utf-8")))  # noqa: PTH123, SIM115
    wall_s, cpu_s = time.monotonic() - began, time.process_time() - cpu
    rows = sum(
        len(path.read_bytes().splitlines()) - 1 for path in Path(directory, "fleet", "machines").glob("*/journal.jsonl")
    )
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak_kib = int(status.partition("VmHWM:")[2].split()[0])
    found = {
        "code": code, "cases": cases, "rows": rows, "cpu_s": cpu_s, "wall_s": wall_s, "peak_mib": peak_kib / 1024,
    }  # fmt: skip
    print(json.dumps(found))


def _find_crowd_answer() -> Any:
    """The function by the name that the crowd's processes can import it by, which is not `__main__`."""
    import fleet_scale  # noqa: PLC0415

    return fleet_scale.answer_for_crowd


if __name__ == "__main__":
    role, *rest = sys.argv[1:]
    if role == "crowd":
        asyncio.run(_be_crowd(rest[0], int(rest[1]), int(rest[2])))
    else:
        _be_home(rest[0], int(rest[1]), int(rest[2]), rest[3])
