"""What is put away comes back as it was, and takes no memory; a full disk loses nothing."""

import errno
import gc
import os
import tempfile
from dataclasses import replace
from io import FileIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import scripted
from hypothesis import given
from hypothesis import strategies as st

from bench.results import journal, spool
from bench.results.epochs import Epochs
from bench.results.folder import ReportFolder
from bench.results.schema import Outcome, Timeline
from bench.results.spool import Held, Spool
from bench.sweep import session

TIMELINE = Timeline(interval_s=0.5, samples=tuple((0.5 * place, 300.0 + place) for place in range(300)))
EPOCHS = tuple(scripted.epoch(number) for number in range(1, 101))


@given(st.lists(st.binary(max_size=40)), st.integers(0, 100))
def test_parts_come_back_as_they_were_in_any_order(parts: list[bytes], room: int) -> None:
    kept = list(map(Spool(room).keep, parts))
    assert [part.read() for part in reversed(kept)] == list(reversed(parts))
    assert [part.read(1, max(0, len(data) - 2)) for part, data in zip(kept, parts, strict=True)] == [
        data[1:-1] for data in parts
    ]
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
    outcome = scripted.outcome(epochs=EPOCHS, timeline=Timeline(interval_s=1.0, samples=tuple(TIMELINE.samples)))
    text = outcome.model_dump_json()
    outcome.spool(Spool(room=0))
    assert outcome.model_dump_json() == text


def test_what_is_empty_and_shared_is_left_alone() -> None:
    empty = Epochs()
    part = empty._part
    empty.spool(Spool(room=0))
    assert empty._part is part


def test_a_disk_that_became_full_is_not_tried_again_and_gets_its_bytes_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Small(FileIO):
        def write(self, data: Any) -> int:
            if self.tell() >= 6:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(bytes(data)[:2])

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_options: Small(tmp_path / "spool", "w+"))
    spool = Spool(room=0)
    kept = [spool.keep(data) for data in (b"1234", b"5678", b"9")]
    assert [isinstance(part, Held) for part in kept] == [False, True, True]
    assert (tmp_path / "spool").read_bytes() == b"1234"
    assert [part.read() for part in kept] == [b"1234", b"5678", b"9"]


def test_the_file_lies_where_tmpdir_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert spool._folder() is None
    monkeypatch.delenv("TMPDIR")
    monkeypatch.setattr(spool, "_LARGE", tmp_path)
    assert spool._folder() == str(tmp_path)
    monkeypatch.setattr(spool, "_LARGE", tmp_path / "absent")
    assert spool._folder() is None


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
    assert not any(map(is_held, stored.outcomes))


def test_a_sweep_puts_an_outcome_away_as_soon_as_it_was_looked_at(tmp_path: Path) -> None:
    seen: list[Outcome] = []
    timelines = (TIMELINE, Timeline(interval_s=1.0, samples=tuple(TIMELINE.samples)))
    made = [scripted.outcome(epochs=EPOCHS, timeline=timeline) for timeline in timelines]
    executor = SimpleNamespace(run=lambda _cases, _listen: iter(made))
    with session.open_sweep(ReportFolder(tmp_path / "out"), scripted.header(), resume=False) as sweep:
        for outcome in replace(sweep, spool=Spool(room=0)).run(executor, lambda _case, _event: None):
            assert is_held(outcome)
            assert not any(map(is_held, seen))
            seen.append(outcome)
    assert not any(map(is_held, seen))
    assert [tuple(outcome.epochs) for outcome in seen] == [EPOCHS] * 2


def is_held(outcome: Outcome) -> bool:
    """Whether what is long of it is in memory."""
    assert outcome.timeline is not None
    return isinstance(outcome.epochs._part, Held) or isinstance(outcome.timeline.samples._part, Held)
