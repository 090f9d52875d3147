"""The base's own environment: made once, filled with what it asks for, or a clear refusal."""

import os
import sys
from pathlib import Path

import pytest

from bench.gate import environment, revision
from bench.gate.environment import EnvironmentFailed, prepare_environment

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the scripts that stand in for uv are a shell's")


class Stage:
    """Two checkouts, a cache, and a `uv` that writes down what it is asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.said: list[str] = []
        self.environ = {"PATH": str(root / "bin"), "PYTHONPATH": "leaking"}
        self.asks("base", "keras==3.13.2")
        self.asks("candidate", "keras>=3.14")
        (root / "bin").mkdir()
        self.uv("exit 0")

    def asks(self, side: str, *requirements: str) -> None:
        folder = self.root / side
        folder.mkdir(exist_ok=True)
        (folder / "pyproject.toml").write_text(
            f"[project]\ndependencies = {list(requirements)}\noptional-dependencies.tensorflow = ['tensorflow>=2.18']\n"
        )

    def uv(self, installing: str, creating: str = 'mkdir -p "$4/bin"; ln -s {python} "$4/bin/python"; exit 0') -> None:
        """What `uv pip install` and `uv venv` do, as shell code; the interpreter of the latter is this one."""
        script = self.root / "bin" / "uv"
        script.write_text(f"""#!/bin/sh
            export PATH=/usr/bin:/bin
            echo "$@ [$PYTHONPATH]" >> {self.root}/calls
            if [ "$1" = venv ]; then {creating.format(python=sys.executable)}; fi
            {installing}
            """)
        script.chmod(0o755)

    def prepare(self) -> environment.Environment:
        base, candidate = self.root / "base", self.root / "candidate"
        return prepare_environment(base, candidate, ("tensorflow",), sys.executable, self.said.append, self.environ)

    @property
    def calls(self) -> list[str]:
        return (self.root / "calls").read_text().splitlines()

    @property
    def environments(self) -> list[Path]:
        return [path for path in (self.root / "cache" / "aebench" / "environments").iterdir() if path.is_dir()]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Stage(tmp_path)


def test_an_environment_holds_what_the_base_asks_for(stage: Stage) -> None:
    made = stage.prepare()
    (place,) = stage.environments
    assert made.python == str(place / "bin" / "python")
    assert (place / "requirements.txt").read_text() == "keras==3.13.2\ntensorflow>=2.18\n"
    assert "keras " in made.versions
    assert "Making an environment" in stage.said[0]
    assert [call.split()[0] for call in stage.calls] == ["venv", "pip"]


def test_installers_do_not_see_the_packages_of_this_environment(stage: Stage) -> None:
    stage.prepare()
    assert all(call.endswith("[]") for call in stage.calls)


def test_what_both_ask_for_in_the_same_words_has_the_candidates_version(stage: Stage) -> None:
    version = environment._ask_interpreter(sys.executable, ["numpy"])
    assert version is not None
    stage.asks("base", "numpy>=1.26", "keras==3.13.2", "rich>=13")
    stage.asks("candidate", "numpy>=1.26", "keras>=3.14", "rich>=13")
    stage.prepare()
    bounds = (stage.environments[0] / "constraints.txt").read_text().splitlines()
    assert f"numpy=={version.versions['numpy']}" in bounds
    assert not any(line.startswith(("keras", "rich")) for line in bounds)


def test_the_same_list_is_made_once_and_another_one_beside_it(stage: Stage) -> None:
    first = stage.prepare()
    assert stage.prepare() == first
    assert len(stage.calls) == 2
    stage.asks("base", "keras==3.12.0")
    assert stage.prepare().python != first.python
    assert len(stage.environments) == 2


def test_what_an_interrupted_installation_left_is_made_anew(stage: Stage) -> None:
    stage.prepare()
    (place,) = stage.environments
    (place / ".whole").unlink()
    (place / "half").touch()
    stage.prepare()
    assert not (place / "half").exists()
    assert len(stage.calls) == 4


def test_an_environment_whose_interpreter_is_gone_is_made_anew(stage: Stage) -> None:
    python = Path(stage.prepare().python)
    python.unlink()
    assert stage.prepare().python == str(python)
    assert len(stage.calls) == 4


def test_pins_that_exclude_what_is_asked_for_are_left_out(stage: Stage) -> None:
    stage.asks("base", "numpy>=1.26", "keras==3.13.2")
    stage.asks("candidate", "numpy>=1.26", "keras>=3.14")
    stage.uv('grep -q . "$8" && exit 1; exit 0')
    stage.prepare()
    assert any("trying without" in line for line in stage.said)
    assert (stage.environments[0] / "constraints.txt").read_text() == ""


def test_a_failed_installation_is_reported_with_its_last_lines_and_leaves_nothing(stage: Stage) -> None:
    stage.uv("for i in $(seq 30); do echo line $i; done; printf '\\033[31mno such version\\n' >&2; exit 3")
    with pytest.raises(EnvironmentFailed) as raised:
        stage.prepare()
    first, *others = str(raised.value).splitlines()
    assert first == "uv pip install ended with exit code 3"
    assert len(others) == 15
    assert others[-1] == "no such version"
    assert stage.environments == []


def test_a_virtual_environment_that_cannot_be_created_is_named_and_not_tried_again_without_pins(stage: Stage) -> None:
    stage.asks("base", "numpy>=1.26", "keras==3.13.2")
    stage.asks("candidate", "numpy>=1.26", "keras>=3.14")
    stage.uv("exit 0", creating="exit 2")
    with pytest.raises(EnvironmentFailed, match=r"^uv venv ended with exit code 2$"):
        stage.prepare()
    assert [call.split()[0] for call in stage.calls] == ["venv"]
    assert stage.environments == []


def test_without_uv_too_the_step_that_failed_is_named(stage: Stage) -> None:
    (stage.root / "bin" / "uv").unlink()
    python = stage.root / "python"
    python.write_text(f"""#!/bin/sh
        case "$*" in *"-m venv"*) echo no room; exit 1;; esac
        exec {sys.executable} "$@"
        """)
    python.chmod(0o755)
    base, candidate = stage.root / "base", stage.root / "candidate"
    with pytest.raises(EnvironmentFailed, match=r"^python -m venv ended with exit code 1\nno room$"):
        prepare_environment(base, candidate, (), str(python), stage.said.append, stage.environ)


def test_a_cache_that_cannot_be_written_is_one_message(stage: Stage) -> None:
    (stage.root / "cache").touch()
    with pytest.raises(EnvironmentFailed, match="cache"):
        stage.prepare()


def test_an_interpreter_that_does_not_run_is_one_message(stage: Stage) -> None:
    with pytest.raises(EnvironmentFailed, match="does not run"):
        prepare_environment(stage.root, stage.root, (), "no/such/python", stage.said.append, stage.environ)


def test_what_a_project_asks_for_is_read_with_its_extras(stage: Stage) -> None:
    assert revision.read_dependencies(stage.root / "base", ("tensorflow",)) == ["keras==3.13.2", "tensorflow>=2.18"]
    assert revision.read_dependencies(stage.root / "base", ("torch",)) == ["keras==3.13.2"]
    assert revision.read_dependencies(stage.root, ()) == []
