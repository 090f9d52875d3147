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

from bench.plan import catalog
from bench.report import html, render
from bench.report.contents import SweepReport
from bench.report.drawings import Drawings, draw_report
from bench.report.figures import Plot, make_file_stem
from bench.report.pictures import Gallery
from bench.report.render import Answer
from bench.report.report import write_report
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome, SweepHeader
from bench.worker.protocol import PeaksEvent

EVERY = scripted.header(profile=scripted.profile(models=tuple(catalog.read_model_settings())))
VOID = {"meta", "link", "img", "br", "input", "path", "use", "image"}

pytestmark = pytest.mark.usefixtures("undrawn")


def outcomes(*models: str) -> list[Outcome]:
    return [scripted.outcome(scripted.case(model=model)) for model in models]


def text(
    ended: list[Outcome], header: SweepHeader | None = None, notes: tuple[str, ...] = (), root: Path = Path("nowhere")
) -> str:
    report = SweepReport(ReportFolder(root), header or scripted.header(), ended, notes)
    return html.format_html(report, draw_report(report))


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


def test_the_answer_comes_first_then_checkpoints_tables_models_and_at_last_the_machine() -> None:
    seen = Page(text(outcomes("basic", "deep")))
    assert [section["id"] for section in seen.all("section")] == [
        "answer", "checkpoints", "overview", "thresholds", "models", "published", "notes", "sweep",
        "reading", "machine",
    ]  # fmt: skip
    for expected in ("Scripted CPU, 2 cores", "one epoch of 40 images took", "2 of 2 cases measured", "Keras 3.13.2"):
        assert expected in seen.said


def test_every_link_of_the_navigation_leads_to_an_element_and_ids_are_unique() -> None:
    seen = Page(text(outcomes(*catalog.read_model_settings()), EVERY))
    ids = [attributes["id"] for _, attributes in seen.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    links = [str(link["href"]) for link in seen.all("a")]
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert len(links) == 1 + len(seen.all("section")) + len(catalog.read_model_settings())
    assert links[0] == "#main", "whoever has a keyboard may skip the list of sections"


def test_loops_stand_side_by_side_where_there_are_several() -> None:
    loops = [scripted.outcome(scripted.case(loop=loop)) for loop in ("fit", "xla")]
    seen = Page(text(loops))
    assert [section["id"] for section in seen.all("section")][:4] == ["answer", "checkpoints", "overview", "variants"]
    assert "Loops side by side" in seen.said


def test_the_page_shows_the_roofline_and_says_what_is_left_out() -> None:
    report = SweepReport(ReportFolder(Path("nowhere")), scripted.header(), outcomes("basic"))
    gallery = Gallery("batch 4", "case", notes=["No samples were saved."])
    (model,) = draw_report(report).models
    model = dataclasses.replace(model, curves_left_out=3, galleries=[gallery])
    roofline = Plot("roofline", "Roofline", "What it shows.", '<svg role="img"></svg>', b"")
    seen = Page(html.format_html(report, Drawings(Answer(("Nothing",)), None, roofline, [model])))
    assert "roofline" in [section["id"] for section in seen.all("section")]
    for expected in (
        "What it shows.",
        "The plots leave out the last 3 lines",
        "No samples were saved.",
    ):
        assert expected in seen.said


@pytest.mark.parametrize(("left_out", "said"), [(1, "of 1 more case are"), (2, "of 2 more cases are")])
def test_the_page_counts_the_cases_whose_pictures_are_left_out(left_out: int, said: str) -> None:
    report = SweepReport(ReportFolder(Path("nowhere")), scripted.header(), outcomes("basic"))
    (model,) = draw_report(report).models
    model = dataclasses.replace(model, pictures_left_out=left_out)
    assert said in Page(html.format_html(report, Drawings(Answer(("Nothing",)), None, None, [model]))).said


def test_a_failed_case_is_shown_with_the_end_of_its_log() -> None:
    failed = scripted.outcome(scripted.case(model="deep"), reached=1, log_tail="one\n  <b>MemoryError")
    seen = Page(text([*outcomes("basic"), failed]))
    assert [section["id"] for section in seen.all("section")][:2] == ["answer", "failures"]
    assert "ValueError: scripted" in seen.said
    assert "<b>MemoryError" in seen.said


def test_a_sweep_that_measured_nothing_has_a_page() -> None:
    seen = Page(text([]))
    assert "Nothing was measured" in seen.said
    assert [section["id"] for section in seen.all("section")] == ["answer", "sweep", "reading", "machine"]


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
    assert render.format_code_spans("run `a <b>` now") == "run <code>a &lt;b&gt;</code> now"
    assert render.format_code_spans("a ` b") == "a ` b"


def test_every_heading_of_the_tables_says_how_its_numbers_were_taken() -> None:
    noisy = scripted.outcome(epochs=tuple(scripted.epoch(n, noise=scripted.NOISY) for n in (1, 2, 3, 4)))
    seen = Page(text([noisy, *outcomes("deep")]))
    explained = {each["id"] for each in seen.all("dd") if "id" in each}
    headings = [button for button in seen.all("button") if "class" not in button and "id" not in button]
    silent = [each for each in headings if "aria-describedby" not in each]
    assert len(silent) == len(("figure", "field", "value", "Close")), "names need no hint"
    assert {each["aria-describedby"] for each in headings if each not in silent} == explained
    assert "median training seconds" in seen.said


# ------------------------------------------------------------------------------ the folder


def save(folder: ReportFolder, outcome: Outcome, epochs: int, **changes: Any) -> Path:
    pixels = np.zeros((3, 4, 4), np.uint8)
    path = folder.locate_sample(outcome.case.case_id, epochs)
    path.parent.mkdir(parents=True, exist_ok=True)
    fields: dict[str, Any] = {"labels": np.zeros(3, np.uint8), "input": pixels, "target": pixels, "output": pixels}
    np.savez(path, **fields | changes)
    return path


def test_pictures_are_in_the_page_and_in_the_folder(folder: ReportFolder) -> None:
    (outcome,) = outcomes("basic")
    for epochs in (1, 4):
        save(folder, outcome, epochs)
    html.write_page(SweepReport(folder, scripted.header(), [outcome]))
    images = Page(folder.page.read_text(encoding="utf-8")).all("img")
    assert [image["alt"] for image in images] == [
        "images of classes 0, 0, 0",
        "images of classes 0, 0, 0, rebuilt after 1 epoch",
        "images of classes 0, 0, 0, rebuilt after 4 epochs",
    ] * 2, "side by side, and with the model"
    assert all(str(image["src"]).startswith("data:image/png;base64,") for image in images)
    assert {path.name for path in folder.plots.iterdir()} == {"curve.png", "basic-b4-e1.png", "basic-b4-e4.png"}


def test_pictures_of_cases_with_the_same_title_have_different_names(folder: ReportFolder) -> None:
    both = [scripted.outcome(scripted.case(learning_rate=rate)) for rate in (0.1, 0.2)]
    for outcome in both:
        save(folder, outcome, 4)
    html.write_page(SweepReport(folder, scripted.header(), both))
    names = {f"{make_file_stem(outcome.case.case_id)}-e4.png" for outcome in both}
    assert {path.name for path in folder.plots.iterdir()} == {"curve.png", *names}


def test_old_plots_are_deleted_and_a_persons_own_files_stay(folder: ReportFolder) -> None:
    (outcome,) = outcomes("basic")
    stale = [
        "roofline.png",
        "quality.png",
        "basic-loss.png",
        "deep-time.png",
        "basic-b4-e2.png",
        "basic-b4-xla-e4-grid.png",
    ]
    own = ["notes.png", "basic-talk.png", "sparse-loss.png", "my-roofline.png", "basic-loss.svg", "basic-b4-grid.png"]
    folder.plots.mkdir(parents=True)
    for name in [*stale, *own, "curve.png"]:
        (folder.plots / name).write_bytes(b"before")
    html.write_page(SweepReport(folder, scripted.header(), [outcome]))
    assert {path.name for path in folder.plots.iterdir()} == {*own, "curve.png"}
    assert (folder.plots / "curve.png").read_bytes() == b"png"


def test_every_file_that_is_drawn_has_a_name_that_can_be_deleted_later(folder: ReportFolder) -> None:
    """Files left over from before are found by their names."""
    plane = {"plane": np.zeros((30, 2), np.float16), "plane_labels": np.zeros(30, np.uint8)}
    codes = {"codes": np.zeros((3, 4, 4, 8), np.float16), "grid": np.zeros((2, 2, 4, 4), np.uint8)}
    setup = dataclasses.replace(scripted.SETUP, forward_flops=1e6, training_flops=2.5e6, step_bytes=1e6)
    peaks = PeaksEvent(gflop_per_s=100.0, gb_per_s=20.0, dispatch_s=0.001)
    outcome = scripted.outcome(setup=setup, peaks=peaks)
    save(folder, outcome, 4, **plane, **codes)
    report = SweepReport(folder, scripted.header(), [outcome])
    names = set(html._list_files(draw_report(report))) - {"curve.png"}
    assert names == {"roofline.png", "basic-b4-e4.png", "basic-b4-e4-plane.png", "basic-b4-e4-grid.png"}
    own = html._match_our_names(report)
    assert all(map(own.fullmatch, names))


def test_the_page_has_the_remarks_of_the_report(folder: ReportFolder) -> None:
    folder.root.mkdir()
    noisy = scripted.outcome(epochs=tuple(scripted.epoch(n, noise=scripted.NOISY) for n in (1, 2, 3, 4)))
    write_report(SweepReport(folder, scripted.header(), [noisy], ("line 3 is set aside",)), 0)
    said = Page(folder.page.read_text(encoding="utf-8")).said
    assert "line 3 is set aside" in said
    assert (
        "4 of 4 epochs were noisy (other programs or the hypervisor took the processor) and are in the medians" in said
    )
