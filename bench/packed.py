"""Epochs and samples by the hundred thousand, kept as columns of numbers: some 60 bytes an epoch instead of a thousand.

A report compares all cases of a sweep, so all of them are in memory. Their epochs are packed as soon as they are known,
each column by itself: numbers of one kind lie side by side and byte by byte, so that zlib finds what repeats in them.
Nothing is lost by it, down to the last bit.
"""

import dataclasses
import operator
import zlib
from abc import abstractmethod
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, ClassVar, NamedTuple, TypeVar, get_args, overload

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from bench.event import EpochEvent
from bench.noise import Interval, flags

_Item = TypeVar("_Item")
_LEVEL = 1
"""More would save a tenth, and take twice as long."""


class _Column(NamedTuple):
    """One number of each item; ``absent`` has a byte for each, 1 where there is none, or empty where all have one."""

    kind: str
    """`array`'s: d or q."""
    numbers: bytes
    absent: bytes


def _packed(kind: str, values: Sequence[Any]) -> _Column:
    """Raises `ValueError` where a number does not fit into 64 bits."""
    absent = bytes(value is None for value in values) if None in values else b""
    try:
        raw = array(kind, (0 if value is None else value for value in values) if absent else values).tobytes()
    except OverflowError as error:
        raise ValueError("a number is beyond all that can be measured") from error
    apart = b"".join(raw[place::_WIDTH] for place in range(_WIDTH))
    return _Column(kind, zlib.compress(apart, _LEVEL), zlib.compress(absent, _LEVEL) if absent else b"")


def _unpacked(column: _Column) -> Sequence[Any]:
    apart = zlib.decompress(column.numbers)
    raw, count = bytearray(len(apart)), len(apart) // _WIDTH
    for place in range(_WIDTH):
        raw[place::_WIDTH] = apart[place * count : (place + 1) * count]
    numbers = array(column.kind)
    numbers.frombytes(raw)
    if not column.absent:
        return numbers
    absent = zlib.decompress(column.absent)
    return [None if gone else value for value, gone in zip(numbers, absent, strict=True)]


_WIDTH = 8


class Packed(Sequence[_Item]):
    """Items of one kind, kept as columns and made again, equal to what they were, when they are asked for.

    It is a sequence like a tuple of them; a slice is such a tuple, and `column` gets one number of each without making
    any. Raises `ValueError` where a number does not fit into 64 bits.
    """

    __slots__ = ("_columns", "_count")
    _KINDS: ClassVar[dict[str, str]]
    """Each column's name and its kind of number, as `array` calls it."""

    def __init__(self, items: Iterable[_Item] = ()) -> None:
        rows = list(map(self._cells, items))
        self._count = len(rows)
        columns = zip(*rows, strict=True) if rows else ((),) * len(self._KINDS)
        self._columns = tuple(_packed(kind, values) for kind, values in zip(self._KINDS.values(), columns, strict=True))

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
        return _unpacked(self._columns[list(self._KINDS).index(name)])

    def columns(self) -> Iterator[Sequence[Any]]:
        """All columns, one at a time."""
        return map(_unpacked, self._columns)

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
            return self._columns == other._columns
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(self._columns)

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
    """Epochs of one case. The columns are the fields of `EpochEvent` and of its `noise`, and ``flagged``: 1 or 0."""

    __slots__ = ()
    _KINDS: ClassVar[dict[str, str]] = {**_OWN, **_SEEN, "flagged": "q"}

    @classmethod
    def _cells(cls, item: EpochEvent) -> tuple[Any, ...]:
        return (*_own(item), *_seen(item.noise), bool(flags(item.noise)))

    @classmethod
    def _item(cls, cells: tuple[Any, ...]) -> EpochEvent:
        seen = Interval(**dict(zip(_SEEN, cells[len(_OWN) : -1], strict=True)))
        return EpochEvent(**dict(zip(_OWN, cells, strict=False)), noise=seen)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return cls._schema_of(EpochEvent, handler)


class Samples(Packed[tuple[float, float]]):
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
