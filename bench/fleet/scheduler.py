"""`aebench fleet scheduler`: where home and the machines of a fleet meet; `fleet start` starts one if need be."""

import asyncio
import contextlib
import socket
import subprocess
import sys
import time
from typing import Any

from rich.console import Console

from bench.console.output import make_console, say
from bench.errors import ExitCode, InvalidInput
from bench.fleet.dask_settings import describe_risk, import_distributed, split_address
from bench.sweep.process import start_command

_CONNECT_S = 3.0
_START_S = 30.0
_LOOK_S = 30.0
_ALONE_S = 600.0
"""A scheduler that neither home nor a machine has been connected to for so long ends."""


def run_scheduler(address: str, console: Console | None = None) -> int:
    """Run a scheduler until it is stopped, or was alone for ten minutes; returns the exit code.

    Raises `InvalidInput` where Dask is missing, the address is none of this machine or somebody else has it.
    """
    console = console or make_console()
    distributed = import_distributed()
    protocol, host, port = split_address(address)
    if risk := describe_risk(address):
        say(console, risk)
    say(console, f"Fleets meet at {address}. Ctrl-C, or `aebench fleet stop --scheduler {address}`, ends it.")
    try:
        asyncio.run(_schedule(distributed, protocol, host, port))
    except (OSError, RuntimeError, ValueError) as error:
        raise InvalidInput(f"no scheduler can be started at {address}: {error}.") from error
    return ExitCode.OK


async def _schedule(distributed: Any, protocol: str, host: str, port: int) -> None:
    scheduler = distributed.Scheduler(protocol=protocol, host=host, port=port, dashboard=False, dashboard_address=":0")
    async with scheduler:
        scheduler.http_server.stop()
        alone_since = time.monotonic()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(scheduler.finished()), _LOOK_S)
                return
            if scheduler.workers or len(scheduler.clients) > 1:  # Dask counts a client of its own
                alone_since = time.monotonic()
            elif time.monotonic() - alone_since > _ALONE_S:
                return


def ensure_scheduler(address: str, console: Console) -> None:
    """Start a scheduler at an address of this machine, unless one answers there. It lives on when home ends.

    Raises `InvalidInput` where none answers at another machine's address.
    """
    if is_answering(address):
        return
    _, host, _ = split_address(address)
    if not _is_here(host):
        raise InvalidInput(
            f"no scheduler answers at {address}, and {host} is not this machine: start one there with "
            f"`aebench fleet scheduler --scheduler {address}`."
        )
    command = (*start_command("bench"), "fleet", "scheduler", "--scheduler", address)
    options: Any = {} if sys.platform == "win32" else {"start_new_session": True}  # Ctrl-C at home is not for it
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=subprocess.PIPE, **options)
    end = time.monotonic() + _START_S
    while not is_answering(address):
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            _, said = process.communicate()
            why = said.decode(errors="replace").strip().rpartition("\n")[2] or "it gave no reason"
            raise InvalidInput(f"no scheduler could be started at {address}: {why}")
        time.sleep(0.05)
    say(console, f"Started a scheduler at {address}; `aebench fleet stop --scheduler {address}` ends it.")


def is_answering(address: str) -> bool:
    """Whether something listens at an address."""
    _, host, port = split_address(address)
    try:
        socket.create_connection((host, port), _CONNECT_S).close()
    except OSError:
        return False
    return True


def _is_here(host: str) -> bool:
    """Whether a host's address is one of this machine."""
    try:
        for family, kind, _, _, place in socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM):
            with socket.socket(family, kind) as probe:
                probe.bind(place)
    except OSError:
        return False
    return True
