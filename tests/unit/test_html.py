"""report.html as text: what stands in it, that nothing escapes from it, and that it needs nothing else."""

import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scripted

from bench import catalog
from bench.event import RoofEvent
from bench.folder import ReportFolder
from bench.record import Outcome, SweepHeader
from bench.report import html, page, plots
from bench.report.choices import Choices
from bench.report.tables import Table

EVERY = scripted.header(profile=scripted.profile(models=tuple(catalog.model_settings())))
VOID = {"meta", "link", "img", "br", "input", "path", "use", "image"}


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for each curve: drawing takes seconds, and has tests of its own."""
    plot = plots.Plot("curve", "Losses", "A caption.", '<svg role="img"></svg>', b"png")
    monkeypatch.setattr(plots, "model_plots", lambda *_: [plot])


def outcomes(*models: str) -> list[Outcome]:
    return [scripted.outcome(scripted.case(model=model)) for model in models]


def text(
    ended: list[Outcome], header: SweepHeader | None = None, notes: tuple[str, ...] = (), root: Path = Path("nowhere")
) -> str:
    shown = html.content(ReportFolder(root), header or scripted.header(), ended, notes)
    return html.document(shown)


class Page(HTMLParser):
    """Elements with their attributes, and words outside of scripts and styles."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_the_summary_comes_first_then_models_figures_reading_and_machine() -> None:
    seen = Page(text(outcomes("basic", "deep")))
    assert [section["id"] for section in seen.all("section")] == [
        "summary", "overview", "quality", "models", "published", "reading", "machine",
    ]  # fmt: skip
    for expected in ("Scripted CPU, 2 cores", "An epoch of 40 digits took", "2 of 2 cases measured", "Keras 3.13.2"):
        assert expected in seen.said


def test_every_link_of_the_navigation_leads_to_an_element_and_ids_are_unique() -> None:
    seen = Page(text(outcomes(*catalog.model_settings()), EVERY))
    ids = [attributes["id"] for _, attributes in seen.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    links = [str(link["href"]) for link in seen.all("a")]
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert len(links) == 7 + len(catalog.model_settings())


def test_loops_stand_side_by_side_where_there_are_several() -> None:
    loops = [scripted.outcome(scripted.case(loop=loop)) for loop in ("fit", "xla")]
    seen = Page(text(loops))
    assert [section["id"] for section in seen.all("section")][:4] == ["summary", "overview", "ways", "quality"]
    assert "Loops side by side" in seen.said


def test_a_failed_case_is_told_with_its_last_words() -> None:
    failed = scripted.outcome(scripted.case(model="deep"), reached=1, log_tail="one\n  <b>MemoryError")
    seen = Page(text([*outcomes("basic"), failed]))
    assert [section["id"] for section in seen.all("section")][:2] == ["summary", "failures"]
    assert "ValueError: scripted" in seen.said
    assert "<b>MemoryError" in seen.said


def test_a_sweep_that_measured_nothing_has_a_page() -> None:
    seen = Page(text([]))
    assert "Nothing was measured" in seen.said
    assert [section["id"] for section in seen.all("section")] == ["summary", "reading", "machine"]


def test_no_cell_is_none_or_nan() -> None:
    mixed = [*outcomes("basic"), scripted.outcome(scripted.case(model="deep"), reached=1)]
    said = Page(text(mixed, scripted.header(git_commit=None, fingerprint=scripted.fingerprint(keras=None)))).said
    assert "None" not in said
    assert not re.search(r"\bnan\b", said)


def test_the_page_refers_to_nothing_outside_itself() -> None:
    source = text(outcomes("basic"))
    seen = Page(source)
    addresses = [
        str(value) for _, attributes in seen.elements for name, value in attributes.items() if name in {"src", "href"}
    ]
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert "://" not in source
    assert "@import" not in source
    assert not re.search(r"url\((?!#|data:)", source)


def test_only_the_pages_own_script_may_run() -> None:
    source = text(outcomes("basic"))
    (policy,) = (str(meta["content"]) for meta in Page(source).all("meta") if meta.get("http-equiv"))
    (script,) = re.findall(r"<script>(.*?)</script>", source, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "script-src 'unsafe-inline'" not in policy


EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> {{ 7*7 }}"


def test_a_strange_journal_cannot_put_anything_but_text_into_the_page() -> None:
    case = scripted.strange_case(model=EVIL, backend=EVIL, loop=EVIL, dataset=EVIL)
    failed = scripted.outcome(case, reached=1, error=EVIL, log_tail=EVIL)
    odd = scripted.fingerprint(cpu_model=EVIL, os=EVIL, env_flags=EVIL, python=EVIL)
    header = scripted.header(fingerprint=odd, dataset_origin=EVIL, created_at=EVIL)
    source = text([failed, scripted.outcome(case), *outcomes("basic")], header, (EVIL, f"`{EVIL}`"))
    seen = Page(source)
    assert len(seen.all("script")) == 1
    assert seen.all("img") == []
    assert not any("onerror" in attributes for _, attributes in seen.elements)
    assert "{{ 7*7 }}" in seen.said


def test_words_between_backticks_are_code_and_a_lone_one_is_text() -> None:
    assert html._prose("run `a <b>` now") == "run <code>a &lt;b&gt;</code> now"
    assert html._prose("a ` b") == "a ` b"


# ------------------------------------------------------------------------------ tables


def view(*cells: str, header: str = "s/epoch", labels: int = 0) -> html.TableView:
    return html.view(Table("title", (header,), tuple((cell,) for cell in cells), labels), "anchor")


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
    assert view("projected", "measured", header="ours is").rows[0][0].sort is None


def test_figures_that_were_not_measured_stand_where_numbers_do() -> None:
    for header in ("s/epoch", "95 %", "dead", "gflop_per_s"):
        assert not view("–", "failed", header=header).columns[0].is_text


def test_every_heading_of_the_tables_says_how_its_numbers_were_taken() -> None:
    flagged = scripted.outcome(epochs=tuple(scripted.epoch(n, noise=scripted.DISTURBED) for n in (1, 2, 3)))
    seen = Page(text([flagged, *outcomes("deep")]))
    headings = [button.get("title") for button in seen.all("button") if button.get("id") != "theme"]
    silent = headings.count(None)
    assert silent == len(("model", "figure", "field", "value")) - 1, "names need no hint; model has its column's"
    assert any("median training seconds" in str(title) for title in headings)


def test_units_stand_where_the_heading_does_not_carry_them() -> None:
    assert [view("1", header=name).columns[0].unit for name in ("s/epoch", "first", "bce", "MiB")] == [
        "", "s", "nats", "",
    ]  # fmt: skip


def test_a_heading_that_is_no_column_is_shown_as_it_is() -> None:
    assert view("1", header="new thing").columns[0] == html.Column("new thing", "", "", False)


def test_short_tables_need_no_filter() -> None:
    assert not view(*"1234").filtered
    assert view(*"12345").filtered


def test_the_overview_has_a_line_a_case_at_its_last_mark() -> None:
    cases = [scripted.case(model="basic"), scripted.case(model="basic", loop="xla"), scripted.case(model="deep")]
    shown = html.content(
        ReportFolder(Path("nowhere")), scripted.header(), [scripted.outcome(each) for each in cases], ()
    )
    table = html.overview(shown.rows)
    assert table.headers[:4] == ("model", "epochs", "batch", "loop")
    assert [row[:4] for row in table.rows] == [
        ("basic", "3", "4", "fit"),
        ("basic", "3", "4", "xla"),
        ("deep", "3", "4", "fit"),
    ]


# ------------------------------------------------------------------------------ pictures


def save(folder: ReportFolder, outcome: Outcome, epochs: int, **changes: Any) -> Path:
    pixels = np.zeros((3, 4, 4), np.uint8)
    path = folder.sample(outcome.case.case_id, epochs)
    path.parent.mkdir(parents=True, exist_ok=True)
    fields: dict[str, Any] = {"labels": np.zeros(3, np.uint8), "input": pixels, "target": pixels, "output": pixels}
    np.savez(path, **fields | changes)
    return path


def test_pictures_are_in_the_page_and_in_the_folder(folder: ReportFolder) -> None:
    (outcome,) = outcomes("basic")
    for epochs in (1, 3):
        save(folder, outcome, epochs)
    html.write_page(folder, scripted.header(), [outcome], ())
    images = Page(folder.page.read_text(encoding="utf-8")).all("img")
    assert [image["alt"] for image in images] == [
        "digits 0, 0, 0",
        "digits 0, 0, 0, rebuilt after 1 epoch",
        "digits 0, 0, 0, rebuilt after 3 epochs",
    ]
    assert all(str(image["src"]).startswith("data:image/png;base64,") for image in images)
    names = {path.name for path in folder.plots.iterdir()}
    assert len(names) == 4
    assert "curve.png" in names


def test_a_broken_or_missing_file_is_a_note_beside_the_other_pictures(folder: ReportFolder) -> None:
    outcome = scripted.outcome(scripted.case(marks=(1, 2, 3)))
    save(folder, outcome, 1)
    folder.sample(outcome.case.case_id, 3).write_bytes(b"PK nonsense")
    seen = Page(text([outcome], root=folder.root))
    assert len(seen.all("img")) == 2
    assert "No samples were saved at 2 epochs." in seen.said
    assert "The samples at 3 epochs are not drawn: cannot be read (BadZipFile)." in seen.said


def test_a_name_that_leads_out_of_the_folder_is_not_followed(folder: ReportFolder) -> None:
    outcome = scripted.outcome(scripted.strange_case(model="../elsewhere/basic"))
    for epochs in (1, 3):
        save(folder, outcome, epochs)
    assert Page(text([outcome], root=folder.root)).all("img") == []


def test_many_cases_and_many_marks_are_shown_in_part(folder: ReportFolder) -> None:
    ended = [scripted.outcome(scripted.case(batch_size=size, marks=tuple(range(1, 10)))) for size in range(1, 7)]
    for outcome in ended:
        for epochs in outcome.case.marks:
            save(folder, outcome, epochs)
    seen = Page(text(ended, root=folder.root))
    assert len(seen.all("img")) == html.MOST_GALLERIES * (1 + html.MOST_MARKS)
    assert "Pictures of 2 more cases are in samples/" in seen.said
    assert html._spread(range(1, 10)) == [1, 3, 5, 7, 9]


def test_one_process_of_several_is_pictured(folder: ReportFolder) -> None:
    ended = [scripted.outcome(scripted.case(repeat=repeat)) for repeat in (0, 1)]
    for outcome in ended:
        save(folder, outcome, 3)
    assert len(Page(text(ended, root=folder.root)).all("img")) == 2


# ------------------------------------------------------------------------------ all of it


def test_flagged_epochs_are_left_out_of_the_tables_where_asked() -> None:
    epochs = tuple(scripted.epoch(n, noise=scripted.DISTURBED if n == 2 else scripted.QUIET) for n in range(1, 4))
    ended = [scripted.outcome(epochs=epochs)]
    kept, dropped = (
        html.content(ReportFolder(Path("nowhere")), scripted.header(), ended, (), Choices(without)).rows[-1]
        for without in (False, True)
    )
    assert kept.steady_epochs == 2
    assert dropped.steady_epochs == 1


def test_the_report_s_remarks_are_the_pages_notes(folder: ReportFolder) -> None:
    folder.root.mkdir()
    flagged = scripted.outcome(epochs=tuple(scripted.epoch(n, noise=scripted.DISTURBED) for n in (1, 2, 3)))
    page.write_report(folder, scripted.header(), [flagged], ("line 3 is set aside",), 0)
    said = Page(folder.page.read_text(encoding="utf-8")).said
    assert "line 3 is set aside" in said
    assert "3 of 3 epochs were disturbed by others and are in the medians" in said


def test_thresholds_may_be_chosen_and_are_left_out_where_none_is_reached() -> None:
    def page(*levels: float) -> str:
        ended = [scripted.outcome()]
        choices = Choices(thresholds=levels)
        return html.document(html.content(ReportFolder(Path("nowhere")), scripted.header(), ended, (), choices))

    assert "≤ 0.15" in page(0.15)
    assert "Time until good enough" not in page(1e-9)


def test_the_roof_is_drawn_where_peaks_were_measured() -> None:
    setup = dataclasses.replace(scripted.SETUP, forward_flops=1e6, training_flops=2.5e6, step_bytes=1e6)
    roof = RoofEvent(gflop_per_s=100.0, gb_per_s=20.0, dispatch_s=0.001)
    seen = Page(text([scripted.outcome(setup=setup, roof=roof)]))
    assert "roof" in [section["id"] for section in seen.all("section")]
    assert "100 GFLOP/s, 20 GB/s" in seen.said
