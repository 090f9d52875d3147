"""A comparison for people and programs: sentences, tables, files."""

import csv
import io
import re
from html.parser import HTMLParser
from typing import Any

import pytest
import scripted
from rich.console import Console
from unit.machines import narrow, of

from bench.compare import plots, sentences, tables
from bench.compare.cases import Machine, add_labels
from bench.compare.machines import Comparison, compare_machines
from bench.compare.page import format_csv, format_markdown, render_html
from bench.console.table import print_table
from bench.results.reader import Row

NASTY = "=cmd|'/c calc'!A1<script>alert(1)</script>|`*$x^$&amp;"
"""A name that is a formula, markup of three kinds and a broken formula of TeX."""


def result(model: str = "basic", seconds: float | None = 1.0, reach: float = 1.02, **changes: Any) -> Row:
    """A case after fifty epochs; its interval reaches two percent to each side."""
    measured: dict[str, Any] = {
        "case_id": scripted.strange_case(model=model, repeat=changes.get("repeat", 0)).case_id,
        "model": model,
        "epochs": 50,
        "run_epochs": 50,
        **scripted.times(seconds, reach),
        "val_bce": 0.1,
        "peak_anon_mib": 400.0,
        "peak_rss_mib": 800.0,
        "noisy_epochs": 0,
    }
    return narrow(scripted.result_row(**measured | changes))


def against(*others: Machine, reference: Machine | None = None) -> Comparison:
    [first, *rest] = add_labels([reference or of(result(seconds=2.0), result("deep", seconds=4.0)), *others])
    return compare_machines(first, rest)


def fast(**fingerprint: Any) -> Machine:
    rows = (result(peak_anon_mib=388.0), result("deep", seconds=2.04, peak_anon_mib=388.0))
    return of(*rows, **{"machine_id": "mffff0000"} | fingerprint)


def said(compared: Comparison) -> str:
    [only] = compared.others
    return sentences.summarize(only, compared.reference)


# --- in words --------------------------------------------------------------------------------------------------------


def test_a_sentence_says_what_a_person_would_conclude() -> None:
    assert re.fullmatch(
        r"scripted-2c-effff trains 1\.98 times as fast as scripted-2c-ea1b2 over 2 cases \(1\.7\d–2\.2\d\), "
        r"in 97 % of its memory; the same losses to the last bit\.",
        said(against(fast())),
    )


def test_a_slower_machine_takes_so_many_times_as_long() -> None:
    slow = of(result(seconds=6.0), result("deep", seconds=12.0), machine_id="slow")
    assert "eslow takes 3.00 times as long as scripted-2c-ea1b2 over 2 cases" in said(against(slow))


def test_a_narrow_interval_around_one_is_the_same_speed() -> None:
    alike = of(result(seconds=2.0, reach=1.0005), machine_id="alike")
    text = said(against(alike, reference=of(result(seconds=2.0, reach=1.0005))))
    assert text.startswith(
        "scripted-2c-ealik is as fast as scripted-2c-ea1b2: 1.00 times as fast over 1 case (1.00–1.00)"
    )


def test_a_wide_interval_around_one_is_no_proof_of_the_same_speed() -> None:
    mixed = of(result(seconds=1.0), result("deep", seconds=6.0), machine_id="mmixed")
    text = said(against(mixed))
    assert text.startswith(
        "scripted-2c-emixe's speed cannot be distinguished from scripted-2c-ea1b2's: 1.15 times as fast over 2"
    )
    assert "; slower in 1 of them, faster in 1 of them)" in text
    assert "Not distinguishable from the reference" in tables.build_rank_table(against(mixed)).notes[0]
    assert tables.build_rank_table(against(fast())).notes == ()


def test_the_same_machine_at_another_moment_is_called_so() -> None:
    assert "With care: the same machine at another moment." in said(against(of(result(seconds=1.0))))


def test_the_same_machine_in_another_environment_is_called_so() -> None:
    upgraded = of(result(seconds=1.0), environment_id="e0", keras="9.0")
    assert "With care: the same machine in another environment; Keras 9.0" in said(against(upgraded))
    assert "the same machine" not in said(against(fast(keras="9.0")))


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (0.1, "the same losses to the last bit"),
        (0.1 + 1e-9, "the same losses but for rounding"),
        (0.1005, "the same losses within 0.5 %"),
        (0.27, "losses differ by up to 63 % (basic after 50 epochs: 0.2700, not 0.1000)"),
    ],
)
def test_losses_are_described_by_how_far_they_differ(loss: float, words: str) -> None:
    assert f"; {words}." in said(against(of(result(val_bce=loss), machine_id="other")))


def test_what_is_refused_is_said_with_its_reason() -> None:
    text = said(against(of(result(dataset_digest="e" * 64), machine_id="other")))
    assert "eothe's times are not compared with scripted-2c-ea1b2's (other data under the same name)" in text
    assert "; losses not compared (other data under the same name)." in text


def test_the_same_memory_within_a_percent_is_the_same() -> None:
    assert ", in the same memory;" in said(against(of(result(peak_anon_mib=402.0), machine_id="other")))


# --- tables ----------------------------------------------------------------------------------------------------------


def printed(compared: Comparison, width: int) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width)
    for table in tables.build_tables(compared, width, most=20):
        print_table(console, table)
    return out.getvalue()


@pytest.mark.parametrize("others", [1, 2, 3, 4, 5, 40])
@pytest.mark.parametrize("width", [80, 120, 160])
def test_on_a_terminal_no_number_is_cut_and_no_line_too_long(others: int, width: int) -> None:
    machines = [
        of(
            result("sparse_batch_sum", seconds=1.23456 + number, val_bce=0.123456, noisy_epochs=9, steady="no"),
            machine_id=f"{number:04d}",
            cpu_model="AMD Ryzen 9 7950X 16-Core Processor",
        )
        for number in range(others)
    ]
    text = printed(against(*machines, reference=of(result("sparse_batch_sum", seconds=2.3456), result("deep"))), width)
    assert max(map(len, text.splitlines())) <= width
    if width > 80:
        assert "…" not in text


def test_hundreds_of_machines_are_ranked_and_the_rest_is_counted() -> None:
    machines = [of(result(seconds=1 + number / 100), machine_id=f"{number:04d}") for number in range(300)]
    compared = against(*machines)
    text = printed(compared, 100)
    assert "281 more lines: --out DIR writes all." in text
    assert "The reference is number 101 of 301." in text
    assert len(text.splitlines()) < 110
    assert sentences.summarize_all(compared, most=5)[-1] == "… and 295 more; --out DIR writes all."
    assert len(format_markdown(compared).splitlines()) > 900


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
    assert "scripted-2c-ea1b2 failed in sparse b4 (oom at 50 epochs)." in text
    assert "othe lacks 2 cases of the reference: deep b4, sparse b4." in text
    assert "othe alone has 1 case: convolutional b4." in text
    for written in (format_markdown, render_html):
        for name in ("deep", "sparse", "convolutional"):
            assert name in written(against(other, reference=reference))


def test_cases_are_named_by_what_differs_among_them() -> None:
    xla = scripted.case(loop="xla")
    rows = (result(), result(case_id=xla.case_id, loop="xla"))
    compared = against(of(*rows, machine_id="other"), reference=of(*rows))
    assert set(sentences.name_cases(compared.cases).values()) == {"basic b4 fit", "basic b4 xla"}


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
    speed, memory, losses = tables.build_tables(against(long, short, reference=reference))[1:4]
    assert speed.headers[1] == "reference s"
    lines = {cells[0]: (cells[1], *(cell[:4] for cell in cells[2:])) for cells in speed.rows}
    assert lines == {"basic b4": ("3", "3.00", "2.00")}
    assert [cells[:2] for cells in memory.rows] == [("basic b4, 50 epochs", "400"), ("basic b4, 100 epochs", "500")]
    assert {cells[1] for cells in losses.rows} == {"0.2000", "0.1000"}


def test_a_pair_is_shown_at_the_epochs_that_each_side_trained() -> None:
    reference = of(result(epochs=50, seconds=2.0), result(epochs=100, run_epochs=100, seconds=3.0, noisy_epochs=30))
    compared = against(of(result(epochs=50), machine_id="shrt"), reference=reference)
    table = tables.build_pair_table(compared)
    [line] = [dict(zip(table.headers, cells, strict=True)) for cells in table.rows]
    assert (line["epochs"], line["reference s"], line["s/epoch"], line["speed"]) == ("100, 50", "3", "1", "3.00")
    assert line["remarks"] == "reference 30/100 noisy"
    [found] = rows_of(compared)
    assert (found["reference_epochs"], found["epochs"]) == ("100", "50")
    assert found["reference_memory_epochs"] == found["memory_epochs"] == found["loss_epochs"] == "50"


def test_many_machines_are_summed_up_in_a_line_per_case() -> None:
    reference = of(result(epochs=50, seconds=2.0), result(epochs=100, run_epochs=100, seconds=3.0))
    machines = [of(result(epochs=100, run_epochs=100), machine_id=f"{number:04d}") for number in range(5)]
    comparison = against(*machines, of(result(epochs=50), machine_id="shrt"), reference=reference)
    rows = {cells[0]: cells[1:6] for cells in tables.build_spread_table(comparison).rows}
    assert rows == {"basic b4": ("3", "6", "3.00", "3.00", "3.00")}


def test_a_case_that_is_compared_by_two_kinds_of_memory_has_a_line_for_each() -> None:
    reference = of(result(peak_anon_mib=400.0, peak_rss_mib=800.0))
    both = of(result(peak_anon_mib=200.0), machine_id="both")
    resident = of(result(peak_anon_mib=None, peak_rss_mib=1600.0), machine_id="rsdt")
    memory = tables.build_tables(against(both, resident, reference=reference))[2]
    cells = {line[0]: line[1:] for line in memory.rows}
    assert cells == {
        "basic b4, 50 epochs": ("400", "50 %", "–"),
        "basic b4, 50 epochs, resident": ("800", "–", "200 %"),
    }


# --- files -----------------------------------------------------------------------------------------------------------


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
    text = render_html(compared)
    page = Page(text)
    assert page.open == []
    assert all(address.startswith(("#", "data:,")) for address in page.addresses)
    assert not re.search(r"https?:|://|url\((?!#)|@import", text)
    assert {"svg", "table", "style"} <= page.tags
    assert text.count("<script") == 1
    for media in ("color-scheme: light dark", "@media print", "width=device-width"):
        assert media in text
    for line in (
        *sentences.summarize_all(compared),
        *(cell for table in tables.build_tables(compared) for cell in table.headers),
    ):
        assert line in page.text


def test_a_strangers_name_is_text_on_the_page_in_markdown_and_in_the_plot() -> None:
    rows = (result(NASTY, case_id=f"{NASTY}.r0"), result())
    nasty = of(*rows, machine_id=NASTY, cpu_model=NASTY, keras=NASTY)
    compared = against(nasty, reference=of(*rows))
    page = Page(text := render_html(compared))
    assert text.count("<script") == 1
    assert NASTY in page.text
    assert "<script>" not in format_markdown(compared)
    assert NASTY[:20] in Page(plots.draw_svg(compared)).text


def test_the_plot_is_the_same_for_the_same_comparison_and_takes_the_pages_colours() -> None:
    drawn = [plots.draw_svg(against(fast())) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert drawn[0].startswith("<svg")
    for absent in ("<metadata", "http", "#0102", "<?xml", "<!DOCTYPE"):
        assert absent not in drawn[0]
    assert "currentColor" in drawn[0]


def test_a_letter_that_the_plots_font_lacks_is_left_to_the_readers() -> None:
    rows = (result("自動符号化"),)
    assert "自動符号化" in plots.draw_svg(against(of(*rows, machine_id="other"), reference=of(*rows)))


def test_nothing_to_draw_is_no_plot() -> None:
    compared = against(of(result("sparse"), machine_id="other"))
    assert plots.draw_svg(compared) == ""
    assert "<figure" not in render_html(compared)
