"""Where the compiled loops keep the images, and what they ask of XLA."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # before anything imports keras

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bench.worker.backends import jax
from bench.worker.backends.tensorflow import _move_to_device
from bench.worker.inputs import prepare_uint8

if TYPE_CHECKING:
    from collections.abc import Iterator


def halves(images: Any, rng: np.random.Generator) -> Any:
    return images / np.float32(255), images / np.float32(510)


def test_tensorflow_on_a_processor_uses_images_where_they_lie() -> None:
    tensorflow = pytest.importorskip("tensorflow")
    if tensorflow.config.list_logical_devices("GPU"):
        pytest.skip("a GPU has memory of its own")
    examples = prepare_uint8(halves, np.full((1_001, 28, 28), 255, np.uint8), np.random.default_rng(0))
    for array, expected in zip(examples.arrays, (255, 0.5), strict=True):
        (tensor,) = _move_to_device([array])
        assert tensor.dtype == array.dtype
        assert float(tensor[1_000, 27, 27]) == expected
        array[1_000, 27, 27] = 3
        assert float(tensor[1_000, 27, 27]) == 3


@pytest.mark.parametrize("past", [4, 16, 32])
def test_images_that_lie_where_tensorflow_could_not_use_them_are_copied(past: int) -> None:
    tensorflow = pytest.importorskip("tensorflow")
    memory = np.zeros(4_096, np.uint8)
    start = -memory.ctypes.data % 64 + past
    pixels = memory[start : start + 200 * 4].view(np.float32).reshape(200, 1)
    pixels[7] = 1
    (tensor,) = _move_to_device([pixels])
    gather = tensorflow.function(tensorflow.gather)
    assert gather(tensor, tensorflow.constant([7, 8])).numpy().tolist() == [[1], [0]]


@pytest.fixture
def jax_file() -> Iterator[Any]:
    pytest.importorskip("jax")
    jax._choose_xla_arguments.cache_clear()
    yield jax
    jax._choose_xla_arguments.cache_clear()


def test_an_option_that_xla_does_not_know_is_not_asked_for(jax_file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax_file, "_XLA_OPTIONS", {"xla_of_another_year": "1"})
    assert jax_file._choose_xla_arguments() == {}


def test_a_jax_that_takes_no_options_is_given_none(jax_file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def jit(function: Any) -> Any:
        return function

    monkeypatch.setattr("jax.jit", jit)
    assert jax_file._choose_xla_arguments() == {}


def test_on_a_gpu_no_option_of_a_processor_is_asked_for(jax_file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    assert jax_file._choose_xla_arguments() == {}
