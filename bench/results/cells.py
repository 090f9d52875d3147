"""The cells of a stranger's results.csv: what each column may hold.

A column is checked at once, and each different value once, since most columns have the same value in every row.
"""

import functools
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from bench.errors import InvalidInput, make_one_line, quote
from bench.results.schema import ResultRow

SHOWN = 60
"""Characters of a cell that a message quotes."""
_LONGEST_TEXT = 1_000
_LONGEST = {"error": 100_000, "env_flags": 100_000}
"""Of columns whose text others wrote: a backend's message, a person's flags of the compiler."""
_DECIMAL_COMMA = " A spreadsheet may have saved it with decimal commas, and changed numbers. Give the original."

_COUNTED: dict[str, Any] = {"ge": 1, "le": 10**12}
_FROM_NOTHING: dict[str, Any] = {"ge": 0, "le": 10**12}
_MEASURED: dict[str, Any] = {"gt": 1e-9, "lt": 1e9}
_LOSS: dict[str, Any] = {"gt": -1e9, "lt": 1e9}
_ANY: dict[str, Any] = {"ge": -(10**18), "le": 10**18}
_BOUNDS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(
        ("batch_size", "epochs", "run_epochs", "train_samples", "val_samples", "cores_logical", "ram_mib"), _COUNTED
    ),
    **dict.fromkeys(("total_s", "epoch_s_median", "epoch_s_quiet", "epoch_s_low", "epoch_s_high"), _MEASURED),
    "epoch_s_error": {"ge": 0, "lt": 100},
    **dict.fromkeys(("peak_rss_mib", "peak_anon_mib", "cpu_limit"), _MEASURED),
    **dict.fromkeys(("reference_gflop_per_s", "reference_gb_per_s", "usual_gb_per_s"), _MEASURED),
    **dict.fromkeys(("train_loss", "val_loss"), _LOSS),
    "val_bce": {"ge": 0, "lt": 1e9},
    **dict.fromkeys(("repeat", "noisy_epochs"), _FROM_NOTHING),
    **dict.fromkeys(("threads", "usual_hours"), _COUNTED),
}
"""Bounds of numbers, so that every ratio of two of them is a number too."""


def parse_column(name: str, cells: Sequence[str], lines: Sequence[int]) -> list[Any]:
    """Return a column's cells as values of its type; ``lines`` are the numbers of the lines that they stand in.

    Raises `InvalidInput` with a message that begins where the file's name ends.
    """
    different = list(dict.fromkeys(cells))
    try:
        values = _make_adapter(name).validate_python([make_one_line(cell) or None for cell in different])
    except ValidationError as error:
        wrong = different[int(error.errors(include_url=False)[0]["loc"][0])]
        where = f", line {lines[cells.index(wrong)]}, column {name}"
        got = f"got {quote(wrong, SHOWN)!r}" if wrong else "the cell is empty"
        comma = _DECIMAL_COMMA if re.fullmatch(r"-?[0-9]{1,20},[0-9]{1,20}", wrong) else ""
        raise InvalidInput(f"{where}: expected {_describe_expected(name)}; {got}.{comma}") from error
    if len(values) == 1:
        return values * len(cells)
    value_of = dict(zip(different, values, strict=True))
    return [value_of[cell] for cell in cells]


@functools.cache
def _make_adapter(name: str) -> TypeAdapter[list[Any]]:
    annotation: Any = ResultRow.model_fields[name].annotation
    bounded = [_add_bounds(name, kind) for kind in _list_kinds(annotation)]
    item: Any = functools.reduce(lambda one, other: one | other, bounded)
    return TypeAdapter(list[item], config=ConfigDict(allow_inf_nan=False))


def _list_kinds(annotation: Any) -> tuple[Any, ...]:
    """The members of a union; anything else alone."""
    if annotation is None or get_origin(annotation) is Literal:
        return (annotation,)
    return get_args(annotation) or (annotation,)


def _add_bounds(name: str, kind: Any) -> Any:
    if kind in {int, float}:
        return Annotated[kind, Field(**_BOUNDS.get(name, _ANY))]
    if kind is str:
        return Annotated[str, StringConstraints(max_length=_LONGEST.get(name, _LONGEST_TEXT))]
    return kind


def _describe_expected(name: str) -> str:
    annotation: Any = ResultRow.model_fields[name].annotation
    kinds = _list_kinds(annotation)
    nothing = " or nothing" if type(None) in kinds else ""
    literal = next((kind for kind in kinds if get_origin(kind) is Literal), None)
    if literal is not None:
        return "one of " + ", ".join(map(str, get_args(literal))) + nothing
    words = {int: "a whole number", float: "a number", bool: "True or False", str: "text"}
    word = next(words[kind] for kind in kinds if kind in words)
    bounds = _BOUNDS.get(name, {})
    within = " that is plausible" if bounds else ""
    limit = f" of at most {_LONGEST.get(name, _LONGEST_TEXT):,} characters" if str in kinds else ""
    return f"{word}{within}{limit}{nothing}"
