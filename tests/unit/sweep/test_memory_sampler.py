"""Memory from outside: of a real process, and of one whose memory is made up."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.sweep import memory_sampler
from bench.sweep.memory_sampler import MemorySampler

LIMIT_S = 60.0
"""A sample or an answer comes in milliseconds; one that does not come is a failure, not a wait."""


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.001)


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Takes 64 MiB at a line, ends at another one; says when each is done."""
    code = "print(1, flush=True); input(); x = bytearray(b'1') * (64 << 20); print(2, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == b"1"
        yield child
        child.kill()


def send_line(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()


def test_samples_grow_with_the_process(process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_sampler, "INTERVAL_S", 0.005)
    with MemorySampler(process.pid, time.perf_counter_ns()) as sampler:
        wait_for(lambda: len(sampler.timeline.samples) >= 1)
        send_line(process)
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"2"
        seen = len(sampler.timeline.samples)
        wait_for(lambda: len(sampler.timeline.samples) >= seen + 2)
    samples = sampler.timeline.samples
    assert samples[-1][1] - samples[0][1] == pytest.approx(64, abs=2)
    assert [at for at, _ in samples] == sorted(at for at, _ in samples)
    assert all(at > 0 for at, _ in samples)
    assert sampler.timeline.interval_s == 0.005


def test_it_ends_quietly_when_the_process_is_gone(
    process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_sampler, "INTERVAL_S", 0.001)
    with MemorySampler(process.pid, time.perf_counter_ns()) as sampler:
        wait_for(lambda: len(sampler.timeline.samples) >= 1)
        process.kill()
        process.wait()
        sampler._thread.join(LIMIT_S)
        assert not sampler._thread.is_alive()
    assert sampler.timeline.samples, "what was sampled before is kept"


def test_nothing_is_sampled_of_a_process_that_is_gone_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_sampler, "INTERVAL_S", 0.001)
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    with MemorySampler(gone.pid, time.perf_counter_ns()) as sampler:
        sampler._thread.join(LIMIT_S)
    assert sampler.timeline.samples == ()


# ------------------------------------------------------------------- memory made up


def sample(series: Sequence[float | None], most: int, interval_s: float = 1e-6) -> MemorySampler:
    """Sample a process that has this memory at each look and then is gone."""
    looks = iter(series)

    def memory_usage(pid: int, *, interval: float, max_iterations: int) -> list[float | None]:
        assert (pid, interval, max_iterations) == (4711, 0, 1), "one sample, without a pause of its own"
        try:
            return [next(looks)]
        except StopIteration:
            raise psutil.NoSuchProcess(pid) from None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("memory_profiler.memory_usage", memory_usage)
        patch.setattr(memory_sampler, "MOST_SAMPLES", most)
        patch.setattr(memory_sampler, "INTERVAL_S", interval_s)
        with MemorySampler(4711, time.perf_counter_ns()) as sampler:
            sampler._thread.join(LIMIT_S)
            assert not sampler._thread.is_alive()
    return sampler


def memory_of(sampler: MemorySampler) -> list[float]:
    return [mib for _, mib in sampler.timeline.samples]


def test_samples_are_kept_in_order_while_they_are_few() -> None:
    sampler = sample([3.0, 1.0, 2.0, 5.0], most=4)
    assert memory_of(sampler) == [3.0, 1.0, 2.0, 5.0]
    assert sampler.timeline.interval_s == 1e-6


def test_too_many_samples_are_thinned_to_the_larger_ones_at_twice_the_interval() -> None:
    sampler = sample([3.0, 1.0, 2.0, 5.0, 4.0], most=4)
    assert memory_of(sampler) == [3.0, 5.0, 4.0]
    assert sampler.timeline.interval_s == 2e-6


def test_the_interval_doubles_at_each_thinning() -> None:
    # Five make three, and each two more are five again.
    assert sample([1.0] * 9, most=4).timeline.interval_s == 8e-6


@given(series=st.lists(st.floats(1, 1e6), min_size=1, max_size=30), most=st.integers(2, 8))
def test_thinning_keeps_the_largest_sample_and_the_bound(series: list[float], most: int) -> None:
    sampler = sample(series, most, interval_s=1e-9)
    assert max(memory_of(sampler)) == max(series)
    assert len(memory_of(sampler)) <= most
    samples = sampler.timeline.samples
    assert list(samples) == sorted(samples, key=lambda sample: sample[0])


def test_a_look_that_the_system_refuses_is_left_out() -> None:
    assert memory_of(sample([None, 7.0, None, 8.0], most=4)) == [7.0, 8.0]


def test_a_process_that_has_ended_but_is_not_waited_for_has_no_sample() -> None:
    assert memory_of(sample([7.0, 0.0, 0.0], most=4)) == [7.0]
