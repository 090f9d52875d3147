"""Two processes that take turns on one machine: their messages, and what is recorded of them.

The parent's revision and the child's may differ: a change that the other side would not understand increases
`PROTOCOL`, also where it is made to `bench.worker.protocol.Training` or `bench.host.noise.Interval`, which messages are
made of. The child writes one line per message to a pipe whose handle is its last argument, then reads one from standard
input:

    child                                      parent
    hello: its protocol, its code         →
                                          ←    the job
    ready: all is built, it waits         →
                                          ←    GO
    turn: what a turn gave, it waits      →
                                          ←    GO, and so on, or STOP
    done: its memory                      →

Each message says that the child is idle from now on, so exactly one of two trains at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from bench.host.noise import Interval
from bench.worker.protocol import StrictMessage, Training

PROTOCOL = 3
"""3: a pipe of its own from the child, where 2 had standard output. 2: turns of images, where 1 had units of digits.

The parent reads it in the other side's file before it starts anything, so it has to stay a literal.
"""

GO, STOP = b"go\n", b"stop\n"


@dataclass(frozen=True, kw_only=True)
class PairedJob(Training):
    """What a process trains, turn by turn, until it receives STOP."""

    protocol: int
    images: int
    """Training images per turn: the first ones of the data, from the start again where there are too few."""
    val_images: int
    """Validation images after each turn, likewise; their time belongs to no turn."""


@dataclass(frozen=True, kw_only=True)
class HelloEvent(StrictMessage):
    """The first message of a process."""

    protocol: int
    root: str
    """Folder of the code that it runs; the parent compares it with the one that it meant to start."""
    kind: Literal["hello"] = field(default="hello")


@dataclass(frozen=True, kw_only=True)
class ReadyEvent(StrictMessage):
    """Model and data are there; the process waits for its first turn."""

    params: int
    """Trainable parameters."""
    peak_rss_method: str
    """How peaks of resident memory are read in this process."""
    kind: Literal["ready"] = field(default="ready")


@dataclass(frozen=True, kw_only=True)
class TurnEvent(StrictMessage):
    """A turn's training ended; the process waits again."""

    wall_s: float
    """Seconds of training, without validation."""
    cpu_s: float
    """CPU seconds of the process in them, user and system."""
    train_loss: float | None
    """None where it is not finite."""
    val_loss: float | None
    """None where it is not finite."""
    rss_mib: float
    """Resident memory at its end."""
    noise: Interval
    """What machine and process saw within these seconds."""
    kind: Literal["turn"] = field(default="turn")


@dataclass(frozen=True, kw_only=True)
class DoneEvent(StrictMessage):
    """The process received STOP and ends."""

    peak_rss_mib: float
    """Peak resident memory of its whole life."""
    anon_mib: float | None
    """Largest anonymous memory at the end of any turn; None where the system does not say."""
    kind: Literal["done"] = field(default="done")


@dataclass(frozen=True, kw_only=True)
class BrokenEvent(StrictMessage):
    """The process raised; the traceback is in its log."""

    error: str
    kind: Literal["broken"] = field(default="broken")


PairedEvent = HelloEvent | ReadyEvent | TurnEvent | DoneEvent | BrokenEvent


def combine_intervals(intervals: Sequence[Interval]) -> Interval:
    """Several intervals as one: rates over all their seconds, counts added up, None where one of them is None.

    The kernel counts the time of other processes in ticks of 10 ms, and a single turn has too few of them to be judged.
    """
    seconds = sum(each.seconds for each in intervals)

    def average(name: str) -> float | None:
        values = [getattr(each, name) for each in intervals]
        if any(value is None for value in values):
            return None
        return float(sum(value * each.seconds for value, each in zip(values, intervals, strict=True)) / seconds)

    def add_up(name: str) -> int | None:
        values = [getattr(each, name) for each in intervals]
        return None if any(value is None for value in values) else sum(values)

    last = intervals[-1]
    rates: dict[str, Any] = {name: average(name) for name in _RATES}
    return replace(
        last, seconds=seconds, **rates, major_faults=add_up("major_faults"), minor_faults=add_up("minor_faults")
    )


_RATES = (
    "steal_percent",
    "own_cores",
    "other_cores",
    "cpu_pressure_percent",
    "memory_pressure_percent",
    "io_pressure_percent",
    "involuntary_per_s",
    "voluntary_per_s",
)


# ---------------------------------------------------------------------------------------------------- what is recorded


@dataclass(frozen=True)
class Turn:
    """One turn, as it is kept."""

    wall_s: float
    cpu_s: float
    train_loss: float | None
    val_loss: float | None


Order = Literal["ABBA", "BAAB"]
"""A is the base, B the candidate."""


@dataclass(frozen=True)
class Block:
    """Four turns, two of each side in this order, so that a drift across them affects both sides alike."""

    order: Order
    base: tuple[Turn, Turn]
    candidate: tuple[Turn, Turn]
    noise: tuple[str, ...] = ()
    """Noise indicators that were out of bounds over all four turns together, so that they favour neither side."""


@dataclass(frozen=True)
class Memory:
    """What a process held, MiB."""

    peak_rss_mib: float
    anon_mib: float | None


@dataclass(frozen=True)
class Round:
    """A fresh pair of processes, from their first turn to their last."""

    number: int
    """From 1; both sides have it as their seed."""
    blocks: tuple[Block, ...]
    base_memory: Memory
    candidate_memory: Memory
