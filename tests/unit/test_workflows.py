"""What the workflows call exists, and no job has more rights than it needs."""

import re
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
import yaml

from bench import cli

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SESSION = re.compile(r"nox -s ([\w -]+?)(?: -- (.*))?$", re.MULTILINE)


def sessions(text: str) -> list[tuple[str, list[str]]]:
    """Sessions that a text starts, and their arguments."""
    return [
        (name, shlex.split(arguments or "")) for names, arguments in SESSION.findall(text) for name in names.split()
    ]


def flags(command: str) -> set[str]:
    found: Any = typer.main.get_command(cli.app)
    return {flag for parameter in found.commands[command].params for flag in parameter.opts}


COMMANDS = {"bench": "run", "regress": "regress"}
"""Sessions that hand their arguments to a command of aebench."""


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_parses_and_reads_only(path: Path) -> None:
    found: Any = yaml.safe_load(path.read_text())
    assert found["permissions"] == {"contents": "read"}
    rights = {name: job["permissions"] for name, job in found["jobs"].items() if "permissions" in job}
    assert rights == ({"publish": {"id-token": "write"}} if path.stem == "release" else {})
    assert "concurrency" in found
    for name, job in found["jobs"].items():
        assert job["timeout-minutes"] <= (120 if name == "long" else 45)
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_sessions_and_flags_that_a_workflow_names_exist(path: Path, noxfile: ModuleType) -> None:
    for name, arguments in sessions(path.read_text()):
        assert hasattr(noxfile, name)
        given = {word for word in arguments if word.startswith("--")}
        assert given <= (flags(COMMANDS[name]) if name in COMMANDS else set())
    for command, rest in re.findall(r"- run: aebench (\w+)(.*)$", path.read_text(), re.MULTILINE):
        assert set(re.findall(r"--[\w-]+", rest)) <= flags(command)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_files_that_a_workflow_names_exist(path: Path) -> None:
    for name in re.findall(r"(?<![\w/.])\.ci/[\w.]+", path.read_text()):
        assert (ROOT / name).is_file()


def test_what_is_published_was_built_and_tested_before_and_needs_no_token() -> None:
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    found: Any = yaml.safe_load(text)
    assert found[True] == {"push": {"tags": ["v*"]}}, "YAML reads `on` as true"
    build, test, publish = (found["jobs"][name] for name in ("build", "test", "publish"))
    assert (test["needs"], publish["needs"], publish["environment"]) == ("build", "test", "pypi")
    used = [step["uses"] for step in publish["steps"]]
    assert [name.partition("@")[0] for name in used] == ["actions/download-artifact", "pypa/gh-action-pypi-publish"]
    assert ("build", []) in sessions(text)
    assert {"run": "bash .ci/run"} in test["steps"]
    assert build["steps"][-1]["with"] == publish["steps"][0]["with"]
    assert "secrets." not in text


def test_pull_requests_of_forks_are_compared_with_their_base_without_any_secret() -> None:
    text = (ROOT / ".github" / "workflows" / "regress.yml").read_text()
    assert sessions(text) == [("regress", ["--base", "HEAD^1", "--budget", "20", "--out", "report"])]
    assert "on: pull_request\n" in text
    assert "secrets." not in text
    assert "fetch-depth: 0" in text
    assert "persist-credentials: false" in text
    assert text.index("if: always()") > text.index("upload-artifact")


def test_the_workflow_that_is_shown_is_the_one_that_runs_here() -> None:
    page = (ROOT / "docs" / "gate.md").read_text()
    workflow = (ROOT / ".github" / "workflows" / "regress.yml").read_text()
    shown = [block for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "nox -s regress" in block]
    assert len(shown) == 1
    here = {line.strip() for line in workflow.splitlines()}
    other = [line.strip() for line in shown[0].splitlines() if line.strip() not in here]
    # Elsewhere nothing is locked, so nox comes from the index.
    assert other == [
        "- run: python3 -m pip install nox && python3 -m nox -s regress -- --base HEAD^1 --budget 20 --out report"
    ]


def test_the_commands_that_the_readme_names_exist(noxfile: ModuleType) -> None:
    readme = (ROOT / "README.md").read_text()
    commands: Any = typer.main.get_command(cli.app)
    for command, rest in re.findall(r"^aebench (\w+)(.*)$", readme, re.MULTILINE):
        assert command in commands.commands
        assert set(re.findall(r"--[\w-]+", rest.partition("#")[0])) <= flags(command)
    for name, arguments in sessions(re.sub(r" +#.*", "", readme)):
        if name in COMMANDS:
            assert hasattr(noxfile, name)
            assert {word for word in arguments if word.startswith("--")} <= flags(COMMANDS[name])


def test_every_change_checks_the_figures_of_the_readme(noxfile: ModuleType) -> None:
    assert re.search(r"nox -s .*\breference\b", (ROOT / ".ci/run").read_text())
    assert noxfile.reference.__doc__.startswith("Check")
