"""The files of a comparison: for programs a CSV, for people Markdown and a page."""

import csv
import io
import re
from html.parser import HTMLParser

import pytest
from unit.machines import against, fast, of, result

from bench.compare import plots
from bench.compare.contents import ComparisonReport
from bench.compare.machines import Comparison
from bench.compare.page import format_csv, format_markdown, render_html

NASTY = "=cmd|'/c calc'!A1<script>alert(1)</script>|`*$x^$&amp;"
"""A name that is a formula, markup of three kinds and a broken formula of TeX."""


def report(compared: Comparison) -> ComparisonReport:
    return ComparisonReport(compared, ("a remark",))


def rows_of(compared: Comparison) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(format_csv(compared))))


def test_the_csv_has_a_row_per_machine_and_case_with_full_precision() -> None:
    compared = against(fast(), of(result("sparse"), machine_id="lost"))
    found = rows_of(compared)
    assert [(row["machine_id"], row["model"]) for row in found] == [
        ("mffff0000", "basic"),
        ("mffff0000", "deep"),
        ("lost", "basic"),
        ("lost", "deep"),
        ("lost", "sparse"),
    ]
    [first] = [each for each in compared.others[0].pairs if each.row.model == "basic"]
    assert first.speed is not None
    assert float(found[0]["times_as_fast"]) == first.speed.value
    assert float(found[0]["anon_peak_ratio"]) == first.anon
    assert (found[2]["status"], found[2]["reference_status"], found[4]["reference_status"]) == ("", "ok", "")


def test_the_csv_says_at_which_epochs_times_and_memory_were_compared() -> None:
    reference = of(result(epochs=50, seconds=2.0), result(epochs=100, run_epochs=100, seconds=3.0))
    [found] = rows_of(against(of(result(epochs=50), machine_id="shrt"), reference=reference))
    assert (found["reference_epochs"], found["epochs"]) == ("100", "50")
    assert found["reference_memory_epochs"] == found["memory_epochs"] == found["loss_epochs"] == "50"


def test_the_csv_has_the_verdict_of_each_case_and_its_total_time() -> None:
    reference = of(result(total_s=30.0))
    [found] = rows_of(against(of(result(seconds=0.5, total_s=20.0), machine_id="m2"), reference=reference))
    assert (found["clearly"], found["total_epochs"]) == ("faster", "50")
    assert (found["reference_total_s"], found["total_s"], found["times_as_fast_end_to_end"]) == ("30.0", "20.0", "1.5")
    assert 0 < float(found["p_value"]) < 0.05


def test_what_cannot_be_compared_is_empty_and_its_reason_is_there() -> None:
    [found, _] = rows_of(against(of(result(dataset_digest="e" * 64), machine_id="other")))
    for column in ("times_as_fast", "times_as_fast_low", "times_as_fast_high", "val_bce_difference"):
        assert found[column] == ""
    assert found["times_comparable"] == found["losses_comparable"] == "no: other data under the same name"


def test_no_text_of_the_csv_is_a_formula() -> None:
    for start in "=+-@":
        name = f"{start}1+2"
        rows = (result(name, case_id=f"{name}.r0"),)
        compared = against(of(*rows, machine_id=name), reference=of(*rows))
        [found] = rows_of(compared)
        assert found["model"] == f"'{name}"
        for text in found.values():
            assert text[:1] not in set("=+@")
            assert not text.startswith("-") or float(text) < 0


class Page(HTMLParser):
    """What a page's markup does: its tags in order, and every address it names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in {"meta", "link", "img", "br", "input"}:
            self.open.append(tag)
        self.addresses += [str(value) for name, value in attrs if name in {"src", "href", "xlink:href", "srcset"}]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [str(value) for name, value in attrs if name in {"src", "href", "xlink:href"}]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("others", [1, 4, 30])
def test_the_page_needs_no_network_and_says_what_the_tables_say(others: int) -> None:
    machines = [of(result(seconds=1.5 + number), machine_id=f"{number:04d}") for number in range(others)]
    compared = against(*machines)
    text = render_html(report(compared))
    page = Page(text)
    assert page.open == []
    assert all(address.startswith(("#", "data:,")) for address in page.addresses)
    assert not re.search(r"https?:|://|url\((?!#)|@import", text)
    assert {"svg", "table", "style"} <= page.tags
    assert text.count("<script") == 1
    for media in ("color-scheme: light dark", "@media print", "width=device-width"):
        assert media in text
    shown = report(compared)
    for line in (shown.title, *shown.answer, *shown.notes, *(cell for table in shown.tables for cell in table.headers)):
        assert line in page.text
    assert page.text.count(shown.title) >= 2  # of the browser's tab and of the page


def test_a_strangers_name_is_text_on_the_page_in_markdown_and_in_the_plot() -> None:
    rows = (result(NASTY, case_id=f"{NASTY}.r0"), result())
    nasty = of(*rows, machine_id=NASTY, cpu_model=NASTY, keras=NASTY)
    compared = against(nasty, reference=of(*rows))
    page = Page(text := render_html(report(compared)))
    assert text.count("<script") == 1
    assert NASTY in page.text
    assert "<script>" not in format_markdown(report(compared))
    assert NASTY[:20] in Page(plots.draw_speeds(compared)).text


def test_the_plot_is_the_same_for_the_same_comparison_and_takes_the_pages_colours() -> None:
    drawn = [plots.draw_speeds(against(fast())) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert drawn[0].startswith("<svg")
    for absent in ("<metadata", "http", "#0102", "<?xml", "<!DOCTYPE"):
        assert absent not in drawn[0]
    assert "currentColor" in drawn[0]


def test_a_letter_that_the_plots_font_lacks_is_left_to_the_readers() -> None:
    rows = (result("自動符号化"),)
    assert "自動符号化" in plots.draw_speeds(against(of(*rows, machine_id="other"), reference=of(*rows)))


def test_nothing_to_draw_is_no_plot() -> None:
    compared = against(of(result("sparse"), machine_id="other"))
    assert plots.draw_speeds(compared) == ""
    assert "<figure" not in render_html(report(compared))


def test_total_times_and_memory_of_a_few_machines_are_drawn_beside_the_speeds() -> None:
    titles = [drawing.title for drawing in plots.draw_comparison(against(fast()))]
    assert titles == ["Per epoch: times as fast as scripted-2c-ea1b2", "Total time by model", "Memory by model"]
    total = plots.draw_comparison(against(of(result(total_s=12.5), machine_id="m2"), reference=of(result(total_s=31))))
    assert "31.0 · 12.5" in total[1].svg
    many = against(*(of(result(), machine_id=f"{number:04d}") for number in range(9)))
    assert len(plots.draw_comparison(many)) == 1


def test_what_one_side_lacks_is_in_every_form() -> None:
    compared = against(of(result(), result("sparse"), machine_id="other"))
    for written in (format_markdown(report(compared)), render_html(report(compared))):
        for words in ("deep · batch 4", "sparse · batch 4", "a remark"):
            assert words in written
