"""Two revisions, each in its own process, that train in turns: exactly one of them has the token at any time."""

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from bench.host.noise import flags
from bench.plan.profile import Case
from bench.sweep.process import NotStarted, environment, heard, started, tail, tell
from bench.sweep.watchdog import Watch
from bench.worker.paired_protocol import (
    GO,
    PROTOCOL,
    STOP,
    BrokenEvent,
    DoneEvent,
    DuelEvent,
    DuelJob,
    HelloEvent,
    Memory,
    Order,
    Quad,
    ReadyEvent,
    Round,
    Unit,
    UnitEvent,
    together,
)
from bench.worker.protocol import to_line

UNIT_S = 0.18
"""Seconds that a unit is to take: rounds of such units spread least, and a disturbance costs little of them."""
SHORTEST_S, LONGEST_S = 0.1, 0.3
"""What a unit may take before its digits are counted anew."""
FIRST_BATCHES = 8
"""Batches of the first unit, from which the others are counted."""
MOST_DIGITS = 1_000_000
QUADS = 24
"""Quads a round: as long as its processes take to start, so that neither half of its minute is spent in vain."""
STALL_S = 600.0
"""Seconds of silence in its own turn after which a process is given up."""
_CALIBRATION_UNITS = 8
_TRIES = 3
_EVENT: TypeAdapter[DuelEvent] = TypeAdapter(Annotated[DuelEvent, Field(discriminator="kind")])
_TOO_FINE = "cpu-pressure"
"""Looks at half the bound of the load of others, which is within the sampling error of a quad's seconds."""
_ENTRY = Path("bench", "worker", "paired.py")

_Told = TypeVar("_Told", HelloEvent, ReadyEvent, UnitEvent, DoneEvent)


class Incomparable(Exception):
    """The two sides cannot be held against each other; says which side and why."""


class PairFailed(Exception):
    """A process failed; says in a line which side's and why, then its log's last lines."""


@dataclass(frozen=True)
class Side:
    """One of the two that are compared."""

    name: str
    """As reports call it: "base" or "candidate", with its revision."""
    root: Path
    """Folder that holds its `bench` and `models`."""
    python: str = sys.executable
    """Interpreter of its environment."""
    command: tuple[str, ...] | None = None
    """What to start in place of the measured side; None for its `bench.worker.paired`."""


@dataclass
class PairExecutor:
    """Starts fresh pairs of processes and has them take turns."""

    base: Side
    candidate: Side
    data: Path
    """The prepared npz."""
    logs: Path
    """Folder of the processes' logs, which exists."""
    quads: int = QUADS
    unit_s: float = UNIT_S
    threads: int | None = None
    val_digits: int = 256
    stall_s: float = STALL_S
    chance: random.Random = field(default_factory=random.Random)
    """Draws the quads' orders."""

    def digits(self, case: Case) -> int:
        """Training digits with which a unit of the case takes some `unit_s` seconds, in whole batches.

        Counted on the base, so that a candidate's speed does not choose its own yardstick. Raises as `round`.
        """
        digits = FIRST_BATCHES * case.batch_size
        for _ in range(_TRIES):
            with self._alone(self.base, case, digits) as duellist:
                walls = [duellist.turn().wall_s for _ in range(_CALIBRATION_UNITS)]
            seconds = sorted(walls[1:])[len(walls) // 4]  # amid the faster half, which judges
            if SHORTEST_S <= seconds <= LONGEST_S:
                return digits
            fitting = round(digits * self.unit_s / seconds / case.batch_size) * case.batch_size
            counted = min(max(fitting, case.batch_size), MOST_DIGITS)
            if counted == digits:
                return digits
            digits = counted
        return digits

    def round(self, case: Case, digits: int, number: int) -> Round:
        """One fresh pair's quads, both sides with the seed ``number``.

        Raises `Incomparable` where a side does not speak the protocol, `PairFailed` where a process fails, `OSError`
        where a log cannot be written. No process of the pair is left, whatever ends it.
        """
        with ExitStack() as pair:
            # Side by side: nothing of their start is timed, and a token is given to none before both are there.
            started = [pair.enter_context(self._process(side, number, case)) for side in (self.base, self.candidate)]
            for duellist in started:
                duellist.begin(self._job(case, digits, number))
            base, candidate = started
            for duellist in started:
                duellist.hear(ReadyEvent)
            quads = tuple(_quad(base, candidate, self._order()) for _ in range(self.quads))
            return Round(number, quads, base.stop(), candidate.stop())

    def _order(self) -> Order:
        orders: tuple[Order, Order] = ("ABBA", "BAAB")
        return self.chance.choice(orders)

    @contextmanager
    def _alone(self, side: Side, case: Case, digits: int) -> Iterator["_Duellist"]:
        """One side without the other, before the first round, ready for its first turn."""
        with self._process(side, 0, case) as duellist:
            duellist.begin(self._job(case, digits, 0))
            duellist.hear(ReadyEvent)
            yield duellist
            duellist.stop()

    @contextmanager
    def _process(self, side: Side, number: int, case: Case) -> Iterator["_Duellist"]:
        if side.command is None and not (side.root / _ENTRY).is_file():
            raise Incomparable(f"{side.name} is too old to be compared: its code has no {_ENTRY.as_posix()}.")
        role = "base" if side is self.base else "candidate"
        log = self.logs / f"{case.model}.{case.loop}.b{case.batch_size}.{number}.{role}.log"
        command = side.command or (side.python, "-P", "-m", "bench.worker.paired")
        try:
            with (
                started(command, environment(side.root, case.backend, self.threads), log) as child,
                Watch(child, log, timeout_s=None, stall_s=self.stall_s) as watch,
            ):
                yield _Duellist(side, child, watch, log)
        except NotStarted as error:
            raise PairFailed(f"{side.name}: {error}") from error

    def _job(self, case: Case, digits: int, number: int) -> DuelJob:
        return DuelJob(
            **case.model_dump(exclude={"dataset", "repeat", "marks", "seed"}),
            protocol=PROTOCOL,
            seed=number,
            threads=self.threads,
            data=str(self.data.resolve()),
            digits=digits,
            val_digits=self.val_digits,
        )


def _quad(base: "_Duellist", candidate: "_Duellist", order: Order) -> Quad:
    units: dict[str, list[Unit]] = {"A": [], "B": []}
    seen = []
    sides = {"A": base, "B": candidate}
    for letter in order:
        told = sides[letter].turn()
        units[letter].append(Unit(told.wall_s, told.cpu_s, told.train_loss, told.val_loss))
        seen.append(told.noise)
        for duellist in sides.values():
            duellist.watch.progress()  # whoever waits for the other is not standing still
    disturbed = tuple(flag for flag in flags(together(seen)) if flag != _TOO_FINE)
    return Quad(order, (units["A"][0], units["A"][1]), (units["B"][0], units["B"][1]), disturbed)


@dataclass
class _Duellist:
    """One process of a pair, as the parent speaks with it."""

    side: Side
    child: subprocess.Popen[bytes]
    watch: Watch
    log: Path

    def begin(self, job: DuelJob) -> None:
        """Hear which protocol it speaks and whose code it runs, and tell it the job."""
        hello = self.hear(HelloEvent)
        if hello.protocol != job.protocol:
            raise Incomparable(
                f"{self.side.name} speaks protocol {hello.protocol} of the gate, this checkout {job.protocol}: choose "
                "another base, or run the gate of the other revision."
            )
        if Path(hello.root) != self.side.root.resolve():
            raise self._failure(f"ran the code of {hello.root} in place of {self.side.root}")
        tell(self.child, to_line(job))

    def turn(self) -> UnitEvent:
        """Give it the token, and wait until it gives the token back."""
        tell(self.child, GO)
        return self.hear(UnitEvent)

    def stop(self) -> Memory:
        """Let it end, and hear what it held."""
        tell(self.child, STOP)
        done = self.hear(DoneEvent)
        return Memory(done.peak_rss_mib, done.anon_mib)

    def hear(self, expected: type[_Told]) -> _Told:
        """Its next message, which has to be of this kind."""
        line = heard(self.child)
        if not line:
            raise self._ended()
        try:
            told = _EVENT.validate_json(line)
        except ValidationError as error:
            raise self._misunderstood(expected, line) from error
        if isinstance(told, BrokenEvent):
            raise self._failure(told.error)
        if not isinstance(told, expected):
            raise self._failure(f"told {told.kind!r} out of turn")
        self.watch.progress()
        return told

    def _misunderstood(self, expected: type[_Told], line: bytes) -> Exception:
        """A first word in another form is another protocol's; later ones are nonsense."""
        if expected is HelloEvent:
            return Incomparable(
                f"{self.side.name} does not speak the gate's protocol: its first word was {line[:80]!r}."
            )
        return self._failure(f"wrote what is no event: {line[:80]!r}")

    def _ended(self) -> PairFailed:
        code = self.child.wait()
        if self.watch.limit is not None:
            return self._failure("said nothing for so long that it was ended")
        return self._failure(f"ended with exit code {code} before it had told all")

    def _failure(self, why: str) -> PairFailed:
        """In its first line why, then the log's last ones where it can be read."""
        return PairFailed("\n".join(filter(None, (f"{self.side.name}: {why}", tail(self.log)))))
