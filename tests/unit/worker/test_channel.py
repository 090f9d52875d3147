"""The child's line to its parent, in real processes of a few lines."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import bench
from bench.worker.protocol import FailureEvent, FinishedEvent, Job, to_line

JOB = Job(
    model="basic", backend="tensorflow", loop="fit", precision="float32", optimizer="adam", learning_rate=0.1 + 0.2,
    batch_size=256, seed=3, checkpoints=(50, 100), threads=None,
    data="/somewhere/with spaces/é.npz", started_ns=2**62 + 1,
)  # fmt: skip
LIMIT_S = 60.0
"""No process here takes a second; one that hangs is a failure, not a wait."""


@contextmanager
def child(*statements: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a channel that runs some statements."""
    head = [
        "import os, subprocess, sys, time",
        "from bench.worker.channel import Channel",
        "from bench.worker.protocol import *",
        "channel = Channel()",
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(bench.__file__).resolve().parent.parent)}
    process = subprocess.Popen(
        [sys.executable, "-c", "\n".join([*head, *statements])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_events_go_to_the_parent_and_what_else_is_printed_to_the_log() -> None:
    with child(
        "print('from the model')",
        "channel.send(FailureEvent(error='first'))",
        "os.write(1, b'from a library in C\\n')",
        "subprocess.run([sys.executable, '-c', 'print(123)'])",
        "channel.send(FinishedEvent())",
        "print('after the last event')",
    ) as process:
        out, err = process.communicate(timeout=LIMIT_S)
    assert out == to_line(FailureEvent(error="first")) + to_line(FinishedEvent())
    assert {"from the model", "from a library in C", "123", "after the last event"} <= set(err.decode().splitlines())
    assert process.returncode == 0


def test_only_what_is_printed_after_the_channel_goes_to_the_log() -> None:
    code = "print('early', end=''); from bench.worker.channel import Channel; Channel(); print('late')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=LIMIT_S)
    assert (ended.stdout, ended.stderr) == (b"early", b"late" + os.linesep.encode())


def test_an_event_that_was_sent_survives_the_process_end() -> None:
    with child("channel.send(FinishedEvent())", "os._exit(9)") as process:
        out, _ = process.communicate(timeout=LIMIT_S)
    assert (out, process.returncode) == (to_line(FinishedEvent()), 9)


@pytest.mark.parametrize("job", [JOB, replace(JOB, threads=2, checkpoints=(1,))], ids=["free", "limited"])
def test_a_job_arrives_as_it_was_sent(job: Job) -> None:
    with child("job = channel.receive_job()", "channel.send(FailureEvent(error=ascii(job)))") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(to_line(job))
        process.stdin.flush()
        line = process.stdout.readline()
        process.wait(LIMIT_S)
    assert line == to_line(FailureEvent(error=ascii(job))), "checkpoints are a tuple again, and no number was rounded"


def test_a_process_whose_parent_is_gone_ends() -> None:
    with child("channel.receive_job()", "channel.send(FinishedEvent())", "time.sleep(600)") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(to_line(JOB))
        process.stdin.flush()
        assert process.stdout.readline() == to_line(FinishedEvent())
        assert process.poll() is None, "it stays while the parent is there"
        process.stdin.close()
        assert process.wait(LIMIT_S) > 0


def test_a_process_that_hears_no_job_ends() -> None:
    with child("channel.receive_job()", "time.sleep(600)") as process:
        with contextlib.suppress(BrokenPipeError):
            _, err = process.communicate(b"", timeout=LIMIT_S)
        assert process.returncode == 1
        assert b"JSONDecodeError" in err
