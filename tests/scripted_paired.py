"""Recorded rounds that nobody measured."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.worker.paired_protocol import Block, Memory, Order, Round, Turn

SECONDS = 0.18
BASE = Memory(peak_rss_mib=900.0, anon_mib=450.0)


def turn(wall_s: float = SECONDS, **changes: Any) -> Turn:
    return Turn(**{"wall_s": wall_s, "cpu_s": 1.5 * wall_s, "train_loss": 0.1, "val_loss": 0.11} | changes)


def block(base: float = SECONDS, candidate: float = SECONDS, *, order: Order = "ABBA", noise: Any = ()) -> Block:
    return Block(order, (turn(base), turn(base)), (turn(candidate), turn(candidate)), noise)


def recorded(number: int = 1, ratio: float = 1.0, **changes: Any) -> Round:
    """A warm-up block and eight more, the candidate's time so many times the base's."""
    fields: dict[str, Any] = {
        "blocks": (block(2.0, 2.0), *(block(SECONDS, ratio * SECONDS),) * 8),
        "base_memory": BASE,
        "candidate_memory": BASE,
    }
    return Round(**{"number": number, **fields, **changes})


def rounds(ratios: Sequence[float], **changes: Any) -> list[Round]:
    return [recorded(number, ratio, **changes) for number, ratio in enumerate(ratios, start=1)]


def noisy(rng: np.random.Generator, *, blocks: int = 30, slowdown: float = 0.0, drift: float = 0.3) -> Round:
    """A round on a machine that becomes slower or faster by ``drift`` within it, and stops a tenth of the turns."""
    speed = np.exp(np.linspace(0, rng.normal(0, drift), 4 * blocks)).reshape(blocks, 4)
    noise = np.exp(np.abs(rng.normal(0, 0.02, (blocks, 4)))) * np.where(rng.random((blocks, 4)) < 0.1, 2.5, 1.0)
    orders: list[Order] = [("ABBA", "BAAB")[rng.integers(2)] for _ in range(blocks)]
    pair = np.exp(rng.normal(0, 0.005, 2)) * (1, 1 + slowdown)  # what a process keeps for its life
    made = []
    for order, seconds in zip(orders, SECONDS * speed * noise, strict=True):
        walls: dict[str, list[Turn]] = {"A": [], "B": []}
        for side, wall in zip(order, seconds, strict=True):
            walls[side].append(turn(float(wall * pair["AB".index(side)])))
        made.append(Block(order, (walls["A"][0], walls["A"][1]), (walls["B"][0], walls["B"][1])))
    return Round(1, tuple(made), BASE, BASE)
