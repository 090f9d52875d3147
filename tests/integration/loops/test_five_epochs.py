"""A loop learns as well as `fit`. Every model in every loop: ``nox -s validate -- loops``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from integration.loops.spread import FEW, MANY, Cell, Found, judgeable, measured, verdict

from bench.datasets.files import write_npz
from bench.datasets.find import find_dataset

CELLS = (
    *(Cell(model, loop, "tensorflow", MANY) for model in ("basic", "variational") for loop in ("graph", "xla")),
    *(Cell(model, loop, "jax", MANY) for model in ("basic", "variational") for loop in ("fit", "xla")),
    Cell("basic", "fit", "torch", MANY),
    Cell("convolutional", "graph", "tensorflow", FEW),
)
"""What a few minutes are enough for."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """`val_bce` of all runs that the installed backends can do."""
    images = tmp_path_factory.mktemp("images") / "images.npz"
    write_npz(find_dataset("mnist-5k").images, images)
    return measured([cell for cell in CELLS if judgeable(cell)], images)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell.model}-{cell.loop}-{cell.backend}")
def test_five_epochs_lie_within_the_spread_of_fit_over_seeds(found: Mapping[Any, float], cell: Cell) -> None:
    if not judgeable(cell):
        pytest.skip(f"{cell.backend}, or TensorFlow beside it, is not installed")
    judged = verdict(cell, found)
    assert judged.holds, judged
