"""Two revisions, each in its own process, that train in turns: exactly one of them has the token at any time."""

import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from bench.host.noise import find_noise
from bench.plan.profile import Case
from bench.sweep.process import (
    LAUNCHER,
    ChildProcess,
    NotStarted,
    make_environment,
    read_tail,
    start_command,
    start_process,
)
from bench.sweep.watchdog import Watchdog
from bench.worker.paired_protocol import (
    GO,
    PROTOCOL,
    STOP,
    Block,
    BrokenEvent,
    DoneEvent,
    HelloEvent,
    Memory,
    Order,
    PairedEvent,
    PairedJob,
    ReadyEvent,
    Round,
    Turn,
    TurnEvent,
    combine_intervals,
)
from bench.worker.protocol import to_line

TURN_S = 0.18
"""Seconds that a turn is to take: rounds of such turns spread least, and a disturbance costs little of them."""
SHORTEST_S, LONGEST_S = 0.1, 0.3
"""What a turn may take before its images are counted anew."""
FIRST_BATCHES = 8
"""Batches of the first turn, from which the others are counted."""
MOST_IMAGES = 1_000_000
BLOCKS = 24
"""Blocks a round: as long as its processes take to start, so that neither half of its minute is spent in vain."""
STALL_S = 600.0
"""Seconds of silence in its own turn after which a process is given up."""
_CALIBRATION_TURNS = 8
_TRIES = 3
_EVENT: TypeAdapter[PairedEvent] = TypeAdapter(Annotated[PairedEvent, Field(discriminator="kind")])
_TOO_FINE = "cpu-pressure"
"""Looks at half the bound of the load of others, which is within the sampling error of a block's seconds."""

_Told = TypeVar("_Told", HelloEvent, ReadyEvent, TurnEvent, DoneEvent)


class Incomparable(Exception):
    """The two sides cannot be held against each other; says which side and why."""


class PairedRunFailed(Exception):
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
class PairedExecutor:
    """Starts fresh pairs of processes and has them take turns."""

    base: Side
    candidate: Side
    data: Path
    """The prepared npz."""
    logs: Path
    """Folder of the processes' logs, which exists."""
    blocks: int = BLOCKS
    turn_s: float = TURN_S
    threads: int | None = None
    val_images: int = 256
    stall_s: float = STALL_S
    chance: random.Random = field(default_factory=random.Random)
    """Draws the blocks' orders."""

    def images(self, case: Case) -> int:
        """Training images with which a turn of the case takes some `turn_s` seconds, in whole batches.

        Counted on the base, so that a candidate's speed does not choose its own yardstick. Raises as `round`.
        """
        images = FIRST_BATCHES * case.batch_size
        for _ in range(_TRIES):
            with self._alone(self.base, case, images) as worker:
                walls = [worker.turn().wall_s for _ in range(_CALIBRATION_TURNS)]
            seconds = sorted(walls[1:])[len(walls) // 4]  # amid the faster half, which judges
            if SHORTEST_S <= seconds <= LONGEST_S:
                return images
            fitting = round(images * self.turn_s / seconds / case.batch_size) * case.batch_size
            counted = min(max(fitting, case.batch_size), MOST_IMAGES)
            if counted == images:
                return images
            images = counted
        return images

    def round(self, case: Case, images: int, number: int) -> Round:
        """One fresh pair's blocks, both sides with the seed ``number``.

        Raises `Incomparable` where a side does not speak the protocol, `PairedRunFailed` where a process fails,
        `OSError` where a log cannot be written. No process of the pair is left, whatever ends it.
        """
        with ExitStack() as pair:
            # Side by side: nothing of their start is timed, and a token is given to none before both are there.
            started = [pair.enter_context(self._process(side, number, case)) for side in (self.base, self.candidate)]
            for worker in started:
                worker.begin(self._job(case, images, number))
            base, candidate = started
            for worker in started:
                worker.hear(ReadyEvent)
            blocks = tuple(_block(base, candidate, self._order()) for _ in range(self.blocks))
            return Round(number, blocks, base.stop(), candidate.stop())

    def _order(self) -> Order:
        orders: tuple[Order, Order] = ("ABBA", "BAAB")
        return self.chance.choice(orders)

    @contextmanager
    def _alone(self, side: Side, case: Case, images: int) -> Iterator["_PairedWorker"]:
        """One side without the other, before the first round, ready for its first turn."""
        with self._process(side, 0, case) as worker:
            worker.begin(self._job(case, images, 0))
            worker.hear(ReadyEvent)
            yield worker
            worker.stop()

    @contextmanager
    def _process(self, side: Side, number: int, case: Case) -> Iterator["_PairedWorker"]:
        if side.command is None and not (side.root / LAUNCHER).is_file():
            raise Incomparable(f"{side.name} is too old to be compared: its code has no {LAUNCHER.as_posix()}.")
        role = "base" if side is self.base else "candidate"
        log = self.logs / f"{case.model}.{case.loop}.b{case.batch_size}.{number}.{role}.log"
        command = side.command or start_command("bench.worker.paired", side.root, side.python)
        try:
            with (
                start_process(command, make_environment(case.backend, self.threads), log) as child,
                Watchdog(child, log, timeout_s=None, stall_s=self.stall_s) as watch,
            ):
                yield _PairedWorker(side, child, watch, log)
        except NotStarted as error:
            raise PairedRunFailed(f"{side.name}: {error}") from error

    def _job(self, case: Case, images: int, number: int) -> PairedJob:
        return PairedJob(
            **case.model_dump(exclude={"dataset", "repeat", "checkpoints", "seed"}),
            protocol=PROTOCOL,
            seed=number,
            threads=self.threads,
            data=str(self.data.resolve()),
            images=images,
            val_images=self.val_images,
        )


def _block(base: "_PairedWorker", candidate: "_PairedWorker", order: Order) -> Block:
    turns: dict[str, list[Turn]] = {"A": [], "B": []}
    seen = []
    sides = {"A": base, "B": candidate}
    for letter in order:
        told = sides[letter].turn()
        turns[letter].append(Turn(told.wall_s, told.cpu_s, told.train_loss, told.val_loss))
        seen.append(told.noise)
        for worker in sides.values():
            worker.watch.note_progress()  # whoever waits for the other is not standing still
    noisy = tuple(flag for flag in find_noise(combine_intervals(seen)) if flag != _TOO_FINE)
    return Block(order, (turns["A"][0], turns["A"][1]), (turns["B"][0], turns["B"][1]), noisy)


@dataclass
class _PairedWorker:
    """One process of a pair, as the parent speaks with it."""

    side: Side
    child: ChildProcess
    watch: Watchdog
    log: Path

    def begin(self, job: PairedJob) -> None:
        """Hear which protocol it speaks and whose code it runs, and tell it the job."""
        hello = self.hear(HelloEvent)
        if hello.protocol != job.protocol:
            raise Incomparable(
                f"{self.side.name} speaks protocol {hello.protocol} of the gate, this checkout {job.protocol}: choose "
                "another base, or run the gate of the other revision."
            )
        if Path(hello.root) != self.side.root.resolve():
            raise self._failure(f"ran the code of {hello.root} in place of {self.side.root}")
        self.child.send(to_line(job))

    def turn(self) -> TurnEvent:
        """Give it the token, and wait until it gives the token back."""
        self.child.send(GO)
        return self.hear(TurnEvent)

    def stop(self) -> Memory:
        """Let it end, and hear what it held."""
        self.child.send(STOP)
        done = self.hear(DoneEvent)
        return Memory(done.peak_rss_mib, done.anon_mib)

    def hear(self, expected: type[_Told]) -> _Told:
        """Its next message, which has to be of this kind."""
        line = self.child.receive()
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
        self.watch.note_progress()
        return told

    def _misunderstood(self, expected: type[_Told], line: bytes) -> Exception:
        """A first word in another form is another protocol's; later ones are nonsense."""
        if expected is HelloEvent:
            return Incomparable(
                f"{self.side.name} does not speak the gate's protocol: its first word was {line[:80]!r}."
            )
        return self._failure(f"wrote what is no event: {line[:80]!r}")

    def _ended(self) -> PairedRunFailed:
        code = self.child.wait()
        if self.watch.limit is not None:
            return self._failure("said nothing for so long that it was ended")
        return self._failure(f"ended with exit code {code} before it had told all")

    def _failure(self, why: str) -> PairedRunFailed:
        """In its first line why, then the log's last ones where it can be read."""
        return PairedRunFailed("\n".join(filter(None, (f"{self.side.name}: {why}", read_tail(self.log)))))
