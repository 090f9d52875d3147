"""Reading gzipped IDX files, and every way in which one can be wrong."""

import gzip
import struct
from pathlib import Path

import pytest
from unit.arrays import refusal, saved, some_arrays

from bench.datasets.files import compute_digest, read_npz
from bench.datasets.folders import IDX_FILES, read_idx
from bench.errors import InvalidInput


def idx_folder(folder: Path, **instead: bytes) -> Path:
    """Write the four IDX files, gzipped, but with `instead` as an array's unpacked file."""
    for name, array in some_arrays().items():
        header = struct.pack(f">{1 + array.ndim}I", 0x0800 | array.ndim, *array.shape)
        (folder / IDX_FILES[name]).write_bytes(gzip.compress(instead.get(name, header + array.tobytes())))
    return folder


def idx_refusal(folder: Path, name: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        read_idx(folder)
    assert str(caught.value).startswith(str(folder))
    assert IDX_FILES[name] in str(caught.value)
    return str(caught.value)


def test_idx_files_hold_the_same_arrays_as_an_npz(tmp_path: Path) -> None:
    assert compute_digest(read_idx(idx_folder(tmp_path))) == compute_digest(read_npz(saved(tmp_path)))


def test_an_absent_folder_of_idx_files_is_refused(tmp_path: Path) -> None:
    assert "no IDX files there" in refusal(tmp_path / "absent", read_idx)


def test_a_missing_idx_file_is_named(tmp_path: Path) -> None:
    (idx_folder(tmp_path) / IDX_FILES["x_test"]).unlink()
    assert f"without {IDX_FILES['x_test']}" in idx_refusal(tmp_path, "x_test")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (struct.pack(">4I", 0x0801, 6, 28, 28), "begins with 0x00000801, not 0x00000803"),
        (b"\0\0", "damaged"),
        (struct.pack(">4I", 0x0803, 6, 32, 32), "shape (6, 32, 32); expected (n, 28, 28)"),
        (struct.pack(">4I", 0x0803, 0, 28, 28), "at least one sample"),
        (struct.pack(">4I", 0x0803, 6, 28, 28) + b"short", "holds another number of bytes"),
        (struct.pack(">4I", 0x0803, 1, 28, 28) + bytes(785), "holds another number of bytes"),
        (struct.pack(">4I", 0x0803, 2_000_000, 28, 28), "at most 1,073,741,824 are read"),
    ],
)
def test_a_wrong_idx_file_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in idx_refusal(idx_folder(tmp_path, x_train=content), "x_train")


def test_a_gzip_file_that_was_cut_off_or_changed_is_refused(tmp_path: Path) -> None:
    path = idx_folder(tmp_path) / IDX_FILES["x_train"]
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert "damaged" in idx_refusal(tmp_path, "x_train")
    path.write_bytes(whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:])
    assert "CRC" in idx_refusal(tmp_path, "x_train")
