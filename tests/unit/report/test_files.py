"""CSV at full precision, JSON without NaN, both read back by others' tools."""

import csv
import io
import json
import locale
import math

import pandas as pd
import pytest
import scripted

from bench.report import files
from bench.results import rows
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome
from bench.results.process_schema import EpochRow
from bench.results.schema import ResultRow

OUTCOMES = [
    scripted.outcome(scripted.case(model="basic")),
    scripted.outcome(scripted.case(model="deep"), reached=1, error='Value, "quoted"\nand broken |'),
]
HEADER = scripted.header()
ROWS = files.make_all_result_rows(OUTCOMES, HEADER)


@pytest.fixture
def made(folder: ReportFolder) -> ReportFolder:
    folder.root.mkdir()
    return folder


def read_back(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_every_column_and_row_is_there_in_order() -> None:
    text = files.format_csv(ResultRow, ROWS)
    found = read_back(text)
    assert list(found[0]) == list(ResultRow.model_fields)
    assert [(line["model"], line["epochs"]) for line in found] == [
        ("basic", "1"),
        ("basic", "4"),
        ("deep", "1"),
        ("deep", "4"),
    ]


def test_numbers_are_written_at_full_precision() -> None:
    assert ROWS[0].train_loss == scripted.INEXACT
    frame = pd.read_csv(io.StringIO(files.format_csv(ResultRow, ROWS)), dtype=str, keep_default_na=False)
    for name in ResultRow.model_fields:
        for written, row in zip(frame[name], ROWS, strict=True):
            value = getattr(row, name)
            if isinstance(value, float):
                assert float(written) == value, name
            else:
                assert written == ("" if value is None else str(value)), name


def test_pandas_default_reader_loses_no_more_than_its_last_digit() -> None:
    frame = pd.read_csv(io.StringIO(files.format_csv(ResultRow, ROWS)))
    assert frame["train_loss"][0] == pytest.approx(scripted.INEXACT, rel=1e-15)


def test_what_was_not_measured_is_an_empty_cell() -> None:
    found = read_back(files.format_csv(ResultRow, ROWS))
    assert found[0]["flops_per_sample"] == found[0]["epoch_s_median"] == found[0]["error"] == ""
    assert not any(cell in ("None", "nan", "NaN") for line in found for cell in line.values())


def test_an_error_with_commas_quotes_and_line_ends_stays_one_cell() -> None:
    assert read_back(files.format_csv(ResultRow, ROWS))[3]["error"] == OUTCOMES[1].error


def test_lines_end_alike_everywhere_and_points_are_decimal() -> None:
    text = files.format_csv(EpochRow, rows.make_epoch_rows(OUTCOMES[0]))
    assert "\r" not in text
    assert locale.localeconv()["decimal_point"] == "."
    assert "0.30000000000000004" in text


def test_no_rows_still_have_a_header_line() -> None:
    assert files.format_csv(EpochRow, []) == ",".join(EpochRow.model_fields) + "\n"


def test_epochs_csv_has_a_row_for_each_epoch_of_each_case(made: ReportFolder) -> None:
    files.write_tables(made, OUTCOMES, HEADER)
    frame = pd.read_csv(made.epochs)
    assert list(frame["epoch"]) == [1, 2, 3, 4, 1]
    assert len(pd.read_csv(made.results)) == 4
    assert set(frame["case_id"]) <= set(pd.read_csv(made.results)["case_id"])


def status(folder: ReportFolder, outcomes: list[Outcome], code: int) -> dict[str, object]:
    files.write_status(folder, HEADER, outcomes, code)
    found: dict[str, object] = json.loads(folder.status.read_text())
    return found


def test_the_status_counts_how_cases_ended_and_names_failures(made: ReportFolder) -> None:
    found = status(made, OUTCOMES, 3)
    assert found["exit_code"] == 3
    assert found["complete"] is False
    assert found["cases"] == {"planned": 2, "not_run": 0, "ok": 1, "failed": 1}
    failure = {"case_id": OUTCOMES[1].case.case_id, "status": "failed", "error": OUTCOMES[1].error}
    assert found["failures"] == [failure]


def test_a_sweep_is_complete_when_every_planned_case_ended_well(made: ReportFolder) -> None:
    well = [scripted.outcome(case) for case in HEADER.profile.list_cases()]
    assert status(made, well, 0)["complete"] is True
    assert status(made, well[:1], 130)["complete"] is False
    assert status(made, [], 3)["cases"] == {"planned": 2, "not_run": 2}


def test_the_environment_holds_the_machine_and_the_profile(made: ReportFolder) -> None:
    files.write_environment(made, HEADER)
    found = json.loads(made.environment.read_text())
    assert found["fingerprint"]["cpu_model"] == "Scripted CPU"
    assert found["profile"]["models"] == ["basic", "deep"]
    assert found["dataset_digest"] == HEADER.dataset_digest


def test_json_never_holds_nan(made: ReportFolder) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(made.status, {"value": math.nan})
    assert not made.status.exists()
