"""The journal keeps every whole line, whatever happens to the last one."""

import json
import os
import stat
import tempfile
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
import scripted
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import InvalidInput
from bench.plan.forecast import Forecast
from bench.results import journal
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome, SweepHeader
from bench.results.schema import SCHEMA_VERSION

HEADER = scripted.header()
OUTCOMES = (
    scripted.outcome(scripted.case(model="basic")),
    scripted.outcome(scripted.case(model="deep"), reached=1),
    scripted.outcome(scripted.case(model="sparse")),
)


def text_of(*lines: SweepHeader | Outcome) -> bytes:
    return b"".join(line.model_dump_json().encode() + b"\n" for line in lines)


WHOLE = text_of(HEADER, *OUTCOMES)


@pytest.fixture
def begun(folder: ReportFolder) -> ReportFolder:
    """A report folder with an empty root."""
    folder.root.mkdir()
    return folder


def refusal(path: Path) -> str:
    with pytest.raises(InvalidInput) as raised:
        journal.read_journal(path)
    return str(raised.value)


def test_what_is_appended_is_read_back_equal(begun: ReportFolder) -> None:
    with journal.open_writer(begun) as writer:
        for line in (HEADER, *OUTCOMES):
            writer.append(line)
    read = journal.read_journal(begun.journal)
    assert read.header == HEADER
    assert read.outcomes == OUTCOMES
    assert read.notes == ()


def test_a_header_keeps_its_forecasts_and_an_older_one_without_any_is_read(folder: ReportFolder) -> None:
    forecasts = {scripted.case().name: Forecast(5.0, 0.1, 900.0, 12.5)}
    folder.root.mkdir()
    with journal.open_writer(folder, scripted.header(forecasts=forecasts)):
        assert journal.read_header(folder.journal).forecasts == forecasts
    fields = json.loads(folder.journal.read_bytes())
    del fields["forecasts"]
    folder.journal.write_text(json.dumps(fields) + "\n")
    assert journal.read_header(folder.journal).forecasts == {}


def test_numbers_survive_at_full_precision(begun: ReportFolder) -> None:
    begun.journal.write_bytes(WHOLE)
    assert journal.read_journal(begun.journal).outcomes[0].epochs[0].train_loss == scripted.INEXACT


def test_a_line_is_in_the_file_as_soon_as_it_is_appended(begun: ReportFolder) -> None:
    with journal.open_writer(begun) as writer:
        writer.append(HEADER)
        writer.append(OUTCOMES[0])
        assert journal.read_journal(begun.journal).outcomes == OUTCOMES[:1]


def test_a_line_is_flushed_to_the_disk_before_append_returns(
    begun: ReportFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[bool, int]] = []

    def sync(handle: int) -> None:
        found = os.fstat(handle)
        synced.append((stat.S_ISDIR(found.st_mode), found.st_size))

    monkeypatch.setattr(os, "fsync", sync)
    with journal.open_writer(begun) as writer:
        writer.append(HEADER)
    assert synced[-1] == (False, begun.journal.stat().st_size)
    assert [is_folder for is_folder, _ in synced] == [True, False], "first the new file's entry, then the line"


def test_the_last_outcome_of_a_case_counts(begun: ReportFolder) -> None:
    again = scripted.outcome(scripted.case(model="deep"))
    begun.journal.write_bytes(text_of(HEADER, *OUTCOMES, again))
    latest = journal.read_journal(begun.journal).latest
    assert list(latest) == [outcome.case.case_id for outcome in OUTCOMES]
    assert latest[again.case.case_id] == again


# --- torn and corrupt lines ------------------------------------------------------------------------------------------


def test_a_torn_last_line_is_passed_over_and_noted(begun: ReportFolder) -> None:
    begun.journal.write_bytes(WHOLE[:-20])
    read = journal.read_journal(begun.journal)
    assert read.outcomes == OUTCOMES[:2]
    assert len(read.notes) == 1
    assert "line 4" in read.notes[0]


def test_the_next_writer_cuts_a_torn_line_and_keeps_the_rest(begun: ReportFolder) -> None:
    begun.journal.write_bytes(WHOLE[:-20])
    with journal.open_writer(begun) as writer:
        writer.append(OUTCOMES[2])
    assert begun.journal.read_bytes() == WHOLE


def test_a_torn_line_longer_than_one_read_is_cut_too(begun: ReportFolder) -> None:
    begun.journal.write_bytes(WHOLE + b"x" * 200_000)
    with journal.open_writer(begun):
        pass
    assert begun.journal.read_bytes() == WHOLE


@given(cut=st.integers(0, len(WHOLE)))
def test_every_whole_line_before_a_cut_survives_reading_and_writing(cut: int) -> None:
    whole_lines = WHOLE[:cut].count(b"\n")
    with tempfile.TemporaryDirectory() as root:
        folder = ReportFolder(Path(root))
        folder.journal.write_bytes(WHOLE[:cut])
        if whole_lines:
            read = journal.read_journal(folder.journal)
            assert read.outcomes == OUTCOMES[: whole_lines - 1]
            assert bool(read.notes) == (not WHOLE[:cut].endswith(b"\n"))
        with journal.open_writer(folder) as writer:
            for line in (HEADER, *OUTCOMES)[whole_lines:]:
                writer.append(line)
        assert folder.journal.read_bytes() == WHOLE


@pytest.mark.parametrize("damage", [b"{", b"", b"\xff\xfe", b'{"kind":"outcome"}', b'{"kind":"else"}', b"[]", b"null"])
def test_a_corrupt_line_in_the_middle_is_set_aside_with_its_number(begun: ReportFolder, damage: bytes) -> None:
    begun.journal.write_bytes(text_of(HEADER, OUTCOMES[0]) + damage + b"\n" + text_of(OUTCOMES[2]))
    read = journal.read_journal(begun.journal)
    assert read.outcomes == (OUTCOMES[0], OUTCOMES[2])
    assert len(read.notes) == 1
    assert "line 3" in read.notes[0]


def test_an_unknown_field_is_an_error_and_not_a_loss(begun: ReportFolder) -> None:
    fields = json.loads(OUTCOMES[0].model_dump_json()) | {"surprise": 1}
    begun.journal.write_bytes(text_of(HEADER) + json.dumps(fields).encode() + b"\n")
    read = journal.read_journal(begun.journal)
    assert read.outcomes == ()
    assert "surprise" in read.notes[0]


# --- what is no journal ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("added", [{}, {"field_of_the_future": 1}])
def test_a_newer_schema_is_refused_with_both_versions(begun: ReportFolder, added: dict[str, int]) -> None:
    newer = SCHEMA_VERSION + 1
    fields = json.loads(HEADER.model_dump_json()) | {"schema_version": newer} | added
    begun.journal.write_bytes(json.dumps(fields).encode() + b"\n" + text_of(OUTCOMES[0]))
    assert refusal(begun.journal) == (
        f"{begun.journal}: a newer aebench wrote it (schema version {newer}; this one reads {SCHEMA_VERSION}). "
        "Update aebench."
    )


@pytest.mark.parametrize("missing", ["environment_id", "created_at"])
def test_an_older_schema_is_refused_with_what_to_do(begun: ReportFolder, missing: str) -> None:
    fields = json.loads(HEADER.model_dump_json()) | {"schema_version": 1}
    del fields[missing]
    begun.journal.write_bytes(json.dumps(fields).encode() + b"\n" + text_of(OUTCOMES[0]))
    assert refusal(begun.journal) == (
        f"{begun.journal}: an older aebench wrote it, whose columns had other names (schema version 1; this one reads "
        f"{SCHEMA_VERSION}). Measure again, or read it with the version that wrote it."
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", text_of(OUTCOMES[0]), text_of(HEADER)[:-1], b"hello\n", b"\x89PNG\r\n"],
    ids=["empty", "blank", "no header", "torn header", "prose", "binary"],
)
def test_a_file_without_a_header_is_refused_by_its_name(begun: ReportFolder, content: bytes) -> None:
    begun.journal.write_bytes(content)
    message = refusal(begun.journal)
    assert str(begun.journal) in message
    assert "header" in message


def test_a_missing_journal_is_refused_by_its_name(folder: ReportFolder) -> None:
    message = refusal(folder.journal)
    assert str(folder.journal) in message
    assert "No such file" in message


def test_colours_and_terminal_commands_do_not_survive(begun: ReportFolder) -> None:
    coloured = "\x1b[1mred\x1b[31m alert\x1b[0m\x1b]0;title\x07\r\n\ttrace"
    begun.journal.write_bytes(text_of(HEADER))
    line = json.loads(OUTCOMES[1].model_dump_json()) | {"error": coloured, "log_tail": coloured}
    with begun.journal.open("ab") as file:
        file.write(json.dumps(line).encode() + b"\n")
    [outcome] = journal.read_journal(begun.journal).outcomes
    for text in (outcome.error, outcome.log_tail):
        assert text is not None
        assert "red alert" in text
        assert "\n\ttrace" in text
        assert not any(ord(char) < 32 and char not in "\n\t" for char in text)


# --- writers ---------------------------------------------------------------------------------------------------------


def test_a_second_writer_is_refused_with_what_to_do(begun: ReportFolder) -> None:
    with (
        journal.open_writer(begun) as writer,
        pytest.raises(InvalidInput, match=r"another run.*--out"),
        journal.open_writer(begun),
    ):
        pytest.fail("two writers at once")
    del writer


def test_whoever_is_refused_learns_which_process_writes(begun: ReportFolder) -> None:
    with (
        journal.lock_folder(begun),
        pytest.raises(InvalidInput, match=f"another run, process {os.getpid()};"),
        journal.lock_folder(begun),
    ):
        pytest.fail("two writers at once")
    assert not begun.holder.exists()


@pytest.mark.parametrize("written", [b"", b"\xff", b"12; rm -rf", b"9" * 5000])
def test_a_holder_that_cannot_be_read_is_no_reason_to_fail(begun: ReportFolder, written: bytes) -> None:
    with journal.lock_folder(begun):
        begun.holder.write_bytes(written)
        with pytest.raises(InvalidInput, match=r"another run(, process 9{20})?; wait"), journal.lock_folder(begun):
            pytest.fail("two writers at once")


@pytest.mark.parametrize("away", ["removed", "moved", "replaced"])
def test_a_journal_that_is_no_longer_in_its_place_is_an_error_and_no_loss(begun: ReportFolder, away: str) -> None:
    with journal.open_writer(begun, HEADER) as writer:
        if away == "removed":
            begun.journal.unlink()
        else:
            begun.journal.rename(begun.root / "elsewhere.jsonl")
        if away == "replaced":
            begun.journal.write_bytes(WHOLE)
        with pytest.raises(FileNotFoundError) as raised:
            writer.append(OUTCOMES[0])
    assert raised.value.filename == str(begun.journal)


def test_a_journal_is_never_begun_over_another_one(begun: ReportFolder) -> None:
    begun.journal.write_bytes(WHOLE)
    with pytest.raises(InvalidInput, match="begun by another run"), journal.open_writer(begun, HEADER):
        pytest.fail("begun")
    assert begun.journal.read_bytes() == WHOLE


def test_runs_of_a_case_are_counted_by_its_lines(begun: ReportFolder) -> None:
    begun.journal.write_bytes(text_of(HEADER, *OUTCOMES, OUTCOMES[1]))
    runs = journal.read_journal(begun.journal).runs
    assert [runs[outcome.case.case_id] for outcome in OUTCOMES] == [1, 2, 1]
    assert runs["another"] == 0


def test_a_folder_is_free_again_when_its_writer_has_left(begun: ReportFolder) -> None:
    for line in (HEADER, OUTCOMES[0]):
        with journal.open_writer(begun) as writer:
            writer.append(line)
    assert journal.read_journal(begun.journal).outcomes == OUTCOMES[:1]


class _FullDisk(FileIO):
    """Takes a few bytes of a line, then no more."""

    room = 30

    def write(self, data: Any, /) -> int:
        taken = bytes(data)[: self.room]
        self.room -= len(taken)
        if not taken:
            raise OSError(28, "No space left on device")
        return super().write(taken)


def test_a_write_that_fails_midway_leaves_the_lines_before_whole(begun: ReportFolder) -> None:
    before = text_of(HEADER, OUTCOMES[0])
    begun.journal.write_bytes(before)
    with _FullDisk(begun.journal, "a+") as file, pytest.raises(OSError, match="No space left"):
        journal.Writer(file).append(OUTCOMES[1])
    assert begun.journal.read_bytes() == before


class _Slow(FileIO):
    """Takes a few bytes at a time."""

    def write(self, data: Any, /) -> int:
        return super().write(bytes(data)[:1000])


def test_a_line_that_the_disk_takes_in_pieces_is_written_whole(begun: ReportFolder) -> None:
    with _Slow(begun.journal, "a+") as file:
        writer = journal.Writer(file)
        for line in (HEADER, *OUTCOMES):
            writer.append(line)
    assert begun.journal.read_bytes() == WHOLE


def test_a_journal_of_a_model_that_is_gone_since_can_still_be_read(begun: ReportFolder) -> None:
    gone = WHOLE.replace(b'"basic"', b'"vanished"').replace(b'"fit"', b'"fitter"')
    begun.journal.write_bytes(gone)
    stored = journal.read_journal(begun.journal)
    assert "vanished" in stored.header.profile.models
    assert len(stored.outcomes) == 3
    assert stored.notes == ()
