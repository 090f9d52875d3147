"""The blog's pictures, drawn from the samples that the measured process saved at each checkpoint.

What is drawn depends on the shapes of the arrays, never on a model's name: images above their reconstructions; codes
that are small maps, side by side; codes of two numbers as a plane, coloured by class, and images decoded from its grid.

A samples file may be a stranger's: what it declares is checked before it is read. In place of a file that is missing,
too large or broken there is a note.
"""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from PIL import Image

from bench.datasets.files import Pixels
from bench.datasets.npz import read_arrays
from bench.errors import InvalidInput, format_count
from bench.report.figures import Plot, apply_style, make_file_stem, render_plot, use_few_steps

Arrays = Mapping[str, npt.NDArray[Any]]

MOST_FILE_BYTES = 1 << 21
"""Of a samples file, and of its arrays unpacked."""
MOST_IMAGES, MOST_PLANE, MOST_SIDE, MOST_GRID, MOST_CODE = 10, 2000, 64, 15, 2048
MAP_NUMBERS = 256
"""Code maps of more numbers per image are too small to be seen."""
_FEWEST_NAMED = 20
"""Codes of one class from which its name is written among them."""
_GAP = 2
_MAP_WIDTH = 0.6
"""Code maps have few cells, so they are enlarged: to this part of an image's width."""
_CLASS_COLOURS = (
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866", "#44bb99", "#99884d", "#8f8f8f",
)  # fmt: skip
"""After Paul Tol's bright and light schemes. No eye can distinguish ten colours, so the class is written as well."""


@dataclass(frozen=True, eq=False)
class SampleImages:
    """The arrays of one checkpoint, checked; see `bench.worker.samples`."""

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
class Picture:
    """Pixels for an `img` element."""

    label: str
    alt: str
    png: bytes
    width: int
    """In pixels."""
    height: int

    @property
    def source(self) -> str:
        """A data URI."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode()


@dataclass(frozen=True)
class Gallery:
    """The pictures of one case at all its checkpoints."""

    title: str
    name: str
    """What the ids of its elements begin with."""
    files: dict[str, bytes] = field(default_factory=dict)
    """The same pictures as PNG files, by the end of their names: "e050", "e050-plane", "e050-grid". The numbers have as
    many digits as the last checkpoint's, so that the files sort by their epochs."""
    images: list[Picture] = field(default_factory=list)
    """Rows of images: the originals, then one row of reconstructions per checkpoint."""
    maps: list[Picture] = field(default_factory=list)
    """Codes that are maps, one picture per checkpoint."""
    planes: list[Plot] = field(default_factory=list)
    grids: list[Picture] = field(default_factory=list)
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


def draw_gallery(title: str, name: str, samples: Sequence[SampleImages], notes: Sequence[str] = ()) -> Gallery:
    """Draw all pictures of a case; ``samples`` are of the same images, one per checkpoint, ascending by epochs."""
    gallery = Gallery(title, make_file_stem(name), notes=list(notes))
    if not samples:
        return gallery
    gallery.images.extend(draw_rows(samples))
    digits = len(str(samples[-1].epochs))
    for checkpoint in samples:
        label = f"after {format_count(checkpoint.epochs, 'epoch')}"
        ending = f"e{checkpoint.epochs:0{digits}}"
        gallery.files[ending] = encode_grey_png(_arrange_sheet(checkpoint))
        maps = _arrange_maps(checkpoint)
        if maps is not None:
            gallery.maps.append(_make_picture(label, f"codes of {_list_images(checkpoint)}, {label}", maps))
        if checkpoint.plane is not None and checkpoint.plane_labels is not None:
            plane_name = f"{gallery.name}-plane-{checkpoint.epochs}"
            gallery.planes.append(_draw_plane(label, plane_name, checkpoint.plane, checkpoint.plane_labels))
            gallery.files[f"{ending}-plane"] = gallery.planes[-1].png
        if checkpoint.grid is not None:
            mosaic = _arrange_grid(checkpoint.grid)
            gallery.grids.append(_make_picture(label, f"images decoded from a grid of codes, {label}", mosaic))
            gallery.files[f"{ending}-grid"] = encode_grey_png(_enlarge(mosaic, _GRID_SCALE))
    return gallery


def draw_strip(checkpoint: SampleImages, *, is_original: bool = False) -> Picture:
    """Draw a few of the images as a checkpoint rebuilds them, or as they were before, to stand in a table."""
    places = np.linspace(0, len(checkpoint.labels) - 1, min(_FEW, len(checkpoint.labels))).round().astype(int)
    pixels = (checkpoint.input if is_original else checkpoint.output)[places]
    classes = ", ".join(str(label) for label in checkpoint.labels[places])
    rebuilt = "" if is_original else f", rebuilt after {format_count(checkpoint.epochs, 'epoch')}"
    return _make_picture("", f"images of classes {classes}{rebuilt}", _join_side_by_side(pixels))


_FEW = 4
"""Images of a strip."""


def _arrange_sheet(checkpoint: SampleImages) -> Pixels:
    """Arrange one checkpoint as the blog shows it, enlarged on white: the images above their reconstructions.

    Noisy images have the clean ones below them; codes that are maps come last, where they are as wide.
    """
    rows = [checkpoint.input, *([checkpoint.target] if _has_noisy_input(checkpoint) else []), checkpoint.output]
    strips = [_join_side_by_side(row) for row in rows]
    maps = _arrange_maps(checkpoint)
    strips += [maps] if maps is not None and maps.shape[1] == strips[0].shape[1] else []
    spaced = [np.pad(strip, ((0, _SHEET_GAP), (0, 0)), constant_values=255) for strip in strips]
    sheet = np.pad(np.concatenate(spaced), ((_SHEET_GAP, 0), (_SHEET_GAP, _SHEET_GAP)), constant_values=255)
    return _enlarge(sheet, _SHEET_SCALE)


_SHEET_GAP, _SHEET_SCALE, _GRID_SCALE = 4, 4, 2
"""For files that are looked at one by one: ten images are some 1,200 pixels wide, a grid of 15 by 15 is 840."""


def _enlarge(pixels: Pixels, scale: int) -> Pixels:
    return pixels.repeat(scale, axis=0).repeat(scale, axis=1)


def _has_noisy_input(checkpoint: SampleImages) -> bool:
    return not np.array_equal(checkpoint.input, checkpoint.target)


def draw_rows(samples: Sequence[SampleImages]) -> list[Picture]:
    """The originals (noisy and clean where they differ), then one row of reconstructions per checkpoint."""
    first = samples[0]
    images = _list_images(first)
    if _has_noisy_input(first):
        rows = [
            _make_picture("noisy", f"noisy {images}", _join_side_by_side(first.input)),
            _make_picture("clean", f"{images}, without noise", _join_side_by_side(first.target)),
        ]
    else:
        rows = [_make_picture("original", images, _join_side_by_side(first.input))]
    for checkpoint in samples:
        label = format_count(checkpoint.epochs, "epoch")
        rows.append(_make_picture(label, f"{images}, rebuilt after {label}", _join_side_by_side(checkpoint.output)))
    return rows


def _list_images(checkpoint: SampleImages) -> str:
    return "images of classes " + ", ".join(str(label) for label in checkpoint.labels)


def _join_side_by_side(images: Pixels) -> Pixels:
    """Join (k, s, s) to one row, with gaps between the images."""
    padded = np.pad(images, ((0, 0), (0, 0), (0, _GAP)))
    return np.concatenate(list(padded), axis=1)[:, :-_GAP]


def _arrange_maps(checkpoint: SampleImages) -> Pixels | None:
    """Arrange codes (k, h, w, c) as the blog draws them, h wide and w · c high, each below its own image.

    None where the codes are not maps, or too large to be seen.
    """
    codes, side = checkpoint.codes, checkpoint.input.shape[-1]
    if codes is None or codes.ndim != 4 or codes[0].size > MAP_NUMBERS:
        return None
    count, height, width, channels = codes.shape
    values = codes.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    scaled = np.rint((values - low) / (high - low or 1.0) * 255).astype(np.uint8)
    upright = scaled.reshape(count, height, width * channels).transpose(0, 2, 1)
    scale = max(1, round(_MAP_WIDTH * side / height))
    large = upright.repeat(scale, axis=1).repeat(scale, axis=2)
    room = max(0, side - large.shape[2])
    return _join_side_by_side(np.pad(large, ((0, 0), (0, 0), (room // 2, room - room // 2))))


def _arrange_grid(grid: Pixels) -> Pixels:
    """Join (r, c, s, s) to one picture."""
    rows, columns, side, _ = grid.shape
    joined: Pixels = grid.transpose(0, 2, 1, 3).reshape(rows * side, columns * side)
    return joined


def _make_picture(label: str, alt: str, pixels: Pixels) -> Picture:
    """Make a picture of 32 shades: more cannot be seen, and pictures are most of the page."""
    shades = (pixels & 0xF8 | pixels >> 5).astype(np.uint8)
    return Picture(label, alt, encode_grey_png(shades), pixels.shape[1], pixels.shape[0])


def encode_grey_png(pixels: Pixels) -> bytes:
    """Encode (h, w) grey values as a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _draw_plane(label: str, name: str, codes: npt.NDArray[np.float16], labels: Pixels) -> Plot:
    """Draw codes (m, 2) as dots in their class's colour, with the name of each class amid its dots."""
    with apply_style():
        figure = Figure(figsize=(3.4, 3.3))
        axes = figure.subplots()
        figure.subplots_adjust(left=0.18, right=0.98, top=0.98, bottom=0.13)
        places = codes.astype(np.float64)
        for digit in range(10):
            chosen = places[labels == digit]
            # Thousands of dots as paths would be most of the page.
            axes.scatter(chosen[:, 0], chosen[:, 1], s=5, color=_CLASS_COLOURS[digit], linewidths=0, rasterized=True)
            if len(chosen) >= _FEWEST_NAMED:
                x, y = np.median(chosen, axis=0)
                box = {"boxstyle": "circle,pad=0.15", "fc": "white", "ec": _CLASS_COLOURS[digit], "lw": 1.2}
                axes.text(x, y, str(digit), ha="center", va="center", color="black", fontsize=9, bbox=box)
        low, high = np.quantile(places, [0.005, 0.995], axis=0)
        room = 0.1 * np.maximum(high - low, 1e-3)
        axes.set(xlim=(low[0] - room[0], high[0] + room[0]), ylim=(low[1] - room[1], high[1] + room[1]))
        axes.set(xlabel="first number of the code", ylabel="second number")
        use_few_steps(axes)
        return render_plot(figure, name, label, alt=f"codes of {len(labels):,} images, {label}")
