"""`aebench compare`: which reports are read, what is the reference, and how it ends."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest
import scripted
from rich.console import Console

from bench import cli
from bench.compare import compare
from bench.errors import InvalidInput
from bench.report.files import format_csv
from bench.results.schema import ResultRow


def result(model: str = "basic", seconds: float = 1.0, **changes: Any) -> ResultRow:
    """A case after three epochs; its interval reaches two percent to each side."""
    case_id = scripted.case(model=model).case_id
    return scripted.result_row(**{"case_id": case_id, "model": model} | scripted.times(seconds) | changes)


def report(folder: Path, *rows: ResultRow) -> Path:
    folder.mkdir(parents=True)
    (folder / "results.csv").write_text(format_csv(ResultRow, rows))
    return folder


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    report(tmp_path / "slow", result(seconds=2.0), result("deep", seconds=4.0))
    report(
        tmp_path / "fast",
        *(row(result(), result("deep", seconds=2.0), machine_id="mffff0000", environment_id="effff0000")),
    )
    report(
        tmp_path / "strange",
        *(row(result(dataset_digest="e" * 64, train_samples=9), machine_id="meeee", environment_id="eeeee")),
    )
    return tmp_path


def row(*rows: ResultRow, **changes: Any) -> list[ResultRow]:
    return [each.model_copy(update=changes) for each in rows]


def aebench(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["aebench", "compare", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    code = ended.value.code
    assert code is None or isinstance(code, int)
    return code or 0


def test_two_reports_are_compared_and_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    before = sorted(here.rglob("*"))
    assert aebench(monkeypatch, "slow", "fast/results.csv") == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("fast trains 2.00 times as fast as slow (95 %:")
    assert printed.err == ""
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize("reference", ["fast", "fast/results.csv", "./fast"])
def test_the_reference_is_named_by_path_or_label(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], reference: str
) -> None:
    assert aebench(monkeypatch, "slow", "fast", "--reference", reference) == 0
    assert "slow takes 2.00 times as long per epoch as fast" in capsys.readouterr().out


def test_a_reference_may_be_a_report_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert aebench(monkeypatch, "slow", "--reference", "fast") == 0
    assert "takes 2.00 times as long per epoch as fast" in capsys.readouterr().out


def test_a_reference_that_is_none_is_refused_with_those_that_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert aebench(monkeypatch, "slow", "fast", "--reference", "\x1b[31mnone") == 2
    message = capsys.readouterr().err
    assert "--reference" in message
    assert "got 'none'" in message
    assert "Known: slow, fast" in message


def test_bad_files_are_one_message_each_and_the_rest_is_compared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    (here / "bad.csv").write_bytes(b"\x00\xff")
    (here / "other.csv").write_text("name,mean\nx,1\n")
    assert aebench(monkeypatch, "bad.csv", "slow", "absent", "other.csv", "fast", "--out", "out") == 2
    printed = capsys.readouterr()
    assert "trains 2.00 times as fast" in printed.out
    assert (here / "out" / "comparison.html").exists()
    refused = printed.err.splitlines()
    assert [line.partition("refused: ")[2].split(",")[0].split(":")[0] for line in refused] == [
        "bad.csv",
        "absent",
        "other.csv",
    ]


@pytest.mark.parametrize("reports", [("slow",), ("slow", "absent"), ("slow", "slow/results.csv")])
def test_fewer_than_two_reports_are_nothing_to_compare(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], reports: tuple[str, ...]
) -> None:
    assert aebench(monkeypatch, *reports) == 2
    printed = capsys.readouterr()
    assert "two reports or more" in printed.err
    assert "Traceback" not in printed.err


@pytest.mark.parametrize(
    ("reports", "said"),
    [
        (("slow", "slow"), "slow and slow are one and the same"),
        (("slow", "slow/results.csv"), "slow and slow/results.csv are one and the same"),
        (("slow", "slow", "--reference", "slow"), "slow and slow are one and the same"),
        (("slow",), "got 1 report."),
        (("slow", "absent"), "1 could be read"),
    ],
)
def test_what_is_too_little_to_compare_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], reports: tuple[str, ...], said: str
) -> None:
    assert aebench(monkeypatch, *reports) == 2
    assert said in capsys.readouterr().err


def test_where_nothing_can_be_compared_the_exit_code_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert aebench(monkeypatch, "slow", "strange") == 4
    assert "other data under the same name" in capsys.readouterr().out


def test_one_report_named_twice_is_compared_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert aebench(monkeypatch, "slow", "fast", "./slow/") == 0
    assert "named twice" in capsys.readouterr().out


def test_a_report_named_twice_is_refused_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    (here / "bad.csv").write_text("name,mean\nx,1\n")
    assert aebench(monkeypatch, "bad.csv", "bad.csv", "./bad.csv") == 2
    assert capsys.readouterr().err.count("refused: ") == 1


def test_a_place_that_cannot_be_written_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    (here / "taken").write_text("mine")
    assert aebench(monkeypatch, "slow", "fast", "--out", "taken") == 2
    assert "--out taken cannot be written" in capsys.readouterr().err
    assert (here / "taken").read_text() == "mine"


def test_what_is_written_again_is_the_same_to_the_last_byte(here: Path) -> None:
    reports = [here / "slow", here / "fast"]
    for out in ("one", "two"):
        assert (
            compare.compare_reports(
                compare.CompareRequest(reports, out=here / out), console=Console(file=io.StringIO())
            )
            == 0
        )
    for name in ("comparison.csv", "comparison.md", "comparison.html"):
        assert (here / "one" / name).read_bytes() == (here / "two" / name).read_bytes()
    assert sorted(path.name for path in (here / "one").iterdir()) == [
        "comparison.csv",
        "comparison.html",
        "comparison.md",
    ]


def test_no_path_is_written_into_the_files(here: Path) -> None:
    out = here / "out"
    compare.compare_reports(
        compare.CompareRequest([here / "slow", here / "fast"], out=out), console=Console(file=io.StringIO())
    )
    for path in out.iterdir():
        assert str(here) not in path.read_text()


def test_no_report_at_all_is_refused() -> None:
    with pytest.raises(InvalidInput, match="two reports or more"):
        compare.compare_reports(compare.CompareRequest([]))


def test_a_machine_is_the_reference_by_its_label(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    report(here / "epyc", *row(result(), machine_id="m3", environment_id="e3", cpu_model="AMD EPYC"))
    assert aebench(monkeypatch, "slow", "epyc", "--reference", "EPYC") == 0
    assert capsys.readouterr().out.startswith("Scripted takes 2.00 times as long per epoch as EPYC")


def test_prices_are_compared_at_the_same_loss(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert aebench(monkeypatch, "slow", "fast", "--price-per-hour", "slow=1,fast=4", "--out", "out") == 0
    printed = capsys.readouterr().out
    assert "To the same loss slow costs 25 % of what fast does, over 2 models (per hour: slow 1, fast 4)." in printed
    assert "What the same loss costs" in printed
    for name in ("comparison.md", "comparison.html"):
        assert "What the same loss costs" in Path("out", name).read_text()


@pytest.mark.parametrize(
    ("prices", "said"),
    [
        ("slow", "such as A=0.4,B=1.1; got 'slow'"),
        ("slow=1", "two machines or more; got 1. Known: slow, fast."),
        ("", "two machines or more; got 0"),
        ("slow=1,none=2", "no report is called 'none'. Known: slow, fast."),
        ("slow=1,slow=2", "names 'slow' twice"),
        ("slow=0,fast=1", "price of 'slow' is '0'; expected a number above 0"),
        ("slow=nan,fast=1", "price of 'slow' is 'nan'"),
        ("slow=1e99,fast=1", "price of 'slow' is '1e99'"),
        ("slow=\x1b[31mfree,fast=1", "price of 'slow' is 'free'"),
    ],
)
def test_prices_that_are_none_are_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], prices: str, said: str
) -> None:
    assert aebench(monkeypatch, "slow", "fast", "--price-per-hour", prices) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert len(printed.err.splitlines()) == 1
    assert printed.out == ""
