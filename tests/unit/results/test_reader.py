"""What strangers hand in: each mistake is one message that names the file, the line and the column."""

import csv
import io
import os
from pathlib import Path
from typing import Any

import pytest
import scripted
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import InvalidInput
from bench.report.files import format_csv
from bench.results import reader
from bench.results.schema import SCHEMA_VERSION, ResultRow


def table(*rows: ResultRow) -> list[list[str]]:
    """A header and rows as a sweep writes them."""
    return list(csv.reader(io.StringIO(format_csv(ResultRow, rows or [row(), row(model="deep")]))))


def row(**changes: Any) -> ResultRow:
    fields = {"model": "basic", "repeat": 0, "run_epochs": 500, "epochs": 3} | changes
    case = scripted.case(model=fields["model"], repeat=fields["repeat"])
    return scripted.result_row(**{"case_id": case.case_id} | fields)


def written(path: Path, cells: list[list[str]]) -> Path:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(cells)
    path.write_text(out.getvalue(), encoding="utf-8")
    return path


def attempt(path: Path) -> reader.Report | str:
    """A report, or why it was refused."""
    try:
        return reader.read_report(path)
    except InvalidInput as error:
        return str(error)


def refusal(path: Path) -> str:
    with pytest.raises(InvalidInput) as refused:
        reader.read_report(path)
    message = str(refused.value)
    assert message.isprintable()
    assert len(message) < 1_500
    return message


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "results.csv"


def changed(file: Path, column: str, value: str, line: int = 3) -> Path:
    """A file of two rows, one cell of which says something else."""
    cells = table()
    cells[line - 1][cells[0].index(column)] = value
    return written(file, cells)


# --- what is in order ------------------------------------------------------------------------------------------------


def test_a_report_that_a_sweep_wrote_is_read_with_every_figure_it_had(file: Path) -> None:
    one, two = row(**scripted.times(scripted.INEXACT)), row(repeat=1, **scripted.times(None))
    written(file, table(one, two))
    report = reader.read_report(file)
    assert report.notes == ()
    assert (report.machine_id, report.environment_id) == ("ma1b2c3d4", "ea1b2c3d4")
    assert report.fingerprint == scripted.fingerprint()
    assert [each.epoch_s_median for each in report.rows] == [scripted.INEXACT, None]
    for name in reader.Row.__dataclass_fields__:
        assert [getattr(each, name) for each in report.rows] == [getattr(one, name), getattr(two, name)]


def test_whatever_flags_the_compiler_was_given_the_report_is_read(file: Path) -> None:
    flags = "XLA_FLAGS=" + " ".join(f"--xla_disable_hlo_passes=pass-{number}" for number in range(50))
    assert len(flags) > 1_500
    assert reader.read_report(written(file, table(row(env_flags=flags)))).fingerprint.env_flags == flags


def test_a_folder_stands_for_its_results(file: Path) -> None:
    written(file, table())
    assert reader.read_report(file.parent) == reader.read_report(file)


def test_a_byte_order_mark_carriage_returns_and_blank_lines_change_nothing(file: Path) -> None:
    text = written(file, table()).read_text()
    plain = reader.read_report(file)
    file.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b"\r\n\r\n")
    assert reader.read_report(file) == plain


def test_columns_that_came_later_in_the_same_schema_may_be_absent(file: Path) -> None:
    cells = table()
    for name in ("reference_gflop_per_s", "warmup_epochs", "gpu_driver"):
        column = cells[0].index(name)
        cells = [line[:column] + line[column + 1 :] for line in cells]
    report = reader.read_report(written(file, cells))
    assert report.rows[0].reference_gflop_per_s is None


def test_columns_of_a_later_aebench_are_left_aside_with_a_note(file: Path) -> None:
    head, *body = table()
    cells = [[*head, "joules", "\x1b[31mred"], *([*line, "12", "x"] for line in body)]
    [note] = reader.read_report(written(file, cells)).notes
    assert "joules, red" in note


def test_columns_may_stand_in_any_order(file: Path) -> None:
    cells = table()
    plain = reader.read_report(written(file, cells))
    assert reader.read_report(written(file, [line[::-1] for line in cells])) == plain


def test_a_spreadsheets_way_to_write_the_same_values_is_read(file: Path) -> None:
    assert reader.read_report(changed(file, "batch_size", "4.0")).rows[1].batch_size == 4
    assert reader.read_report(changed(file, "is_final", "FALSE"))


def test_a_file_in_utf_16_is_read_as_it_was(file: Path) -> None:
    text = written(file, table(row(model="deep", error="größer"))).read_text(encoding="utf-8")
    plain = reader.read_report(file)
    for encoding in ("utf-16", "utf-16-be"):
        file.write_bytes((text if encoding == "utf-16" else f"\ufeff{text}").encode(encoding))
        assert reader.read_report(file) == plain


def test_a_first_line_that_names_the_separator_changes_nothing(file: Path) -> None:
    text = written(file, table()).read_text()
    plain = reader.read_report(file)
    file.write_text(f"sep=,\n{text}")
    assert reader.read_report(file) == plain
    file.write_text(f"sep=,\n{text.replace('ok', 'fine')}")
    assert "line 3, column status" in refusal(file)


def test_rows_of_nothing_but_separators_change_nothing(file: Path) -> None:
    cells = table()
    plain = reader.read_report(written(file, cells))
    nothing = [""] * len(cells[0])
    assert reader.read_report(written(file, [cells[0], nothing, *cells[1:], nothing, nothing])) == plain


def test_a_data_frames_index_is_left_aside_with_a_note(file: Path) -> None:
    cells = table()
    plain = reader.read_report(written(file, cells))
    numbers = ["", *map(str, range(len(cells)))]
    found = reader.read_report(written(file, [[number, *line] for number, line in zip(numbers, cells, strict=False)]))
    assert found.rows == plain.rows
    assert found.notes == ("ignored 1 column without a name, such as a data frame's index",)
    twice = reader.read_report(
        written(file, [[number, *line, ""] for number, line in zip(numbers, cells, strict=False)])
    )
    assert twice.notes == ("ignored 2 columns without a name, such as a data frame's index",)


# --- what is not -----------------------------------------------------------------------------------------------------


def test_what_is_no_file_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for name, words in [
        ("absent.csv", "no such file"),
        ("folder", "folder/results.csv: no such file"),
        ("pipe", "is not a file"),
        ("loop", "cannot be read"),
        ("n" * 300, "cannot be read"),
        ("nul\0", "cannot be read"),
    ]:
        message = refusal(tmp_path / name)
        assert words in message
        assert message.startswith(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"a,b\n1,\0\n", "line 2: a NUL byte"),
        (b"a,b\n\n1,\xff\xfe\n", "line 3: not UTF-8"),
        (bytes(range(256)) * 40, "line 1: a NUL byte"),
        (b"\x89PNG\r\n\x1a\n" + b"\xff" * 99, "line 1: not UTF-8"),
        (b"name,mean,stddev\nfoo,1,2\n", "line 1: not a results.csv of aebench"),
        (b"name;mean\nfoo;1\n", "separated by semicolons"),
        (b"schema_version\tcase_id\n1\tx\n", "separated by tabs"),
        (b"sep=;\nschema_version;case_id\n2;x\n", "line 2: cells are separated by semicolons"),
        ("schema_version\tcase_id\n2\tx\n".encode("utf-16"), "line 1: cells are separated by tabs"),
        ("schema_version,case_id\n".encode("utf-16-le"), "line 1: a NUL byte; this is not UTF-8 text"),
        ("schema_version,case_id\n".encode("utf-16")[:-1], "not UTF-16 text"),
        ("schema_version,case_id\n".encode("utf-32"), "not a results.csv of aebench"),
        (b'<html>"</html>', "line 1"),
        (b'{"schema_version": 1}', "not a results.csv"),
        (b"schema_version,case_id\n", "a header and no rows"),
        (b"schema_version,case_id,case_id\n1,x,x\n", "'case_id' is there twice"),
        (f"schema_version\n{SCHEMA_VERSION}\n".encode(), "the column case_id (and "),
        (b'schema_version,error\n1,"never ends\n', "line 2: a quoted cell never ends"),
        (b"schema_version,error\n1," + b"x" * 200_000, "line 2: a cell of more than 131,072 characters"),
        (b"schema_version\none\n", "line 2, column schema_version"),
        (b"schema_version\n" + b"9" * 5_000 + b"\n", "line 2, column schema_version"),
    ],
)
def test_another_programs_file_is_refused_with_what_is_wrong_with_it(file: Path, content: bytes, words: str) -> None:
    file.write_bytes(content)
    message = refusal(file)
    assert message.startswith(str(file))
    assert words in message


def test_another_schema_is_refused_by_its_version_whatever_its_columns(file: Path) -> None:
    file.write_text(f"schema_version,something_new\n{SCHEMA_VERSION + 1},x\n")
    assert f"a newer aebench wrote it (schema version {SCHEMA_VERSION + 1}" in refusal(file)
    file.write_text("schema_version,something_old\n1,x\n")
    assert refusal(file) == (
        f"{file}: an older aebench wrote it, whose columns had other names (schema version 1; this one reads "
        f"{SCHEMA_VERSION}). Measure again, or read it with the version that wrote it."
    )


def test_rows_of_two_versions_are_refused(file: Path) -> None:
    assert "line 3, column schema_version" in refusal(changed(file, "schema_version", str(SCHEMA_VERSION + 1)))


def test_a_renamed_column_is_missed_and_found(file: Path) -> None:
    head, *body = table()
    head[head.index("epoch_s_median")] = "epoch_median_s"
    message = refusal(written(file, [head, *body]))
    assert "the column epoch_s_median is missing" in message
    assert "'epoch_median_s', renamed?" in message


def test_a_large_file_is_refused_before_it_is_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with file.open("wb") as stream:
        stream.truncate(reader.MAX_BYTES + 1)
    opened: list[Any] = []
    monkeypatch.setattr(Path, "open", lambda *given, **_: opened.append(given))
    assert "larger than 64 MiB" in refusal(file)
    assert opened == []


def test_a_cell_of_a_megabyte_is_refused(file: Path) -> None:
    assert "line 3: a cell of more than" in refusal(changed(file, "error", "x" * 1_000_000))


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("epoch_s_median", "fast", "a number"),
        ("epoch_s_median", "0,168", "a number"),
        ("epoch_s_median", "nan", "a number"),
        ("epoch_s_median", "1e999", "a number"),
        ("epoch_s_median", "0", "a number"),
        ("epoch_s_median", "-1", "a number"),
        ("epoch_s_quiet", "0", "a number"),
        ("epoch_s_error", "-0.1", "a number"),
        ("peak_anon_mib", "0", "a number"),
        ("val_bce", "inf", "a number"),
        ("val_bce", "-0.1", "a number that is plausible or nothing"),
        ("epochs", "3.5", "a whole number"),
        ("epochs", "0", "a whole number"),
        ("epochs", "", "a whole number"),
        ("epochs", "9" * 6_000, "a whole number"),
        ("train_samples", "=SUM(A1:A9)", "a whole number"),
        ("is_final", "perhaps", "True or False"),
        ("steady", "perhaps", "one of yes, no, unknown"),
        ("status", "fine", "one of ok, failed"),
        ("model", "", "text"),
        ("model", "m" * 2_000, "text of at most 1,000 characters"),
        ("peak_rss_data_mib", "much", "a number or nothing"),
        ("cpu_limit", "two", "a number"),
    ],
)
def test_a_cell_of_the_wrong_kind_is_refused_with_line_and_column(
    file: Path, column: str, value: str, expected: str
) -> None:
    message = refusal(changed(file, column, value))
    assert f"line 3, column {column}: expected {expected}" in message


def test_a_decimal_comma_is_named(file: Path) -> None:
    message = refusal(changed(file, "epoch_s_median", "0,168"))
    assert "got '0,168'. A spreadsheet may have saved it with decimal commas, and changed numbers" in message


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("case_id", "another", "line 3, column case_id: does not end in .r0"),
        ("epochs", "501", "line 3, column epochs: 501, in a run of 500"),
        ("noisy_epochs", "4", "line 3, column noisy_epochs: 4 of 3 epochs"),
        ("machine_id", "another", "line 3, column machine_id: 'ma1b2c3d4' in line 2, 'another' here"),
        ("environment_id", "another", "line 3, column environment_id: 'ea1b2c3d4' in line 2, 'another' here"),
        ("cpu_model", "another", "line 3, column cpu_model"),
        ("epoch_s_median", "", "line 3, column epoch_s_quiet: epoch_s_median, epoch_s_quiet, its interval and its err"),
        ("epoch_s_low", "", "line 3, column epoch_s_quiet: epoch_s_median, epoch_s_quiet, its interval and its error"),
        ("epoch_s_error", "", "line 3, column epoch_s_quiet: epoch_s_median, epoch_s_quiet, its interval and its erro"),
    ],
)
def test_a_row_that_no_sweep_wrote_is_refused(file: Path, column: str, value: str, words: str) -> None:
    assert words in refusal(changed(file, column, value))


@pytest.mark.parametrize("ends", [(2.0, 3.0), (0.1, 0.2), (1.0, 2.0), (0.5, 1.0)])
def test_the_quiet_figure_lies_within_its_interval(file: Path, ends: tuple[float, float]) -> None:
    written(file, table(row(**scripted.times(1.0) | dict(zip(("epoch_s_low", "epoch_s_high"), ends, strict=True)))))
    assert "line 2, column epoch_s_quiet: 1 lies outside" in refusal(file)


def test_what_was_measured_may_lie_outside_of_the_interval_of_a_quiet_machine(file: Path) -> None:
    written(file, table(row(**scripted.times(1.0) | {"epoch_s_median": 3.0})))
    assert reader.read_report(file).rows[0].epoch_s_median == 3.0


def test_a_row_that_is_there_twice_is_refused_with_both_lines(file: Path) -> None:
    cells = table()
    assert "line 4: the row of line 2 again" in refusal(written(file, [*cells, cells[1]]))


def test_lines_are_counted_as_an_editor_counts_them(file: Path) -> None:
    cells = table(row(status="failed", error="one\ntwo\nthree"), row(model="deep"))
    cells[2][cells[0].index("epochs")] = "many"
    assert "line 5, column epochs" in refusal(written(file, cells))


def test_a_file_that_was_cut_short_is_refused_wherever_a_row_is_cut(file: Path) -> None:
    text = written(file, table()).read_text().rstrip("\n")
    last = len(text.splitlines()[-1])
    refusals = []
    for left_out in range(3, last):
        file.write_text(text[:-left_out])
        found = attempt(file)
        if isinstance(found, str):
            refusals.append(found)
        else:
            assert len(found.rows) == 2
    assert all(", line 3" in message for message in refusals)
    assert len(refusals) > last - 12  # all but cuts within the last cell, where a shorter word may be one


@given(content=st.binary(max_size=300))
def test_no_bytes_end_in_a_traceback(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("bytes") / "results.csv"
    file.write_bytes(content)
    refusal(file)


@given(column=st.sampled_from(list(ResultRow.model_fields)), value=st.text(max_size=20))
def test_no_cell_ends_in_a_traceback(tmp_path_factory: pytest.TempPathFactory, column: str, value: str) -> None:
    file = tmp_path_factory.mktemp("cells") / "results.csv"
    try:
        changed(file, column, value)
    except UnicodeEncodeError:  # no file holds half a surrogate pair
        return
    found = attempt(file)
    if isinstance(found, str):
        assert found.isprintable()
    else:
        assert all(text.isprintable() for each in found.rows for text in (each.model, each.case_id, each.dataset))


def test_a_stranger_reaches_no_terminal_through_a_name(file: Path) -> None:
    changed(file, "model", "\x1b]0;owned\x07deep")
    assert reader.read_report(file).rows[1].model == "]0;owneddeep"
