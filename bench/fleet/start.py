"""`aebench fleet start` and `aebench fleet collect`: the same sweep on many machines, and one folder with all of it."""

import asyncio
import contextlib
import shlex
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal
from uuid import uuid4

from rich.console import Console

from bench.console.output import make_console, say
from bench.datasets.files import write_npz
from bench.datasets.find import Dataset
from bench.errors import InvalidInput
from bench.fleet.dask_settings import DEFAULT_SCHEDULER, describe_risk, import_distributed, split_address
from bench.fleet.home import Home
from bench.fleet.launchers import parse_hosts, parse_nodes, require_reachable, start_by_slurm, start_by_ssh
from bench.fleet.ledger import FleetFile, Spread, open_ledger, read_fleet_file
from bench.fleet.member import DiskRefused, Plan
from bench.fleet.progress import FleetDisplay
from bench.fleet.report import report_fleet
from bench.fleet.scheduler import ensure_scheduler, is_answering
from bench.plan.profile import Profile, change_profile
from bench.results.folder import ReportFolder
from bench.sweep.flags import SweepRequest
from bench.sweep.run import find_images, make_header
from bench.sweep.session import check_folder

OnInterrupt = Literal["ask", "end", "detach"]


@dataclass(frozen=True)
class FleetRequest:
    """What a person asked for."""

    sweep: SweepRequest
    """What `aebench run` takes."""
    scheduler: str | None = None
    """None, here as in the next two: what the sweep was begun with, or the default of a new one."""
    spread: Spread | None = None
    machines: int | None = None
    lease_s: float = 600.0
    on_interrupt: OnInterrupt = "ask"
    ssh: str | None = None
    """Hosts to start a worker on, with commas between them."""
    slurm: str | None = None
    """Types of nodes, as `bench.fleet.launchers.SlurmNodes` has them, with commas between them."""


def start_fleet(request: FleetRequest, console: Console | None = None) -> int:
    """Run a sweep on all machines that come; returns the exit code, as `aebench run` does.

    Raises `InvalidInput` for what cannot be done, before anything is written; what Slurm refuses, after fleet.json is.
    """
    console = console or make_console()
    sweep = request.sweep
    if sweep.out is None:
        raise InvalidInput("a fleet's rows come into one folder: name it with --out DIR.")
    if {"minutes", "within_percent"} & sweep.overrides.keys():
        raise InvalidInput("a fleet runs every case --repeats times; --minutes and --within are for `aebench run`.")
    stored = read_fleet_file(sweep.out) if sweep.resume else None
    before = stored.scheduler if stored else None
    scheduler = request.scheduler or before or DEFAULT_SCHEDULER
    split_address(scheduler)
    hosts = parse_hosts(request.ssh) if request.ssh is not None else []
    nodes = parse_nodes(request.slurm) if request.slurm is not None else []
    if hosts or nodes:
        require_reachable(scheduler, "--ssh" if hosts else "--slurm")
    distributed = import_distributed()
    launched = len(hosts) + sum(each.count for each in nodes)
    file, dataset = _prepare(request, sweep.out, scheduler, stored, launched, console)
    if risk := describe_risk(scheduler):
        say(console, risk)
    ensure_scheduler(scheduler, console)
    plan = Plan(file.machines, request.lease_s)
    display = FleetDisplay(console)
    again = _make_resume_command(sweep.out, request)
    with (
        open_ledger(sweep.out, file, is_new=not sweep.resume) as ledger,
        tempfile.TemporaryDirectory() as scratch,
    ):
        say(console, f"{len(file.header.cases)} cases, --spread {file.spread}; machines join with:")
        say(console, f"  aebench fleet worker --scheduler {scheduler}")
        with (
            start_by_ssh(hosts, scheduler, display.tell) as by_ssh,
            start_by_slurm(nodes, scheduler, file.sweep, before, display.tell) as by_slurm,
            display,
        ):

            def show(home: Home) -> None:
                by_ssh.look()
                by_slurm.look()
                if by_slurm.is_waiting:
                    home.extend_lease()
                display.show(home)

            home = Home(
                distributed=distributed,
                ledger=ledger,
                plan=plan,
                read_images=_make_reader(dataset, Path(scratch)),
                tell=display.tell,
                revive=lambda: ensure_scheduler(scheduler, console),
                finished=display.finish,
                show=show,
            )
            stopped_by = _work(home)
            if isinstance(stopped_by, KeyboardInterrupt):
                chosen = _settle_cases(home, request.on_interrupt, console, ssh=bool(hosts), slurm=bool(nodes))
                if chosen == "detach":
                    by_slurm.leave()
        return report_fleet(ledger, console, again=again, machines=file.machines, stopped_by=stopped_by)


def _prepare(
    request: FleetRequest, out: Path, scheduler: str, stored: FleetFile | None, launched: int, console: Console
) -> tuple[FleetFile, Dataset]:
    """Find out what is measured: what was asked for, or what a folder was begun with."""
    sweep = request.sweep
    if stored is None:
        check_folder(ReportFolder(out), resume=False)
        profile = _without_minutes(sweep.choose_profile())
        dataset = find_images(sweep, profile, console)
        header = make_header(profile, dataset, console)
        spread = request.spread or "machines"
        machines = request.machines or _count_machines(spread, launched) or 1
        file = FleetFile(sweep=uuid4().hex, spread=spread, scheduler=scheduler, machines=machines, header=header)
        return file, dataset
    profile = change_profile(stored.header.profile, sweep.overrides)
    if tuple(profile.list_cases()) != stored.header.cases or request.spread not in (None, stored.spread):
        raise InvalidInput(f"{out} holds other cases, or another --spread; resume with just --resume --out {out}.")
    dataset = find_images(sweep, profile, console)
    if dataset.digest != stored.header.dataset_digest:
        raise InvalidInput(
            f"{out} was begun on other images: digest {stored.header.dataset_digest[:12]}…, now {dataset.digest[:12]}…"
        )
    header = stored.header.model_copy(update={"profile": profile})
    machines = request.machines or _count_machines(stored.spread, launched) or stored.machines
    now = {"scheduler": scheduler, "machines": machines, "header": header}
    return stored.model_copy(update=now), dataset


def _count_machines(spread: Spread, launched: int) -> int:
    """How many machines have to take part where a person has not said so: all that home starts, if each runs all."""
    return launched if spread == "machines" else 0


def _without_minutes(profile: Profile) -> Profile:
    return change_profile(profile, {"minutes": None})


def _make_reader(dataset: Dataset, scratch: Path) -> Callable[[], bytes]:
    """Return what reads the dataset as one npz, which is made when the first machine lacks it."""

    @cache
    def write() -> Path:
        path = scratch / "images.npz"
        write_npz(dataset.images, path)
        return path

    return lambda: write().read_bytes()


def _make_resume_command(out: Path, request: FleetRequest | None = None) -> str:
    """The rest is in `fleet.json`."""
    flags: dict[str, Path | str | None] = {"--out": out}
    if request is not None:
        flags |= {"--data": request.sweep.data, "--ssh": request.ssh, "--slurm": request.slurm}
        flags["--lease"] = None if request.lease_s == FleetRequest.lease_s else f"{request.lease_s:g}"
    words = (word for flag, value in flags.items() if value is not None for word in (flag, str(value)))
    return f"aebench fleet start --resume {shlex.join(words)}"


def _work(home: Home) -> KeyboardInterrupt | OSError | None:
    """Let home work, until Ctrl-C at the latest; returns what stopped it."""

    async def run() -> None:
        with _set_on_signals(home.stop):
            await home.run()

    try:
        asyncio.run(run())
    except DiskRefused as refused:
        return refused.error
    except KeyboardInterrupt as interrupt:  # in the instants before home listens to signals, and after
        return interrupt
    return KeyboardInterrupt() if home.stop.is_set() else None


def _settle_cases(
    home: Home, on_interrupt: OnInterrupt, console: Console, *, ssh: bool = False, slurm: bool = False
) -> OnInterrupt:
    """After Ctrl-C, end what runs or leave it, and return which was chosen; what home started itself ends after this.

    Outside asyncio, which makes something else of another Ctrl-C.
    """
    if on_interrupt == "ask":
        on_interrupt = _ask(console, slurm=slurm) if console.is_terminal else "end"
    started = [flag for flag, is_given in (("--ssh", ssh), ("--slurm", slurm and on_interrupt == "end")) if is_given]
    also = f"; what {' and '.join(started)} started ends now." if started else "."
    finishes = f"each machine finishes the case that it runs and keeps its row{also}"
    try:
        is_heard = on_interrupt == "end" and is_answering(home.ledger.file.scheduler)
    except KeyboardInterrupt:  # another Ctrl-C waits for nothing
        return on_interrupt
    if on_interrupt == "end" and not is_heard:
        say(console, f"No scheduler answers: {finishes}")
    elif on_interrupt == "end":
        say(console, f"Ending what runs on the machines; they stay and wait for other cases{also}")
        with contextlib.suppress(OSError, KeyboardInterrupt):  # another Ctrl-C does not wait for them
            asyncio.run(home.end_cases())
    else:
        say(console, f"Leaving: {finishes}")
    return on_interrupt


def _ask(console: Console, *, slurm: bool) -> Literal["end", "detach"]:
    """Ask once what Ctrl-C was meant to do; another Ctrl-C leaves."""
    nodes = " Slurm's jobs keep their nodes if you leave." if slurm else ""
    try:
        answer = console.input(
            f"\nEnd the cases that run now (e), or leave and let the machines finish them (l)?{nodes} [e/l] ",
            markup=False,
        )
    except (KeyboardInterrupt, EOFError):
        return "detach"
    return "detach" if answer.strip().lower().startswith("l") else "end"


@contextmanager
def _set_on_signals(event: asyncio.Event) -> Iterator[None]:
    """Set an event on Ctrl-C, SIGTERM and SIGHUP, where the caller does not ignore them."""
    loop = asyncio.get_running_loop()
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    caught = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    for number in caught:
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(event.set))
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, before[number])


def collect_fleet(out: Path, scheduler: str | None, console: Console | None = None) -> int:
    """Fetch what the machines have of a sweep and report on it; runs nothing. Returns the exit code.

    Raises `InvalidInput` where the folder holds no fleet's sweep, or no scheduler answers.
    """
    console = console or make_console()
    distributed = import_distributed()
    file = read_fleet_file(out)
    file = file.model_copy(update={"scheduler": scheduler or file.scheduler})
    require_scheduler(file.scheduler)
    with open_ledger(out, file, is_new=False) as ledger:
        display = FleetDisplay(console)
        home = Home(
            distributed=distributed,
            ledger=ledger,
            plan=Plan(only_collect=True),
            read_images=bytes,
            tell=display.tell,
        )
        return report_fleet(ledger, console, again=_make_resume_command(out), stopped_by=_work(home))


def require_scheduler(address: str) -> None:
    """Raise `InvalidInput` where no scheduler answers."""
    if not is_answering(address):
        raise InvalidInput(f"no scheduler answers at {address}; `aebench fleet start` starts one, or name another.")
