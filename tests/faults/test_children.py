"""What becomes of a case whose process does not behave: real processes, each a few lines of Python."""

import os
import signal
import subprocess
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


# ------------------------------------------------------------------------- memory


def count_kills(monkeypatch: pytest.MonkeyPatch, *counts: int | None) -> None:
    """What the kernel's count of processes killed for memory says, at one look after the other."""
    looks = iter(counts)
    monkeypatch.setattr("bench.executors.local.oom_kills", lambda: next(looks))


SHOT = child(SETUP, epoch(1), mark(1), "os.kill(os.getpid(), signal.SIGKILL)")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals are POSIX's")
def test_a_process_killed_while_the_kernels_count_rises_ran_out_of_memory(
    tmp_path: Path, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_kills(monkeypatch, 4, 5)
    outcome = run(tmp_path, case, SHOT)
    assert (outcome.status, outcome.signal, outcome.exit_code) == ("oom", "SIGKILL", None)
    assert "memory" in str(outcome.error)
    assert len(outcome.marks) == 1, "what was measured before is kept"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals are POSIX's")
@pytest.mark.parametrize("counts", [(4, 4), (None, None), (None, 5), (4, None)])
def test_a_process_killed_while_the_kernels_count_stands_was_killed_by_somebody(
    tmp_path: Path, case: Case, monkeypatch: pytest.MonkeyPatch, counts: tuple[int | None, int | None]
) -> None:
    count_kills(monkeypatch, *counts)
    outcome = run(tmp_path, case, SHOT)
    assert (outcome.status, outcome.signal) == ("killed", "SIGKILL")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals are POSIX's")
@pytest.mark.parametrize(
    ("last", "status"),
    [("os.kill(os.getpid(), signal.SIGTERM)", "killed"), ("sys.exit(3)", "failed"), ("pass", "invalid")],
)
def test_only_a_killed_process_can_be_the_one_that_the_kernel_counted(
    tmp_path: Path, case: Case, monkeypatch: pytest.MonkeyPatch, last: str, status: str
) -> None:
    count_kills(monkeypatch, 4, 5)
    assert run(tmp_path, case, child(epoch(1), last)).status == status


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold RLIMIT_AS")
def test_a_process_at_its_own_memory_limit_has_failed_and_says_so(tmp_path: Path, case: Case) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (256 << 20, 256 << 20))"
    outcome = run(tmp_path, case, child(SETUP, epoch(1), mark(1), limit, "x = bytearray(1 << 30)"))
    assert (outcome.status, outcome.exit_code, outcome.signal) == ("failed", 1, None)
    assert (outcome.log_tail or "").splitlines()[-1] == "MemoryError"
    assert len(outcome.marks) == 1


ALONE = """\
import sys
from pathlib import Path
from bench.executors.local import LocalExecutor
from bench.folder import ReportFolder
from bench.spec import Case

folder, case, *command = sys.argv[1:]
executor = LocalExecutor(ReportFolder(Path(folder)), command=tuple(command))
for outcome in executor.outcomes([Case.model_validate_json(case)], lambda *_: None):
    print(outcome.status)
"""
"""A parent of its own: it runs one case with a given command, and prints how that ended."""


def alone(tmp_path: Path, case: Case, command: tuple[str, ...]) -> tuple[str, ...]:
    return (sys.executable, "-c", ALONE, str(tmp_path), case.model_dump_json(), *command)


@pytest.mark.skipif(sys.platform != "linux", reason="cgroups are Linux's")
def test_a_process_beyond_the_memory_limit_of_its_group_is_ended_by_the_kernel(tmp_path: Path, case: Case) -> None:
    scope = ("systemd-run", "--scope", "--quiet", "--collect", *(("--user",) if os.geteuid() else ()))
    limited = (*scope, "-p", "MemoryMax=512M", "-p", "MemorySwapMax=0")
    try:
        subprocess.run((*limited, "true"), check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"no group with a memory limit can be made here: {error}")
    greedy = child(SETUP, epoch(1), "x = b'1' * (1 << 30)", "time.sleep(600)")
    ended = subprocess.run((*limited, *alone(tmp_path, case, greedy)), capture_output=True, check=True, timeout=120)
    assert ended.stdout.split() == [b"oom"]


# ----------------------------------------------------------------- what the parent adds


def test_what_the_parent_saw_is_in_the_outcome(tmp_path: Path, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.executors.follower.INTERVAL_S", 0.005)
    block = "x = bytearray(b'1') * (64 << 20)"
    outcome = run(tmp_path, case, child(*WELL[:-1], block, "time.sleep(1)", FINISHED))
    assert outcome.reference_before is not None
    assert outcome.reference_after is not None
    assert outcome.reference_before.gflop_per_s > 0
    assert outcome.reference_after.gb_per_s > 0
    assert outcome.noise is not None
    assert outcome.noise.seconds >= outcome.duration_s, "the witnesses stand around the process"
    assert outcome.parent_cpu_s is not None
    assert outcome.parent_cpu_s > 0
    assert outcome.timeline is not None
    assert outcome.timeline.interval_s >= 0.005
    assert max(mib for _, mib in outcome.timeline.samples) > 64
    assert all(0 < at <= outcome.duration_s for at, _ in outcome.timeline.samples)


def test_the_reference_kernels_run_before_and_after_the_process_never_beside_it(
    tmp_path: Path, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[int] = []

    def look(threads: int | None) -> None:
        alive.append(len(psutil.Process().children()))

    monkeypatch.setattr("bench.executors.local.reference", look)
    before = len(psutil.Process().children())
    assert run(tmp_path, case, child(*WELL)).status == "ok"
    assert alive == [before, before]


def test_a_command_that_is_not_there_has_no_timeline(tmp_path: Path, case: Case) -> None:
    outcome = run(tmp_path, case, (str(tmp_path / "no-such-python"),))
    assert outcome.timeline is None
    assert outcome.noise is not None


# ----------------------------------------------------------------------- the parent ends


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals are POSIX's")
def test_the_parents_death_ends_the_process(tmp_path: Path, case: Case) -> None:
    note = tmp_path / "child"
    patient = [
        "import os, time",
        "from bench.child.channel import Channel",
        "Channel().receive_job()",
        f"open({str(tmp_path / 'draft')!r}, 'w').write(str(os.getpid()))",
        f"os.rename({str(tmp_path / 'draft')!r}, {str(note)!r})",
        "time.sleep(600)",
    ]
    command = alone(tmp_path, case, (sys.executable, "-c", "\n".join(patient)))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as parent:
        try:
            end = time.monotonic() + 60
            while not note.exists():
                assert parent.poll() is None, "the parent ended early"
                assert time.monotonic() < end, "the process did not begin"
                time.sleep(0.02)
            pid = int(note.read_text())
            assert psutil.pid_exists(pid)
        finally:
            parent.kill()
    assert gone(pid)
