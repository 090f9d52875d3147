"""Runs cases one after another, each in a fresh process on this machine."""

import contextlib
import math
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from bench.errors import format_count
from bench.host.cgroup import count_oom_kills
from bench.host.energy import measure_idle_power
from bench.host.noise import Interval, measure_interval, read_machine_counters
from bench.host.reference_kernels import measure_reference
from bench.plan.profile import Case
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome
from bench.results.schema import Status
from bench.sweep.executor import Listener
from bench.sweep.memory_sampler import MemorySampler
from bench.sweep.process import (
    NotStarted,
    add_limit,
    hide_folders,
    make_environment,
    read_tail,
    start_command,
    start_process,
)
from bench.sweep.watchdog import Limit, Watchdog
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
_Kind = TypeVar("_Kind")
_WORKER = start_command("bench.worker")
_IMPORT = start_command("bench.worker.imports")
_IMPORT_LIMIT_S = 300.0
_READ_AGAIN_S = 120.0
"""Systems take from memory what was not used for so long: after cases of ten minutes imports took 18 s instead of 4."""
_SPARE_EVENTS = 32
"""More than a process sends besides its epochs, checkpoints and evaluations."""


@dataclass
class LocalExecutor:
    """Starts `bench.worker` for each case, in its own process group, and waits for it without polling."""

    folder: ReportFolder
    timeout_s: float | None = None
    """Seconds after which a case is ended; None for no limit."""
    stall_s: float | None = None
    """Seconds without an event after which a case is ended; None for no limit."""
    command: tuple[str, ...] = _WORKER
    _imported_at: dict[str, float] = field(default_factory=dict)
    """When a process began that imports a backend, by its name."""
    _peaks: dict[tuple[object, ...], PeaksEvent] = field(default_factory=dict)
    """What a process could reach at best, by all that decides it: measured once, since it takes two seconds."""
    _idle_w: tuple[tuple[str, float], ...] | None = None
    """What each energy counter shows while nothing runs: measured once, before the first case."""

    def run(self, cases: Sequence[Case], listen: Listener) -> Iterator[Outcome]:
        """Run the cases in order; see `bench.sweep.executor.Executor`."""
        for case in cases:
            self.folder.logs.mkdir(exist_ok=True)
            listen(case, None)
            imported_at, now = self._imported_at.get(case.backend, -math.inf), time.monotonic()
            if now - imported_at > _READ_AGAIN_S and self.command == _WORKER:
                self._import(case)
            self._imported_at[case.backend] = time.monotonic()
            yield self._run_case(case, listen)

    def _import(self, case: Case) -> None:
        """Import a case's backend in a process that is not measured: libraries that nobody has used lately come from
        the disk, and this case's start, but not others', would have that in it. Why it fails, the case itself will say.
        """
        log = self.folder.locate_log(case.case_id)
        with (
            contextlib.suppress(NotStarted),
            start_process(_IMPORT, make_environment(case.backend, case.threads), log) as child,
            Watchdog(child, log, timeout_s=_IMPORT_LIMIT_S, stall_s=None),
        ):
            child.wait()

    def _run_case(self, case: Case, listen: Listener) -> Outcome:
        """Run one case's process to its end, and measure from outside what can be."""
        log, received, timeline = self.folder.locate_log(case.case_id), _Received(case), None
        if self._idle_w is None:
            self._idle_w = tuple(measure_idle_power().items())
        reference_before = measure_reference(case.threads)
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        outside = _Outside()
        try:
            with start_process(self.command, make_environment(case.backend, case.threads), log) as child:
                child.send(to_line(self._make_job(case, outside.began_ns)))
                with (
                    MemorySampler(child.pid, outside.began_ns) as sampler,
                    Watchdog(child, log, timeout_s=self.timeout_s, stall_s=self.stall_s) as watchdog,
                ):
                    while line := child.receive():
                        event = received.take(line)
                        if event is not None:
                            watchdog.note_progress()
                            listen(case, event)
                    exit_code = child.wait()
            outside.stop()
            timeline = sampler.timeline
            ending = self._find_ending(received, exit_code, watchdog.limit, kernel_killed=outside.kernel_killed)
        except NotStarted as error:
            outside.stop()
            ending = _Ending("failed", str(error), None)
        log_tail = None if ending.status == "ok" else read_tail(log)
        return Outcome(
            case=case,
            status=ending.status,
            error=ending.error and hide_folders(ending.error),
            signal=_name_signal(ending.exit_code),
            exit_code=None if ending.exit_code is None or ending.exit_code < 0 else ending.exit_code,
            log_tail=log_tail and hide_folders(log_tail),
            started_at=started_at,
            setup=received.find_last(SetupEvent),
            phases=received.find_all(PhaseEvent),
            epochs=received.find_all(EpochEvent),
            checkpoints=received.find_all(CheckpointEvent),
            evaluations=received.find_all(EvaluationEvent),
            peaks=self._keep_peaks(case, received.find_last(PeaksEvent), ending),
            duration_s=outside.seconds,
            parent_cpu_s=outside.parent_cpu_s,
            idle_w=self._idle_w,
            noise=outside.noise,
            timeline=timeline,
            reference_before=reference_before,
            reference_after=measure_reference(case.threads),
        )

    def _make_job(self, case: Case, started_ns: int) -> Job:
        return Job(
            **case.model_dump(exclude={"dataset", "repeat"}),
            data=str(self.folder.data.resolve()),
            started_ns=started_ns,
            samples=str(self.folder.samples.resolve() / case.case_id),
            measures_peaks=_select_peaks_key(case) not in self._peaks,
        )

    def _keep_peaks(self, case: Case, measured: PeaksEvent | None, ending: "_Ending") -> PeaksEvent | None:
        """Return the peaks that apply to a case that ran to its end; None for one that did not."""
        if measured is not None:
            self._peaks[_select_peaks_key(case)] = measured
        return self._peaks.get(_select_peaks_key(case)) if ending.status == "ok" else measured

    def _find_ending(
        self, received: "_Received", exit_code: int, limit: Limit | None, *, kernel_killed: bool
    ) -> "_Ending":
        """Say how the process ended: by a limit, by the kernel or as it reported itself."""
        if limit == "timeout":
            return _Ending(
                "timeout", f"ended after {format_count(self.timeout_s or 0, 'second')}, its time limit", exit_code
            )
        if limit == "stalled":
            return _Ending(
                "stalled",
                f"ended after {format_count(self.stall_s or 0, 'second')} in which it reported nothing",
                exit_code,
            )
        if kernel_killed and _name_signal(exit_code) == "SIGKILL":
            return _Ending("oom", "ended by the kernel because the memory ran out", exit_code)
        ending = received.find_ending(exit_code)
        if ending.error is not None and ending.status in ("failed", "killed"):
            return replace(ending, error=add_limit(ending.error))
        return ending


@dataclass(frozen=True)
class _Ending:
    """How a process ended."""

    status: Status
    error: str | None
    exit_code: int | None
    """None where it was never started; a signal's number below zero."""


class _Outside:
    """What the parent sees beside a process, from right before its start to right after its end."""

    def __init__(self) -> None:
        self._counters = read_machine_counters()
        self._parent_cpu_ns = time.process_time_ns()
        self._oom_kills = count_oom_kills()
        self.began_ns = time.perf_counter_ns()

    def stop(self) -> None:
        """Note what has happened until now."""
        self.seconds = (time.perf_counter_ns() - self.began_ns) / 1e9
        self.parent_cpu_s = (time.process_time_ns() - self._parent_cpu_ns) / 1e9
        self.noise: Interval = measure_interval(self._counters, read_machine_counters())
        kills = count_oom_kills()
        self.kernel_killed = kills is not None and self._oom_kills is not None and kills > self._oom_kills


@dataclass
class _Received:
    """The events that a process has sent so far."""

    case: Case
    events: list[Event] = field(default_factory=list)
    invalid: str | None = None
    """What is wrong with the first line that was not accepted; None as long as all were."""

    def take(self, line: bytes) -> Event | None:
        """Keep a line's event and return it; None where it is no event, or one more than a run can have."""
        if len(self.events) >= self.case.run_epochs + 2 * len(self.case.checkpoints) + _SPARE_EVENTS:
            self.invalid = self.invalid or f"the process sent more than {len(self.events)} events"
            return None
        try:
            event = _EVENT.validate_json(line)
        except ValidationError:
            self.invalid = self.invalid or f"the process sent a line that is not an event: {line[:80]!r}"
            return None
        self.events.append(event)
        return event

    def find_all(self, kind: type[_Kind]) -> tuple[_Kind, ...]:
        """Return the events of a kind, in the order in which they were sent."""
        return tuple(event for event in self.events if isinstance(event, kind))

    def find_last(self, kind: type[_Kind]) -> _Kind | None:
        """Return the last event of a kind; None where none was sent."""
        return next((event for event in reversed(self.events) if isinstance(event, kind)), None)

    def find_ending(self, exit_code: int) -> _Ending:
        """Say how a process ended that nobody else ended, by what it has sent and its exit code."""
        failure = self.find_last(FailureEvent)
        if failure is not None:
            return _Ending("diverged" if failure.diverged else "failed", failure.error, exit_code)
        if exit_code < 0:
            return _Ending("killed", f"ended by {_name_signal(exit_code)}", exit_code)
        if exit_code > 0:
            return _Ending("failed", f"ended with exit code {exit_code}", exit_code)
        problem = self.invalid or self._describe_missing()
        return _Ending("invalid" if problem else "ok", problem, exit_code)

    def _describe_missing(self) -> str | None:
        """Say what a process that ended with exit code 0 has left out; None where all is there."""
        epochs = len(self.find_all(EpochEvent))
        checkpoints = tuple(event.epochs for event in self.find_all(CheckpointEvent))
        evaluations = tuple(event.epochs for event in self.find_all(EvaluationEvent))
        has_rest = self.find_last(SetupEvent) and self.find_last(FinishedEvent) and epochs == self.case.run_epochs
        if has_rest and checkpoints == evaluations == self.case.checkpoints:
            return None
        return (
            f"ended with exit code 0, but reported {format_count(epochs, 'epoch')}, checkpoints {checkpoints} and "
            f"evaluations {evaluations}; expected {format_count(self.case.run_epochs, 'epoch')} and checkpoints "
            f"{self.case.checkpoints}"
        )


def _select_peaks_key(case: Case) -> tuple[object, ...]:
    """Select what of a case decides its peaks: not the model, and not the repeat."""
    return case.backend, case.loop, case.precision, case.optimizer, case.learning_rate, case.batch_size, case.threads


def _name_signal(exit_code: int | None) -> str | None:
    """Name the signal that ended a process; None where none did."""
    if exit_code is None or exit_code >= 0:
        return None
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"signal {-exit_code}"
