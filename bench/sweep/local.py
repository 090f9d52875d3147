"""Cases one after another, each in a fresh process on this machine."""

import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from bench.host.cgroup import count_oom_kills
from bench.host.noise import Interval, measure_interval, read_machine_counters
from bench.host.reference_kernels import measure_reference
from bench.plan.profile import Case
from bench.results.folder import ReportFolder
from bench.results.schema import Outcome, Status, Timeline
from bench.sweep.executor import Listener
from bench.sweep.memory_sampler import MemorySampler
from bench.sweep.process import NotStarted, heard, make_environment, shareable, start_command, started, tail, tell
from bench.sweep.watchdog import Watchdog
from bench.worker.protocol import (
    CheckpointEvent,
    EpochEvent,
    EvaluationEvent,
    Event,
    FailureEvent,
    FinishedEvent,
    Job,
    PeaksEvent,
    PhaseEvent,
    SetupEvent,
    to_line,
)

_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])
_SPARE_EVENTS = 32
"""More than a process tells besides its epochs, checkpoints and evaluations."""


@dataclass
class LocalExecutor:
    """Starts `bench.worker` for each case, as its own process group, and waits for it without polling."""

    folder: ReportFolder
    threads: int | None = None
    """Threads that the backend may use; None for its own choice."""
    timeout_s: float | None = None
    """Seconds after which a case is ended; None for no limit."""
    stall_s: float | None = None
    """Seconds without an event after which a case is ended; None for no limit."""
    command: tuple[str, ...] = start_command("bench.worker")

    def outcomes(self, cases: Sequence[Case], listen: Listener) -> Iterator[Outcome]:
        """Run the cases in order; see `bench.sweep.executor.Executor`."""
        for case in cases:
            self.folder.logs.mkdir(exist_ok=True)
            listen(case, None)
            yield self._outcome(case, listen)

    def _outcome(self, case: Case, listen: Listener) -> Outcome:
        reference_before = measure_reference(self.threads)
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        told, ended, seen = self._watched(case, listen)
        last_words = None if ended.status == "ok" else tail(self.folder.log(case.case_id))
        return Outcome(
            case=case,
            status=ended.status,
            error=ended.error and shareable(ended.error),
            signal=_signal_name(ended.exit_code),
            exit_code=None if ended.exit_code is None or ended.exit_code < 0 else ended.exit_code,
            log_tail=last_words and shareable(last_words),
            started_at=started_at,
            setup=told.setup,
            phases=tuple(told.phases),
            epochs=tuple(told.epochs),
            checkpoints=tuple(told.checkpoints),
            evaluations=tuple(told.evaluations),
            peaks=told.peaks,
            duration_s=seen.seconds,
            parent_cpu_s=seen.parent_cpu_s,
            noise=seen.noise,
            timeline=seen.timeline,
            reference_before=reference_before,
            reference_after=measure_reference(self.threads),
        )

    def _watched(self, case: Case, listen: Listener) -> tuple["_Told", "_Ended", "_Seen"]:
        """Run the case's process to its end, and look on from outside."""
        told, seen = _Told(case), _Seen()
        log = self.folder.log(case.case_id)
        try:
            with started(self.command, make_environment(case.backend, self.threads), log) as child:
                tell(child, to_line(_job(case, self.folder, self.threads, seen.began_ns)))
                with (
                    seen.following(child.pid),
                    Watchdog(child, log, timeout_s=self.timeout_s, stall_s=self.stall_s) as watch,
                ):
                    told.listen(child, listen, watch)
                    exit_code = child.wait()
        except NotStarted as error:
            seen.end()
            return told, _Ended("failed", str(error), None), seen
        seen.end()
        if watch.limit is not None:
            return told, _Ended(watch.limit, self._passed(watch), exit_code), seen
        if _signal_name(exit_code) == "SIGKILL" and seen.kernel_killed:
            return told, _Ended("oom", "ended by the kernel for want of memory", exit_code), seen
        return told, told.verdict(exit_code), seen

    def _passed(self, watch: Watchdog) -> str:
        if watch.limit == "timeout":
            return f"ended after {self.timeout_s:g} seconds, its limit"
        return f"ended after {self.stall_s:g} seconds without a word from it, its limit of standing still"


class _Seen:
    """What the parent sees beside a process, from right before its start."""

    def __init__(self) -> None:
        self._counters_before = read_machine_counters()
        self._parent_cpu_ns = time.process_time_ns()
        self._kills = count_oom_kills()
        self.timeline: Timeline | None = None
        self.began_ns = time.perf_counter_ns()

    @contextmanager
    def following(self, pid: int) -> Iterator[None]:
        """Follow the process' memory."""
        with MemorySampler(pid, self.began_ns) as sampler:
            yield
        self.timeline = sampler.timeline

    def end(self) -> None:
        """Look a last time, right after the process' end."""
        self.seconds = (time.perf_counter_ns() - self.began_ns) / 1e9
        self.parent_cpu_s = (time.process_time_ns() - self._parent_cpu_ns) / 1e9
        self.noise: Interval = measure_interval(self._counters_before, read_machine_counters())
        kills = count_oom_kills()
        self.kernel_killed = kills is not None and self._kills is not None and kills > self._kills


@dataclass(frozen=True)
class _Ended:
    """How a process ended; without an exit code it never began, a negative one is a signal's number."""

    status: Status
    error: str | None
    exit_code: int | None


@dataclass
class _Told:
    """What a child has told so far."""

    case: Case
    setup: SetupEvent | None = None
    phases: list[PhaseEvent] = field(default_factory=list)
    epochs: list[EpochEvent] = field(default_factory=list)
    checkpoints: list[CheckpointEvent] = field(default_factory=list)
    evaluations: list[EvaluationEvent] = field(default_factory=list)
    peaks: PeaksEvent | None = None
    failure: FailureEvent | None = None
    finished: bool = False
    nonsense: str | None = None
    taken: int = 0
    """Events so far."""

    def listen(self, child: subprocess.Popen[bytes], listen: Listener, watch: Watchdog) -> None:
        """Take events until the child closes its side."""
        while line := heard(child):
            event = self._event(line)
            if event is not None:
                watch.progress()
                self._take(event)
                listen(self.case, event)

    def _event(self, line: bytes) -> Event | None:
        """The line's event; None for nonsense, and beyond what a run can have to tell."""
        if self.taken >= self.case.run_epochs + 2 * len(self.case.checkpoints) + _SPARE_EVENTS:
            self.nonsense = self.nonsense or f"the process told more than {self.taken} events"
            return None
        try:
            event = _EVENT.validate_json(line)
        except ValidationError:
            self.nonsense = self.nonsense or f"the process wrote what is no event: {line[:80]!r}"
            return None
        self.taken += 1
        return event

    def _take(self, event: Event) -> None:
        match event:
            case PhaseEvent():
                self.phases.append(event)
            case SetupEvent():
                self.setup = event
            case EpochEvent():
                self.epochs.append(event)
            case CheckpointEvent():
                self.checkpoints.append(event)
            case EvaluationEvent():
                self.evaluations.append(event)
            case PeaksEvent():
                self.peaks = event
            case FailureEvent():
                self.failure = event
            case FinishedEvent():
                self.finished = True

    def verdict(self, exit_code: int) -> _Ended:
        """How the run ended, and why if not well."""
        if self.failure is not None:
            return _Ended("diverged" if self.failure.diverged else "failed", self.failure.error, exit_code)
        if exit_code < 0:
            return _Ended("killed", f"ended by {_signal_name(exit_code)}", exit_code)
        if exit_code != 0:
            return _Ended("failed", f"ended with exit code {exit_code}", exit_code)
        missing = self.nonsense or self._missing()
        return _Ended("invalid" if missing else "ok", missing, exit_code)

    def _missing(self) -> str | None:
        """What a process that ended well has left out."""
        case = self.case
        checkpoints = tuple(checkpoint.epochs for checkpoint in self.checkpoints)
        evaluated = tuple(evaluation.epochs for evaluation in self.evaluations)
        told_all = self.setup and self.finished and len(self.epochs) == case.run_epochs
        if told_all and checkpoints == evaluated == case.checkpoints:
            return None
        told = f"{len(self.epochs)} epochs, checkpoints {checkpoints}, evaluations of {evaluated}"
        return f"ended well without telling all: {told}; expected {case.run_epochs} epochs and checkpoints {case.checkpoints}"


def _job(case: Case, folder: ReportFolder, threads: int | None, began: int) -> Job:
    fields = case.model_dump(exclude={"dataset", "repeat"})
    samples = str(folder.samples.resolve() / case.case_id)
    return Job(**fields, threads=threads, data=str(folder.data.resolve()), started_ns=began, samples=samples)


def _signal_name(exit_code: int | None) -> str | None:
    if exit_code is None or exit_code >= 0:
        return None
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"signal {-exit_code}"
