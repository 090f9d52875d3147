"""What is wrong with a profile or a flag, in the words of a colleague."""

from collections.abc import Iterable, Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bench.errors import InvalidInput, describe_unknown, format_count


def refuse(error: ValidationError, source: str, flags: set[str], keys: Mapping[str, Iterable[str]]) -> InvalidInput:
    """Return what to raise for a profile that is not valid: every mistake, each with its path in the file or its flag.

    ``flags`` are the fields that flags set; ``keys`` those that there are, by the table that they stand in ("" for the
    file itself).
    """
    details = [detail for detail in error.errors(include_url=False) if not _is_echo(detail)]
    of_flags = [_describe(detail, flags, keys) for detail in details if _is_of_flag(detail, flags)]
    of_profile = [_describe(detail, flags, keys) for detail in details if not _is_of_flag(detail, flags)]
    if not of_profile and len(of_flags) == 1:
        return InvalidInput(of_flags[0])
    lists = ((f"profile {source} has", of_profile), ("the flags have", of_flags))
    return InvalidInput(
        "\n".join(
            "\n  ".join([f"{where} {format_count(len(mistakes), 'mistake')}:", *mistakes])
            for where, mistakes in lists
            if mistakes
        )
    )


def make_flag(field: str) -> str:
    """Return the flag of `aebench run` that sets a field."""
    return "--" + field.removesuffix("_s").removesuffix("_percent").replace("_", "-")


def _is_of_flag(detail: ErrorDetails, flags: set[str]) -> bool:
    """Whether a flag made the mistake: the one that it names, or one of those that do not go together."""
    return bool(detail["loc"][0] in flags if detail["loc"] else flags & {"models", "backends", "loops"})


def _is_echo(detail: ErrorDetails) -> bool:
    """Whether a list is called too short only because its items, each of which is listed by itself, were refused."""
    return detail["type"] == "too_short" and bool(detail["input"])


def _describe(detail: ErrorDetails, flags: set[str], keys: Mapping[str, Iterable[str]]) -> str:
    """One line for one mistake: where, what is wrong, what was given."""
    where = ".".join(str(part) for part in detail["loc"])
    if detail["loc"] and detail["loc"][0] in flags:
        where = make_flag(str(detail["loc"][0]))
    if detail["type"] == "extra_forbidden":
        known = keys.get(str(detail["loc"][0]), keys[""])
        return f"{where}: {describe_unknown('key', str(detail['loc'][-1]), list(known))}"
    if detail["type"] in ("unknown", "order", "doubled", "too_many", "unsupported"):
        return f"{where}: {detail['msg']}" if where else detail["msg"]
    if detail["type"] == "missing":
        return f"{where}: is missing"
    words = _WORDS[detail["type"]].format(**detail.get("ctx", {})) if detail["type"] in _WORDS else detail["msg"]
    return f"{where}: {words}; got {detail['input']!r}"


_WORDS = {
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le:.10g} or less",
    "literal_error": "must be {expected}",
    "too_short": "must have something in it",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "finite_number": "must be a finite number",
    "string_pattern_mismatch": "must match {pattern}",
    "too_long": "must have {max_length} values at most",
    "mapping_type": "must be a table",
    "model_type": "must be a table",
}
"""How a colleague would say what Pydantic says of a value."""
