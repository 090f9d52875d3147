"""The intervals for the next run, on recorded processes of hours of different noise: how often do they hold?"""

import itertools
import statistics
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import processes
import recorded_hours

from bench.console.table import Table
from bench.results.speed import KNOWN_HOUR_DEVIATION

DRAWS = 2_000
REPEATS = 6
"""Processes a case."""
EPOCHS = (12, 100)
LEAST = 0.90
WIDEST = 1.5
"""Times what somebody would need who knew by how much processes differ."""
FALSELY_TOLD, TOLD = 0.05, 0.90
SLOWER, KNOWN_SLOWER, MUCH_SLOWER = 1.15, 1.25, 1.4
"""How many times as long another machine takes: what is wanted of two sweeps of six minutes each, what they can tell
where the usual bandwidth is known, and what where it is not. Hours of one machine differ too."""
FACTORS = (SLOWER, KNOWN_SLOWER, MUCH_SLOWER)
KNOWN = 4
"""Other hours that the machine's usual memory bandwidth is known from."""
APART = 0.03
"""Fraction of the cases of two sweeps whose 95 % intervals may have nothing in common."""


def validate() -> tuple[Table, bool]:
    """Coverage within its bounds, no wider than need be; equal machines not distinguished, 15 % found."""
    rows, holds = [], True
    for row, within in itertools.chain(_check_coverage(), _check_differences(), _check_sweeps(), _check_hours()):
        rows.append((*row, "" if within else "no"))
        holds &= within
    headers = ("what", "case", "epochs", "draws", "held or told", "bound", "reach", "of what is needed", "holds")
    return Table("Intervals for the next run, on recorded processes", headers, tuple(rows), labels=2), holds


def _read_processes(folder: Path) -> list[processes.RecordedProcess]:
    found = processes.read_processes(folder)
    if not found:
        raise FileNotFoundError(f"{folder} has no processes: record_processes.py makes them")
    return found


def _check_coverage() -> Iterator[tuple[tuple[str, ...], bool]]:
    """Of one process, and of sweeps. A window is one draw for all that run in it, so the cases are judged together."""
    recorded = [*_read_processes(processes.FOLDER), *_read_processes(processes.SIX_MINUTES)]
    rng = np.random.default_rng(0)
    cases = sorted({each.case for each in recorded})
    for epochs in EPOCHS:
        alone = {
            case: processes.cover_alone([each for each in recorded if each.case == case], epochs) for case in cases
        }
        yield from _describe("one process", epochs, alone)
        for hours, known, words in ((1, 0, "a sweep"), (2, 0, "at two hours"), (1, KNOWN, "usual bandwidth known")):
            found = processes.cover_sweeps(recorded, epochs, REPEATS, DRAWS, rng, hours=hours, known=known)
            yield from _describe(f"{words}, {REPEATS} processes", epochs, found)


def _check_differences() -> Iterator[tuple[tuple[str, ...], bool]]:
    """Two machines, swept at hours drawn independently: the same machine, and one that takes longer."""
    recorded, rng = _read_processes(processes.FOLDER), np.random.default_rng(0)
    six = _read_processes(processes.SIX_MINUTES)
    quiet = processes.keep_quiet_hours(recorded)
    for what, drawn, epochs, repeats, factor, hours, known in (
        *(
            (
                f"{hours} quiet, bandwidth known, {by - 1:.0%} slower",
                [*quiet, *six],
                min(EPOCHS),
                None,
                by,
                hours,
                KNOWN,
            )
            for hours in (1, 2)
            for by in (1.0, *FACTORS)
        ),
        *((f"{REPEATS} processes, the same machine", recorded, epochs, REPEATS, 1.0, 1, 0) for epochs in EPOCHS),
        ("six minutes, the same machine", six, min(EPOCHS), None, 1.0, 1, 0),
        ("six minutes at two hours, the same", six, min(EPOCHS), None, 1.0, 2, 0),
        ("any quiet two hours, the same", [*quiet, *six], min(EPOCHS), None, 1.0, 2, 0),
        *((f"six minutes, {by - 1:.0%} slower", six, min(EPOCHS), None, by, 1, 0) for by in FACTORS),
        *((f"six minutes at two hours, {by - 1:.0%} slower", six, min(EPOCHS), None, by, 2, 0) for by in FACTORS),
        *((f"any quiet two hours, {by - 1:.0%} slower", [*quiet, *six], min(EPOCHS), None, by, 2, 0) for by in FACTORS),
    ):
        twins = 1 if repeats is None else 2
        told = processes.compare_sweeps(
            *(drawn, epochs, repeats, DRAWS, rng), factor=factor, twins=twins, hours=hours, known=known
        )
        for name, value in (("each case", told.case), ("any case", told.family), ("overall", told.machine)):
            # What fewer hours can tell apart is shown, not asked for.
            told_of_two = (hours, factor) == (2, KNOWN_SLOWER if known else MUCH_SLOWER) and (known or drawn is six)
            is_bound = factor == 1 or (name == "overall" and told_of_two)
            bound = (f"at most {FALSELY_TOLD:.0%}" if factor == 1 else f"at least {TOLD:.0%}") if is_bound else ""
            within = value <= FALSELY_TOLD if factor == 1 else value >= TOLD or not is_bound
            yield (what, name, str(epochs), str(DRAWS), f"{value:.1%}", bound, "", ""), within


def _check_sweeps() -> Iterator[tuple[tuple[str, ...], bool]]:
    """Whole default sweeps of one machine at different hours, each with each."""
    for known, what in ((0, "default sweeps"), (KNOWN, "the same, bandwidth known")):
        pairs = list(itertools.combinations(processes.estimate_sweeps(known=known).values(), 2))
        different = sum(processes.are_different(one, two) for one, two in pairs)
        overlap = [processes.do_overlap(*speeds) for pair in pairs for speeds in processes.find_common_cases(*pair)]
        yield (what, "called different", "10", str(len(pairs)), str(different), "0", "", ""), different == 0
        apart = len(overlap) - sum(overlap)
        yield (
            (what, "intervals apart", "10", str(len(overlap)), str(apart), f"at most {APART:.0%}", "", ""),
            apart <= APART * len(overlap),
        )


def _check_hours() -> Iterator[tuple[tuple[str, ...], bool]]:
    """What each hour's bandwidth explains, as all other hours say."""
    recorded = [*_read_processes(processes.FOLDER), *_read_processes(processes.SIX_MINUTES)]
    quiet = processes.keep_quiet_hours(recorded)
    found = recorded_hours.leave_hours_out(quiet)
    cells = (f"hours left out differ by {found.before:.1%}", "all", "12", str(len(found.slopes)))
    slopes = f"slopes {min(found.slopes):.2f} to {max(found.slopes):.2f}"
    bound = f"at most {KNOWN_HOUR_DEVIATION:.1%}"
    yield (*cells, f"corrected {found.after:.1%}, {slopes}", bound, "", ""), found.after <= KNOWN_HOUR_DEVIATION


def _describe(
    what: str, epochs: int, found: Mapping[str, processes.Coverage]
) -> Iterator[tuple[tuple[str, ...], bool]]:
    for case, each in found.items():
        reach = f"±{100 * each.reach:.0f} %"
        yield (
            (
                what,
                case.partition(".")[0],
                str(epochs),
                str(each.draws),
                f"{each.held:.0%}",
                "",
                reach,
                f"{each.width:.1f}",
            ),
            True,
        )
    held = statistics.fmean(each.held for each in found.values())
    width = statistics.fmean(each.width for each in found.values())
    draws = sum(each.draws for each in found.values())
    cells = (what, "all", str(epochs), str(draws), f"{held:.0%}", f"at least {LEAST:.0%}", "", f"{width:.1f}")
    yield cells, held >= LEAST and width <= WIDEST
