"""Whether a loop learns as well as `fit`: ``val_bce`` after five epochs compared with those of `fit` on four seeds."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.plan import catalog

SEEDS = range(4)
PROGRAM = Path(__file__).with_name("five_epochs.py")


@dataclass(frozen=True)
class Cell:
    """One of `catalog.read_loop_backends` on one of its backends, and how many training images an epoch has."""

    model: str
    loop: str
    backend: str
    images: int

    def run(self, loop: str, seed: int) -> str:
        """As `five_epochs` takes it."""
        return f"{self.model}/{loop}/{seed}/{self.images}"


@dataclass(frozen=True)
class Verdict:
    """``low`` and ``high`` are the smallest and largest ``val_bce`` of `fit`, each further out by their distance."""

    cell: Cell
    val_bce: float
    low: float
    high: float

    @property
    def holds(self) -> bool:
        """Whether the loop's figure is one that `fit` might have given."""
        return self.low <= self.val_bce <= self.high


Found = Mapping[tuple[str, str], float]
"""``val_bce`` by backend and run."""


def judgeable(cell: Cell) -> bool:
    """Whether this Python has what the cell is trained on and, for `fit`, what that is compared with."""
    return installed(cell.backend) and (cell.loop != "fit" or installed("tensorflow"))


def installed(backend: str) -> bool:
    """Whether this Python has the backend."""
    return importlib.util.find_spec(backend) is not None


def measured(
    cells: Iterable[Cell], images: Path, each: Callable[[str, str], None] = lambda _backend, _line: None
) -> Found:
    """Train all that the cells need, one process per backend; ``each`` is called with every run when it is done.

    Another backend's `fit` is compared with TensorFlow's, which has to be among the cells.
    """
    needed: dict[str, list[str]] = {}
    for cell in cells:
        loops = [] if cell.loop == "fit" else [cell.run(cell.loop, SEEDS[0])]
        needed.setdefault(cell.backend, []).extend([*(cell.run("fit", seed) for seed in SEEDS), *loops])
    return {
        (backend, run): val_bce
        for backend, runs in needed.items()
        for run, val_bce in _trained(backend, images, list(dict.fromkeys(runs)), each)
    }


def _trained(
    backend: str, images: Path, runs: list[str], each: Callable[[str, str], None]
) -> Iterable[tuple[str, float]]:
    command = (sys.executable, str(PROGRAM), backend, str(images), *runs)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            result = json.loads(line)
            each(backend, line)
            yield result["run"], result["val_bce"]
    if process.returncode:
        raise RuntimeError(f"{PROGRAM.name} on {backend} ended with {process.returncode}")


def verdict(cell: Cell, found: Found) -> Verdict:
    """A loop is compared with `fit` on its own backend; the mean of `fit` over the seeds against TensorFlow's."""
    of_fit = [found[cell.backend, cell.run("fit", seed)] for seed in SEEDS]
    if cell.loop == "fit":
        val_bce = sum(of_fit) / len(of_fit)
        of_fit = [found["tensorflow", cell.run("fit", seed)] for seed in SEEDS]
    else:
        val_bce = found[cell.backend, cell.run(cell.loop, SEEDS[0])]
    width = max(of_fit) - min(of_fit)
    return Verdict(cell, val_bce, min(of_fit) - width, max(of_fit) + width)


CONVOLUTIONAL = ("convolutional", "denoising", "denoising_small")
MANY, FEW = 4_000, 500
"""All of mnist-5k's training images, and as many of them as XLA's convolutions train on within seconds an epoch."""


def matrix() -> list[Cell]:
    """Every model, loop and backend that can be judged here."""
    cells = []
    for loop, backends in catalog.read_loop_backends().items():
        for backend in backends:
            for model in catalog.read_model_settings():
                slow = model in CONVOLUTIONAL and (loop == "xla" or backend == "jax")
                cells.append(Cell(model, loop, backend, FEW if slow else MANY))
    return list(filter(judgeable, cells))
