"""Downloading, from a server on this machine: what is kept, what is refused, and that nothing is left half-written."""

import gzip
import hashlib
import struct
import threading
import time
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
from bench.datasets.files import IDX_FILES, LabelledImages, digest, write_npz
from bench.errors import InvalidInput


@dataclass
class Answer:
    """What the server sends for a path: `declared` bytes are announced (None: no length), then `body` follows."""

    body: bytes
    status: int = 200
    declared: int | None = -1
    stalls: bool = False


@dataclass
class Site:
    """A server on the loopback interface, a cache and the calls of a progress bar."""

    url: str
    cache: Path
    answers: dict[str, Answer]
    asked: list[str]
    release: threading.Event
    seen: list[tuple[int, int | None]] = field(default_factory=list)

    def find(self, name: str = "mnist", **options: Any) -> find_module.Dataset:
        environ = {"HOME": str(self.cache), "USERPROFILE": str(self.cache), "XDG_CACHE_HOME": str(self.cache)}
        given: dict[str, Any] = {
            "base_url": self.url,
            "on_progress": self.watch,
            "debian": self.cache / "none",
            "timeout_s": 5.0,
        }
        return find_module.find_dataset(name, environ=environ, **(given | options))

    def watch(self, done: int, total: int | None) -> None:
        self.seen.append((done, total))

    def refusal(self, **options: Any) -> str:
        """Search in vain; nothing may be left, and the message is the one that lists every place."""
        with pytest.raises(InvalidInput) as caught:
            self.find(**options)
        assert self.kept() == []
        assert str(caught.value).startswith("no data for")
        return str(caught.value)

    def kept(self) -> list[str]:
        return sorted(str(path.relative_to(self.cache / "aebench")) for path in self.cache.glob("aebench/**/*"))


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
    arrays = images().arrays()
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
            self.end_headers()
            self.wfile.write(answer.body)
            if answer.stalls:
                release.wait(10)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    return Handler


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site that serves made-up images, which pass for the true ones and have the hash that Keras documents."""
    body, idx = npz_bytes(tmp_path), idx_bytes()
    remote = {
        "mnist": (RemoteFile("mnist.npz", len(body), hashlib.sha256(body).hexdigest()),),
        "fashion-mnist": tuple(RemoteFile(name, len(content)) for name, content in idx.items()),
    }
    monkeypatch.setattr(download, "REMOTE", remote)
    monkeypatch.setattr(find_module, "GENUINE", dict.fromkeys(find_module.DATASETS, digest(images())))
    monkeypatch.setenv("no_proxy", "*")
    answers = {name: Answer(content) for name, content in ({"mnist.npz": body} | idx).items()}
    asked: list[str] = []
    release = threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(answers, asked, release)) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield Site(f"http://127.0.0.1:{server.server_port}", tmp_path / "cache", answers, asked, release)
        finally:
            release.set()
            server.shutdown()
            serving.join()


def test_mnist_is_downloaded_verified_and_kept(site: Site) -> None:
    found = site.find()
    assert (found.origin, found.genuine, found.train_samples) == ("download", True, 300)
    assert found.digest == digest(images())
    assert site.kept() == ["mnist.npz"]


def test_what_was_downloaded_once_is_not_downloaded_again(site: Site) -> None:
    first = site.find()
    again = site.find(offline=True)
    assert (again.origin, again.digest) == ("aebench's cache", first.digest)
    assert site.asked == ["mnist.npz"]


def test_fashion_mnist_is_downloaded_as_four_files_and_kept_as_one(site: Site) -> None:
    assert site.find("fashion-mnist").origin == "download"
    assert sorted(site.asked) == sorted(IDX_FILES.values())
    assert site.kept() == ["fashion-mnist.npz"]
    assert site.find("fashion-mnist", offline=True).genuine is True


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
    assert site.seen[-1] == (total, total)


def test_a_file_longer_than_it_is_known_to_be_makes_the_total_unknown(site: Site) -> None:
    site.answers["mnist.npz"].body += b"more"
    site.refusal()
    assert site.seen[0][1] is not None
    assert site.seen[-1] == (len(site.answers["mnist.npz"].body), None)


def test_a_server_that_says_no_length_is_fine(site: Site) -> None:
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
    assert f"/mnist.npz: ended after 100,000 of {len(whole):,} bytes" in site.refusal()


def test_a_file_with_another_hash_is_refused(site: Site) -> None:
    site.answers["mnist.npz"].body = bytes(len(site.answers["mnist.npz"].body))
    message = site.refusal()
    assert "its SHA-256 is" in message
    assert "it was not kept" in message


def test_other_arrays_than_the_true_ones_are_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find_module, "GENUINE", {"mnist": "0" * 64, "fashion-mnist": "0" * 64})
    for name in ("mnist", "fashion-mnist"):
        assert f"sent other arrays than {name}'s" in site.refusal(name=name)


def test_a_damaged_part_of_fashion_mnist_is_refused(site: Site) -> None:
    site.answers[IDX_FILES["x_test"]].body = b"no gzip"
    assert f"{IDX_FILES['x_test']}: damaged" in site.refusal(name="fashion-mnist")


def test_a_missing_file_on_the_server_is_said(site: Site) -> None:
    del site.answers["mnist.npz"]
    message = site.refusal()
    assert f"download: {site.url}/mnist.npz: the server answered 404" in message
    assert "once more, online" in message


def test_a_server_that_is_not_there_is_said(site: Site) -> None:
    assert "http://127.0.0.1:9/mnist.npz: " in site.refusal(base_url="http://127.0.0.1:9")


def test_a_server_that_stalls_is_left_after_the_timeout(site: Site) -> None:
    whole = site.answers["mnist.npz"].body
    site.answers["mnist.npz"] = Answer(whole[:1_000], declared=len(whole), stalls=True)
    start = time.perf_counter()
    assert "timed out" in site.refusal(timeout_s=0.2)
    assert time.perf_counter() - start < 4


def test_a_server_that_sends_without_end_is_left(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "MAX_BYTES", 70_000)
    assert "sends more than 70,000 bytes" in site.refusal()


def test_an_interrupted_download_leaves_nothing(site: Site) -> None:
    def interrupt(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        site.find(on_progress=interrupt)
    assert site.kept() == []


def test_a_broken_file_in_our_cache_is_replaced(site: Site) -> None:
    (site.cache / "aebench").mkdir(parents=True)
    (site.cache / "aebench" / "mnist.npz").write_bytes(b"half")
    assert site.find().origin == "download"
    assert site.find(offline=True).origin == "aebench's cache"


def test_a_cache_that_cannot_be_written_is_said(site: Site) -> None:
    site.cache.write_bytes(b"a file where the folder should be")
    with pytest.raises(InvalidInput, match=r"cannot be written .* set XDG_CACHE_HOME"):
        site.find()
    assert site.asked == []


def test_the_documented_files_are_those_of_keras() -> None:
    assert {name: [file.name for file in files] for name, files in download.REMOTE.items()} == {
        "mnist": ["mnist.npz"],
        "fashion-mnist": [IDX_FILES[name] for name in ("y_test", "y_train", "x_test", "x_train")],
    }
    assert download.REMOTE["mnist"][0].sha256 == "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
