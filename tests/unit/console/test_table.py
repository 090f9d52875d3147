"""A table on a terminal of any width, and in Markdown."""

import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import scripted
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from scripted_paired import rounds
from unit.machines import narrow, of

from bench.compare.cases import add_labels
from bench.compare.contents import ComparisonReport
from bench.compare.machines import compare_machines
from bench.console.table import Table, escape_sentence, lay_out, print_table, wrap
from bench.gate.report import GateReport, build_table
from bench.gate.sequential import RiskPlan
from bench.gate.verdict import CaseResult, judge_case, reduce_round
from bench.report.contents import SweepReport
from bench.results.folder import ReportFolder

WIDTHS = (40, 60, 80, 100, 160)


def printed(table: Table, width: int = 120) -> str:
    out = io.StringIO()
    print_table(Console(file=out, width=width), table)
    return out.getvalue()


def leave_out(table: Table, count: int) -> Table:
    """The table without the first so many of the columns that may be left out."""
    kept = [place for place, heading in enumerate(table.headers) if heading not in table.optional[:count]]

    def select(cells: Sequence[str]) -> tuple[str, ...]:
        return tuple(cells[place] for place in kept)

    return Table(table.title, select(table.headers), tuple(map(select, table.rows)), table.labels)


def count_left_out(table: Table, width: int) -> int:
    """How many of the optional columns are not printed; all words of all others must be, and no other word."""
    _, body = lay_out(table, width)
    words = sorted(" ".join(body).split())
    present = [heading for heading in table.optional if heading in table.headers]
    for count in range(len(table.optional) + 1):
        shown = leave_out(table, count)
        if words == sorted(" ".join(cell for row in shown.rows for cell in row).split()):
            return sum(heading in present for heading in table.optional[:count])
    raise AssertionError(f"at {width} columns these are not the cells of {table.title!r}: {words}")


# ------------------------------------------------------------------------------ our tables, at every width


def report() -> SweepReport:
    """Two loops, several processes, noise, a failed case."""
    loud = [scripted.epoch(number, noise=scripted.NOISY if number > 1 else scripted.QUIET) for number in range(1, 13)]
    long = {"checkpoints": (1, 2, 12)}
    return SweepReport(
        ReportFolder(Path("nowhere")),
        scripted.header(),
        [
            scripted.outcome(scripted.case(**long), epochs=loud),
            scripted.outcome(scripted.case(**long, repeat=1)),
            scripted.outcome(scripted.case(**long, loop="xla")),
            scripted.outcome(scripted.case(**long, model="sparse_batch_sum", batch_size=1024)),
            scripted.outcome(scripted.case(checkpoints=(1, 2, 12), model="deep"), reached=2),
        ],
    )


def list_report_tables() -> list[Table]:
    made = report()
    return [made.cases, made.overview, *made.tables, made.machine]


def list_comparison_tables() -> list[Table]:
    cases = [
        narrow(scripted.result_row(case_id=case.case_id, model=case.model, loop=case.loop, steady="no", noisy_epochs=2))
        for case in (scripted.case(model="sparse_batch_sum"), scripted.case(loop="xla"))
    ]
    machines = [
        of(*cases, machine_id=f"m{number}", cpu_model="AMD Ryzen 9 7950X 16-Core Processor") for number in range(3)
    ]
    first, *others = add_labels(machines)
    compared = (compare_machines(first, others[:1]), compare_machines(first, others))
    return [table for each in compared for table in ComparisonReport(each).tables]


def list_gate_tables() -> list[Table]:
    judged = judge_case([reduce_round(each) for each in rounds([1.2] * 6)], RiskPlan(cases=3))
    results = tuple(
        CaseResult(name, judged, recorded=6, images=2048) for name in ("basic", "convolutional xla · batch 128")
    )
    return [build_table(GateReport("base 1234567", "the candidate", 0.05, 61.0, results))]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("make_tables", [list_report_tables, list_comparison_tables, list_gate_tables])
def test_at_every_width_each_cell_is_whole_and_none_but_optional_ones_is_missing(
    make_tables: Callable[[], list[Table]], width: int
) -> None:
    for table in make_tables():
        left_out = count_left_out(table, width)
        heading, body = lay_out(table, width)
        shown = leave_out(table, len(table.optional) if left_out else 0)
        for cell in (cell for row in shown.rows for cell in row[table.labels :] if len(cell) <= width - 2):
            assert any(cell in line for line in body), (table.title, cell)
        longest = max(map(len, " ".join((*heading, *body)).split()))
        assert max(map(len, (*heading, *body))) <= max(width, longest + 2), table.title


def test_what_a_sweep_ends_with_has_all_checkpoints_at_a_hundred_columns() -> None:
    assert {width: count_left_out(report().cases, width) for width in WIDTHS} == {160: 0, 100: 0, 80: 2, 60: 5, 40: 5}


# ------------------------------------------------------------------------------ the rules

TABLE = Table(
    "Every case",
    ("model", "batch", "total s", "bce at 2", "bce at 10", "remarks"),
    (("basic", "128", "8.0", "0.2704", "0.1779", "1/10 noisy; not steady"), ("deep", "64", "1024", "–", "failed", "")),
    optional=("remarks", "bce at 2"),
)


def test_headings_that_end_in_a_number_share_their_words() -> None:
    heading, body = lay_out(TABLE, 80)
    assert heading == [
        "                           bce at",
        "model  batch  total s       2      10                 remarks",
    ]
    assert body == [
        "basic    128      8.0  0.2704  0.1779  1/10 noisy; not steady",
        "deep      64     1024       –  failed",
    ]


def test_columns_go_whole_and_in_their_order_and_no_more_of_them_than_needed() -> None:
    heads = {width: lay_out(TABLE, width)[0][-1].split() for width in (61, 60, 37, 36)}
    assert heads == {
        61: ["model", "batch", "total", "s", "2", "10", "remarks"],
        60: ["model", "batch", "total", "s", "2", "10"],
        37: ["model", "batch", "total", "s", "2", "10"],
        36: ["model", "batch", "total", "s", "10"],
    }


def test_rows_that_are_still_too_wide_take_two_lines() -> None:
    assert lay_out(TABLE, 26) == (
        ["model  batch", "           bce at", "  total s      10"],
        ["basic    128", "      8.0  0.1779", "deep      64", "     1024  failed"],
    )


def test_headings_share_their_words_in_rows_of_several_lines_too() -> None:
    headers = ("model", "total s at 1", "total s at 20", "bce at 1", "bce at 20")
    table = Table("t", headers, (("sparse_batch_sum", "6.5", "100.5", "0.5000", "0.2500"),))
    assert lay_out(table, 35) == (
        ["                  total s at", "model               1     20", "      bce at", "       1      20"],
        ["sparse_batch_sum  6.5  100.5", "  0.5000  0.2500"],
    )
    assert lay_out(table, 12)[0] == ["model", "  total s at", "    1     20", "  bce at 1", "  bce at 20"]


def test_names_break_at_their_spaces_alone_before_rows_are_divided() -> None:
    table = Table("t", ("name", "s"), (("a_long_word and more", "1.5"),), labels=1)
    assert lay_out(table, 17)[1] == ["a_long_word   1.5", "and more"]
    assert lay_out(table, 13)[1] == ["a_long_word", "and more", "  1.5"]
    assert lay_out(table, 4)[1] == ["a_long_word", "and more", "  1.5"]


def test_a_name_of_many_words_leaves_the_line_to_itself() -> None:
    table = Table("t", ("name", "s"), (("one two three four five six", "1.5"),), labels=1)
    assert lay_out(table, 14)[1] == ["one two three", "four five six", "  1.5"]


def test_wide_characters_count_as_two() -> None:
    _, body = lay_out(Table("t", ("name", "s"), (("機械", "1"), ("ab", "2"))), 80)
    assert body == ["機械  1", "ab    2"]


WORDS = st.text("abc1.– ", max_size=12).map(lambda text: " ".join(text.split()))


@given(st.data(), st.integers(1, 60))
def test_no_word_of_any_table_is_lost_or_cut(data: st.DataObject, width: int) -> None:
    count = data.draw(st.integers(1, 6))
    headers = tuple(f"h{place}" for place in range(count))
    rows = tuple(data.draw(st.lists(st.tuples(*[WORDS] * count), max_size=4)))
    table = Table("t", headers, rows, data.draw(st.integers(0, count)), optional=headers[2:4])
    count_left_out(table, width)


def test_a_text_breaks_at_its_spaces() -> None:
    assert wrap("one two three", 7) == ["one two", "three"]
    assert wrap("one", 1) == ["one"]
    assert wrap("", 7) == [""]


def test_notes_stand_below_and_a_table_of_notes_alone_has_no_headings() -> None:
    table = Table("t", ("a",), (("some words",),), notes=("read this",))
    assert table.to_markdown().endswith("\n\nread this")
    assert printed(table) == "t\na\n──────────\nsome words\n\nread this\n\n"
    assert printed(Table("t", ("a",), (), notes=("read this",))) == "t\nread this\n\n"


def test_markup_is_shown_on_a_terminal_as_it_is() -> None:
    text = printed(Table("[bold]t", ("a",), (("[red]not a colour[/red]",),)))
    assert "[red]not a colour[/red]" in text
    assert "[bold]t" in text


# ------------------------------------------------------------------------------ Markdown


def cells(markdown: str) -> list[list[str]]:
    """Cells of a Markdown table, without its rule; pipes that are escaped separate nothing."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in (lines[0], *lines[2:])]


def test_a_cell_cannot_end_itself_break_the_line_or_become_markup() -> None:
    table = Table("t", ("a", "b"), (("x|y", "one\ntwo\r\nthree"), ("**bold** `code`", "<script>[l](u)</script>")))
    text = table.to_markdown()
    assert len(text.splitlines()) == 4
    assert [len(row) for row in cells(text)] == [2, 2, 2]
    assert "one two three" in text
    assert "<" not in text
    for live in ("**", " `code`", "[l]("):
        assert live not in text


@given(st.text(max_size=30))
def test_no_text_breaks_a_markdown_row(text: str) -> None:
    rows = Table("t", ("a", "b"), ((text, "end"),)).to_markdown().split("\n")
    assert len(rows) == 3
    assert len(rows[2].splitlines()) == 1
    unescaped = re.sub(r"\\.", "", rows[2])
    assert unescaped.count("|") == 3
    assert "<" not in unescaped
    assert "`" not in unescaped


def test_labels_stand_left_and_numbers_right() -> None:
    rule = Table("t", ("name", "n"), (("x", "1"),)).to_markdown().splitlines()[1]
    assert rule == "| :--- | ---: |"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("add `steps_per_execution=32` to a_b", "add `steps_per_execution=32` to a\\_b"),
        ("``x`` *y*", "\\`\\`x\\`\\` \\*y\\*"),
        ("`a<b`", "\\`a&#60;b\\`"),
        ("x `y", "x \\`y"),
    ],
)
def test_code_stays_code_in_a_sentence_of_markdown(text: str, expected: str) -> None:
    assert escape_sentence(text) == expected
