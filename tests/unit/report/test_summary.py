"""The sentences that a report begins with."""

from typing import Any

import pytest
import scripted

from bench.host.reference_kernels import KernelRates
from bench.plan.forecast import Forecast
from bench.report import summary
from bench.results import bands
from bench.results.journal_lines import Outcome
from bench.results.schema import ResultRow
from bench.results.speed import estimate_cases


def row(model: str = "basic", /, **changes: Any) -> ResultRow:
    fields: dict[str, Any] = {"case_id": f"{model}-{changes}", "model": model, "epochs": 8}
    return scripted.result_row(**fields | changes)


def sentences(*rows: ResultRow, outcomes: tuple[Outcome, ...] = (), **header: Any) -> list[str]:
    return summary.summarize(scripted.header(cases=(), **header), outcomes or (quiet(),), rows, estimate_cases(rows))


def quiet(**changes: Any) -> Outcome:
    return scripted.outcome(**changes)


FAST_FIGURES: dict[str, Any] = {
    "total_s": 12.34,
    "peak_rss_mib": 700.0,
    "val_bce": 0.12,
    "steady": "yes",
    **scripted.times(0.25),
}
SLOW_FIGURES: dict[str, Any] = {
    "total_s": 95.0,
    "peak_rss_mib": 1900.4,
    "val_bce": 0.09,
    "steady": "yes",
    **scripted.times(2.0),
}
FAST = row(**FAST_FIGURES)
SLOW = row("deep", **SLOW_FIGURES)


def test_the_answer_says_how_long_how_much_memory_how_good_and_what_not_to_trust() -> None:
    time, memory, quality, trust = sentences(SLOW, FAST)
    assert time == (
        "Time: 8 epochs took 12.3 s (basic · batch 4) to 1 min 35 s (deep · batch 4), start and compilation included; "
        "one epoch of 40 images took 0.25 to 2 s."
    )
    assert memory == "Memory: peak RAM 700 MiB (basic · batch 4) to 1,900 MiB (deep · batch 4)."
    assert quality == "Quality: bce 0.0900 (deep · batch 4) to 0.1200 (basic · batch 4); lower is better."
    assert trust.startswith("Trust: nothing speaks against these figures")


def test_one_case_has_one_figure_of_each_kind() -> None:
    time, memory, quality, _ = sentences(FAST)
    assert time.startswith("Time: 8 epochs took 12.3 s (basic · batch 4), start")
    assert time.endswith("one epoch of 40 images took 0.25 s.")
    assert memory == "Memory: peak RAM 700 MiB (basic · batch 4)."
    assert quality == "Quality: bce 0.1200 (basic · batch 4); lower is better."


def test_a_case_counts_with_its_last_checkpoint() -> None:
    early = row(case_id="one", epochs=2, val_bce=0.3)
    late = row(case_id="one", epochs=50, val_bce=0.1)
    assert "bce 0.1000 (basic · batch 4);" in sentences(early, late)[2]


def test_cases_that_end_at_other_epoch_counts_are_named_by_them() -> None:
    rows = [row(f"m{count}", epochs=count, total_s=float(count), val_bce=1 / count) for count in (5, 10, 20, 50)]
    time, _, quality, _ = sentences(*rows)
    assert time.startswith("Time: 10 epochs took 10.0 s (m10 · batch 4); 20 epochs took 20.0 s (m20 · batch 4); 50 ")
    assert "0.0200 (m50 · batch 4, 50 epochs) to 0.2000 (m5 · batch 4, 5 epochs)" in quality


def test_the_time_to_an_epoch_count_is_that_of_all_cases_that_passed_it() -> None:
    long = [row(case_id="long", epochs=count, total_s=float(count)) for count in (1, 50, 500)]
    short = row("deep", epochs=50, total_s=55.0)
    assert sentences(*long, short)[0].startswith(
        "Time: 50 epochs took 50.0 s (basic · batch 4) to 55.0 s (deep · batch 4); 500 epochs took 8 min 20 s (basic · "
    )


def test_cases_with_the_same_figure_are_not_named() -> None:
    assert sentences(row("m1"), row("m2"))[1] == "Memory: peak RAM 604 MiB."


def test_processes_of_one_case_count_once_with_their_median() -> None:
    repeats = [row(case_id=f"r{n}", repeat=n, total_s=seconds) for n, seconds in enumerate((10.0, 20.0, 90.0))]
    assert "took 20.0 s (basic · batch 4), start" in sentences(*repeats)[0]


def test_loops_are_named_where_cases_differ_in_them_and_compared() -> None:
    xla = row(loop="xla", total_s=10.0, steady="yes", **scripted.times(0.05))
    time, _, _, loop, _ = sentences(FAST, xla)
    assert "10.0 s (basic xla · batch 4)" in time
    assert loop.startswith("Loop: use xla for basic: 5.0 times as fast as fit per epoch, 1.13 times end to end at 8 ")


def test_what_was_not_measured_is_left_out() -> None:
    time, trust = sentences(row(total_s=None, peak_rss_mib=None, val_bce=None, **scripted.times(None)))
    assert "None" not in time + trust


def test_runs_too_short_to_be_timed_say_so() -> None:
    short = row(steady="unknown", **scripted.times(None))
    assert sentences(short)[0].endswith("; too few epochs for the time of one.")
    assert "too short to say" in sentences(short)[3]


def test_nothing_measured_is_said_first() -> None:
    failed = row(status="failed")
    assert sentences(failed)[0] == "Nothing was measured."
    header = scripted.header()
    assert summary.summarize(header, [], [], {})[1] == "Trust: with care, since 2 of 2 cases failed or did not run."


def test_what_was_swept_on_what_is_one_line() -> None:
    header = scripted.header()
    ended = [scripted.outcome(case) for case in header.cases]
    further = scripted.outcome(scripted.case(repeat=1))
    on = "on 40 images of mnist-5k; Scripted CPU, 2 cores."
    assert summary.describe_sweep(header, ended) == f"Profile scripted: 2 cases {on}"
    assert summary.describe_sweep(header, [*ended, further]) == (
        f"Profile scripted: 2 cases and 1 further process {on}"
    )
    assert summary.describe_sweep(header, ended[:1]) == f"Profile scripted: 1 of 2 cases {on}"


def test_every_reason_for_care_is_named() -> None:
    noisy = tuple(scripted.epoch(n, noise=scripted.NOISY if n == 2 else scripted.QUIET) for n in (1, 2, 3, 4))
    drifting = KernelRates(threads=2, gflop_per_s=90, gflop_per_s_median=40, gb_per_s=20, gb_per_s_median=19)
    swift = KernelRates(threads=2, gflop_per_s=110, gflop_per_s_median=100, gb_per_s=20, gb_per_s_median=19)
    outcome = quiet(epochs=noisy, reference_before=drifting, reference_after=swift)
    last = sentences(row(steady="no"), outcomes=(outcome,), dataset_genuine=False)[-1]
    for reason in (
        "1 of 4 epochs was noisy",
        "epochs of basic · batch 4 never became steady",
        "changed its own speed",
        "not those usually known as mnist-5k",
    ):
        assert reason in last


def test_a_few_noisy_epochs_are_counted_and_no_reason_for_care() -> None:
    one = tuple(scripted.epoch(n, noise=scripted.NOISY if n == 2 else scripted.QUIET) for n in range(1, 11))
    (last,) = [each for each in sentences(row(steady="yes"), outcomes=(quiet(epochs=one),)) if each.startswith("Trust")]
    assert "nothing speaks against these figures; 1 of 10 epochs was noisy, and no series" in last


def test_many_unsteady_cases_are_counted() -> None:
    rows = [row(f"m{n}", steady="no") for n in range(6)]
    assert "epochs of m0 · batch 4, m1 · batch 4, m2 · batch 4 and 3 more never became steady" in sentences(*rows)[-1]


def test_the_answer_says_whether_losses_lie_within_their_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("model", "optimizer", "learning_rate", "batch_size", "dataset", "train_samples", "epochs")
    fields = {name: getattr(FAST, name) for name in names}
    band = bands.Band(**fields, low=0.11, high=0.13, seeds=5, source="made up")
    monkeypatch.setattr(bands, "read_bands", lambda: [band])
    assert sentences(FAST)[-1].endswith("Losses within their reference bands: 1 of 1.")
    high = FAST.model_copy(update={"val_bce": 0.27})
    assert sentences(high)[-1] == (
        "Trust: with care, since val_bce 0.2700 at 8 epochs (basic · batch 4); the reference band is 0.1100 to 0.1300: "
        "something differs."
    )


@pytest.mark.parametrize(
    ("forecasts", "expected"),
    [
        ([(2.34, 1.25, 700.0), (79.0, 2.0, 1_900.0)], "Forecast: all times within 25 %, all peaks within 10 %."),
        (
            [(2.34, 1.25, 700.0), (9.0, 2.0, 1_000.0)],
            "Forecast: 1 of 2 times within 25 % (the worst 74 % off), 1 of 2 peaks within 10 % (the worst 47 % off).",
        ),
        (
            [(2.0, 0.5, 700.0), (9.0, 2.0, 1_900.0)],
            "Forecast: none of 2 times within 25 % (the worst 74 % off), all peaks within 10 %.",
        ),
        ([(2.34, 1.25, 900.0)], "Forecast: the time within 25 %, the peak 29 % off; 1 of 2 cases had one."),
    ],
)
def test_the_answer_says_how_good_the_forecast_was(forecasts: list[tuple[float, float, float]], expected: str) -> None:
    rows = [
        row("basic", case_id="a.r0", repeat=0, **FAST_FIGURES),
        row("deep", case_id="b.r0", repeat=0, **SLOW_FIGURES),
    ]
    foretold = {name: Forecast(*figures) for name, figures in zip("ab", forecasts, strict=False)}
    assert expected in sentences(*rows, forecasts=foretold)


def test_the_answer_says_which_forecasts_are_by_reports_of_another_machine() -> None:
    rows = [row(name, case_id=f"{name}.r0", repeat=0, **FAST_FIGURES) for name in ("basic", "deep")]
    own, scaled = Forecast(2.34, 1.25, 700.0), Forecast(2.34, 1.25, 700.0, is_scaled=True)
    expected = "Forecast: all times within 25 %, all peaks within 10 %, 1 of 2 by reports of another machine."
    assert expected in sentences(*rows, forecasts={"basic": own, "deep": scaled})


def test_without_a_forecast_the_answer_says_nothing_of_one() -> None:
    assert not [each for each in sentences(SLOW, FAST) if each.startswith("Forecast")]
