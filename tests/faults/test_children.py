"""What becomes of a case whose process does not behave: real processes, each a few lines of Python."""

import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest
import scripted

from bench.event import Event, FinishedEvent, to_line
from bench.executors.local import LocalExecutor
from bench.folder import ReportFolder
from bench.record import Outcome
from bench.spec import Case

SETUP = scripted.SETUP
FINISHED = FinishedEvent()
epoch, mark, evaluation = scripted.epoch, scripted.mark, scripted.evaluation

WELL: list[Event] = [
    *scripted.PHASES,
    SETUP,
    epoch(1),
    mark(1),
    epoch(2),
    mark(2),
    evaluation(1),
    evaluation(2),
    FINISHED,
]


def child(*steps: Event | str) -> tuple[str, ...]:
    """A process that sends events and runs statements, in order."""
    head = ["import os, signal, sys, time", "sys.stdin.buffer.readline()"]
    lines = [step if isinstance(step, str) else f"os.write(1, {to_line(step)!r})" for step in steps]
    return (sys.executable, "-c", "\n".join(head + lines))


@pytest.fixture
def case() -> Case:
    return Case(
        model="basic", backend="tensorflow", loop="fit", precision="float32", optimizer="adam", learning_rate=0.001,
        batch_size=256, dataset="mnist-5k", seed=0, repeat=0, marks=(1, 2),
    )  # fmt: skip


def run(tmp_path: Path, case: Case, command: tuple[str, ...], timeout_s: float | None = 60.0) -> Outcome:
    folder = ReportFolder(tmp_path)
    (outcome,) = LocalExecutor(folder, timeout_s=timeout_s, command=command).outcomes(
        [case], lambda _case, _event: None
    )
    return outcome


def test_a_process_that_tells_all_is_ok(tmp_path: Path, case: Case) -> None:
    outcome = run(tmp_path, case, child(*WELL))
    assert (outcome.status, outcome.error, outcome.exit_code) == ("ok", None, 0)
    assert [told.epochs for told in outcome.marks] == [1, 2]


def test_a_process_that_raises_has_failed_and_its_last_words_are_kept(tmp_path: Path, case: Case) -> None:
    outcome = run(tmp_path, case, child(SETUP, epoch(1), mark(1), "raise ValueError('no such luck')"))
    assert (outcome.status, outcome.exit_code) == ("failed", 1)
    assert "ValueError: no such luck" in (outcome.log_tail or "")
    assert [told.epochs for told in outcome.marks] == [1], "what was measured before is kept"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals are POSIX's")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGABRT", "SIGTERM"])
def test_a_process_ended_by_a_signal_is_killed_and_the_signal_is_named(tmp_path: Path, case: Case, name: str) -> None:
    outcome = run(tmp_path, case, child(epoch(1), f"os.kill(os.getpid(), signal.{name})"))
    assert (outcome.status, outcome.signal, outcome.exit_code) == ("killed", name, None)


def test_a_process_that_hangs_is_ended_at_its_limit(tmp_path: Path, case: Case) -> None:
    outcome = run(tmp_path, case, child(epoch(1), mark(1), "time.sleep(600)"), timeout_s=1.0)
    assert outcome.status == "timeout"
    assert "1 second" in str(outcome.error)
    assert len(outcome.marks) == 1


def test_a_process_that_ignores_its_end_is_killed(tmp_path: Path, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.executors.local._GRACE_S", 0.2)
    stubborn = child("signal.signal(signal.SIGTERM, signal.SIG_IGN)", epoch(1), "time.sleep(600)")
    assert run(tmp_path, case, stubborn, timeout_s=1.0).status == "timeout"


def test_a_process_that_ends_well_without_telling_all_is_invalid(tmp_path: Path, case: Case) -> None:
    outcome = run(tmp_path, case, child(SETUP, epoch(1), mark(1), FINISHED))
    assert outcome.status == "invalid"
    assert "expected 2 epochs" in str(outcome.error)


def test_a_process_that_says_nothing_is_invalid(tmp_path: Path, case: Case) -> None:
    assert run(tmp_path, case, child()).status == "invalid"


def test_a_process_that_writes_nonsense_is_invalid(tmp_path: Path, case: Case) -> None:
    outcome = run(tmp_path, case, child(*WELL[:-1], 'os.write(1, b\'{"kind": "wealth"}\\n\')', FINISHED))
    assert outcome.status == "invalid"
    assert "wealth" in str(outcome.error)


def test_a_flood_of_nonsense_does_not_fill_the_memory(tmp_path: Path, case: Case) -> None:
    flood = "[os.write(1, b'x' * 65536) for _ in range(1600)]"
    before = psutil.Process().memory_info().rss
    assert run(tmp_path, case, child(flood)).status == "invalid"
    assert psutil.Process().memory_info().rss - before < 50 << 20


def test_a_flooded_log_is_cut_to_its_last_lines(tmp_path: Path, case: Case) -> None:
    flood = "[print('line', n, file=sys.stderr) for n in range(100000)]"
    outcome = run(tmp_path, case, child(flood, "sys.exit(7)"))
    assert (outcome.status, outcome.exit_code) == ("failed", 7)
    assert len((outcome.log_tail or "").splitlines()) <= 25
    assert "line 99999" in (outcome.log_tail or "")


def test_a_command_that_is_not_there_is_an_outcome_too(tmp_path: Path, case: Case) -> None:
    outcome = run(tmp_path, case, (str(tmp_path / "no-such-python"),))
    assert outcome.status == "failed"
    assert "no-such-python" in str(outcome.error)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="process groups are POSIX's")
def test_grandchildren_end_with_the_case(tmp_path: Path, case: Case) -> None:
    note = tmp_path / "grandchild"
    spawn = f"import subprocess; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], stdout=2); open({str(note)!r}, 'w').write(str(p.pid))"  # noqa: E501
    run(tmp_path, case, child(*WELL, spawn))
    assert gone(int(note.read_text()))


def gone(pid: int) -> bool:
    """Whether a process has ended; waits a little, since the kernel ends it in its own time."""
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False
