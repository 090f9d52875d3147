"""Reading and verifying data files, every way in which one can be wrong; digesting, writing and loading arrays."""

import gzip
import hashlib
import io
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unit.arrays import Arrays, refusal, saved, some_arrays, stored

from bench.datasets import files, npz
from bench.datasets.files import NAMES, LabelledImages, compute_digest, load, read_npz, write_npz

# --- what is accepted ------------------------------------------------------------------------------------------------


def test_a_data_file_is_read_as_it_was_saved(tmp_path: Path) -> None:
    found = read_npz(saved(tmp_path))
    for name, array in some_arrays().items():
        np.testing.assert_array_equal(found.arrays[name], array)
    assert {array.dtype for array in found.arrays.values()} == {np.dtype(np.uint8)}


@pytest.mark.parametrize("dtype", ["int64", ">i4", "uint16", "int8"])
def test_integer_labels_of_any_width_become_uint8(tmp_path: Path, dtype: str) -> None:
    found = read_npz(saved(tmp_path, y_train=some_arrays()["y_train"].astype(dtype)))
    np.testing.assert_array_equal(found.y_train, some_arrays()["y_train"])
    assert found.y_train.dtype == np.uint8


def test_images_in_fortran_order_are_read_right(tmp_path: Path) -> None:
    found = read_npz(saved(tmp_path, x_train=np.asfortranarray(some_arrays()["x_train"])))
    np.testing.assert_array_equal(found.x_train, some_arrays()["x_train"])
    assert found.x_train.flags.c_contiguous


def test_further_arrays_are_ignored_and_pickled_ones_among_them_never_loaded(tmp_path: Path) -> None:
    assert len(read_npz(saved(tmp_path, notes=np.array([{"a": 1}], dtype=object))).x_train) == 6


def test_a_data_file_needs_no_particular_suffix(tmp_path: Path) -> None:
    assert len(read_npz(saved(tmp_path).rename(tmp_path / "images")).x_train) == 6


# --- what is refused -------------------------------------------------------------------------------------------------


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "absent.npz")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "not a file" in refusal(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not a file" in refusal(tmp_path / "pipe")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path)
    path.chmod(0)
    assert "cannot be read" in refusal(path)


def test_a_name_too_long_for_the_system_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / ("n" * 5_000))


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"", "an empty file"),
        (b"\x93NUMPY\x01\x00", "a single .npy array"),
        (gzip.compress(b"images", mtime=0), "a gzip file"),
        (b"\x80\x04\x95", "a pickle, which is never loaded"),
        (b"\x89HDF\r\n", "an HDF5 file"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"5,0,0,0", "something that begins with b'5,0,0,0'"),
    ],
)
def test_what_is_no_archive_is_named_for_what_it_is(tmp_path: Path, start: bytes, kind: str) -> None:
    path = tmp_path / "images.npz"
    path.write_bytes(start)
    message = refusal(path)
    assert "not an .npz archive" in message
    assert kind in message


@pytest.mark.parametrize("kept", [0.01, 0.5, 0.99])
def test_an_archive_that_was_cut_off_is_refused(tmp_path: Path, kept: float) -> None:
    path = saved(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    assert "cut off or damaged" in refusal(path)


def test_an_archive_with_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    path = stored(tmp_path)
    content = bytearray(path.read_bytes())
    content[2_000] ^= 1  # a pixel of x_train
    path.write_bytes(content)
    assert "CRC" in refusal(path)


def test_an_archive_whose_compressed_bytes_are_damaged_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path)
    content = bytearray(path.read_bytes())
    content[100:300] = bytes(200)
    path.write_bytes(content)
    assert "cannot be read" in refusal(path)


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    path = stored(tmp_path)
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        for found in re.finditer(re.escape(signature), bytes(content)):
            content[found.start() + offset] |= 1  # the flag of encryption, in every header
    path.write_bytes(content)
    assert "encrypted" in refusal(path)


def test_missing_arrays_are_named_beside_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "images.npz"
    np.savez(path, images=some_arrays()["x_train"], y_train=some_arrays()["y_train"])
    message = refusal(path)
    assert "without x_train, x_test, y_test" in message
    assert "it has 'images', 'y_train'" in message
    assert "Expected the arrays x_train, y_train, x_test, y_test" in message


def test_an_archive_without_anything_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "images.npz"
    zipfile.ZipFile(path, "w").close()
    assert "it has nothing" in refusal(path)


@pytest.mark.parametrize("name", NAMES)
def test_pickled_objects_are_refused_and_not_run(tmp_path: Path, name: str) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    message = refusal(saved(tmp_path, **{name: np.array([Trap()], dtype=object)}))
    assert f"{name} holds pickled objects" in message
    assert "not loaded" in message
    assert not (tmp_path / "sprung").exists()


def test_a_member_that_is_no_array_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "images.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in NAMES:
            archive.writestr(f"{name}.npy", b"\x80\x04\x95 a pickle under an array's name")
    assert "x_train is not a NumPy array" in refusal(path)


@pytest.mark.parametrize(
    ("instead", "said"),
    [
        ({"x_train": np.ones((6, 28, 28), np.float32)}, "x_train is float32; expected uint8 pixels"),
        ({"x_train": np.ones((6, 28, 28), np.float32)}, "(x * 255).round().astype('uint8')"),
        ({"x_test": np.ones((3, 28, 28), np.int64)}, "x_test is int64; expected uint8 pixels from 0 to 255: x.astype"),
        ({"x_train": np.ones((6, 28, 28), bool)}, "x_train is bool"),
        ({"x_train": np.ones((6, 28, 28), [("pixel", "u1")])}, "x_train is [('pixel', 'u1')]"),
        ({"x_train": np.ones((6, 784), np.uint8)}, "shape (6, 784); expected (n, 28, 28): x.reshape(-1, 28, 28)"),
        ({"x_train": np.ones((6, 28, 28, 1), np.uint8)}, "shape (6, 28, 28, 1); expected (n, 28, 28): x[..., 0]"),
        ({"x_train": np.ones((6, 32, 32), np.uint8)}, "x_train has shape (6, 32, 32); expected (n, 28, 28)"),
        ({"x_train": np.uint8(3)}, "x_train has shape (); expected (n, 28, 28)"),
        ({"x_test": np.ones((0, 28, 28), np.uint8)}, "shape (0, 28, 28); expected (n, 28, 28) with at least one"),
        ({"y_train": np.ones((6, 10), np.uint8)}, "shape (6, 10); expected (n,): y.argmax(axis=1)"),
        ({"y_train": np.ones((6, 1), np.uint8)}, "shape (6, 1); expected (n,): y[:, 0]"),
        ({"y_train": np.ones(6, np.float64)}, "y_train is float64; expected integer labels from 0 to 9"),
        ({"y_train": np.array(list("012345"))}, "y_train is <U1; expected integer labels"),
        ({"y_train": np.ones(5, np.uint8)}, "y_train has 5 labels for 6 images"),
        ({"y_train": np.full(6, 10)}, "y_train has labels from 10 to 10; expected classes from 0 to 9"),
        ({"y_test": np.array([0, -1, 3])}, "y_test has labels from -1 to 3"),
        ({"y_test": np.array([0, 256, 3])}, "y_test has labels from 0 to 256"),
        ({"x_train": np.ones((6, 28, 28), np.uint8)}, "x_train has no value above 1; expected pixels from 0 to 255"),
        ({"x_test": np.zeros((3, 28, 28), np.uint8)}, "x_test has no value above 0"),
    ],
)
def test_wrong_arrays_are_refused_with_what_came_and_what_to_do(tmp_path: Path, instead: Arrays, said: str) -> None:
    assert said in refusal(saved(tmp_path, **instead))


def test_an_archive_that_declares_too_much_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", 7_000)
    monkeypatch.setattr(npz, "_check_header", lambda *_: pytest.fail("it was read"))
    assert "at most 7,000 are read" in refusal(saved(tmp_path))


def test_a_header_that_declares_more_than_it_holds_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (1 << 40, 28, 28)})
    path = tmp_path / "images.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in NAMES:
            archive.writestr(f"{name}.npy", header.getvalue())
    assert "holds another number of bytes" in refusal(path)


# --- digest, writing and loading -------------------------------------------------------------------------------------


def test_the_digest_follows_its_documented_recipe() -> None:
    arrays = some_arrays()
    sha = hashlib.sha256()
    for name in ("x_train", "y_train", "x_test", "y_test"):
        shape = "x".join(map(str, arrays[name].shape))
        sha.update(f"{name} uint8 {shape}\n".encode() + arrays[name].tobytes())
    assert compute_digest(LabelledImages(*arrays.values())) == sha.hexdigest()


def test_the_digest_changes_with_a_pixel_a_label_and_the_split() -> None:
    arrays = some_arrays()
    seen = {compute_digest(LabelledImages(*arrays.values()))}
    for name in NAMES:
        other = arrays[name].copy()
        other.flat[0] += 1
        seen.add(compute_digest(LabelledImages(*(arrays | {name: other}).values())))
    longer = {
        part + kind: np.concatenate([arrays[part + "train"], arrays[part + "test"]])[cut]
        for kind, cut in (("train", slice(0, 5)), ("test", slice(5, None)))
        for part in ("x_", "y_")
    }
    seen.add(compute_digest(LabelledImages(*(longer[name] for name in NAMES))))
    assert len(seen) == 6


def test_what_was_written_is_loaded_again_and_is_a_data_file_itself(tmp_path: Path) -> None:
    written = LabelledImages(*some_arrays().values())
    write_npz(written, tmp_path / "data.npz")
    assert compute_digest(load(tmp_path / "data.npz")) == compute_digest(written)
    assert compute_digest(read_npz(tmp_path / "data.npz")) == compute_digest(written)
    assert [path.name for path in tmp_path.iterdir()] == ["data.npz"]


def test_what_is_written_is_not_compressed(tmp_path: Path) -> None:
    write_npz(LabelledImages(*some_arrays().values()), tmp_path / "data.npz")
    with zipfile.ZipFile(tmp_path / "data.npz") as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def test_an_interrupted_writing_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(stream: io.BufferedIOBase, **_: Any) -> None:
        stream.write(b"half")
        raise KeyboardInterrupt

    (tmp_path / "data.npz").write_bytes(b"before")
    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_npz(LabelledImages(*some_arrays().values()), tmp_path / "data.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["data.npz"]
    assert (tmp_path / "data.npz").read_bytes() == b"before"


def test_loading_never_unpickles(tmp_path: Path) -> None:
    path = saved(tmp_path, x_train=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        load(path)
