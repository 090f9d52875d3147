"""Which files of a report are kept as a reference, and which reports are refused."""

import gzip
from pathlib import Path

import pytest
from unit.handed_in import begin, write

from bench.errors import InvalidInput
from bench.plan.profile import Profile
from bench.reference import keep
from bench.reference.keep import keep_report
from bench.results.folder import ReportFolder
from bench.results.journal_lines import SweepHeader
from bench.results.reader import read_all_columns


def finish(folder: Path, header: SweepHeader | None = None) -> Path:
    """A report as a sweep leaves it."""
    write(folder, header=header)
    packed = folder / "epochs.csv.gz"
    (folder / "epochs.csv").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    return folder


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return finish(tmp_path / "report")


def test_five_files_are_kept(report: Path, tmp_path: Path) -> None:
    out = keep_report(report, "blog", tmp_path / "one")
    names = {"results.csv", "environment.json", "report.md", "report.html", "epochs.csv.gz"}
    assert {file.name for file in out.iterdir()} == names
    assert out.name.endswith("c-blog")
    assert gzip.decompress((out / "epochs.csv.gz").read_bytes()) == (report / "epochs.csv").read_bytes()
    again = keep_report(report, "blog", tmp_path / "two")
    assert all((again / name).read_bytes() == (out / name).read_bytes() for name in names)
    with pytest.raises(InvalidInput, match="there already"):
        keep_report(report, "blog", tmp_path / "one")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (begin(git_dirty=True), "uncommitted changes"),
        (begin(dataset_genuine=None), "the images are not known"),
        (begin(profile=Profile(models=("basic",), epochs=(4,), batch_sizes=(4,))), "ran in 1 process; expected 3"),
        (begin(machine_id="m123"), "machine_id is m123; by its fingerprint"),
    ],
)
def test_what_verify_refuses_is_kept_only_on_demand(tmp_path: Path, header: SweepHeader, reason: str) -> None:
    folder = finish(tmp_path / "report", header)
    with pytest.raises(InvalidInput, match=reason):
        keep_report(folder, "blog", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert keep_report(folder, "blog", tmp_path / "out", anyway=True).is_dir()


def test_a_sweep_that_did_not_end_is_kept_only_on_demand(report: Path, tmp_path: Path) -> None:
    lines = (report / "results.csv").read_text().splitlines(keepends=True)
    (report / "results.csv").write_text("".join(lines[:-1]))
    with pytest.raises(InvalidInput, match="1 of 6 rows that were planned are not there"):
        keep_report(report, "blog", tmp_path / "out")
    assert keep_report(report, "blog", tmp_path / "out", anyway=True).is_dir()


@pytest.mark.parametrize("what", ["", "../x", "A", "a" * 41])
def test_a_name_that_is_none_is_refused(report: Path, tmp_path: Path, what: str) -> None:
    with pytest.raises(InvalidInput, match="WHAT"):
        keep_report(report, what, tmp_path / "out")


def test_nothing_is_left_of_a_report_that_cannot_be_kept(report: Path, tmp_path: Path) -> None:
    (report / "epochs.csv").unlink()
    with pytest.raises(InvalidInput, match=r"lacks epochs\.csv; `aebench report DIR`"):
        keep_report(report, "blog", tmp_path / "out", anyway=True)
    (report / "epochs.csv").write_text("restored")
    (report / "report.html").write_text("x" * 1_500_001)
    with pytest.raises(InvalidInput, match="1,500,000 at most"):
        keep_report(report, "blog", tmp_path / "out", anyway=True)
    assert not (tmp_path / "out").exists()


def test_samples_that_the_answers_show_are_kept_and_no_others(
    report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _found, [shown, *_] = read_all_columns(report)
    monkeypatch.setattr(keep, "list_pictured", lambda _rows: [shown])
    folder = ReportFolder(report)
    folder.samples.mkdir()
    sample = folder.locate_sample(shown.case_id, shown.epochs)
    sample.write_bytes(b"images")
    folder.locate_sample("other", shown.epochs).write_bytes(b"others")
    out = keep_report(report, "blog", tmp_path / "one")
    assert [(file.name, file.read_bytes()) for file in (out / "samples").iterdir()] == [(sample.name, b"images")]
    sample.unlink()
    sample.symlink_to(folder.results)
    assert not (keep_report(report, "blog", tmp_path / "two") / "samples").exists()
