"""What a measured process gets from its parent, and what of its words may be handed around."""

import errno
import os
import sys
import time
from pathlib import Path
from unittest import mock

import psutil
import pytest
import scripted

from bench.launch import ROOT
from bench.results.folder import ReportFolder
from bench.sweep import local
from bench.sweep.local import LocalExecutor, _Ending
from bench.sweep.process import hide_folders, make_environment, read_tail, start_process
from bench.sweep.reaper import Reaper
from bench.worker.protocol import PeaksEvent


def test_backend_and_threads_are_the_cases_and_the_path_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KERAS_BACKEND", "OMP_NUM_THREADS", "PYTHONPATH"):
        monkeypatch.setenv(name, "mine")
    found = make_environment("jax", 3)
    assert (found["KERAS_BACKEND"], found["OMP_NUM_THREADS"]) == ("jax", "3")
    assert found["PYTHONPATH"] == "mine", "nothing of ours is on a path that others are looked up on"
    assert make_environment("jax", None)["OMP_NUM_THREADS"] == "mine"


@pytest.mark.parametrize("name", ["KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "PYTHONDONTWRITEBYTECODE"])
def test_what_would_make_a_process_another_one_is_not_handed_down(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    assert name not in make_environment("tensorflow", None)


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\xff" * 9000 + b"".join(b"\nline %d" % number for number in range(100)))
    assert (read_tail(log) or "").splitlines() == [f"line {number}" for number in range(75, 100)]
    assert read_tail(tmp_path / "none") is None


CHATTER = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795716341.630020   10645 port.cc:153] oneDNN custom operations are on. You may see other results
I0000 00:00:1795716341.792857   10645 cpu_feature_guard.cc:227] This TensorFlow binary is optimized to use available CPU
To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow with other compiler flags.
2026-01-02 03:04:05.678901: W tensorflow/core/common_runtime/gpu/gpu_device.cc:2342] Cannot dlopen some GPU libraries.
E0000 00:00:1795716353.907497   10645 cuda_platform.cc:52] failed call to cuInit: INTERNAL: UNKNOWN ERROR (303)
"""


def test_the_tail_ends_with_the_exception_whatever_tensorflow_logs_after_it(tmp_path: Path) -> None:
    raised = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\nValueError: no such luck\n'
    log = tmp_path / "log"
    log.write_text(CHATTER + raised + CHATTER * 20)
    assert read_tail(log) == raised.strip()
    assert CHATTER in log.read_text()


def test_what_ends_a_process_without_an_exception_stays_in_the_tail(tmp_path: Path) -> None:
    log = tmp_path / "log"
    fatal = "F0000 00:00:1795716353.907497   10645 tensor_shape.cc:52] Check failed: size >= 0\nAborted (core dumped)"
    log.write_text(f"{CHATTER}{fatal}\n{CHATTER}")
    assert read_tail(log) == fatal
    log.write_text(CHATTER)
    assert read_tail(log) == ""


def test_folders_of_this_machine_are_not_shared() -> None:
    files = [ROOT / "bench" / "cli.py", Path(sys.prefix) / "lib", Path.home() / "mine"]
    assert hide_folders(" ".join(map(str, files))) == "<aebench>/bench/cli.py <python>/lib ~/mine"


def test_a_folder_whose_name_begins_like_one_of_this_machine_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/al")
    monkeypatch.setenv("USERPROFILE", "/home/al")
    assert hide_folders("/home/alice/x /home/al/x '/home/al' in /home/al.") == "/home/alice/x ~/x '~' in ~."


def test_what_is_sent_to_a_process_that_has_ended_is_lost_whatever_the_system_calls_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = mock.Mock(write=mock.Mock(side_effect=OSError(errno.EINVAL, "Invalid argument")))  # on Windows
    with start_process((sys.executable, "-c", ""), dict(os.environ), tmp_path / "log") as child:
        with monkeypatch.context() as patch:
            patch.setattr(child._process, "stdin", refused)
            child.send(b"job\n")
        refused.write.assert_called_once()


@pytest.mark.skipif(os.name != "posix", reason="no process groups on this system")
def test_without_a_shell_a_process_still_runs_and_ends_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reaper, "_SHELL", str(tmp_path / "no-shell"))
    sleep = "import time; time.sleep(600)"
    program = (
        f"import os, subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {sleep!r}]);"
        f"os.write(int(sys.argv[-1]), b'%d\\n' % child.pid); {sleep}"
    )
    with start_process((sys.executable, "-c", program), dict(os.environ), tmp_path / "log") as child:
        started = psutil.Process(int(child.receive()))
        assert os.getpgid(child.pid) == child.pid
        child.kill()
    until = time.monotonic() + 60  # it dies of the signal in milliseconds; one that does not is a failure, not a wait
    while not has_ended(started) and time.monotonic() < until:
        time.sleep(0.01)
    assert has_ended(started)


def has_ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_group_whose_shell_was_waited_for_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with Reaper() as reaper:
        pass
    monkeypatch.setattr(os, "killpg", lambda *_: pytest.fail("the id may be somebody else's by now"), raising=False)
    reaper.kill_group()


def test_the_threads_of_a_case_reach_its_process_and_its_peaks_are_its_own(tmp_path: Path) -> None:
    executor = LocalExecutor(ReportFolder(tmp_path))
    one, free = scripted.case(threads=1), scripted.case()
    assert (executor._make_job(one, 0).threads, executor._make_job(free, 0).threads) == (1, None)
    assert executor._make_job(free, 0).measures_peaks
    peaks = PeaksEvent(gflop_per_s=1.0, gb_per_s=1.0, dispatch_s=1.0)
    executor._keep_peaks(one, peaks, _Ending("ok", None, 0))
    assert not executor._make_job(scripted.case(threads=1, repeat=1), 0).measures_peaks
    assert executor._make_job(free, 0).measures_peaks, "another number of threads has peaks of its own"


def test_a_backend_is_imported_before_its_first_case_and_once_it_may_be_out_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = tmp_path / "ran"

    def note(what: str) -> tuple[str, ...]:
        code = f"import os; open({str(ran)!r}, 'a').write({what!r} + os.environ['KERAS_BACKEND'] + chr(10))"
        return (sys.executable, "-I", "-S", "-c", code)

    monkeypatch.setattr(local, "measure_reference", lambda _threads: None)
    monkeypatch.setattr(local, "_IMPORT", note("import "))
    monkeypatch.setattr(local, "_WORKER", note("case "))
    cases = [scripted.case(backend=backend) for backend in ("tensorflow", "jax", "tensorflow")]
    executor = LocalExecutor(ReportFolder(tmp_path), command=note("case "))
    list(executor.run(cases, lambda *_: None))
    assert ran.read_text().splitlines() == [
        "import tensorflow", "case tensorflow", "import jax", "case jax", "case tensorflow",
    ]  # fmt: skip
    ran.unlink()
    monkeypatch.setattr(local, "_READ_AGAIN_S", -1.0)
    list(executor.run(cases[:1], lambda *_: None))
    assert ran.read_text().splitlines() == ["import tensorflow", "case tensorflow"]
    ran.unlink()
    list(LocalExecutor(ReportFolder(tmp_path), command=note("other ")).run(cases[:1], lambda *_: None))
    assert ran.read_text().splitlines() == ["other tensorflow"], "what is no training needs no backend"
