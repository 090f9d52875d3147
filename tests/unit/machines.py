"""Machines made of rows, as `aebench compare` would read them."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import scripted

from bench.compare.cases import Machine, read_machine
from bench.results.reader import Report, Row
from bench.results.schema import ResultRow


def narrow(row: ResultRow) -> Row:
    """The columns that a comparison reads."""
    return Row(**{field.name: getattr(row, field.name) for field in fields(Row)})


def of(
    *rows: Row, machine_id: str = "ma1b2c3d4", environment_id: str = "", source: str = "here", **fingerprint: Any
) -> Machine:
    """A machine of these rows; its environment is named like the machine where no other is given."""
    return read_machine(
        Report(
            path=Path(source) / "results.csv",
            machine_id=machine_id,
            environment_id=environment_id or f"e{machine_id.removeprefix('m')}",
            fingerprint=scripted.fingerprint(**fingerprint),
            started_at="2026-01-02T03:04:05+00:00",
            rows=rows,
        )
    )
