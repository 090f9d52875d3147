"""`aebench check`: what is read, what is written, how it ends."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import scripted

from bench import cli
from bench.report.files import format_csv
from bench.results.schema import ResultRow

EVEN = (1.001, 0.999, 1.002, 0.998, 1.0, 1.001)


def rows(times: float = 1.0, count: int = 6, **changes: Any) -> list[ResultRow]:
    """Processes of one case."""
    return [
        scripted.result_row(
            **{
                "case_id": scripted.case(repeat=repeat).case_id,
                "repeat": repeat,
                "noisy_epochs": 0,
            }
            | scripted.times(times * EVEN[repeat])
            | changes
        )
        for repeat in range(count)
    ]


def write(folder: Path, *made: ResultRow) -> None:
    folder.mkdir()
    (folder / "results.csv").write_text(format_csv(ResultRow, made))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Reports in the working folder, by what they are beside `base`."""
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    write(tmp_path / "base", *rows())
    write(tmp_path / "same", *rows(1.001))
    write(tmp_path / "slow", *rows(1.2))
    write(tmp_path / "single", *rows(1.2, count=1))
    write(tmp_path / "elsewhere", *rows(cpu_model="Another CPU", machine_id="ffff0000"))
    write(tmp_path / "broken", *rows(status="oom", error="killed"))
    write(tmp_path / "other", *(row.model_copy(update={"case_id": f"x.r{row.repeat}"}) for row in rows()))
    return tmp_path


class Check:
    """The command, and what it printed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        self.monkeypatch.setattr(sys, "argv", ["aebench", "check", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        self.out, self.err = self.capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    return Check(monkeypatch, capsys)


def status(folder: str = "out") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(folder) / "status.json").read_text())
    return found


@pytest.mark.parametrize(
    ("report", "code", "verdict"),
    [("same", 0, "ok"), ("slow", 1, "slower"), ("elsewhere", 4, "incomparable"), ("broken", 3, "failed"),
     ("single", 0, "undecided")],
)  # fmt: skip
def test_each_ending_has_its_exit_code_and_files(check: Check, report: str, code: int, verdict: str) -> None:
    assert check(report, "--baseline", "base", "--out", "out") == code
    assert status()["exit_code"] == code
    assert status()["kind"] == "check"
    assert [case["verdicts"] for case in status()["cases"]] == [[verdict]]
    assert f"| {verdict} |" in Path("out/report.md").read_text()
    assert Path("out/report.md").read_text().startswith("# The check\n")
    assert 'name="aebench check"' in Path("out/junit.xml").read_text()
    assert check.out.lstrip().startswith(f"{verdict.upper()}: basic · batch 4"), "the answer comes first"
    assert check.err == ""


def test_what_differs_is_named(check: Check) -> None:
    check("elsewhere", "--baseline", "base", "--out", "out")
    assert "nothing was compared" not in Path("out/report.md").read_text()
    assert "cpu_model Another CPU, not Scripted CPU" in check.out


def test_undecided_fails_where_it_is_asked_to(check: Check) -> None:
    assert check("single", "--baseline", "base", "--fail-undecided") == 5
    assert check("same", "--baseline", "base", "--fail-undecided") == 0


def test_the_minimum_effect_is_percent(check: Check) -> None:
    assert check("slow", "--baseline", "base", "--minimum-effect", "30") == 0


def test_bare_files_are_reports_too(check: Check) -> None:
    assert check("slow/results.csv", "--baseline", "base/results.csv", "--out", "out") == 1
    assert "| 4 | 6 and 6 |" in Path("out/report.md").read_text()
    assert status()["base"].startswith("the baseline results.csv of 2026-01-02 03:04 UTC")


def test_without_a_folder_one_is_made_below_reports(check: Check) -> None:
    check("same", "--baseline", "base")
    (made,) = Path("reports").iterdir()
    assert made.name.endswith("-check")


def test_a_folder_with_something_in_it_is_refused(check: Check) -> None:
    assert check("same", "--baseline", "base", "--out", "slow") == 2
    assert "--out slow exists already" in check.err


def test_a_missing_baseline_says_what_to_do(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert check("same", "--baseline", "kept/baseline.csv", "--out", "out") == 4
    assert "There is no baseline.csv" in check.out
    assert "--save-baseline" in check.out
    assert "::error title=aebench check::There is no baseline.csv" in check.out
    assert "nothing was compared" in Path("out/report.md").read_text()
    assert status()["exit_code"] == 4
    assert "kept/" not in Path("out/report.md").read_text()


def test_a_baseline_without_any_common_case_is_incomparable(check: Check) -> None:
    assert check("same", "--baseline", "other") == 4
    assert "other has no case of this report" in check.out


def test_cases_of_one_side_are_listed(check: Check, here: Path) -> None:
    write(here / "both", *rows(), *(row.model_copy(update={"case_id": f"x.r{row.repeat}"}) for row in rows()))
    assert check("same", "--baseline", "both", "--out", "out") == 0
    assert "Only the baseline has x." in check.out
    assert status()["remarks"] == ["Only the baseline has x."]


@pytest.mark.parametrize("flags", [(), ("--baseline", "base", "--save-baseline", "kept.csv")])
def test_exactly_one_of_the_two_flags_is_needed(check: Check, flags: tuple[str, ...]) -> None:
    assert check("same", *flags) == 2
    assert "--save-baseline FILE" in check.err
    assert not Path("kept.csv").exists()


@pytest.mark.parametrize("arguments", [("absent", "--baseline", "base"), ("same", "--baseline", "bad.csv")])
def test_what_is_no_report_is_one_message(check: Check, arguments: tuple[str, ...]) -> None:
    Path("bad.csv").write_bytes(b"\0")
    assert check(*arguments) == 2
    assert check.err.count("aebench: ") == 1
    assert "Traceback" not in check.err


def test_ci_gets_its_summary_and_annotations(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    check("slow", "--baseline", "base", "--out", "out")
    assert Path("summary.md").read_text() == Path("out/report.md").read_text()
    assert "::error title=basic" in check.out


# ------------------------------------------------------------------------------------------------------------- to store


def test_a_baseline_is_the_reports_table_to_the_last_byte(check: Check) -> None:
    assert check("base", "--save-baseline", "kept/baseline.csv") == 0
    assert Path("kept/baseline.csv").read_bytes() == Path("base/results.csv").read_bytes()
    assert [path.name for path in Path("kept").iterdir()] == ["baseline.csv"]
    assert "1 case, 6 processes each" in check.out
    assert check("slow", "--baseline", "kept/baseline.csv") == 1


def test_a_baseline_of_the_same_machine_is_replaced_and_that_is_said(check: Check) -> None:
    check("base", "--save-baseline", "kept.csv")
    assert check("slow", "--save-baseline", "kept.csv") == 0
    assert "in place of that of 2026-01-02" in check.out
    assert Path("kept.csv").read_bytes() == Path("slow/results.csv").read_bytes()


def test_a_baseline_of_another_machine_is_not_replaced(check: Check) -> None:
    check("base", "--save-baseline", "kept.csv")
    assert check("elsewhere", "--save-baseline", "kept.csv") == 4
    assert "cpu_model Another CPU, not Scripted CPU" in check.out
    assert Path("kept.csv").read_bytes() == Path("base/results.csv").read_bytes()


def test_a_file_that_is_no_baseline_is_not_replaced(check: Check) -> None:
    Path("mine.csv").write_text("name,mean\nx,1\n")
    assert check("base", "--save-baseline", "mine.csv") == 2
    assert "will not replace a file that is no baseline" in check.err
    assert Path("mine.csv").read_text() == "name,mean\nx,1\n"


def test_a_folder_is_no_place_for_a_baseline(check: Check) -> None:
    assert check("base", "--save-baseline", "same") == 2
    assert "takes a file" in check.err


def test_a_report_with_a_failed_case_is_not_stored(check: Check) -> None:
    assert check("broken", "--save-baseline", "kept.csv") == 3
    assert "oom at 4 epochs" in check.out
    assert not Path("kept.csv").exists()


def test_too_few_processes_are_stored_with_a_warning(check: Check) -> None:
    assert check("single", "--save-baseline", "kept.csv") == 0
    assert "Checks against it stay undecided" in check.out
    assert "--repeats 6" in check.out


def test_a_place_that_cannot_be_written_is_one_message(check: Check) -> None:
    Path("file").touch()
    assert check("base", "--save-baseline", "file/baseline.csv") == 2
    assert "cannot be written" in check.err
