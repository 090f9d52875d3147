"""Reports that strangers hand in: accepted where they agree with themselves, refused with each reason once."""

import csv
import dataclasses
import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import scripted
from rich.console import Console
from unit.handed_in import begin, change, run, verified, write, write_csv

from bench.errors import ExitCode
from bench.plan.profile import Case, Profile
from bench.reference import verify
from bench.report.report import redraw_report
from bench.results import stats
from bench.results.bands import Band
from bench.results.epochs import Epochs
from bench.results.journal_lines import Outcome
from bench.results.reader import read_report
from bench.worker.protocol import PeaksEvent

FIT = "basic.tensorflow.fit.float32.adam-0.001.b4.mnist-5k.s0"
FIRST = f"{FIT}.r0"


def change_epochs(root: Path, edit: Callable[[list[dict[str, str]]], Any]) -> Path:
    file = root / "epochs.csv.gz"
    rows = list(csv.DictReader(io.StringIO(gzip.decompress(file.read_bytes()).decode())))
    edit(rows)
    write_csv(root / "plain", rows)
    file.write_bytes(gzip.compress((root / "plain").read_bytes()))
    return root


def test_a_report_that_agrees_with_itself_is_accepted(tmp_path: Path) -> None:
    assert verified(write(tmp_path / "a")) == (ExitCode.OK, f"ACCEPTED: 1 case, 3 processes: {tmp_path / 'a'}\n")


@pytest.mark.parametrize(("low", "is_refused"), [(0.0, False), (50.0, True)])
def test_a_loss_outside_of_its_band_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, low: float, is_refused: bool
) -> None:
    root = write(tmp_path / "a")
    axes = ("model", "optimizer", "learning_rate", "batch_size", "dataset", "train_samples", "epochs")
    row = read_report(root).rows[0]
    band = Band(**{name: getattr(row, name) for name in axes}, low=low, high=99.0, seeds=5, source="made up")
    monkeypatch.setattr("bench.results.bands.read_bands", lambda: [band])
    code, printed = verified(root)
    assert (code == ExitCode.REGRESSION) == ("the reference band is 50" in printed) == is_refused


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"first_epoch_s": 1.0}, "at 1 epoch: first_epoch_s is 1; by epochs.csv it is 2.5"),
        ({"train_total_s": 2.0}, "train_total_s is 2; by epochs.csv it is 2.5"),
        ({"val_total_s": 0.01}, "val_total_s is 0.01; by epochs.csv"),
        ({"harness_epoch_s": 0.0}, "harness_epoch_s is 0; by epochs.csv it is 0.003"),
        ({"noisy_epochs": 1}, "noisy_epochs is 1; by epochs.csv it is 0"),
        ({"other_cores": 0.0}, "other_cores is 0; by epochs.csv it is 0.01"),
        ({"train_loss": 0.01}, "train_loss is 0.01; by epochs.csv it is 0.3"),
        ({"val_loss": 0.21}, "val_loss is 0.21; by epochs.csv it is 0.2"),
        ({"train_total_j": 1.0}, "train_total_j is 1; by epochs.csv it is 30"),
        ({"steady": "yes"}, "steady is yes; by epochs.csv it is unknown"),
        ({"val_bce": 0.18, "val_loss": 0.2}, "val_bce 0.18 is below val_loss 0.2, and this model has no other loss"),
        ({"val_bce": 0.22}, "val_bce 0.22 is above val_loss 0.2, which it is a part of"),
        ({"peak_rss_mib": 500.0}, "peak_rss_mib is 500; by its phases it is 601"),
        ({"peak_rss_train_mib": 700.0}, "peak_rss_mib is 601; by its phases it is 700"),
        ({"peak_anon_mib": 900.0}, "peak_anon_mib 900 is more than peak_rss_mib"),
        ({"import_s": 99.0}, "its parts took 102.25 s, longer than all"),
        ({"total_s": None}, "no total_s"),
        ({"case_id": f"{FIT.replace('adam', 'adadelta')}.r0"}, f"case_id is {FIT.replace('adam', 'adadelta')}.r0; by"),
        ({"batch_size": 8}, f"case_id is {FIRST}; by its case it is {FIRST.replace('b4', 'b8')}"),
        ({"run_epochs": 9}, "run_epochs is 9; by its case it is 4"),
        ({"learning_rate": -1.0}, "learning_rate is -1, which no case of aebench has"),
        ({"is_last": True}, "is_last is True; by environment.json it is False"),
        ({"train_samples": 41}, "train_samples is 41; by environment.json it is 40"),
        ({"git_dirty": "yes"}, "git_dirty is yes; by environment.json it is no"),
        ({"dataset_genuine": "unknown"}, "the images are not known"),
        ({"dataset_digest": "0" * 64}, "the images are not known"),
        ({"status": "failed", "error": "it"}, "failed, not ok"),
        ({"gflop_per_s": 9.0}, "gflop_per_s is 9; by its other columns it is nothing"),
    ],
)
def test_a_figure_that_was_changed_is_found(tmp_path: Path, cells: dict[str, Any], reason: str) -> None:
    code, printed = verified(change(write(tmp_path / "a"), (0,), **cells))
    assert code == ExitCode.REGRESSION
    assert printed.startswith("REFUSED: ")
    assert reason in printed


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"epoch_s_quiet": 0.3}, "epoch_s_quiet is 0.3; by epochs.csv it is 0.303"),
        ({"epoch_s_low": 0.3}, "epoch_s_low is 0.3; by epochs.csv"),
        ({"epoch_s_high": 0.31}, "epoch_s_high is 0.31; by epochs.csv"),
        ({"epoch_s_error": 0.1}, "epoch_s_error is 0.1; by epochs.csv"),
        ({"epoch_s_median": 0.2}, "epoch_s_median is 0.2; by epochs.csv it is 0.303"),
        ({"val_s_median": 0.01}, "val_s_median is 0.01; by epochs.csv it is 0.05"),
        ({"samples_per_s": 9.0}, "samples_per_s is 9; by epochs.csv it is 132"),
        ({"epoch_j": 3.0}, "epoch_j is 3; by epochs.csv it is 30"),
        ({"peak_fraction": 0.5}, "peak_fraction is 0.5; by its other columns"),
        ({"bound": "memory"}, "bound is memory; by its other columns it is dispatch"),
        ({"total_s": 12.5}, "total_s is 12.5, less than 13 at an earlier checkpoint"),
        ({"cpu_total_s": 1.0}, "cpu_total_s is 1, less than 13 at an earlier checkpoint"),
    ],
)
def test_a_figure_of_steady_epochs_that_was_changed_is_found(
    tmp_path: Path, cells: dict[str, Any], reason: str
) -> None:
    code, printed = verified(change(write(tmp_path / "a"), (1,), **cells))
    assert (code, reason in printed) == (ExitCode.REGRESSION, True), printed


@pytest.mark.parametrize("column", ["machine_id", "environment_id"])
def test_an_id_that_is_not_of_the_fingerprint_is_found(tmp_path: Path, column: str) -> None:
    root = change(write(tmp_path / "a"), tuple(range(6)), **{column: "m123"})
    assert f"results.csv: {column} is m123; by its fingerprint it is" in verified(root)[1]
    assert f"results.csv: {column} is m123; by its fingerprint it is" in verified(root / "results.csv")[1]


def test_another_machine_than_that_of_the_plan_is_found(tmp_path: Path) -> None:
    root = change(write(tmp_path / "a"), tuple(range(6)), cpu_model="A faster one")
    assert "cpu_model is A faster one; by environment.json it is Scripted CPU" in verified(root)[1]


def measure_arithmetic(peak: float) -> Callable[[Case], Outcome]:
    """Processes that reach 132 MFLOP/s, and a measured peak of so many GFLOP/s."""
    peaks = PeaksEvent(gflop_per_s=peak, gb_per_s=10.0, dispatch_s=1e-4)
    return lambda case: run(case).model_copy(update={"peaks": peaks})


@pytest.mark.parametrize(("peak", "is_refused"), [(0.12, False), (0.10, True)])
def test_arithmetic_may_be_above_the_peak_by_no_more_than_its_own_error(
    tmp_path: Path, peak: float, is_refused: bool
) -> None:
    code, printed = verified(write(tmp_path / "a", measure_arithmetic(peak)))
    assert (code == ExitCode.REGRESSION) == ("20% above the measured peak" in printed) == is_refused, printed


@pytest.mark.parametrize("peak", [0.0, -1.0, None, 1e-320])
def test_a_peak_that_is_none_divides_nothing(tmp_path: Path, peak: float | None) -> None:
    root = change(write(tmp_path / "a"), (1,), peak_gflop_per_s=peak, peak_gb_per_s=peak)
    assert "REFUSED" in verified(root)[1]


def test_processes_of_the_same_nanoseconds_are_found(tmp_path: Path) -> None:
    root = change(write(tmp_path / "a"), (1,), total_s=16.001)
    assert f"{FIT}: two of its processes took the same nanoseconds" in verified(root)[1]


def test_a_report_drawn_without_noisy_epochs_is_accepted(tmp_path: Path) -> None:
    """Its CSV files have every epoch."""
    root = tmp_path / "a"
    header = begin(profile=Profile(models=("basic",), epochs=(12,), batch_sizes=(4,), repeats=3))
    write(root, beside_noise, header)
    assert redraw_report(root, Console(quiet=True), without_noisy=True) == ExitCode.OK
    assert "left out of the medians" in (root / "report.md").read_text()
    assert verified(root) == (ExitCode.OK, f"ACCEPTED: 1 case, 3 processes: {root}\n")


def beside_noise(case: Case) -> Outcome:
    """A process whose last epoch was slow and noisy."""
    quiet = run(case)
    last = dataclasses.replace(quiet.epochs[-1], noise=scripted.NOISY, train_s=0.4)
    return quiet.model_copy(update={"epochs": Epochs([*quiet.epochs[:-1], last])})


def test_two_processes_are_too_few(tmp_path: Path) -> None:
    header = begin(profile=Profile(models=("basic",), epochs=(1, 4), batch_sizes=(4,), repeats=2))
    assert "ran in 2 processes; expected 3" in verified(write(tmp_path / "a", header=header))[1]


def test_many_noisy_epochs_are_refused(tmp_path: Path) -> None:
    noisy = Epochs(scripted.epoch(number, noise=scripted.NOISY) for number in range(1, 5))
    printed = verified(write(tmp_path / "a", lambda case: run(case).model_copy(update={"epochs": noisy})))[1]
    assert f"{FIT}: 12 of 12 epochs were noisy" in printed


def test_a_planned_process_that_is_not_there_is_found(tmp_path: Path) -> None:
    header = begin(profile=Profile(models=("basic",), epochs=(1, 4), batch_sizes=(4,), repeats=4))
    root = write(tmp_path / "a", header=header)
    lines = (root / "results.csv").read_text().splitlines(keepends=True)
    (root / "results.csv").write_text("".join(lines[:-2]))
    printed = verified(root)[1]
    assert f"2 of 8 rows that were planned are not there, such as {FIT}.r3 at 1 epoch; `--resume` runs them." in printed
    assert f"epochs.csv has {FIT}.r3, and results.csv does not" in printed


def test_epochs_that_are_not_there_are_found(tmp_path: Path) -> None:
    root = change_epochs(write(tmp_path / "a"), lambda rows: rows.pop(3))
    assert f"{FIRST}: 3 of its 4 epochs are in epochs.csv" in verified(root)[1]


def test_figures_that_epochs_do_not_give_may_be_of_other_code(tmp_path: Path) -> None:
    note = "Note: an aebench of another day may have computed otherwise: `aebench report DIR` computes it again."
    root = write(tmp_path / "a")
    assert note not in verified(root)[1]
    assert note in verified(change(root, (1,), epoch_s_low=0.3))[1]


def test_the_warm_up_is_looked_for_once_per_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, asked = write(tmp_path / "a"), []

    def count(times: list[float]) -> int:
        asked.append(times)
        return 1

    monkeypatch.setattr(stats, "find_warmup_length", count)
    assert verified(root)[0] == ExitCode.OK
    assert len(asked) == 3


def test_epochs_of_an_aebench_that_did_not_count_the_cpus_are_read(tmp_path: Path) -> None:
    root = change_epochs(write(tmp_path / "a"), lambda rows: [row.pop("cores") for row in rows])
    assert verified(root)[0] == ExitCode.OK


def test_a_results_csv_alone_says_what_was_not_checked(tmp_path: Path) -> None:
    code, printed = verified(write(tmp_path / "a") / "results.csv")
    assert code == ExitCode.OK
    assert "Note: it is a results.csv alone" in printed


@pytest.mark.parametrize("name", ["epochs.csv.gz", "environment.json", "report.md", "report.html"])
def test_a_file_that_is_left_out_is_no_way_round_a_check(tmp_path: Path, name: str) -> None:
    root = write(tmp_path / "a")
    (root / name).unlink()
    assert f"missing: {name}." in verified(root)[1]


def test_one_unreadable_file_does_not_hide_the_others(tmp_path: Path) -> None:
    code, printed = verified(tmp_path / "absent.csv", tmp_path / ("a" * 5_000), write(tmp_path / "a"))
    assert code == ExitCode.INVALID_INPUT
    assert [line.split(":")[0] for line in printed.splitlines()] == ["UNREADABLE", "UNREADABLE", "ACCEPTED"]


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}", "[]", "null", "[" * 100_000, "\xff", '{"profile": 1}'),
        json.dumps(begin().model_dump(mode="json", exclude={"kind"}) | {"cases": "many"}),
    ],
)
def test_an_environment_that_is_none_is_one_message(tmp_path: Path, text: str) -> None:
    root = write(tmp_path / "a")
    (root / "environment.json").write_bytes(text.encode("latin-1"))
    code, printed = verified(root)
    assert (code, printed.count("\n")) == (ExitCode.INVALID_INPUT, 1)
    assert "environment.json is not as aebench writes it" in printed


def test_more_rows_than_can_be_computed_are_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "_MOST_ROWS", 5)
    assert "has 6 rows; 5 at most" in verified(write(tmp_path / "a"))[1]


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


def put(place: int, **cells: Any) -> Callable[[list[dict[str, str]]], Any]:
    return lambda rows: rows[place].update({name: str(value) for name, value in cells.items()})


@pytest.mark.parametrize(
    "edit",
    [
        put(0, train_s="nan"),
        put(0, train_s="-1"),
        put(0, harness_s=""),
        put(0, own_cores="inf"),
        put(0, steal_percent="1e300"),
        put(0, mhz="x"),
        put(0, epoch="2"),
        put(0, epoch="9" * 5_000),
        put(0, train_s="9" * 5_000),
        put(0, case_id="\x1b[2J" * 50_000),
        lambda rows: rows.insert(1, dict(rows[0])),
        lambda rows: rows.reverse(),
        lambda rows: [row.pop("noise") for row in rows],
    ],
)
def test_broken_epochs_are_one_message(tmp_path: Path, edit: Callable[[list[dict[str, str]]], Any]) -> None:
    code, printed = verified(change_epochs(write(tmp_path / "a"), edit))
    assert (code, printed.count("\n")) == (ExitCode.INVALID_INPUT, 1)
    assert "\x1b" not in printed
    assert len(printed) < 1_000


@pytest.mark.parametrize("names", [("train_s", "val_s"), ("train_loss", "val_loss"), ("own_cores", "mhz")])
def test_columns_that_changed_places_are_found(tmp_path: Path, names: tuple[str, str]) -> None:
    one, other = names
    root = change_epochs(
        write(tmp_path / "a"), lambda rows: [row.update({one: row[other], other: row[one]}) for row in rows]
    )
    assert "by epochs.csv it is" in verified(root)[1]


@pytest.mark.parametrize(
    "epochs",
    [b"case_id,case_id,epoch,train_s,val_s,noise\n", b"epoch\n", b"", b'"', b"a,b\n1\n", b"\xff"],
)
def test_epochs_that_are_no_table_are_one_message(tmp_path: Path, epochs: bytes) -> None:
    root = write(tmp_path / "a")
    (root / "epochs.csv.gz").write_bytes(gzip.compress(epochs))
    code, printed = verified(root)
    assert (code, printed.count("\n")) == (ExitCode.INVALID_INPUT, 1)


def test_a_line_that_is_longer_than_the_first_is_one_message(tmp_path: Path) -> None:
    root = write(tmp_path / "a")
    lines = gzip.decompress((root / "epochs.csv.gz").read_bytes()).replace(b"\n", b",1\n").replace(b",1\n", b"\n", 1)
    (root / "epochs.csv.gz").write_bytes(gzip.compress(lines))
    assert "a line is longer or shorter" in verified(root)[1]


def test_endless_epochs_are_one_message(tmp_path: Path) -> None:
    root = write(tmp_path / "a")
    header, line = gzip.decompress((root / "epochs.csv.gz").read_bytes()).decode().splitlines()[:2]
    assert f"{FIRST},1," in line
    lines = (line.replace(f"{FIRST},1,", f"{FIRST},{number},") for number in range(1, 10_003))
    (root / "epochs.csv.gz").write_bytes(gzip.compress("\n".join([header, *lines]).encode()))
    code, printed = verified(root)
    assert (code, printed.count("\n")) == (ExitCode.INVALID_INPUT, 1)
    assert "10,000 of one process" in printed


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


def test_an_archive_of_nothing_but_long_names_is_one_message(tmp_path: Path) -> None:
    """tarfile reads them one within another."""
    header = tarfile.TarInfo("long")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 4
    one = header.tobuf(tarfile.GNU_FORMAT) + b"name".ljust(512, b"\0")
    (tmp_path / "deep.tar.gz").write_bytes(gzip.compress(one * 3_000))
    code, printed = verified(tmp_path / "deep.tar.gz")
    assert (code, printed.count("\n")) == (ExitCode.INVALID_INPUT, 1)
