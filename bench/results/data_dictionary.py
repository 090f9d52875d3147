"""The data dictionary of the CSV files, made from the row types: ``python -m bench.results.data_dictionary``."""

from pydantic import BaseModel

from bench.results.schema import SCHEMA_VERSION, EpochRow, PhaseRow, ResultRow

_HEAD = f"""\
# Columns

Made from the row types in `bench/results/schema.py` by `nox -s columns`; do not edit by hand. Schema version {SCHEMA_VERSION}.

CSV: UTF-8, comma, decimal point, a header line, full precision, an empty cell where something was not measured.
"""


def markdown() -> str:
    """The text of reports/COLUMNS.md."""
    return "\n".join(
        [_HEAD, _table("results.csv", ResultRow), _table("epochs.csv", EpochRow), _table("phases.csv", PhaseRow)]
    )


def _table(title: str, rows: type[BaseModel]) -> str:
    lines = [f"## {title}", "", (rows.__doc__ or "").strip(), "", "| column | meaning | unit | empty when |"]
    lines.append("| :--- | :--- | :--- | :--- |")
    for name, field in rows.model_fields.items():
        extra = field.json_schema_extra
        assert isinstance(extra, dict)  # noqa: S101 - written by `_column`
        lines.append(f"| `{name}` | {field.description} | {extra['unit']} | {extra['empty'] or 'never'} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201
