"""Recorded rounds of the gate, which every later rule is tried on: `tests/data/rounds/*.jsonl`.

A line is a round, in the order of their beginnings; a file is a kind of candidate. Microseconds keep a turn's time to
some millionths of it, and only the losses of the last turn are kept, beside whether all were equal: so a line has two
kilobytes.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.worker.paired_protocol import Block, Memory, Order, Round, Turn

FOLDER = Path(__file__).parent / "data" / "rounds"
_ORDERS: dict[str, Order] = {"A": "ABBA", "B": "BAAB"}


@dataclass(frozen=True)
class Recording:
    """A round, and what it is of."""

    case: str
    """MODEL:LOOP:BATCH."""
    images: int
    """Training images a turn."""
    began: str
    """UTC, ISO 8601."""
    seconds: float
    """What the round took, the start of its processes included."""
    round: Round


def path(kind: str) -> Path:
    """Where the rounds with this kind of candidate are."""
    return FOLDER / f"{kind}.jsonl"


def read(kind: str) -> dict[str, list[Recording]]:
    """The recordings of a kind by case, each in the order of time; empty where none were made."""
    file = path(kind)
    found: dict[str, list[Recording]] = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        recording = parse_line(line)
        found.setdefault(recording.case, []).append(recording)
    return found


def to_line(recording: Recording) -> str:
    """A recording as it is kept."""
    blocks = recording.round.blocks
    last = [blocks[-1].base[1], blocks[-1].candidate[1]]
    fields = {
        "case": recording.case,
        "images": recording.images,
        "began": recording.began,
        "seconds": round(recording.seconds, 1),
        "number": recording.round.number,
        "orders": "".join(block.order[0] for block in blocks),
        "wall_us": [_microseconds(turn.wall_s for turn in _turns(block)) for block in blocks],
        "cpu_us": [_microseconds(turn.cpu_s for turn in _turns(block)) for block in blocks],
        "noise": {index: block.noise for index, block in enumerate(blocks) if block.noise},
        "losses": [[turn.train_loss, turn.val_loss] for turn in last],
        "equal_losses": all(_losses(block.base) == _losses(block.candidate) for block in blocks),
        "memory_mib": [[side.peak_rss_mib, side.anon_mib] for side in _memories(recording.round)],
    }
    return json.dumps(fields, separators=(",", ":"), allow_nan=False)


def _turns(block: Block) -> Sequence[Turn]:
    return (*block.base, *block.candidate)


def _losses(turns: Sequence[Turn]) -> list[tuple[float | None, float | None]]:
    return [(turn.train_loss, turn.val_loss) for turn in turns]


def _memories(recorded: Round) -> Sequence[Memory]:
    return recorded.base_memory, recorded.candidate_memory


def _microseconds(seconds: Iterable[float]) -> list[int]:
    return [round(1e6 * each) for each in seconds]


def parse_line(line: str) -> Recording:
    """The recording that a line keeps."""
    fields: dict[str, Any] = json.loads(line)
    blocks = [
        _block(
            _ORDERS[order], [each / 1e6 for each in wall], [each / 1e6 for each in cpu], fields["noise"].get(str(index))
        )
        for index, (order, wall, cpu) in enumerate(
            zip(fields["orders"], fields["wall_us"], fields["cpu_us"], strict=True)
        )
    ]
    blocks[-1] = _add_losses(blocks[-1], *fields["losses"], equal=fields["equal_losses"])
    base, candidate = (Memory(*side) for side in fields["memory_mib"])
    recorded = Round(fields["number"], tuple(blocks), base, candidate)
    return Recording(fields["case"], fields["images"], fields["began"], fields["seconds"], recorded)


def _block(order: Order, wall: Sequence[float], cpu: Sequence[float], noise: Sequence[str] | None) -> Block:
    turns = [Turn(seconds, own, None, None) for seconds, own in zip(wall, cpu, strict=True)]
    return Block(order, (turns[0], turns[1]), (turns[2], turns[3]), tuple(noise or ()))


def _add_losses(block: Block, base: Sequence[float], candidate: Sequence[float], *, equal: bool) -> Block:
    """With the losses of the last turn; a first one that differs stands for any that did."""
    first = block.candidate[0] if equal else replace(block.candidate[0], train_loss=0.0)
    return replace(
        block,
        base=(block.base[0], replace(block.base[1], train_loss=base[0], val_loss=base[1])),
        candidate=(first, replace(block.candidate[1], train_loss=candidate[0], val_loss=candidate[1])),
    )
