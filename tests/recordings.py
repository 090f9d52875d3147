"""Rounds of the gate that were recorded once and are judged again by every later rule: `tests/data/rounds/*.jsonl`.

A line is a round, in the order of their beginnings; a file is a kind of candidate. Microseconds keep a unit's time to
some millionths of it, and only the losses of the last unit are kept, beside whether all were equal: so a line has two
kilobytes.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.worker.paired_protocol import Memory, Order, Quad, Round, Unit

FOLDER = Path(__file__).parent / "data" / "rounds"
_ORDERS: dict[str, Order] = {"A": "ABBA", "B": "BAAB"}


@dataclass(frozen=True)
class Recording:
    """A round, and what it is of."""

    case: str
    """MODEL:LOOP:BATCH."""
    digits: int
    """Training digits a unit."""
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
        recording = _parsed(json.loads(line))
        found.setdefault(recording.case, []).append(recording)
    return found


def to_line(recording: Recording) -> str:
    """A recording as it is kept."""
    quads = recording.round.quads
    last = [quads[-1].base[1], quads[-1].candidate[1]]
    told = {
        "case": recording.case,
        "digits": recording.digits,
        "began": recording.began,
        "seconds": round(recording.seconds, 1),
        "number": recording.round.number,
        "orders": "".join(quad.order[0] for quad in quads),
        "wall_us": [_microseconds(unit.wall_s for unit in _units(quad)) for quad in quads],
        "cpu_us": [_microseconds(unit.cpu_s for unit in _units(quad)) for quad in quads],
        "flags": {index: quad.flags for index, quad in enumerate(quads) if quad.flags},
        "losses": [[unit.train_loss, unit.val_loss] for unit in last],
        "equal_losses": all(_losses(quad.base) == _losses(quad.candidate) for quad in quads),
        "memory_mib": [[side.peak_rss_mib, side.anon_mib] for side in _memories(recording.round)],
    }
    return json.dumps(told, separators=(",", ":"), allow_nan=False)


def _units(quad: Quad) -> Sequence[Unit]:
    return (*quad.base, *quad.candidate)


def _losses(units: Sequence[Unit]) -> list[tuple[float | None, float | None]]:
    return [(unit.train_loss, unit.val_loss) for unit in units]


def _memories(recorded: Round) -> Sequence[Memory]:
    return recorded.base_memory, recorded.candidate_memory


def _microseconds(seconds: Iterable[float]) -> list[int]:
    return [round(1e6 * each) for each in seconds]


def _parsed(told: dict[str, Any]) -> Recording:
    quads = [
        _quad(
            _ORDERS[order], [each / 1e6 for each in wall], [each / 1e6 for each in cpu], told["flags"].get(str(index))
        )
        for index, (order, wall, cpu) in enumerate(zip(told["orders"], told["wall_us"], told["cpu_us"], strict=True))
    ]
    quads[-1] = _ended(quads[-1], *told["losses"], equal=told["equal_losses"])
    base, candidate = (Memory(*side) for side in told["memory_mib"])
    recorded = Round(told["number"], tuple(quads), base, candidate)
    return Recording(told["case"], told["digits"], told["began"], told["seconds"], recorded)


def _quad(order: Order, wall: Sequence[float], cpu: Sequence[float], flags: Sequence[str] | None) -> Quad:
    units = [Unit(seconds, own, None, None) for seconds, own in zip(wall, cpu, strict=True)]
    return Quad(order, (units[0], units[1]), (units[2], units[3]), tuple(flags or ()))


def _ended(quad: Quad, base: Sequence[float], candidate: Sequence[float], *, equal: bool) -> Quad:
    """With the losses of the last unit; a first one that differs stands for any that did."""
    first = quad.candidate[0] if equal else replace(quad.candidate[0], train_loss=0.0)
    return replace(
        quad,
        base=(quad.base[0], replace(quad.base[1], train_loss=base[0], val_loss=base[1])),
        candidate=(first, replace(quad.candidate[1], train_loss=candidate[0], val_loss=candidate[1])),
    )
