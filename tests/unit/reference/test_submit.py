"""What is packed to be handed in, and what is not."""

import io
from pathlib import Path

import pytest
from rich.console import Console
from unit.handed_in import change, verified, write

from bench.errors import ExitCode, InvalidInput
from bench.reference import archive, submit


def submitted(root: Path, out: Path) -> tuple[int, str]:
    printed = io.StringIO()
    return submit.submit(root, out, Console(file=printed, width=160)), printed.getvalue()


def test_what_is_submitted_is_accepted_and_always_the_same_bytes(tmp_path: Path) -> None:
    root = write(tmp_path / "a")
    first, second = tmp_path / "1.tar.gz", tmp_path / "2.tar.gz"
    code, printed = submitted(root, first)
    assert code == submitted(root, second)[0] == ExitCode.OK
    assert first.read_bytes() == second.read_bytes()
    assert "cores_logical: " in printed
    assert archive.read_files(first) == archive.read_files(root)
    assert verified(first)[0] == ExitCode.OK


def test_a_report_that_would_be_refused_is_not_packed(tmp_path: Path) -> None:
    root = change(write(tmp_path / "a"), total_s=1.0)
    assert submitted(root, tmp_path / "1.tar.gz")[0] == ExitCode.REGRESSION
    assert not (tmp_path / "1.tar.gz").exists()


@pytest.mark.parametrize("text", ["/home/ada/x", "run on ada-laptop.", "by adalovelace", "/home/adam/reports"])
def test_a_report_that_names_a_path_the_host_or_the_user_is_not_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr("platform.node", lambda: "ada-laptop.example")
    monkeypatch.setattr("getpass.getuser", lambda: "adalovelace")
    root = write(tmp_path / "a")
    (root / "report.md").write_text(text)
    with pytest.raises(InvalidInput, match=r"report\.md names"):
        submitted(root, tmp_path / "1.tar.gz")
    assert not (tmp_path / "1.tar.gz").exists()


@pytest.mark.parametrize("name", ["adam", "deep", "basic", "max"])
def test_whoever_is_called_like_a_word_of_the_harness_can_submit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: name)
    monkeypatch.setattr("platform.node", lambda: name)
    root = write(tmp_path / "a")
    (root / "report.md").write_text("basic and deep, by adam, at max")
    assert submitted(root, tmp_path / "1.tar.gz")[0] == ExitCode.OK
