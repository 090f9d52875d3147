"""Keras' own files of MNIST and Fashion-MNIST, downloaded by pooch and kept where size and hash are the known ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bench.datasets.folders import IDX_FILES
from bench.errors import InvalidInput

KERAS_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets"
"""Where keras.datasets downloads from (keras/src/datasets/mnist.py and fashion_mnist.py)."""
TIMEOUT_S = 30.0
"""How long each wait for the server may take, not the whole download."""

Progress = Callable[[int, int], None]
"""Is called with the bytes so far, and how many there are in all."""

_CHUNK = 1 << 16


@dataclass(frozen=True)
class RemoteFile:
    """A file on the server, with its size in bytes and its SHA-256 in hex."""

    name: str
    size: int
    sha256: str


REMOTE: Mapping[str, tuple[RemoteFile, ...]] = {
    # Keras documents this hash.
    "mnist": (RemoteFile("mnist.npz", 11_490_434, "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"),),
    # Keras documents none; they are the files whose MD5s Zalando's README has (bb300cfd, 25c81989, bef4ecab, 8d4fb7e6).
    "fashion-mnist": (
        RemoteFile(IDX_FILES["y_test"], 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
        RemoteFile(IDX_FILES["y_train"], 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        RemoteFile(IDX_FILES["x_test"], 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        RemoteFile(
            IDX_FILES["x_train"], 26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
        ),
    ),
}
"""The files of each dataset that can be downloaded."""


def fetch_files(name: str, folder: Path, on_progress: Progress | None = None) -> None:
    """Download what ``folder`` lacks of the dataset's files; each is there as it is known, or not at all.

    Raises InvalidInput, which begins with the address, where the server fails, and OSError where the disk does.
    """
    done, total = 0, sum(file.size for file in REMOTE[name])
    for file in REMOTE[name]:

        def report(size: int, before: int = done) -> None:
            if on_progress is not None:
                on_progress(before + size, total)

        _fetch_file(file, folder, report)
        done += file.size


def _fetch_file(file: RemoteFile, folder: Path, report: Callable[[int], None]) -> None:
    import pooch  # noqa: PLC0415 - imported where there is something to download: it takes a tenth of a second
    import requests  # noqa: PLC0415

    def download(url: str, path: str, _pooch: object) -> None:
        with Path(path).open("wb") as stream:
            send = pooch.HTTPDownloader(timeout=TIMEOUT_S, chunk_size=_CHUNK)
            send(url, _BoundedFile(stream, file, report), None)

    pooch.get_logger().setLevel("WARNING")  # the progress shows what it would say
    url = f"{KERAS_URL}/{file.name}"
    try:
        pooch.retrieve(url, file.sha256, file.name, folder, downloader=download)
    except (requests.RequestException, ValueError) as error:
        raise InvalidInput(f"{url}: {_find_reason(error)}") from error


@dataclass
class _BoundedFile:
    """What pooch writes a download to: counts the bytes, and takes no more of them than the file is known to have."""

    stream: BinaryIO
    file: RemoteFile
    report: Callable[[int], None]
    size: int = 0

    def write(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self.size > self.file.size:
            raise ValueError(f"the server sends more than the {self.file.size:,} bytes of this file")
        self.stream.write(chunk)
        self.report(self.size)

    def flush(self) -> None:
        """Leave that to the closing of the stream."""


def _find_reason(error: BaseException) -> str:
    """The first error of the chain: requests wraps what the system says in a page of addresses of objects."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error) or type(error).__name__
