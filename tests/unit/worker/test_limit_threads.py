"""Threads that a backend may use, and those that it really uses."""

import os
import sys
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from unit.worker.fake_backends import TensorFlow

from bench.worker.backends import load_backend


@pytest.fixture
def tensorflow(monkeypatch: pytest.MonkeyPatch) -> TensorFlow:
    made_up = TensorFlow()
    monkeypatch.setitem(sys.modules, "tensorflow", made_up)
    return made_up


def limit_threads(backend: str, threads: int | None) -> tuple[int | None, int | None]:
    limited: tuple[int | None, int | None] = load_backend(backend).limit_threads(threads)
    return limited


def start(monkeypatch: pytest.MonkeyPatch, **names: int) -> None:
    """Have whatever is called start so many threads of each name; those without a name are ``nameless``."""

    def count(call: Callable[[], object]) -> Counter[str]:
        call()
        return Counter({"" if name == "nameless" else name: number for name, number in names.items()})

    replace_count(monkeypatch, count)


def replace_count(monkeypatch: pytest.MonkeyPatch, count: Callable[[Callable[[], object]], Counter[str]]) -> None:
    for backend in ("tensorflow", "jax"):
        monkeypatch.setattr(load_backend(backend), "count_started_threads", count)


@pytest.fixture(autouse=True)
def no_threads_can_be_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_count(monkeypatch, lambda _call: Counter())


def test_a_limit_holds_for_one_operation_and_for_operations_side_by_side(tensorflow: TensorFlow) -> None:
    assert limit_threads("tensorflow", 3) == (3, 3)
    assert (tensorflow.intra, tensorflow.inter) == (3, 3)


def test_without_a_limit_nothing_is_set_and_what_there_is_is_reported(tensorflow: TensorFlow) -> None:
    tensorflow.intra, tensorflow.inter = 4, 2
    assert limit_threads("tensorflow", None) == (4, 2)


def test_a_choice_of_tensorflows_own_shows_in_the_threads_that_it_starts(
    tensorflow: TensorFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensorflow.gpus = 0
    start(monkeypatch, nameless=5, tf_Compute=3, tf_graph_runner=1)
    assert limit_threads("tensorflow", None) == (5, 3)
    assert tensorflow.began, "its pools are there to be counted"
    assert (tensorflow.intra, tensorflow.inter) == (0, 0), "the choice is still its own"
    tensorflow.inter = 2
    assert limit_threads("tensorflow", None) == (5, 2)


def test_a_choice_of_tensorflows_own_that_does_not_show_is_empty(
    tensorflow: TensorFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensorflow.gpus = 0
    assert limit_threads("tensorflow", None) == (None, None)
    start(monkeypatch)
    assert limit_threads("tensorflow", None) == (None, None)


def test_threads_are_not_counted_where_a_gpu_has_its_own_among_them(
    tensorflow: TensorFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(monkeypatch, nameless=9, tf_Compute=3)
    assert limit_threads("tensorflow", None) == (None, None)
    assert not tensorflow.began


@pytest.mark.parametrize("threads", [None, 3])
def test_jax_shows_its_threads_for_one_operation_alone(threads: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPROC", "7")
    seen: list[str] = []
    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace(local_devices=lambda: seen.append(os.environ["NPROC"])))
    assert limit_threads("jax", threads) == (None, None)
    start(monkeypatch, nameless=9, tf_XLAEigen=4)
    assert limit_threads("jax", threads) == (4, None)
    assert seen == ["7" if threads is None else "3"], "a limit is set before the pools are started"


def test_torch_reports_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    now = {"intra": 8, "inter": 4}
    torch = SimpleNamespace(
        get_num_threads=lambda: now["intra"],
        get_num_interop_threads=lambda: now["inter"],
        set_num_threads=lambda threads: now.update(intra=threads),
        set_num_interop_threads=lambda threads: now.update(inter=threads),
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert limit_threads("torch", None) == (8, 4)
    assert limit_threads("torch", 3) == (3, 3)
