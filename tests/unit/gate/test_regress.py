import contextlib
import errno
import io
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import scripted
import scripted_paired
from rich.console import Console

from bench.datasets import find
from bench.errors import InvalidInput
from bench.gate import environment, regress, report, revision
from bench.gate.paired import Incomparable, PairedRunFailed
from bench.gate.regress import RegressRequest
from bench.host import fingerprint
from bench.plan.profile import Case
from bench.worker.paired_protocol import PROTOCOL, Round

EVEN = (1.001, 0.999, 1.002, 0.998, 1.0, 1.001)


class Script:
    """In place of pairs of processes: how much slower each model is, and what goes wrong with it."""

    def __init__(self) -> None:
        self.ratios: dict[str, float] = {}
        self.errors: dict[str, BaseException] = {}
        self.order: list[str] = []
        self.options: dict[str, Any] = {}
        self.console = Console(file=io.StringIO(), width=200)

    def __call__(self, base: Any, candidate: Any, *places: Path, **options: Any) -> "Script":
        self.base, self.candidate, self.options = base, candidate, options
        return self

    def choose_image_count(self, case: Case) -> int:
        return 16 * case.batch_size

    def run_round(self, case: Case, images: int, number: int) -> Round:
        self.order.append(case.model)
        if case.model in self.errors:
            raise self.errors[case.model]
        return scripted_paired.recorded(number, self.ratios.get(case.model, 1.0) * EVEN[number % 6])

    def run(self, folder: Path, **request: Any) -> int:
        return regress.regress(RegressRequest(**{"base": "main", "out": folder, **request}), self.console)

    @property
    def said(self) -> str:
        file = self.console.file
        assert isinstance(file, io.StringIO)
        return file.getvalue()


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Script:
    made = Script()
    base = tmp_path / "base"
    (base / "models").mkdir(parents=True)
    (base / "bench" / "worker" / "loops").mkdir(parents=True)
    (base / "bench" / "launch.py").touch()
    (base / "bench" / "worker" / "paired_protocol.py").write_text(f"PROTOCOL = {PROTOCOL}\n")
    for model in ("basic", "convolutional", "deep"):
        (base / "models" / f"{model}.py").touch()
    for loop in ("fit", "xla"):
        (base / "bench" / "worker" / "loops" / f"{loop}.py").touch()

    @contextlib.contextmanager
    def check_out(_root: Path, _commit: str) -> Iterator[Path]:
        yield base

    monkeypatch.setattr(regress, "PairedExecutor", made)
    monkeypatch.setattr(revision, "find_base", lambda _root, name: revision.Base(f"{name}-0123456789", "made up"))
    monkeypatch.setattr(revision, "check_out", check_out)
    monkeypatch.setattr(revision, "compare_dependencies", lambda *_: [])
    monkeypatch.setattr(fingerprint, "check_backends", lambda _names: None)
    monkeypatch.setattr(find, "find_dataset", scripted.Script().find)
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    return made


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "report"


def status(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "status.json").read_text())
    return found


def test_equal_code_is_ok_after_six_rounds_of_each_sentinel_in_turns(script: Script, out: Path) -> None:
    assert script.run(out) == 0
    assert script.order == ["basic", "convolutional", "deep"] * 6
    assert [case["verdicts"] for case in status(out)["cases"]] == [["ok"]] * 3
    assert "| basic:fit:256 | ok |" in (out / "report.md").read_text()
    assert (out / "junit.xml").read_text().count("<testcase") == 3
    assert not (out / ".data.npz").exists()


def test_one_slower_model_fails_the_run_and_is_named(script: Script, out: Path) -> None:
    script.ratios["deep"] = 1.08
    assert script.run(out) == 1
    assert status(out)["exit_code"] == 1
    verdict, compared = script.said.partition("\nSLOWER: ")[2].splitlines()[:2]
    assert verdict == "deep:fit:256 +8.0%; 2 ok."
    assert compared.startswith("Compared: ")


def test_a_decided_case_takes_no_more_rounds(script: Script, out: Path) -> None:
    script.ratios["deep"] = 1.08
    script.run(out)
    assert script.order.count("deep") == 6


def test_every_round_is_kept(script: Script, out: Path) -> None:
    script.run(out, cases=["basic"])
    lines = [json.loads(line) for line in (out / "rounds.jsonl").read_text().splitlines()]
    assert [line["number"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert {line["case"] for line in lines} == {"basic:fit:256"}
    assert lines[0]["blocks"][0]["order"] == "ABBA"


def test_cases_are_named_by_model_loop_and_batch(script: Script, out: Path) -> None:
    script.run(out, cases=["basic:xla", "deep:fit:512"])
    assert [case["name"] for case in status(out)["cases"]] == ["basic:xla:256", "deep:fit:512"]
    assert status(out)["cases"][1]["images"] == 16 * 512


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        (["basci"], "did you mean 'basic'"),
        (["basic:fti"], "did you mean 'fit'"),
        (["basic:fit:many"], "MODEL:LOOP:BATCH"),
        (["basic:fit:00"], "MODEL:LOOP:BATCH"),
        (["basic:fit:" + 5000 * "9"], "MODEL:LOOP:BATCH"),
        (["basic:fit:5000"], "larger than the 4,000 training images"),
        (["basic:fit:256:9"], "MODEL:LOOP:BATCH"),
        (["basic", "basic:fit"], "more than once"),
    ],
)
def test_a_name_that_is_no_case_is_refused(script: Script, out: Path, cases: list[str], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        script.run(out, cases=cases)


@pytest.mark.parametrize(
    ("bound", "said"),
    [
        ({"minimum_effect": math.nan}, "--minimum-effect takes"),
        ({"minimum_effect": 0.0}, "--minimum-effect takes"),
        ({"most_discarded": 1.01}, "--most-discarded takes"),
        ({"most_discarded": math.nan}, "--most-discarded takes"),
        ({"budget_s": math.nan}, "--budget takes"),
        ({"budget_s": -60.0}, "--budget takes minutes, zero or more; got -1"),
    ],
)
def test_a_bound_that_is_no_sensible_number_is_refused(
    script: Script, out: Path, bound: dict[str, float], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        script.run(out, **bound)
    assert script.order == []


def test_a_folder_with_something_in_it_is_refused(script: Script, out: Path) -> None:
    out.mkdir()
    (out / "mine").touch()
    with pytest.raises(InvalidInput, match="--out"):
        script.run(out)


def test_a_base_that_is_too_old_is_incomparable(script: Script, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "prepare_environment", None)
    (out.parent / "base" / "bench" / "launch.py").unlink()
    assert script.run(out) == 4
    assert "base main-0123 is too old to be compared: its code has no bench/launch.py." in script.said
    assert script.order == []
    assert [case["verdicts"] for case in status(out)["cases"]] == [["incomparable"]] * 3


def test_a_base_that_speaks_another_protocol_is_incomparable(script: Script, out: Path) -> None:
    script.errors = dict.fromkeys(regress.SENTINELS, Incomparable("base main-0123 speaks protocol 0 of the gate."))
    assert script.run(out) == 4
    assert "speaks protocol 0" in script.said
    assert script.order == ["basic", "convolutional", "deep"]


def test_a_model_that_the_base_lacks_is_incomparable_and_the_others_go_on(script: Script, out: Path) -> None:
    assert script.run(out, cases=["sparse", "basic"]) == 4
    assert [case["verdicts"] for case in status(out)["cases"]] == [["incomparable"], ["ok"]]
    assert "has no models/sparse.py" in script.said


def test_a_loop_that_the_base_lacks_is_incomparable(script: Script, out: Path) -> None:
    assert script.run(out, cases=["basic:graph"]) == 4
    assert "has no bench/worker/loops/graph.py" in script.said
    assert script.order == []


def test_the_base_is_named_with_what_it_is(script: Script, out: Path) -> None:
    script.run(out, cases=["basic"])
    assert "The base main-0123 is made up." in script.said


@pytest.fixture
def at_the_base(monkeypatch: pytest.MonkeyPatch) -> None:
    """HEAD is the base, and nothing was changed."""
    monkeypatch.setattr(fingerprint, "read_git_state", lambda _: fingerprint.GitState("main-0123456789", False))


@pytest.mark.usefixtures("at_the_base")
@pytest.mark.parametrize(("advice", "shown"), [("", "such as HEAD~1"), (" Fetch more.", "HEAD~1. Fetch more")])
def test_a_base_that_is_the_candidate_is_incomparable(
    script: Script, out: Path, monkeypatch: pytest.MonkeyPatch, advice: str, shown: str
) -> None:
    monkeypatch.setattr(revision, "explain_shallow", lambda _: advice)
    assert script.run(out) == 4
    assert "base main-0123 is the candidate itself" in script.said
    assert shown in (out / "report.md").read_text()
    assert script.order == []


@pytest.mark.usefixtures("at_the_base")
def test_the_same_commit_is_compared_under_another_interpreter(script: Script, out: Path) -> None:
    assert script.run(out, cases=["basic"], base_python="/bin/sh") == 0


def test_uncommitted_changes_are_compared_with_their_commit(
    script: Script, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "read_git_state", lambda _: fingerprint.GitState("main-0123456789", True))
    assert script.run(out, cases=["basic"]) == 0


@pytest.fixture
def other_packages(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """A base that asks for what the candidate does not."""
    monkeypatch.setattr(revision, "compare_dependencies", lambda *_: ["base: keras>=3.1"])


@pytest.mark.usefixtures("other_packages")
def test_a_base_of_other_dependencies_runs_in_an_environment_of_its_own(
    script: Script, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = environment.Environment("/cache/python", "keras 3.1.1")
    monkeypatch.setattr(environment, "prepare_environment", lambda *_: made)
    assert script.run(out) == 0
    assert (script.base.python, script.candidate.python) == ("/cache/python", sys.executable)
    assert status(out)["base"] == "base main-0123 with keras 3.1.1"
    assert "asks for other packages: base: keras>=3.1" in script.said


@pytest.mark.usefixtures("other_packages")
def test_a_base_whose_environment_cannot_be_made_is_incomparable(
    script: Script, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise environment.EnvironmentFailed(
            f"uv ended with exit code 1 in {Path.home()}\nno such version\nat /a/folder"
        )

    monkeypatch.setattr(environment, "prepare_environment", refuse)
    assert script.run(out) == 4
    assert script.order == []
    assert "no such version" in script.said
    written = (out / "report.md").read_text() + (out / "status.json").read_text()
    assert "--base-python" in written
    assert "exit code 1 in ~" in written
    assert "/a/folder" not in written


@pytest.mark.usefixtures("other_packages")
def test_an_environment_that_is_named_is_used(script: Script, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "prepare_environment", None)
    assert script.run(out, base_python="python3") == 0


def test_the_same_environment_is_used_where_dependencies_are_the_same(
    script: Script, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "prepare_environment", None)
    assert script.run(out) == 0
    assert script.base.python == script.candidate.python


def test_a_case_that_fails_is_reported_and_the_others_go_on(script: Script, out: Path) -> None:
    script.errors["basic"] = PairedRunFailed(f"the candidate: ValueError: no {Path.home()}\nlast words in /a/folder")
    assert script.run(out) == 3
    assert "last words" in script.said
    written = (out / "report.md").read_text() + (out / "status.json").read_text()
    assert "the candidate: ValueError: no ~" in written
    assert "/a/folder" not in written
    assert [case["verdicts"] for case in status(out)["cases"]] == [["failed"], ["ok"], ["ok"]]


def test_a_budget_ends_the_run_undecided_and_says_what_was_not_reached(script: Script, out: Path) -> None:
    assert script.run(out, budget_s=0.0) == 0
    assert len(script.order) <= 1
    why = "the budget of 0 minutes has no room for another round"
    assert f"\nUNDECIDED: 3 of 3 cases: fewer than 6 usable rounds; {why}.\n" in script.said
    assert script.said.count(why) == 1
    assert status(out)["cases"][2]["reason"] == why


def test_undecided_fails_where_it_is_asked_to(script: Script, out: Path) -> None:
    assert script.run(out, budget_s=0.0, fail_undecided=True) == 5


def test_an_interruption_keeps_what_was_recorded(script: Script, out: Path) -> None:
    script.errors["deep"] = KeyboardInterrupt()
    assert script.run(out) == 130
    assert status(out)["exit_code"] == 130
    assert len((out / "rounds.jsonl").read_text().splitlines()) == 2

    assert status(out)["cases"][0]["reason"] == "interrupted"


FULL = OSError(errno.ENOSPC, "No space left on device", "/a/folder/deep.log")


def test_a_full_disk_ends_the_run_and_what_was_found_until_then_is_reported(script: Script, out: Path) -> None:
    script.errors["deep"] = FULL
    assert script.run(out) == 3
    assert status(out)["exit_code"] == 3
    assert "deep.log could not be written (No space left on device)" in status(out)["stopped"]
    assert "/a/folder" not in (out / "report.md").read_text() + (out / "status.json").read_text()
    assert len((out / "rounds.jsonl").read_text().splitlines()) == 2
    assert not (out / ".data.npz").exists()


def test_verdicts_are_printed_though_no_report_can_be_written(
    script: Script, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise FULL

    monkeypatch.setattr(report, "write_json", refuse)
    assert script.run(out, cases=["basic"]) == 3
    assert "basic:fit:256: no slowdown" in script.said
    assert "Stopped: /a/folder/deep.log: No space left on device." in script.said


def test_the_same_code_under_two_environments_needs_no_revision(script: Script, out: Path) -> None:
    assert script.run(out, base=None, base_python="python3") == 0
    assert script.base.root == script.candidate.root
    assert script.base.python != ""


def test_an_interpreter_that_is_none_is_refused(script: Script, out: Path) -> None:
    with pytest.raises(InvalidInput, match="--candidate-python takes"):
        script.run(out, candidate_python="no/such/python")


def test_the_bound_on_noise_that_was_asked_for_is_in_the_report(script: Script, out: Path) -> None:
    script.run(out, most_discarded=0.6)
    assert status(out)["most_discarded"] == 0.6
    assert "more than 60%" in (out / "report.md").read_text()


def test_ci_gets_its_summary_and_annotations(script: Script, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = out.parent / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    script.ratios["basic"] = 1.3
    script.run(out)
    assert summary.read_text() == (out / "report.md").read_text()
    assert "::error title=basic%3Afit%3A256%3A slower::" in script.said
