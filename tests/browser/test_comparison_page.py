"""comparison.html in a real browser: Chromium, driven by playwright. Where either is missing, the tests are skipped."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from unit.machines import against, of, result

from bench.compare.contents import ComparisonReport
from bench.compare.page import render_html

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
EVIL = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with playwright.sync_playwright() as driver:
        try:
            # No sandbox: tests run as root in containers, and the page is ours.
            found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        except playwright.Error as error:
            pytest.skip(f"no Chromium starts: {error}")
        yield found
        found.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EPYC and Xeon in seven cases, one of them strange."""
    names = ("basic", "sparse", "deep", "convolutional", "denoising", "variational", EVIL)
    reference = of(*(result(name, seconds=2.0) for name in names), cpu_model="Intel(R) Xeon(R) CPU", source="xeon")
    rows = [result(name, seconds=1 + place / 10) for place, name in enumerate(names)]
    report = ComparisonReport(against(of(*rows, machine_id="m2", cpu_model="AMD EPYC"), reference=reference))
    found = tmp_path_factory.mktemp("comparison") / "comparison.html"
    found.write_text(render_html(report), encoding="utf-8")
    return found


@pytest.fixture(params=[390, 1280])
def page(request: pytest.FixtureRequest, browser: "Browser", path: Path) -> Iterator["Page"]:
    """The page on a phone and on a desk; what it complains of fails the test."""
    context = browser.new_context(viewport={"width": request.param, "height": 900}, color_scheme="light")
    found, complaints = context.new_page(), []
    found.on("console", lambda message: complaints.append(message.text))
    found.on("pageerror", lambda error: complaints.append(str(error)))
    found.goto(path.as_uri())
    yield found
    assert complaints == []
    context.close()


def test_the_winner_is_in_the_title_and_the_answer_comes_first(page: "Page") -> None:
    assert page.title() == "EPYC: 1.6 times as fast as Xeon"
    assert page.locator("h1").inner_text() == page.title()
    assert "EPYC trains 1.56 times as fast as Xeon" in page.locator("main section").first.inner_text()
    assert page.locator("main svg").count() == 3


def test_only_tables_scroll_sideways(page: "Page") -> None:
    width = page.viewport_size
    assert width is not None
    assert page.evaluate("document.documentElement.scrollWidth") <= width["width"]


def test_the_table_of_cases_is_sorted_and_filtered(page: "Page") -> None:
    cells = page.locator("#table-0 tbody tr:visible td:nth-child(2)")
    page.locator("#table-0 th button", has_text="per epoch").click()
    speeds = [float(text) for text in cells.all_inner_texts()]
    assert len(speeds) == 7
    assert speeds == sorted(speeds)
    page.locator("#table-0 input").first.fill("variational")
    assert cells.count() == 1


def test_the_theme_changes_and_landmarks_have_names(page: "Page") -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    while page.evaluate(colour) == light:
        page.locator("#theme").click()
    assert page.locator("main, nav[aria-label]").count() >= 2
    assert page.locator("svg:not([role=img][aria-label])").count() == 0
    assert page.locator("img:not([alt])").count() == 0


@pytest.mark.parametrize("size", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: "Browser", path: Path, size: int, scheme: Literal["light", "dark"]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    context = browser.new_context(viewport={"width": size, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    context.close()
