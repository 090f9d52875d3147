"""Which extras `nox -s bench` installs, and what paths mean."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
Choice = Callable[[Sequence[str]], tuple[str, ...]]


@pytest.fixture
def wanted(noxfile: ModuleType) -> Choice:
    choice: Choice = noxfile.wanted_backends
    return choice


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("arguments", [[], ["--profile", "ci"], ["--profile=full"], ["--models", "basic,deep"]])
def test_tensorflow_is_the_default(wanted: Choice, arguments: list[str]) -> None:
    assert wanted(arguments) == ("tensorflow",)


@pytest.mark.parametrize(
    ("arguments", "backends"),
    [
        (["--backends", "jax"], ("jax",)),
        (["--backends=torch"], ("torch",)),
        (["--models", "basic", "--backends", " torch , jax", "--seed", "1"], ("jax", "torch")),
        (["--backends", "jax", "--backends=torch"], ("torch",)),
        (["--backends=jax", "--backends", "tensorflow,jax"], ("jax", "tensorflow")),
        (["--backends", "theano"], ()),
        (["--backends"], ("tensorflow",)),
    ],
)
def test_the_last_flag_names_the_backends(wanted: Choice, arguments: list[str], backends: tuple[str, ...]) -> None:
    assert wanted(arguments) == backends


def test_a_profiles_file_names_the_backends_that_no_flag_does(wanted: Choice, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('backends = ["jax", "torch"]\nepochs = [1]\n')
    assert wanted(["--profile", str(file)]) == ("jax", "torch")
    assert wanted([f"--profile={file}", "--backends", "tensorflow"]) == ("tensorflow",)
    file.write_text("epochs = [1]\n")
    assert wanted(["--profile", str(file)]) == ("tensorflow",)


@pytest.mark.parametrize("text", ["epochs = [", "backends = 3", "\xff"])
def test_nothing_is_installed_for_a_profile_that_will_be_refused(wanted: Choice, tmp_path: Path, text: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(text.encode("latin-1"))
    assert wanted(["--profile", str(file)]) == ()
    assert wanted(["--profile", str(tmp_path / "missing.toml")]) == ()
    assert wanted(["--profile", "nonsense"]) == ()


def test_a_sweep_that_is_resumed_keeps_its_backends(wanted: Choice, tmp_path: Path) -> None:
    header = {"kind": "header", "profile": {"name": "quick", "backends": ["jax"]}}
    (tmp_path / "journal.jsonl").write_text(json.dumps(header) + "\n{torn")
    assert wanted(["--resume", "--out", str(tmp_path)]) == ("jax",)
    assert wanted(["--resume", "--out", str(tmp_path), "--backends", "torch"]) == ("torch",)
    assert wanted(["--out", str(tmp_path)]) == ("tensorflow",)
    assert wanted(["--resume", "--out", str(tmp_path / "missing")]) == ()


@pytest.mark.parametrize("arguments", [["--plan"], ["--backends", "torch", "--plan"], ["--help"], ["-h"]])
def test_a_plan_needs_no_backend(wanted: Choice, arguments: list[str]) -> None:
    assert wanted(arguments) == ()


def test_what_is_not_installed_yet_is_announced_with_its_size(noxfile: ModuleType, tmp_path: Path) -> None:
    said: list[str] = []
    session = SimpleNamespace(virtualenv=SimpleNamespace(location=str(tmp_path)), log=said.append)
    packages = tmp_path / "lib" / "python3.12" / "site-packages"
    packages.mkdir(parents=True)
    noxfile.announce(session, ("tensorflow",))
    (packages / "keras").mkdir()
    noxfile.announce(session, ("tensorflow", "jax"))
    (packages / "tensorflow").mkdir()
    noxfile.announce(session, ("tensorflow",))
    noxfile.announce(SimpleNamespace(virtualenv=SimpleNamespace(), log=said.append), ("tensorflow",))
    first, second = said
    assert "aebench with Keras" in first
    assert "TensorFlow, 0.6 GB to download and 2 GB on the disk" in first
    assert "Keras" not in second
    assert "JAX" in second


def test_every_backend_has_a_size(noxfile: ModuleType) -> None:
    assert set(noxfile.SIZES) > noxfile.EXTRAS.keys() - {"gpu", "fleet"}


def nox(elsewhere: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the real nox from another folder; `aebench` and `pytest` are stand-ins that say where they are."""
    tools = elsewhere.parent / "tools"
    tools.mkdir()
    for name in ("aebench", "pytest"):
        (tools / name).write_text('#!/bin/sh\necho "in $(pwd): $*"\necho "again: $AEBENCH_COMMAND"\n')
        (tools / name).chmod(0o755)
    command = (sys.executable, "-m", "nox", "--no-venv", "--no-install", "-f", str(ROOT / "noxfile.py"), *arguments)
    environ = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "NOX_CACHE_DIR": str(tools / "cache")}
    environ.pop("AEBENCH_LOCKED", None)
    return subprocess.run(command, cwd=elsewhere, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


posix = pytest.mark.skipif(os.name != "posix", reason="the stand-ins are shell scripts")


@posix
@pytest.mark.parametrize(("session", "command"), [("compare", "compare"), ("regress", "regress"), ("bench", "run")])
def test_paths_are_those_of_where_the_person_stands(elsewhere: Path, session: str, command: str) -> None:
    done = nox(elsewhere, "-s", session, "--", "base", "--out", "base2")
    assert f"in {elsewhere}: {command} base --out base2\n" in done.stdout, done.stderr


@posix
def test_the_command_that_goes_on_with_a_sweep_works_from_where_the_person_stands(elsewhere: Path) -> None:
    again = nox(elsewhere, "-s", "bench").stdout.partition("again: ")[2].splitlines()[0]
    assert shlex.split(again) == ["python3", "-m", "nox", "-f", str(ROOT / "noxfile.py"), "-s", "bench", "--"]


@posix
def test_a_test_runs_at_the_root_and_is_named_from_where_the_person_stands(elsewhere: Path) -> None:
    (elsewhere / "test_mine.py").touch()
    (elsewhere / "report").mkdir()
    words = ("test_mine.py::test_it", "-k", "report", "--ignore=report", "--maxfail=1", "tests/unit")
    done = nox(elsewhere, "-s", "tests", "--", *words)
    expected = f"{elsewhere}/test_mine.py::test_it -k report --ignore={elsewhere}/report --maxfail=1 tests/unit"
    (line,) = (line for line in done.stdout.splitlines() if line.startswith(f"in {ROOT}: "))
    assert line.endswith(f" {expected}"), done.stderr
