"""A user id without an entry in passwd and without HOME, as OpenShift gives one: nothing asks for a home in vain."""

import json
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from faults import stage

NOBODY = 54321
SETPRIV = (
    *("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"),
    # so that an interpreter in a folder of root's can be read; nothing more can be written
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--"),
)
FAILING = """
import functools, sys
from bench.sweep import local, run
command = (sys.executable, "-c", "raise ValueError('scripted')")
run.LocalExecutor = functools.partial(local.LocalExecutor, command=command)
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder that only the user nobody knows may write to."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root on Linux, with setpriv, can become another user")
    with pytest.raises(KeyError):
        pwd.getpwuid(NOBODY)
    folder = tmp_path / "nobodys"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    if subprocess.run((*SETPRIV, "mkdir", str(folder / "try")), check=False, capture_output=True).returncode:
        pytest.skip("the folder of the tests is out of another user's reach")
    (folder / "try").rmdir()
    return folder


def start(place: Path, *words: str, **options: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(stage.ROOT), str(stage.ROOT / "tests")])}
    return subprocess.run(
        (*SETPRIV, sys.executable, *words),
        env=environ | options,
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", ["datasets", "machine", "models", "run --plan"])
def test_a_command_needs_no_home(place: Path, command: str) -> None:
    done = start(place, "-m", "aebench", *command.split())
    assert (done.returncode, done.stderr) == (0, "")
    assert list(place.iterdir()) == [], "no folder named ~"


def test_data_that_are_nowhere_are_missed_in_one_message(place: Path) -> None:
    done = start(place, "-m", "aebench", "run", "--dataset", "mnist", "--offline", "--out", "report")
    assert done.returncode == 2
    assert "no data for mnist. Looked at:" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_case_that_fails_costs_one_case_and_the_report_is_written(place: Path) -> None:
    report = place / "report"
    request = {
        "arguments": ["run", *stage.SWEEP, "--out", str(report)], "pace": 0, "before": FAILING,
        "acknowledged": str(place / "acknowledged"), "output": str(place / "output"),
    }  # fmt: skip
    server = f"import io, sys; sys.stdin = io.StringIO({json.dumps(request) + chr(10)!r}); "
    done = start(place, "-c", f"{server}from faults.sweeper import main; main()")
    said = (place / "output").read_text()
    assert done.stdout.split()[-1:] == ["3"], said + done.stderr
    assert "Traceback" not in said.replace('Traceback (most recent call last):\n  File "<string>"', "")
    assert said.count("ValueError: scripted") >= 3
    assert json.loads((report / "status.json").read_text())["cases"] == {"planned": 3, "not_run": 0, "failed": 3}
    assert (report / "report.html").is_file()


def test_matplotlib_and_the_like_find_a_home_and_a_name(place: Path) -> None:
    script = """
import getpass, pathlib
from bench.host.home import provide_home
provide_home()
import matplotlib, platformdirs, pooch
matplotlib.get_configdir(), platformdirs.user_cache_path("x"), pooch.os_cache("x")
print(pathlib.Path.home(), getpass.getuser())
"""
    done = start(place, "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == ["/", "nobody"]


def test_who_has_a_home_keeps_it(place: Path) -> None:
    script = "from bench.host.home import provide_home; provide_home(); import os; print(os.environ['HOME'])"
    assert start(place, "-c", script, HOME=str(place)).stdout.strip() == str(place)
