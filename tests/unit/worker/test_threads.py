"""Threads that a call starts: a made-up /proc, and this process' own."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.worker import threads
from bench.worker.threads import count_started_threads

THREADS = {1: ("python", "R"), 2: ("python", "S")}
"""What runs before the call: name and state by id."""


def show(task: Path, threads: dict[int, tuple[str, str]]) -> None:
    for thread, (name, state) in threads.items():
        (task / str(thread)).mkdir(exist_ok=True)
        (task / str(thread) / "stat").write_text(f"{thread} ({name}) {state} 1 1 1 0 -1", encoding="utf-8")


@pytest.fixture
def task(tmp_path: Path) -> Path:
    show(tmp_path, THREADS)
    return tmp_path


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What happens in one pause after the other."""
    steps: list[Callable[[], None]] = []
    monkeypatch.setattr(threads, "sleep", lambda _: steps.pop(0)() if steps else None)
    return steps


def test_new_threads_are_counted_by_their_names(task: Path, pauses: list[Callable[[], None]]) -> None:
    new = {3: ("python", "S"), 4: ("python", "S"), 5: ("tf_Compute", "S"), 6: ("a (b) c", "S")}
    assert count_started_threads(lambda: show(task, new), task) == {"": 2, "tf_Compute": 1, "a (b) c": 1}


def test_a_thread_has_its_name_when_it_waits(task: Path, pauses: list[Callable[[], None]]) -> None:
    pauses.extend([lambda: show(task, {3: ("tf_Compute", "R")}), lambda: show(task, {3: ("tf_Compute", "S")})])
    assert count_started_threads(lambda: show(task, {3: ("python", "R")}), task) == {"tf_Compute": 1}


def test_a_thread_that_comes_late_is_counted(task: Path, pauses: list[Callable[[], None]]) -> None:
    pauses.append(lambda: show(task, {4: ("python", "S")}))
    assert count_started_threads(lambda: show(task, {3: ("python", "S")}), task) == {"": 2}


def test_threads_that_find_no_rest_are_not_counted(task: Path, pauses: list[Callable[[], None]]) -> None:
    assert count_started_threads(lambda: show(task, {3: ("python", "R")}), task) == {}


def test_a_call_that_starts_nothing_leaves_nothing(task: Path, pauses: list[Callable[[], None]]) -> None:
    assert count_started_threads(lambda: None, task) == {}


def test_without_proc_nothing_is_called(tmp_path: Path) -> None:
    called: list[int] = []
    assert count_started_threads(lambda: called.append(1), tmp_path / "no-proc") == {}
    assert not called


@contextmanager
def waiting(count: int) -> Iterator[Callable[[], None]]:
    """A call that starts so many threads, which wait until the context is left."""
    end = threading.Event()
    threads = [threading.Thread(target=end.wait) for _ in range(count)]

    def call() -> None:
        for thread in threads:
            thread.start()

    try:
        yield call
    finally:
        end.set()
        for thread in threads:
            thread.join()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_the_threads_of_this_process_are_seen() -> None:
    with waiting(3) as call:
        assert count_started_threads(call).total() == 3
