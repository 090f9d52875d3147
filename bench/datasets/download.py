"""What Keras downloads, fetched over HTTP into a temporary folder of the caller's, lengths and hashes checked."""

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.datasets.files import IDX_FILES
from bench.errors import InvalidInput

TIMEOUT_S = 30.0
MAX_BYTES = 64 << 20
"""No file that is fetched may be longer; the longest of ours has 26 MB."""

KERAS_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets"
"""Where keras.datasets downloads from (keras/src/datasets/mnist.py and fashion_mnist.py)."""

Progress = Callable[[int, int | None], None]
"""Told the bytes so far and how many are expected in all, None where that is not known."""

_CHUNK = 1 << 16


@dataclass(frozen=True)
class RemoteFile:
    """A file of Keras' downloads: its size in bytes, for the progress, and the SHA-256 that Keras documents, if any."""

    name: str
    size: int
    sha256: str | None = None


REMOTE: Mapping[str, tuple[RemoteFile, ...]] = {
    "mnist": (RemoteFile("mnist.npz", 11_490_434, "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"),),
    "fashion-mnist": (
        RemoteFile(IDX_FILES["y_test"], 5_148),
        RemoteFile(IDX_FILES["y_train"], 29_515),
        RemoteFile(IDX_FILES["x_test"], 4_422_102),
        RemoteFile(IDX_FILES["x_train"], 26_421_880),
    ),
}
"""The files of each dataset that can be downloaded."""


def fetch_all(name: str, base_url: str, folder: Path, on_progress: Progress, timeout_s: float) -> None:
    """Fetch the files of the dataset `name` into `folder`, which is the caller's to remove.

    `timeout_s` bounds each wait for the server, not the whole. What went wrong is an InvalidInput that begins with the
    address; the folder may then hold a part of a file.
    """
    expected, done = sum(file.size for file in REMOTE[name]), 0
    for file in REMOTE[name]:
        tell = partial(_tell, on_progress, done, expected)
        done += _fetch(f"{base_url}/{file.name}", folder / file.name, tell, file.sha256, timeout_s)


def _tell(on_progress: Progress, before: int, expected: int, size: int) -> None:
    """Tell the sum over the files; a file longer than it was known to be makes the total unknown, not passed."""
    done = before + size
    on_progress(done, expected if done <= expected else None)


def _fetch(url: str, target: Path, tell: Callable[[int], None], sha256: str | None, timeout_s: float) -> int:
    try:
        # Only addresses that the harness itself writes come here, no file: among them
        with urllib.request.urlopen(url, timeout=timeout_s) as response:  # noqa: S310
            declared: int | None = response.length
            size, found = _copy(response, target, tell)
    except urllib.error.HTTPError as error:
        error.close()
        raise InvalidInput(f"{url}: the server answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise InvalidInput(f"{url}: {_reason(error)}") from error
    if declared is not None and declared != size:
        raise InvalidInput(f"{url}: ended after {size:,} of {declared:,} bytes")
    if sha256 is not None and found != sha256:
        raise InvalidInput(f"{url}: its SHA-256 is {found}, expected {sha256}; it was not kept")
    return size


def _copy(response: http.client.HTTPResponse, target: Path, tell: Callable[[int], None]) -> tuple[int, str]:
    size, sha = 0, hashlib.sha256()
    with target.open("wb") as stream:
        while chunk := response.read(_CHUNK):
            size += len(chunk)
            if size > MAX_BYTES:
                raise InvalidInput(f"{response.url}: sends more than {MAX_BYTES:,} bytes")
            sha.update(chunk)
            stream.write(chunk)
            tell(size)
    return size, sha.hexdigest()


def _reason(error: OSError | http.client.HTTPException) -> str:
    """Say what urllib wrapped, or the error's own words; some timeouts have none."""
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(inner) or type(inner).__name__
