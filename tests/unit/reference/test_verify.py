"""Reports that strangers hand in: accepted where they agree with themselves, refused with each reason once."""

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
import scripted
from rich.console import Console

from bench.datasets.find import GENUINE
from bench.errors import ExitCode, InvalidInput
from bench.reference import archive, submit, verify
from bench.report.files import format_csv
from bench.results.bands import Band
from bench.results.folder import ReportFolder
from bench.results.schema import ResultRow

TRAIN_S = (1.0, 0.5, 0.5, 0.5)


def row(repeat: int, **changes: Any) -> ResultRow:
    case = scripted.strange_case(repeat=repeat, dataset="mnist-5k")
    changes = {
        "case_id": case.case_id,
        "repeat": repeat,
        "dataset": "mnist-5k",
        "epochs": 4,
        "run_epochs": 4,
        "dataset_digest": GENUINE["mnist-5k"],
        "dataset_genuine": "yes",
        "train_samples": 4000,
        "total_s": 9.0 + repeat,
        "first_epoch_s": 1.0,
        "train_total_s": 2.5,
        "val_total_s": 0.4,
        "noisy_epochs": 0,
        **scripted.times(0.5),
        "samples_per_s": 8000.0,
        "flops_per_sample": 1e6,
        "gflop_per_s": 8.0,
        "peak_gflop_per_s": 100.0,
        **changes,
    }
    return scripted.result_row(**changes)


def write(root: Path, *rows: ResultRow) -> Path:
    root.mkdir()
    rows = rows or tuple(row(repeat) for repeat in range(3))
    folder = ReportFolder(root)
    folder.results.write_text("".join(format_csv(ResultRow, rows)))
    lines = [f"{each.case_id},{number},{seconds},0.1," for each in rows for number, seconds in enumerate(TRAIN_S, 1)]
    packed = "\n".join(["case_id,epoch,train_s,val_s,noise", *lines, ""])
    (root / "epochs.csv.gz").write_bytes(gzip.compress(packed.encode()))
    folder.environment.write_text("{}")
    folder.report.write_text("a report")
    folder.page.write_text("<p>a report")
    return root


def verified(*files: Path) -> tuple[int, str]:
    out = io.StringIO()
    return verify.verify(files, Console(file=out, width=160)), out.getvalue()


def test_a_report_that_agrees_with_itself_is_accepted(tmp_path: Path) -> None:
    code, printed = verified(write(tmp_path / "a"))
    assert (code, printed.split(":")[0:2]) == (ExitCode.OK, ["ACCEPTED", " 1 case, 3 processes"])


@pytest.mark.parametrize(("low", "is_refused"), [(0.0, False), (50.0, True)])
def test_a_loss_outside_of_its_band_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, low: float, is_refused: bool
) -> None:
    axes = ("model", "optimizer", "learning_rate", "batch_size", "dataset", "train_samples", "epochs")
    band = Band(**{name: getattr(row(0), name) for name in axes}, low=low, high=99.0, seeds=5, source="made up")
    monkeypatch.setattr("bench.results.bands.read_bands", lambda: [band])
    code, printed = verified(write(tmp_path / "a"))
    assert (code == ExitCode.REGRESSION) == ("the reference band is 50" in printed) == is_refused


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            scripted.times(0.4) | {"samples_per_s": 10_000.0, "gflop_per_s": 10.0},
            "epoch_s_median is 0.4; by epochs.csv",
        ),
        ({"samples_per_s": 9000.0, "gflop_per_s": 9.0}, "samples_per_s is 9000; by its row it is 8000"),
        ({"gflop_per_s": 9.0}, "gflop_per_s is 9; by its row it is 8"),
        ({"peak_gflop_per_s": 7.0}, "above the measured peak"),
        ({"train_total_s": 2.0}, "train_total_s is 2; by epochs.csv it is 2.5"),
        ({"total_s": 2.0}, "longer than all"),
        ({"total_s": 10.0}, "the same nanoseconds"),
        ({"noisy_epochs": 4}, "4 of 12 epochs were noisy"),
        ({"dataset_genuine": "unknown"}, "the images are not known"),
        ({"dataset_digest": "0" * 64}, "the images are not known"),
        ({"status": "failed", "error": "it"}, "failed, not ok"),
    ],
)
def test_a_figure_that_was_changed_is_found(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    code, printed = verified(write(tmp_path / "a", row(0, **changes), row(1), row(2)))
    assert code == ExitCode.REGRESSION
    assert printed.startswith("REFUSED: ")
    assert reason in printed


def test_two_processes_are_too_few(tmp_path: Path) -> None:
    assert "ran in 2 processes; expected 3" in verified(write(tmp_path / "a", row(0), row(1)))[1]


def test_without_epochs_a_note_says_what_was_not_checked(tmp_path: Path) -> None:
    code, printed = verified(write(tmp_path / "a") / "results.csv")
    assert code == ExitCode.OK
    assert "Note: no epochs.csv" in printed


def test_one_unreadable_file_does_not_hide_the_others(tmp_path: Path) -> None:
    code, printed = verified(tmp_path / "absent.csv", write(tmp_path / "a"))
    assert code == ExitCode.INVALID_INPUT
    assert [line.split(":")[0] for line in printed.splitlines()] == ["UNREADABLE", "ACCEPTED"]


def pack(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as opened:
        for member in members:
            opened.addfile(member, io.BytesIO(b"\0" * member.size))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.size, made.linkname = kind, size, target
    return made


@pytest.mark.parametrize(
    "members",
    [
        [member("../results.csv")],
        [member("/etc/results.csv")],
        [member("results.csv", tarfile.SYMTYPE, target="/etc/passwd")],
        [member("results.csv", tarfile.GNUTYPE_SPARSE)],
        [member("results.csv"), member("results.csv")],
        [member("results.csv", size=(64 << 20) + 1)],
        [member("report.md")],
        [],
    ],
)
def test_a_hostile_archive_is_one_message(tmp_path: Path, members: list[tarfile.TarInfo]) -> None:
    code, printed = verified(pack(tmp_path / "a.tar.gz", *members))
    assert (code, printed.count("\n")) == (ExitCode.INVALID_INPUT, 1)
    assert [each.name for each in tmp_path.iterdir()] == ["a.tar.gz"]


EPOCHS = "case_id,epoch,train_s,val_s,noise\n"


@pytest.mark.parametrize(
    "epochs",
    [
        EPOCHS + "a,1,nan,1,\n",
        EPOCHS + "a,2,1,1,\n",
        EPOCHS + "a,1,x\n",
        "case_id,case_id,epoch,train_s,val_s,noise\n",
        "epoch\n",
        "",
        EPOCHS + "".join(f"a,{number},1,1,\n" for number in range(1, 10_003)),
    ],
)
def test_broken_epochs_are_one_message(tmp_path: Path, epochs: str) -> None:
    root = write(tmp_path / "a")
    (root / "epochs.csv.gz").write_bytes(gzip.compress(epochs.encode()))
    code, printed = verified(root)
    assert (code, printed.count("\n")) == (ExitCode.INVALID_INPUT, 1)


@pytest.mark.parametrize(
    "packed", [b"no gzip", gzip.compress(b"a" * 100, mtime=0)[:-9], gzip.compress("é".encode("utf-16"), mtime=0)]
)
def test_epochs_that_are_no_gzip_or_no_text_are_refused(tmp_path: Path, packed: bytes) -> None:
    root = write(tmp_path / "a")
    (root / "epochs.csv.gz").write_bytes(packed)
    assert verified(root)[0] == ExitCode.INVALID_INPUT


def test_a_link_in_a_folder_is_not_followed(tmp_path: Path) -> None:
    root = write(tmp_path / "a")
    (root / "report.md").unlink()
    (root / "report.md").symlink_to(root / "environment.json")
    assert "is a link" in verified(root)[1]


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
    assert submitted(write(tmp_path / "a", row(0)), tmp_path / "1.tar.gz")[0] == ExitCode.REGRESSION
    assert not (tmp_path / "1.tar.gz").exists()


@pytest.mark.parametrize("text", ["/home/ada/x", "run on ada-laptop."])
def test_a_report_that_names_a_path_or_the_host_is_not_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr("platform.node", lambda: "ada-laptop.example")
    root = write(tmp_path / "a")
    (root / "report.md").write_text(text)
    with pytest.raises(InvalidInput, match=r"report\.md names"):
        submitted(root, tmp_path / "1.tar.gz")
    assert not (tmp_path / "1.tar.gz").exists()


def test_an_archive_of_nothing_but_long_names_is_one_message(tmp_path: Path) -> None:
    """tarfile reads them one within another."""
    header = tarfile.TarInfo("long")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 4
    one = header.tobuf(tarfile.GNU_FORMAT) + b"name".ljust(512, b"\0")
    (tmp_path / "deep.tar.gz").write_bytes(gzip.compress(one * 3_000))
    code, printed = verified(tmp_path / "deep.tar.gz")
    assert (code, printed.count("\n")) == (ExitCode.INVALID_INPUT, 1)
