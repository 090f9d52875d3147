"""Epochs and samples by the hundred thousand, kept as columns of numbers: some 60 bytes an epoch instead of a thousand.

A report compares all cases of a sweep. Their epochs are packed as soon as they are known, each column by itself:
numbers of one kind lie side by side and byte by byte, so that zlib finds what repeats in them. Nothing is lost by it,
down to the last bit. What is too much for memory even so is put away in a `bench.results.spool`.
"""

import dataclasses
import operator
import zlib
from abc import abstractmethod
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice
from typing import Any, ClassVar, TypeVar, get_args, overload

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from bench.host.noise import Interval, find_noise
from bench.results.spool import Held, Part, Spool
from bench.worker.protocol import EpochEvent

_Item = TypeVar("_Item")
_LEVEL = 1
"""More would save a tenth, and take twice as long."""


_WIDTH = 8
_PIECE = 1_024
"""Items that are taken apart at once."""


def _packed(kinds: Iterable[str], rows: Iterator[tuple[Any, ...]]) -> tuple[int, list[bytes]]:
    """How many rows there are, and of each column its numbers and what tells where there is none.

    The latter has a byte for each, 1 where there is none, or nothing where all have one.
    """
    grown = [(array(kind), bytearray()) for kind in kinds]
    count = 0
    while piece := list(islice(rows, _PIECE)):
        count += len(piece)
        for (numbers, absent), values in zip(grown, zip(*piece, strict=True), strict=True):
            if None in values:
                absent.extend(value is None for value in values)
                numbers.extend(0 if value is None else value for value in values)
            else:
                absent.extend(bytes(len(values)))
                numbers.extend(values)
    return count, [part for column in grown for part in _compressed(*column)]


def _compressed(numbers: "array[Any]", absent: bytearray) -> tuple[bytes, bytes]:
    raw = numbers.tobytes()
    apart = b"".join(raw[place::_WIDTH] for place in range(_WIDTH))
    return zlib.compress(apart, _LEVEL), zlib.compress(absent, _LEVEL) if any(absent) else b""


def _unpacked(kind: str, packed: bytes, gaps: bytes) -> Sequence[Any]:
    apart = zlib.decompress(packed)
    raw, count = bytearray(len(apart)), len(apart) // _WIDTH
    for place in range(_WIDTH):
        raw[place::_WIDTH] = apart[place * count : (place + 1) * count]
    numbers = array(kind)
    numbers.frombytes(raw)
    if not gaps:
        return numbers
    return [None if gone else value for value, gone in zip(numbers, zlib.decompress(gaps), strict=True)]


class Packed(Sequence[_Item]):
    """Items of one kind, kept as columns and made again, equal to what they were, when they are asked for.

    It is a sequence like a tuple of them; a slice is such a tuple, and `column` gets one number of each without making
    any. Raises `ValueError` where a number does not fit into 64 bits.
    """

    __slots__ = ("_count", "_ends", "_part")
    _KINDS: ClassVar[dict[str, str]]
    """Each column's name and its kind of number, as `array` calls it."""

    def __init__(self, items: Iterable[_Item] = ()) -> None:
        try:
            self._count, parts = _packed(self._KINDS.values(), map(self._cells, items))
        except OverflowError as error:
            raise ValueError("a number is beyond all that can be measured") from error
        self._part: Part = Held(b"".join(parts))
        self._ends = array("Q", accumulate(map(len, parts)))
        """Where each column's two parts end."""

    def spool(self, spool: Spool) -> None:
        """Put the columns away; they are read back whenever they are asked for."""
        if self:  # what is empty may be shared by all, for ever
            self._part = spool.keep(self._part.read())

    @classmethod
    @abstractmethod
    def _cells(cls, item: _Item) -> tuple[Any, ...]:
        """An item's numbers, in the order of the columns."""

    @classmethod
    @abstractmethod
    def _item(cls, cells: tuple[Any, ...]) -> _Item:
        """The item that has these numbers."""

    def column(self, name: str) -> Sequence[Any]:
        """One number of each item, or None."""
        return self._column(list(self._KINDS).index(name))

    def columns(self) -> Iterator[Sequence[Any]]:
        """All columns, one at a time."""
        return map(self._column, range(len(self._KINDS)))

    def _column(self, place: int) -> Sequence[Any]:
        begin, middle, end = [0, *self._ends][2 * place : 2 * place + 3]
        data = self._part.read(begin, end - begin)
        return _unpacked(list(self._KINDS.values())[place], data[: middle - begin], data[middle - begin :])

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[_Item]:
        return map(self._item, zip(*self.columns(), strict=True))

    @overload
    def __getitem__(self, place: int) -> _Item: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[_Item]: ...

    def __getitem__(self, place: int | slice) -> _Item | Sequence[_Item]:
        if isinstance(place, slice):
            return tuple(self)[place]
        if not -self._count <= place < self._count:
            raise IndexError(place)
        return next(islice(self, place % self._count, None))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, type(self)):
            return self._ends == other._ends and self._part.read() == other._part.read()
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(self._part.read())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({tuple(self)!r})"

    @classmethod
    def _schema_of(cls, kind: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read from what a tuple of ``kind`` is read from, and written as one."""
        items = handler.generate_schema(tuple[kind, ...])
        read = core_schema.no_info_after_validator_function(cls, items)
        return core_schema.json_or_python_schema(
            json_schema=read,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), read]),
            serialization=core_schema.plain_serializer_function_ser_schema(tuple, return_schema=items),
        )


def _kinds(of: Any) -> dict[str, str]:
    """The numbers of a dataclass: q for whole ones, d for all others."""
    types = {field.name: {field.type, *get_args(field.type)} for field in dataclasses.fields(of)}
    return {name: "q" if int in kinds else "d" for name, kinds in types.items() if kinds & {int, float}}


_OWN, _SEEN = _kinds(EpochEvent), _kinds(Interval)
_own, _seen = operator.attrgetter(*_OWN), operator.attrgetter(*_SEEN)


class Epochs(Packed[EpochEvent]):
    """Epochs of one case. The columns are the fields of `EpochEvent` and of its `noise`, and ``noisy``: 1 or 0."""

    __slots__ = ()
    _KINDS: ClassVar[dict[str, str]] = {**_OWN, **_SEEN, "noisy": "q"}

    @classmethod
    def _cells(cls, item: EpochEvent) -> tuple[Any, ...]:
        return (*_own(item), *_seen(item.noise), bool(find_noise(item.noise)))

    @classmethod
    def _item(cls, cells: tuple[Any, ...]) -> EpochEvent:
        seen = Interval(**dict(zip(_SEEN, cells[len(_OWN) : -1], strict=True)))
        return EpochEvent(**dict(zip(_OWN, cells, strict=False)), noise=seen)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return cls._schema_of(EpochEvent, handler)


class MemorySamples(Packed[tuple[float, float]]):
    """Pairs of numbers."""

    __slots__ = ()
    _KINDS: ClassVar[dict[str, str]] = {"at_s": "d", "mib": "d"}

    @classmethod
    def _cells(cls, item: tuple[float, float]) -> tuple[Any, ...]:
        return item

    @classmethod
    def _item(cls, cells: tuple[Any, ...]) -> tuple[float, float]:
        return cells[0], cells[1]

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return cls._schema_of(tuple[float, float], handler)
