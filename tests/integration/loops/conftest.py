"""What the loops did to small tasks, one process per backend."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from integration.loops.spread import installed

Steps = Mapping[str, Any]
PROGRAM = Path(__file__).with_name("first_steps.py")


@pytest.fixture(scope="session", params=["tensorflow", "jax", "torch"])
def backend(request: pytest.FixtureRequest) -> str:
    """Every installed backend in turn."""
    return skipped_unless_installed(str(request.param))


@pytest.fixture(scope="session")
def steps(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Steps:
    """What `first_steps` wrote on this backend."""
    return first_steps(backend, tmp_path_factory)


@pytest.fixture(scope="session")
def steps_on_tensorflow(tmp_path_factory: pytest.TempPathFactory) -> Steps:
    """What it wrote on TensorFlow."""
    return first_steps(skipped_unless_installed("tensorflow"), tmp_path_factory)


def skipped_unless_installed(backend: str) -> str:
    """The backend's name; skips where it is not installed."""
    if not installed(backend):
        pytest.skip(f"{backend} is not installed")
    return backend


_done: dict[str, Steps] = {}


def first_steps(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Steps:
    """Run the program on the backend, once a session."""
    if backend not in _done:
        file = tmp_path_factory.mktemp(backend) / "steps.npz"
        # Steps are few: XLA is to spend its time on neither its own nor LLVM's optimisations.
        environment = {**os.environ, "KERAS_BACKEND": backend, "XLA_FLAGS": "--xla_backend_optimization_level=0"}
        done = subprocess.run(
            (sys.executable, str(PROGRAM), str(file)),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        with np.load(file) as arrays:
            _done[backend] = dict(arrays)
    return _done[backend]
