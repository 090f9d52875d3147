"""What a page gets of a figure that matplotlib wrote."""

import base64
import io
import re
import xml.etree.ElementTree as ET

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from bench.report import figures
from bench.report.figures import add_hover, apply_style
from bench.report.svg import simplify_svg

SVG = "http://www.w3.org/2000/svg"


def simplified(body: str) -> ET.Element:
    text = f'<svg xmlns="{SVG}" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9">{body}</svg>'
    return ET.fromstring(simplify_svg(text, "stem", "said", {"#010203": "currentColor"}))  # noqa: S314 - ours


def drawn() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(2, 2))
    return figure, figure.subplots()


def test_groups_without_a_purpose_and_ids_that_nothing_refers_to_are_gone() -> None:
    found = simplified('<g id="figure_1"><g id="axes_1"><path id="line2d_1" d="M 1.23456 2 \n L 3 4"/></g><g/></g>')
    assert [(each.tag, each.attrib) for each in found.iter()][1:] == [("path", {"d": "M 1.23 2 L 3 4"})]


def test_a_marker_of_its_own_is_drawn_where_it_is_used() -> None:
    marker = '<defs><path id="m1" d="M 0 1" style="stroke: #010203"/></defs>'
    (once,) = simplified(f'{marker}<g><use xlink:href="#m1" x="5.5" y="6" style="fill: none; x: y"/></g>')
    assert once.attrib["transform"] == "translate(5.5 6)"
    assert once.attrib["style"] == "stroke: currentColor; fill: none; x: y"
    often = simplified(marker + 9 * '<use xlink:href="#m1" x="5" y="6"/>')
    assert [each.attrib.get("href") for each in often[1:]] == ["#stem-m1"] * 9
    assert often[0][0].attrib["id"] == "stem-m1"


def test_what_the_pointer_rests_on_has_a_title_and_nothing_more() -> None:
    with apply_style():
        figure, axes = drawn()
        (line,) = axes.plot([1, 2], [1, 2])
        add_hover(line, 'a < b & "c"')
        svg = figures.render_svg(figure, "stem", "")
    titles = [(parent.tag, each.text) for parent in ET.fromstring(svg).iter() for each in parent.findall("title")]  # noqa: S314 - ours
    assert titles == [("path", 'a < b & "c"')]


def test_words_are_as_large_as_the_page_wants() -> None:
    (word,) = simplified("<text style=\"font-size: 9px; font-family: 'DejaVu Sans', sans-serif; fill: x\">a</text>")
    assert word.attrib["style"] == "font-size: calc(9px * var(--text, 1)); fill: x"


def test_dots_become_an_image_of_few_colours() -> None:
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (40, 40, 4), np.uint8)).save(buffer, "PNG")
    source = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    (image,) = simplified(f'<image xlink:href="{source}" width="9"/>')
    assert len(image.attrib["href"]) < len(source) / 2
    with Image.open(io.BytesIO(base64.b64decode(image.attrib["href"].partition(",")[2]))) as found:
        assert found.size == (40, 40)


def test_a_figure_is_few_elements() -> None:
    """A phone has to lay out thirty of them."""
    with apply_style():
        figure, axes = drawn()
        axes.plot([1, 2, 3], [1, 4, 9], marker="o")
        figures.use_few_steps(axes)
        svg = figures.render_svg(figure, "stem", "")
    assert len(re.findall(r"<[a-z]", svg)) < 30
    assert "clip" not in svg
