"""Tables as the page shows them: what sorts, what is text, what a heading says."""

import pytest

from bench.console.table import Table
from bench.report import views


def view(*cells: str, header: str = "s/epoch", labels: int = 0) -> views.TableView:
    return views.make_view(Table("title", (header,), tuple((cell,) for cell in cells), labels), "anchor")


@pytest.mark.parametrize(
    ("cell", "key"),
    [
        ("0.25", "0.25"),
        ("–", ""),
        ("failed", ""),
        ("0.2–0.31", "0.2"),
        ("1,568", "1568"),
        ("31/128", "31"),
        ("1e-05", "1e-05"),
        ("-0.5", "-0.5"),
        ("12 ep, 3.1 s", "12"),
        ("at most 12 ep, 3.1 s", "12"),
        ("40 s", "40"),
        ("2 min 30 s", "150"),
        ("2 h 5 min", "7500"),
        ("", ""),
    ],
)
def test_a_cell_is_sorted_by_its_number(cell: str, key: str) -> None:
    assert view("1", cell).rows[1][0].sort == key


def test_names_are_sorted_as_text() -> None:
    assert view("3 models", "a", labels=1).rows[0][0].sort is None
    assert view("projected", "measured", header="how").rows[0][0].sort is None


def test_figures_that_were_not_measured_stand_where_numbers_do() -> None:
    for header in ("s/epoch", "95 %", "dead", "gflop_per_s"):
        assert not view("–", "failed", header=header).columns[0].is_text


def test_units_stand_where_the_heading_does_not_carry_them() -> None:
    assert [view("1", header=name).columns[0].unit for name in ("s/epoch", "first", "bce", "MiB")] == [
        "", "s", "nats", "",
    ]  # fmt: skip


def test_a_heading_with_an_epoch_count_is_explained_as_without_it() -> None:
    for header in ("total s", "bce"):
        assert view("1", header=f"{header} at 500").columns[0].hint == view("1", header=header).columns[0].hint != ""


def test_a_heading_that_is_no_column_is_shown_as_it_is() -> None:
    assert view("1", header="new thing").columns[0] == views.Column("new thing", "", "", False)


def test_short_tables_need_no_filter() -> None:
    assert not view(*"1234").has_filter
    assert view(*"12345").has_filter


def test_remarks_are_words_also_where_they_begin_with_a_number() -> None:
    found = view("2/3 noisy; not steady", "", header="remarks")
    assert found.columns[0].is_text
    assert found.rows[0][0].sort is None


def test_a_filter_looks_in_names_and_in_the_numbers_that_say_which_case_it_is() -> None:
    table = Table("title", ("model", "batch", "s/epoch", "remarks"), (("basic", "256", "0.256", "1/3 noisy"),), 1)
    found = views.make_view(table, "anchor")
    assert [column.label for column in found.columns if column.is_key] == ["model", "batch", "remarks"]
    assert found.placeholder == "model, batch"


def test_columns_with_the_same_explanation_share_it() -> None:
    one, two = (view("1", header=header).columns[0] for header in ("≤ 0.2", "≤ 0.1"))
    assert one.anchor == two.anchor
    assert view("1", header="bce").columns[0].anchor != one.anchor
