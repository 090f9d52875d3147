import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import InvalidInput
from bench.gate import revision

PROJECT = '[project]\nname = "x"\ndependencies = ["keras>=3.14", "rich>=13"]\n'


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ("git", *identity, "-C", str(root), *arguments), check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip()


def give_away(folder: Path) -> None:
    """Make a folder and all in it another user's."""
    if sys.platform == "win32" or os.geteuid() != 0:
        pytest.skip("only root gives files away")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 12345, 12345)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A harness of two commits on main and one on a branch, where it stands."""
    root = tmp_path / "checkout"
    (root / "bench").mkdir(parents=True)
    (root / "aebench").mkdir()
    (root / "aebench" / "__init__.py").touch()
    git(root.parent, "init", "--quiet", "--initial-branch=main", str(root))
    (root / "pyproject.toml").write_text(PROJECT)
    for number, branch in enumerate((None, None, "change")):
        if branch:
            git(root, "checkout", "--quiet", "-b", branch)
        (root / "bench" / "__init__.py").write_text(f"NUMBER = {number}\n")
        git(root, "add", ".")
        git(root, "commit", "--quiet", "-m", str(number))
    return root


def test_the_default_base_is_where_the_branch_left_the_main_one(checkout: Path) -> None:
    assert revision.find_base(checkout, None).commit == git(checkout, "rev-parse", "main")


def test_a_revision_is_named_as_git_names_it(checkout: Path) -> None:
    assert revision.find_base(checkout, "HEAD~2").commit == git(checkout, "rev-parse", "main~1")
    assert revision.shorten(revision.find_base(checkout, "main").commit) == git(
        checkout, "rev-parse", "--short=9", "main"
    )


@pytest.mark.parametrize("name", ["no-such-branch", "", "--help", "HEAD:bench"])
def test_a_name_that_is_no_revision_is_refused(checkout: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="--base takes a revision"):
        revision.find_base(checkout, name)


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no git checkout"):
        revision.find_base(tmp_path, "HEAD")


def test_a_repository_without_a_main_branch_asks_for_a_base(checkout: Path) -> None:
    git(checkout, "branch", "--quiet", "-D", "main")
    with pytest.raises(InvalidInput, match="--base REVISION"):
        revision.find_base(checkout, None)


def test_what_the_base_is_can_be_said(checkout: Path) -> None:
    assert revision.find_base(checkout, None).origin == "the merge base of HEAD and main"
    assert revision.find_base(checkout, "HEAD~1").origin == "what --base HEAD~1 names"


def test_a_checkout_of_another_owner_gets_gits_own_words_and_their_cure(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_away(checkout)
    with pytest.raises(InvalidInput, match=r"but git does not read it: (?s:.)*safe\.directory") as refused:
        revision.find_base(checkout, None)
    assert "no git checkout" not in str(refused.value)
    cure = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": str(checkout)}
    for name, value in cure.items():
        monkeypatch.setenv(name, value)
    assert revision.find_base(checkout, None).origin == "the merge base of HEAD and main"


def test_where_git_is_missing_that_is_said(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout))
    with pytest.raises(InvalidInput, match="git is not installed"):
        revision.find_base(checkout, None)


@pytest.mark.parametrize("name", [None, "HEAD~1"])
def test_a_shallow_clone_without_the_base_says_how_to_get_more(checkout: Path, name: str | None) -> None:
    clone = checkout.parent / "clone"
    git(checkout, "clone", "--quiet", "--depth", "1", f"file://{checkout}", str(clone))
    git(clone, "checkout", "--quiet", "--detach")
    git(clone, "remote", "remove", "origin")
    git(clone, "branch", "--quiet", "-D", "change")
    with pytest.raises(InvalidInput, match="fetch-depth: 0"):
        revision.find_base(clone, name)


def test_a_base_that_cannot_be_checked_out_gets_gits_own_words(checkout: Path) -> None:
    with pytest.raises(InvalidInput, match="could not check out 0000"), revision.check_out(checkout, "0" * 40):
        pass


def test_the_bases_code_is_there_and_gone_afterwards(checkout: Path) -> None:
    (checkout / "bench" / "__init__.py").write_text("NUMBER = 99\n")
    with revision.check_out(checkout, revision.find_base(checkout, "main").commit) as place:
        assert (place / "bench" / "__init__.py").read_text() == "NUMBER = 1\n"
        (place / "left.pyc").write_text("by a process")
    assert not place.parent.exists()
    assert len(git(checkout, "worktree", "list").splitlines()) == 1
    assert (checkout / "bench" / "__init__.py").read_text() == "NUMBER = 99\n"
    assert git(checkout, "branch", "--show-current") == "change"


def test_the_worktree_is_gone_after_an_interruption_too(checkout: Path) -> None:
    commit = revision.find_base(checkout, "main").commit
    with pytest.raises(KeyboardInterrupt), revision.check_out(checkout, commit):
        raise KeyboardInterrupt
    assert len(git(checkout, "worktree", "list").splitlines()) == 1


def test_dependencies_that_a_measured_process_has_are_compared(checkout: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()

    def changed(project: str) -> list[str]:
        (other / "pyproject.toml").write_text(project)
        return revision.compare_dependencies(checkout, other, ("tensorflow",))

    extras = '[project.optional-dependencies]\ntensorflow = ["tensorflow>=2.20"]\ntorch = ["torch>=2.4"]\n'
    assert changed(PROJECT.replace("rich>=13", "rich>=14")) == []
    assert changed(PROJECT.replace("keras>=3.14", "keras>=3.15") + extras) == [
        "base: keras>=3.14", "candidate: keras>=3.15", "candidate: tensorflow>=2.20",
    ]  # fmt: skip
