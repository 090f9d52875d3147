"""A machine as home sees it, and how home works."""

from dataclasses import dataclass

from bench.fleet.ledger import Account
from bench.plan.profile import Case


class Refused(Exception):
    """A machine may not take part, or does not do what it was asked; says why."""


class DiskRefused(Exception):
    """Home cannot write a row; its cause is the `OSError`."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass
class Member:
    """A machine that takes part."""

    account: Account
    address: str | None
    """None while it is away."""
    life: str
    heard_at: float
    """When its heartbeat was seen last, by `time.monotonic`."""
    case: Case | None = None
    """What it was asked to run."""
    begun_at: float = 0.0
    epoch: int = 0
    refusals: int = 0
    """How often it has refused a case in a row: its disk may be full."""


@dataclass(frozen=True)
class Plan:
    """How home works."""

    machines: int = 1
    """The sweep does not end before so many have taken part."""
    lease_s: float = 600.0
    """A machine that is away for longer is given up; others may have its case."""
    only_collect: bool = False
    """Run nothing: fetch what the machines have."""
