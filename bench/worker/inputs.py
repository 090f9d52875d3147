"""Images as compiled loops keep them on the device: bytes where what the model makes of them is no more than that.

Images are prepared chunk by chunk, so that the float arrays of a whole dataset, four times its size, never exist.
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
"""Bytes: where backends want memory to begin that they use as it is."""

Array = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
Prepare = Callable[
    [npt.NDArray[np.uint8], np.random.Generator], tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
]


@dataclass(eq=False)
class Examples:
    """What a model is fed and what it is to give back, (n, …) each; one array twice where they are one.

    Bytes stand for 255ths; whatever is not made of 255ths (noise) stays float32.
    """

    x: Array
    y: Array

    def arrays(self) -> list[Array]:
        """Both, or one where they are one."""
        return [self.x] if self.y is self.x else [self.x, self.y]

    def handed_over(self) -> list[Array]:
        """The same, and no longer held here: whoever copies them to a device need not hold them twice."""
        arrays = self.arrays()
        self.x = self.y = np.empty((0,), np.uint8)
        return arrays


def prepare_uint8(prepare: Prepare, images: Images, rng: np.random.Generator) -> Examples:
    """What a model makes of ``images``, (n, 28, 28) uint8, as small as it can be held without loss.

    Its random numbers are those that it would draw for all images at once, since it draws them image by image.
    """
    x, y, same = _Packing(len(images)), _Packing(len(images)), True
    for start in range(0, len(images), _CHUNK):
        given, wanted = prepare(images[start : start + _CHUNK], rng)
        same = same and given is wanted
        x.put(start, given)
        if not same:
            y.put(start, wanted)
    return Examples(x.array, x.array if same else y.array)


def floats(array: Array) -> Floats:
    """The array as a model takes it: float32 in [0, 1]."""
    return np.divide(array, 255, dtype=np.float32) if array.dtype == np.uint8 else array.astype(np.float32, copy=False)


def is_aligned(array: Array) -> bool:
    """Whether a backend can use the array's memory without a copy of its own."""
    return array.flags.c_contiguous and array.ctypes.data % _ALIGNMENT == 0


def _aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An array of no particular values, whose memory a backend can use without a copy of its own."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    begin = -memory.ctypes.data % _ALIGNMENT
    return memory[begin : begin + size].view(dtype).reshape(shape)


class _Packing:
    """An array that holds bytes for as long as all that is put into it is made of 255ths."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self.array: Array = np.empty((0,), np.uint8)

    def put(self, start: int, values: Floats) -> None:
        if self.array.size == 0:
            self.array = _aligned((self._rows, *values.shape[1:]), np.dtype(np.uint8))
        if self.array.dtype == np.uint8:
            quantised = np.rint(values * np.float32(255)).clip(0, 255).astype(np.uint8)
            if np.array_equal(floats(quantised), values):
                self.array[start : start + len(values)] = quantised
                return
            packed, self.array = self.array, _aligned(self.array.shape, np.dtype(np.float32))
            self.array[:start] = floats(packed[:start])
        self.array[start : start + len(values)] = values
