"""The data dictionary of the CSV files, made from the row types: ``python -m bench.results.data_dictionary``."""

from pydantic import BaseModel

from bench.results.schema import SCHEMA_VERSION, EpochRow, PhaseRow, ResultRow

_HEAD = f"""\
# Columns

Made from the row types in `bench/results/schema.py` by `nox -s columns`; do not edit by hand.
Schema version {SCHEMA_VERSION}.

CSV: UTF-8, comma, decimal point, a header line, full precision, an empty cell where something was not measured.
"""


def render_markdown() -> str:
    """The text of reports/COLUMNS.md."""
    tables: dict[str, type[BaseModel]] = {"results.csv": ResultRow, "epochs.csv": EpochRow, "phases.csv": PhaseRow}
    return "\n".join([_HEAD, *(_render_table(file, rows) for file, rows in tables.items())])


def _render_table(title: str, rows: type[BaseModel]) -> str:
    lines = [f"## {title}", "", (rows.__doc__ or "").strip(), "", "| column | meaning | unit | empty when |"]
    lines.append("| :--- | :--- | :--- | :--- |")
    for name, field in rows.model_fields.items():
        extra = field.json_schema_extra
        assert isinstance(extra, dict)  # noqa: S101 - written by `column`
        lines.append(f"| `{name}` | {field.description} | {extra['unit']} | {extra['empty'] or 'never'} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    print(render_markdown(), end="")  # noqa: T201
