"""The gate's rule on recorded rounds: how often it raises a false alarm on equal code, and finds a change."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import recordings
import resampling
from recordings import Recording
from resampling import Proportion, count_word
from rules import RULES, Rule, Times

from bench.console.table import Table
from bench.gate.sequential import LOOKS, MINIMUM_EFFECT, MOST_DISCARDED
from bench.gate.verdict import BAD, CaseVerdict, Figures, cut_warmup, reduce_round, to_change
from bench.results.stats import StudentMean

RUNS = 10_000
FOUND = {"slower-10": "slower", "slower-5": "slower", "more-memory-5": "more-memory", "higher-loss": "higher-loss"}
"""What each kind of candidate is to be called; a slowdown of 2 % is too small to matter."""


CAPPED, UNCAPPED = MOST_DISCARDED, 1.0
"""The fraction of the blocks that may be discarded for noise: as the gate has it, and without a limit."""
EQUAL = (("equal", CAPPED), ("busy", CAPPED), ("busy", UNCAPPED))
"""Rounds of equal code."""
ADDED = (("equal", CAPPED, 0.02), ("equal", CAPPED, 0.05), ("equal", CAPPED, 0.1), ("busy", UNCAPPED, 0.05))
"""Slowdowns that are added to their figures: exactly so large, among the recorded noise."""


def validate() -> tuple[Table, bool]:
    """Alarms of whole runs on equal code, at most 1 %; what is found of what was injected, at least 95 % at 5 %."""
    rows: list[tuple[str, ...]] = []
    holds = True
    for kind, cap in EQUAL:
        row, within = _count_alarms(kind, _read_rounds(kind), cap)
        rows.append(row)
        holds &= within
    for kind, cap, slowdown in ADDED:
        found, within = _count_added(kind, _read_rounds(kind), cap, slowdown)
        rows += found
        holds &= within
    rows += [row for name, rule in RULES.items() for row in _try_other_rule(name, rule, _read_rounds("equal"))]
    for kind in ("slower-2", *FOUND):
        found, within = _count_detected(kind, _read_rounds(kind))
        rows += found
        holds &= within
    headers = ("rule", "recorded", "case", "rounds", "runs", "alarms or found", "ok", "undecided")
    return Table("The gate, on recorded rounds", headers, tuple(rows), labels=3), holds


def _read_rounds(kind: str) -> dict[str, list[Recording]]:
    """The rounds of a kind by case. Raises `FileNotFoundError` where there are none: no bound would be tested."""
    if not (found := recordings.read(kind)):
        raise FileNotFoundError(
            f"{recordings.path(kind)} has no rounds: tests/validation/rounds/recorder.py makes them"
        )
    return found


def _reduce_rounds(recorded: Mapping[str, Sequence[Recording]]) -> dict[str, list[Figures]]:
    return {case: [reduce_round(each.round) for each in rounds] for case, rounds in recorded.items()}


def _name_rule(cap: float) -> str:
    return "the gate" if cap == MOST_DISCARDED else f"the gate, --most-discarded {100 * cap:g}"


def _count_alarms(kind: str, recorded: Mapping[str, Sequence[Recording]], cap: float) -> tuple[tuple[str, ...], bool]:
    """Runs of all cases in which any of them was called slower, more memory or a higher loss."""
    found = list(resampling.simulate_runs(_reduce_rounds(recorded), RUNS, swap=True, most_discarded=cap))
    alarms = Proportion(sum(any(set(each.verdicts) & set(BAD) for each in run.values()) for run in found), RUNS)
    verdicts = [each for run in found for each in run.values()]
    count = sum(map(len, recorded.values()))
    row = (_name_rule(cap), kind, "all", str(count), f"{RUNS:,}", _format_proportion(alarms), *_format_others(verdicts))
    return row, alarms.interval[1] <= 0.01


def _count_detected(kind: str, recorded: Mapping[str, Sequence[Recording]]) -> tuple[list[tuple[str, ...]], bool]:
    """Cases that were called what they are; those that are 2 % slower, called anything bad."""
    word, holds = FOUND.get(kind, "slower"), True
    rows: list[tuple[str, ...]] = []
    found = list(resampling.simulate_runs(_reduce_rounds(recorded), RUNS, swap=False))
    for case, rounds in recorded.items():
        verdicts = [run[case] for run in found]
        proportion = count_word(verdicts, word)
        label = f"{kind}, time {_describe_change(rounds)}"
        rows.append(
            (
                "the gate",
                label,
                case,
                str(len(rounds)),
                f"{RUNS:,}",
                _format_proportion(proportion),
                *_format_others(verdicts),
            )
        )
        holds &= proportion.value >= 0.95 or kind not in FOUND
    return rows, holds


def _count_added(
    kind: str, recorded: Mapping[str, Sequence[Recording]], cap: float, slowdown: float
) -> tuple[list[tuple[str, ...]], bool]:
    """As `_count_detected`, of slowdowns whose size is known."""
    found = list(
        resampling.simulate_runs(_reduce_rounds(recorded), RUNS, swap=True, slowdown=slowdown, most_discarded=cap)
    )
    rows: list[tuple[str, ...]] = []
    holds = True
    for case, rounds in recorded.items():
        verdicts = [run[case] for run in found]
        proportion = count_word(verdicts, "slower")
        label = f"{kind}, {slowdown:.0%} added"
        rows.append(
            (
                _name_rule(cap),
                label,
                case,
                str(len(rounds)),
                f"{RUNS:,}",
                _format_proportion(proportion),
                *_format_others(verdicts),
            )
        )
        holds &= slowdown < MINIMUM_EFFECT or proportion.value >= 0.95
    return rows, holds


def _describe_change(rounds: Sequence[Recording]) -> str:
    """What the recorded rounds themselves say of the candidate's time: the mean of all, with its 95 % interval."""
    walls = [found.wall for each in rounds if (found := reduce_round(each.round)).wall is not None]
    if len(walls) < 2:
        return "–"
    t = StudentMean.of(walls)
    low, high = t.compute_lower_end(0.025), t.compute_upper_end(0.025)
    return f"{to_change(t.mean):+.1%} ({to_change(low):+.1%} to {to_change(high):+.1%})"


def _try_other_rule(name: str, rule: Rule, recorded: Mapping[str, Sequence[Recording]]) -> list[tuple[str, ...]]:
    """Alarms on equal code: the sides in turns, as the gate has them, and one after the other, as is usual."""
    rng = np.random.default_rng(0)
    walls = {case: [_collect_walls(each) for each in rounds] for case, rounds in recorded.items()}
    count = str(sum(map(len, recorded.values())))
    in_turns = sum(any(_has_alarm_in_turns(rule, rounds, rng) for rounds in walls.values()) for _ in range(RUNS))
    in_sequence = sum(any(_has_alarm_in_sequence(rule, rounds, rng) for rounds in walls.values()) for _ in range(RUNS))
    return [
        (name, f"equal, {how}", "all", count, f"{RUNS:,}", _format_proportion(Proportion(alarms, RUNS)), "–", "–")
        for how, alarms in (("in turns", in_turns), ("one after the other", in_sequence))
    ]


def _collect_walls(recording: Recording) -> tuple[Times, Times]:
    blocks = cut_warmup(recording.round.blocks)
    base = np.array([turn.wall_s for block in blocks for turn in block.base])
    return base, np.array([turn.wall_s for block in blocks for turn in block.candidate])


def _has_alarm_in_turns(rule: Rule, rounds: Sequence[tuple[Times, Times]], rng: np.random.Generator) -> bool:
    chosen = [rounds[index] for index in resampling.draw_rounds(len(rounds), rng, wanted=LOOKS[0])]
    sides = [(after, before) if rng.random() < 0.5 else (before, after) for before, after in chosen]
    return rule(np.concatenate([base for base, _ in sides]), np.concatenate([candidate for _, candidate in sides]))


def _has_alarm_in_sequence(rule: Rule, rounds: Sequence[tuple[Times, Times]], rng: np.random.Generator) -> bool:
    first, then = resampling.draw_halves(len(rounds), rng, LOOKS[0])
    return rule(np.concatenate([rounds[index][0] for index in first]), np.concatenate([rounds[i][1] for i in then]))


def _format_proportion(found: Proportion) -> str:
    low, high = found.interval
    return f"{found.count:,}: {found.value:.2%} ({low:.2%} to {high:.2%})"


def _format_others(verdicts: Sequence[CaseVerdict]) -> tuple[str, str]:
    return tuple(f"{count_word(verdicts, word).value:.1%}" for word in ("ok", "undecided"))  # type: ignore[return-value]
