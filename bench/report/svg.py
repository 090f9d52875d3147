"""SVG as matplotlib writes it, made small: a page of thirty figures has to open at once on a phone."""

import base64
import io
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping

from PIL import Image

HOVER = "hover:"
"""What the id of a group begins with that has a text for the pointer that rests on it."""


def simplify_svg(text: str, prefix: str, label: str, colours: Mapping[str, str]) -> str:
    """Return a figure's `svg` element with the page's colours and font, in any width, and no more than is seen of it.

    Its ids begin with ``prefix``; ``label`` is its accessible name; ``colours`` are replaced.
    """
    for colour, variable in colours.items():
        text = text.replace(colour, variable)
    drawn = ET.fromstring(text)  # noqa: S314 - matplotlib wrote it
    uses = Counter(re.findall(r'href="#([^"]+)', text))
    shapes = {shape.attrib["id"]: shape for shape in drawn.iter() if 0 < uses[shape.get("id", "")] <= _FEW}
    root = ET.Element("svg", {"viewBox": drawn.attrib["viewBox"], "role": "img", "aria-label": label})
    cleaner = _Cleaner(prefix, uses, shapes)
    root.extend(part for child in drawn for part in cleaner.clean(child))
    return ET.tostring(root, encoding="unicode")


class _Cleaner:
    """Leaves out groups without a purpose, ids that nothing refers to, and digits that nobody can see."""

    def __init__(self, prefix: str, uses: Counter[str], shapes: Mapping[str, ET.Element]) -> None:
        self._prefix = prefix
        self._uses = uses
        self._shapes = shapes
        """Those that are used a few times, by their ids: they are drawn where they are used."""

    def clean(self, element: ET.Element) -> list[ET.Element]:
        """Return what a page needs of an element."""
        tag, name = _get_tag(element), element.get("id", "")
        if tag in _DROPPED or element.get("style") == "fill: none" or (tag == "path" and name in self._shapes):
            return []
        if tag == "use" and (shape := self._shapes.get(_get_reference(element))) is not None:
            return [self._place(shape, element)]
        parts = [part for child in element for part in self.clean(child)]
        if tag in {"g", "defs"} and not parts:
            return []
        kept = ET.Element(tag, {key: self._shorten(key, value) for key, value in _list_attributes(element)})
        if name in self._uses:
            kept.set("id", f"{self._prefix}-{name}")
        if name.startswith(HOVER):
            return [_add_title(kept, parts, name.removeprefix(HOVER))]
        if tag == "g" and not kept.attrib:
            return parts
        kept.text = element.text if element.text and element.text.strip() else None
        kept.extend(parts)
        return [kept]

    def _place(self, shape: ET.Element, use: ET.Element) -> ET.Element:
        """Return a shape where it is used, in the style of both."""
        x, y = (self._shorten(key, use.get(key, "0")) for key in ("x", "y"))
        style = "; ".join(filter(None, (shape.get("style"), use.get("style"))))
        found = {"d": self._shorten("d", shape.get("d", "")), "transform": f"translate({x} {y})", "style": style}
        return ET.Element("path", found)

    def _shorten(self, key: str, value: str) -> str:
        """Return an attribute with ids of this page, in the page's font and with no more digits than can be seen."""
        if key == "href":
            return f"#{self._prefix}-{value[1:]}" if value.startswith("#") else _reduce_colours(value)
        if key == "style":
            value = re.sub(r" font-family: [^;]*;", "", value)
            return re.sub(r"font-size: ([\d.]+px)", r"font-size: calc(\1 * var(--text, 1))", value)
        if key in _NUMBERS:
            return re.sub(r"\s+", " ", re.sub(r"(\d\.\d\d)\d+", r"\1", value)).strip()
        return value


_FEW = 4
_DROPPED = frozenset({"metadata", "style", "clipPath"})
"""A style would apply to the whole page, which has this one's rule in its own style sheet. No figure draws beyond its
axes what must not be seen there."""
_NEEDLESS = frozenset({"id", "clip-path"})
_NUMBERS = frozenset({"d", "x", "y", "transform"})


def _get_tag(element: ET.Element) -> str:
    """Return the tag without its namespace: in a page, `svg` needs none."""
    return element.tag.rpartition("}")[2]


def _list_attributes(element: ET.Element) -> list[tuple[str, str]]:
    """List the attributes that a page needs, without namespaces."""
    found = [(key.rpartition("}")[2], value) for key, value in element.attrib.items()]
    return [(key, value) for key, value in found if key not in _NEEDLESS and not value.startswith("rotate(-0 ")]


def _get_reference(element: ET.Element) -> str:
    return next((value[1:] for key, value in _list_attributes(element) if key == "href"), "")


def _add_title(group: ET.Element, parts: list[ET.Element], text: str) -> ET.Element:
    """Return the only part, or a group of all, with a title."""
    if len(parts) == 1 and not group.attrib:
        group = parts[0]
    else:
        group.extend(parts)
    title = ET.Element("title")
    title.text = text
    group.insert(0, title)
    return group


def _reduce_colours(source: str) -> str:
    """Return an image of few colours, as dots are, with a palette: a fraction of its size."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as image:
        image.convert("RGBA").quantize(_COLOURS, Image.Quantize.FASTOCTREE).save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


_COLOURS = 64
