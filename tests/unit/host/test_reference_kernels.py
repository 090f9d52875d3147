"""The reference kernels."""

import os
from typing import Any

import numpy as np
import pytest

from bench.host import reference_kernels


@pytest.fixture(autouse=True)
def two_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)


def test_the_triads_parts_cover_every_number_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[np.ndarray[Any, Any]] = []
    add = np.add

    def spy(left: Any, right: Any, out: Any) -> None:
        parts.append(add(left, right, out=out))

    monkeypatch.setattr(reference_kernels, "TRIAD", 999)
    monkeypatch.setattr(np, "add", spy)
    kernel = reference_kernels._make_triad(2)
    for thread in range(2):
        kernel(thread)
    assert sum(part.size for part in parts) == 999
    assert all((part == 1 + 3 * 2).all() for part in parts)


def test_a_reference_has_best_and_median_for_the_threads_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_kernels, "TRIAD", 1 << 12)
    monkeypatch.setattr(reference_kernels, "PRODUCTS", 1)
    seen = reference_kernels.measure_reference(threads=2)
    assert seen.threads == 2
    assert seen.gflop_per_s >= seen.gflop_per_s_median > 0
    assert seen.gb_per_s >= seen.gb_per_s_median > 0


def test_a_reference_uses_as_many_threads_as_the_process_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_kernels, "TRIAD", 1 << 12)
    monkeypatch.setattr(reference_kernels, "PRODUCTS", 1)
    for limit, threads in ((0.5, 1), (2.9, 2)):
        monkeypatch.setattr(reference_kernels, "read_cpu_limit", lambda limit=limit: limit)
        assert reference_kernels.measure_reference().threads == threads
