"""Our `bench` and `models` are the ones that run, beside whatever else bears their names."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import scripted

from bench.errors import ExitCode
from bench.launch import ROOT
from bench.sweep.process import make_environment, start_command

PROBE = """
import json, os, pathlib, sys
import bench, models, models.contract
facts = {"bench": bench.__file__, "models": models.__file__, "path": sys.path, "arguments": sys.argv[1:]}
pathlib.Path(os.environ["PROBED"]).write_text(json.dumps(facts))
sys.exit("probed")
"""
SCRIPT = Path(sysconfig.get_path("scripts"), "aebench")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Somebody's project, whose packages of our names do not survive their import; so in its folder of sources.

    Its `keras` notes what the process that imports it has for `bench` and `models`, and ends it.
    """
    for folder in (tmp_path / "project", tmp_path / "project" / "src"):
        for name in ("bench", "models"):
            (folder / name).mkdir(parents=True)
            (folder / name / "__init__.py").write_text(f"raise RuntimeError('imported {folder / name}')\n")
    sources = tmp_path / "project" / "src"
    (sources / "tensorflow").mkdir()
    (sources / "tensorflow" / "__init__.py").touch()
    for name in ("keras.py", "probe.py"):
        (sources / name).write_text(PROBE)
    return tmp_path / "project"


def environment(project: Path) -> dict[str, str]:
    """Nothing of this process' own path, which may have a checkout on it."""
    return {**os.environ, "PYTHONPATH": str(project / "src"), "PROBED": str(project / "probed.json")}


def probed(project: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project / "probed.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize(
    ("command", "checkout"),
    [
        ((str(SCRIPT),), False),
        ((sys.executable, "-m", "aebench"), False),
        ((sys.executable, "-m", "aebench"), True),
        ((sys.executable, "-m", "bench"), True),
    ],
    ids=["aebench", "python -m aebench", "python -m aebench in a checkout", "python -m bench in a checkout"],
)
def test_a_sweep_and_its_worker_run_our_code(project: Path, command: tuple[str, ...], checkout: bool) -> None:
    out = project / "report"
    words = ("run", "--models", "basic", "--epochs", "1", "--backends", "tensorflow", "--threads", "1", "--out", out)
    ended = subprocess.run(
        [*command, *words],
        cwd=ROOT if checkout else project,
        env=environment(project),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == ExitCode.FAILED, ended.stderr
    assert "imported" not in ended.stderr
    worker = probed(project)
    assert worker["bench"] == str(ROOT / "bench" / "__init__.py")
    assert worker["models"] == str(ROOT / "models" / "__init__.py")
    assert "probed" in next((out / "logs").iterdir()).read_text(encoding="utf-8")


def test_the_path_of_a_worker_is_the_users(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(project).items():
        monkeypatch.setenv(name, value)
    command = start_command("probe")
    subprocess.run([*command, "a", "b"], cwd=project, env=make_environment("jax", 1), check=False, capture_output=True)
    worker = probed(project)
    assert worker["arguments"] == ["a", "b"]
    bare = (sys.executable, "-P", "-c", "import json, sys; print(json.dumps(sys.path))")
    ended = subprocess.run(bare, cwd=project, env=environment(project), check=True, capture_output=True)
    assert worker["path"] == json.loads(ended.stdout)


def test_each_side_of_a_paired_run_runs_its_own_code(project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for name in ("bench", "models"):
        shutil.copytree(ROOT / name, other / name, ignore=shutil.ignore_patterns("__pycache__"))
    for root in (other, ROOT):
        command = start_command("probe", root)
        subprocess.run(command, cwd=project, env=environment(project), check=False, capture_output=True)
        assert probed(project)["bench"] == str(root / "bench" / "__init__.py")
        assert probed(project)["models"] == str(root / "models" / "__init__.py")


def test_packages_of_our_names_that_were_imported_before_make_room_and_ours_stay(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    for name in ("__init__.py", "contract.py"):
        (tmp_path / "models" / name).touch()
    (tmp_path / "bench").mkdir()  # a folder without __init__.py is a package too
    program = f"""
import runpy, sys
import bench, models.contract
theirs = models
launch = runpy.run_path({str(ROOT / "bench" / "launch.py")!r})
launch["pin"]()
import bench, models
assert models is not theirs and "models.contract" not in sys.modules
assert bench.__version__
ours = bench, models
launch["pin"]()
import bench, models
assert (bench, models) == ours
import models.contract
assert models.contract.Settings
"""
    command = (sys.executable, "-c", program)
    path = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(command, cwd=tmp_path, env=path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def call_beside_others(folder: Path, program: str) -> None:
    """Run a program in the folder of a project with a `bench` and a `models` of its own, and a report."""
    for name in ("bench", "models"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("whose = 'theirs'\n")
        (folder / name / "errors.py").write_text("whose = 'theirs'\n")
    scripted.written_report(folder / "report", [scripted.outcome()])
    command = (sys.executable, "-c", program)
    path = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    ended = subprocess.run(command, cwd=folder, env=path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_importing_aebench_imports_nothing_else(tmp_path: Path) -> None:
    program = """
import sys
import aebench
assert not {"bench", "models", "pandas", "numpy", "pydantic", "rich"} & sys.modules.keys()
aebench.load("report")
assert "pandas" in sys.modules
assert not {"keras", "tensorflow", "matplotlib"} & sys.modules.keys()
"""
    call_beside_others(tmp_path, program)


def test_a_notebook_keeps_its_own_packages_of_our_names(tmp_path: Path) -> None:
    program = """
import sys
import aebench
import bench.errors, models
theirs = bench, bench.errors, models
assert len(aebench.load("report").cases) == 1
import bench.errors, models
assert (bench, bench.errors, models) == theirs
assert bench.errors.whose == "theirs"
assert {name for name in sys.modules if name.startswith("bench.")} == {"bench.errors"}
"""
    call_beside_others(tmp_path, program)


def test_a_notebook_can_import_its_own_packages_of_our_names_later(tmp_path: Path) -> None:
    program = """
import aebench
try:
    aebench.load("absent")
except aebench.InvalidInput as error:
    refused = error
report = aebench.load("report")
import bench.errors, models.errors
assert bench.errors.whose == models.errors.whose == "theirs"
again = aebench.load("report")
assert again.cases.equals(report.cases)
"""
    call_beside_others(tmp_path, program)


def test_threads_may_load_at_once(tmp_path: Path) -> None:
    program = """
import sys
from concurrent.futures import ThreadPoolExecutor
import aebench
with ThreadPoolExecutor(4) as pool:
    assert [len(report.cases) for report in pool.map(aebench.load, ["report"] * 8)] == [1] * 8
assert not {"bench", "models"} & sys.modules.keys()
import models
assert models.whose == "theirs"
"""
    call_beside_others(tmp_path, program)
