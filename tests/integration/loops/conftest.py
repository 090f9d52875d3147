"""What the loops did to small tasks, trained in one process per backend, and another one for tasks that take long."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from integration.loops.spread import installed

from bench.plan import catalog

Steps = Mapping[str, Any]
"""What `first_steps` wrote."""
PROGRAM = Path(__file__).with_name("first_steps.py")
TASKS = ("basic", "sparse", "convolutional", "variational", "adamw", "normalization")
"""Telling ones: dense layers, a penalty, convolutions, random numbers; a schedule with decaying weights; weights that
no gradient changes."""
LONG_TASKS = (
    *("sparse_batch_sum", "deep", "denoising_small", "denoising", "sequence"),
    *("adam", "rmsprop", "sgd", "regularizer", "dropout"),
)


@pytest.fixture(scope="session", params=list(catalog.read_backends()))
def backend(request: pytest.FixtureRequest) -> str:
    """Every installed backend in turn."""
    name = str(request.param)
    if not installed(name):
        pytest.skip(f"{name} is not installed")
    return name


@pytest.fixture(scope="session")
def train(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Steps]:
    """A function of a backend and a task: what that task's group of tasks came to, trained once per session."""

    @functools.cache
    def train_group(backend: str, tasks: tuple[str, ...]) -> Steps:
        file = tmp_path_factory.mktemp(backend) / "steps.npz"
        # Steps are few: XLA is to spend its time on neither its own nor LLVM's optimisations.
        done = subprocess.run(
            (sys.executable, str(PROGRAM), backend, str(file), *tasks),
            env={**os.environ, "XLA_FLAGS": "--xla_backend_optimization_level=0"},
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        with np.load(file) as arrays:
            return dict(arrays)

    return lambda backend, task: train_group(backend, TASKS if task in TASKS else LONG_TASKS)
