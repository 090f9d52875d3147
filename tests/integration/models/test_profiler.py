"""The count of matrix products against TensorFlow's own profiler."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import keras
import pytest
from integration.models.products import PRODUCTS, counted, dense, stack
from keras import layers, ops

if TYPE_CHECKING:
    from collections.abc import Callable

UNPADDED = 2 * (16 * 16 - 14 * 14) * 3 * 3 * 8 * 16
"""What TensorFlow's profiler counts too much for a gradient of the unpadded convolution: it is taken at every place of
the input."""
PROFILERS_OWN = {"convolutional": 2 * UNPADDED, "denoising_small": 2 * UNPADDED}
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow has a profiler that counts"
)


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
