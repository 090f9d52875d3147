"""A loop learns as well as `fit`. Every model in every loop: ``nox -s validate -- loops``."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
from integration.loops.spread import FEW, MANY, Cell, Found, judgeable, measured, verdict

from bench.datasets.files import write_npz
from bench.datasets.find import find_dataset

CELLS = tuple(
    Cell("basic", loop, backend, MANY)
    for loop, backend in (
        ("dataset", "tensorflow"),
        ("steps_jit", "tensorflow"),
        ("graph", "tensorflow"),
        ("xla", "tensorflow"),
        ("fit", "jax"),
        ("xla", "jax"),
        ("fit", "torch"),
    )
)
LONG_CELLS = (
    *(Cell("variational", loop, "tensorflow", MANY) for loop in ("graph", "xla", "jit")),
    *(Cell("variational", loop, "jax", MANY) for loop in ("fit", "xla")),
    Cell("basic", "jit", "tensorflow", MANY),
    Cell("basic", "steps", "jax", MANY),
    Cell("convolutional", "graph", "tensorflow", FEW),
)


@pytest.fixture(scope="module")
def found_beside(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Cell], Found]:
    """A function of a cell: `val_bce` of all runs of its group of cells that the installed backends can do."""
    images = tmp_path_factory.mktemp("images") / "images.npz"
    write_npz(find_dataset("mnist-5k").images, images)

    @functools.cache
    def measure_group(cells: tuple[Cell, ...]) -> Found:
        return measured(filter(judgeable, cells), images)

    return lambda cell: measure_group(CELLS if cell in CELLS else LONG_CELLS)


def name_cell(cell: Cell) -> str:
    return f"{cell.model}-{cell.loop}-{cell.backend}"


@pytest.mark.parametrize(
    "cell", [*CELLS, *(pytest.param(cell, marks=pytest.mark.long) for cell in LONG_CELLS)], ids=name_cell
)
def test_five_epochs_lie_within_the_spread_of_fit_over_seeds(found_beside: Callable[[Cell], Found], cell: Cell) -> None:
    if not judgeable(cell):
        pytest.skip(f"{cell.backend}, or TensorFlow beside it, is not installed")
    judged = verdict(cell, found_beside(cell))
    assert judged.holds, judged
