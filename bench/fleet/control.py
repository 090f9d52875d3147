"""`aebench fleet status` and `aebench fleet stop`: what the machines of a scheduler do, and their end."""

import asyncio
import contextlib
from typing import Any

from pydantic import BaseModel
from rich.console import Console

from bench.console.output import make_console, say
from bench.errors import ExitCode, InvalidInput, format_count, quote
from bench.fleet import messages
from bench.fleet.dask_settings import import_distributed
from bench.fleet.machine import answer
from bench.fleet.start import require_scheduler

_PATIENCE_S = 20.0


def show_status(scheduler: str, console: Console | None = None) -> int:
    """Print a line for each machine. Raises `InvalidInput` where no scheduler answers."""
    console = console or make_console()
    replies = asyncio.run(_ask_all(scheduler, messages.Describe()))
    if not replies:
        say(console, f"No machine is connected to {scheduler}: aebench fleet worker --scheduler {scheduler}")
    for address, text in sorted(replies.items()):
        try:
            machine = messages.Description.model_validate_json(text or "")
        except ValueError:
            say(console, f"{address}: no machine of this aebench's fleet")
            continue
        now = machine.running
        doing = f"{now.case_id}, epoch {now.epoch}" if now else "nothing runs"
        rows = ", ".join(f"sweep {name[:8]}: {count} rows" for name, count in machine.sweeps.items()) or "no sweep yet"
        say(console, f"{machine.label}: {doing}; {rows}; {machine.fingerprint.cpu_model or 'unknown processor'}")
    return ExitCode.OK


def stop_fleet(scheduler: str, console: Console | None = None) -> int:
    """End all workers, what they run and the scheduler, unless others use it for something else.

    Raises `InvalidInput` where no scheduler answers.
    """
    console = console or make_console()
    replies = asyncio.run(_ask_all(scheduler, messages.Leave(), ends_scheduler=True))
    others = sum(not _is_machine(text) for text in replies.values())
    count = format_count(len(replies) - others, "machine")
    if others:
        say(console, f"Stopped {count}. The scheduler runs on: {format_count(others, 'other Dask worker')} there.")
    else:
        say(console, f"Stopped {count} and the scheduler; finished cases are kept where they ran.")
    return ExitCode.OK


async def _ask_all(scheduler: str, request: BaseModel, *, ends_scheduler: bool = False) -> dict[str, str | None]:
    """Ask every Dask worker; returns the answers by address, None of those that gave none.

    Then the scheduler may be ended, where all are machines of ours.
    """
    distributed = import_distributed()
    require_scheduler(scheduler)
    client: Any = distributed.Client(scheduler, asynchronous=True, timeout=_PATIENCE_S, set_as_default=False)
    try:
        try:
            await client
        except OSError as error:
            why = quote(error, 200)
            raise InvalidInput(f"what answers at {scheduler} is no scheduler that lets us in: {why}") from error
        call = client.run(answer, request.model_dump_json(), on_error="return")
        replies = await asyncio.wait_for(call, _PATIENCE_S)
        texts = {address: text if isinstance(text, str) else None for address, text in replies.items()}
        if ends_scheduler and all(map(_is_machine, texts.values())):
            with contextlib.suppress(OSError):
                await client.scheduler.terminate()
    finally:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(client.close(), 5)
    return texts


def _is_machine(text: str | None) -> bool:
    return text is not None and not text.startswith('{"refusal":')
