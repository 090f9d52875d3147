"""What is put away comes back as it was, and takes no memory; a full disk loses nothing."""

import errno
import gc
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
import scripted
from hypothesis import given
from hypothesis import strategies as st

from bench import journal
from bench.folder import ReportFolder
from bench.packed import Epochs
from bench.record import Timeline
from bench.spool import Held, Spool

TIMELINE = Timeline(interval_s=0.5, samples=tuple((0.5 * place, 300.0 + place) for place in range(300)))
EPOCHS = tuple(scripted.epoch(number) for number in range(1, 101))


@given(st.lists(st.binary(max_size=40)), st.integers(0, 100))
def test_parts_come_back_as_they_were_in_any_order(parts: list[bytes], room: int) -> None:
    spool = Spool(room)
    kept = [spool.keep(part) for part in parts]
    assert [part.read() for part in reversed(kept)] == list(reversed(parts))
    assert sum(len(part.data) for part in kept if isinstance(part, Held)) <= room


def test_the_first_need_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_options: Any) -> None:
        raise AssertionError("a file was made")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    spool = Spool(room=10)
    assert [spool.keep(part).read() for part in (b"12345", b"67890")] == [b"12345", b"67890"]


def test_a_disk_that_is_full_costs_memory_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_options: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    part = Spool(room=0).keep(b"much")
    assert isinstance(part, Held)
    assert part.read() == b"much"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_disk_that_becomes_full_costs_memory_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_options: open("/dev/full", "r+b", buffering=0))  # noqa: PTH123, SIM115
    spool = Spool(room=0)
    assert [spool.keep(part).read() for part in (b"much", b"more")] == [b"much", b"more"]


def test_a_file_that_lost_its_content_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "spool"
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_options: path.open("w+b", buffering=0))
    part = Spool(room=0).keep(b"much")
    os.truncate(path, 2)
    with pytest.raises(OSError, match="lost what was written"):
        part.read()


def test_the_file_is_there_as_long_as_a_part_of_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = (tmp_path / "spool").open("w+b", buffering=0)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_options: file)
    part = Spool(room=0).keep(b"much")
    gc.collect()
    assert part.read() == b"much"
    del part
    gc.collect()
    assert file.closed


def test_epochs_that_were_put_away_are_what_they_were() -> None:
    packed, spool = Epochs(EPOCHS), Spool(room=0)
    packed.spool(spool)
    assert packed == Epochs(EPOCHS)
    assert hash(packed) == hash(Epochs(EPOCHS))
    assert tuple(packed) == EPOCHS
    assert packed[3] == EPOCHS[3]
    assert list(packed.column("train_s")) == [epoch.train_s for epoch in EPOCHS]
    packed.spool(Spool(room=0))
    assert packed == Epochs(EPOCHS)


def test_an_outcome_that_was_put_away_is_written_as_it_was() -> None:
    outcome = scripted.outcome(epochs=EPOCHS, timeline=TIMELINE)
    text = outcome.model_dump_json()
    outcome.spool(Spool(room=0))
    assert outcome.model_dump_json() == text


def test_what_is_empty_and_shared_is_left_alone() -> None:
    empty = Epochs()
    columns = empty._columns
    empty.spool(Spool(room=0))
    assert empty._columns is columns


def test_a_journal_that_was_read_holds_no_epochs_beyond_the_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "Spool", lambda: Spool(room=0))
    folder = ReportFolder(tmp_path)
    outcomes = [scripted.outcome(scripted.case(seed=seed), epochs=EPOCHS, timeline=TIMELINE) for seed in range(3)]
    with journal.writing(folder, scripted.header()) as writer:
        for outcome in outcomes:
            writer.append(outcome)
    stored = journal.read(folder.journal)
    assert list(stored.outcomes) == outcomes
    assert not [part for outcome in stored.outcomes for part in held(outcome.epochs)]
    assert not [part for outcome in stored.outcomes if outcome.timeline for part in held(outcome.timeline.samples)]


def held(packed: Any) -> list[bytes]:
    """What of it is in memory."""
    parts = [part for column in packed._columns for part in (column.numbers, column.absent)]
    return [part.data for part in parts if isinstance(part, Held) and part.data]
