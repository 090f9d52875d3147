"""The harness' revision, as git says it of a checkout."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from unit.system import write

from bench.host import fingerprint
from bench.host.fingerprint import GitState

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *arguments: str) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environ |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org", *arguments]
    return subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = write(
        tmp_path / "checkout",
        {"aebench/__init__.py": "", "bench/__init__.py": "", "models/basic.py": "", "README.md": ""},
    )
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "first")
    return folder


@needs_git
def test_a_checkout_reports_its_commit_and_whether_it_was_changed(checkout: Path) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    assert fingerprint.read_git_state(checkout) == GitState(head, False)
    write(checkout, {"models/mine.py": ""})
    assert fingerprint.read_git_state(checkout) == GitState(head, True)


@needs_git
def test_reports_beside_the_code_do_not_make_a_checkout_dirty(checkout: Path) -> None:
    write(checkout, {"reports/today/results.csv": "", "README.md": "changed"})
    assert fingerprint.read_git_state(checkout).dirty is False


@needs_git
def test_a_package_installed_within_somebodys_repository_is_not_that_repository(checkout: Path) -> None:
    installed = write(checkout / "vendored/aebench", {"__init__.py": "", "bench/__init__.py": ""})
    assert fingerprint.read_git_state(installed) == GitState()
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "--message", "vendored")
    assert fingerprint.read_git_state(installed) == GitState()
    untracked = write(checkout.parent / "project", {"aebench/__init__.py": "", "bench/__init__.py": ""})
    git(untracked, "init", "--quiet")
    assert fingerprint.read_git_state(untracked) == GitState()


@needs_git
def test_the_environment_of_a_git_hook_does_not_mislead(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(checkout / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(checkout))
    assert fingerprint.read_git_state(checkout.parent) == GitState()


def test_no_folder_and_no_git_mean_no_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fingerprint.read_git_state(tmp_path / "missing") == GitState()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fingerprint.read_git_state(tmp_path) == GitState()


@needs_git
def test_a_checkout_that_git_does_not_read_says_why(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout / ".git" / "HEAD").write_text("torn")
    assert "not a git repository" in (fingerprint.read_git_state(checkout).problem or "")
    monkeypatch.setenv("PATH", str(checkout))
    assert fingerprint.read_git_state(checkout) == GitState(problem="git is not installed, or not on PATH")


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for git is a shell script")
def test_a_git_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"git": "#!/bin/sh\nexec sleep 60\n"})
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(fingerprint, "_GIT_SECONDS", 0.1)
    (tmp_path / ".git").mkdir()
    assert fingerprint.read_git_state(tmp_path) == GitState(problem="git gave no answer within 0.1 seconds")
