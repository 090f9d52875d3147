"""What a model is fed and what it is to give back."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from models import denoising, denoising_small

if TYPE_CHECKING:
    from models.contract import Images

SHAPES = {
    "basic": (784,),
    "sparse": (784,),
    "sparse_batch_sum": (784,),
    "deep": (784,),
    "convolutional": (28, 28, 1),
    "denoising": (28, 28, 1),
    "denoising_small": (28, 28, 1),
    "sequence": (28, 28),
    "variational": (784,),
}
NOISY = {"denoising", "denoising_small"}


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_images_become_floats_between_0_and_1_in_the_models_shape(name: str, file: Any, images: Images) -> None:
    for array in file.prepare(images, generator()):
        assert array.shape == (64, *SHAPES[name])
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        assert array.min() == 0
        assert array.max() == 1


def test_the_target_is_every_pixel_over_255_in_its_place(file: Any, images: Images) -> None:
    _, target = file.prepare(images, generator())
    np.testing.assert_array_equal(target.reshape(64, 28, 28), images.astype(np.float32) / np.float32(255))


def test_input_and_target_are_one_array_unless_noise_parts_them(name: str, file: Any, images: Images) -> None:
    x, y = file.prepare(images, generator())
    assert (x is y) == (name not in NOISY)


def test_two_halves_give_what_one_call_for_both_gives(file: Any, images: Images) -> None:
    """Compiled loops prepare images chunk by chunk."""
    whole = file.prepare(images, generator())
    rng = generator()
    halves = [file.prepare(part, rng) for part in (images[:24], images[24:])]
    for place in range(2):
        np.testing.assert_array_equal(np.concatenate([half[place] for half in halves]), whole[place])


def test_the_images_given_are_left_alone(file: Any, images: Images) -> None:
    before = images.copy()
    file.prepare(images, generator())
    np.testing.assert_array_equal(images, before)


def test_no_more_is_allocated_than_is_returned(name: str, file: Any) -> None:
    images = np.zeros((2_000, 28, 28), np.uint8)
    returned = images.size * 4 * (2 if name in NOISY else 1)
    tracemalloc.start()
    try:
        file.prepare(images, generator())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.05 * returned


def test_both_denoising_models_get_the_same_noise(images: Images) -> None:
    wide, _ = denoising.prepare(images, generator(3))
    small, _ = denoising_small.prepare(images, generator(3))
    np.testing.assert_array_equal(wide, small)


@pytest.mark.parametrize("file", [denoising, denoising_small])
def test_noise_comes_from_the_generator_alone(file: Any, images: Images) -> None:
    first, again, other = (file.prepare(images, generator(seed))[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_one_generator_gives_training_and_validation_images_different_noise(images: Images) -> None:
    rng = generator()
    assert not np.array_equal(denoising.prepare(images, rng)[0], denoising.prepare(images, rng)[0])


def test_noise_is_half_a_standard_normal_clipped() -> None:
    grey = np.full((2_000, 28, 28), 128, np.uint8)
    x, y = denoising.prepare(grey, generator())
    # Half of full scale is one standard deviation off either end.
    assert np.mean(x == 0) == pytest.approx(0.158, abs=0.003)
    assert np.mean(x == 1) == pytest.approx(0.160, abs=0.003)
    between = (x > 0) & (x < 1)
    # A normal variable cut at one standard deviation to either side keeps 0.5396 of it.
    assert np.std((x - y)[between]) == pytest.approx(0.5 * 0.5396, rel=0.01)
