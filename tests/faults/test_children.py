"""What becomes of a case whose process does not behave: real processes, each a few lines of Python."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from faults.lone import FINISHED, SETUP, WELL, alone, checkpoint, child, epoch, gone, run

from bench.host import reference_kernels
from bench.plan.profile import Case
from bench.results.folder import ReportFolder
from bench.sweep import process
from bench.sweep.reaper import Reaper
from bench.worker.protocol import to_line

pytestmark = pytest.mark.usefixtures("_without_reference_kernels")


def test_a_process_that_sends_all_its_events_is_ok(tmp_path: Path, case: Case) -> None:
    outcome = run(tmp_path, case, child(*WELL))
    assert (outcome.status, outcome.error, outcome.exit_code) == ("ok", None, 0)
    assert [event.epochs for event in outcome.checkpoints] == [1, 2]


def test_a_process_that_raises_has_failed_and_its_last_words_are_kept(tmp_path: Path, case: Case) -> None:
    outcome = run(tmp_path, case, child(SETUP, epoch(1), checkpoint(1), "raise ValueError('no such luck')"))
    assert (outcome.status, outcome.exit_code) == ("failed", 1)
    assert "ValueError: no such luck" in (outcome.log_tail or "")
    assert [event.epochs for event in outcome.checkpoints] == [1], "what was measured before is kept"


def test_what_tensorflow_logs_after_an_exception_stays_in_the_log(tmp_path: Path, case: Case) -> None:
    chatter = b"E0000 00:00:1795716353.907497   10645 cuda_platform.cc:52] failed call to cuInit: UNKNOWN ERROR (303)\n"
    at_exit = f"__import__('atexit').register(os.write, 2, {chatter!r})"
    outcome = run(tmp_path, case, child(SETUP, at_exit, "raise ValueError('no such luck')"))
    assert (outcome.log_tail or "").splitlines()[-1] == "ValueError: no such luck"
    assert ReportFolder(tmp_path).locate_log(case.case_id).read_bytes().endswith(chatter)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals are POSIX's")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGABRT", "SIGTERM"])
def test_a_process_ended_by_a_signal_is_killed_and_the_signal_is_named(tmp_path: Path, case: Case, name: str) -> None:
    outcome = run(tmp_path, case, child(epoch(1), f"os.kill(os.getpid(), signal.{name})"))
    assert (outcome.status, outcome.signal, outcome.exit_code) == ("killed", name, None)


def test_a_process_that_hangs_is_ended_at_its_limit(tmp_path: Path, case: Case) -> None:
    outcome = run(tmp_path, case, child(epoch(1), checkpoint(1), "time.sleep(600)"), timeout_s=1.0)
    assert outcome.status == "timeout"
    assert "1 second" in str(outcome.error)
    assert len(outcome.checkpoints) == 1


def test_a_process_that_is_stalled_is_ended_and_what_it_reached_is_kept(tmp_path: Path, case: Case) -> None:
    outcome = run(tmp_path, case, child(SETUP, epoch(1), checkpoint(1), "time.sleep(600)"), stall_s=1.0)
    assert outcome.status == "stalled"
    assert "1 second" in str(outcome.error)
    assert (outcome.signal, len(outcome.checkpoints)) == ("SIGTERM", 1)


def test_a_process_that_sends_something_now_and_then_is_not_stalled(tmp_path: Path, case: Case) -> None:
    steps = [step for event in WELL for step in (event, "time.sleep(0.3)")]
    assert run(tmp_path, case, child(*steps), stall_s=1.5).status == "ok", "though all of it takes longer"


def test_nonsense_is_no_progress(tmp_path: Path, case: Case) -> None:
    chatter = "exec('while True: time.sleep(0.01); os.write(EVENTS, b\"still here\\\\n\")')"
    assert run(tmp_path, case, child(epoch(1), chatter), stall_s=1.0).status == "stalled"


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="signals are POSIX's")
def test_a_process_that_was_stopped_is_stalled(tmp_path: Path, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.sweep.process.GRACE_S", 0.2)
    outcome = run(tmp_path, case, child(epoch(1), "os.kill(os.getpid(), signal.SIGSTOP)"), stall_s=1.0)
    assert (outcome.status, outcome.signal) == ("stalled", "SIGKILL")


def test_a_process_that_ignores_its_end_is_killed(tmp_path: Path, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.sweep.process.GRACE_S", 0.2)
    stubborn = child("signal.signal(signal.SIGTERM, signal.SIG_IGN)", epoch(1), "time.sleep(600)")
    assert run(tmp_path, case, stubborn, timeout_s=1.0).status == "timeout"


def test_a_process_that_ends_well_without_all_its_events_is_invalid(tmp_path: Path, case: Case) -> None:
    outcome = run(tmp_path, case, child(SETUP, epoch(1), checkpoint(1), FINISHED))
    assert outcome.status == "invalid"
    assert "expected 2 epochs" in str(outcome.error)


def test_a_process_that_says_nothing_is_invalid(tmp_path: Path, case: Case) -> None:
    assert run(tmp_path, case, child()).status == "invalid"


def test_a_process_that_ends_before_it_has_its_job_is_an_outcome(
    tmp_path: Path, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = process.ChildProcess.send

    def send_late(self: process.ChildProcess, line: bytes) -> None:
        self.wait()
        real(self, line)

    monkeypatch.setattr(process.ChildProcess, "send", send_late)
    outcome = run(tmp_path, case, (sys.executable, "-I", "-S", "-c", "import os; os._exit(9)"))
    assert (outcome.status, outcome.exit_code) == ("failed", 9)


def test_a_process_that_writes_nonsense_is_invalid(tmp_path: Path, case: Case) -> None:
    outcome = run(tmp_path, case, child(*WELL[:-1], 'os.write(EVENTS, b\'{"kind": "wealth"}\\n\')', FINISHED))
    assert outcome.status == "invalid"
    assert "wealth" in str(outcome.error)


def test_a_flood_of_nonsense_does_not_fill_the_memory(tmp_path: Path, case: Case) -> None:
    flood = "[os.write(EVENTS, b'x' * 65536) for _ in range(1600)]"
    before = psutil.Process().memory_info().rss
    assert run(tmp_path, case, child(flood)).status == "invalid"
    assert psutil.Process().memory_info().rss - before < 50 << 20


def test_more_events_than_a_run_can_have_are_invalid(tmp_path: Path, case: Case) -> None:
    outcome = run(tmp_path, case, child(f"[os.write(EVENTS, {to_line(epoch(1))!r}) for _ in range(5000)]"))
    assert outcome.status == "invalid"
    assert "more than" in str(outcome.error)
    assert len(outcome.epochs) < 100


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_times_that_are_no_numbers_are_nonsense(tmp_path: Path, case: Case, number: str) -> None:
    line = to_line(epoch(2)).replace(b'"train_s": ' + str(epoch(2).train_s).encode(), f'"train_s": {number}'.encode())
    assert number.encode() in line
    steps = [f"os.write(EVENTS, {line!r})" if event == epoch(2) else event for event in WELL]
    outcome = run(tmp_path, case, child(*steps))
    assert outcome.status == "invalid"
    assert [event.epoch for event in outcome.epochs] == [1]


def test_a_log_without_end_does_not_fill_the_disk(tmp_path: Path, case: Case) -> None:
    flood = "[(os.write(2, b'x' * 65535 + b'\\n'), time.sleep(0.001)) for _ in range(1200)]"
    outcome = run(tmp_path, case, child(flood, "print('last words', file=sys.stderr)", "sys.exit(7)"))
    assert (outcome.status, outcome.exit_code) == ("failed", 7)
    assert (outcome.log_tail or "").endswith("last words")
    assert ReportFolder(tmp_path).locate_log(case.case_id).stat().st_size < 17 << 20


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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are POSIX's")
@pytest.mark.parametrize(("last", "status"), [("sys.exit(0)", "ok"), ("os.kill(os.getpid(), 9)", "killed")])
def test_nobody_waits_for_a_grandchild_that_holds_the_line_of_a_dead_process(
    tmp_path: Path, case: Case, last: str, status: str
) -> None:
    outcome = run(tmp_path, case, child(*WELL, "if os.fork() == 0: time.sleep(600)", last))
    assert outcome.status == status


DAEMON = "if pid == 0: os.setsid(); time.sleep(600)"
ORPHAN = "if pid == 0: time.sleep(600)"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are POSIX's")
@pytest.mark.parametrize(
    ("shell", "left", "last", "status"),
    [
        ("/bin/sh", DAEMON, "sys.exit(0)", "ok"),
        ("/bin/sh", DAEMON, "time.sleep(600)", "timeout"),
        ("no-shell", ORPHAN, "sys.exit(0)", "ok"),
    ],
)
def test_nobody_waits_for_what_cannot_be_killed(
    tmp_path: Path, case: Case, monkeypatch: pytest.MonkeyPatch, shell: str, left: str, last: str, status: str
) -> None:
    monkeypatch.setattr(Reaper, "_SHELL", shell)
    note = tmp_path / "left"
    keep = f"open({str(note)!r}, 'w').write(str(pid))"
    try:
        outcome = run(tmp_path, case, child(*WELL, "pid = os.fork()", left, keep, last), timeout_s=5.0)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(note.read_text()), signal.SIGKILL)
    assert (outcome.status, len(outcome.epochs)) == (status, 2)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="process groups are POSIX's")
@pytest.mark.parametrize("last", ["sys.exit(0)", "if os.fork() == 0: time.sleep(600)", "time.sleep(600)"])
def test_a_group_is_killed_only_while_its_id_cannot_be_given_to_others(
    tmp_path: Path, case: Case, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    taken = []
    real = os.killpg

    def killpg(group: int, number: int) -> None:
        taken.append(psutil.pid_exists(group))  # also of one that has ended and was not waited for
        real(group, number)

    monkeypatch.setattr(os, "killpg", killpg)
    run(tmp_path, case, child(*WELL, last), stall_s=1.0)
    assert taken
    assert all(taken)


# ----------------------------------------------------------------- what the parent adds


def test_what_the_parent_saw_is_in_the_outcome(tmp_path: Path, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.sweep.memory_sampler.INTERVAL_S", 0.005)
    monkeypatch.setattr("bench.sweep.local.measure_reference", reference_kernels.measure_reference)
    block = "x = bytearray(b'1') * (64 << 20)"
    outcome = run(tmp_path, case, child(*WELL[:-1], block, "time.sleep(1)", FINISHED))
    assert outcome.reference_before is not None
    assert outcome.reference_after is not None
    assert outcome.reference_before.gflop_per_s > 0
    assert outcome.reference_after.gb_per_s > 0
    assert outcome.noise is not None
    assert outcome.noise.seconds >= outcome.duration_s, "the indicators stand around the process"
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

    monkeypatch.setattr("bench.sweep.local.measure_reference", look)
    before = len(psutil.Process().children())
    assert run(tmp_path, case, child(*WELL)).status == "ok"
    assert alive == [before, before]


def test_a_command_that_is_not_there_has_no_timeline(tmp_path: Path, case: Case) -> None:
    outcome = run(tmp_path, case, (str(tmp_path / "no-such-python"),))
    assert outcome.timeline is None
    assert outcome.noise is not None


# ----------------------------------------------------------------------- the parent ends


PATIENT = "from bench.worker.channel import Channel; Channel().receive_job(); {note}; time.sleep(600)"
"""A process as the harness starts them."""
HUNG = "{note}; ctypes.PyDLL(None).sleep(600)"
"""Waits in native code that keeps the interpreter's lock: none of its threads gets to see that the parent is gone."""
STOPPED = "{note}; os.kill(os.getpid(), signal.SIGSTOP)"
DEAF = "signal.signal(signal.SIGHUP, signal.SIG_IGN); {note}; os.kill(os.getpid(), signal.SIGSTOP); time.sleep(600)"
"""The kernel sends SIGHUP and SIGCONT to a group with a stopped process when nobody is left to continue it."""
WITH_CHILD = "os.fork(); {note}; time.sleep(600)"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals are POSIX's")
@pytest.mark.parametrize(
    "behaviour", [PATIENT, HUNG, STOPPED, DEAF, WITH_CHILD], ids=["patient", "hung", "stopped", "deaf", "forked"]
)
def test_the_parents_death_ends_the_process(tmp_path: Path, case: Case, behaviour: str) -> None:
    note = "open(os.path.join({folder!r}, str(os.getpid())), 'w').close()".format(folder=str(tmp_path / "notes"))
    (tmp_path / "notes").mkdir()
    program = "import ctypes, os, signal, time; " + behaviour.format(note=note)
    command = alone(tmp_path, case, (sys.executable, "-c", program))
    expected = 2 if behaviour is WITH_CHILD else 1
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as parent:
        try:
            end = time.monotonic() + 60
            while len(list((tmp_path / "notes").iterdir())) < expected:
                assert parent.poll() is None, "the parent ended early"
                assert time.monotonic() < end, "the process did not begin"
                time.sleep(0.02)
            pids = [int(path.name) for path in (tmp_path / "notes").iterdir()]
            assert all(map(psutil.pid_exists, pids))
        finally:
            parent.kill()
    assert all(map(gone, pids))
