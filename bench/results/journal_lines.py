"""The lines of the journal: how a sweep began, and the outcome of each case's run."""

from collections.abc import Iterable
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, TypeAdapter

from bench.errors import strip_controls
from bench.host.fingerprint import Fingerprint, StrictModel
from bench.host.noise import Interval
from bench.host.reference_kernels import KernelRates
from bench.plan.forecast import Forecast
from bench.plan.profile import Case, Count, Profile
from bench.results.epochs import Epochs, MemorySamples
from bench.results.schema import SCHEMA_VERSION, Status
from bench.worker.protocol import CheckpointEvent, EvaluationEvent, PeaksEvent, PhaseEvent, SetupEvent

Printable = Annotated[str, AfterValidator(strip_controls)]
"""Text of a process or of somebody else's journal, without the colours and commands that a terminal would obey."""


class SweepHeader(StrictModel):
    """The journal's first line: what this folder measures, on what."""

    kind: Literal["header"] = "header"
    schema_version: int = SCHEMA_VERSION
    profile: Profile
    cases: tuple[Case, ...]
    """What the profile expanded to when the sweep began."""
    dataset_digest: str
    dataset_genuine: bool | None
    dataset_origin: str
    train_samples: Count
    val_samples: Count
    machine_id: str
    environment_id: str
    fingerprint: Fingerprint
    git_commit: str | None
    git_dirty: bool | None
    created_at: str
    forecasts: dict[str, Forecast] = Field(default_factory=dict)
    """What the reference reports foretold when the sweep began, by the case's name without the repeat."""
    usual_gb_per_s: float | None = Field(default=None, gt=1e-9, lt=1e9)
    """Memory bandwidth that is usual here, as earlier sweeps of this machine found it; None where there were none."""
    usual_hours: int | None = Field(default=None, ge=1, le=1_000_000)
    """How many hours it is the mean of."""

    @cached_property
    def first_cases(self) -> dict[str, Case]:
        """The first planned case of each model: it is trained in the way that others are ways beside."""
        return {case.model: case for case in reversed(self.cases)}

    @cached_property
    def last_checkpoints(self) -> dict[str, int]:
        """The last checkpoint of each planned case, by its name without the repeat."""
        return {case.name: case.run_epochs for case in self.cases}

    def split_outcomes(self, outcomes: Iterable["Outcome"]) -> tuple[list["Outcome"], list["Outcome"]]:
        """Return the outcomes of planned cases, and those of further processes, which a sweep with minutes runs."""
        planned: list[Outcome] = []
        further: list[Outcome] = []
        ids = {case.case_id for case in self.cases}
        for outcome in outcomes:
            (planned if outcome.case.case_id in ids else further).append(outcome)
        return planned, further


class Timeline(StrictModel):
    """Resident memory of the process, sampled by the parent."""

    interval_s: float
    """Seconds between samples; doubled, and every second sample dropped, whenever there are too many to keep."""
    samples: MemorySamples
    """Seconds since the process' start, and MiB. Of two samples the larger one is kept."""


class Outcome(StrictModel):
    """All that is known of one case's run, whether it went well or not: one line of the journal."""

    kind: Literal["outcome"] = "outcome"
    case: Case
    attempt: int = 1
    """Which run of the case this was, from 1; an interrupted run has no line and does not count."""
    status: Status
    error: Printable | None = None
    signal: str | None = None
    exit_code: int | None = None
    log_tail: Printable | None = None
    started_at: str
    """UTC, ISO 8601."""
    duration_s: float
    """Wall seconds from the worker's start to its end, as the parent saw them."""
    setup: SetupEvent | None = None
    phases: tuple[PhaseEvent, ...] = ()
    epochs: Epochs = Epochs()
    checkpoints: tuple[CheckpointEvent, ...] = ()
    evaluations: tuple[EvaluationEvent, ...] = ()
    peaks: PeaksEvent | None = None
    """Measured in this run, or in an earlier one of the sweep with the same backend, loop, precision, threads and batch
    size."""
    idle_w: tuple[tuple[str, float], ...] = ()
    """Each energy counter of the machine, and the watts that it showed before the sweep."""
    noise: Interval | None = None
    """The machine's noise indicators from the process' start to its end."""
    parent_cpu_s: float | None = None
    """CPU seconds that the parent took meanwhile, for display and sampling."""
    reference_before: KernelRates | None = None
    """What the machine's reference kernels reached right before the process began."""
    reference_after: KernelRates | None = None
    """The same, right after it ended."""
    timeline: Timeline | None = None
    """Resident memory as sampled from outside."""


JournalLine = Annotated[SweepHeader | Outcome, Field(discriminator="kind")]
JOURNAL_LINE: TypeAdapter[JournalLine] = TypeAdapter(JournalLine)
