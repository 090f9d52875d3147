"""Two revisions, each in its own process, that train in turns: only the process that has the token trains."""

import random
import re
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
    add_limit,
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
"""Seconds that a turn should take: rounds of such turns vary least, and a burst of noise costs few of them."""
SHORTEST_S, LONGEST_S = 0.1, 0.3
"""Where a turn takes less or more, its number of images is chosen again."""
FIRST_BATCHES = 8
"""Batches of the first turn, from which the number of images is estimated."""
MOST_IMAGES = 1_000_000
BLOCKS = 24
"""Blocks per round: they take as long as the start of its processes."""
STALL_S = 600.0
"""A process that is silent for so many seconds in its own turn is ended."""
_CALIBRATION_TURNS = 8
_PROTOCOL_FILE = Path("bench", "worker", "paired_protocol.py")
_TRIES = 3
_EVENT: TypeAdapter[PairedEvent] = TypeAdapter(Annotated[PairedEvent, Field(discriminator="kind")])
_TOO_FINE = "cpu-pressure"
"""This noise indicator uses half the bound of the load of others, which is within the sampling error of a block."""

_Received = TypeVar("_Received", HelloEvent, ReadyEvent, TurnEvent, DoneEvent)


class Incomparable(Exception):
    """The two sides cannot be compared; says which side and why."""


class PairedRunFailed(Exception):
    """A process failed: the first line says which side's and why, the others are its log's last ones."""


@dataclass(frozen=True)
class Side:
    """The base or the candidate of a paired run: some code and the interpreter that runs it."""

    name: str
    """As reports call it: "base" or "candidate", with its revision."""
    root: Path
    """Folder that holds its `bench` and `models`."""
    python: str = sys.executable
    """Interpreter of its environment."""
    command: tuple[str, ...] | None = None
    """What a test starts instead of the side's `bench.worker.paired`."""


def check_age(side: Side) -> None:
    """Raise `Incomparable` where a side's code does not speak the gate's protocol, as its file says.

    One that speaks another would be waited for: it sends what we do not read.
    """
    if side.command is not None:
        return
    for file in (LAUNCHER, _PROTOCOL_FILE):
        if not (side.root / file).is_file():
            raise Incomparable(f"{side.name} is too old to be compared: its code has no {file.as_posix()}.")
    text = (side.root / _PROTOCOL_FILE).read_text(encoding="utf-8", errors="replace")
    found = re.search(r"^PROTOCOL = (\d+)$", text, re.MULTILINE)
    _check_protocol(side, int(found[1]) if found else None)


def _check_protocol(side: Side, spoken: int | None) -> None:
    if spoken != PROTOCOL:
        raise Incomparable(
            f"{side.name} speaks protocol {spoken or 'unknown'} of the gate, this checkout {PROTOCOL}: choose another "
            "base, or run the gate of the other revision."
        )


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

    def choose_image_count(self, case: Case) -> int:
        """Training images with which a turn of the case takes about `turn_s` seconds, in whole batches.

        Only the base is measured, so that the candidate's speed does not affect the choice. Raises as `run_round`.
        """
        images = FIRST_BATCHES * case.batch_size
        for _ in range(_TRIES):
            with self._start_process(self.base, 0, case) as worker:
                worker.send_job(self._make_job(case, images, 0))
                worker.receive(ReadyEvent)
                walls = [worker.run_turn().wall_s for _ in range(_CALIBRATION_TURNS)]
                worker.stop()
            seconds = sorted(walls[1:])[len(walls) // 4]  # the middle of the faster half, from which figures are made
            if SHORTEST_S <= seconds <= LONGEST_S:
                return images
            fitting = round(images * self.turn_s / seconds / case.batch_size) * case.batch_size
            chosen = min(max(fitting, case.batch_size), MOST_IMAGES)
            if chosen == images:
                return images
            images = chosen
        return images

    def run_round(self, case: Case, images: int, number: int) -> Round:
        """All blocks of one fresh pair of processes, both with the seed ``number``.

        Raises `Incomparable` where a side does not speak the protocol, `PairedRunFailed` where a process fails,
        `OSError` where a log cannot be written. No process of the pair is left, whatever ends it.
        """
        orders: tuple[Order, Order] = ("ABBA", "BAAB")
        with ExitStack() as pair:
            # Both start at the same time: that is not timed, and neither gets the token before both are ready.
            sides = (self.base, self.candidate)
            workers = [pair.enter_context(self._start_process(side, number, case)) for side in sides]
            base, candidate = workers
            for worker in workers:
                worker.send_job(self._make_job(case, images, number))
            for worker in workers:
                worker.receive(ReadyEvent)
            blocks = tuple(_run_block(base, candidate, self.chance.choice(orders)) for _ in range(self.blocks))
            return Round(number, blocks, base.stop(), candidate.stop())

    @contextmanager
    def _start_process(self, side: Side, number: int, case: Case) -> Iterator["_PairedWorker"]:
        """A side's process, which is gone when the context is left."""
        check_age(side)
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

    def _make_job(self, case: Case, images: int, number: int) -> PairedJob:
        return PairedJob(
            **case.model_dump(exclude={"dataset", "repeat", "checkpoints", "seed", "threads"}),
            protocol=PROTOCOL,
            seed=number,
            threads=self.threads,
            data=str(self.data.resolve()),
            images=images,
            val_images=self.val_images,
        )


def _run_block(base: "_PairedWorker", candidate: "_PairedWorker", order: Order) -> Block:
    turns: dict[str, list[Turn]] = {"A": [], "B": []}
    intervals = []
    sides = {"A": base, "B": candidate}
    for letter in order:
        turn = sides[letter].run_turn()
        turns[letter].append(Turn(turn.wall_s, turn.cpu_s, turn.train_loss, turn.val_loss))
        intervals.append(turn.noise)
        for worker in sides.values():
            worker.watch.note_progress()  # whoever waits for the other has not stalled
    noise = tuple(indicator for indicator in find_noise(combine_intervals(intervals)) if indicator != _TOO_FINE)
    return Block(order, (turns["A"][0], turns["A"][1]), (turns["B"][0], turns["B"][1]), noise)


@dataclass
class _PairedWorker:
    """One process of a pair, as the parent talks to it."""

    side: Side
    child: ChildProcess
    watch: Watchdog
    log: Path

    def send_job(self, job: PairedJob) -> None:
        """Send the job to a process that speaks our protocol and runs the side's own code."""
        hello = self.receive(HelloEvent)
        _check_protocol(self.side, hello.protocol)
        if Path(hello.root) != self.side.root.resolve():
            raise self._make_failure(f"ran the code of {hello.root} instead of {self.side.root}")
        self.child.send(to_line(job))

    def run_turn(self) -> TurnEvent:
        """Give it the token, and wait until it gives the token back."""
        self.child.send(GO)
        return self.receive(TurnEvent)

    def stop(self) -> Memory:
        """Let it end; returns its memory."""
        self.child.send(STOP)
        done = self.receive(DoneEvent)
        return Memory(done.peak_rss_mib, done.anon_mib)

    def receive(self, expected: type[_Received]) -> _Received:
        """Its next message, which has to be of the expected kind. Raises `PairedRunFailed`, `Incomparable`."""
        line = self.child.receive()
        if not line:
            code = self.child.wait()
            silent = self.watch.limit is not None
            early = add_limit(f"ended early, with exit code {code}")
            raise self._make_failure("was silent for too long" if silent else early)
        try:
            message = _EVENT.validate_json(line)
        except ValidationError as error:
            first = f"{line[:80]!r}"
            if expected is HelloEvent:  # another protocol
                raise Incomparable(
                    f"{self.side.name} does not speak the gate's protocol: its first line was {first}."
                ) from error
            raise self._make_failure(f"wrote a line that is no message: {first}") from error
        if isinstance(message, BrokenEvent):
            raise self._make_failure(add_limit(message.error))
        if not isinstance(message, expected):
            raise self._make_failure(f"sent {message.kind!r} where {expected.__name__} was expected")
        self.watch.note_progress()
        return message

    def _make_failure(self, why: str) -> PairedRunFailed:
        """Why it failed, then the log's last lines where it can be read."""
        return PairedRunFailed("\n".join(filter(None, (f"{self.side.name}: {why}", read_tail(self.log)))))
