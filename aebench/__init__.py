"""Reports as pandas data frames, and the command line.

    import aebench

    report = aebench.load("reports/X")
    report.cases, report.checkpoints, report.epochs, report.phases, report.environment
    aebench.compare(["reports/X", "elsewhere/results.csv"]).machines

Importing this package imports nothing else, pandas neither; `load` and `compare` do. They and the command line work
from whatever folder and with whatever on ``PYTHONPATH``, and beside a `bench` or a `models` of yours: see
`bench.launch`.
"""

import functools
import importlib
import importlib.util
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "InvalidInput", "Report", "compare", "load"]

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE if (_HERE / "bench").is_dir() else _HERE.parent
"""Holds `bench` and `models`, which a wheel has inside this package and a checkout beside it."""


class InvalidInput(ValueError):
    """What was named is no report: the message says what arrived, what was expected and what to do."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class _Shown:
    """What shows its answer when it is printed, and a table too in a notebook."""

    answer: tuple[str, ...]
    """What was found, in sentences."""
    _html: str

    def __repr__(self) -> str:
        return "\n".join(self.answer)

    def _repr_html_(self) -> str:
        return self._html


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Report(_Shown):
    """One sweep, as `load` reads it."""

    cases: "pd.DataFrame"
    """One row per case at the last checkpoint that it reached.

    Figures are medians over the ``processes`` that reached it, in the units of results.csv; ``epoch_s_quiet`` and its
    95 % interval, ``epoch_s_low`` to ``epoch_s_high``, are what all processes of the sweep say together. ``status`` is
    ok where no process of the case failed.
    """
    checkpoints: "pd.DataFrame"
    """The rows of results.csv: one per process and checkpoint."""
    epochs: "pd.DataFrame"
    """The rows of epochs.csv: one per epoch of a process."""
    phases: "pd.DataFrame"
    """The rows of phases.csv: one per phase of a process."""
    environment: dict[str, Any]
    """What environment.json holds: the machine's fingerprint, the profile, the dataset."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Comparison(_Shown):
    """Machines compared with the first of them, as `compare` does it."""

    cases: "pd.DataFrame"
    """The rows of comparison.csv: one per case of each machine but the first."""
    machines: "pd.DataFrame"
    """One row per machine, the first one first: how many ``times_as_fast`` it is, its memory, and what it is."""


def load(path: str | os.PathLike[str]) -> Report:
    """Read a report folder; of a sweep that is still running, the cases that have ended.

    Raises `InvalidInput` where the folder is no report.
    """
    with _import_ours("bench.report.dataframes") as dataframes:
        report = dataframes.read_sweep(Path(path))
        return Report(
            answer=tuple(dataframes.list_sentences(report)),
            cases=dataframes.tabulate_cases(report),
            checkpoints=dataframes.tabulate_checkpoints(report),
            epochs=dataframes.tabulate_epochs(report),
            phases=dataframes.tabulate_phases(report),
            environment=dataframes.describe_environment(report),
            _html=dataframes.format_sweep(report),
        )


def compare(paths: Sequence[str | os.PathLike[str]]) -> Comparison:
    """Compare reports, folders or bare results.csv files, with the first of them.

    Raises `InvalidInput` where there are fewer than two, or one cannot be read.
    """
    with _import_ours("bench.compare.dataframes") as dataframes:
        comparison = dataframes.read_comparison(paths)
        return Comparison(
            answer=tuple(dataframes.list_sentences(comparison)),
            cases=dataframes.tabulate_cases(comparison),
            machines=dataframes.tabulate_machines(comparison),
            _html=dataframes.format_comparison(comparison),
        )


@contextmanager
def _import_ours(name: str) -> Iterator[ModuleType]:
    """Import a module of `bench`; its `InvalidInput` becomes ours, which callers can import, without its traceback."""
    with _lock:  # of several threads, all must get one and the same
        launch = _import_launch()
    with launch.pin_temporarily():
        module = importlib.import_module(name)
        errors = importlib.import_module("bench.errors")
        try:
            yield module
        except errors.InvalidInput as error:
            raise InvalidInput(str(error)) from None


_lock = threading.Lock()


@functools.cache
def _import_launch() -> Any:
    """Import `bench.launch` from its file, so that no other `bench` is asked."""
    spec = importlib.util.spec_from_file_location("launch", _ROOT / "bench" / "launch.py")
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018 - a .py file has both
    launch = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(launch)
    return launch


def main() -> None:
    """Run ``aebench`` with the process' arguments."""
    _import_launch().pin()
    importlib.import_module("bench.cli").main()
