"""results.csv for people who pivot: what pandas makes of it, whatever is in it."""

import io
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest
import scripted

from bench.host.fingerprint import Fingerprint
from bench.report.files import format_csv, make_all_result_rows
from bench.results.schema import Figures, Identity, Measurement, Outcome, ResultRow

WHOLE = scripted.outcome(scripted.case(checkpoints=(1, 2, 12)))
REPEATED = scripted.outcome(scripted.case(checkpoints=(1, 2, 12), repeat=1))
PARTIAL = scripted.outcome(scripted.case(model="deep", checkpoints=(1, 2, 12)), reached=7)
LOST = scripted.outcome(scripted.case(model="sparse", checkpoints=(1, 2, 12)), reached=0)
SINGLE = scripted.outcome(scripted.case(model="variational", checkpoints=(1,)))
TORN = scripted.outcome(
    scripted.case(model="sequence"), epochs=(scripted.epoch(1), scripted.epoch(3)), status="invalid", error="torn"
)
OUTCOMES = [WHOLE, REPEATED, PARTIAL, LOST, SINGLE, TORN]


def read(outcomes: Sequence[Outcome] = OUTCOMES, **header: Any) -> pd.DataFrame:
    rows = make_all_result_rows(outcomes, scripted.header(**header))
    return pd.read_csv(io.StringIO(format_csv(ResultRow, rows)))


@pytest.mark.parametrize("outcomes", [[WHOLE], [PARTIAL], [LOST], OUTCOMES], ids=["whole", "partial", "lost", "all"])
@pytest.mark.parametrize(("known", "word"), [(True, "yes"), (False, "no"), (None, "unknown")])
def test_answers_have_one_type_whatever_is_in_them(outcomes: list[Outcome], known: bool | None, word: str) -> None:
    frame = read(outcomes, dataset_genuine=known, git_dirty=known)
    words = pd.read_csv(io.StringIO("word\nyes\n"))["word"].dtype
    assert {frame[name].dtype for name in ("steady", "dataset_genuine", "git_dirty")} == {words}
    assert frame["is_final"].dtype == bool
    assert set(frame["steady"]) <= {"yes", "no", "unknown"}
    assert set(frame["dataset_genuine"]) == set(frame["git_dirty"]) == {word}


def test_exactly_one_row_of_each_process_is_final_the_last_that_it_reached() -> None:
    frame = read()
    final = frame[frame.is_final].set_index("case_id")
    assert final.index.tolist() == [outcome.case.case_id for outcome in OUTCOMES]
    assert final["epochs"].tolist() == [12, 12, 2, 12, 1, 1]
    assert final["status"].tolist() == ["ok", "ok", "ok", "failed", "ok", "ok"]


def test_a_pivot_of_final_rows_averages_processes_and_nothing_else() -> None:
    frame = read([WHOLE, REPEATED])
    final = frame[frame.is_final]
    assert final.pivot_table("total_s", "model", "batch_size").to_numpy().tolist() == [[22.0]]


def test_columns_are_the_case_then_twenty_figures_then_details_then_the_machine() -> None:
    columns = read().columns.tolist()
    parts: list[list[str]] = []
    for kind in (Identity, Figures, Measurement, Fingerprint):
        before = {name for part in parts for name in part}
        parts.append([name for name in kind.model_fields if name not in before])
    assert columns == [name for part in parts for name in part]
    assert [len(part) for part in parts[:2]] == [13, 20]
    assert columns[:3] == ["schema_version", "case_id", "model"]
    assert {"is_final", "status", "total_s", "epoch_s_median", "peak_rss_mib", "val_bce"} <= set(parts[1])
