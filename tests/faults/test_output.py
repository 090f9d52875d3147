"""Standard streams that are closed, full or without a reader: the report is written, the exit code is the command's."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from faults import stage

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="redirections of a POSIX shell")
HAS_FULL = Path("/dev/full").exists()
"""Linux' device that is always full."""


def run(place: Path, redirection: str, *arguments: str) -> tuple[int, str]:
    """Run a scripted sweep by a shell; the exit code, and what went to a standard error that was not redirected."""
    request = {"arguments": arguments, "pace": 0, "acknowledged": str(place / "acknowledged")}
    play = f"import json; from faults.sweeper import play; play(json.loads({json.dumps(request)!r}))"
    command = shlex.join((sys.executable, "-c", play))
    shell = f"{{ {command}; echo $? >code; }} {redirection}"
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([str(stage.ROOT), str(stage.ROOT / "tests")])}
    done = subprocess.run(
        ("sh", "-c", shell), cwd=place, env=environ, capture_output=True, text=True, check=False, timeout=stage.LIMIT_S
    )
    assert "Traceback" not in done.stderr
    return int((place / "code").read_text()), done.stderr


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&- >&- 2>&-", "1</dev/null", "2>&1 | head -n 1"])
def test_a_sweep_that_nobody_hears_writes_its_report(tmp_path: Path, redirection: str) -> None:
    code, said = run(tmp_path, redirection, "run", *stage.SWEEP, "--out", "report")
    assert (code, said) == (0, "")
    stage.check_complete(tmp_path / "report")


@pytest.mark.skipif(not HAS_FULL, reason="Linux' device that is always full")
def test_a_sweep_whose_output_is_refused_writes_its_report_and_says_so(tmp_path: Path) -> None:
    code, said = run(tmp_path, ">/dev/full", "run", *stage.SWEEP, "--out", "report")
    assert code == 3
    assert "aebench: what was printed is not whole: No space left on device." in said
    stage.check_complete(tmp_path / "report")


@pytest.mark.parametrize(
    ("redirection", "arguments"),
    [(">&-", ("report", "none")), ("2>&-", ("run", "--models", "basci")), ("2>/dev/full", ("run", "--no-such-flag"))],
)
def test_bad_input_stays_bad_input(tmp_path: Path, redirection: str, arguments: tuple[str, ...]) -> None:
    if redirection.endswith("/dev/full") and not HAS_FULL:
        pytest.skip("Linux' device that is always full")
    assert run(tmp_path, redirection, *arguments)[0] == 2
