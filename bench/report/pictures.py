"""The blog's pictures, from the samples that the measured process saved at each checkpoint.

What is drawn follows from the shapes of the arrays, never from a model's name: images over their reconstructions; codes
that are small maps side by side; codes that are a plane, coloured by image, with the images decoded from its grid.

A samples file may be a stranger's: what it declares is checked before it is read, and one that is missing, too large
or broken means a picture less and a note.
"""

import base64
import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from bench.datasets.files import Pixels, read_arrays
from bench.errors import InvalidInput
from bench.report.figures import drawing, file_stem, inline_svg, png

Arrays = Mapping[str, npt.NDArray[Any]]

MOST_FILE_BYTES = 1 << 21
"""Of a samples file, and of its arrays unpacked."""
MOST_IMAGES, MOST_PLANE, MOST_SIDE, MOST_GRID, MOST_CODE = 10, 2000, 64, 15, 2048
MAP_NUMBERS = 256
"""Code maps of more numbers a image are too small to be seen."""
_MARKED_LABELS = 20
"""A image's name is written where at least so many of its codes lie."""
_GAP = 2
_MAP_FRACTION = 0.6
"""Code maps have few cells, which are drawn larger: this much of a image's width."""
_CLASS_COLOURS = (
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866", "#44bb99", "#99884d", "#8f8f8f",
)  # fmt: skip
"""After Paul Tol's bright and light schemes; ten colours no eye tells all apart, so the images are written as well."""


@dataclass(frozen=True, eq=False)
class SampleImages:
    """The arrays of one checkpoint, checked; see `bench.worker.samples.samples`."""

    epochs: int
    labels: Pixels
    input: Pixels
    target: Pixels
    output: Pixels
    codes: npt.NDArray[np.float16] | None = None
    plane: npt.NDArray[np.float16] | None = None
    plane_labels: Pixels | None = None
    grid: Pixels | None = None


@dataclass(frozen=True)
class Image:
    """A picture of pixels for an `img` element."""

    label: str
    alt: str
    png: bytes
    width: int
    """In pixels of the PNG."""
    height: int

    @property
    def source(self) -> str:
        """A data URI."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode()


@dataclass(frozen=True)
class Drawing:
    """A figure of matplotlib's for the page."""

    label: str
    svg: str
    png: bytes


@dataclass(frozen=True)
class Gallery:
    """The pictures of one case at all its checkpoints."""

    title: str
    name: str
    """What ids of its elements begin with."""
    files: dict[str, bytes] = field(default_factory=dict)
    """The same as PNG files to look at, by what their names end in: "e050", "e050-plane", "e050-grid"; as many
    images as the last checkpoint has, so that they stand in the order of their epochs."""
    images: list[Image] = field(default_factory=list)
    """Originals first, then a row a checkpoint."""
    maps: list[Image] = field(default_factory=list)
    """Codes, a checkpoint each."""
    planes: list[Drawing] = field(default_factory=list)
    grids: list[Image] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


# ------------------------------------------------------------------------------ reading


def read_samples(path: Path, epochs: int) -> SampleImages:
    """Read the samples of a checkpoint.

    Raises FileNotFoundError where there are none, and InvalidInput that says in a few words why a file is not drawn.
    """
    if not path.is_file():
        raise FileNotFoundError(path.name)
    arrays = read_arrays(path, _HEADER_CHECKS, required=_REQUIRED, max_bytes=MOST_FILE_BYTES)
    _check_shapes(arrays)
    return SampleImages(epochs, **arrays)


def _check_header(wanted: npt.DTypeLike, most: int, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if dtype != wanted or not shape or min(shape) < 1 or math.prod(shape) > most:
        raise InvalidInput(f"{name} is {dtype} {shape}")


_REQUIRED = ("labels", "input", "target", "output")
_HEADER_CHECKS = {
    "labels": partial(_check_header, np.uint8, MOST_IMAGES),
    "input": partial(_check_header, np.uint8, MOST_IMAGES * MOST_SIDE**2),
    "target": partial(_check_header, np.uint8, MOST_IMAGES * MOST_SIDE**2),
    "output": partial(_check_header, np.uint8, MOST_IMAGES * MOST_SIDE**2),
    "codes": partial(_check_header, "<f2", MOST_IMAGES * MOST_CODE),
    "plane": partial(_check_header, "<f2", MOST_PLANE * 2),
    "plane_labels": partial(_check_header, np.uint8, MOST_PLANE),
    "grid": partial(_check_header, np.uint8, (MOST_GRID * MOST_SIDE) ** 2),
}
"""Each array's type, and how many numbers it may have at most."""


def _check_shapes(arrays: Arrays) -> None:
    """Shapes have to fit each other, and codes to be finite."""
    count, side = len(arrays["labels"]), arrays["input"].shape[-1]
    if side > MOST_SIDE:
        raise InvalidInput(f"pictures of {side} pixels a side")
    wanted: dict[str, tuple[int, ...]] = dict.fromkeys(("input", "target", "output"), (count, side, side))
    wanted["labels"] = (count,)
    if "plane" in arrays or "plane_labels" in arrays:
        images = len(arrays.get("plane", ()))
        wanted |= {"plane": (images, 2), "plane_labels": (images,)}
    for name, shape in wanted.items():
        if name not in arrays or arrays[name].shape != shape:
            raise InvalidInput(f"{name} is no {shape}")
    if "codes" in arrays and len(arrays["codes"]) != count:
        raise InvalidInput("codes of other images")
    if "grid" in arrays and (arrays["grid"].ndim != 4 or arrays["grid"].shape[2] != arrays["grid"].shape[3]):
        raise InvalidInput(f"grid is {arrays['grid'].shape}")
    if not all(np.isfinite(arrays[name]).all() for name in ("codes", "plane") if name in arrays):
        raise InvalidInput("numbers that are not finite")


# ------------------------------------------------------------------------------ drawing


def gallery(title: str, name: str, checkpoints: Sequence[SampleImages], notes: Sequence[str] = ()) -> Gallery:
    """All pictures of a case; ``checkpoints`` ascending by epochs, all of the same images."""
    found = Gallery(title, file_stem(name), notes=list(notes))
    if not checkpoints:
        return found
    found.images.extend(_rows(checkpoints))
    images = len(str(checkpoints[-1].epochs))
    for checkpoint in checkpoints:
        label = f"after {checkpoint.epochs} epoch" + ("" if checkpoint.epochs == 1 else "s")
        ending = f"e{checkpoint.epochs:0{images}}"
        found.files[ending] = grey_png(_sheet(checkpoint))
        maps = _maps(checkpoint)
        if maps is not None:
            found.maps.append(_image(label, f"codes of {_named(checkpoint)}, {label}", maps))
        if checkpoint.plane is not None and checkpoint.plane_labels is not None:
            found.planes.append(
                _plane(label, f"{found.name}-plane-{checkpoint.epochs}", checkpoint.plane, checkpoint.plane_labels)
            )
            found.files[f"{ending}-plane"] = found.planes[-1].png
        if checkpoint.grid is not None:
            mosaic = _mosaic(checkpoint.grid)
            found.grids.append(_image(label, f"images decoded from a grid of codes, {label}", mosaic))
            found.files[f"{ending}-grid"] = grey_png(_enlarged(mosaic, _GRID_TIMES))
    return found


def _sheet(checkpoint: SampleImages) -> Pixels:
    """One checkpoint as the blog shows it, enlarged on white: images, without their noise where they have some, over what
    became of them; codes that are maps below.
    """
    rows = [checkpoint.input, *([checkpoint.target] if _is_noisy(checkpoint) else []), checkpoint.output]
    strips = [_strip(row) for row in rows]
    maps = _maps(checkpoint)
    strips += [maps] if maps is not None and maps.shape[1] == strips[0].shape[1] else []
    spaced = [np.pad(strip, ((0, _SHEET_GAP), (0, 0)), constant_values=255) for strip in strips]
    whole = np.pad(np.concatenate(spaced), ((_SHEET_GAP, 0), (_SHEET_GAP, _SHEET_GAP)), constant_values=255)
    return _enlarged(whole, _SHEET_TIMES)


_SHEET_GAP, _SHEET_TIMES, _GRID_TIMES = 4, 4, 2
"""A file is looked at by itself: ten images are some 1,200 pixels wide there, a grid of 15 by 15 is 840."""


def _enlarged(pixels: Pixels, times: int) -> Pixels:
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


def _is_noisy(checkpoint: SampleImages) -> bool:
    return not np.array_equal(checkpoint.input, checkpoint.target)


def _rows(checkpoints: Sequence[SampleImages]) -> list[Image]:
    """Originals (noisy and clean where they differ), then a reconstruction a checkpoint."""
    first = checkpoints[0]
    images = _named(first)
    noisy = _is_noisy(first)
    rows = [_image("noisy" if noisy else "original", f"{'noisy ' if noisy else ''}{images}", _strip(first.input))]
    if noisy:
        rows.append(_image("clean", f"{images}, without noise", _strip(first.target)))
    for checkpoint in checkpoints:
        label = f"{checkpoint.epochs} epoch" + ("" if checkpoint.epochs == 1 else "s")
        rows.append(_image(label, f"{images}, rebuilt after {label}", _strip(checkpoint.output)))
    return rows


def _named(samples: SampleImages) -> str:
    return "images " + ", ".join(str(label) for label in samples.labels)


def _strip(images: Pixels) -> Pixels:
    """(k, s, s) side by side, a gap between."""
    padded = np.pad(images, ((0, 0), (0, 0), (0, _GAP)))
    return np.concatenate(list(padded), axis=1)[:, :-_GAP]


def _maps(checkpoint: SampleImages) -> Pixels | None:
    """Codes (k, h, w, c) as the blog draws them, h wide and w · c high; a image's code stands where the image does.

    None where they are no maps, or too large to be seen.
    """
    codes, side = checkpoint.codes, checkpoint.input.shape[-1]
    if codes is None or codes.ndim != 4 or codes[0].size > MAP_NUMBERS:
        return None
    count, height, width, channels = codes.shape
    values = codes.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    scaled = np.rint((values - low) / (high - low or 1.0) * 255).astype(np.uint8)
    upright = scaled.reshape(count, height, width * channels).transpose(0, 2, 1)
    scale = max(1, round(_MAP_FRACTION * side / height))
    large = upright.repeat(scale, axis=1).repeat(scale, axis=2)
    room = max(0, side - large.shape[2])
    return _strip(np.pad(large, ((0, 0), (0, 0), (room // 2, room - room // 2))))


def _mosaic(grid: Pixels) -> Pixels:
    """(r, c, s, s) as one picture, in 32 shades: the largest picture of the page, and nobody sees more of them."""
    rows, columns, side, _ = grid.shape
    mosaic: Pixels = grid.transpose(0, 2, 1, 3).reshape(rows * side, columns * side)
    return (mosaic & 0xF8 | mosaic >> 5).astype(np.uint8)


def _image(label: str, alt: str, pixels: Pixels) -> Image:
    return Image(label, alt, grey_png(pixels), pixels.shape[1], pixels.shape[0])


def grey_png(pixels: Pixels) -> bytes:
    """(h, w) grey values as a PNG of 8 bits (https://www.w3.org/TR/png-3/), as they are or as each line's difference
    from the one above, whichever is smaller.
    """
    height, width = pixels.shape
    upwards = np.diff(pixels, axis=0, prepend=np.zeros((1, width), np.uint8))
    lines = [np.pad(body, ((0, 0), (1, 0)), constant_values=kind) for kind, body in ((0, pixels), (2, upwards))]
    smallest = min((zlib.compress(each.tobytes(), 9) for each in lines), key=len)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", smallest), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def _plane(label: str, name: str, codes: npt.NDArray[np.float16], labels: Pixels) -> Drawing:
    """Codes as dots in their image's colour, each image's name amid its dots."""
    with drawing():
        figure = Figure(figsize=(3.4, 3.3))
        axes = figure.subplots()
        figure.subplots_adjust(left=0.18, right=0.98, top=0.98, bottom=0.13)
        places = codes.astype(np.float64)
        for image in range(10):
            chosen = places[labels == image]
            # Thousands of dots as paths would be most of the page.
            axes.scatter(chosen[:, 0], chosen[:, 1], s=5, color=_CLASS_COLOURS[image], linewidths=0, rasterized=True)
            if len(chosen) >= _MARKED_LABELS:
                x, y = np.median(chosen, axis=0)
                box = {"boxstyle": "circle,pad=0.15", "fc": "white", "ec": _CLASS_COLOURS[image], "lw": 1.2}
                axes.text(x, y, str(image), ha="center", va="center", color="black", fontsize=9, bbox=box)
        low, high = np.quantile(places, [0.005, 0.995], axis=0)
        room = 0.1 * np.maximum(high - low, 1e-3)
        axes.set(xlim=(low[0] - room[0], high[0] + room[0]), ylim=(low[1] - room[1], high[1] + room[1]))
        axes.set(xlabel="first number of the code", ylabel="second number")
        alt = f"codes of {len(labels):,} images, {label}"
        return Drawing(label, inline_svg(figure, name, alt), png(figure))
