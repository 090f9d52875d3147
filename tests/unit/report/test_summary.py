"""The sentences that a report begins with."""

from typing import Any

import scripted

from bench.host.reference_kernels import Reference
from bench.report import summary
from bench.results.schema import Outcome, ResultRow


def row(model: str = "basic", **changes: Any) -> ResultRow:
    fields: dict[str, Any] = {"case_id": f"{model}-{changes}", "model": model, "epochs": 8}
    return scripted.result_row(**fields | changes)


def sentences(*rows: ResultRow, outcomes: tuple[Outcome, ...] = (), **header: Any) -> list[str]:
    return summary.summarize(scripted.header(cases=(), **header), outcomes or (quiet(),), rows)


def quiet(**changes: Any) -> Outcome:
    return scripted.outcome(**changes)


FAST = row(epoch_s_median=0.25, peak_rss_mib=700.0, val_bce=0.12, steady="yes")
SLOW = row("deep", epoch_s_median=2.0, peak_rss_mib=900.4, val_bce=0.09, steady="yes")


def test_three_sentences_say_how_fast_how_good_and_what_not_to_trust() -> None:
    fast, good, trust = sentences(SLOW, FAST)
    ends = "from 0.25 s (basic, batch 4) to 2 s (deep, batch 4)"
    assert fast == f"An epoch of 40 images took {ends}; memory peaked at 700 to 900 MiB."
    assert good.startswith(
        "deep, batch 4 rebuilt its images best: 0.0900 nats after 8 epochs (mean binary cross-entropy"
    )
    assert good.endswith("; it is highest for basic, batch 4: 0.1200 after 8 epochs.")
    assert trust.startswith("Nothing speaks against these figures")


def test_one_case_is_neither_fastest_nor_best() -> None:
    first, second, _ = sentences(FAST)
    assert first == "An epoch of 40 images took 0.25 s (basic, batch 4); memory peaked at 700 MiB."
    assert "highest" not in second


def test_a_case_counts_with_its_last_checkpoint() -> None:
    early = row(case_id="one", epochs=2, val_bce=0.3)
    late = row(case_id="one", epochs=50, val_bce=0.1)
    assert "0.1000 nats after 50 epochs" in sentences(early, late)[1]


def test_processes_of_one_case_count_once_with_their_median() -> None:
    repeats = [row(case_id=f"r{n}", repeat=n, epoch_s_median=seconds) for n, seconds in enumerate((1.0, 2.0, 9.0))]
    assert "took 2 s (basic, batch 4)" in sentences(*repeats)[0]


def test_loops_are_named_where_cases_differ_in_them() -> None:
    assert "(basic, batch 4, xla)" in sentences(FAST, row(loop="xla", epoch_s_median=0.1))[0]


def test_runs_too_short_to_be_timed_say_so() -> None:
    short = row(epoch_s_median=None, steady="unknown")
    assert sentences(short)[0].startswith("No epoch after the warm-up was timed; memory")
    assert "too short to say" in sentences(short)[2]


def test_nothing_measured_is_said_first() -> None:
    failed = row(status="failed")
    assert sentences(failed)[0] == "Nothing was measured."
    header = scripted.header()
    assert summary.summarize(header, [], [])[1] == "Trust with care: 2 of 2 cases failed or did not run."


def test_every_reason_for_care_is_named() -> None:
    noisy = tuple(scripted.epoch(n, noise=scripted.NOISY if n == 2 else scripted.QUIET) for n in (1, 2, 3, 4))
    drifting = Reference(threads=2, gflop_per_s=90, gflop_per_s_median=40, gb_per_s=20, gb_per_s_median=19)
    swift = Reference(threads=2, gflop_per_s=110, gflop_per_s_median=100, gb_per_s=20, gb_per_s_median=19)
    outcome = quiet(epochs=noisy, reference_before=drifting, reference_after=swift)
    last = sentences(row(steady="no"), outcomes=(outcome,), dataset_genuine=False)[-1]
    for reason in (
        "1 of 4 epochs was noisy",
        "epochs of basic, batch 4 never became steady",
        "changed its own speed",
        "not those usually known as mnist-5k",
    ):
        assert reason in last


def test_many_unsteady_cases_are_counted() -> None:
    rows = [row(f"m{n}", steady="no") for n in range(6)]
    assert "epochs of m0, batch 4 and of m1, batch 4 and 4 more never became steady" in sentences(*rows)[-1]
