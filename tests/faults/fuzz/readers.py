"""Every reader of files that may be a stranger's: what it accepts, how its files go wrong, and what it may raise."""

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

from bench.datasets.files import IDX_FILES, read_idx, read_npz
from bench.errors import InvalidInput
from bench.plan import profile
from bench.report import files, pictures
from bench.results import journal, reader, rows
from bench.results.schema import ResultRow


@dataclass(frozen=True)
class Reader:
    """One reader."""

    read: Callable[[bytes], object]
    """Hands a file of such bytes to the reader."""
    seed: bytes
    """A file that the reader accepts."""
    mutation: Mutation
    declared: type[Exception] = InvalidInput
    """The only exception that it may raise."""

    def accepts(self, data: bytes) -> bool:
        """Whether a file is read; raises what the reader raised, unless it is declared."""
        try:
            self.read(data)
        except self.declared as refusal:
            said = str(refusal)
            assert all(char.isprintable() or char in "\n\t" for char in said), f"a terminal would obey {said!r}"
            assert len(said) < 100_000, "a refusal that nobody reads"
            return False
        return True


@cache
def _place() -> Path:
    """A folder of this process, in memory where the system has such."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder with a name of its own is made there
    inside = memory if os.access(memory, os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="aebench-fuzz-", dir=inside))


def _file(name: str, data: bytes) -> Path:
    path = _place() / name
    path.write_bytes(data)
    return path


def _read_idx(data: bytes) -> object:
    """One file of the four is a stranger's."""
    for name, content in _idx().items():
        _file(name, content)
    _file(IDX_FILES["x_test"], data)
    return read_idx(_place())


@cache
def _idx() -> dict[str, bytes]:
    def packed(shape: tuple[int, ...]) -> bytes:
        body = bytes(number % 10 for number in range(int(np.prod(shape))))
        return gzip.compress(struct.pack(f">{1 + len(shape)}I", 0x0800 | len(shape), *shape) + body, mtime=0)

    shapes = {"y_train": (3,), "x_train": (3, 28, 28), "y_test": (2,), "x_test": (2, 28, 28)}
    return {IDX_FILES[name]: packed(shape) for name, shape in shapes.items()}


def _drawn(samples: pictures.SampleImages) -> pictures.Gallery:
    """The pictures that are made of pixels; what matplotlib draws takes too long to be tried so often."""
    try:
        return pictures.gallery("title", "name", [replace(samples, plane=None)])
    except ValueError as error:
        raise AssertionError("samples that were accepted cannot be drawn") from error


def _archive(arrays: dict[str, npt.NDArray[Any]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array)
    return out.getvalue()


def _images() -> bytes:
    images, labels = np.arange(3 * 784, dtype=np.uint16).reshape(3, 28, 28).astype(np.uint8), np.arange(3)
    return _archive({"x_train": images, "y_train": labels, "x_test": images[:2], "y_test": labels[:2]})


def _samples() -> bytes:
    images = np.zeros((2, 28, 28), np.uint8)
    images_of: dict[str, npt.NDArray[Any]] = {"input": images, "target": images, "output": images}
    more: dict[str, npt.NDArray[Any]] = {"labels": np.zeros(2, np.uint8), "codes": np.ones((2, 32), np.float16)}
    plane: dict[str, npt.NDArray[Any]] = {"plane": np.zeros((4, 2), np.float16), "plane_labels": np.zeros(4, np.uint8)}
    return _archive({**images_of, **more, **plane, "grid": np.zeros((2, 2, 28, 28), np.uint8)})


def _journal() -> bytes:
    kernels = {"threads": 2, "gflop_per_s": 90.0, "gflop_per_s_median": 80.0, "gb_per_s": 9.0, "gb_per_s_median": 8.0}
    told = {"timeline": {"interval_s": 0.5, "samples": ((0.5, 100.0), (1.0, 300.0))}, "parent_cpu_s": 0.1}
    peaks = {"gflop_per_s": 100.0, "gb_per_s": 10.0, "dispatch_s": 0.001}
    more: dict[str, Any] = {
        **told,
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


def _results() -> bytes:
    outcomes = [
        scripted.outcome(scripted.case(checkpoints=(1, 8))),
        scripted.outcome(scripted.case(model="deep"), reached=1),
    ]
    found = [row for outcome in outcomes for row in rows.make_result_rows(outcome, scripted.header())]
    return files.csv_text(ResultRow, found).encode()


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
        lambda data: profile.read_profile(str(_file("profile.toml", data))).cases(), _PROFILE, mutations.profile
    ),
    "journal": Reader(lambda data: journal.read(_file("journal.jsonl", data)), _journal(), mutations.journal),
    "results": Reader(lambda data: reader.read(_file("results.csv", data)), _results(), mutations.table),
    "images": Reader(lambda data: read_npz(_file("images.npz", data)), _images(), mutations.npz),
    "idx": Reader(_read_idx, _idx()[IDX_FILES["x_test"]], mutations.idx),
    "samples": Reader(
        lambda data: _drawn(pictures.read_samples(_file("samples.npz", data), 1)), _samples(), mutations.npz, ValueError
    ),
}
