"""What SETTINGS says of a model is what the model is."""

from __future__ import annotations

import math
from typing import Any

import keras
import pytest

from bench.plan import catalog
from models.contract import Settings


def dense(inputs: int, units: int) -> int:
    return inputs * units + units


def convolution(channels: int, filters: int) -> int:
    return 3 * 3 * channels * filters + filters


def lstm(inputs: int, units: int) -> int:
    return 4 * dense(inputs + units, units)


CONVOLUTIONAL = (
    convolution(1, 16)
    + convolution(16, 8)
    + convolution(8, 8)
    + convolution(8, 8)
    + convolution(8, 8)
    + convolution(8, 16)
    + convolution(16, 1)
)
PARAMETERS = {
    "basic": dense(784, 32) + dense(32, 784),
    "sparse": dense(784, 32) + dense(32, 784),
    "sparse_batch_sum": dense(784, 32) + dense(32, 784),
    "deep": dense(784, 128) + dense(128, 64) + dense(64, 32) + dense(32, 64) + dense(64, 128) + dense(128, 784),
    "convolutional": CONVOLUTIONAL,
    "denoising_small": CONVOLUTIONAL,
    "denoising": convolution(1, 32) + 3 * convolution(32, 32) + convolution(32, 1),
    "sequence": lstm(28, 32) + lstm(32, 64) + dense(64, 28),
    "variational": dense(784, 256) + 2 * dense(256, 2) + dense(2, 256) + dense(256, 784),
}
CODES = {
    "basic": (32,),
    "sparse": (32,),
    "sparse_batch_sum": (32,),
    "deep": (32,),
    "convolutional": (4, 4, 8),
    "denoising_small": (4, 4, 8),
    "denoising": (7, 7, 32),
    "sequence": (32,),
    "variational": (2,),
}


def trainable(model: keras.Model) -> int:
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def test_parameters_are_those_counted_by_hand(name: str, file: Any) -> None:
    assert trainable(file.build(0).model) == PARAMETERS[name] == file.SETTINGS.parameters


def test_a_code_has_the_shape_of_the_blogs(name: str, file: Any) -> None:
    assert file.build(0).encoder.output_shape == (None, *CODES[name])
    assert math.prod(CODES[name]) == file.SETTINGS.codes


def test_the_halves_hold_all_the_weights_between_them(name: str, file: Any) -> None:
    built = file.build(0)
    halves = [*built.encoder.trainable_weights, *built.decoder.trainable_weights]
    # The variational encoder gives the mean; the spread, two more units, is the model's alone.
    beside = dense(256, 2) if name == "variational" else 0
    assert sum(math.prod(weight.shape) for weight in halves) + beside == PARAMETERS[name]
    assert {id(weight) for weight in halves} <= {id(weight) for weight in built.model.trainable_weights}


def test_published_figures_are_of_published_epochs(file: Any) -> None:
    settings: Settings = file.SETTINGS
    assert list(settings.epochs) == sorted(set(settings.epochs))
    assert {figure.epochs for figure in settings.published} <= set(settings.epochs)


@pytest.mark.parametrize(
    ("model", "optimizer", "learning_rate", "batch_size", "epochs"),
    [
        ("basic", "adadelta", 1.0, 256, (50, 100, 500)),
        ("sparse", "adadelta", 1.0, 256, (100,)),
        ("sparse_batch_sum", "adadelta", 1.0, 256, (100,)),
        ("deep", "adadelta", 1.0, 256, (100,)),
        ("convolutional", "adadelta", 1.0, 128, (50,)),
        ("denoising", "adadelta", 1.0, 128, (100,)),
        ("denoising_small", "adadelta", 1.0, 128, ()),
        ("sequence", "adam", 0.001, 256, ()),
        ("variational", "rmsprop", 0.001, 100, (50,)),
    ],
)
def test_training_is_as_published(
    model: str, optimizer: str, learning_rate: float, batch_size: int, epochs: tuple[int, ...]
) -> None:
    settings = catalog.read_model_settings()[model]
    found = (settings.optimizer, settings.learning_rate, settings.batch_size, settings.epochs)
    assert found == (optimizer, learning_rate, batch_size, epochs)


def test_settings_read_the_same_without_importing_the_file(name: str, file: Any) -> None:
    assert catalog.read_model_settings()[name] == file.SETTINGS
