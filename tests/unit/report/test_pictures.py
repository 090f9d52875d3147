"""The blog's pictures: what of a samples file is drawn, and what becomes of files that are not what they should be."""

import contextlib
import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from numpy.typing import NDArray

from bench.errors import InvalidInput
from bench.report.pictures import SampleImages, draw_gallery, encode_grey_png, read_samples

Array = NDArray[Any]


def arrays(**changes: Array | None) -> dict[str, Array]:
    """Three images of four by four pixels."""
    pixels = np.arange(48, dtype=np.uint8).reshape(3, 4, 4)
    found: dict[str, Any] = {
        "labels": np.array([0, 1, 7], np.uint8),
        "input": pixels,
        "target": pixels,
        "output": 255 - pixels,
        **changes,
    }
    return {name: array for name, array in found.items() if array is not None}


def plane(count: int = 60, side: int = 4) -> dict[str, Array]:
    places = np.random.default_rng(0).normal(size=(count, 2)).astype(np.float16)
    grid = np.full((15, 15, side, side), 200, np.uint8)
    return {"plane": places, "plane_labels": np.resize(np.arange(10, dtype=np.uint8), count), "grid": grid}


def saved(path: Path, **changes: Array | None) -> Path:
    save: Any = np.savez_compressed
    save(path, **arrays(**changes))
    return path


def samples(epochs: int = 4, **changes: Array | None) -> SampleImages:
    return SampleImages(epochs, **arrays(**changes))


def pixels(png: bytes) -> Array:
    """(h, w) grey values of a PNG, by another reader than ours."""
    seen: Array = matplotlib.image.imread(io.BytesIO(png))
    found: Array = np.rint(seen * 255).astype(np.uint8)
    return found


# ------------------------------------------------------------------------------ reading


def test_what_was_saved_is_read(tmp_path: Path) -> None:
    found = read_samples(saved(tmp_path / "a.npz", codes=np.ones((3, 2), np.float16), **plane()), 4)
    assert (found.epochs, found.labels.tolist()) == (4, [0, 1, 7])
    assert np.array_equal(found.output, arrays()["output"])
    assert found.grid is not None
    assert found.plane is not None
    assert found.plane.shape == (60, 2)


def test_a_missing_file_is_another_error_than_a_broken_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_samples(tmp_path / "a.npz", 1)


BROKEN: dict[str, dict[str, Any]] = {
    "without reconstructions": {"output": None},
    "of floats where bytes are due": {"output": np.zeros((3, 4, 4), np.float32)},
    "of objects": {"labels": np.array([{}, 1, 2], object)},
    "of another number of images": {"output": np.zeros((2, 4, 4), np.uint8)},
    "of oblong pictures": dict.fromkeys(("input", "target", "output"), np.zeros((3, 4, 5), np.uint8)),
    "of a single number": {"input": np.array(3, np.uint8)},
    "of nothing": {"labels": np.zeros(0, np.uint8)},
    "of too many images": {"labels": np.zeros(11, np.uint8)},
    "of huge pictures": dict.fromkeys(("input", "target", "output"), np.zeros((3, 100, 100), np.uint8)),
    "of codes of other images": {"codes": np.zeros((2, 4), np.float16)},
    "of codes that are no numbers": {"codes": np.full((3, 4), np.nan, np.float16)},
    "of a plane without labels": {"plane": np.zeros((5, 2), np.float16)},
    "of labels without a plane": {"plane_labels": np.zeros(5, np.uint8)},
    "of a plane of three numbers": {"plane": np.zeros((5, 3), np.float16), "plane_labels": np.zeros(5, np.uint8)},
    "of a flat grid": {"grid": np.zeros((15, 15, 16), np.uint8)},
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_file_is_refused(what: str, tmp_path: Path) -> None:
    save: Any = np.savez_compressed
    save(tmp_path / "a.npz", **arrays(**BROKEN[what]))
    with pytest.raises(InvalidInput, match=r"^\S.*[^.]$"):
        read_samples(tmp_path / "a.npz", 1)


def archive(path: Path, header: dict[str, Any], body: bytes, name: str = "labels.npy") -> Path:
    """An archive of one array with a header of one's own making."""
    text = repr(header).encode() + b"\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body)
    return path


@pytest.mark.parametrize(
    "header",
    [
        {"descr": "|u1", "fortran_order": False, "shape": (1 << 60,)},
        {"descr": "|u1", "fortran_order": False, "shape": (-3,)},
        {"descr": "|u1", "fortran_order": False, "shape": (9,)},
        {"descr": "|O", "fortran_order": False, "shape": (3,)},
        {"descr": "|u1"},
        {"descr": [("a", "|u1")], "fortran_order": False, "shape": (3,)},
    ],
)
def test_what_an_array_declares_is_checked_before_it_is_read(header: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"."):
        read_samples(archive(tmp_path / "a.npz", header, b"abc"), 1)


def test_an_archive_that_unpacks_to_far_more_is_not_unpacked(tmp_path: Path) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": (10,)}
    path = archive(tmp_path / "a.npz", header, bytes(50_000_000))
    with pytest.raises(InvalidInput, match="bytes unpacked; at most"):
        read_samples(path, 1)


def test_a_large_file_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(bytes(3 << 20))
    with pytest.raises(InvalidInput, match="at most 2,097,152 are read"):
        read_samples(tmp_path / "a.npz", 1)


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_refused(fraction: float, tmp_path: Path) -> None:
    whole = saved(tmp_path / "whole.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[: int(fraction * len(whole))])
    with pytest.raises(InvalidInput, match=r"cut off|not an \.npz|cannot be read"):
        read_samples(tmp_path / "a.npz", 1)


def test_a_file_with_any_byte_turned_is_read_or_refused_and_nothing_else(tmp_path: Path) -> None:
    whole = saved(tmp_path / "whole.npz", **plane(20, 2)).read_bytes()
    for place in range(0, len(whole), 7):
        path = tmp_path / "a.npz"
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with contextlib.suppress(InvalidInput):
            read_samples(path, 1)


# ------------------------------------------------------------------------------ drawing


def test_a_row_of_originals_is_above_a_row_for_each_checkpoint() -> None:
    found = draw_gallery("batch 4", "case", [samples(1), samples(4)])
    assert [image.label for image in found.images] == ["original", "1 epoch", "4 epochs"]
    assert [image.alt for image in found.images] == [
        "images of classes 0, 1, 7",
        "images of classes 0, 1, 7, rebuilt after 1 epoch",
        "images of classes 0, 1, 7, rebuilt after 4 epochs",
    ]
    seen = pixels(found.images[0].png)
    assert seen.shape == (4, 3 * 4 + 2 * 2)
    for place, image in enumerate(arrays()["input"]):
        assert np.array_equal(seen[:, 6 * place : 6 * place + 4], image & 0xF8 | image >> 5), "in 32 shades"
    assert [found.maps, found.planes, found.grids] == [[], [], []]


def test_noisy_images_are_shown_with_the_clean_ones() -> None:
    found = draw_gallery("batch 4", "case", [samples(target=np.zeros((3, 4, 4), np.uint8))])
    assert [image.label for image in found.images] == ["noisy", "clean", "4 epochs"]


def test_codes_that_are_small_maps_are_drawn_upright_as_the_blog_does() -> None:
    codes = np.zeros((1, 4, 4, 8), np.float16)
    codes[0, 3, 1, 5] = 2.0  # the fourth column; of 32 rows the (1 · 8 + 5)th
    (image,) = draw_gallery("", "case", [samples(codes=codes)]).maps
    seen = pixels(image.png)
    scale = seen.shape[0] // 32
    assert [tuple(map(int, place)) for place in np.argwhere(seen == 255)[:1]] == [(13 * scale, 3 * scale)]


@pytest.mark.parametrize("shape", [(3, 32), (3, 7, 7, 32), (3, 4, 4)])
def test_other_codes_are_not_drawn(shape: tuple[int, ...]) -> None:
    assert draw_gallery("", "case", [samples(codes=np.ones(shape, np.float16))]).maps == []


def test_codes_that_are_all_the_same_are_a_picture_too() -> None:
    (image,) = draw_gallery("", "case", [samples(codes=np.ones((3, 4, 4, 8), np.float16))]).maps
    assert not pixels(image.png).any()


def test_a_plane_is_drawn_with_its_grid_at_each_checkpoint() -> None:
    found = draw_gallery("", "case", [samples(1, **plane(400)), samples(2, **plane(400))])
    assert [plot.title for plot in found.planes] == ["after 1 epoch", "after 2 epochs"]
    assert found.planes[0].svg.startswith("<svg ")
    assert all(f">{image}</text>" in found.planes[0].svg for image in range(10))
    seen = pixels(found.grids[0].png)
    assert seen.shape == (60, 60)
    assert abs(int(seen[0, 0]) - 200) < 8


def test_a_plane_of_one_point_is_drawn() -> None:
    point: dict[str, Any] = {
        "plane": np.zeros((1, 2), np.float16),
        "plane_labels": np.array([77], np.uint8),
        "grid": None,
    }
    assert draw_gallery("", "case", [samples(**point)]).planes[0].png


def test_a_case_without_samples_has_its_notes() -> None:
    found = draw_gallery("batch 4", "case", [], ["No samples were saved at 4 epochs."])
    assert (found.images, found.notes) == ([], ["No samples were saved at 4 epochs."])


@pytest.mark.parametrize("kind", ["noise", "slope"])
def test_a_png_keeps_every_grey_value(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 20), np.uint8)
    drawn = noise if kind == "noise" else np.add.outer(np.arange(30, dtype=np.uint8), np.arange(20, dtype=np.uint8))
    assert np.array_equal(pixels(encode_grey_png(drawn)), drawn)


# ------------------------------------------------------------------------------ as files


def sheet(**changes: Array | None) -> Array:
    """The file of one checkpoint, one pixel for each enlarged one."""
    return pixels(draw_gallery("", "case", [samples(4, **changes)]).files["e4"])[::4, ::4]


def test_the_file_of_a_checkpoint_has_the_images_above_their_reconstructions_on_white() -> None:
    found = sheet()
    originals, rebuilt = found[4:8, 4:8], found[12:16, 4:8]
    assert originals.tolist() == arrays()["input"][0].tolist()
    assert rebuilt.tolist() == arrays()["output"][0].tolist()
    assert found.shape == (20, 24)
    assert (found[8:12] == 255).all()
    assert (found[:, :4] == 255).all()


def test_noisy_images_are_above_the_clean_ones_and_the_reconstructions() -> None:
    found = sheet(target=np.full((3, 4, 4), 9, np.uint8))
    assert found.shape == (28, 24)
    assert found[4:8, 4:8].tolist() == arrays()["input"][0].tolist()
    assert (found[12:16, 4:8] == 9).all()


def test_code_maps_are_below_their_images_and_only_where_they_fit() -> None:
    assert sheet(codes=np.ones((3, 4, 4, 8), np.float16)).shape == (20 + 32 + 4, 24)
    assert sheet(codes=np.ones((3, 8, 4, 4), np.float16)).shape == (20, 24), "wider than the images"


def test_planes_and_grids_are_files_of_their_own() -> None:
    found = draw_gallery("", "case", [samples(4, **plane(400))])
    assert list(found.files) == ["e4", "e4-plane", "e4-grid"]
    assert pixels(found.files["e4-grid"]).shape == tuple(2 * side for side in pixels(found.grids[0].png).shape)


def test_files_stand_in_the_order_of_their_epochs() -> None:
    names = list(draw_gallery("", "case", [samples(epochs) for epochs in (1, 2, 10, 100)]).files)
    assert names == sorted(names) == ["e001", "e002", "e010", "e100"]
