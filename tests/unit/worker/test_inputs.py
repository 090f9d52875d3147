"""Images as bytes where they are no more than that."""

import numpy as np
import numpy.typing as npt
import pytest

from bench.worker.inputs import prepare_uint8, to_floats

Images = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
COUNT = 2_345  # two whole stretches and a part of one


@pytest.fixture
def images() -> Images:
    return np.random.default_rng(0).integers(0, 256, (COUNT, 28, 28)).astype(np.uint8)


def plain(images: Images, rng: np.random.Generator) -> tuple[Floats, Floats]:
    pixels = np.divide(images.reshape(len(images), 784), 255, dtype=np.float32)
    return pixels, pixels


def noisy(images: Images, rng: np.random.Generator) -> tuple[Floats, Floats]:
    clean = np.divide(images, 255, dtype=np.float32)
    return clean + rng.standard_normal(clean.shape, dtype=np.float32), clean


def late(images: Images, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Made of 255ths up to the last stretch."""
    pixels, _ = plain(images, rng)
    scaled: Floats = pixels if len(images) == 1_000 else pixels / np.float32(2)
    return scaled, scaled


def test_pixels_are_kept_as_their_bytes(images: Images) -> None:
    pairs = prepare_uint8(plain, images, np.random.default_rng(0))
    assert pairs.x.dtype == np.uint8
    assert np.array_equal(pairs.x, images.reshape(COUNT, 784))


def test_input_and_target_that_are_one_are_held_once(images: Images) -> None:
    pairs = prepare_uint8(plain, images, np.random.default_rng(0))
    assert pairs.y is pairs.x


def test_noise_stays_in_floats_and_its_target_in_bytes(images: Images) -> None:
    pairs = prepare_uint8(noisy, images, np.random.default_rng(0))
    assert [str(pairs.x.dtype), str(pairs.y.dtype)] == ["float32", "uint8"]


@pytest.mark.parametrize("prepare", [plain, noisy, late])
def test_nothing_is_lost(images: Images, prepare: object) -> None:
    """What comes back is what the prepare gives for all images at once, its random numbers included."""
    pairs = prepare_uint8(prepare, images, np.random.default_rng(3))  # type: ignore[arg-type]
    if prepare is late:
        wanted = np.concatenate([late(images[start : start + 1_000], None)[0] for start in (0, 1_000, 2_000)])  # type: ignore[arg-type]
        assert np.array_equal(to_floats(pairs.x), wanted)
        return
    x, y = prepare(images, np.random.default_rng(3))  # type: ignore[operator]
    assert np.array_equal(to_floats(pairs.x), x)
    assert np.array_equal(to_floats(pairs.y), y)


@pytest.mark.parametrize("prepare", [plain, noisy, late])
def test_memory_begins_where_backends_want_it(images: Images, prepare: object) -> None:
    pairs = prepare_uint8(prepare, images, np.random.default_rng(0))  # type: ignore[arg-type]
    assert [array.ctypes.data % 64 for array in pairs.arrays] == [0] * len(pairs.arrays)


def test_floats_are_not_copied() -> None:
    array = np.zeros((2, 3), np.float32)
    assert to_floats(array) is array


def test_what_is_handed_over_is_held_no_longer(images: Images) -> None:
    pairs = prepare_uint8(plain, images, np.random.default_rng(0))
    (array,) = pairs.hand_over()
    assert len(array) == COUNT
    assert pairs.arrays[0].size == 0
