"""What training costs on paper: layers and graphs that the models lack, and what cannot be counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import pytest
from integration.models.products import counted, dense, stack
from keras import layers, ops

from bench.worker.arithmetic import count_work

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_transposed_convolution_uses_its_kernel_at_every_place_of_its_input() -> None:
    model = stack(keras.Input((7, 7, 8)), layers.Conv2DTranspose(4, 3, strides=2, padding="same"))
    assert model.output_shape == (None, 14, 14, 4)
    assert counted(model).forward_flops == 2 * 7 * 7 * 3 * 3 * 8 * 4


def test_a_groups_filters_see_its_own_channels_alone() -> None:
    model = stack(keras.Input((12, 12, 4)), layers.Conv2D(6, 3, groups=2, padding="same"))
    assert counted(model).forward_flops == 2 * 12 * 12 * 3 * 3 * (4 // 2) * 6


def test_channels_first_is_the_same_work() -> None:
    last = stack(keras.Input((9, 7, 4)), layers.Conv2D(5, 3))
    first = stack(keras.Input((4, 9, 7)), layers.Conv2D(5, 3, data_format="channels_first"))
    assert counted(first).training_flops == counted(last).training_flops


@pytest.mark.parametrize(("kind", "matrices"), [(layers.LSTM, 4), (layers.GRU, 3), (layers.SimpleRNN, 1)])
@pytest.mark.parametrize("sequences", [True, False])
def test_a_recurrent_layer_works_in_every_step(kind: Any, matrices: int, sequences: bool) -> None:
    model = stack(keras.Input((10, 3)), kind(5, return_sequences=sequences))
    by_input, by_state = 10 * matrices * dense(3, 5), 10 * matrices * dense(5, 5)
    assert counted(model).forward_flops == by_input + by_state
    assert counted(model).training_flops == 2 * by_input + 3 * by_state


def test_a_layer_called_twice_works_twice_and_is_stored_once() -> None:
    shared = layers.Dense(4, use_bias=False)
    left, right = keras.Input((3, 8)), keras.Input((5, 8))
    joined = layers.Concatenate(axis=1)([shared(left), shared(right)])
    model = keras.Model([left, right], joined)
    once = stack(keras.Input((8, 8)), layers.Dense(4, use_bias=False))
    assert counted(model).forward_flops == counted(once).forward_flops == 8 * dense(8, 4)
    assert counted(model).training_flops == 2 * 8 * dense(8, 4)
    assert counted(model, 0).step_bytes == counted(once, 0).step_bytes > 0


def test_a_nested_model_behind_weights_needs_gradients_by_its_inputs() -> None:
    inner = stack(keras.Input((4,)), layers.Dense(2))
    behind_data = keras.Sequential([keras.Input((4,)), inner])
    behind_weights = keras.Sequential([keras.Input((4,)), layers.Dense(4), inner])
    assert counted(behind_data).training_flops == 2 * dense(4, 2)
    assert counted(behind_weights).training_flops == 2 * dense(4, 4) + 3 * dense(4, 2)


def test_frozen_layers_pass_gradients_on_only_where_somebody_learns() -> None:
    model = stack(keras.Input((4,)), layers.Dense(3), layers.Dense(2), layers.Dense(5))
    first, middle, last = model.layers
    middle.trainable = False
    assert counted(model).training_flops == 2 * dense(4, 3) + 2 * dense(3, 2) + 3 * dense(2, 5)
    first.trainable = False
    assert counted(model).training_flops == dense(4, 3) + dense(3, 2) + 2 * dense(2, 5)
    last.trainable = False
    assert counted(model).training_flops == counted(model).forward_flops


def test_normalizing_multiplies_no_matrices() -> None:
    model = stack(keras.Input((4,)), layers.Dense(3), layers.BatchNormalization(), layers.LayerNormalization())
    assert counted(model).forward_flops == dense(4, 3)


# What cannot be counted.


class Scale(layers.Layer):  # type: ignore[misc]
    """A custom layer with a weight."""

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(shape=(shape[-1],))

    def call(self, x: Any) -> Any:
        return x * self.factor


class Twice(layers.Layer):  # type: ignore[misc]
    """A custom layer without weights."""

    def call(self, x: Any) -> Any:
        return x * 2


class Tied(layers.Dense):  # type: ignore[misc]
    """A dense layer that does what its kind does not."""

    def call(self, x: Any) -> Any:
        return super().call(x) @ ops.transpose(self.kernel)


class Opaque(keras.Model):  # type: ignore[misc]
    """A model with no graph."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = layers.Dense(4)

    def call(self, x: Any) -> Any:
        return self.inner(x)


@pytest.mark.parametrize(
    "layer",
    [
        Scale,
        lambda: Tied(4),
        Opaque,
        lambda: layers.TimeDistributed(layers.Dense(4)),
        lambda: layers.Bidirectional(layers.LSTM(4)),
    ],
)
def test_weights_in_a_layer_of_an_unknown_kind_are_not_guessed_at(layer: Callable[[], Any]) -> None:
    assert count_work(stack(keras.Input((6, 4)), layer()), 1) is None


def test_the_unknown_is_found_in_a_nested_model_too() -> None:
    inner = stack(keras.Input((4,)), Scale())
    assert count_work(stack(keras.Input((4,)), layers.Dense(4), inner), 1) is None


def test_a_custom_layer_without_weights_is_elementwise() -> None:
    bare = counted(stack(keras.Input((4,)), layers.Dense(3)))
    more = counted(stack(keras.Input((4,)), layers.Dense(3), Twice()))
    assert more.training_flops == bare.training_flops
    # It reads three numbers and writes and keeps as many, on both ways, with gradients of either.
    assert more.step_bytes == bare.step_bytes + 4 * (2 * (3 + 3) + 3 + 3)


def test_products_of_activations_are_not_guessed_at() -> None:
    x = keras.Input((6, 4))
    assert count_work(keras.Model(x, layers.Dot(axes=2)([x, x])), 1) is None
    assert count_work(keras.Model(x, ops.matmul(x, ops.transpose(x, (0, 2, 1)))), 1) is None


def test_shapes_left_open_are_not_guessed_at() -> None:
    assert count_work(stack(keras.Input((None, None, 1)), layers.Conv2D(4, 3)), 1) is None
    assert count_work(keras.Sequential([layers.Dense(4)]), 1) is None
    assert count_work(Opaque(), 1) is None
