"""The process' line to its parent, in real processes of a few lines."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import bench
from bench.sweep.process import ChildProcess, start_process
from bench.worker.protocol import FailureEvent, FinishedEvent, Job, to_line

JOB = Job(
    model="basic", backend="tensorflow", loop="fit", precision="float32", optimizer="adam", learning_rate=0.1 + 0.2,
    batch_size=256, seed=3, checkpoints=(50, 100), threads=None,
    data="/somewhere/with spaces/é.npz", started_ns=2**62 + 1,
)  # fmt: skip
ROOT = Path(bench.__file__).resolve().parent.parent
HEAD = [
    "import os, subprocess, sys, time",
    "from bench.worker.channel import Channel",
    "from bench.worker.protocol import *",
    "channel = Channel()",
]


@contextmanager
def child(folder: Path, *statements: str, start: str = "") -> Iterator[ChildProcess]:
    """A process with a channel that runs some statements, its interpreter's start among them."""
    (folder / "sitecustomize.py").write_text(start)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    command = (sys.executable, "-c", "\n".join([*HEAD, *statements]))
    with start_process(command, environment, folder / "log") as started:
        yield started


def receive_all(started: ChildProcess) -> bytes:
    """All that it sends."""
    return b"".join(iter(started.receive, b""))


def test_events_go_to_the_parent_and_what_is_printed_to_the_log(tmp_path: Path) -> None:
    with child(
        tmp_path,
        "print('from the model')",
        "channel.send(FailureEvent(error='first'))",
        "os.write(1, b'from a library in C\\n')",
        "subprocess.run([sys.executable, '-c', 'print(123)'])",
        "channel.send(FinishedEvent())",
        "print('after the last event')",
    ) as started:
        sent = receive_all(started)
        code = started.wait()
    assert sent == to_line(FailureEvent(error="first")) + to_line(FinishedEvent())
    printed = (tmp_path / "log").read_text().splitlines()
    assert {"from the model", "from a library in C", "123", "after the last event"} <= set(printed)
    assert code == 0


def test_what_is_printed_before_the_channel_is_opened_goes_to_the_log_too(tmp_path: Path) -> None:
    greeting = "import os; print('welcome', flush=True); os.system('echo conda')"
    with child(tmp_path, "channel.send(FinishedEvent())", start=greeting) as started:
        assert receive_all(started) == to_line(FinishedEvent())
    assert {"welcome", "conda"} <= set((tmp_path / "log").read_text().splitlines())


def test_processes_that_it_starts_do_not_get_the_channel(tmp_path: Path) -> None:
    statements = (
        "number = channel._out.fileno()",
        "say = f'import os; os.write({number}, b\"not mine\")'",
        "subprocess.run([sys.executable, '-c', say], close_fds=False)",
    )
    with child(tmp_path, *statements) as started:
        assert receive_all(started) == b""


def test_an_event_that_was_sent_survives_the_process_end(tmp_path: Path) -> None:
    with child(tmp_path, "channel.send(FinishedEvent())", "os._exit(9)") as started:
        assert receive_all(started) == to_line(FinishedEvent())
        assert started.wait() == 9


@pytest.mark.parametrize("job", [JOB, replace(JOB, threads=2, checkpoints=(1,))], ids=["free", "limited"])
def test_a_job_arrives_as_it_was_sent(tmp_path: Path, job: Job) -> None:
    with child(tmp_path, "channel.send(FailureEvent(error=ascii(channel.receive_job())))") as started:
        started.send(to_line(job))
        line = started.receive()
    assert line == to_line(FailureEvent(error=ascii(job))), "checkpoints are a tuple again, and no number was rounded"


def test_a_process_whose_parent_is_gone_ends(tmp_path: Path) -> None:
    with child(tmp_path, "channel.receive_job()", "channel.send(FinishedEvent())", "time.sleep(600)") as started:
        started.send(to_line(JOB))
        assert started.receive() == to_line(FinishedEvent())
        assert not started.has_ended, "it stays while the parent is there"
        started.close()
        assert started.wait() > 0


def test_a_process_that_hears_no_job_ends(tmp_path: Path) -> None:
    with child(tmp_path, "channel.receive_job()", "time.sleep(600)") as started:
        started.close()
        assert started.wait() == 1
    assert "JSONDecodeError" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("module", ["bench.worker", "bench.worker.paired"])
def test_a_process_without_a_channel_says_who_starts_it(module: str) -> None:
    ended = subprocess.run((sys.executable, "-m", module), cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "started by aebench" in ended.stderr
    assert "Traceback" not in ended.stderr
