"""What training costs on paper: the models against figures counted by hand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
import pytest
from integration.models.products import PRODUCTS, counted, stack
from keras import layers

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_a_forward_pass_is_the_products_counted_by_hand(name: str, file: Any) -> None:
    assert counted(file.build(0).model).forward_flops == sum(PRODUCTS[name])


def test_training_spares_the_gradient_by_the_data_alone(name: str, file: Any) -> None:
    products = PRODUCTS[name]
    assert counted(file.build(0).model).training_flops == 3 * sum(products) - products[0]


def test_arithmetic_is_a_samples_whatever_the_batch(file: Any) -> None:
    model = file.build(0).model
    one, many = counted(model, 1), counted(model, 256)
    assert one.training_flops == many.training_flops
    assert one.step_bytes < many.step_bytes < 256 * one.step_bytes


@pytest.mark.parametrize(("optimizer", "slots"), [("adam", 2), ("adadelta", 2), ("rmsprop", 1), ("sgd", 0)])
def test_a_step_moves_weights_slots_activations_and_their_gradients(optimizer: str, slots: int) -> None:
    model = stack(keras.Input((784,)), layers.Dense(32, activation="relu"), layers.Dense(784, activation="sigmoid"))
    model.compile(optimizer=optimizer, loss="mse")
    # Read on both ways; gradient written and read; weights and slots read and written.
    weights = 50_992 * (2 + 2 + 2 + 2 * slots)
    first = 2 * (784 + 32) + 32
    second = 2 * (32 + 784) + 784 + 32
    loss = 5 * 784
    assert counted(model, 256).step_bytes == 4 * (weights + 256 * (first + second + loss))


@pytest.fixture
def mixed_precision() -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


def test_bfloat16_is_the_same_arithmetic_on_fewer_bytes(file: Any, request: pytest.FixtureRequest) -> None:
    wide = counted(file.build(0).model, 128)
    request.getfixturevalue("mixed_precision")
    narrow = counted(file.build(0).model, 128)
    assert narrow.training_flops == wide.training_flops
    assert wide.step_bytes / 2 < narrow.step_bytes < wide.step_bytes


def test_counting_leaves_a_model_as_it_was(file: Any) -> None:
    model = file.build(0).model
    before = [(layer.name, len(layer._inbound_nodes)) for layer in [model, *model.layers]]
    assert math.isfinite(counted(model).step_bytes)
    assert before == [(layer.name, len(layer._inbound_nodes)) for layer in [model, *model.layers]]
