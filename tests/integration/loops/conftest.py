"""What the loops did to small tasks, trained in one process per backend, and another one for what is marked long."""

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


LONG_LOOPS = ("steps", "jit", "steps_jit")
"""Keras' own `fit`, compiled in another way: on every change, two tasks say whether that goes well."""


def is_long(task: str, loop: str) -> bool:
    """Whether the loop trains the task with `-m long` alone."""
    return task in LONG_TASKS or (loop in LONG_LOOPS and task not in ("basic", "variational"))


@pytest.fixture(scope="session", params=list(catalog.read_backends()))
def backend(request: pytest.FixtureRequest) -> str:
    """Every installed backend in turn."""
    name = str(request.param)
    if not installed(name):
        pytest.skip(f"{name} is not installed")
    return name


@pytest.fixture(scope="session")
def train(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Steps]:
    """A function of a backend, a task and a loop (`fit`): what their group came to, trained once per session."""

    @functools.cache
    def train_group(backend: str, *, long: bool) -> Steps:
        loops = [loop for loop, backends in catalog.read_loop_backends().items() if backend in backends]
        chosen = [
            f"{task}/{loop}"
            for task in (*TASKS, *LONG_TASKS)
            for loop in loops
            if is_long(task, loop) == long or (long and loop == "fit")
        ]
        file = tmp_path_factory.mktemp(backend) / "steps.npz"
        # Steps are few: XLA is to spend its time on neither its own nor LLVM's optimisations.
        done = subprocess.run(
            (sys.executable, str(PROGRAM), backend, str(file), *chosen),
            env={**os.environ, "XLA_FLAGS": "--xla_backend_optimization_level=0"},
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        with np.load(file) as arrays:
            return dict(arrays)

    return lambda backend, task, loop="fit": train_group(backend, long=is_long(task, loop))
