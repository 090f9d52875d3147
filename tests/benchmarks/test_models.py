"""One training step and one prediction of every model: run by `nox -s micro`, skipped among the tests."""

import importlib
import os
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.plan import catalog
from models.contract import Autoencoder, Floats

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

BATCH = 128


@pytest.fixture(params=list(catalog.read_model_settings()))
def prepared(request: pytest.FixtureRequest) -> tuple[Autoencoder, Floats, Floats]:
    """A compiled model and a batch of noise in the shape of images."""
    keras: Any = importlib.import_module("keras")
    keras.utils.set_random_seed(0)
    file = importlib.import_module(f"models.{request.param}")
    rng = np.random.default_rng(0)
    x, y = file.prepare(rng.integers(0, 256, (BATCH, 28, 28), np.uint8), rng)
    autoencoder: Autoencoder = file.build(0)
    autoencoder.model.compile("adam", autoencoder.loss)
    return autoencoder, x, y


def test_a_training_step(benchmark: BenchmarkFixture, prepared: tuple[Autoencoder, Floats, Floats]) -> None:
    autoencoder, x, y = prepared
    loss = benchmark.pedantic(autoencoder.model.train_on_batch, (x, y), rounds=20, warmup_rounds=3)
    assert np.isfinite(loss)


def test_a_prediction(benchmark: BenchmarkFixture, prepared: tuple[Autoencoder, Floats, Floats]) -> None:
    autoencoder, x, y = prepared
    rebuilt = benchmark.pedantic(autoencoder.model.predict_on_batch, (x,), rounds=20, warmup_rounds=3)
    assert rebuilt.shape == y.shape
