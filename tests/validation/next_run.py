"""The intervals for the next run, on recorded processes of hours of different noise: how often do they hold?"""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import processes

from bench.console.table import Table

DRAWS = 2_000
REPEATS = 6
"""Processes a case, which six minutes suffice for with three cases."""
EPOCHS = (12, 100)
LEAST, MOST = 0.90, 0.98
WIDEST = 1.5
"""Times what somebody would need who knew by how much processes differ."""
FALSELY_TOLD, TOLD = 0.05, 0.90
SLOWER = 1.15
APART = 0.03
"""Fraction of the cases of two sweeps whose 95 % intervals may have nothing in common."""


def validate() -> tuple[Table, bool]:
    """Coverage within its bounds, no wider than need be; equal machines not distinguished, 15 % found."""
    rows, holds = [], True
    for row, within in itertools.chain(_check_all(), _check_sweeps()):
        rows.append((*row, "" if within else "no"))
        holds &= within
    headers = ("what", "case", "epochs", "draws", "held or told", "bound", "reach", "of what is needed", "holds")
    return Table("Intervals for the next run, on recorded processes", headers, tuple(rows), labels=2), holds


def _check_all() -> Iterator[tuple[tuple[str, ...], bool]]:
    recorded, rng = processes.read_processes(), np.random.default_rng(0)
    if not recorded:
        raise FileNotFoundError(f"{processes.FOLDER} has no processes: record_processes.py makes them")
    for epochs in EPOCHS:
        for case in sorted({each.case for each in recorded}):
            found = processes.cover_alone([each for each in recorded if each.case == case], epochs)
            yield _describe("one process", case, epochs, found)
        for case, found in processes.cover_sweeps(recorded, epochs, REPEATS, DRAWS, rng).items():
            yield _describe(f"a sweep, {REPEATS} processes", case, epochs, found)
        for factor, bound in ((1.0, f"at most {FALSELY_TOLD:.0%}"), (SLOWER, f"at least {TOLD:.0%}")):
            hours = processes.list_quiet_hours(recorded)
            drawn = recorded if factor == 1 else [each for each in recorded if each.hour in hours]
            told = processes.compare_sweeps(drawn, epochs, REPEATS, DRAWS, rng, factor=factor)
            what = "the same machine twice" if factor == 1 else f"a machine {factor - 1:.0%} slower"
            for name, value in (("each case", told.case), ("any case", told.family), ("overall", told.machine)):
                # Runs of 12 epochs take a second here: six of them are half of what six minutes allow.
                is_bound = factor == 1 or (name == "overall" and epochs == max(EPOCHS))
                within = value <= FALSELY_TOLD if factor == 1 else value >= TOLD or not is_bound
                yield (what, name, str(epochs), str(DRAWS), f"{value:.1%}", bound if is_bound else "", "", ""), within


def _check_sweeps() -> Iterator[tuple[tuple[str, ...], bool]]:
    """Whole default sweeps of one machine at different hours, each with each."""
    pairs = list(itertools.combinations(processes.estimate_sweeps().values(), 2))
    different = sum(processes.are_different(one, two) for one, two in pairs)
    overlap = [processes.do_overlap(one[case], two[case]) for one, two in pairs for case in one]
    yield ("default sweeps", "called different", "10", str(len(pairs)), str(different), "0", "", ""), different == 0
    apart = len(overlap) - sum(overlap)
    cells = ("default sweeps", "intervals apart", "10", str(len(overlap)), str(apart), f"at most {APART:.0%}", "", "")
    yield cells, apart <= APART * len(overlap)


def _describe(what: str, case: str, epochs: int, found: processes.Coverage) -> tuple[tuple[str, ...], bool]:
    cells = (
        *(what, case.partition(".")[0], str(epochs), str(found.draws), f"{found.held:.0%}"),
        *(f"{LEAST:.0%} to {MOST:.0%}", f"±{100 * found.reach:.0f} %", f"{found.reach / found.oracle:.1f}"),
    )
    return cells, found.held >= LEAST and found.reach <= WIDEST * found.oracle
