"""`aebench fleet worker`: this machine takes part in fleets, until it is stopped."""

import asyncio
import contextlib
import os
import platform
import re
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import filelock
import platformdirs
from rich.console import Console

from bench.console.output import make_console, say
from bench.errors import ExitCode, InvalidInput, quote
from bench.fleet.dask_settings import describe_risk, import_distributed, remove_nanny_variables, split_address
from bench.fleet.machine import Here, Machine
from bench.fleet.scheduler import is_answering
from bench.host import signals
from bench.host.fingerprint import make_label, take_fingerprint
from bench.results.folder import write_whole
from bench.sweep.process import start_command

_AGAIN_S = 1.0
"""After a connection was lost."""
_LAST_WORDS_S = 0.5
"""What a last answer needs to reach home."""
_CLOSING_S = 5.0
_CONNECT_S = 10.0
_START_S = 60.0
"""A Dask worker that is not connected after so long is closed, and another one tried."""
_LOCK_MODE = 0o666
"""Where the system lets one user open another's file in a folder for all."""
_LABEL = r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}"


@dataclass(frozen=True)
class WorkerRequest:
    """What a person asked for."""

    scheduler: str
    label: str | None = None
    folder: Path | None = None
    command: tuple[str, ...] = start_command("bench.worker")
    """What trains a case."""


def run_worker(request: WorkerRequest, console: Console | None = None) -> int:
    """Run the cases that homes ask for; returns the exit code once one says that it is to end, or after Ctrl-C.

    Raises `InvalidInput` where this machine has a worker already, where Dask is missing, or for a wrong label.
    """
    console = console or make_console()
    distributed = import_distributed()
    split_address(request.scheduler)
    for name in remove_nanny_variables():
        say(console, f"Note: {name} is removed from the environment, where a Dask nanny puts it.")
    if risk := describe_risk(request.scheduler):
        say(console, risk)
    with lock_machine(), signals.catch_signals():
        folder = request.folder or find_folder()
        folder.mkdir(parents=True, exist_ok=True)
        machine = Machine(folder, choose_label(request.label, folder), request.command)
        Here.machine = machine
        say(console, f"{machine.label}: connecting to {request.scheduler}; Ctrl-C ends this worker and what it runs.")
        with _connect(distributed, request.scheduler, machine, lambda line: say(console, line)):
            try:
                machine.work()
            except KeyboardInterrupt:
                say(console, f"{machine.label}: interrupted; finished cases are kept in {folder}.")
                return ExitCode.INTERRUPTED
        say(console, f"{machine.label}: stopped from home.")
        return ExitCode.OK


@contextmanager
def lock_machine() -> Iterator[None]:
    """Hold the lock of this machine, which is in the folder for temporary files, whatever the worker's label is.

    Raises `InvalidInput` where another worker holds it, or where it is another user's file.
    """
    path = Path(tempfile.gettempdir(), "aebench-fleet.lock")
    lock = filelock.FileLock(path, mode=_LOCK_MODE)
    try:
        lock.acquire(timeout=0)
    except PermissionError as error:
        raise InvalidInput(
            f"{path} cannot be opened ({error.strerror}): another user has run a worker here. If none runs now, let "
            "its owner delete it; or name another folder for temporary files with TMPDIR: only workers with the same "
            "one are kept apart."
        ) from error
    except filelock.Timeout as error:
        raise InvalidInput(
            f"a worker of a fleet runs on this machine already, and cases side by side would slow each other down "
            f"({path} is locked). End that one first: `aebench fleet stop`, or Ctrl-C where it runs."
        ) from error
    try:
        yield
    finally:
        lock.release()


def find_folder() -> Path:
    """Return where this machine keeps its journals; machines may share a home folder. Raises `InvalidInput`."""
    node = re.sub(r"[^A-Za-z0-9._-]", "-", platform.node()).strip(".") or "machine"
    try:
        return platformdirs.user_data_path("aebench", appauthor=False) / "fleet" / node
    except RuntimeError as error:
        raise InvalidInput(f"the home folder is not known ({error}); name a folder with --folder.") from error


def choose_label(wanted: str | None, folder: Path) -> str:
    """Return the label that was asked for, else the one of before, else a new one. Raises `InvalidInput`."""
    if wanted is not None:
        if not re.fullmatch(_LABEL, wanted):
            raise InvalidInput(
                f"--label takes up to 40 letters, digits, dots, hyphens and underscores; got {quote(wanted)!r}."
            )
        return wanted
    path = folder / "label"
    if not path.is_file():
        write_whole(path, f"{make_label(take_fingerprint())[:32].strip('-.')}-{uuid4().hex[:4]}")
    found = path.read_text(encoding="utf-8", errors="replace")[:80].strip()
    if not re.fullmatch(_LABEL, found):
        raise InvalidInput(f"{path} holds no label, but {quote(found)!r}; delete it, or name one with --label.")
    return found


@contextmanager
def _connect(distributed: Any, scheduler: str, machine: Machine, tell: Callable[[str], None]) -> Iterator[None]:
    """Keep a Dask worker connected, in a thread of its own, while the context is open."""
    loop = asyncio.new_event_loop()
    serving = loop.create_task(_serve(distributed, scheduler, machine, tell))

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(serving)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(lambda: loop.call_later(_LAST_WORDS_S, serving.cancel))
        thread.join(_LAST_WORDS_S + 2 * _CLOSING_S)


async def _serve(distributed: Any, scheduler: str, machine: Machine, tell: Callable[[str], None]) -> None:
    """Connect, and again whenever the connection is lost; says once whether there is one, and why not.

    A Dask worker that has lost its scheduler closes (dask/distributed#6391): each connection is a new one.
    """
    protocol, host, _ = split_address(scheduler)
    said_connected: bool | None = None
    """Whether the last line said that there is a connection."""
    with tempfile.TemporaryDirectory(prefix="aebench-fleet-") as scratch:
        while True:
            worker: Any = None
            try:
                await _try_connection(distributed, scheduler)
                worker = distributed.Worker(
                    scheduler,
                    name=f"{machine.label}-{os.getpid()}-{uuid4().hex[:8]}",
                    protocol=protocol,
                    host=find_own_address(host),  # not every address of this machine, as Dask would
                    nthreads=1,
                    memory_limit=0,  # the worker's own memory is not what is measured, nor is it ever paused
                    dashboard=False,
                    local_directory=scratch,
                    death_timeout=_START_S,
                )
                await worker
                worker.http_server.stop()
                machine.dask_worker = worker
                if said_connected is not True:
                    tell(f"{machine.label}: connected to {scheduler}; waiting for cases.")
                said_connected = True
                await worker.finished()
            except asyncio.CancelledError:
                await _close(worker)
                raise
            except Exception as error:  # noqa: BLE001 - whatever ends a connection, the next one is tried
                await _close(worker)
                if said_connected is not False:
                    tell(f"{machine.label}: no connection to {scheduler} ({quote(error, 200)}); trying again.")
                said_connected = False
            finally:
                machine.dask_worker = None
            await asyncio.sleep(_AGAIN_S)


async def _try_connection(distributed: Any, scheduler: str) -> None:
    """Connect for an instant. Raises what a Dask worker would keep for itself, while it tries again for ever.

    Dask would try for ten seconds, ever more rarely, where nobody answers; a scheduler may be back before.
    """
    if not await asyncio.to_thread(is_answering, scheduler):
        raise ConnectionRefusedError("nobody answers there")
    arguments = distributed.Security().get_connection_args("worker")
    comm = await distributed.core.connect(scheduler, timeout=_CONNECT_S, **arguments)
    await comm.close()


def find_own_address(host: str) -> str:
    """Return the address of this machine that a host sees, of IPv4 where it has both. Raises `OSError`."""
    places = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)
    family, kind, _, _, place = min(places, key=lambda each: each[0] != socket.AF_INET)
    with socket.socket(family, kind) as probe:
        probe.connect(place)  # sends nothing
        return str(probe.getsockname()[0])


async def _close(worker: Any) -> None:
    with contextlib.suppress(Exception, asyncio.CancelledError):
        await asyncio.wait_for(worker.close(timeout=_CLOSING_S, executor_wait=False), _CLOSING_S)
