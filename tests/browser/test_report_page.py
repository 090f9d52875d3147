"""report.html in a real browser: Chromium, driven by playwright. Where either is missing, the tests are skipped.

`AEBENCH_SCREENSHOTS=FOLDER` keeps pictures of the page as it looks in each light and on each medium, for people to see.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import scripted

from bench.report.contents import SweepReport
from bench.report.report import write_report
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome, Timeline

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUMS = [
    path for name in ("chromium", "google-chrome", "chromium-browser", "chrome") if (path := shutil.which(name))
]
pytestmark = pytest.mark.skipif(not CHROMIUMS, reason="there is no Chromium on this machine")
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
EVIL = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"


# ------------------------------------------------------------------------------ the page


def outcome(model: str, batch_size: int, **changes: Any) -> Outcome:
    """Eight epochs, one of them noisy; smaller batches take longer."""
    times = [2.0, *(0.2 + batch_size / 1000 + n / 500 for n in range(7))]
    epochs = tuple(
        scripted.epoch(n, train_s=seconds, noise=scripted.NOISY if n == 4 else scripted.QUIET)
        for n, seconds in enumerate(times, 1)
    )
    timeline = Timeline(interval_s=0.5, samples=tuple((0.5 * n, 300.0 + batch_size + n) for n in range(40)))
    of = scripted.case(model=model, batch_size=batch_size, checkpoints=(1, 4, 8))
    fields: dict[str, Any] = {"epochs": epochs, "timeline": timeline}
    return scripted.outcome(of, **fields | changes)


def save_samples(folder: ReportFolder, of: Outcome, checkpoints: tuple[int, ...]) -> None:
    """Random pictures of ten images, with a plane of codes and its grid."""
    folder.samples.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (10, 28, 28), np.uint8)
    plane, labels = rng.normal(size=(300, 2)).astype(np.float16), np.resize(np.arange(10, dtype=np.uint8), 300)
    grid = np.tile(pixels[0], (15, 15, 1, 1))
    fields: dict[str, Any] = {"labels": labels[:10], "input": pixels, "target": pixels, "output": 255 - pixels}
    for epochs in checkpoints:
        path = folder.locate_sample(of.case.case_id, epochs)
        np.savez_compressed(path, codes=plane[:10], plane=plane, plane_labels=labels, grid=grid, **fields)


@pytest.fixture(scope="module")
def report_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, one of them with two batch sizes; a failed case and a strange one."""
    folder = ReportFolder(tmp_path_factory.mktemp("report"))
    ended = [outcome("basic", 128), outcome("basic", 256), outcome("variational", 256)]
    save_samples(folder, ended[2], checkpoints=(4, 8))
    failed = scripted.outcome(scripted.case(model="deep", checkpoints=(1, 4, 8)), reached=1, log_tail="MemoryError")
    strange = scripted.outcome(scripted.strange_case(model=EVIL, backend=EVIL))
    write_report(SweepReport(folder, scripted.header(), [*ended, failed, strange], ("a note",)), 3)
    return folder.page


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with playwright.sync_playwright() as driver:
        found = started(driver)
        yield found
        found.close()


def started(driver: "Playwright") -> "Browser":
    """The first Chromium that starts: some systems have a script of that name that only says where to get one."""
    refusals = []
    for path in CHROMIUMS:
        try:
            # No sandbox: tests run as root in containers, and the page is ours.
            return driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        except playwright.Error as error:
            refusals.append(str(error).partition("\n")[0])
    pytest.skip(f"no Chromium starts: {refusals}")


@dataclass
class Seen:
    """An open page, and what it said and asked for."""

    page: "Page"
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def column(self, anchor: str, place: int) -> list[str]:
        """The shown cells of a table's column, from top to bottom."""
        rows = self.page.locator(f"#{anchor} tbody tr:visible td:nth-child({place})")
        return rows.all_inner_texts()

    def colour(self, selector: str, name: str) -> str:
        style = "([selector, name]) => getComputedStyle(document.querySelector(selector))[name]"
        return str(self.page.evaluate(style, [selector, name]))

    def keep(self, name: str) -> None:
        """A picture for people, where they ask for it."""
        if folder := os.environ.get("AEBENCH_SCREENSHOTS"):
            self.page.screenshot(path=Path(folder, f"{name}.png"), full_page=True)


def opened(browser: "Browser", path: Path, **options: Any) -> Seen:
    context = browser.new_context(**{"viewport": DESK} | options)
    seen = Seen(context.new_page())
    seen.page.on("console", lambda message: seen.complaints.append(message.text))
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    seen.page.on("request", lambda request: seen.requests.append(request.url))
    seen.page.goto(path.as_uri())
    return seen


@pytest.fixture
def seen(browser: "Browser", report_page: Path) -> Iterator[Seen]:
    """The page on a desk, in a light room."""
    found = opened(browser, report_page, color_scheme="light")
    yield found
    found.page.context.close()


# ------------------------------------------------------------------------------ tests


def test_it_loads_without_a_complaint_and_asks_for_nothing_but_itself(seen: Seen, report_page: Path) -> None:
    seen.page.wait_for_load_state("networkidle")
    asked = [url for url in seen.requests if not url.startswith("data:")]
    assert asked == [report_page.as_uri()]
    assert seen.complaints == []
    assert all(seen.page.eval_on_selector_all("img", "images => images.map(image => image.naturalWidth > 0)"))
    assert seen.page.locator("svg").count() >= 12
    seen.keep("light")


def test_what_a_strange_journal_holds_does_not_run(seen: Seen) -> None:
    assert seen.page.title().startswith("Autoencoders on")
    assert EVIL in seen.page.locator("body").inner_text()


def test_a_heading_sorts_by_number_one_way_and_then_the_other(seen: Seen) -> None:
    heading = seen.page.locator("#overview-table th", has_text="s/epoch")
    before = seen.column("overview-table", 1)
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    place = 1 + int(heading.evaluate("heading => heading.cellIndex"))
    rising = [float(cell) for cell in seen.column("overview-table", place) if cell[0].isdigit()]
    assert rising == sorted(rising)
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    falling = [float(cell) for cell in seen.column("overview-table", place) if cell[0].isdigit()]
    assert falling == sorted(rising, reverse=True)
    assert seen.page.locator("#overview-table th[aria-sort=none]").count() > 5
    assert sorted(seen.column("overview-table", 1)) == sorted(before)


def test_the_keyboard_sorts_too_and_what_was_not_measured_comes_last(seen: Seen) -> None:
    table = "model-basic-table"
    seen.page.locator("#model-basic > summary").click()
    heading = seen.page.locator(f"#{table} th", has_text="95 %")
    place = 1 + int(heading.evaluate("heading => heading.cellIndex"))
    for key in ("Enter", "Space"):
        heading.locator("button").focus()
        seen.page.keyboard.press(key)
        cells = seen.column(table, place)
        unknown = cells.count("–")
        assert unknown >= 2  # of the checkpoints at the first epoch
        assert cells[-unknown:] == ["–"] * unknown


def test_words_filter_a_table_and_say_how_many_rows_are_left(seen: Seen) -> None:
    box = seen.page.locator("#overview-table input")
    box.fill("variational 256")
    assert seen.column("overview-table", 1) == ["variational"]
    assert seen.page.locator("#overview-table output").inner_text() == "1 of 5 rows"
    box.fill("25")
    assert seen.column("overview-table", 1) == [], "a number is a whole batch size"
    box.fill("305")
    assert seen.column("overview-table", 1) == [], "and no part of a time or a size"
    box.fill("")
    assert len(seen.column("overview-table", 1)) == 5


def test_light_and_dark_follow_the_system_and_the_button(browser: "Browser", report_page: Path) -> None:
    dark = opened(browser, report_page, color_scheme="dark")
    in_the_dark = dark.colour("body", "backgroundColor"), dark.colour("svg text", "fill")
    dark.keep("dark")
    button = dark.page.locator("#theme")
    assert button.inner_text() == "Theme: auto"
    button.click()
    assert button.inner_text() == "Theme: light"
    in_the_light = dark.colour("body", "backgroundColor"), dark.colour("svg text", "fill")
    assert in_the_light[0] == "rgb(255, 255, 255)"
    assert in_the_dark != in_the_light
    button.click()
    assert (dark.colour("body", "backgroundColor"), dark.colour("svg text", "fill")) == in_the_dark
    dark.page.reload()
    assert button.inner_text() == "Theme: dark", "what was chosen is remembered"
    dark.page.context.close()


def test_a_phone_has_nothing_to_scroll_sideways_but_its_tables(browser: "Browser", report_page: Path) -> None:
    phone = opened(browser, report_page, viewport=PHONE, device_scale_factor=2, has_touch=True)
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert phone.page.locator("#overview-table .scroll").evaluate("box => box.scrollWidth > box.clientWidth")
    phone.keep("phone")
    phone.page.context.close()


def test_paper_is_white_and_has_what_was_folded(browser: "Browser", report_page: Path) -> None:
    paper = opened(browser, report_page, color_scheme="dark")
    assert not paper.page.locator("#model-basic-table").is_visible()
    paper.page.emulate_media(media="print")
    assert paper.page.locator("#model-basic-table").is_visible()
    assert paper.colour("body", "backgroundColor") == "rgb(255, 255, 255)"
    assert not paper.page.locator("#theme").is_visible()
    paper.keep("print")
    paper.page.context.close()


def test_a_link_unfolds_the_model_that_it_leads_to(seen: Seen) -> None:
    assert not seen.page.locator("#model-basic-table").is_visible(), "models are folded at first"
    seen.page.locator("nav a", has_text="basic").first.click()
    seen.page.wait_for_selector("#model-basic-table", state="visible")


def test_every_image_has_words_and_every_control_a_name(seen: Seen) -> None:
    assert seen.page.locator("img:not([alt]), img[alt='']").count() == 0
    assert seen.page.locator("svg:not([role=img][aria-label])").count() == 0
    nameless = "all => all.filter(each => !each.textContent.trim() && !each.ariaLabel).length"
    assert seen.page.eval_on_selector_all("button", nameless) == 0


def test_it_can_be_read_without_scripts(browser: "Browser", report_page: Path) -> None:
    plain = opened(browser, report_page, java_script_enabled=False)
    plain.page.locator("#model-basic > summary").click()
    assert plain.page.locator("#model-basic-table").is_visible()
    assert not plain.page.locator(".enlarge").first.is_visible()
    assert not plain.page.locator("#theme").is_visible()
    assert not plain.page.locator("#overview-table .filter").is_visible()
    plain.page.context.close()


def test_the_answer_is_on_the_first_screen_and_the_charts_begin_there(browser: "Browser", report_page: Path) -> None:
    for size in (DESK, PHONE):
        seen = opened(browser, report_page, viewport=size)
        bottom = "each => each.getBoundingClientRect().bottom"
        assert seen.page.locator(".answer").inner_text().startswith("8 epochs of basic: ")
        assert seen.page.locator(".answer").evaluate(bottom) < size["height"] / 2
        assert seen.page.locator("#answer .chart").count() == 3
        order = seen.page.eval_on_selector_all("main > section", "all => all.map(each => each.id)")
        assert (
            order.index("answer")
            < order.index("overview")
            < order.index("roofline" if "roofline" in order else "sweep")
        )
        seen.page.context.close()


def test_a_chart_is_larger_at_a_click_and_goes_back(seen: Seen) -> None:
    width = "each => each.getBoundingClientRect().width"
    small = seen.page.locator("#answer svg").first.evaluate(width)
    seen.page.locator("#answer svg").first.click()
    assert seen.page.locator("dialog svg").evaluate(width) > 1.3 * small
    seen.page.keyboard.press("Escape")
    seen.page.locator("dialog svg").wait_for(state="detached")  # the dialog says a moment later that it is closed
    assert seen.page.locator("#answer svg").first.evaluate(width) == small
    seen.page.locator("#answer .enlarge").nth(1).press("Enter")
    assert seen.page.locator("dialog h3").inner_text() == "Time per epoch by batch size"
    seen.page.locator("dialog > button").click()
    seen.page.locator("dialog svg").wait_for(state="detached")
    assert seen.page.evaluate("document.activeElement.className") == "enlarge", "the keyboard goes on from there"


def test_a_chart_is_larger_than_a_phone_and_scrolls_there(browser: "Browser", report_page: Path) -> None:
    phone = opened(browser, report_page, viewport=PHONE, has_touch=True)
    phone.page.locator("#answer .enlarge").first.tap()
    assert (
        phone.page.locator("dialog svg").evaluate("each => each.getBoundingClientRect().width") > 1.5 * PHONE["width"]
    )
    assert phone.page.locator("dialog").evaluate("each => each.scrollWidth > each.clientWidth")
    assert (
        phone.page.locator("dialog > button").evaluate("each => each.getBoundingClientRect().right") <= PHONE["width"]
    )
    phone.page.context.close()


def test_a_heading_is_explained_by_pointer_keyboard_and_touch(browser: "Browser", report_page: Path) -> None:
    phone = opened(browser, report_page, viewport=PHONE, has_touch=True)
    hint, heading = phone.page.locator("#hint"), phone.page.locator("#overview-table th button", has_text="s/epoch")
    assert not hint.is_visible()
    heading.tap()
    assert "median training seconds" in hint.inner_text()
    phone.page.keyboard.press("Escape")
    assert not hint.is_visible()
    phone.page.keyboard.press("Shift+Tab")
    assert hint.is_visible(), "the heading before it has the keyboard now"
    phone.page.context.close()
    desk = opened(browser, report_page)
    desk.page.locator("#overview-table th button", has_text="MiB").hover()
    assert "peak resident memory" in desk.page.locator("#hint").inner_text()
    desk.page.context.close()


def test_whoever_has_a_keyboard_may_skip_the_list_of_sections(seen: Seen) -> None:
    seen.page.keyboard.press("Tab")
    assert seen.page.evaluate("document.activeElement.className") == "skip"
    seen.page.keyboard.press("Enter")
    assert seen.page.evaluate("document.activeElement.id") == "main"


def test_the_list_of_sections_stays_in_sight_and_says_where_one_is(browser: "Browser", report_page: Path) -> None:
    for size in (DESK, PHONE):
        seen = opened(browser, report_page, viewport=size)
        seen.page.locator("#overview").scroll_into_view_if_needed()
        seen.page.evaluate("document.querySelector('#overview').scrollIntoView()")
        seen.page.wait_for_selector("nav a[href='#overview'][aria-current]")
        assert 0 <= seen.page.locator("nav").evaluate("each => each.getBoundingClientRect().top") < 40
        seen.page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing(browser: "Browser", report_page: Path, size: dict[str, int], scheme: str) -> None:
    """Names, landmarks, contrast, focus: with all that can be folded open."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    page = opened(browser, report_page, viewport=size, color_scheme=scheme, bypass_csp=True).page
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.context.close()
