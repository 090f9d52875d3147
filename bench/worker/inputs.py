"""Images as models and loops take them: float32, or for compiled loops uint8 wherever that loses nothing.

uint8 images are prepared chunk by chunk, so that the float arrays of a whole dataset, four times its size, never exist.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from models.contract import Floats, Images

_CHUNK = 1_000
"""Images per chunk: 3 MB as floats."""
_ALIGNMENT = 64
"""Bytes: memory that begins at a multiple of this can be used by a backend without a copy."""

Array = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
Prepare = Callable[
    [npt.NDArray[np.uint8], np.random.Generator], tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
]


@dataclass(eq=False)
class Examples:
    """What a model is fed and what it is to give back, (n, …) each; the same array twice where they are one.

    A uint8 stands for so many 255ths; images that are not made of 255ths (noisy ones) are float32.
    """

    x: Array
    y: Array

    @property
    def arrays(self) -> list[Array]:
        """Both, or one where they are one."""
        return [self.x] if self.y is self.x else [self.x, self.y]

    def hand_over(self) -> list[Array]:
        """Return `arrays` and forget them, so that they are not held twice while they are copied to a device."""
        arrays = self.arrays
        self.x = self.y = np.empty((0,), np.uint8)
        return arrays


def prepare_uint8(prepare: Prepare, images: Images, rng: np.random.Generator) -> Examples:
    """What ``prepare`` makes of ``images``, (n, 28, 28) uint8: as uint8 again where that loses nothing.

    It draws the random numbers that it would draw for all images at once, since it draws them image by image.
    """
    x, y, same = _CompactArray(len(images)), _CompactArray(len(images)), True
    for start in range(0, len(images), _CHUNK):
        given, wanted = prepare(images[start : start + _CHUNK], rng)
        same = same and given is wanted
        x.put(start, given)
        if not same:
            y.put(start, wanted)
    return Examples(x.array, x.array if same else y.array)


def to_floats(array: Array) -> Floats:
    """The array as a model takes it: float32 in [0, 1]."""
    return np.divide(array, 255, dtype=np.float32) if array.dtype == np.uint8 else array.astype(np.float32, copy=False)


def is_aligned(array: Array) -> bool:
    """Whether a backend can use the array's memory without a copy of its own."""
    return array.flags.c_contiguous and array.ctypes.data % _ALIGNMENT == 0


def _allocate(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An array of no particular values, aligned as `is_aligned` asks for."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    begin = -memory.ctypes.data % _ALIGNMENT
    return memory[begin : begin + size].view(dtype).reshape(shape)


class _CompactArray:
    """An array that is uint8 as long as all that is put into it is made of 255ths, and float32 from then on."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self.array: Array = np.empty((0,), np.uint8)

    def put(self, start: int, values: Floats) -> None:
        if self.array.size == 0:
            self.array = _allocate((self._rows, *values.shape[1:]), np.dtype(np.uint8))
        if self.array.dtype == np.uint8:
            quantised = np.rint(values * np.float32(255)).clip(0, 255).astype(np.uint8)
            if np.array_equal(to_floats(quantised), values):
                self.array[start : start + len(values)] = quantised
                return
            integers, self.array = self.array, _allocate(self.array.shape, np.dtype(np.float32))
            self.array[:start] = to_floats(integers[:start])
        self.array[start : start + len(values)] = values
