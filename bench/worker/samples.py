"""A few images as a model rebuilds them at a checkpoint: the report draws its pictures from them."""

import statistics
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.datasets.files import NAMES
from bench.worker.protocol import Job
from models.contract import Autoencoder, Floats

Pixels = npt.NDArray[np.uint8]

IMAGES = 10
"""One per class, where the labels have ten."""
CODE_NUMBERS = 2048
"""Codes of more numbers per image are not kept."""
PLANE_IMAGES = 2000
GRID_SIDE = 15
GRID_TAIL = 0.05
"""The grid runs from this quantile of the normal distribution to its mirror image, as the blog's does."""
_CHUNK = 500


def keep_samples(job: Job, autoencoder: Autoencoder, x: Floats, y: Floats, *, epochs: int) -> None:
    """Write the npz of one checkpoint where the job asks for it; ``x``, ``y`` are the validation images, (n, …) each.

    Pictures are no reason to lose a case: what goes wrong is written to standard error, which is the case's log.
    """
    if job.samples is None:
        return
    try:
        _write(Path(f"{job.samples}-{epochs}.npz"), collect_samples(autoencoder, x, y, _read_labels(Path(job.data))))
    except Exception:  # noqa: BLE001 - a model file may raise anything, a disk may be full
        traceback.print_exc()


def _read_labels(data: Path) -> Pixels:
    """The validation images' classes, (n,), alone: the prepared file's other arrays stay where they are."""
    with np.load(data, allow_pickle=False) as arrays:
        labels: Pixels = arrays[NAMES[-1]]
    return labels


def collect_samples(autoencoder: Autoencoder, x: Floats, y: Floats, labels: Pixels) -> dict[str, npt.NDArray[Any]]:
    """The arrays of one checkpoint.

    Always: ``labels`` (k,) and ``input``, ``target``, ``output`` (k, s, s), all uint8, of the same k ≤ 10 images in
    every run on the same data. Where a code has few numbers enough: ``codes`` (k, …) float16. Where it is a plane of
    two: ``plane`` (m, 2) float16 and ``plane_labels`` (m,) uint8 of m ≤ 2,000 images; with a decoder also ``grid``
    (15, 15, s, s) uint8, decoded from the normal distribution's quantiles, the second number growing upwards.
    """
    chosen = choose_images(labels)
    codes = _predict(autoencoder.encoder, x[chosen])
    rebuilt = _predict(autoencoder.model, x[chosen]) if autoencoder.decoder is None else None
    output = _predict(autoencoder.decoder, codes) if rebuilt is None else rebuilt
    found: dict[str, npt.NDArray[Any]] = {
        "labels": labels[chosen].astype(np.uint8),
        "input": _to_pixels(x[chosen]),
        "target": _to_pixels(y[chosen]),
        "output": _to_pixels(output),
    }
    if codes[0].size <= CODE_NUMBERS:
        found["codes"] = _to_float16(codes)
    if codes.shape[1:] == (2,):
        found |= _collect_plane(autoencoder, x, labels)
    return found


def choose_images(labels: Pixels) -> list[int]:
    """Indices of the first image of each class, ascending by class; other first images where classes are missing."""
    firsts = {int(label): index for index, label in reversed(list(enumerate(labels)))}
    chosen = [firsts[label] for label in sorted(firsts)][:IMAGES]
    others = [index for index in range(min(len(labels), 2 * IMAGES)) if index not in chosen]
    return [*chosen, *others[: IMAGES - len(chosen)]]


def _collect_plane(autoencoder: Autoencoder, x: Floats, labels: Pixels) -> dict[str, npt.NDArray[Any]]:
    found: dict[str, npt.NDArray[Any]] = {
        "plane": _to_float16(_predict(autoencoder.encoder, x[:PLANE_IMAGES])),
        "plane_labels": labels[:PLANE_IMAGES].astype(np.uint8),
    }
    if autoencoder.decoder is not None:
        images = _to_pixels(_predict(autoencoder.decoder, _make_grid_codes()))
        found["grid"] = images.reshape(GRID_SIDE, GRID_SIDE, *images.shape[1:])
    return found


def _make_grid_codes() -> Floats:
    """(15 · 15, 2) codes, row by row from the top."""
    quantiles = np.linspace(GRID_TAIL, 1 - GRID_TAIL, GRID_SIDE)
    places = np.array([statistics.NormalDist().inv_cdf(quantile) for quantile in quantiles], np.float32)
    second, first = np.meshgrid(places[::-1], places, indexing="ij")
    return np.stack([first.ravel(), second.ravel()], axis=1)


def _predict(model: Any, batch: Floats) -> Floats:
    """What a model gives, float32 whatever backend and policy it computes with."""
    parts = [model.predict_on_batch(batch[start : start + _CHUNK]) for start in range(0, len(batch), _CHUNK)]
    return np.concatenate([np.asarray(part).astype(np.float32) for part in parts])


def _to_pixels(images: Floats) -> Pixels:
    """(n, …) in [0, 1] to (n, s, s) in 0..255."""
    side = round((images[0].size) ** 0.5)
    if side * side != images[0].size:
        raise ValueError(f"{images[0].size} pixels per image make no square picture; shape {images.shape}")
    scaled = np.clip(np.nan_to_num(images.astype(np.float32)), 0, 1) * 255
    return np.rint(scaled).astype(np.uint8).reshape(len(images), side, side)


def _to_float16(codes: Floats) -> npt.NDArray[np.float16]:
    most = np.finfo(np.float16).max
    return np.clip(np.nan_to_num(codes), -most, most).astype(np.float16)


def _write(path: Path, arrays: dict[str, npt.NDArray[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    save: Any = np.savez_compressed  # its types take any array's name for an option of its own
    try:
        with beside.open("wb") as file:
            save(file, **arrays)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
