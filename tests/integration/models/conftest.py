"""What the tests of the model files share: the backend, the files, some images."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # before anything imports keras

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bench.plan import catalog

if TYPE_CHECKING:
    from models.contract import Images


@pytest.fixture(params=sorted(catalog.read_model_settings()))
def name(request: pytest.FixtureRequest) -> str:
    """Every model file in turn."""
    return str(request.param)


@pytest.fixture
def file(name: str) -> Any:
    """The model file, imported."""
    return importlib.import_module(f"models.{name}")


@pytest.fixture
def images() -> Images:
    """Sixty-four pictures that use the whole range of a byte, black, grey and white."""
    return np.random.default_rng(1).choice([0, 0, 0, 1, 128, 255], (64, 28, 28)).astype(np.uint8)
