"""Data that a person names: a file, or a folder of IDX or CSV files as MNIST is published, Kaggle's and Colab's.

As in `bench.datasets.files`, every reader bounds what it reads by what was declared and raises nothing but
InvalidInput.
"""

import codecs
import gzip
import io
import math
import os
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.datasets.files import (
    MAX_BYTES,
    NAMES,
    PIXELS,
    LabelledImages,
    Pixels,
    check_all,
    check_images_header,
    check_labels_header,
    name_source,
    read_npz,
)
from bench.datasets.npz import DAMAGE, LONGEST_REASON, Shape
from bench.errors import InvalidInput, format_count

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

_MAX_CSV_BYTES = 1 << 28
"""60,000 images take 188 MB at most."""
_MAX_HEADER_BYTES = 1 << 16


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


def read_idx(folder: Path) -> LabelledImages:
    """Read and check the four IDX files, gzipped or not (http://yann.lecun.com/exdb/mnist: sizes, then bytes).

    Raises InvalidInput, which begins with the folder's path or a file's.
    """
    with name_source(folder):
        files = _find_idx(folder)
        missing = [file for name, file in IDX_FILES.items() if name not in files]
        if not files:
            raise InvalidInput("no IDX files there")
        if missing:
            raise InvalidInput(f"without {', '.join(missing)}")
    return check_all(folder, {name: _read_idx_file(files[name], images=name.startswith("x")) for name in NAMES})


# --- folders ---------------------------------------------------------------------------------------------------------


def _read_folder(folder: Path) -> LabelledImages:
    with name_source(folder):
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
    with name_source(path), _unpack(path) as stream:
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
    check = check_images_header if images else check_labels_header
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
        raise InvalidInput(f"{train}: without a column label; expected a label and {PIXELS} pixels per row")
    remark = ""
    if y_test is None:  # Kaggle's competition keeps them
        first = len(x_train) - len(x_train) // 7
        x_test, y_test, x_train, y_train = x_train[first:], y_train[first:], x_train[:first], y_train[:first]
        remark = f"{test.name} has no labels and is not used; the last seventh of {train.name} validates"
    return replace(
        check_all(train.parent, dict(zip(NAMES, (x_train, y_train, x_test, y_test), strict=True))), remark=remark
    )


def _read_csv(path: Path) -> tuple[Pixels, Pixels | None]:
    """Read images, and labels where there are any: a row per image, with names of the columns above or without."""
    with name_source(path):
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
    return table[:, -PIXELS:].reshape(-1, 28, 28), None if label is None else table[:, 0]


def _choose_columns(cells: Sequence[str], *, has_names: bool) -> tuple[int | None, list[int]]:
    """The number of the column of labels, if any, and those of the pixels; a data frame's index is left out."""
    names = [cell.lower() for cell in cells]
    if has_names:
        label = names.index("label") if "label" in names else None
    else:
        label = 0 if len(cells) == PIXELS + 1 else None
    pixels = [number for number, name in enumerate(names) if number != label and name not in ("", "unnamed: 0")]
    if len(pixels) != PIXELS:
        raise InvalidInput(
            f"{format_count(len(pixels), 'column')} of pixels in line 1; expected {PIXELS}, with commas between them"
            " and a column label for the labels"
        )
    return label, pixels
