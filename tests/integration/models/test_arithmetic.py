"""What training costs on paper: against figures counted by hand and against TensorFlow's own profiler."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import keras
import pytest
from keras import layers, ops

from bench.child.arithmetic import Work, work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def dense(inputs: int, units: int) -> int:
    return 2 * inputs * units


def convolution(side: int, channels: int, filters: int) -> int:
    """Three by three, at side by side places of the output."""
    return 2 * side * side * 3 * 3 * channels * filters


def gates(inputs: int, units: int) -> int:
    """Four gates in each of an LSTM's 28 steps."""
    return 28 * 2 * 4 * inputs * units


# A model's products in their order. Each has a gradient by its weights; by its inputs all but the first, which takes
# the data.
CONVOLUTIONAL = (
    convolution(28, 1, 16),
    convolution(14, 16, 8),
    convolution(7, 8, 8),
    convolution(4, 8, 8),
    convolution(8, 8, 8),
    convolution(14, 8, 16),  # unpadded: 16 by 16 becomes 14 by 14
    convolution(28, 16, 1),
)
PRODUCTS = {
    "basic": (dense(784, 32), dense(32, 784)),
    "sparse": (dense(784, 32), dense(32, 784)),
    "sparse_batch_sum": (dense(784, 32), dense(32, 784)),
    "deep": (
        dense(784, 128),
        dense(128, 64),
        dense(64, 32),
        dense(32, 64),
        dense(64, 128),
        dense(128, 784),
    ),
    "convolutional": CONVOLUTIONAL,
    "denoising_small": CONVOLUTIONAL,
    "denoising": (
        convolution(28, 1, 32),
        convolution(14, 32, 32),
        convolution(7, 32, 32),
        convolution(14, 32, 32),
        convolution(28, 32, 1),
    ),
    # The first LSTM's hidden state needs a gradient, its input does not; the last layer works on each of 28 rows.
    "sequence": (gates(28, 32), gates(32, 32), gates(32, 64), gates(64, 64), 28 * dense(64, 28)),
    # Mean and log variance both take the hidden layer.
    "variational": (dense(784, 256), dense(256, 2), dense(256, 2), dense(2, 256), dense(256, 784)),
}
UNPADDED = 2 * (16 * 16 - 14 * 14) * 3 * 3 * 8 * 16
"""What TensorFlow's profiler counts too much for a gradient of the unpadded convolution: it is taken at every place of
the input."""
PROFILERS_OWN = {"convolutional": 2 * UNPADDED, "denoising_small": 2 * UNPADDED}
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow has a profiler that counts"
)


def counted(model: keras.Model, batch_size: int = 1) -> Work:
    result = work(model, batch_size)
    assert result is not None
    return result


def stack(*parts: Any) -> keras.Model:
    return keras.Sequential(list(parts))


# By hand.


def test_a_forward_pass_is_the_products_counted_by_hand(name: str, file: Any) -> None:
    assert counted(file.build(0).model).forward_flops == sum(PRODUCTS[name])


def test_training_spares_the_gradient_by_the_data_alone(name: str, file: Any) -> None:
    products = PRODUCTS[name]
    assert counted(file.build(0).model).training_flops == 3 * sum(products) - products[0]


def test_arithmetic_is_a_samples_whatever_the_batch(file: Any) -> None:
    model = file.build(0).model
    one, many = counted(model, 1), counted(model, 256)
    assert one.training_flops == many.training_flops
    assert one.elementwise_flops == many.elementwise_flops
    assert one.optimizer_flops == many.optimizer_flops
    assert one.step_bytes < many.step_bytes < 256 * one.step_bytes


def test_an_optimizer_touches_every_parameter_once_a_step(file: Any) -> None:
    model = file.build(0).model
    for optimizer, operations in (("adam", 12), ("adadelta", 17), ("rmsprop", 9), ("sgd", 2), ("lion", 12)):
        model.compile(optimizer=optimizer, loss="mse")
        assert counted(model).optimizer_flops == operations * file.SETTINGS.parameters


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


def test_elementwise_work_is_biases_activations_and_loss_there_and_back() -> None:
    model = stack(keras.Input((784,)), layers.Dense(32, activation="relu"), layers.Dense(784, use_bias=False))
    assert counted(model).elementwise_flops == 2 * (2 * 32 + 0 * 784 + 11 * 784)


# By TensorFlow's profiler.


def unrolled(layer: Any) -> Any:
    """The profiler cannot see how often a loop runs."""
    if not isinstance(layer, layers.LSTM):
        return layer.__class__.from_config(layer.get_config())
    return layers.LSTM.from_config({**layer.get_config(), "unroll": True})


def profiled(function: Callable[[Any], Any], model: keras.Model) -> Counter[str]:
    """Operations by their TensorFlow names, of a function of one sample; what no result needs is pruned first."""
    import tensorflow as tf  # noqa: PLC0415 - other backends have none
    from tensorflow.python.framework.convert_to_constants import (  # noqa: PLC0415
        convert_variables_to_constants_v2,
    )

    profiler = tf.compat.v1.profiler
    concrete = tf.function(function).get_concrete_function(tf.TensorSpec((1, *model.input_shape[1:])))
    builder = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation())
    options = builder.with_empty_output().build()
    node = profiler.profile(convert_variables_to_constants_v2(concrete).graph, cmd="op", options=options)
    found: Counter[str] = Counter()
    while node.children:
        (node,) = node.children
        found[node.name] += node.float_ops
    return found


def products(found: Counter[str]) -> int:
    return sum(flops for name, flops in found.items() if name.startswith(("MatMul", "Conv2D", "DepthwiseConv2d")))


def profiled_forward(model: keras.Model) -> Counter[str]:
    return profiled(lambda x: model(x, training=False), model)


def profiled_training(model: keras.Model) -> Counter[str]:
    import tensorflow as tf  # noqa: PLC0415

    def gradients(x: Any) -> Any:
        with tf.GradientTape() as tape:
            # At rest: a graph with a generator's state in it could not be frozen.
            loss = ops.sum(ops.square(model(x, training=False)))
        return tape.gradient(loss, model.trainable_variables)

    return profiled(gradients, model)


@pytest.fixture
def visible(name: str, file: Any) -> keras.Model:
    """The model, or a twin whose loops the profiler can see."""
    model = file.build(0).model
    return keras.models.clone_model(model, clone_function=unrolled, recursive=True) if name == "sequence" else model


@on_tensorflow
def test_tensorflows_profiler_finds_the_same_products_forward(visible: keras.Model) -> None:
    found, expected = profiled_forward(visible), counted(visible)
    assert products(found) == expected.forward_flops
    # It counts biases, pooling and some activations too: small change.
    assert sum(found.values()) == pytest.approx(expected.forward_flops, rel=0.03)


@on_tensorflow
@pytest.mark.parametrize("name", sorted(PRODUCTS.keys() - {"sequence"}))  # which the next test has, with fewer steps
def test_tensorflows_profiler_finds_the_same_products_in_training(name: str, file: Any) -> None:
    model = file.build(0).model
    assert products(profiled_training(model)) == counted(model).training_flops + PROFILERS_OWN.get(name, 0)


@on_tensorflow
def test_tensorflows_profiler_finds_the_same_products_in_training_a_sequence() -> None:
    # The sequence model with three steps instead of 28, whose unrolled gradients are a large graph.
    model = stack(
        keras.Input((3, 28)),
        layers.LSTM(32, unroll=True),
        layers.RepeatVector(3),
        layers.LSTM(64, return_sequences=True, unroll=True),
        layers.Dense(28, activation="sigmoid"),
    )
    # Unrolled, the first states are known to be zeros and need no gradient; a loop treats all steps alike.
    first_states = 4 * dense(32, 32) + 4 * dense(64, 64)
    assert products(profiled_training(model)) == counted(model).training_flops - first_states


@on_tensorflow
@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.Conv2D(6, 3, strides=2, padding="same"),
        lambda: layers.Conv2D(6, (3, 2), dilation_rate=2),
        lambda: layers.DepthwiseConv2D(3, depth_multiplier=2),
        lambda: layers.SeparableConv2D(6, 3, padding="same"),
    ],
)
def test_tensorflows_profiler_finds_other_convolutions_the_same(layer: Callable[[], Any]) -> None:
    model = stack(keras.Input((12, 12, 4)), layer())
    assert products(profiled_forward(model)) == counted(model).forward_flops


# Other layers, other graphs.


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
    assert work(stack(keras.Input((6, 4)), layer()), 1) is None


def test_the_unknown_is_found_in_a_nested_model_too() -> None:
    inner = stack(keras.Input((4,)), Scale())
    assert work(stack(keras.Input((4,)), layers.Dense(4), inner), 1) is None


def test_a_custom_layer_without_weights_is_elementwise() -> None:
    bare = counted(stack(keras.Input((4,)), layers.Dense(3)))
    more = counted(stack(keras.Input((4,)), layers.Dense(3), Twice()))
    assert more.training_flops == bare.training_flops
    assert more.elementwise_flops == bare.elementwise_flops + 2 * 3


def test_products_of_activations_are_not_guessed_at() -> None:
    x = keras.Input((6, 4))
    assert work(keras.Model(x, layers.Dot(axes=2)([x, x])), 1) is None
    assert work(keras.Model(x, ops.matmul(x, ops.transpose(x, (0, 2, 1)))), 1) is None


def test_shapes_left_open_are_not_guessed_at() -> None:
    assert work(stack(keras.Input((None, None, 1)), layers.Conv2D(4, 3)), 1) is None
    assert work(keras.Sequential([layers.Dense(4)]), 1) is None
    assert work(Opaque(), 1) is None


def test_counting_leaves_a_model_as_it_was(file: Any) -> None:
    model = file.build(0).model
    before = [(layer.name, len(layer._inbound_nodes)) for layer in [model, *model.layers]]
    assert math.isfinite(counted(model).step_bytes)
    assert before == [(layer.name, len(layer._inbound_nodes)) for layer in [model, *model.layers]]
