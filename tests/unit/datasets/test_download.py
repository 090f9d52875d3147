"""Downloading, from a server on this machine: what is kept, what is refused, and that nothing is left half-written."""

import gzip
import hashlib
import re
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.datasets import download
from bench.datasets import find as find_module
from bench.datasets.download import RemoteFile
from bench.datasets.files import LabelledImages, compute_digest, write_npz
from bench.datasets.folders import IDX_FILES
from bench.errors import InvalidInput


@dataclass
class Answer:
    """What the server sends for a path: `declared` bytes are announced (None: no length), then `body` follows."""

    body: bytes
    status: int = 200
    declared: int | None = -1
    stalls: bool = False
    encoding: str | None = None


@dataclass
class Site:
    """A server on the loopback interface, a cache and the calls of a progress bar."""

    url: str
    cache: Path
    answers: dict[str, Answer]
    asked: list[str]
    release: threading.Event
    seen: list[tuple[int, int]] = field(default_factory=list)

    def find(self, name: str = "mnist", **options: Any) -> find_module.Dataset:
        return find_module.find_dataset(name, **({"on_progress": self.watch} | options))

    def watch(self, done: int, total: int) -> None:
        self.seen.append((done, total))

    def refusal(self, name: str = "mnist", **options: Any) -> str:
        """Search in vain; nothing may be left, and the message is the one that lists every source."""
        with pytest.raises(InvalidInput) as caught:
            self.find(name, **options)
        assert self.kept() == []
        assert str(caught.value).startswith("no data for")
        return str(caught.value)

    def kept(self) -> list[str]:
        folder = self.cache / "aebench"
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def images() -> LabelledImages:
    random = np.random.default_rng(3)
    return LabelledImages(
        random.integers(0, 256, (300, 28, 28), dtype=np.uint8),
        random.integers(0, 10, 300, dtype=np.uint8),
        random.integers(0, 256, (20, 28, 28), dtype=np.uint8),
        random.integers(0, 10, 20, dtype=np.uint8),
    )


def npz_bytes(folder: Path) -> bytes:
    write_npz(images(), folder / "served.npz")
    return (folder / "served.npz").read_bytes()


def idx_bytes() -> dict[str, bytes]:
    arrays = images().arrays
    headers = {name: struct.pack(f">{1 + a.ndim}I", 0x0800 | a.ndim, *a.shape) for name, a in arrays.items()}
    return {IDX_FILES[name]: gzip.compress(headers[name] + array.tobytes()) for name, array in arrays.items()}


def handler_of(answers: dict[str, Answer], asked: list[str], release: threading.Event) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.lstrip("/")
            asked.append(name)
            answer = answers.get(name, Answer(b"not here", status=404))
            self.send_response(answer.status)
            if answer.declared is not None:
                self.send_header("Content-Length", str(len(answer.body) if answer.declared < 0 else answer.declared))
            if answer.encoding is not None:
                self.send_header("Content-Encoding", answer.encoding)
            self.end_headers()
            self.wfile.write(answer.body)
            if answer.stalls:
                release.wait(10)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    return Handler


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site that serves made-up images, which pass for the true ones and have the hashes that are known."""
    bodies = {"mnist": {"mnist.npz": npz_bytes(tmp_path)}, "fashion-mnist": idx_bytes()}
    remote = {
        dataset: tuple(RemoteFile(name, len(body), hashlib.sha256(body).hexdigest()) for name, body in files.items())
        for dataset, files in bodies.items()
    }
    monkeypatch.setattr(download, "REMOTE", remote)
    monkeypatch.setattr(download, "TIMEOUT_S", 5.0)
    monkeypatch.setattr(find_module, "GENUINE", dict.fromkeys(find_module.DATASETS, compute_digest(images())))
    monkeypatch.setattr(find_module, "DEBIAN", tmp_path / "none")
    cache = tmp_path / "cache"
    for variable in ("HOME", "USERPROFILE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(cache))
    for variable in ("KERAS_HOME", *find_module.VARIABLES.values()):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("no_proxy", "*")
    answers = {name: Answer(body) for files in bodies.values() for name, body in files.items()}
    asked: list[str] = []
    release = threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(answers, asked, release)) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            serve_from(url, monkeypatch)
            yield Site(url, cache, answers, asked, release)
        finally:
            release.set()
            server.shutdown()
            serving.join()


def serve_from(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "KERAS_URL", url)
    monkeypatch.setattr(find_module, "KERAS_URL", url)


def test_mnist_is_downloaded_verified_and_kept(site: Site) -> None:
    found = site.find()
    assert (found.origin, found.genuine, found.train_samples) == ("download", True, 300)
    assert found.digest == compute_digest(images())
    assert site.kept() == ["mnist.npz"]


def test_what_was_downloaded_once_is_not_downloaded_again(site: Site) -> None:
    first = site.find()
    again = site.find(offline=True)
    assert (again.origin, again.digest) == ("aebench's cache", first.digest)
    assert site.asked == ["mnist.npz"]


def test_fashion_mnist_is_downloaded_and_kept_as_four_files(site: Site) -> None:
    assert site.find("fashion-mnist").origin == "download"
    assert sorted(site.asked) == sorted(IDX_FILES.values())
    assert site.kept() == sorted(str(Path("fashion-mnist", name)) for name in IDX_FILES.values())
    assert site.find("fashion-mnist", offline=True).genuine is True


def test_only_what_is_missing_of_fashion_mnist_is_downloaded_again(site: Site) -> None:
    site.find("fashion-mnist")
    (site.cache / "aebench" / "fashion-mnist" / IDX_FILES["x_test"]).unlink()
    (site.cache / "aebench" / "fashion-mnist" / IDX_FILES["y_test"]).write_bytes(b"half")
    site.asked.clear()
    assert site.find("fashion-mnist").origin == "download"
    assert sorted(site.asked) == sorted([IDX_FILES["x_test"], IDX_FILES["y_test"]])


def test_keras_cache_is_never_written(site: Site) -> None:
    site.find()
    site.find("fashion-mnist")
    assert not (site.cache / ".keras").exists()


def test_progress_runs_to_the_sum_of_all_files(site: Site) -> None:
    site.find("fashion-mnist")
    total = sum(len(site.answers[name].body) for name in IDX_FILES.values())
    sizes = [size for size, _ in site.seen]
    assert sizes == sorted(sizes)
    assert len(sizes) > 4
    assert {given for _, given in site.seen} == {total}
    assert sizes[-1] == total


def test_nothing_but_the_progress_is_printed(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    site.find()
    assert capfd.readouterr() == ("", "")


def test_a_server_that_does_not_announce_a_length_is_fine(site: Site) -> None:
    site.answers["mnist.npz"].declared = None
    assert site.find().origin == "download"


def test_nobody_needs_to_watch(site: Site) -> None:
    assert site.find(on_progress=None).origin == "download"


def test_offline_asks_no_server(site: Site) -> None:
    message = site.refusal(offline=True)
    assert f"download: {site.url}: refused by --offline" in message
    assert "without --offline" in message
    assert site.asked == []


def test_a_body_that_ends_early_is_refused(site: Site) -> None:
    whole = site.answers["mnist.npz"].body
    site.answers["mnist.npz"] = Answer(whole[:100_000], declared=len(whole))
    assert f"/mnist.npz: IncompleteRead(100000 bytes read, {len(whole) - 100_000} more expected)" in site.refusal()


def test_a_body_that_ends_early_without_an_announced_length_is_refused(site: Site) -> None:
    site.answers["mnist.npz"] = Answer(site.answers["mnist.npz"].body[:100_000], declared=None)
    assert "does not match the known hash" in site.refusal()


@pytest.mark.parametrize(("dataset", "name"), [("mnist", "mnist.npz"), ("fashion-mnist", IDX_FILES["x_train"])])
def test_a_file_with_another_hash_is_refused(site: Site, dataset: str, name: str) -> None:
    site.answers[name].body = bytes(len(site.answers[name].body))
    with pytest.raises(InvalidInput, match=f"/{name}: SHA256 hash .* does not match the known hash"):
        site.find(dataset)
    assert not any(kept.endswith(name) for kept in site.kept())


def test_a_missing_file_on_the_server_is_reported(site: Site) -> None:
    del site.answers["mnist.npz"]
    message = site.refusal()
    assert f"download: {site.url}/mnist.npz: 404 Client Error: Not Found" in message
    assert "once more, online" in message


def test_a_server_that_is_not_there_is_reported_in_a_few_words(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_from("http://127.0.0.1:9", monkeypatch)
    message = site.refusal()
    assert re.search(r"download: http://127\.0\.0\.1:9/mnist\.npz: .*refused.*\n", message)
    assert "object at 0x" not in message


def test_a_server_that_stalls_is_left_after_the_timeout(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TIMEOUT_S", 0.2)
    whole = site.answers["mnist.npz"].body
    site.answers["mnist.npz"] = Answer(whole[:1_000], declared=len(whole), stalls=True)
    assert "timed out" in site.refusal()


def test_a_server_that_sends_more_than_the_file_has_is_left(site: Site) -> None:
    size = len(site.answers["mnist.npz"].body)
    site.answers["mnist.npz"] = Answer(bytes(size + 1), declared=None)
    assert f"/mnist.npz: the server sends more than the {size:,} bytes of this file" in site.refusal()
    assert site.seen[-1][0] <= size


def test_a_body_that_unpacks_to_more_than_the_file_has_is_left(site: Site) -> None:
    size = len(site.answers["mnist.npz"].body)
    site.answers["mnist.npz"] = Answer(gzip.compress(bytes(100 * size)), encoding="gzip")
    assert f"the server sends more than the {size:,} bytes of this file" in site.refusal()


def test_an_interrupted_download_leaves_nothing(site: Site) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        site.find(on_progress=interrupt)
    assert site.kept() == []


def test_a_broken_file_in_our_cache_is_replaced(site: Site) -> None:
    (site.cache / "aebench").mkdir(parents=True)
    (site.cache / "aebench" / "mnist.npz").write_bytes(b"half")
    assert site.find().origin == "download"
    assert site.find(offline=True).origin == "aebench's cache"


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_a_cache_that_cannot_be_written_is_reported(site: Site, name: str) -> None:
    site.cache.write_bytes(b"a file where the folder should be")
    with pytest.raises(InvalidInput, match=r"cannot be written .* set XDG_CACHE_HOME"):
        site.find(name)
    assert site.asked == []


def test_a_disk_without_room_is_not_blamed_on_the_server(site: Site) -> None:
    def refuse(done: int, total: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(InvalidInput, match=r"aebench: cannot be written \(No space left on device\)"):
        site.find(on_progress=refuse)
    assert site.kept() == []


def test_the_documented_files_are_those_of_keras() -> None:
    assert {name: [file.name for file in files] for name, files in download.REMOTE.items()} == {
        "mnist": ["mnist.npz"],
        "fashion-mnist": [IDX_FILES[name] for name in ("y_test", "y_train", "x_test", "x_train")],
    }
    assert download.REMOTE["mnist"][0].sha256 == "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
