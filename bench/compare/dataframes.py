"""A comparison as pandas data frames, and as a few lines of HTML for a notebook: what `aebench.compare` returns."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.compare.cases import Machine, add_labels, read_machine
from bench.compare.machines import Comparison, MachineComparison, compare_machines
from bench.compare.page import format_csv
from bench.compare.sentences import describe_missing, summarize_all
from bench.compare.tables import build_rank_table, format_comparability
from bench.errors import InvalidInput
from bench.report.dataframes import format_html, read_frame
from bench.results.reader import read_report


def read_comparison(paths: Sequence[str | os.PathLike[str]]) -> Comparison:
    """Compare reports, folders or results.csv files, with the first. Raises `InvalidInput`."""
    if isinstance(paths, str | os.PathLike):
        raise InvalidInput(f"compare takes a list of reports, the reference first; got {os.fspath(paths)!r} alone.")
    if len(paths) < 2:
        raise InvalidInput(f"compare takes two reports or more, the reference first; got {len(paths)}.")
    reference, *others = add_labels([read_machine(read_report(Path(path))) for path in paths])
    return compare_machines(reference, others)


def list_sentences(comparison: Comparison) -> list[str]:
    """List what a person would conclude, and what is not compared."""
    return [*summarize_all(comparison), *describe_missing(comparison)]


def tabulate_cases(comparison: Comparison) -> pd.DataFrame:
    """Tabulate the rows of comparison.csv."""
    return read_frame(format_csv(comparison))


def tabulate_machines(comparison: Comparison) -> pd.DataFrame:
    """Tabulate the machines, the reference first: speed and memory beside the reference's, and the fingerprint."""
    reference = comparison.reference
    own = {
        "rank": comparison.rank,
        "cases": len(reference.cases),
        **dict.fromkeys(_RATIOS, 1.0),
        **dict.fromkeys(("times_comparable", "memory_comparable", "losses_comparable"), "yes"),
    }
    lines = [_describe_machine(reference, own)]
    return pd.DataFrame(lines + [_describe_machine(each.machine, _list_ratios(each)) for each in comparison.others])


_RATIOS = ("times_as_fast", "times_as_fast_low", "times_as_fast_high", "memory_ratio")


def _list_ratios(each: MachineComparison) -> dict[str, Any]:
    speed = each.speed
    values = (speed.value, speed.low, speed.high) if speed else (None, None, None)
    return {
        "rank": each.rank,
        "cases": speed.cases if speed else 0,
        **dict(zip(_RATIOS, (*values, each.memory), strict=True)),
        "times_comparable": format_comparability(each.time),
        "memory_comparable": format_comparability(each.space),
        "losses_comparable": format_comparability(each.losses),
    }


def _describe_machine(machine: Machine, ratios: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "machine": machine.label,
        **ratios,
        "report": machine.source,
        "machine_id": machine.machine_id,
        "environment_id": machine.environment_id,
        **machine.fingerprint.model_dump(),
    }


def format_comparison(comparison: Comparison) -> str:
    """Format what a person would conclude, and who is fastest, as HTML."""
    return format_html(list_sentences(comparison), build_rank_table(comparison))
