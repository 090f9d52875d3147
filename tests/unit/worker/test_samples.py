"""What is saved of a checkpoint for its pictures, on halves that are plain functions."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.datasets.files import LabelledImages, write_npz
from bench.worker import samples
from bench.worker.protocol import Job
from models.contract import Autoencoder

Array = NDArray[Any]


class Half:
    """Stands in for a Keras model."""

    def __init__(self, function: Any) -> None:
        self.predict_on_batch = function


def autoencoder(encode: Any, decode: Any, rebuild: Any = None) -> Autoencoder:
    decoder: Any = Half(decode) if decode else None
    model: Any = Half(rebuild)
    encoder: Any = Half(encode)
    return Autoencoder(model=model, loss="binary_crossentropy", encoder=encoder, decoder=decoder)


def images(n: int = 40, shape: tuple[int, ...] = (16,)) -> tuple[Array, NDArray[np.uint8]]:
    """Images in [0, 1] and labels that repeat 3, 1, 4, 1, 5, 9, 2, 6."""
    pixels = np.random.default_rng(0).random((n, *shape), np.float32)
    return pixels, np.resize(np.array([3, 1, 4, 1, 5, 9, 2, 6], np.uint8), n)


IDENTITY = autoencoder(lambda batch: batch[:, :4], lambda codes: np.tile(codes, 4))


def test_the_images_are_the_first_of_each_class_by_class_and_then_others() -> None:
    _, labels = images()
    chosen = samples.choose_images(labels)
    assert chosen == [1, 6, 0, 2, 4, 7, 5, 3, 8, 9]
    assert [int(label) for label in labels[chosen][:7]] == [1, 2, 3, 4, 5, 6, 9]


@pytest.mark.parametrize("n", [1, 3, 10, 25])
def test_the_images_are_distinct_and_ten_at_most(n: int) -> None:
    chosen = samples.choose_images(np.zeros(n, np.uint8))
    assert len(set(chosen)) == len(chosen) == min(n, 10)


def test_pixels_become_square_pictures_of_bytes() -> None:
    x, labels = images()
    found = samples.collect_samples(IDENTITY, x, 1 - x, labels)
    assert {name: (array.dtype.name, array.shape) for name, array in found.items()} == {
        "labels": ("uint8", (10,)),
        "input": ("uint8", (10, 4, 4)),
        "target": ("uint8", (10, 4, 4)),
        "output": ("uint8", (10, 4, 4)),
        "codes": ("float16", (10, 4)),
    }
    chosen = samples.choose_images(labels)
    assert np.array_equal(found["input"].reshape(10, 16), np.rint(x[chosen] * 255))
    assert np.array_equal(found["target"].reshape(10, 16), np.rint((1 - x[chosen]) * 255))


def test_what_is_no_number_or_out_of_bounds_is_drawn_at_the_bounds() -> None:
    x, labels = images(1, (4,))
    wild = autoencoder(lambda _: np.array([[np.inf, np.nan, 1e30]]), lambda _: np.array([[np.nan, -1, 2, 0.5]]))
    found = samples.collect_samples(wild, x, x, labels)
    assert found["output"].ravel().tolist() == [0, 0, 255, 128]
    assert np.isfinite(found["codes"]).all()


def test_without_a_decoder_the_model_itself_rebuilds() -> None:
    x, labels = images()
    found = samples.collect_samples(
        autoencoder(lambda batch: batch[:, :2], None, lambda batch: 1 - batch), x, x, labels
    )
    assert np.array_equal(found["output"], 255 - found["input"])
    assert "plane" in found
    assert "grid" not in found


def test_long_codes_are_not_kept() -> None:
    x, labels = images()
    long = autoencoder(lambda batch: np.zeros((len(batch), 3000)), lambda codes: codes[:, :16])
    assert "codes" not in samples.collect_samples(long, x, x, labels)


def test_a_plane_is_kept_with_its_labels_and_a_grid_of_the_normal_distribution() -> None:
    x, labels = images(2300)
    plane = autoencoder(lambda batch: batch[:, :2], lambda codes: np.repeat(codes, 2, axis=1))
    found = samples.collect_samples(plane, x, x, labels)
    assert found["plane"].shape == (2000, 2)
    assert np.array_equal(found["plane_labels"], labels[:2000])
    assert found["grid"].shape == (15, 15, 2, 2)
    codes = samples._make_grid_codes().reshape(15, 15, 2)
    assert codes[7, 7] == pytest.approx([0, 0], abs=1e-6)
    assert codes[0, 14] == pytest.approx([1.6449, 1.6449], abs=1e-4), "right and up"
    assert codes[14, 0] == pytest.approx([-1.6449, -1.6449], abs=1e-4)


def test_half_precision_is_understood() -> None:
    x, labels = images()
    low = autoencoder(lambda batch: batch[:, :4].astype(np.float16), lambda codes: np.tile(codes, 4).astype(np.float16))
    assert samples.collect_samples(low, x, x, labels)["output"].dtype == np.uint8


@pytest.fixture
def job(tmp_path: Path) -> Job:
    black = np.zeros((40, 28, 28), np.uint8)
    _, labels = images()
    write_npz(LabelledImages(black, labels, black, labels), tmp_path / "data.npz")
    return Job(
        model="basic", backend="tensorflow", loop="fit", precision="float32", optimizer="adam", learning_rate=0.001,
        batch_size=4, seed=0, checkpoints=(2,), threads=None, data=str(tmp_path / "data.npz"), started_ns=0,
        samples=str(tmp_path / "samples" / "case"),
    )  # fmt: skip


def test_a_checkpoint_is_one_small_file_without_pickles(job: Job, tmp_path: Path) -> None:
    x, _ = images(shape=(784,))
    noise = autoencoder(
        lambda batch: batch[:, :2],
        lambda codes: np.random.default_rng(1).random((len(codes), 784), np.float32),
    )
    samples.keep_samples(job, noise, x, x, epochs=2)
    (path,) = (tmp_path / "samples").iterdir()
    assert path.name == "case-2.npz"
    assert path.stat().st_size < 300_000, "at the most that noise can take"
    with np.load(path, allow_pickle=False) as arrays:
        assert arrays["labels"].tolist()[:7] == [1, 2, 3, 4, 5, 6, 9]


def test_a_model_that_cannot_be_drawn_costs_a_picture_and_not_the_case(
    job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x, _ = images(shape=(15,))
    samples.keep_samples(job, autoencoder(lambda batch: batch, lambda codes: codes), x, x, epochs=2)
    assert "15 pixels per image make no square" in capsys.readouterr().err
    assert not (tmp_path / "samples").exists()


def test_a_folder_that_cannot_be_written_costs_a_picture_and_not_the_case(
    job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "samples").write_text("a file is in the way")
    x, _ = images()
    samples.keep_samples(job, IDENTITY, x, x, epochs=2)
    assert "FileExistsError" in capsys.readouterr().err
