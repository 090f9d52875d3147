"""What every figure has in common: the same rows give the same bytes, and a page is not changed by what it shows."""

import itertools
import math
import re
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


def see(colour: str, eye: tuple[tuple[float, ...], ...]) -> tuple[float, ...]:
    """A colour in CIE Lab as an eye sees it: a matrix on linear RGB."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    seen = [max(0.0, sum(a * b for a, b in zip(row, linear, strict=True))) for row in eye]
    white = (0.95047, 1.0, 1.08883)
    x, y, z = (
        math.cbrt(sum(a * b for a, b in zip(row, seen, strict=True)) / most)
        for row, most in zip(XYZ, white, strict=True)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
EYES = {
    "all colours": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "no green": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    "no red": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
}
"""Machado, Oliveira and Fernandes, https://doi.org/10.1109/TVCG.2009.113, at full severity."""


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("ground", ["light", "dark"])
def test_the_colours_of_the_models_differ_to_every_eye(eye: str, ground: str) -> None:
    css = (Path(figures.__file__).parent / "templates" / "page.css").read_text()
    both = [re.search(rf"--series-{n}: light-dark\((#\w+), (#\w+)\)", css) for n in range(1, 10)]
    colours = [found[1 if ground == "light" else 2] for found in both if found]
    assert len(colours) == 9
    pairs = itertools.combinations([see(colour, EYES[eye]) for colour in colours], 2)
    assert min(math.dist(*pair) for pair in pairs) > 8, "three is what an eye can just see side by side"


def test_the_page_and_the_png_files_have_the_same_colours() -> None:
    css = (Path(figures.__file__).parent / "templates" / "page.css").read_text()
    for name, colours in (("series", figures.PALETTE), ("phase", figures.PHASE_COLOURS)):
        for place, colour in enumerate(colours, 1):
            assert f"--{name}-{place}: light-dark({colour}," in css


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9).map(sorted))
def test_names_keep_their_order_and_a_gap(wanted: list[float]) -> None:
    places = figures._spread(wanted, 0.1, 1.0)
    assert places[-1] <= 1
    assert all(above - below > 0.0999 for below, above in itertools.pairwise(places))


def test_names_that_have_room_stay_where_they_are() -> None:
    assert figures._spread([0.1, 0.5, 0.9], 0.1, 1.0) == [0.1, 0.5, 0.9]


def test_a_long_logarithmic_axis_has_few_labels() -> None:
    with figures.apply_style():
        drawn = Figure(figsize=(5, 3))
        axes = drawn.subplots()
        axes.plot([2, 700], [1, 2])
        axes.set_xscale("log")
        figures.use_plain_labels(axes.xaxis)
        words = re.findall(r">(\d+)</text>", figures.render_svg(drawn, "stem", "label"))
    assert [word for word in words if word != "1.0"][:5] == ["10", "100", "3", "30", "300"]


def test_a_drawing_is_a_file_of_its_own() -> None:
    svg = figures.make_svg_file(once()[0])
    assert svg.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert figures.PALETTE[0] in svg
    for foreign in ("var(", "calc(", "currentColor"):
        assert foreign not in svg
