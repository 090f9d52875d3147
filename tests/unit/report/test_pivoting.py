"""results.csv for people who pivot: what pandas makes of it, whatever is in it."""

import io
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest
import scripted

from bench.host.fingerprint import Fingerprint
from bench.report.files import format_csv, make_all_result_rows
from bench.results.journal_lines import Outcome
from bench.results.schema import Figures, Identity, Measurement, ResultRow

WHOLE = scripted.outcome(scripted.case(checkpoints=(1, 2, 12)))
REPEATED = scripted.outcome(scripted.case(checkpoints=(1, 2, 12), repeat=1))
PARTIAL = scripted.outcome(scripted.case(model="deep", checkpoints=(1, 2, 12)), reached=7)
LOST = scripted.outcome(scripted.case(model="sparse", checkpoints=(1, 2, 12)), reached=0)
SINGLE = scripted.outcome(scripted.case(model="variational", checkpoints=(1,)))
TORN = scripted.outcome(
    scripted.case(model="sequence"), epochs=(scripted.epoch(1), scripted.epoch(3)), status="invalid", error="torn"
)
SLOW = tuple(scripted.epoch(number, train_s=7.0) for number in range(1, 13))
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
    assert frame["is_final"].dtype == frame["is_last"].dtype == bool
    assert set(frame["steady"]) <= {"yes", "no", "unknown"}
    assert set(frame["dataset_genuine"]) == set(frame["git_dirty"]) == {word}


def test_one_row_of_each_process_is_the_case_s_last_checkpoint_reached_or_not() -> None:
    frame = read(cases=[outcome.case for outcome in OUTCOMES])
    assert frame.is_final.equals(frame.is_last)
    final = frame[frame.is_final].set_index("case_id")
    assert final.index.tolist() == [outcome.case.case_id for outcome in OUTCOMES]
    assert final["epochs"].tolist() == [12, 12, 12, 12, 1, 4]
    assert final["status"].tolist() == ["ok", "ok", "failed", "failed", "ok", "invalid"]
    assert final["val_bce"].isna().tolist() == [False, False, True, True, False, True]


def test_a_further_process_that_was_to_stop_earlier_has_no_final_row() -> None:
    further = scripted.outcome(scripted.case(checkpoints=(1, 2), repeat=1))
    frame = read([WHOLE, further], cases=[WHOLE.case])
    assert frame[frame.is_final].case_id.tolist() == [WHOLE.case.case_id]


def test_a_plain_pivot_of_final_rows_averages_processes_and_nothing_else() -> None:
    """Other checkpoints, loops, backends and precisions of the sweep are other things, not more of the same."""
    others = [
        scripted.outcome(scripted.case(checkpoints=(1, 2, 12), **way), epochs=SLOW)
        for way in ({"loop": "xla"}, {"backend": "jax"}, {"precision": "mixed_bfloat16"})
    ]
    outcomes = [WHOLE, REPEATED, *others]
    frame = read(outcomes, cases=[outcome.case for outcome in outcomes])
    assert len(frame[frame.is_last]) == 5
    final = frame[frame.is_final]
    assert final.pivot_table("total_s", "model", "batch_size").to_numpy().tolist() == [[22.0]]
    alone = read([WHOLE]).epoch_s_median.max()
    assert final.pivot_table("epoch_s_median", "model", "batch_size").to_numpy().tolist() == [[alone]]
    assert frame.epoch_s_median.max() > alone


def test_the_final_rows_are_of_the_first_way_of_each_model_in_the_profile() -> None:
    cases = [
        scripted.case(model=model, loop=loop) for model, loop in (("basic", "xla"), ("basic", "fit"), ("deep", "fit"))
    ]
    frame = read([scripted.outcome(case) for case in cases], cases=cases)
    final = frame[frame.is_final]
    assert list(zip(final.model, final.loop, strict=True)) == [("basic", "xla"), ("deep", "fit")]


def test_columns_are_the_case_then_twenty_figures_then_details_then_the_machine() -> None:
    columns = read().columns.tolist()
    parts: list[list[str]] = []
    for kind in (Identity, Figures, Measurement, Fingerprint):
        before = {name for part in parts for name in part}
        parts.append([name for name in kind.model_fields if name not in before])
    assert columns == [name for part in parts for name in part]
    assert [len(part) for part in parts[:2]] == [14, 20]
    assert columns[:3] == ["schema_version", "case_id", "model"]
    assert {"is_final", "is_last", "status", "total_s", "epoch_s_median", "peak_rss_mib", "val_bce"} <= set(parts[1])
