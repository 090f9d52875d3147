"""The two sparse models: one penalty, averaged over the batch or summed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from models import sparse, sparse_batch_sum

if TYPE_CHECKING:
    from models.contract import Images


def penalty(file: Any, images: Images) -> tuple[float, float]:
    """What the layers add to the loss for these images, and the sum of their codes' magnitudes."""
    keras.utils.set_random_seed(0)
    built = file.build(0)
    x, _ = file.prepare(images, np.random.default_rng(0))
    built.model(x)
    (added,) = built.model.losses
    magnitudes = np.abs(keras.ops.convert_to_numpy(built.encoder(x))).sum()
    return float(added), float(magnitudes)


@pytest.mark.parametrize("count", [16, 64])
def test_sparse_averages_its_penalty_over_the_batch(count: int, images: Images) -> None:
    added, magnitudes = penalty(sparse, images[:count])
    assert added == pytest.approx(1e-4 * magnitudes / count, rel=1e-5)


@pytest.mark.parametrize("count", [16, 64])
def test_sparse_batch_sum_sums_its_penalty_over_the_batch(count: int, images: Images) -> None:
    added, magnitudes = penalty(sparse_batch_sum, images[:count])
    assert added == pytest.approx(1e-4 * magnitudes, rel=1e-5)


def test_four_times_the_same_images_cost_the_same_averaged_and_four_times_as_much_summed(images: Images) -> None:
    few, many = images[:16], np.tile(images[:16], (4, 1, 1))
    assert penalty(sparse, many)[0] == pytest.approx(penalty(sparse, few)[0], rel=1e-5)
    assert penalty(sparse_batch_sum, many)[0] == pytest.approx(4 * penalty(sparse_batch_sum, few)[0], rel=1e-5)


@pytest.mark.parametrize("file", [sparse, sparse_batch_sum])
def test_the_penalty_counts_once_in_the_loss(file: Any, images: Images) -> None:
    added, _ = penalty(file, images)
    keras.utils.set_random_seed(0)
    built = file.build(0)
    x, y = file.prepare(images, np.random.default_rng(0))
    built.model.compile(optimizer="sgd", loss=built.loss)
    loss = built.model.evaluate(x, y, batch_size=64, verbose=0)
    reconstructed = keras.ops.convert_to_numpy(built.model(x))
    crossed = keras.ops.convert_to_numpy(keras.losses.binary_crossentropy(y, reconstructed)).mean()
    assert loss == pytest.approx(crossed + added, rel=1e-5)


def test_the_two_are_alike_but_for_the_penalty(images: Images) -> None:
    x, _ = sparse.prepare(images, np.random.default_rng(0))
    reconstructed = []
    for file in (sparse, sparse_batch_sum):
        keras.utils.set_random_seed(0)
        reconstructed.append(keras.ops.convert_to_numpy(file.build(0).model(x)))
    np.testing.assert_array_equal(*reconstructed)
