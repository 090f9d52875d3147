"""Every model trains, and trains the same way twice."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.contract import Images

OPTIMIZERS = {
    "adadelta": keras.optimizers.Adadelta,
    "adam": keras.optimizers.Adam,
    "rmsprop": keras.optimizers.RMSprop,
}


def weights(model: keras.Model) -> list[Any]:
    # Copied into a tensor first: NumPy 2 warns of how a Keras variable turns itself into an array.
    return [keras.ops.convert_to_numpy(keras.ops.copy(weight)) for weight in model.trainable_weights]


def trained(file: Any, images: Images) -> tuple[list[Any], list[Any], float]:
    """The weights before and after two steps, and the loss, by the file's own settings."""
    keras.utils.set_random_seed(5)
    built = file.build(5)
    before = weights(built.model)
    x, y = file.prepare(images, np.random.default_rng(5))
    optimizer = OPTIMIZERS[file.SETTINGS.optimizer](file.SETTINGS.learning_rate)
    built.model.compile(optimizer=optimizer, loss=built.loss)
    history = built.model.fit(x, y, batch_size=32, verbose=0).history
    return before, weights(built.model), history["loss"][0]


def test_two_steps_move_every_weight_and_leave_the_loss_finite(file: Any, images: Images) -> None:
    before, after, loss = trained(file, images)
    assert math.isfinite(loss)
    assert loss > 0
    assert all(not np.array_equal(old, new) for old, new in zip(before, after, strict=True))


def test_the_same_seed_gives_the_same_weights_and_the_same_training(file: Any, images: Images) -> None:
    first, again = trained(file, images), trained(file, images)
    for one, other in zip(first[:2], again[:2], strict=True):
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left, right)
    assert first[2] == again[2]


@pytest.fixture
def mixed_precision() -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.usefixtures("mixed_precision")
def test_bfloat16_trains_float32_weights_to_a_finite_loss(file: Any, images: Images) -> None:
    before, after, loss = trained(file, images)
    assert math.isfinite(loss)
    assert {array.dtype for array in after} == {np.dtype(np.float32)}
    assert any(not np.array_equal(old, new) for old, new in zip(before, after, strict=True))
