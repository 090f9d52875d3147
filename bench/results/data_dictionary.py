"""The data dictionary of the CSV files, made from the row types: ``python -m bench.results.data_dictionary``."""

from collections.abc import Sequence

from pydantic import BaseModel

from bench.host.fingerprint import Fingerprint
from bench.results.process_schema import EpochRow, PhaseRow
from bench.results.schema import SCHEMA_VERSION, Figures, Identity, Measurement, ResultRow

_HEAD = f"""\
# Columns

Made from the row types in `bench/results/schema.py` and `process_schema.py` beside it by `nox -s columns`; do not edit
by hand.
Schema version {SCHEMA_VERSION}.

CSV: UTF-8, comma, decimal point, a header line, full precision, an empty cell where something was not measured.
"""

_RESULTS: dict[str, type[BaseModel]] = {
    "What people look at": Figures,
    "Which case, and which of its checkpoints": Identity,
    "Details": Measurement,
    "The machine": Fingerprint,
}
"""Parts of results.csv. The file begins with those that name the case; a reader of this page with the figures."""


def render_markdown() -> str:
    """The text of reports/COLUMNS.md."""
    parts = [part for title, rows in _RESULTS.items() for part in (f"### {title}\n", _render_columns(rows))]
    return "\n".join(
        [
            _HEAD,
            _describe_file("results.csv", ResultRow, parts),
            _describe_file("epochs.csv", EpochRow, [_render_columns(EpochRow)]),
            _describe_file("phases.csv", PhaseRow, [_render_columns(PhaseRow)]),
        ]
    )


def _describe_file(title: str, rows: type[BaseModel], parts: Sequence[str]) -> str:
    return "\n".join([f"## {title}\n", f"{(rows.__doc__ or '').strip()}\n", *parts])


def _render_columns(rows: type[BaseModel]) -> str:
    """Render the columns that a row type adds to those of the type that it extends."""
    inherited = {name for base in rows.__bases__ if issubclass(base, BaseModel) for name in base.model_fields}
    lines = ["| column | meaning | unit | empty when |", "| :--- | :--- | :--- | :--- |"]
    for name, field in rows.model_fields.items():
        if name in inherited:
            continue
        extra = field.json_schema_extra
        assert isinstance(extra, dict)  # noqa: S101 - written by `column`
        lines.append(f"| `{name}` | {field.description} | {extra['unit']} | {extra['empty'] or 'never'} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    print(render_markdown(), end="")  # noqa: T201
