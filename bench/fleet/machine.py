"""A machine of a fleet: it runs one case at a time, as `aebench run` does, and keeps each in a journal of its own.

The main thread runs the cases, whatever becomes of Dask's worker in the thread beside it: a cut network, a scheduler
that dies, another worker in its place. What home asks for arrives in `answer`, in Dask's thread.
"""

import asyncio
import os
import queue
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ValidationError

from bench.datasets.files import compute_digest, read_npz
from bench.errors import InvalidInput, quote
from bench.fleet import messages as say
from bench.fleet.code import read_code
from bench.host import signals
from bench.host.fingerprint import (
    check_backends,
    make_environment_id,
    make_machine_id,
    read_git_state,
    take_fingerprint,
)
from bench.host.machine import measure_machine
from bench.launch import ROOT
from bench.plan import forecast
from bench.plan.profile import STORED, Case
from bench.results import journal
from bench.results.folder import ReportFolder
from bench.results.hours import measure_hours
from bench.results.journal_lines import SweepHeader
from bench.results.rows import make_result_rows
from bench.results.usual import describe_usual, keep_hours
from bench.sweep.local import LocalExecutor
from bench.sweep.process import start_command
from bench.sweep.session import open_sweep
from bench.worker.protocol import EpochEvent, Event

_PROGRESS_S = 2.0
"""A machine says at most so often which epoch it trains."""


@dataclass
class _Sweep:
    """A sweep that this machine takes part in."""

    header: SweepHeader
    writer: journal.Writer
    path: Path
    """Its journal."""
    executor: LocalExecutor
    runs: Counter[str]
    """How many rows of each case the journal has."""


@dataclass(eq=False)
class _Job:
    """A case that was asked for."""

    sweep: str
    case: Case
    attempt: int
    reply: Future[say.Ended] = field(default_factory=Future)
    is_cancelled: bool = False

    @property
    def key(self) -> tuple[str, str, int]:
        return self.sweep, self.case.case_id, self.attempt


class Machine:
    """Runs what is asked for; ``folder`` has its journals and datasets, one folder per sweep."""

    def __init__(self, folder: Path, label: str, command: tuple[str, ...] = start_command("bench.worker")) -> None:
        self.folder = folder
        self.label = label
        self.dask_worker: Any = None
        """Dask's worker of this moment, which says to home what runs."""
        self._command = command
        self._life = uuid4().hex
        self._code = read_code()
        self._kernels = measure_machine(take_fingerprint())
        """Measured now, while no case is timed."""
        self._sweeps: dict[str, _Sweep] = {}
        self._open = ExitStack()
        self._opening = asyncio.Lock()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        """For what follows, which both threads use."""
        self._asked: dict[tuple[str, str, int], _Job] = {}
        """Cases that wait or run."""
        self._running: _Job | None = None
        self._progress: say.Progress | None = None
        self._said_at = 0.0
        self._is_cancelling = False

    # ------------------------------------------------------------------ the main thread

    def work(self) -> None:
        """Run cases until home says that this machine is to leave. For the main thread, within `catch_signals`."""
        with self._open, self._keep_hours_in_the_end(), _let_dask_interrupt():
            while True:
                try:
                    job = self._jobs.get()
                    if job is None:
                        return
                    self._run(job)
                except KeyboardInterrupt:
                    with self._lock:
                        is_ours, self._is_cancelling = self._is_cancelling, False
                    if not is_ours:
                        raise

    @contextmanager
    def _keep_hours_in_the_end(self) -> Iterator[None]:
        """Add to what memory bandwidth is usual here, as `aebench run` does: nothing is measured any more."""
        try:
            yield
        finally:
            with signals.hold_signals():
                for sweep in self._sweeps.values():
                    with suppress(InvalidInput, OSError):
                        latest = journal.read_journal(sweep.path).latest.values()
                        found = [row for outcome in latest for row in make_result_rows(outcome, sweep.header)]
                        keep_hours(sweep.header.machine_id, list(measure_hours(found).values()))

    def _run(self, job: _Job) -> None:
        """Run a case's process to its end; its row is on the disk before anybody hears of it."""
        sweep = self._sweeps[job.sweep]
        try:
            with self._lock:
                if job.is_cancelled:
                    return
                self._running = job
            for ended in sweep.executor.run([job.case], self._listen):
                outcome = ended.model_copy(update={"attempt": job.attempt})
                with signals.hold_signals():
                    sweep.writer.append(outcome)
                    sweep.runs[job.case.case_id] = job.attempt
                    job.reply.set_result(say.Ended(row=outcome.model_dump_json()))
        except OSError as error:
            if not job.reply.done():
                job.reply.set_exception(error)
        finally:
            with signals.hold_signals():  # a cancel that comes now leaves nothing undone
                with self._lock:
                    self._running, self._progress = None, None
                    self._asked.pop(job.key, None)
                if not job.reply.done():
                    job.reply.set_result(say.Ended(row=None))

    def _listen(self, case: Case, event: Event | None) -> None:
        """Say what runs, so that home can show it."""
        epoch = event.epoch if isinstance(event, EpochEvent) else 0
        if self._running is None or (event is not None and not epoch):
            return
        self._progress = say.Progress(label=self.label, sweep=self._running.sweep, case_id=case.case_id, epoch=epoch)
        now, worker = time.monotonic(), self.dask_worker
        if worker is not None and (event is None or now - self._said_at > _PROGRESS_S):
            self._said_at = now
            with suppress(RuntimeError):  # a worker whose loop has ended
                worker.log_event(say.TOPIC, self._progress.model_dump_json())

    # ------------------------------------------------------------------ Dask's thread

    async def answer(self, request: say.Request, data: bytes) -> BaseModel:
        """Do what home asks for. Raises `InvalidInput` and `OSError`."""
        match request:
            case say.Describe():
                return await asyncio.to_thread(self._describe)
            case say.SendImages():
                return await asyncio.to_thread(self._take_images, request, data)
            case say.Begin():
                async with self._opening:
                    return await asyncio.to_thread(self._begin, request)
            case say.RunCase():
                job = self._ask(request)
                # Whoever asked may be gone before the case has ended; others may have asked for the same.
                return await asyncio.shield(asyncio.wrap_future(job.reply))
            case say.SendRows():
                return await asyncio.to_thread(self._read_rows, request)
            case say.Cancel():
                self._cancel(request.sweep)
            case say.Leave():
                self._jobs.put(None)
                self._cancel(None)
        return say.Done()

    def _describe(self) -> say.Description:
        fingerprint = take_fingerprint()
        with self._lock:
            progress, sweeps = self._progress, dict(self._sweeps)
        return say.Description(
            label=self.label,
            life=self._life,
            code=self._code,
            fingerprint=fingerprint,
            machine_id=make_machine_id(fingerprint),
            environment_id=make_environment_id(fingerprint),
            running=progress,
            sweeps={name: sum(sweep.runs.values()) for name, sweep in sweeps.items()},
        )

    def _locate_images(self, digest: str) -> Path:
        return self.folder / "datasets" / f"{digest}.npz"

    def _take_images(self, piece: say.SendImages, data: bytes) -> say.Received:
        """Keep a piece of the dataset; after the last one, check that the whole is what its digest says."""
        path = self._locate_images(piece.digest)
        if path.is_file():
            return say.Received(size=path.stat().st_size, is_whole=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with part.open("ab") as file:
            if file.tell() == piece.offset:
                file.write(data)
            size = file.tell()
        if not piece.is_last or size != piece.offset + len(data):
            return say.Received(size=size, is_whole=False)
        try:
            found = compute_digest(read_npz(part))
        except InvalidInput as error:
            part.unlink()
            raise InvalidInput(f"the dataset arrived as something else: {error}") from error
        if found != piece.digest:
            part.unlink()
            raise InvalidInput(f"the dataset arrived with digest {found[:12]}…; expected {piece.digest[:12]}…")
        part.replace(path)
        return say.Received(size=size, is_whole=True)

    def _begin(self, request: say.Begin) -> SweepHeader:
        """Open the sweep's journal, a new one or that of an earlier life, and describe this machine in its header."""
        name, wanted = request.sweep, request.header
        opened = self._sweeps.get(name)
        if opened is not None:
            profile = wanted.profile  # a resume may have changed the limits
            opened.executor.timeout_s, opened.executor.stall_s = profile.timeout_s, profile.stall_s
            return opened.header
        folder = ReportFolder(self.folder / "sweeps" / name)
        is_begun = folder.journal.is_file()
        if not is_begun and not request.may_be_new:
            raise InvalidInput("it has nothing of this sweep")
        check_backends(wanted.profile.backends)
        images = self._locate_images(wanted.dataset_digest)
        if not images.is_file():
            raise InvalidInput(f"the dataset {wanted.dataset_digest[:12]}… has not arrived")
        header = _describe_here(wanted, self._kernels)
        sweep = self._open.enter_context(open_sweep(folder, header, resume=is_begun))
        _link(images, folder.data)
        executor = LocalExecutor(folder, header.profile.timeout_s, header.profile.stall_s, self._command)
        new = _Sweep(sweep.header, sweep.writer, folder.journal, executor, Counter(sweep.runs))
        with self._lock:
            self._sweeps[name] = new
        return sweep.header

    def _find(self, name: str) -> _Sweep:
        if name not in self._sweeps:
            raise InvalidInput(f"the sweep {name[:8]}… was not begun here")
        return self._sweeps[name]

    def _ask(self, request: say.RunCase) -> _Job:
        """Put a case into the queue, or find it there, running, or in the journal."""
        sweep, case_id = self._find(request.sweep), request.case.case_id
        job = _Job(request.sweep, request.case, request.attempt)
        with self._lock:
            asked = self._asked.get(job.key)
            if asked is not None:
                return asked
            if request.attempt > sweep.runs[case_id]:
                self._asked[job.key] = job
                self._jobs.put(job)
                return job
        rows = (row for row in _read_lines(sweep) if (row[0], row[1]) == (case_id, request.attempt))
        job.reply.set_result(say.Ended(row=next((row[2] for row in rows), None)))
        return job

    def _read_rows(self, request: say.SendRows) -> say.Rows:
        """Read rows that home has not got, as many as one message carries."""
        rows: list[str] = []
        size = 0
        for case_id, attempt, line in _read_lines(self._find(request.sweep)):
            if attempt > request.have.get(case_id, 0):
                if rows and size + len(line) > say.CHUNK_BYTES:
                    return say.Rows(rows=rows, is_all=False)
                rows.append(line)
                size += len(line)
        return say.Rows(rows=rows, is_all=True)

    def _cancel(self, sweep: str | None) -> None:
        with self._lock:
            for job in self._asked.values():
                job.is_cancelled = job.is_cancelled or sweep in (None, job.sweep)
            if self._running is not None and self._running.is_cancelled:
                self._is_cancelling = True
                signals.interrupt_main_thread()


def _describe_here(wanted: SweepHeader, kernels: forecast.Machine) -> SweepHeader:
    """Home's header of a sweep, with this machine in it."""
    fingerprint = take_fingerprint(sets_threads=all(case.threads is not None for case in wanted.cases))
    state, now = read_git_state(ROOT), datetime.now(UTC)
    return wanted.model_copy(
        update={
            "fingerprint": fingerprint,
            "machine_id": make_machine_id(fingerprint),
            "environment_id": make_environment_id(fingerprint),
            "git_commit": state.commit,
            "git_dirty": state.dirty,
            "created_at": now.isoformat(timespec="seconds"),
            **describe_usual(fingerprint, now),
            "forecasts": forecast.forecast_cases(wanted.cases, wanted.train_samples, kernels),
        }
    )


def _link(images: Path, path: Path) -> None:
    """Give the dataset a second name, or a copy where the disk has no such names."""
    path.unlink(missing_ok=True)
    try:
        os.link(images, path)
    except OSError:
        shutil.copyfile(images, path)


def _read_lines(sweep: _Sweep) -> Iterator[tuple[str, int, str]]:
    """The rows of a journal: the case's id, the attempt and the line."""
    for outcome in journal.read_journal(sweep.path).outcomes:
        yield outcome.case.case_id, outcome.attempt, outcome.model_dump_json()


@contextmanager
def _let_dask_interrupt() -> Iterator[None]:
    """Let Dask's thread raise KeyboardInterrupt in the main thread, also where the caller ignores Ctrl-C."""
    if not hasattr(signal, "SIGUSR1"):
        yield
        return
    before = signal.signal(signal.SIGUSR1, signals.receive)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


class Here:
    """The machine that this process is: calls of Dask name a function, which finds it here."""

    machine: Machine | None = None


async def answer(text: str, data: bytes = b"") -> str:
    """Answer a request of home's, both as JSON. What Dask calls by name: no code travels."""
    reply: BaseModel
    machine = Here.machine
    if machine is None:
        reply = say.Refusal(refusal="this Dask worker is none of aebench: start it with `aebench fleet worker`")
        return reply.model_dump_json()
    try:
        reply = await machine.answer(say.REQUEST.validate_json(text, context=STORED), data)
    except ValidationError as error:
        reply = say.Refusal(refusal=f"a request that is none: {quote(error.errors(include_url=False)[0]['msg'])}")
    except (InvalidInput, OSError) as error:
        reply = say.Refusal(refusal=str(error))
    except Exception as error:  # noqa: BLE001 - home shows it, instead of a traceback in a log that nobody reads
        reply = say.Refusal(refusal=f"{type(error).__name__}: {error}")
    return reply.model_dump_json()
