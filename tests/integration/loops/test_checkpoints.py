"""Checkpoints of every loop beside `fit`, in real children."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from integration.loops.spread import installed

from bench.plan import catalog

EXACT = ("train_loss", "val_loss", "val_bce", "code_mean", "dead_units")
LONG = (("xla", "tensorflow"), ("steps", "tensorflow"), ("jit", "tensorflow"), ("steps", "jax"))
"""`xla` runs the code of `graph` but for the compiler, and `steps_jit` is `steps` and `jit` in one."""
LOOPS = [
    pytest.param(loop, backend, marks=[pytest.mark.long] if (loop, backend) in LONG else [])
    for loop, backends in catalog.read_loop_backends().items()
    if loop != "fit"
    for backend in backends
]


def rows(folder: Path, loop: str, backend: str, epochs: str) -> dict[str, dict[str, str]]:
    """The rows of a run of the model that draws random numbers while it trains, by epochs."""
    command = [sys.executable, "-m", "bench", "run", "--models", "variational", "--batch-sizes", "256"]
    command += ["--loops", loop, "--backends", backend, "--epochs", epochs, "--repeats", "1", "--out", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        return {row["epochs"]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize(("loop", "backend"), LOOPS)
def test_a_checkpoint_equals_to_the_last_bit_a_run_of_just_that_many_epochs(
    loop: str, backend: str, tmp_path: Path
) -> None:
    if not installed(backend):
        pytest.skip(f"{backend} is not installed")
    longer = rows(tmp_path / "longer", loop, backend, "2,4")
    shorter = rows(tmp_path / "shorter", loop, backend, "2")
    assert {name: longer["2"][name] for name in EXACT} == {name: shorter["2"][name] for name in EXACT}
    assert longer["4"]["val_bce"] < longer["2"]["val_bce"]
