"""Machines made of rows, as `aebench compare` would read them."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import scripted

from bench.compare.cases import Machine, add_labels, read_machine
from bench.compare.machines import Comparison, compare_machines
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


def result(model: str = "basic", seconds: float | None = 1.0, reach: float = 1.02, **changes: Any) -> Row:
    """A case after fifty epochs; its interval reaches two percent to each side."""
    measured: dict[str, Any] = {
        "case_id": scripted.strange_case(model=model, repeat=changes.get("repeat", 0)).case_id,
        "model": model,
        "epochs": 50,
        "run_epochs": 50,
        **scripted.times(seconds, reach),
        "val_bce": 0.1,
        "peak_anon_mib": 400.0,
        "peak_rss_mib": 800.0,
        "noisy_epochs": 0,
    }
    return narrow(scripted.result_row(**measured | changes))


def against(*others: Machine, reference: Machine | None = None) -> Comparison:
    [first, *rest] = add_labels([reference or of(result(seconds=2.0), result("deep", seconds=4.0)), *others])
    return compare_machines(first, rest)


def fast(**fingerprint: Any) -> Machine:
    rows = (result(peak_anon_mib=388.0), result("deep", seconds=2.04, peak_anon_mib=388.0))
    return of(*rows, **{"machine_id": "mffff0000"} | fingerprint)
