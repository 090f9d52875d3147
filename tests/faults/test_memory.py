"""What becomes of a case whose process wants more memory than there is, and of one that was killed by somebody."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults.lone import SETUP, alone, checkpoint, child, epoch, run

from bench.plan.profile import Case
from bench.worker.protocol import Event, FailureEvent

pytestmark = pytest.mark.usefixtures("_without_reference_kernels")


def count_kills(monkeypatch: pytest.MonkeyPatch, *counts: int | None) -> None:
    """What the kernel's count of processes killed for memory says, at one look after the other."""
    looks = iter(counts)
    monkeypatch.setattr("bench.sweep.local.count_oom_kills", lambda: next(looks))


SHOT = child(SETUP, epoch(1), checkpoint(1), "os.kill(os.getpid(), signal.SIGKILL)")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals are POSIX's")
def test_a_process_killed_while_the_kernels_count_rises_ran_out_of_memory(
    tmp_path: Path, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_kills(monkeypatch, 4, 5)
    outcome = run(tmp_path, case, SHOT)
    assert (outcome.status, outcome.signal, outcome.exit_code) == ("oom", "SIGKILL", None)
    assert "memory" in str(outcome.error)
    assert len(outcome.checkpoints) == 1, "what was measured before is kept"


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
    outcome = run(tmp_path, case, child(SETUP, epoch(1), checkpoint(1), limit, "x = bytearray(1 << 30)"))
    assert (outcome.status, outcome.exit_code, outcome.signal) == ("failed", 1, None)
    assert (outcome.log_tail or "").splitlines()[-1] == "MemoryError"
    assert len(outcome.checkpoints) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold RLIMIT_AS")
@pytest.mark.parametrize(
    ("last", "status", "why"),
    [
        ("os.abort()", "killed", "ended by SIGABRT"),
        ("sys.exit('pthread_create failed')", "failed", "ended with exit code 1"),
        (FailureEvent(error="SystemError: no more"), "failed", "SystemError: no more"),
    ],
)
def test_a_process_that_ends_below_a_limit_of_its_memory_names_the_limit(
    tmp_path: Path, case: Case, last: Event | str, status: str, why: str
) -> None:
    limited = ("sh", "-c", 'ulimit -v 4096000 && exec "$@"', "sh", *alone(tmp_path, case, child(SETUP, last)))
    ended = subprocess.run(limited, capture_output=True, check=True, text=True, timeout=60)
    assert ended.stdout.splitlines() == [
        status,
        f"{why}; it may map 4,000 MiB of memory at most (`ulimit -v`), which may be the reason",
    ]


@contextmanager
def limited_group(mib: int) -> Iterator[tuple[str, ...]]:
    """The head of a command that runs in a group with so much memory; skips the test where none can be made."""
    scope = ("systemd-run", "--scope", "--quiet", "--collect", *(("--user",) if os.geteuid() else ()))
    scope = (*scope, "-p", f"MemoryMax={mib}M", "-p", "MemorySwapMax=0")
    try:
        subprocess.run((*scope, "true"), check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        group = Path(f"/sys/fs/cgroup/memory/aebench-faults-{os.getpid()}")  # the first version's
        try:
            group.mkdir()
        except OSError as error:
            pytest.skip(f"no group with a memory limit can be made here: {error}")
        try:
            (group / "memory.limit_in_bytes").write_text(str(mib << 20))
            yield ("sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group / "cgroup.procs"))
        finally:
            group.rmdir()
    else:
        yield scope


@pytest.mark.skipif(sys.platform != "linux", reason="cgroups are Linux's")
def test_a_process_beyond_the_memory_limit_of_its_group_is_ended_by_the_kernel(tmp_path: Path, case: Case) -> None:
    greedy = child(SETUP, epoch(1), "x = b'1' * (1 << 30)", "time.sleep(600)")
    with limited_group(512) as head:
        command = (*head, *alone(tmp_path, case, greedy))
        ended = subprocess.run(command, capture_output=True, check=True, timeout=120)
    assert ended.stdout.splitlines()[0] == b"oom"
