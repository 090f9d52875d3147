"""What CI installs: every package pinned, every file of it known by its hash, from whatever index."""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = (ROOT / ".ci" / "requirements.txt", ROOT / ".ci" / "tools.txt")


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


class Session:
    """Notes what is installed."""

    def __init__(self) -> None:
        self.installed: list[tuple[str, ...]] = []
        self.virtualenv = None
        """As with --no-venv."""

    def install(self, *words: str) -> None:
        self.installed.append(words)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_package_is_pinned_and_hashed(lock: Path) -> None:
    entries = lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    assert len(entries) > 10
    for entry in entries:
        pin = re.fullmatch(r"[a-z0-9-]+==[^ ;]+( ; [^-]+)? +(--hash=sha256:[0-9a-f]{64} *)+", entry)
        assert pin, f"{entry[:80]}: renew the lock with `nox -s lock`"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_no_index_and_no_folder_of_whoever_renewed_it_is_named(lock: Path) -> None:
    assert not re.search(r"://|@|--index|--find|^ *-[a-z] |/", lock.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_lock_has_all_that_cis_sessions_install(noxfile: ModuleType) -> None:
    project = noxfile.PROJECT["project"]
    extras = [each for extra in noxfile.LOCKED_EXTRAS for each in project["optional-dependencies"][extra]]
    groups = [each for group in noxfile.LOCKED_GROUPS for each in noxfile.GROUPS[group]]
    pins = noxfile.locked([*project["dependencies"], *extras, *groups])
    assert all("==" in pin and "\\" not in pin for pin in pins)


def test_the_lock_is_not_older_than_what_the_project_asks_for(noxfile: ModuleType) -> None:
    wanted = [*noxfile.PROJECT["project"]["dependencies"], *noxfile.GROUPS["tests"], *noxfile.GROUPS["lint"]]
    for requirement in wanted:
        least = requirement.partition(">=")[2]
        for pin in noxfile.locked([requirement]):
            version = re.split(r"[=; ]+", pin)[1]
            assert numbers(version) >= numbers(least), f"{pin} for {requirement}: renew the lock with `nox -s lock`"


def numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def test_without_the_variable_a_newcomer_gets_the_newest(noxfile: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AEBENCH_LOCKED", raising=False)
    session: Any = Session()
    noxfile.install(session, "ruff>=0.9", extras=("tensorflow",))
    assert session.installed == [("-e", ".[tensorflow]", "ruff>=0.9")]


def test_with_it_nothing_is_installed_without_its_hash(noxfile: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEBENCH_LOCKED", "1")
    session: Any = Session()
    noxfile.install(session, "ruff>=0.9", extras=("tensorflow",))
    first, second = session.installed
    assert first[:3] == ("--require-hashes", "--constraint", ".ci/requirements.txt")
    assert {re.split(r"[=; ]+", pin)[0] for pin in first[3:]} >= {
        "ruff",
        "tensorflow",
        "keras",
        "hatchling",
        "pydantic",
    }
    assert second == ("--no-deps", "--no-build-isolation", "-e", ".")


def test_a_package_that_the_lock_has_not_is_refused(noxfile: ModuleType) -> None:
    with pytest.raises(KeyError):
        noxfile.locked(["torch>=2.4"])


def test_ci_installs_by_the_locks() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "--require-hashes -r .ci/tools.txt" in script
    assert "export AEBENCH_LOCKED=1" in script
