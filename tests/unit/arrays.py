"""Small arrays of images, saved as people save them, and what is said of those that are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bench.datasets.files import LabelledImages, read_npz, write_npz
from bench.errors import InvalidInput

Arrays = dict[str, npt.NDArray[Any]]


def some_arrays(train: int = 6, test: int = 3) -> Arrays:
    random = np.random.default_rng(7)
    return {
        "x_train": random.integers(0, 256, (train, 28, 28), dtype=np.uint8),
        "y_train": random.integers(0, 10, train, dtype=np.uint8),
        "x_test": random.integers(0, 256, (test, 28, 28), dtype=np.uint8),
        "y_test": random.integers(0, 10, test, dtype=np.uint8),
    }


def saved(folder: Path, **instead: Any) -> Path:
    """Save a good data file, but with `instead` in place of its arrays."""
    path = folder / "images.npz"
    np.savez_compressed(path, **(some_arrays() | instead))
    return path


def stored(folder: Path) -> Path:
    """Save a good data file uncompressed, so that its bytes are where one expects them."""
    write_npz(LabelledImages(*some_arrays().values()), folder / "images.npz")
    return folder / "images.npz"


def refusal(path: Path, read: Callable[[Path], LabelledImages] = read_npz) -> str:
    """Read what must be refused; the one message names the file and has one line."""
    with pytest.raises(InvalidInput) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message
