"""A comparison on a terminal: its tables at every width, and what is printed of them."""

import io

import pytest
import scripted
from rich.console import Console
from unit.machines import against, fast, of, result

from bench.compare import sentences, tables
from bench.compare.compare import print_comparison
from bench.compare.contents import ComparisonReport
from bench.compare.machines import Comparison


def printed(compared: Comparison, width: int, *, all_tables: bool = False) -> str:
    out = io.StringIO()
    print_comparison(ComparisonReport(compared), Console(file=out, width=width), all_tables=all_tables)
    return out.getvalue()


def compare(others: int) -> Comparison:
    """Machines with one long case and one short one; every cell of their tables is long."""
    machines = [
        of(
            result("sparse_batch_sum", seconds=1.23456 + number, val_bce=0.123456, noisy_epochs=9, steady="no"),
            result("deep", val_bce=0.123456),
            machine_id=f"{number:04d}",
            cpu_model="AMD Ryzen 9 7950X 16-Core Processor",
        )
        for number in range(others)
    ]
    return against(*machines, reference=of(result("sparse_batch_sum", seconds=2.3456), result("deep")))


@pytest.mark.parametrize("all_tables", [False, True])
@pytest.mark.parametrize("others", [1, 2, 4, 5, 40])
@pytest.mark.parametrize("width", [40, 60, 80, 100, 160])
def test_on_a_terminal_nothing_is_cut_and_no_line_too_long(others: int, width: int, all_tables: bool) -> None:
    text = printed(compare(others), width, all_tables=all_tables)
    assert "…" not in text
    if width > 40:  # labels of machines are words of up to thirty characters
        assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160])
def test_cases_and_their_figures_can_be_read_at_every_width(width: int) -> None:
    words = printed(compare(1), width).split()
    [compared] = compare(1).others
    for pair in compared.pairs:
        assert pair.row.model in words
        assert pair.speed is not None
        assert sentences.format_ratio(pair.speed.value) in words
        assert sentences.format_interval(pair.speed) in words
    assert words.count("100") >= 2  # percent of the memory


def test_the_answer_stands_first_then_one_table() -> None:
    text = printed(compare(1), 100)
    assert text.startswith("Ryzen-9-7950X cannot be distinguished from Scripted")
    assert text.index("End to end") < text.index("case by case after 50 epochs")
    assert "The machines" not in text
    assert text.rstrip().endswith("--tables prints all tables; --out DIR writes them as a page.")
    assert "The machines" in printed(compare(1), 100, all_tables=True)


def test_twenty_cases_are_one_screen() -> None:
    names = [f"model_{number}" for number in range(20)]
    rows = [of(*(result(name) for name in names), source=source) for source in ("before", "after")]
    assert len(printed(against(rows[1], reference=rows[0]), 100).splitlines()) <= 32


def test_figures_of_both_sides_stand_in_one_cell() -> None:
    reference = of(result(seconds=2.0, total_s=30.0), cpu_model="Xeon")
    table = tables.build_pair_table(
        against(of(result(seconds=1.0, total_s=20.0), cpu_model="EPYC", machine_id="m2"), reference=reference)
    )
    [line] = [dict(zip(table.headers, cells, strict=True)) for cells in table.rows]
    assert (line["s/epoch Xeon→EPYC"], line["total s Xeon→EPYC"]) == ("2 → 1", "30.0 → 20.0")
    assert (line["per epoch"], line["end to end"], line["clearly"]) == ("2.00", "1.50", "faster")
    assert "after 50 epochs" in table.title
    assert not {"epochs", "bce less", "remarks"} & set(table.headers)  # they would say nothing


def test_columns_without_a_figure_are_left_out() -> None:
    untimed = of(result(seconds=None, val_bce=0.2), machine_id="m2")
    table = tables.build_pair_table(against(untimed, reference=of(result(seconds=None))))
    assert table.headers == ("case", "end to end", "memory", "bce less", table.headers[-1])
    assert table.headers[-1].startswith("total s ")


def test_hundreds_of_machines_are_ranked_and_the_rest_is_counted() -> None:
    machines = [of(result(seconds=1 + number / 100), machine_id=f"{number:04d}") for number in range(300)]
    compared = against(*machines)
    text = printed(compared, 100)
    assert "281 more lines: --tables prints all." in text
    assert "The reference is number 101 of 301." in text
    assert len(text.splitlines()) < 50
    assert text.count("Note: ") == 3  # every machine lacks a case
    assert "--tables prints all tables and 297 notes more;" in text
    assert len(printed(compared, 100, all_tables=True).splitlines()) > 900


def test_the_table_of_differences_says_which_of_the_two_ids_differs() -> None:
    upgraded = of(result(), environment_id="e0", keras="9.0")
    fields = [cells[0] for cells in tables.build_difference_table(against(upgraded)).rows]
    assert fields == ["environment_id", "keras"]
    fields = [cells[0] for cells in tables.build_difference_table(against(fast(cpu_limit=4.0))).rows]
    assert fields == ["machine_id", "environment_id", "cpu_limit"]


def test_a_case_that_one_side_lacks_or_that_failed_is_listed() -> None:
    reference = of(result(), result("deep"), result("sparse", status="oom", seconds=None, error="no memory"))
    other = of(result(), result("convolutional"), machine_id="other")
    text = "\n".join(sentences.describe_missing(against(other, reference=reference)))
    assert "scripted-2c-ea1b2 failed in sparse · batch 4 (oom at 50 epochs)." in text
    assert "othe lacks 2 cases of the reference: deep · batch 4, sparse · batch 4." in text
    assert "othe alone has 1 case: convolutional · batch 4." in text


def test_cases_are_named_by_what_differs_among_them() -> None:
    xla = scripted.case(loop="xla")
    rows = (result(), result(case_id=xla.case_id, loop="xla"))
    compared = against(of(*rows, machine_id="other"), reference=of(*rows))
    assert set(sentences.name_cases(compared.cases).values()) == {"basic fit · batch 4", "basic xla · batch 4"}


def test_cases_with_threads_are_named_by_them_and_match_no_case_without() -> None:
    one = scripted.case(threads=1)
    rows = (result(), result(case_id=one.case_id, threads=1))
    compared = against(of(rows[1], machine_id="other"), reference=of(*rows))
    assert "1 thread" in " ".join(sentences.name_cases(compared.cases).values())
    text = "\n".join(sentences.describe_missing(compared))
    assert "lacks 1 case of the reference" in text


def test_two_cases_that_would_have_one_name_are_named_by_their_ids() -> None:
    rows = (result(), result(case_id="basic.strange.r0"))
    compared = against(of(*rows, machine_id="other"), reference=of(*rows))
    assert set(sentences.name_cases(compared.cases).values()) == {scripted.case().case_id[:-3], "basic.strange"}


def test_the_references_time_is_one_and_its_memory_is_that_of_each_checkpoint_that_is_compared() -> None:
    reference = of(
        result(epochs=50, seconds=2.0, peak_anon_mib=400.0, val_bce=0.2),
        result(epochs=100, run_epochs=100, seconds=3.0, peak_anon_mib=500.0, val_bce=0.1),
    )
    long = of(result(epochs=100, run_epochs=100, seconds=1.5), machine_id="long")
    short = of(result(epochs=50, seconds=1.0), machine_id="shrt")
    speed, total, memory, losses = tables.build_other_tables(against(long, short, reference=reference))[:4]
    assert speed.headers[1] == "reference s"
    lines = {cells[0]: (cells[1], *(cell[:4] for cell in cells[2:])) for cells in speed.rows}
    assert lines == {"basic · batch 4": ("3", "3.00", "2.00")}
    assert [cells[0] for cells in total.rows] == ["basic · batch 4, 50 epochs", "basic · batch 4, 100 epochs"]
    assert [cells[:2] for cells in memory.rows] == [
        ("basic · batch 4, 50 epochs", "400"),
        ("basic · batch 4, 100 epochs", "500"),
    ]
    assert {cells[1] for cells in losses.rows} == {"0.2000", "0.1000"}


def test_a_pair_is_shown_at_the_epochs_that_each_side_trained() -> None:
    reference = of(result(epochs=50, seconds=2.0), result(epochs=100, run_epochs=100, seconds=3.0, noisy_epochs=30))
    compared = against(of(result(epochs=50), machine_id="shrt"), reference=reference)
    table = tables.build_pair_table(compared)
    [line] = [dict(zip(table.headers, cells, strict=True)) for cells in table.rows]
    assert (line["epochs"], line["per epoch"]) == ("100, 50", "3.00")
    assert "3 → 1" in line.values()
    assert line["remarks"] == "reference 30/100 noisy"


def test_many_machines_are_summed_up_in_a_line_per_case() -> None:
    reference = of(result(epochs=50, seconds=2.0), result(epochs=100, run_epochs=100, seconds=3.0))
    machines = [of(result(epochs=100, run_epochs=100), machine_id=f"{number:04d}") for number in range(5)]
    comparison = against(*machines, of(result(epochs=50), machine_id="shrt"), reference=reference)
    rows = {cells[0]: cells[1:6] for cells in tables.build_spread_table(comparison).rows}
    assert rows == {"basic · batch 4": ("3", "6", "3.00", "3.00", "3.00")}


def test_a_case_that_is_compared_by_two_kinds_of_memory_has_a_line_for_each() -> None:
    reference = of(result(peak_anon_mib=400.0, peak_rss_mib=800.0))
    both = of(result(peak_anon_mib=200.0), machine_id="both")
    resident = of(result(peak_anon_mib=None, peak_rss_mib=1600.0), machine_id="rsdt")
    memory = tables.build_other_tables(against(both, resident, reference=reference))[2]
    cells = {line[0]: line[1:] for line in memory.rows}
    assert cells == {
        "basic · batch 4, 50 epochs": ("400", "50 %", "–"),
        "basic · batch 4, 50 epochs, resident": ("800", "–", "200 %"),
    }
