"""What all forms of a report show: its tables, and what a reader must know before trusting them."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import scripted

from bench.console.table import Table
from bench.host.reference_kernels import KernelRates
from bench.report.contents import SweepReport
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome, Timeline


def report_on(*ended: Outcome, **choices: Any) -> SweepReport:
    return SweepReport(ReportFolder(Path("nowhere")), scripted.header(), ended, **choices)


# ------------------------------------------------------------------------------ tables


def test_the_overview_has_a_line_per_case_at_its_last_checkpoint() -> None:
    cases = [scripted.case(model="basic"), scripted.case(model="basic", loop="xla"), scripted.case(model="deep")]
    table = report_on(*map(scripted.outcome, cases)).overview
    assert table.headers == (
        "model", "batch", "loop", "epochs", "total s", "s/epoch", "steady", "95 %", "MiB", "bce",
    )  # fmt: skip
    assert [row[:5] for row in table.rows] == [
        ("basic", "4", "fit", "4", "14.0"),
        ("basic", "4", "xla", "4", "14.0"),
        ("deep", "4", "fit", "4", "14.0"),
    ]
    assert report_on().overview.is_empty


def test_all_checkpoints_of_a_case_stand_side_by_side() -> None:
    long = scripted.outcome(scripted.case(checkpoints=(1, 4)), epochs=[*map(scripted.epoch, range(1, 5))])
    short = scripted.outcome(scripted.case(model="deep", checkpoints=(1,)))
    table = report_on(short, long).cases
    headers = ("model", "batch", "total s at 1", "total s at 4", "bce at 1", "bce at 4")
    lines = [dict(zip(table.headers, row, strict=True)) for row in table.rows]
    assert [tuple(line[header] for header in headers) for line in lines] == [
        ("basic", "4", "11.0", "14.0", "0.2000", "0.0500"),
        ("deep", "4", "11.0", "–", "0.2000", "–"),
    ]


def test_every_case_is_in_one_line_also_one_that_failed() -> None:
    cases = [scripted.outcome(), scripted.outcome(scripted.case(model="deep"), reached=1)]
    cases += [scripted.outcome(scripted.case(model="sparse"), reached=0)]
    table = report_on(*cases).cases
    lines = {row[0]: dict(zip(table.headers, row, strict=True)) for row in table.rows}
    assert list(lines) == ["basic", "sparse", "deep"]
    assert [lines["deep"][f"total s at {count}"] for count in (1, 4)] == ["11.0", "failed"]
    assert [lines["sparse"][f"total s at {count}"] for count in (1, 4)] == ["failed", "failed"]
    assert lines["sparse"]["MiB"] == "–"


def test_how_to_read_several_processes_is_said_where_there_are_some() -> None:
    repeats = [scripted.outcome(scripted.case(repeat=repeat)) for repeat in range(2)]
    assert "2×9" not in "".join(report_on(scripted.outcome()).cases.notes)
    assert "2×9" in "".join(report_on(*repeats).cases.notes)


def test_a_checkpoint_that_some_case_ends_with_is_never_left_out() -> None:
    models = {"basic": (1, 2, 4), "deep": (1, 2)}
    ended = [scripted.outcome(scripted.case(model=model, checkpoints=counts)) for model, counts in models.items()]
    assert report_on(*ended).cases.optional == ("bce at 1", "total s at 1", "steady")


def test_processes_that_were_cut_count_at_the_checkpoints_that_they_reached() -> None:
    whole, cut = scripted.case(checkpoints=(2, 4)), scripted.case(checkpoints=(2,), repeat=1)
    table = report_on(scripted.outcome(whole), scripted.outcome(cut)).cases
    [line] = [dict(zip(table.headers, row, strict=True)) for row in table.rows]
    assert (line["steady"], line["total s at 4"]) == ("3", "14.0")


def test_only_a_model_that_noise_slowed_down_has_a_time_on_a_quiet_machine() -> None:
    loud = [scripted.epoch(number, train_s=3.0, noise=scripted.NOISY) for number in range(1, 5)]
    table = report_on(scripted.outcome(), scripted.outcome(scripted.case(model="deep"), epochs=loud)).overview
    basic, deep = (dict(zip(table.headers, row, strict=True)) for row in table.rows)
    assert (basic["quiet"], basic["remarks"]) == ("", "")
    assert 0 < float(deep["quiet"]) < float(deep["s/epoch"]) == 3.0
    assert "quiet" not in report_on(scripted.outcome()).overview.headers


def test_noisy_epochs_are_left_out_of_the_tables_where_asked() -> None:
    epochs = tuple(scripted.epoch(n, noise=scripted.NOISY if n == 2 else scripted.QUIET) for n in range(1, 5))
    kept, dropped = (
        report_on(scripted.outcome(epochs=epochs), without_noisy=without).shown_rows[-1] for without in (False, True)
    )
    assert kept.steady_epochs == 3
    assert dropped.steady_epochs == 2


def test_thresholds_may_be_chosen_and_are_left_out_where_none_is_reached() -> None:
    reached, missed = (report_on(scripted.outcome(), thresholds=(level,)) for level in (0.15, 1e-9))
    assert reached.reached.headers[-1] == "≤ 0.15"
    assert missed.reached.is_empty


def test_loops_are_compared_where_there_are_several() -> None:
    assert report_on(scripted.outcome()).variants.is_empty
    variants = report_on(*(scripted.outcome(scripted.case(loop=loop)) for loop in ("fit", "xla"))).variants
    assert len(variants.rows) == 2


# ------------------------------------------------------------------------------ remarks


def other_remarks(report: SweepReport) -> list[str]:
    """All but the first, which is about how well times are known."""
    certainty, *others = report.remarks
    assert "%" in certainty
    return others


def test_how_far_the_next_run_may_lie_is_said_first() -> None:
    (single,) = report_on(scripted.outcome()).remarks
    assert re.fullmatch(r"Each case ran once\. Runs here differ by some \d+ %, and the intervals say so\.", single)
    repeats = [scripted.outcome(scripted.case(repeat=repeat)) for repeat in range(3)]
    (several,) = report_on(*repeats).remarks
    assert re.fullmatch(
        r"0 of 1 case is known to within 5 %; the widest is basic · batch 4, within \d+ %\. Hours .*", several
    )
    within = [float(re.findall(r"\d+", text)[-1]) for text in (single, several)]
    assert within[1] < within[0]
    uneven = [scripted.epoch(number, train_s=1.0 + number % 2) for number in range(1, 13)]
    rough = scripted.outcome(scripted.case(model="deep", checkpoints=(12,)), epochs=uneven)
    assert re.search(r"differ by some \d+ to \d+ %", report_on(scripted.outcome(), rough).remarks[0])


def test_of_no_time_no_certainty_is_told() -> None:
    assert report_on(scripted.outcome(scripted.case(checkpoints=(1,)))).remarks == []
    assert report_on().remarks == []


def reference(gflop_per_s: float) -> KernelRates:
    best = gflop_per_s + 50  # the median is what is reported, not the best repeat
    return KernelRates(threads=2, gflop_per_s=best, gflop_per_s_median=gflop_per_s, gb_per_s=20.0, gb_per_s_median=19.0)


def test_a_machine_that_changed_its_speed_is_reported() -> None:
    steady = scripted.outcome(reference_before=reference(100.0), reference_after=reference(96.0))
    assert other_remarks(report_on(steady)) == []
    drifting = scripted.outcome(reference_before=reference(100.0), reference_after=reference(60.0))
    (remark,) = other_remarks(report_on(drifting))
    assert "60 to 100 GFLOP/s" in remark


def followed(mib: float) -> Outcome:
    """A run whose peaks are 601 and 603 MiB, sampled from outside."""
    return scripted.outcome(timeline=Timeline(interval_s=0.2, samples=((1.0, mib),)))


def test_sampling_that_sees_more_than_the_peak_is_reported_once() -> None:
    assert other_remarks(report_on(followed(602.0))) == []
    (remark,) = other_remarks(report_on(followed(700.0)))
    assert remark.count("basic.tensorflow") == 1
    assert "trust neither" in remark


def test_a_peak_that_sampling_missed_by_far_is_reported() -> None:
    (remark,) = other_remarks(report_on(followed(300.0)))
    assert "less than a sampling interval" in remark


def test_noisy_epochs_are_reported_with_the_flag_that_leaves_them_out() -> None:
    epochs = tuple(scripted.epoch(n, noise=scripted.NOISY if n == 2 else scripted.QUIET) for n in range(1, 5))
    outcome = scripted.outcome(epochs=epochs)
    (remark,) = other_remarks(report_on(outcome))
    assert remark.startswith("1 of 4 epochs")
    assert "--without-noisy" in remark


# ------------------------------------------------------------------------------ energy


def measured(
    loop: str = "fit", *, idle_w: float | None = 20.0, counters: tuple[str, ...] = ("RAPL package-0",)
) -> Outcome:
    """A run whose epochs took 12.5 J each."""
    case = scripted.case(loop=loop, checkpoints=(1, 4))
    return scripted.outcome(
        case,
        epochs=[scripted.epoch(number, energy_j=12.5) for number in range(1, 5)],
        setup=dataclasses.replace(scripted.SETUP, energy_counters=counters),
        idle_w=() if idle_w is None else tuple((name, idle_w) for name in counters),
    )


def list_cells(table: Table, header: str) -> list[str]:
    return [row[table.headers.index(header)] for row in table.rows]


def test_energy_is_in_every_table_of_a_sweep_that_measured_it() -> None:
    report = report_on(measured(), scripted.outcome(scripted.case(loop="xla")))
    assert list_cells(report.cases, "J/epoch") == ["12.5", ""]
    assert list_cells(report.overview, "J/epoch") == ["12.5", ""]
    assert list_cells(report.models["basic"], "J/epoch") == ["", "12.5", "", ""], "one epoch has no mean"
    assert list_cells(report.reached, "≤ 0.2") == ["at most 1 ep, 2.5 s, 12.5 J", "at most 1 ep, 2.5 s"]


def test_what_joules_are_of_is_said_once() -> None:
    remarks = report_on(measured(), measured("xla")).remarks
    counted = "Joules (J) are all that RAPL package-0 counted during training, other programs included"
    assert [remark for remark in remarks if "J" in remark] == [f"{counted}; before the sweep that was 20 W."]
    assert "other programs included." in " ".join(report_on(measured(idle_w=None)).remarks)


def test_a_sweep_without_energy_shows_nothing_of_it() -> None:
    report = report_on(scripted.outcome())
    tables = (report.cases, report.overview, *report.tables)
    assert not any("J" in cell for table in tables for line in (table.headers, *table.rows) for cell in line)
    assert not any("Joules" in remark for remark in report.remarks)
