"""What people name as their data: folders with IDX files or CSV files, and files that are not read as they are."""

import errno
import gzip
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from unit.arrays import refusal, saved, some_arrays

from bench.datasets import find as find_module
from bench.datasets.files import NAMES, LabelledImages, compute_digest, read_npz
from bench.datasets.folders import IDX_FILES, read_data

NAMES_OF_PIXELS = [f"pixel{number}" for number in range(784)]


def digest(**instead: npt.NDArray[Any]) -> str:
    return compute_digest(LabelledImages(*(some_arrays() | instead).values()))


# --- IDX -------------------------------------------------------------------------------------------------------------


def put_idx(folder: Path, *, packed: bool = False, dot: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in some_arrays().items():
        content = struct.pack(f">{1 + array.ndim}I", 0x0800 | array.ndim, *array.shape) + array.tobytes()
        file = IDX_FILES[name] if packed else IDX_FILES[name].removesuffix(".gz")
        (folder / (file.replace("-idx", ".idx") if dot else file)).write_bytes(
            gzip.compress(content) if packed else content
        )
    return folder


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("dot", [True, False])
def test_a_folder_of_idx_files_is_read_packed_or_not(tmp_path: Path, *, packed: bool, dot: bool) -> None:
    assert compute_digest(read_data(put_idx(tmp_path, packed=packed, dot=dot))) == digest()


def test_an_idx_file_that_a_browser_unpacked_and_kept_its_name_is_read(tmp_path: Path) -> None:
    put_idx(tmp_path)
    for name in IDX_FILES.values():
        (tmp_path / name.removesuffix(".gz")).rename(tmp_path / name)
    assert compute_digest(read_data(tmp_path)) == digest()


def test_a_folder_named_on_the_command_line_or_by_the_variable_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = put_idx(tmp_path / "MNIST" / "raw")
    assert find_module.find_dataset("mnist", data_file=folder, offline=True).digest == digest()
    monkeypatch.setenv("AEBENCH_MNIST", str(folder))
    assert find_module.find_dataset("mnist", offline=True).origin == "AEBENCH_MNIST"


def test_the_folder_above_torchvisions_files_is_refused_with_where_they_are(tmp_path: Path) -> None:
    folder = put_idx(tmp_path / "MNIST" / "raw")
    for above in (tmp_path, folder.parent):
        assert f"IDX files are in {folder}: name that folder" in refusal(above, read_data)


def test_a_folder_without_one_of_the_files_says_which(tmp_path: Path) -> None:
    (put_idx(tmp_path) / "t10k-labels-idx1-ubyte").unlink()
    assert "without t10k-labels-idx1-ubyte.gz" in refusal(tmp_path, read_data)


def test_a_folder_of_something_else_says_what_is_there_and_what_was_expected(tmp_path: Path) -> None:
    saved(tmp_path)
    message = refusal(tmp_path, read_data)
    assert "expected the four IDX files, or train.csv and test.csv or mnist_train.csv and mnist_test.csv" in message
    assert "it has 'images.npz'" in message


def test_a_subfolder_that_may_not_be_read_is_no_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put_idx(tmp_path / "MNIST" / "raw")
    (tmp_path / "secret").mkdir()
    is_file = Path.is_file

    def refuse(path: Path, **options: Any) -> bool:
        if "secret" in path.parts:
            raise PermissionError(errno.EACCES, "Permission denied")
        return is_file(path, **options)

    monkeypatch.setattr(Path, "is_file", refuse)
    message = refusal(tmp_path, read_data)
    assert "no images there" in message
    assert f"IDX files are in {folder}: name that folder" in message


# --- CSV -------------------------------------------------------------------------------------------------------------


def write_csv(
    path: Path,
    part: str,
    *,
    names: bool = True,
    labels: bool = True,
    index: bool = False,
    end: str = "\n",
    mark: bool = False,
) -> None:
    images, truth = some_arrays(14, 3)[f"x_{part}"].reshape(-1, 784), some_arrays(14, 3)[f"y_{part}"]
    lines = [["label", *NAMES_OF_PIXELS]] if names else []
    lines += [[str(label), *map(str, row)] for label, row in zip(truth, images, strict=True)]
    kept = [line if labels else line[1:] for line in lines]
    numbered = [[str(number - 1 if number else ""), *line] for number, line in enumerate(kept)] if index else kept
    text = "".join(",".join(line) + end for line in numbered)
    path.write_text(text, encoding="utf-8-sig" if mark else "utf-8", newline="")


def as_arrays(images: LabelledImages) -> list[npt.NDArray[np.uint8]]:
    return [images.arrays[name] for name in NAMES]


@pytest.mark.parametrize(
    "form",
    [{}, {"names": False}, {"index": True}, {"end": "\r\n"}, {"mark": True}, {"mark": True, "names": False}],
    ids=["names", "bare", "index", "windows", "mark", "bare-mark"],
)
@pytest.mark.parametrize("pair", [("mnist_train.csv", "mnist_test.csv"), ("train.csv", "test.csv")])
def test_a_pair_of_csv_files_with_labels_is_read(tmp_path: Path, pair: tuple[str, str], form: dict[str, Any]) -> None:
    for file, part in zip(pair, ("train", "test"), strict=True):
        write_csv(tmp_path / file, part, **form)
    found = read_data(tmp_path)
    for array, expected in zip(as_arrays(found), some_arrays(14, 3).values(), strict=True):
        np.testing.assert_array_equal(array, expected)
    assert found.remark == ""


def test_kaggles_test_file_without_labels_is_left_out_and_it_is_said(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", "train")
    write_csv(tmp_path / "test.csv", "test", labels=False)
    found = find_module.find_dataset("mnist", data_file=tmp_path, offline=True)
    assert (found.train_samples, found.val_samples, found.genuine) == (12, 2, False)
    np.testing.assert_array_equal(found.images.x_val, some_arrays(14, 3)["x_train"][12:])
    np.testing.assert_array_equal(found.images.y_train, some_arrays(14, 3)["y_train"][:12])
    said = "test.csv has no labels and is not used; the last seventh of train.csv validates"
    assert found.images.remark == said
    assert found.origin == f"data file: {said}"


def test_too_few_images_to_split_are_refused(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", "train")
    write_csv(tmp_path / "test.csv", "test", labels=False)
    text = (tmp_path / "train.csv").read_text().splitlines(keepends=True)
    (tmp_path / "train.csv").write_text("".join(text[:4]))
    assert "with at least one sample" in refusal(tmp_path, read_data)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "0 columns of pixels in line 1; expected 784"),
        ((";".join(["label", *NAMES_OF_PIXELS]) + "\n").encode(), "with commas between them"),
        (("label\tpixel0\n").encode("utf-16"), "expected 784"),
        ((",".join(["label", *NAMES_OF_PIXELS]) + "\n").encode(), "no data"),
        ((",".join(["label", *NAMES_OF_PIXELS]) + "\n" + ",".join(["300"] * 785)).encode(), "from 0 to 255"),
        ((",".join(["label", *NAMES_OF_PIXELS]) + "\n" + ",".join(["0.5"] * 785)).encode(), "from 0 to 255"),
        ((",".join(["label", *NAMES_OF_PIXELS]) + "\n" + ",".join(["1"] * 784)).encode(), "from 0 to 255"),
        ((",".join(NAMES_OF_PIXELS) + "\n" + ",".join(["9"] * 784)).encode(), "without a column label"),
        ((",".join(["1"] * 785)).encode(), "pixels from 0 to 255, not scaled"),
        ((",".join(["77"] * 785)).encode(), "labels from 77 to 77"),
        (b"\x1f\x8b\x08\x00 no gzip", "damaged"),
    ],
)
def test_a_csv_file_that_is_wrong_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    write_csv(tmp_path / "test.csv", "test")
    (tmp_path / "train.csv").write_bytes(content)
    assert said in refusal(tmp_path, read_data)


def test_what_the_system_does_not_let_be_read_is_not_called_damaged(tmp_path: Path) -> None:
    write_csv(tmp_path / "test.csv", "test")
    (tmp_path / "train.csv").mkdir()
    message = refusal(tmp_path, read_data)
    assert "train.csv: cannot be read (" in message
    assert "damaged" not in message


@pytest.mark.parametrize("name", ["train.csv", "mnist_784.csv", "train-images-idx3-ubyte", IDX_FILES["x_test"]])
def test_one_file_of_several_is_refused_with_what_to_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"5,0,0,0")
    assert "one file of several; name the folder that has them all" in refusal(tmp_path / name, read_data)
    assert "no such file" in refusal(tmp_path / f"absent-{name}", read_data)


def test_a_name_too_long_for_the_system_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / ("n" * 5_000), read_data)


def test_an_archive_of_csv_files_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "digit-recognizer.zip", "w") as archive:
        archive.writestr("train.csv", "label")
        archive.writestr("test.csv", "pixel0")
    message = refusal(tmp_path / "digit-recognizer.zip", read_data)
    assert "an archive of 'test.csv', 'train.csv', not of arrays: unpack it and name the folder" in message


# --- pickles ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("packed", [True, False])
def test_mnist_as_a_pickle_is_refused_with_the_reason_and_the_way_out(
    tmp_path: Path, protocol: int, *, packed: bool
) -> None:
    content = pickle.dumps([([0.0], [5])], protocol)
    path = tmp_path / ("mnist.pkl.gz" if packed else "mnist.pkl")
    path.write_bytes(gzip.compress(content) if packed else content)
    message = refusal(path, read_data)
    assert ("a gzip file of a pickle" if packed else "but a pickle") in message
    assert "never loaded, since loading one can run any code" in message
    assert "save x_train, y_train, x_test, y_test with np.savez" in message
    assert "Keras' mnist.npz has the same images" in message


# --- advice ----------------------------------------------------------------------------------------------------------

_PIXELS = np.arange(6 * 784, dtype=np.int64).reshape(6, 28, 28) % 256
_ONE_HOT = np.eye(10, dtype=np.float32)[[3, 1, 4, 1, 5, 9]]


@pytest.mark.parametrize(
    ("name", "array", "choice"),
    [
        ("x_train", (_PIXELS / 255).astype(np.float32), 0),
        ("x_train", (_PIXELS / 255).reshape(6, 784), 0),
        ("x_train", (_PIXELS / 255)[..., None], 0),
        ("x_train", (_PIXELS / 255)[:, None], 0),
        ("x_train", _PIXELS.astype(np.float64), 1),
        ("x_train", _PIXELS.reshape(6, 784).astype(np.float64), 1),
        ("x_train", _PIXELS, 0),
        ("x_train", _PIXELS.reshape(6, 784), 0),
        ("x_train", _PIXELS.astype(np.uint8)[..., None], 0),
        ("x_train", _PIXELS > 127, 0),
        ("y_train", _ONE_HOT, 0),
        ("y_train", _ONE_HOT.astype(np.uint8), 0),
        ("y_train", _ONE_HOT.astype(bool), 0),
        ("y_train", _ONE_HOT.argmax(axis=1).astype(np.float64), 0),
        ("y_train", _ONE_HOT.argmax(axis=1)[:, None].astype(np.float64), 0),
        ("y_train", _ONE_HOT.argmax(axis=1)[:, None], 0),
        ("y_train", _ONE_HOT.argmax(axis=1).astype(str), 0),
    ],
)
def test_an_array_is_accepted_once_the_advice_was_followed(
    tmp_path: Path, name: str, array: npt.NDArray[Any], choice: int
) -> None:
    advice = refusal(saved(tmp_path, **{name: array})).rpartition(": ")[2]
    code = advice.split(" for pixels in ")[choice].removeprefix("0..1, ")
    mended = eval(code, {name[0]: array})  # noqa: S307 - the advice of our own message
    assert len(read_npz(saved(tmp_path, **{name: mended})).arrays[name]) == 6
