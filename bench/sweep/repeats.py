"""Further processes for the cases whose time per epoch is known too little: which is next, and when there is no more.

A further process is the same case with the next free repeat. Losses need no repeats, so it trains only as many epochs
as the time of an epoch needs.
"""

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

from bench.errors import format_count
from bench.host.quietness import describe_noise, observe
from bench.plan.profile import Case, Profile
from bench.report.files import make_all_result_rows
from bench.results.journal_lines import Outcome
from bench.results.speed import CaseSpeed, estimate_cases
from bench.sweep.executor import Executor
from bench.sweep.progress import Display
from bench.sweep.session import Sweep

ENOUGH_EPOCHS = 12
"""Epochs of a run that show its speed, and whether it drifts."""
LOOK_S = 1.0
"""How long others are watched before a process is started."""
AROUND_S = LOOK_S + 1.0
"""What a process takes beside its own time: the look before it, the reference kernels, the journal."""
LONGEST_WAIT_S = 30.0
MOST_WAITING = 0.25
"""All waits together, as a fraction of the sweep's minutes: what is always busy does not become quiet."""


KnownCase = tuple[Case, CaseSpeed]
"""A case, by one of its processes, and what all of them say."""
Ranking = Callable[[Sequence[KnownCase]], Sequence[KnownCase]]
"""Puts all cases of a sweep in the order in which further processes help, those that help most first."""


def rank_by_width(known: Sequence[KnownCase]) -> Sequence[KnownCase]:
    """Put the widest intervals first."""
    return sorted(known, key=lambda each: -each[1].within)


@dataclass(frozen=True)
class Choice:
    """The further process that helps most."""

    case: Case
    within: float
    """How far the interval of its case reaches, as a fraction."""
    takes_s: float
    """Seconds that it takes, with what is around it."""


def run_repeats(
    sweep: Sweep, executor: Executor, display: Display, outcomes: Mapping[str, Outcome], rank: Ranking
) -> Iterator[Outcome]:
    """Run further processes, one at a time, as long as a case needs one that fits into the sweep's minutes.

    ``outcomes`` are all those of the sweep, by their cases' ids. Whoever takes an outcome adds it there before asking
    for the next one, which is chosen by all that is known then.
    """
    patience_s = 60 * MOST_WAITING * (sweep.profile.minutes or 0.0)
    while (choice := _choose_next(sweep, outcomes, rank)) is not None:
        display.announce_repeat(choice.within, sweep.profile.within_percent / 100, sweep.left_s)
        most_s = min(LONGEST_WAIT_S, sweep.left_s - choice.takes_s, patience_s)
        waited_s = wait_for_quiet(most_s, display.show_wait)
        if waited_s and patience_s - waited_s < LOOK_S:
            display.show_wait(
                f"no more waiting: a quarter of the {format_count(sweep.profile.minutes or 0, 'minute')} went"
            )
        patience_s -= waited_s
        yield from sweep.run([choice.case], executor, display.listen)


def _choose_next(sweep: Sweep, outcomes: Mapping[str, Outcome], rank: Ranking) -> Choice | None:
    if not sweep.left_s:
        return None
    speeds = estimate_cases(make_all_result_rows(outcomes.values(), sweep.header))
    return choose_repeat(sweep.profile, outcomes.values(), speeds, sweep.left_s, rank)


def choose_repeat(
    profile: Profile,
    outcomes: Iterable[Outcome],
    speeds: Mapping[str, CaseSpeed],
    left_s: float,
    rank: Ranking = rank_by_width,
) -> Choice | None:
    """Choose a process of the first case by ``rank`` whose interval is too wide and that fits into ``left_s``.

    None where there is none. A case of which a process failed gets no more: another would most likely fail too.
    """
    processes: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        processes.setdefault(outcome.case.name, []).append(outcome)
    choices = (
        _make_choice(processes[case.name], speed.within, profile.repeats)
        for case, speed in rank([(processes[name][0].case, speed) for name, speed in speeds.items()])
        if speed.within > profile.within_percent / 100
        and all(outcome.status == "ok" for outcome in processes[case.name])
    )
    return next((choice for choice in choices if choice.takes_s <= left_s), None)


def _make_choice(processes: Sequence[Outcome], within: float, planned: int) -> Choice:
    case = processes[0].case
    checkpoints = cut_checkpoints(case.checkpoints)
    free = max(planned, 1 + max(outcome.case.repeat for outcome in processes))
    took_s = statistics.median(_find_duration(outcome, checkpoints[-1]) for outcome in processes)
    changes = {"repeat": free, "checkpoints": checkpoints}
    return Choice(case.model_copy(update=changes), within, took_s + AROUND_S)


def cut_checkpoints(checkpoints: tuple[int, ...]) -> tuple[int, ...]:
    """Leave out what comes after the first checkpoint with enough epochs; all stay where none has enough."""
    last = next((epochs for epochs in checkpoints if epochs >= ENOUGH_EPOCHS), checkpoints[-1])
    return tuple(epochs for epochs in checkpoints if epochs <= last)


def _find_duration(outcome: Outcome, epochs: int) -> float:
    """Find how long a process would have taken that ended after so many epochs."""
    passed = [checkpoint.at_s for checkpoint in outcome.checkpoints if checkpoint.epochs <= epochs]
    return outcome.duration_s - (outcome.checkpoints[-1].at_s - passed[-1] if passed else 0.0)


def wait_for_quiet(most_s: float, say: Callable[[str], None]) -> float:
    """Wait until the machine is quiet, ``most_s`` seconds at most beside one look at it, and say why.

    Returns the seconds that were waited, without that look.
    """
    noise, began = describe_noise(observe(LOOK_S)), monotonic()
    if noise and most_s >= LOOK_S:
        say(f"waiting up to {most_s:.0f} s: {noise}")
    while noise and monotonic() + LOOK_S <= began + most_s:
        noise = describe_noise(observe(LOOK_S))
    return monotonic() - began
