"""Epochs and memory samples by the hundred thousand, as NumPy columns: some 220 bytes per epoch, not a thousand."""

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter, itemgetter
from typing import Any, ClassVar, Protocol, TypeVar, get_args, overload

import numpy as np
import numpy.typing as npt
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from bench.host.noise import Interval, find_noise
from bench.worker.protocol import EpochEvent

_Item = TypeVar("_Item")
_CHUNK = 1_000
"""Items that are made at once."""


class EpochTable(Protocol):
    """The epochs of one process, by column: the `Epochs` of a journal, or what an epochs.csv says of them."""

    def get_column(self, name: str) -> list[Any]:
        """Return one number of each epoch, or None where one is not known; "noisy" is a bool."""


class Columns(Sequence[_Item]):
    """Items of one kind, kept as a table of numbers and made again, equal to what they were, when they are asked for.

    It is a sequence like a tuple of them; a slice is such a tuple, and `get_column` gives one number of each without
    making any. Raises `ValueError` where a number does not fit into 64 bits.
    """

    __slots__ = ("_table",)
    _COLUMNS: ClassVar[dict[str, tuple[type, Callable[[Any], Any]]]]
    """Each column's name, its kind of number, and what gets it from an item. A number may be None."""

    def __init__(self, items: Iterable[_Item] = ()) -> None:
        items = tuple(items)
        dtype = [(name, kind) for name, (kind, _) in self._COLUMNS.items()]
        self._table: Any = np.ma.zeros(len(items), dtype=dtype)
        for name, (kind, get) in self._COLUMNS.items():
            values = [get(item) for item in items]
            missing = [value is None for value in values]
            try:
                self._table.data[name] = np.array([0 if value is None else value for value in values], kind)
            except OverflowError as error:
                raise ValueError("a number is beyond all that can be measured") from error
            if any(missing):
                self._table[name] = np.ma.array(self._table.data[name], mask=missing)

    @classmethod
    @abstractmethod
    def _make_item(cls, numbers: tuple[Any, ...]) -> _Item:
        """The item that has these numbers, in the order of the columns."""

    def get_column(self, name: str) -> list[Any]:
        """One number of each item, or None."""
        values: list[Any] = self._table.data[name].tolist()
        missing = np.ma.getmaskarray(self._table)[name]  # as a masked array it would take ten times as long
        return [None if is_missing else value for value, is_missing in zip(values, missing.tolist(), strict=True)]

    def iterate_arrays(self) -> Iterator[npt.NDArray[Any]]:
        """All columns, one at a time, with 0 where there is no number."""
        return (self._table.data[name] for name in self._COLUMNS)

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[_Item]:
        for start in range(0, len(self), _CHUNK):
            yield from map(self._make_item, self._table[start : start + _CHUNK].tolist())

    @overload
    def __getitem__(self, place: int) -> _Item: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[_Item]: ...

    def __getitem__(self, place: int | slice) -> _Item | Sequence[_Item]:
        if isinstance(place, slice):
            return tuple(map(self._make_item, self._table[place].tolist()))
        return self._make_item(self._table[place].tolist())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({tuple(self)!r})"

    @classmethod
    def _build_schema(cls, kind: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read from what a tuple of ``kind`` is read from, and written as one."""
        items = handler.generate_schema(tuple[kind, ...])
        read = core_schema.no_info_after_validator_function(cls, items)
        return core_schema.json_or_python_schema(
            json_schema=read,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), read]),
            serialization=core_schema.plain_serializer_function_ser_schema(tuple, return_schema=items),
        )


def _list_numbers(of: Any) -> dict[str, type]:
    """The numeric fields of a dataclass, and whether they are whole numbers."""
    types = {field.name: {field.type, *get_args(field.type)} for field in dataclasses.fields(of)}
    return {name: int if int in kinds else float for name, kinds in types.items() if kinds & {int, float}}


_EVENT, _NOISE = _list_numbers(EpochEvent), _list_numbers(Interval)


class Epochs(Columns[EpochEvent]):
    """Epochs of one case. The columns are the numbers of `EpochEvent` and of its ``noise``, and ``noisy``, a bool."""

    __slots__ = ()
    _COLUMNS: ClassVar[dict[str, tuple[type, Callable[[Any], Any]]]] = {
        **{name: (kind, attrgetter(name)) for name, kind in _EVENT.items()},
        **{name: (kind, attrgetter(f"noise.{name}")) for name, kind in _NOISE.items()},
        "noisy": (bool, lambda event: bool(find_noise(event.noise))),
    }

    @classmethod
    def _make_item(cls, numbers: tuple[Any, ...]) -> EpochEvent:
        noise = Interval(**dict(zip(_NOISE, numbers[len(_EVENT) :], strict=False)))
        return EpochEvent(**dict(zip(_EVENT, numbers, strict=False)), noise=noise)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return cls._build_schema(EpochEvent, handler)


class MemorySamples(Columns[tuple[float, float]]):
    """Memory samples of one case: seconds and MiB."""

    __slots__ = ()
    _COLUMNS: ClassVar[dict[str, tuple[type, Callable[[Any], Any]]]] = {
        "at_s": (float, itemgetter(0)),
        "mib": (float, itemgetter(1)),
    }

    @classmethod
    def _make_item(cls, numbers: tuple[Any, ...]) -> tuple[float, float]:
        return numbers[0], numbers[1]

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return cls._build_schema(tuple[float, float], handler)
