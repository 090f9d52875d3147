"""What home and the machines of a fleet say to each other: JSON, checked on both sides."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from bench.host.fingerprint import Fingerprint, StrictModel
from bench.plan.profile import Case
from bench.results.journal_lines import SweepHeader

PROTOCOL = 1
"""Is raised with every change of what is said."""
TOPIC = "aebench"
"""Where machines say what they are doing."""
CHUNK_BYTES = 4 << 20
"""Images, and rows, that one message carries."""

Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
"""A machine's name in the fleet, and of its folder at home."""
SweepId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Natural = Annotated[int, Field(ge=0)]


class Code(StrictModel):
    """Which harness runs there."""

    protocol: int
    version: str
    commit: str | None
    sources: str
    """Digest of the source files."""
    lock: str | None
    """Digest of the lock; None where it does not come along, as in a wheel."""


class Progress(StrictModel):
    """What a machine is doing now."""

    label: Label
    sweep: SweepId
    case_id: str
    epoch: Natural = 0


class Description(StrictModel):
    """A machine, as it describes itself."""

    label: Label
    life: str
    """Another one each time that its worker is started."""
    code: Code
    fingerprint: Fingerprint
    machine_id: str
    environment_id: str
    running: Progress | None
    sweeps: dict[SweepId, Natural]
    """The sweeps that its worker has open, and how many rows of each it has."""


class Describe(StrictModel):
    """Answered by a `Description`."""

    op: Literal["describe"] = "describe"


class SendImages(StrictModel):
    """A piece of the dataset, which comes beside the message; answered by `Received`."""

    op: Literal["images"] = "images"
    digest: Digest
    offset: Natural
    is_last: bool = False


class Received(StrictModel):
    """How many bytes of the dataset are there."""

    size: Natural
    is_whole: bool


class Begin(StrictModel):
    """Open a sweep, which may be open or begun already; answered by the machine's own header of it."""

    op: Literal["begin"] = "begin"
    sweep: SweepId
    header: SweepHeader
    may_be_new: bool = True
    """Whether a machine that took no part in the sweep begins to."""


class RunCase(StrictModel):
    """Run a case; answered by an `Ended` once it has ended. Asked again, a machine joins what runs or has run."""

    op: Literal["run"] = "run"
    sweep: SweepId
    case: Case
    attempt: Annotated[int, Field(ge=1)]


class SendRows(StrictModel):
    """Answered by `Rows`: those of which home has fewer attempts."""

    op: Literal["rows"] = "rows"
    sweep: SweepId
    have: dict[str, Natural]
    """How many attempts of each case home has, by the case's id."""


class Cancel(StrictModel):
    """End what runs, and forget what waits, of one sweep or of all; answered by a `Done`."""

    op: Literal["cancel"] = "cancel"
    sweep: SweepId | None = None


class Leave(StrictModel):
    """End what runs, and the worker; answered by a `Done`."""

    op: Literal["leave"] = "leave"


class Ended(StrictModel):
    """How a case ended."""

    row: str | None
    """The journal's line, with a number of its attempt; None where the case was cancelled."""


class Rows(StrictModel):
    """Lines of a machine's journal."""

    rows: list[str]
    is_all: bool


class Done(StrictModel):
    """It is done."""

    done: Literal[True] = True


class Refusal(StrictModel):
    """Why a machine does not do what it was asked."""

    refusal: str


Request = Annotated[Describe | SendImages | Begin | RunCase | SendRows | Cancel | Leave, Field(discriminator="op")]
REQUEST: TypeAdapter[Request] = TypeAdapter(Request)
