"""A report folder is opened for the sweep that it belongs to, and for no other."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import scripted

from bench.errors import InvalidInput
from bench.results import journal, rows
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome, SweepHeader
from bench.sweep import session


def swept(folder: ReportFolder, header: SweepHeader, script: scripted.Script, *, resume: bool = False) -> list[Outcome]:
    with session.open_sweep(folder, header, resume=resume) as sweep:
        return list(sweep.run(sweep.pending, script.executor(folder), lambda _case, _event: None))


def refusal(folder: ReportFolder, header: SweepHeader, *, resume: bool = False) -> str:
    with pytest.raises(InvalidInput) as raised, session.open_sweep(folder, header, resume=resume):
        pytest.fail("opened")
    return str(raised.value)


def models_of(outcomes: Sequence[Outcome]) -> list[str]:
    return [outcome.case.model for outcome in outcomes]


def test_a_new_folder_has_every_case_pending(folder: ReportFolder, header: SweepHeader) -> None:
    with session.open_sweep(folder, header, resume=False) as sweep:
        assert list(sweep.pending) == header.profile.list_cases()
        assert sweep.kept == ()
        assert journal.read_journal(folder.journal).header == header


def test_an_empty_folder_that_exists_is_used(folder: ReportFolder, header: SweepHeader) -> None:
    folder.root.mkdir()
    assert models_of(swept(folder, header, scripted.Script())) == ["basic", "deep"]


def test_an_outcome_is_in_the_journal_before_it_is_yielded(folder: ReportFolder, header: SweepHeader) -> None:
    with session.open_sweep(folder, header, resume=False) as sweep:
        for outcome in sweep.run(sweep.pending, scripted.Script().executor(folder), lambda _case, _event: None):
            assert journal.read_journal(folder.journal).outcomes[-1] == outcome


def test_finished_cases_are_kept_and_not_run_again(folder: ReportFolder, header: SweepHeader) -> None:
    first = swept(folder, header, scripted.Script(stop_at="deep"))
    again = scripted.Script()
    swept(folder, header, again, resume=True)
    assert again.ran == ["deep"]
    outcomes = journal.read_journal(folder.journal).outcomes
    assert models_of(outcomes) == ["basic", "deep"]
    assert outcomes[:1] == tuple(first)


@pytest.mark.parametrize("status", ["failed", "killed", "timeout", "diverged", "invalid"])
def test_cases_that_did_not_end_well_are_run_again(folder: ReportFolder, header: SweepHeader, status: str) -> None:
    swept(folder, header, scripted.Script(endings={"basic": {"status": status, "error": "scripted"}}))
    again = scripted.Script()
    swept(folder, header, again, resume=True)
    assert again.ran == ["basic"]
    latest = journal.read_journal(folder.journal).latest
    assert [outcome.status for outcome in latest.values()] == ["ok", "ok"]


def test_a_finished_sweep_has_nothing_left_to_resume(folder: ReportFolder, header: SweepHeader) -> None:
    swept(folder, header, scripted.Script())
    again = scripted.Script()
    assert swept(folder, header, again, resume=True) == []
    assert again.ran == []


def test_resuming_keeps_the_first_header(folder: ReportFolder, header: SweepHeader) -> None:
    swept(folder, header, scripted.Script(stop_at="deep"))
    later = scripted.header(created_at="2026-02-03T00:00:00+00:00", dataset_origin="elsewhere")
    with session.open_sweep(folder, later, resume=True) as sweep:
        assert sweep.header == header


def test_a_case_that_was_torn_off_the_journal_is_pending_and_noted(folder: ReportFolder, header: SweepHeader) -> None:
    swept(folder, header, scripted.Script())
    folder.journal.write_bytes(folder.journal.read_bytes()[:-9])
    again = scripted.Script()
    with session.open_sweep(folder, header, resume=True) as sweep:
        assert models_of(sweep.kept) == ["basic"]
        list(sweep.run(sweep.pending, again.executor(folder), lambda _case, _event: None))
    assert again.ran == ["deep"]
    assert journal.read_journal(folder.journal).notes == ()


def test_a_torn_line_is_reported_when_the_sweep_is_resumed(folder: ReportFolder, header: SweepHeader) -> None:
    swept(folder, header, scripted.Script())
    folder.journal.write_bytes(folder.journal.read_bytes()[:-9])
    with session.open_sweep(folder, header, resume=True) as sweep:
        assert any("line 3" in note for note in sweep.found)
        assert sweep.notes == ()


# --- failed cases are run again, so many times ---------------------------------------------------------------------


FAILING = {"basic": {"status": "failed", "error": "scripted"}}


def test_runs_of_a_case_are_counted_over_every_resuming(folder: ReportFolder, header: SweepHeader) -> None:
    counts = [
        [outcome.attempt for outcome in swept(folder, header, scripted.Script(endings=FAILING), resume=resume)]
        for resume in (False, True, True)
    ]
    assert counts == [[1, 1], [2], [3]]
    latest = journal.read_journal(folder.journal).latest.values()
    assert [row.attempts for each in latest for row in rows.make_result_rows(each, header)] == [3, 3, 1, 1]


@pytest.mark.parametrize("retries", [0, 2])
def test_a_case_is_run_again_no_more_often_than_the_retries_say(folder: ReportFolder, retries: int) -> None:
    header = scripted.header(profile=scripted.profile(retries=retries))
    ran = []
    for number in range(5):
        script = scripted.Script(endings=FAILING)
        swept(folder, header, script, resume=number > 0)
        ran += script.ran
    assert ran == ["basic", "deep", *["basic"] * retries]
    with session.open_sweep(folder, header, resume=True) as sweep:
        assert sweep.pending == ()
        assert [case.model for case in sweep.given_up] == ["basic"]
        assert [case.model for case in sweep.done] == ["deep"]


def test_more_retries_may_be_allowed_later(folder: ReportFolder) -> None:
    header = scripted.header(profile=scripted.profile(retries=0))
    swept(folder, header, scripted.Script(endings=FAILING))
    later = scripted.header(profile=scripted.profile(retries=1, stall_s=5.0, timeout_s=60.0))
    again = scripted.Script()
    swept(folder, later, again, resume=True)
    assert again.ran == ["basic"]
    assert all(outcome.status == "ok" for outcome in journal.read_journal(folder.journal).latest.values())


def test_a_case_that_was_interrupted_was_not_run(folder: ReportFolder, header: SweepHeader) -> None:
    with pytest.raises(KeyboardInterrupt):
        swept(folder, header, scripted.Script(interrupt_at="basic"))
    assert [outcome.attempt for outcome in swept(folder, header, scripted.Script(), resume=True)] == [1, 1]


# --- what a killed run leaves ----------------------------------------------------------------------------------------


def leave_rests(folder: ReportFolder) -> None:
    folder.samples.mkdir(parents=True)
    (folder.root / "..data.npz-x1y2").mkdir()
    rests = (".data.npz", "..data.npz-x1y2/.data.npz", ".results.csv.k3.part", ".probe", ".holder")
    for name in (*rests, "samples/.case-1.npz.part"):
        (folder.root / name).write_text("half")


def test_a_folder_of_a_run_that_was_killed_before_its_first_line_is_begun(
    folder: ReportFolder, header: SweepHeader
) -> None:
    folder.root.mkdir()
    for name in (".lock", ".holder", ".journal.jsonl.k3.part"):
        (folder.root / name).write_text("")
    assert models_of(swept(folder, header, scripted.Script())) == ["basic", "deep"]


def test_what_a_killed_run_has_left_is_cleared_up_and_nothing_else(folder: ReportFolder, header: SweepHeader) -> None:
    swept(folder, header, scripted.Script(stop_at="deep"))
    leave_rests(folder)
    for name in ("notes.txt", ".hidden", "samples/case-1.npz"):
        (folder.root / name).write_text("mine")
    swept(folder, header, scripted.Script(), resume=True)
    left = {str(path.relative_to(folder.root)) for path in folder.root.rglob("*") if path.is_file()}
    # Some versions of filelock remove their file, others leave it.
    assert left - {".lock"} == {"journal.jsonl", "notes.txt", ".hidden", "samples/case-1.npz"}


def test_a_journal_is_there_with_its_whole_header_or_not_at_all(
    folder: ReportFolder, header: SweepHeader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", refuse)
        with pytest.raises(OSError, match="No space left"):
            swept(folder, header, scripted.Script())
    assert not folder.journal.exists()
    assert models_of(swept(folder, header, scripted.Script())) == ["basic", "deep"]


# --- folders that do not fit -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "field", "values"),
    [
        ({"profile": scripted.profile(epochs=(1, 5))}, "profile.epochs", ["(1, 4)", "(1, 5)"]),
        ({"profile": scripted.profile(seed=9)}, "profile.seed", ["0", "9"]),
        ({"profile": scripted.profile(models=("basic",))}, "profile.models", ["deep"]),
        ({"dataset_digest": "e" * 64}, "dataset_digest", ["d" * 64, "e" * 64]),
        ({"fingerprint": scripted.fingerprint(keras="9.9")}, "fingerprint.keras", ["3.13.2", "9.9"]),
        ({"fingerprint": scripted.fingerprint(cpu_limit=1.5)}, "fingerprint.cpu_limit", ["2.0", "1.5"]),
        ({"git_commit": "f" * 16}, "git_commit", ["0123456789abcdef", "f" * 16]),
    ],
)
def test_a_folder_of_another_sweep_is_refused_with_what_differs(
    folder: ReportFolder, header: SweepHeader, change: dict[str, Any], field: str, values: list[str]
) -> None:
    swept(folder, header, scripted.Script(stop_at="deep"))
    before = folder.journal.read_bytes()
    message = refusal(folder, header.model_copy(update=change), resume=True)
    assert str(folder.root) in message
    [line] = [line for line in message.splitlines() if line.startswith("  ")]
    assert line.startswith(f"  {field}: ")
    for value in values:
        assert value in line
    assert "--out" in message
    assert folder.journal.read_bytes() == before


def test_all_differences_are_named_at_once(folder: ReportFolder, header: SweepHeader) -> None:
    swept(folder, header, scripted.Script())
    other = scripted.header(dataset_digest="e" * 64, profile=scripted.profile(seed=1, repeats=2))
    message = refusal(folder, other, resume=True)
    for field in ("dataset_digest", "profile.seed", "profile.repeats"):
        assert f"  {field}: " in message


def test_a_folder_that_holds_something_is_refused_and_left_alone(folder: ReportFolder, header: SweepHeader) -> None:
    folder.root.mkdir()
    (folder.root / "thesis.txt").write_text("mine")
    message = refusal(folder, header)
    for expected in (str(folder.root), "not empty", "--resume", "--out"):
        assert expected in message
    assert [path.name for path in folder.root.iterdir()] == ["thesis.txt"]


def test_a_report_is_not_begun_twice_in_one_folder(folder: ReportFolder, header: SweepHeader) -> None:
    swept(folder, header, scripted.Script())
    before = folder.journal.read_bytes()
    assert "--resume" in refusal(folder, header)
    assert folder.journal.read_bytes() == before


def test_a_file_in_the_place_of_the_folder_is_refused(folder: ReportFolder, header: SweepHeader) -> None:
    folder.root.write_text("mine")
    assert str(folder.root) in refusal(folder, header)
    assert folder.root.read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_refused_with_the_reason(tmp_path: Path, header: SweepHeader) -> None:
    (tmp_path / "file").write_text("")
    message = refusal(ReportFolder(tmp_path / "file" / "child"), header)
    for expected in (str(tmp_path / "file" / "child"), "cannot be written", "Not a directory", "--out"):
        assert expected in message


def test_a_folder_without_a_journal_cannot_be_resumed(folder: ReportFolder, header: SweepHeader) -> None:
    message = refusal(folder, header, resume=True)
    assert str(folder.root) in message
    assert "--resume" in message
    assert not folder.root.exists()


def test_a_folder_that_another_run_writes_is_refused(folder: ReportFolder, header: SweepHeader) -> None:
    with session.open_sweep(folder, header, resume=False):
        assert "another run" in refusal(folder, header, resume=True)


def test_the_profile_of_a_folder_is_read_back(folder: ReportFolder, header: SweepHeader) -> None:
    swept(folder, header, scripted.Script(stop_at="basic"))
    assert session.read_stored_profile(folder) == header.profile


def test_batches_larger_than_the_training_data_are_refused_with_both_sizes() -> None:
    cases = scripted.profile(batch_sizes=(40, 41, 4000)).list_cases()
    with pytest.raises(InvalidInput) as raised:
        session.check_batches(cases, 40)
    for expected in ("41, 4000", "40 training images", "mnist-5k", "smaller"):
        assert expected in str(raised.value)


def test_a_batch_as_large_as_the_training_data_is_fine() -> None:
    session.check_batches(scripted.profile(batch_sizes=(40,)).list_cases(), 40)
