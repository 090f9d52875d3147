"""The same cells for a terminal and for Markdown."""

import io
import re
from dataclasses import replace
from typing import Any

import pytest
import scripted
from rich.console import Console

from bench.console.table import Table, print_table
from bench.plan import catalog
from bench.report import published, tables
from bench.report.tables import tabulate_model, tabulate_published, tabulate_thresholds, tabulate_variants
from bench.report.variants import compare_variants
from bench.results.schema import ResultRow
from bench.results.speed import estimate_cases
from models.contract import Published


def cells(markdown: str) -> list[list[str]]:
    """Cells of a Markdown table, without its rule; pipes that are escaped separate nothing."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in (lines[0], *lines[2:])]


def printed(table: Table, width: int = 120) -> str:
    out = io.StringIO()
    print_table(Console(file=out, width=width), table)
    return out.getvalue()


# --- a model's table -------------------------------------------------------------------------------------------------


def row(**changes: Any) -> Any:
    return scripted.result_row(**{"case_id": scripted.case(repeat=changes.get("repeat", 0)).case_id} | changes)


def shown(*rows: ResultRow) -> Table:
    """The table of a model, with the speeds of its own rows."""
    return tabulate_model("t", rows, estimate_cases(rows))


def read_line(*rows: ResultRow) -> dict[str, str]:
    """The only line of a model's table, by its headings."""
    [headers, line] = cells(shown(*rows).to_markdown())
    return dict(zip(headers, line, strict=True))


def test_a_models_rows_are_epochs_within_batch_sizes() -> None:
    rows = [row(epochs=epochs, batch_size=size) for epochs, size in [(500, 256), (50, 256), (500, 64), (50, 64)]]
    assert [cell[:2] for cell in cells(shown(*rows).to_markdown())] == [
        ["epochs", "batch"],
        ["50", "64"],
        ["500", "64"],
        ["50", "256"],
        ["500", "256"],
    ]


def test_a_row_shows_times_losses_memory_and_dead_units() -> None:
    measured = {
        **scripted.times(1.23456, reach=1.1),
        "total_s": 1234.5,
        "first_epoch_s": 123.4,
        "train_loss": 0.10364,
        "val_loss": 154.321,
        "val_bce": 0.0944,
        "peak_rss_mib": 714.4,
        "dead_units": 32,
        "code_units": 32,
    }
    [headers, line] = cells(shown(row(**measured)).to_markdown())
    assert dict(zip(headers[2:], line[2:], strict=True)) == {
        "total s": "1234",
        "s/epoch": "1.23",
        "steady": "3",
        "95 %": "1.12–1.36",
        "first": "123",
        "train": "0.1036",
        "val": "154.32",
        "bce": "0.0944",
        "MiB": "714",
        "dead": "32/32",
    }


def test_axes_that_vary_get_a_column_and_others_none() -> None:
    assert "loop" in shown(row(), row(loop="xla")).headers
    assert shown(row(), row(epochs=1)).headers[2] == "total s"


def test_processes_of_one_case_are_on_one_line_with_their_median_and_interval() -> None:
    rows = [
        row(repeat=repeat, peak_rss_mib=700 + time, **scripted.times(time)) for repeat, time in enumerate((1, 4, 2))
    ]
    [speed] = estimate_cases(rows).values()
    line = read_line(*rows)
    assert (line["s/epoch"], line["MiB"]) == ("2", "702")
    assert line["95 %"] == f"{speed.low:.3g}–{speed.high:.3g} (3)"


def test_every_checkpoint_of_a_case_has_its_own_time_and_the_interval_of_the_whole_run() -> None:
    rows = [row(epochs=3, **scripted.times(1.0)), row(epochs=9, **scripted.times(2.0, reach=1.5))]
    _, *lines = cells(shown(*rows).to_markdown())
    assert [[line[3], line[5]] for line in lines] == [["1", "1.33–3"], ["2", "1.33–3"]]


@pytest.mark.parametrize(
    ("counts", "text"), [((3,), "3"), ((9,), "9"), ((10,), None), ((9, 8), "2×8"), ((99, 98), "2×98")]
)
def test_what_a_median_rests_on_stands_beside_it_where_it_is_little(counts: tuple[int, ...], text: str | None) -> None:
    rows = [row(repeat=repeat, steady_epochs=count) for repeat, count in enumerate(counts)]
    assert read_line(*rows).get("steady") == text


def test_a_total_has_tenths_of_seconds_below_a_thousand() -> None:
    assert [tables.format_total(value) for value in (None, 0.04, 6.25, 999.9, 1000.4)] == [
        "–", "0.0", "6.2", "999.9", "1000",
    ]  # fmt: skip


def test_processes_that_differ_without_noise_have_no_other_time_on_a_quiet_machine() -> None:
    rows = [row(repeat=repeat, **scripted.times(seconds)) for repeat, seconds in enumerate((1.0, 1.0, 1.5))]
    assert "quiet" not in shown(*rows).headers


@pytest.mark.parametrize(("cost", "text"), [(1.0, None), (1.04, None), (1.07, "2"), (1.5, "2"), (0.8, "2")])
def test_the_time_on_a_quiet_machine_is_told_where_it_differs(cost: float, text: str | None) -> None:
    assert read_line(row(**scripted.times(2.0) | {"epoch_s_median": 2.0 * cost})).get("quiet") == text


def test_a_process_that_failed_among_others_is_remarked() -> None:
    failed = row(repeat=1, status="killed", **scripted.times(None))
    assert read_line(row(), failed)["remarks"] == "1 of 2 processes"


def test_noisy_epochs_and_a_trend_are_remarked_and_without_them_there_are_no_remarks() -> None:
    assert "remarks" not in shown(row()).headers
    assert read_line(row(noisy_epochs=2, steady="no"))["remarks"] == "2/4 noisy; not steady"


@pytest.mark.parametrize("status", ["failed", "killed", "timeout", "diverged", "invalid"])
def test_a_failed_row_says_how_it_ended_and_shows_no_number(status: str) -> None:
    table = shown(row(), row(status=status, epochs=9, **scripted.times(None)))
    failed = cells(table.to_markdown())[-1]
    assert failed[:3] == ["9", "4", status]
    assert set(failed[3:]) - {""} == {"–"}
    assert len(failed) == len(table.headers)
    assert status in printed(table, width=80)


def test_what_was_not_measured_is_a_dash_and_never_none_or_nan() -> None:
    empty = dict.fromkeys(("val_bce", "dead_units", "peak_rss_mib", "val_loss"))
    table = shown(row(**empty, **scripted.times(None)))
    assert "quiet" not in table.headers
    for text in (table.to_markdown(), printed(table)):
        assert "None" not in text
        assert "nan" not in text.lower()
        assert text.count("–") == len(empty) + 2  # the time and its interval


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0, "0"), (0.01234, "0.0123"), (12.345, "12.3"), (100.0, "100"), (1234.5, "1234")],
)
def test_seconds_have_three_figures(value: float | None, text: str) -> None:
    assert tables.format_seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.0, "0.0000"), (0.09444, "0.0944"), (9.99, "9.9900"), (152.345, "152.34")]
)
def test_losses_are_shown_as_keras_prints_them(value: float | None, text: str) -> None:
    assert tables.format_loss(value) == text


# --- against what was published --------------------------------------------------------------------------------------


def test_published_figures_stand_beside_ours_with_their_ratio() -> None:
    full = {"dataset": "mnist", "train_samples": 60_000, "val_samples": 10_000, "batch_size": 256}
    rows = [row(**full, epochs=50, val_loss=0.1017, train_total_s=28.0, val_total_s=2.0)]
    figures = (
        Published(source="blog", epochs=50, quantity="val_loss", value=0.11),
        Published(source="field notes", epochs=50, quantity="fit_s", value=60.0, note="about"),
        Published(source="field notes", epochs=500, quantity="fit_s", value=960.0),
    )
    settings = {"basic": replace(catalog.read_model_settings()["basic"], published=figures)}
    table = tabulate_published(published.compare_with_published(rows, settings))
    shown = {line[1]: line[2:] for line in cells(table.to_markdown())[1:]}
    assert shown["validation loss, 50 epochs (blog)"] == ["0.11", "0.1017", "0.92", "measured: adam 0.001"]
    assert shown["time of training, 50 epochs (field notes: about)"] == [
        "1 min 0 s",
        "30 s",
        "0.50",
        "measured: adam 0.001",
    ]
    assert shown["time of training, 500 epochs (field notes)"][-1] == "projected: adam 0.001"


def test_figures_without_ours_are_counted_below_with_what_would_run_them() -> None:
    full = {"dataset": "mnist", "train_samples": 60_000, "val_samples": 10_000, "batch_size": 256}
    rows = [row(**full, epochs=50, train_total_s=28.0, val_total_s=2.0), row(**full, epochs=100)]
    table = tabulate_published(published.compare_with_published(rows, catalog.read_model_settings()))
    [note] = table.notes
    for expected in ("1 published figure (basic)", "full MNIST", "`aebench run --profile blog` trains for those"):
        assert expected in note


def test_a_sweep_that_was_not_meant_for_it_is_not_reminded_of_published_figures() -> None:
    table = tabulate_published(published.compare_with_published([row(epochs=3)], catalog.read_model_settings()))
    assert {line[-1] for line in table.rows} == {"projected: batch 4, adam 0.001"}
    assert table.notes == ()
    short = row(epochs=1, epoch_s_median=None)
    assert tabulate_published(published.compare_with_published([short], catalog.read_model_settings())).is_empty


def test_ways_to_train_stand_side_by_side_with_a_sentence_below() -> None:
    measured: dict[str, Any] = {"peak_fraction": 0.2, "gflop_per_s": 40.0, "bound": "dispatch"}
    measured |= {"val_s_median": 0.0, "val_total_s": 0.0}
    fit_s: dict[str, Any] = {"total_s": 34.0, "train_total_s": 24.0, "first_epoch_s": 6.0, **scripted.times(6.0)}
    xla_s: dict[str, Any] = {"total_s": 30.0, "train_total_s": 20.0, "first_epoch_s": 17.0, **scripted.times(1.0)}
    fit = row(peak_rss_mib=1000.0, **measured, **fit_s)
    xla = row(case_id="xla", loop="xla", peak_rss_mib=550.0, **measured, **xla_s)
    table = tabulate_variants(compare_variants([fit, xla], estimate_cases([fit, xla])))
    assert table.rows == (
        ("basic", "fit", "4", "4", "34.0", "1.00", "6", "1.00", "–", "1000", "100 %", "40", "20 %", "dispatch"),
        ("basic", "xla", "4", "4", "30.0", "1.13", "1", "6.0", "4", "550", "55 %", "40", "20 %", "dispatch"),
    )
    note, how = table.notes
    assert note.startswith("basic · batch 4: `fit` spends 4 of every 5 seconds outside the arithmetic; `xla`: 6.0 ")
    assert note.endswith("1.13 times end to end at 4 epochs, in 55 % of the memory; pays from epoch 4 on.")
    assert how.startswith("`end to end` is not the ratio of `total s`")


def test_ways_without_a_plain_one_need_no_word_on_ratios() -> None:
    rows = [row(case_id=loop, loop=loop) for loop in ("graph", "xla")]
    assert tabulate_variants(compare_variants(rows, estimate_cases(rows))).notes == ()


def test_what_was_not_measured_of_a_way_is_a_dash() -> None:
    empty: dict[str, Any] = {"peak_rss_mib": None, "gflop_per_s": None, "peak_fraction": None, "bound": None}
    rows = [row(case_id=loop, loop=loop, **empty) for loop in ("graph", "xla")]
    table = tabulate_variants(compare_variants(rows, estimate_cases(rows)))
    assert [(line[5], *line[7:]) for line in table.rows] == [("–",) * 8] * 2


def test_time_until_good_enough_has_a_column_per_threshold_and_names_the_first() -> None:
    slow = scripted.outcome(scripted.case(loop="fit"))
    quick = [
        scripted.outcome(
            scripted.case(loop="xla", repeat=repeat),
            epochs=tuple(
                scripted.epoch(number, train_s=0.25 + repeat, val_loss=0.2 / number) for number in (1, 2, 3, 4)
            ),
        )
        for repeat in range(3)
    ]
    table = tabulate_thresholds([slow, *quick], [0.2, 0.1, 0.01])
    assert table.headers == ("model", "trained by", "batch", "≤ 0.2", "≤ 0.1", "≤ 0.01")
    assert table.rows == (
        ("basic", "fit", "4", "at most 1 ep, 2.5 s", "at most 4 ep, 3.41 s", "–"),
        ("basic", "xla", "4", "1 ep, 1.25 s", "2 ep, 2.5 s", "–"),
    )
    assert table.notes == (
        "The first to reach 0.2 is basic xla · batch 4: 1 ep, 0.25 s.",
        "The first to reach 0.1 is basic xla · batch 4: 2 ep, 0.5 s.",
    )


def test_what_reached_no_threshold_has_no_line() -> None:
    assert tabulate_thresholds([scripted.outcome()], [1e-6]).rows == ()
