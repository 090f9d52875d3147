"""No file ends in a traceback: whatever a stranger's file holds, its reader accepts it or says why not.

The number of examples is small here; `nox -s long` tries 10,000 of each (AEBENCH_EXAMPLES).
"""

import io
import os
from pathlib import Path
from random import Random

import pytest
import scripted
from faults.fuzz import mutations
from faults.fuzz.readers import READERS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from bench.errors import InvalidInput
from bench.report import drawings, plots, report
from bench.results.folder import ReportFolder

EXAMPLES = int(os.environ.get("AEBENCH_EXAMPLES", "100"))
thoroughly = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
CHANCE = st.integers(0, 2**64 - 1).map(Random)


@pytest.mark.parametrize("name", READERS)
def test_a_reader_accepts_the_file_that_the_others_are_made_of(name: str) -> None:
    assert READERS[name].accepts(READERS[name].seed)


@pytest.mark.parametrize("name", READERS)
@given(chance=CHANCE, times=st.integers(1, 4))
@thoroughly
def test_a_reader_raises_nothing_undeclared_whatever_a_file_became(name: str, chance: Random, times: int) -> None:
    reader = READERS[name]
    data = reader.seed
    for _ in range(times):
        data = reader.mutation(data, chance)
    reader.accepts(data)


@pytest.mark.parametrize("name", READERS)
@given(data=st.binary(max_size=300))
@thoroughly
def test_a_reader_raises_nothing_undeclared_whatever_the_bytes(name: str, data: bytes) -> None:
    READERS[name].accepts(data)


# --------------------------------------------------------- what is drawn of a strange journal


@given(chance=CHANCE, times=st.integers(1, 3))
@settings(thoroughly, max_examples=max(10, EXAMPLES // 10))
def test_a_strange_journal_is_drawn_or_refused_and_reaches_neither_terminal_nor_disk(
    tmp_path_factory: pytest.TempPathFactory, chance: Random, times: int
) -> None:
    data = READERS["journal"].seed
    for _ in range(times):
        data = mutations.mutate_journal(data, chance)
    draw(tmp_path_factory.mktemp("strange"), data)


def draw(place: Path, data: bytes) -> str:
    """Draw the report of such a journal, and check every file that is written; returns what the terminal is given."""
    folder = ReportFolder(place / "report")
    folder.root.mkdir()
    folder.journal.write_bytes(data)
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "draw_model", lambda *_: [])  # drawing takes seconds, and has tests of its own
        patch.setattr(drawings, "draw_charts", lambda _ways: [])
        patch.setattr(os, "fsync", lambda _: None)
        try:
            assert report.redraw_report(folder.root, console) == 0
        except InvalidInput as refusal:
            return str(refusal)
    assert [path.name for path in place.iterdir()] == ["report"], "nothing was written beside the folder"
    for file in folder.root.rglob("*"):
        if file.suffix in {".csv", ".md", ".html", ".json"}:
            assert_harmless(file.read_text(encoding="utf-8"), file.name)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert_harmless(said, "the terminal")
    return str(said)


def assert_harmless(text: str, where: str) -> None:
    strange = {char for char in text if not (char.isprintable() or char in "\n\t\r\xa0\u2009")}
    assert not strange, f"{where} has {strange}"


@pytest.mark.parametrize("text", mutations.TEXTS)
def test_a_text_of_a_strange_journal_reaches_no_terminal(tmp_path: Path, text: str) -> None:
    machine = scripted.fingerprint(cpu_model=text, os=text, keras=text, gpu=text)
    header = scripted.header(fingerprint=machine, dataset_origin=text, created_at=text, machine_id=text)
    failed = scripted.outcome(scripted.case(model="deep"), reached=1, error=text, log_tail=text)
    lines = (header, scripted.outcome(), failed)
    draw(tmp_path, b"".join(line.model_dump_json().encode() + b"\n" for line in lines))
