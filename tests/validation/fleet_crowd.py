"""Simulated machines of a fleet, all in one process: Dask workers whose cases end as soon as they are asked for.

`python -m fleet_crowd ADDRESS COUNT` runs them until the scheduler at that address ends.
"""

import asyncio
import sys
from functools import cache
from typing import Any

import scripted

from bench.fleet import messages as say
from bench.fleet.code import read_code
from bench.fleet.dask_settings import import_distributed

_read_code = cache(read_code)


async def answer(text: str, data: bytes = b"", dask_worker: Any = None) -> str:
    """Take the place of `bench.fleet.machine.answer`."""
    label, request = dask_worker.name, say.REQUEST.validate_json(text)
    match request:
        case say.Describe():
            reply: Any = say.Description(
                label=label, life=label, code=_read_code(), fingerprint=scripted.fingerprint(), machine_id="m1",
                environment_id="e1", running=None, sweeps={},
            )  # fmt: skip
        case say.SendImages():
            reply = say.Received(size=len(data), is_whole=True)
        case say.Begin():
            reply = request.header.model_copy(update={"machine_id": "m1", "environment_id": "e1"})
        case say.RunCase():
            reply = say.Ended(row=scripted.outcome(request.case, attempt=request.attempt).model_dump_json())
        case say.SendRows():
            reply = say.Rows(rows=[], is_all=True)
        case _:
            reply = say.Done()
    return str(reply.model_dump_json())


async def run_crowd(address: str, count: int) -> None:
    """Be so many machines."""
    distributed = import_distributed()
    workers = [
        distributed.Worker(
            address, name=f"machine-{number:03}", nthreads=1, memory_limit=0, dashboard=False, host="127.0.0.1"
        )
        for number in range(count)
    ]
    await asyncio.gather(*workers)
    await asyncio.gather(*(worker.finished() for worker in workers))


if __name__ == "__main__":
    asyncio.run(run_crowd(sys.argv[1], int(sys.argv[2])))
