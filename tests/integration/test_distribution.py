"""The wheel and the sdist, built and installed as a user gets them, at work in another folder."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

import bench
from bench.launch import ROOT

BACKPORTS = ("pathlib.py", "dataclasses.py", "enum.py")
"""As old packages of these names put into site-packages, unfit for today's Python."""


def call(command: Sequence[str | Path], folder: Path, **environ: str) -> str:
    """What a program writes; it has to end well."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run(
        command, cwd=folder, env={**inherited, **environ}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def build(root: Path, kind: str, into: Path) -> Path:
    call((sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", into), root)
    (built,) = into.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


def contents(wheel: Path) -> dict[str, int]:
    """The files of a wheel with their checksums."""
    with zipfile.ZipFile(wheel) as opened:
        return {each.filename: each.CRC for each in opened.infolist()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of an environment with the wheel in it.

    The packages that the wheel needs are this environment's, by a path file: nothing is downloaded.
    """
    place = tmp_path_factory.mktemp("installed") / "venv"
    call((sys.executable, "-m", "venv", place), place.parent)
    programs = place / ("Scripts" if os.name == "nt" else "bin")
    call((programs / "python", "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel), place)
    site = call((programs / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"), place)
    packages = Path(site.strip())
    others = [path for path in sys.path if Path(path).name in {"site-packages", "dist-packages"}]
    (packages / "others.pth").write_text("\n".join(others), encoding="utf-8")
    for name in BACKPORTS:
        (packages / name).write_text("raise RuntimeError('a backport')", encoding="utf-8")
    assert not {"bench", "models"} & {path.name for path in packages.iterdir()}
    return programs


def test_only_aebench_comes_into_site_packages(wheel: Path) -> None:
    assert {name.partition("/")[0] for name in contents(wheel)} == {
        "aebench",
        f"aebench-{bench.__version__}.dist-info",
    }


def test_the_wheel_has_every_file_of_the_packages(wheel: Path) -> None:
    found = [path for name in ("bench", "models") for path in (ROOT / name).rglob("*") if path.is_file()]
    needed = {f"aebench/{path.relative_to(ROOT).as_posix()}" for path in found if path.parent.name != "__pycache__"}
    assert needed <= contents(wheel).keys()
    assert "aebench/bench/plan/profiles/quick.toml" in needed
    tables = ("results/bands.csv", "results/reference_bands.csv", "plan/references.csv")
    assert {f"aebench/bench/{table}" for table in tables} <= needed
    assert "aebench/py.typed" in contents(wheel)


def test_the_sdist_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(build(ROOT, "sdist", tmp_path)) as archive:
        archive.extractall(tmp_path, filter="data")
    root = tmp_path / f"aebench-{bench.__version__}"
    assert contents(build(root, "wheel", tmp_path / "again")) == contents(wheel)
    assert (root / "noxfile.py").exists()
    assert (root / "tests" / "unit").is_dir()


def test_an_installed_wheel_sweeps_reports_and_compares_in_another_folder(scripts: Path, tmp_path: Path) -> None:
    for name in ("bench", "models"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('of another project')", encoding="utf-8")

    def aebench(*words: str) -> str:
        return call((scripts / "aebench", *words), tmp_path, PYTHONPATH=str(tmp_path))

    assert "variational" in aebench("models")
    case = ("--models", "basic", "--epochs", "1", "--batch-sizes", "512", "--threads", "1")
    aebench("run", *case, "--offline", "--out", "first")
    assert "basic" in (tmp_path / "first" / "results.csv").read_text(encoding="utf-8")
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    (tmp_path / "second" / "report.html").unlink()
    call((scripts / "python", "-m", "aebench", "report", "second"), tmp_path, PYTHONPATH=str(tmp_path))
    assert (tmp_path / "second" / "report.html").exists()
    aebench("compare", "first", "second", "--out", "comparison")
    assert (tmp_path / "comparison" / "comparison.html").exists()
    program = """
import aebench
report, comparison = aebench.load("first"), aebench.compare(["first", "second"])
print(*report.cases["model"], len(report.epochs), len(comparison.machines))
"""
    assert call((scripts / "python", "-c", program), tmp_path, PYTHONPATH=str(tmp_path)) == "basic 1 2\n"
