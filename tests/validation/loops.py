"""Every model in every loop on every installed backend, compared with what `fit` gives over several seeds."""

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from integration.loops.spread import Cell, Verdict, matrix, measured, verdict

from bench.console.table import Table
from bench.datasets.files import write_npz
from bench.datasets.find import find_dataset
from bench.plan import catalog


def validate() -> tuple[Table, bool]:
    """``val_bce`` of each loop after five epochs; bound: the range of four seeds of `fit`, three times as wide.

    The environment variable AEBENCH_MODELS, names with commas between them, leaves out all other models.
    """
    cells = _choose(matrix())
    with tempfile.TemporaryDirectory() as directory:
        images = Path(directory, "images.npz")
        write_npz(find_dataset("mnist-5k").images, images)
        found = measured(cells, images, lambda backend, line: print(backend, line, end="", file=sys.stderr, flush=True))
    verdicts = [verdict(cell, found) for cell in sorted(cells, key=lambda cell: (cell.model, cell.backend, cell.loop))]
    headers = ("model", "backend", "loop", "images", "val_bce", "allowed", "within")
    title = "Loops: five epochs of mnist-5k compared with four seeds of fit (fit itself: their mean with TensorFlow's)"
    return Table(title, headers, tuple(map(_format_row, verdicts)), labels=3), all(each.holds for each in verdicts)


def _choose(cells: list[Cell]) -> list[Cell]:
    known = set(catalog.read_model_settings())
    named = set(filter(None, os.environ.get("AEBENCH_MODELS", "").split(","))) or known
    if unknown := named - known:
        sys.exit(f"AEBENCH_MODELS: unknown {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
    return [cell for cell in cells if cell.model in named]


def _format_row(verdict: Verdict) -> tuple[str, ...]:
    cell = verdict.cell
    allowed = f"{verdict.low:.5f} to {verdict.high:.5f}"
    return (
        cell.model,
        cell.backend,
        cell.loop,
        f"{cell.images:,}",
        f"{verdict.val_bce:.5f}",
        allowed,
        "yes" if verdict.holds else "NO",
    )
