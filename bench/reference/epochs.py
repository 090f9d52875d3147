"""epochs.csv of a stranger, read as the tables that rows are computed from."""

import csv
import io
import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import InvalidInput, quote
from bench.results.process_schema import EpochRow

_MOST_EPOCHS = 200_000
"""Rows of epochs.csv, and of one process a twentieth: what a warm-up is looked for in takes time."""
_MOST_OF_RUN = 10_000
_TIMES = ("train_s", "val_s", "harness_s", "between_s")
_OTHERS = (
    *("train_loss", "val_loss", "energy_j"),
    *("steal_percent", "cores", "own_cores", "other_cores", "involuntary_per_s", "mhz"),
)
"""May be empty. No other column decides anything of a row."""
_LONGEST_S = 1e9
_MOST = 1e18


class ReadEpochs:
    """The epochs of one process that rows are computed from, as an `EpochTable`."""

    def __init__(self) -> None:
        self._columns: dict[str, list[Any]] = {name: [] for name in (*_TIMES, *_OTHERS, "noisy")}

    def __len__(self) -> int:
        return len(self._columns["noisy"])

    def get_column(self, name: str) -> list[Any]:
        """Return one number of each epoch, or None where one is not known; "noisy" is a bool."""
        return self._columns[name]

    def add(self, row: Mapping[str, str]) -> None:
        """Add a line of epochs.csv. Raises `ValueError` where a cell is none, or another epoch comes next."""
        if row["epoch"] != str(len(self) + 1):
            raise ValueError(f"epoch {row['epoch']} where {len(self) + 1} comes next")
        numbers = {name: _read_number(name, row[name], 0, _LONGEST_S) for name in _TIMES}
        numbers |= {name: _read_number(name, row[name] or None, -_MOST, _MOST) for name in _OTHERS}
        for name, value in {**numbers, "noisy": bool(row["noise"])}.items():
            self._columns[name].append(value)


def _read_number(name: str, cell: str | None, least: float, most: float) -> float | None:
    if cell is None:
        return None
    number = float(cell)
    if not (math.isfinite(number) and least <= number <= most):
        raise ValueError(f"{name} is {cell}")
    return number


def read_epochs(data: bytes, path: Path, cores: int) -> dict[str, ReadEpochs]:
    """Read the epochs of each process, which are numbered from 1 without a gap.

    ``cores`` are the machine's: older files do not say how many CPUs a process might run on.
    Raises `InvalidInput` where it is no epochs.csv, or too long.
    """
    where = f"{quote(path)}, epochs.csv"
    try:
        table = csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)
        header = table.fieldnames or []
        needed = set(EpochRow.model_fields) - {"cores"}
        if needed - set(header) or len(set(header)) < len(header):
            raise InvalidInput(f"{where}: a column is missing or there twice. Give the file as aebench wrote it.")
        runs: dict[str, ReadEpochs] = defaultdict(ReadEpochs)
        for count, row in enumerate(table, 1):
            run = runs[row["case_id"]]
            if count > _MOST_EPOCHS or len(run) >= _MOST_OF_RUN:
                limits = f"{_MOST_EPOCHS:,} epochs, {_MOST_OF_RUN:,} of one process"
                raise InvalidInput(f"{where} has more than {limits}, which no report for the collection needs.")
            if None in row or None in row.values():
                raise ValueError("a line is longer or shorter than the first")  # noqa: TRY301
            run.add({"cores": str(cores), **row})
    except (ValueError, csv.Error) as error:
        raise InvalidInput(f"{where} is not as aebench writes it: {quote(error, 100)}.") from error
    return dict(runs)
