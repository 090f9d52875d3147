"""Every reader of files that may be a stranger's: a file that it accepts, and how such files go wrong."""

import gzip
import io
import os
import struct
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scripted
from faults.fuzz import mutations
from faults.fuzz.mutations import Mutation

from bench.datasets.files import read_npz
from bench.datasets.folders import CSV_PAIRS, IDX_FILES, read_data, read_idx
from bench.errors import InvalidInput
from bench.plan import profile
from bench.report import files, pictures
from bench.results import journal, reader, rows
from bench.results.schema import ResultRow


@dataclass(frozen=True)
class Reader:
    """One reader."""

    read: Callable[[bytes], object]
    """Reads a file of these bytes."""
    seed: bytes
    """A file that the reader accepts."""
    mutation: Mutation

    def accepts(self, data: bytes) -> bool:
        """Whether a file is read; raises what the reader raised, unless it is InvalidInput."""
        try:
            self.read(data)
        except InvalidInput as refusal:
            said = str(refusal)
            assert all(char.isprintable() or char in "\n\t" for char in said), f"a terminal would obey {said!r}"
            assert len(said) < 100_000, "a refusal that nobody reads"
            return False
        return True


@cache
def _make_folder() -> Path:
    """Make a folder for this process, in memory where the system can."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder with a name of its own is made there
    inside = memory if os.access(memory, os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="aebench-fuzz-", dir=inside))


def _write(name: str, data: bytes) -> Path:
    path = _make_folder() / name
    path.write_bytes(data)
    return path


def _read_idx(data: bytes) -> object:
    """Read four files of which one is a stranger's."""
    for name, content in _make_idx().items():
        _write(name, content)
    _write(IDX_FILES["x_test"], data)
    return read_idx(_make_folder())


@cache
def _make_idx() -> dict[str, bytes]:
    def pack(shape: tuple[int, ...]) -> bytes:
        body = bytes(number % 10 for number in range(int(np.prod(shape))))
        return gzip.compress(struct.pack(f">{1 + len(shape)}I", 0x0800 | len(shape), *shape) + body, mtime=0)

    shapes = {"y_train": (3,), "x_train": (3, 28, 28), "y_test": (2,), "x_test": (2, 28, 28)}
    return {IDX_FILES[name]: pack(shape) for name, shape in shapes.items()}


def _read_csv(data: bytes) -> object:
    """Read a pair of files of which one is a stranger's."""
    folder = _make_folder() / "csv"
    folder.mkdir(exist_ok=True)
    train, test = (folder / name for name in CSV_PAIRS[0])
    train.write_bytes(_make_csv())
    test.write_bytes(data)
    return read_data(folder)


@cache
def _make_csv() -> bytes:
    lines = [["label", *(f"pixel{number}" for number in range(784))]]
    lines += [[str(label), *(str((label + number) % 256) for number in range(784))] for label in range(3)]
    return "".join(",".join(line) + "\n" for line in lines).encode()


def _draw(samples: pictures.SampleImages) -> pictures.Gallery:
    """Draw the pictures that are made of pixels; what matplotlib draws takes too long to be tried so often."""
    try:
        return pictures.draw_gallery("title", "name", [replace(samples, plane=None)])
    except ValueError as error:
        raise AssertionError("samples that were accepted cannot be drawn") from error


def _write_archive(arrays: dict[str, npt.NDArray[Any]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array)
    return out.getvalue()


def _make_images() -> bytes:
    images, labels = np.arange(3 * 784, dtype=np.uint16).reshape(3, 28, 28).astype(np.uint8), np.arange(3)
    return _write_archive({"x_train": images, "y_train": labels, "x_test": images[:2], "y_test": labels[:2]})


def _make_samples() -> bytes:
    images = np.zeros((2, 28, 28), np.uint8)
    images_of: dict[str, npt.NDArray[Any]] = {"input": images, "target": images, "output": images}
    more: dict[str, npt.NDArray[Any]] = {"labels": np.zeros(2, np.uint8), "codes": np.ones((2, 32), np.float16)}
    plane: dict[str, npt.NDArray[Any]] = {"plane": np.zeros((4, 2), np.float16), "plane_labels": np.zeros(4, np.uint8)}
    return _write_archive({**images_of, **more, **plane, "grid": np.zeros((2, 2, 28, 28), np.uint8)})


def _make_journal() -> bytes:
    kernels = {"threads": 2, "gflop_per_s": 90.0, "gflop_per_s_median": 80.0, "gb_per_s": 9.0, "gb_per_s_median": 8.0}
    measured = {"timeline": {"interval_s": 0.5, "samples": ((0.5, 100.0), (1.0, 300.0))}, "parent_cpu_s": 0.1}
    peaks = {"gflop_per_s": 100.0, "gb_per_s": 10.0, "dispatch_s": 0.001}
    more: dict[str, Any] = {
        **measured,
        "noise": scripted.QUIET,
        "reference_before": kernels,
        "reference_after": kernels,
        "peaks": peaks,
    }
    lines = (
        scripted.header(),
        scripted.outcome(scripted.case(checkpoints=(1, 8)), **more),
        scripted.outcome(scripted.case(model="deep"), reached=1),
    )
    return b"".join(line.model_dump_json().encode() + b"\n" for line in lines)


def _make_results() -> bytes:
    outcomes = [
        scripted.outcome(scripted.case(checkpoints=(1, 8))),
        scripted.outcome(scripted.case(model="deep"), reached=1),
    ]
    found = [row for outcome in outcomes for row in rows.make_result_rows(outcome, scripted.header())]
    return files.format_csv(ResultRow, found).encode()


_PROFILE = b"""\
name = "mine"
description = "what it is for"
models = ["basic", "deep"]
epochs = [50, 100]
batch_sizes = [128, 256]
backends = ["tensorflow"]
loops = ["fit", "xla"]
precisions = ["float32"]
optimizer = "adam"
dataset = "mnist-5k"
repeats = 2
seed = 0
timeout_s = 60.0
[model.deep]
epochs = [10]
batch_sizes = [256]
"""

READERS = {
    "profile": Reader(
        lambda data: profile.read_profile(str(_write("profile.toml", data))).list_cases(),
        _PROFILE,
        mutations.mutate_profile,
    ),
    "journal": Reader(
        lambda data: journal.read_journal(_write("journal.jsonl", data)), _make_journal(), mutations.mutate_journal
    ),
    "results": Reader(
        lambda data: reader.read_report(_write("results.csv", data)), _make_results(), mutations.mutate_table
    ),
    "images": Reader(lambda data: read_npz(_write("images.npz", data)), _make_images(), mutations.mutate_npz),
    "idx": Reader(_read_idx, _make_idx()[IDX_FILES["x_test"]], mutations.mutate_idx),
    "csv": Reader(_read_csv, _make_csv(), mutations.mutate_table),
    "samples": Reader(
        lambda data: _draw(pictures.read_samples(_write("samples.npz", data), 1)), _make_samples(), mutations.mutate_npz
    ),
}
