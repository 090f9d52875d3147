"""What every figure has in common: the same rows give the same bytes, and a page is not changed by what it shows."""

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import matplotlib as mpl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from bench.report import figures


def figure() -> Figure:
    """A line, a name, numbers at its axes."""
    found = Figure(figsize=(2, 1.5))
    axes = found.subplots()
    axes.plot([1, 2, 3], [1, 4, 9], color=figures.PALETTE[0], marker="o", label="a < b")
    axes.set(xlabel="epoch", xlim=(0, 4))
    axes.legend()
    return found


def twice() -> tuple[str, bytes]:
    with figures.apply_style():
        drawn = figure()
        return figures.render_svg(drawn, "stem", 'said "so"'), figures.render_png(drawn)


once = cache(twice)


def test_the_same_figure_gives_the_same_bytes() -> None:
    assert twice() == once()


def test_a_persons_own_settings_change_nothing() -> None:
    with mpl.rc_context({"lines.linewidth": 9, "axes.facecolor": "red", "savefig.dpi": 10}):
        assert twice() == once()
        assert mpl.rcParams["lines.linewidth"] == 9


def test_a_figure_brings_nothing_that_would_change_the_page_around_it() -> None:
    svg, _ = once()
    for foreign in ("<style", "<?xml", "<metadata", "font-family", figures.INK, "#ffffff"):
        assert foreign not in svg, "the page's own style and ground show"


def test_the_colours_are_the_pages() -> None:
    svg, _ = once()
    assert "currentColor" in svg
    assert "var(--series-1)" in svg
    assert "var(--rule)" in svg


def test_a_figure_is_read_aloud_by_its_label() -> None:
    svg, _ = once()
    assert svg.startswith('<svg viewBox="0 0 144 108" role="img" aria-label="said &quot;so&quot;">')
    assert "a &lt; b" in svg


def test_a_logarithmic_axis_has_plain_numbers() -> None:
    with figures.apply_style():
        drawn = figure()
        (axes,) = drawn.axes
        axes.set_yscale("log")
        figures.use_plain_labels(axes.yaxis)
        svg = figures.render_svg(drawn, "stem", "")
    assert ">2</text>" in svg
    assert "$" not in svg


@given(st.one_of(st.none(), st.floats()))
def test_only_numbers_that_an_axis_can_show_are_shown(value: float | None) -> None:
    shown = figures.make_drawable(value)
    assert math.isnan(shown) or (shown == value and abs(shown) <= 1e12)


@pytest.mark.parametrize("of", [figures.make_file_stem, figures.make_plain])
@given(name=st.text())
def test_no_name_leaves_its_alphabet_or_grows_too_long(of: Callable[[str], str], name: str) -> None:
    short = of(name)
    assert short.isascii()
    assert short.isprintable()
    assert len(short) <= 120
    if of is figures.make_file_stem:
        assert not set(short) & set("/.\\ ")


def test_each_of_the_blogs_nine_models_has_a_colour_of_its_own_on_the_page_too() -> None:
    assert len(set(figures.PALETTE)) >= 9
    css = (Path(figures.__file__).parent / "templates" / "page.css").read_text()
    assert all(f"--series-{place}:" in css for place in range(1, len(figures.PALETTE) + 1))
