"""A finished report compared with a stored one of the same environment: what can be compared, and the verdicts.

Pure functions.

**The process is the independent unit.** Epochs of one process have the same memory layout and meet the same noise of
the machine. Their interval says how well that process is known, not where the next process will lie. A change is
therefore compared with the spread between processes of one case (`--repeats`), pooled over both sides, by Student's t
on logarithms. Where the epochs' own intervals add up to more, that is taken instead: a few processes that agree by
chance are not known better than each of them. With fewer than three processes on a side there is no verdict on time and
memory.

**The time between the two reports is not in that spread.** The processes of a report ran within one sweep, those of the
baseline in another, perhaps weeks ago. What shows a change of the machine is the reference kernel, which no change of
the code touches: where its rate differs by more than the minimum effect, there is no verdict on time.

**Processes of one case may differ in length.** Further processes (`--minutes`) end at the first checkpoint that shows
their speed. Time and memory are compared at the last checkpoint that the processes have in common; the loss, for which
one process is enough, at the last that both reports reached.

The risks are those of the gate (`bench.gate.sequential`), all spent at one look.
"""

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from bench.compare.sentences import name_cases
from bench.errors import quote
from bench.gate.sequential import MOST_DISCARDED, RiskPlan
from bench.gate.verdict import (
    EQUAL_LOSSES,
    MEMORY_KINDS,
    CaseResult,
    CaseVerdict,
    Estimate,
    Judgement,
    Trouble,
    choose_worst_memory,
    find_smallest_slowdown,
    judge_growth,
    judge_ratio,
    to_change,
)
from bench.host.fingerprint import Fingerprint
from bench.plan import catalog
from bench.results.failures import describe_failures
from bench.results.reader import Report, Row
from bench.results.speed import name_case
from bench.results.stats import StudentMean

FEWEST = 3
"""Processes of a case that each side needs for a verdict: of two that differ, either may be the odd one."""
ADVISED = 6
"""Processes to measure where their spread is not known."""
MOST_ADVISED = 100
"""Where more processes than this would be needed, a quieter machine is the better advice."""
LOSS_EFFECT = 0.05
"""How much another seed may change a loss, as a fraction of it. All processes of a report have one seed, so their
spread does not show it; and code that draws other random numbers differs from itself as another seed does."""
_LOOK = 0
"""The only one."""


@dataclass(frozen=True)
class CheckedCase(CaseResult):
    """What became of a case that both reports have, or that failed in the report."""

    processes: tuple[int, int] = (0, 0)
    """The baseline's and the report's processes that reached the checkpoint."""
    epochs: int | None = None
    """The checkpoint at which time and memory are compared; None where there is none."""
    loss_epochs: int | None = None
    """That at which the loss is, which is a later one where a single process went further than the others."""


@dataclass(frozen=True)
class Check:
    """All cases of both reports."""

    results: tuple[CheckedCase, ...]
    """Cases that both have, and those that failed in the report."""
    only_baseline: tuple[str, ...]
    """Short names of cases, as those of the results."""
    only_report: tuple[str, ...]


def check_report(baseline: Report, report: Report, minimum_effect: float) -> Check:
    """Compare a report with a baseline; slowdowns below ``minimum_effect``, a fraction, do not count."""
    before, after = _group_by_case(baseline), _group_by_case(report)
    common = [name for name in before if name in after]
    short = name_cases({name: rows[0] for name, rows in (before | after).items()})
    judge = _Judge(
        RiskPlan(max(len(common), 1), minimum_effect, looks=(1,)),
        describe_difference(baseline, report),
        compute_kernel_ratio(baseline.rows, report.rows),
    )
    failed = [name for name, rows in after.items() if name not in before and describe_failures(rows)]
    return Check(
        results=tuple(
            replace(judge.judge_case(name, before.get(name, []), after[name]), short_name=short[name])
            for name in (*common, *failed)
        ),
        only_baseline=tuple(short[name] for name in before if name not in after),
        only_report=tuple(short[name] for name in after if name not in before),
    )


def _group_by_case(report: Report) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in report.rows:
        found.setdefault(name_case(row), []).append(row)
    return found


def find_failures(report: Report) -> dict[str, list[str]]:
    """The report's cases that failed, and how."""
    return {name: failures for name, rows in _group_by_case(report).items() if (failures := describe_failures(rows))}


def count_processes(report: Report) -> list[int]:
    """The number of each case's processes."""
    return [len({row.repeat for row in rows}) for rows in _group_by_case(report).values()]


# ------------------------------------------------------------------------------------------------- the same environment


def describe_difference(baseline: Report, report: Report) -> str | None:
    """Whose a baseline is that cannot be compared with a report: "of another machine (cpu_limit 1, not 2)"; else None.

    Both have to be of one environment. Only the version of aebench may differ, which is the code that is compared, and
    those of backends that no case of either report trains on.
    """
    trained = {row.backend for each in (baseline, report) for row in each.rows}
    may_differ = {"aebench", *catalog.read_backends()} - trained
    names = [name for name in Fingerprint.model_fields if name not in may_differ]
    sides = [(name, getattr(report.fingerprint, name), getattr(baseline.fingerprint, name)) for name in names]
    differences = "; ".join(f"{name} {_show(now)}, not {_show(then)}" for name, now, then in sides if now != then)
    if not differences:
        return None
    same_machine = baseline.machine_id == report.machine_id
    return f"of {'another environment on the same machine' if same_machine else 'another machine'} ({differences})"


def _show(value: object) -> str:
    return "absent" if value is None else quote(value, 100)


def compute_kernel_ratio(before: Iterable[Row], after: Iterable[Row]) -> float | None:
    """The reference kernel's rate beside the report over that beside the baseline; None where one is not known."""
    rates = [[row.reference_gflop_per_s for row in rows if row.reference_gflop_per_s] for rows in (before, after)]
    return statistics.median(rates[1]) / statistics.median(rates[0]) if all(rates) else None


# ------------------------------------------------------------------------------------------------------------- verdicts

_Figures = tuple[list[float], list[float]]
"""One figure per process of the baseline and of the report."""


@dataclass(frozen=True)
class _Judge:
    """Judges each case of a check by the same rules."""

    plan: RiskPlan
    of_another: str | None
    """See `describe_difference`."""
    kernel: float | None
    """See `compute_kernel_ratio`."""

    def judge_case(self, name: str, before: Sequence[Row], after: Sequence[Row]) -> CheckedCase:
        """The verdicts on one case, from all its rows on both sides."""
        common = _find_common_checkpoints(before, after)
        checkpoint, last = _choose_checkpoint(common, before, after), max(common, default=None)
        then, now, then_last, now_last = (
            [row for row in rows if row.status == "ok" and row.epochs == epochs]
            for epochs in (checkpoint, last)
            for rows in (before, after)
        )
        obstacle, failures = self._find_obstacle(before, then, now), describe_failures(after)
        if obstacle is not None:
            then = now = then_last = now_last = []
        trouble: Trouble | None = "failed" if failures else "incomparable" if obstacle else None
        processes = (len(then), len(now))
        time, smallest = self._judge_time(then, now)
        verdict = CaseVerdict(
            rounds=min(processes),
            time=time,
            cpu=None,
            memory=choose_worst_memory(
                [judged for kind in MEMORY_KINDS if (judged := self._judge_memory(kind, then, now))]
            ),
            loss=self._judge_divergence(before, after) or self._judge_loss(then_last, now_last),
            discarded=max(_compute_noisy_fraction(then), _compute_noisy_fraction(now)),
            smallest=smallest,
        )
        return CheckedCase(
            name,
            verdict,
            recorded=sum(processes),
            trouble=trouble,
            reason="; ".join(failures) or obstacle or "",
            processes=processes,
            epochs=checkpoint,
            loss_epochs=last,
        )

    def _find_obstacle(self, before: Sequence[Row], then: Sequence[Row], now: Sequence[Row]) -> str | None:
        """Why a case cannot be compared; None where it can."""
        if self.of_another:
            return f"the baseline is {self.of_another}"
        if not (then and now):
            failures = "; ".join(describe_failures(before))
            return f"no epoch count that both reached{f' (the baseline: {failures})' if failures else ''}"
        data = {(row.dataset_digest, row.train_samples, row.val_samples) for row in (*then, *now)}
        return "other data under the same name" if len(data) > 1 else None

    # ------------------------------------------------------------------------------------------------------- time

    def _judge_time(self, then: Sequence[Row], now: Sequence[Row]) -> tuple[Judgement, float | None]:
        """The verdict on time, and the smallest slowdown that would have been found."""
        figures = _read_figures(lambda row: row.epoch_s_median, then, now, math.log)
        if not all(figures):
            return Judgement("undecided", "too few epochs for a median; measure both with more"), None
        if min(map(len, figures)) < FEWEST:
            return _judge_too_few(figures), None
        t = compare_means(*figures, math.hypot(_compute_epochs_error(then), _compute_epochs_error(now)))
        judged, why = judge_ratio(t, self.plan, _LOOK), self._find_doubt(then, now)
        if judged.verdict == "undecided" and why is None:
            repeats = self._find_repeats(_compute_pooled_spread(figures))
            why = f"repeats differ too much for a slowdown of {100 * self.plan.minimum_effect:g}% to show"
            why += "" if repeats else "; use a quieter machine, or `aebench regress`, which runs both in turns"
            judged = replace(judged, repeats=repeats)
        if why is not None:
            judged = replace(judged, verdict="undecided", reason=why)
        return judged, find_smallest_slowdown(t, self.plan, _LOOK)

    def _find_doubt(self, then: Sequence[Row], now: Sequence[Row]) -> str | None:
        """Why times are not to be trusted, whatever they are; None where they are."""
        noisy = max(_compute_noisy_fraction(then), _compute_noisy_fraction(now))
        if noisy > MOST_DISCARDED:
            return f"more than {MOST_DISCARDED:.0%} of the epochs were noisy"
        if self.kernel is not None and abs(math.log(self.kernel)) > math.log1p(self.plan.minimum_effect):
            kind = "slower" if self.kernel < 1 else "faster"
            return (
                f"the machine itself was {kind}: its reference kernel ran at {self.kernel:.2f} times the rate that it "
                "had beside the baseline; measure both again"
            )
        return None

    def _find_repeats(self, spread: float) -> int | None:
        """How many processes on each side would find the minimum effect; None where too many are needed."""
        for count in range(FEWEST, MOST_ADVISED + 1):
            t = StudentMean(0.0, spread * math.sqrt(2 / count), 2 * count - 2)
            if find_smallest_slowdown(t, self.plan, _LOOK) <= self.plan.minimum_effect * (1 + 1e-9):
                return count
        return None

    # ----------------------------------------------------------------------------------------------- memory, loss

    def _judge_memory(self, kind: str, then: Sequence[Row], now: Sequence[Row]) -> Judgement | None:
        """The verdict on one kind of memory; None where a side has no figure of it."""
        figures = _read_figures(attrgetter(_MEMORY_COLUMNS[kind]), then, now, math.log)
        if not all(figures):
            return None
        if min(map(len, figures)) < FEWEST:
            return _judge_too_few(figures)
        return judge_growth(kind, compare_means(*figures), self.plan, _LOOK)

    def _judge_divergence(self, before: Sequence[Row], after: Sequence[Row]) -> Judgement | None:
        """A higher loss where the report diverged and the baseline did not; else None."""
        diverged = any(row.status == "diverged" for row in after) and any(row.val_bce is not None for row in before)
        if self.of_another or not diverged:
            return None
        return Judgement("higher-loss", "a loss that is not finite, where the baseline's is")

    def _judge_loss(self, then: Sequence[Row], now: Sequence[Row]) -> Judgement:
        """The verdict on the loss. One process suffices: with equal seeds, equal code has equal losses."""
        figures = _read_figures(lambda row: row.val_bce, then, now, float)
        if not all(figures):
            return Judgement("undecided", "not evaluated on both sides")
        if len({*figures[0], *figures[1]}) == 1:
            return EQUAL_LOSSES
        size = abs(statistics.fmean(figures[0])) or 1.0
        before, after = ([value / size for value in values] for values in figures)
        estimate = Estimate(statistics.fmean(after) - statistics.fmean(before), None, None)
        if min(map(len, figures)) >= FEWEST:
            t, level = compare_means(before, after), self.plan.compute_alarm_level(_LOOK, "loss")
            estimate = Estimate(t.mean, t.compute_lower_end(level), t.compute_upper_end(level))
        if estimate.value > LOSS_EFFECT and (estimate.low is None or estimate.low > 0):
            reason = f"a higher loss, by more than another seed may change it ({LOSS_EFFECT:.0%})"
            return Judgement("higher-loss", reason, estimate)
        return Judgement("ok", f"within what another seed may change ({LOSS_EFFECT:.0%}), or lower", estimate)


_MEMORY_COLUMNS = dict(zip(MEMORY_KINDS, ("peak_rss_mib", "peak_anon_mib"), strict=True))


def compare_means(before: Sequence[float], after: Sequence[float], least_error: float = 0.0) -> StudentMean:
    """The mean of ``after`` less the mean of ``before``, of three values or more together.

    The spread of a process is pooled over both sides: equal code on one machine has the same spread on either side.
    """
    error = _compute_pooled_spread((before, after)) * math.sqrt(1 / len(before) + 1 / len(after))
    return StudentMean(
        statistics.fmean(after) - statistics.fmean(before), max(error, least_error), len(before) + len(after) - 2
    )


def _compute_pooled_spread(figures: Sequence[Sequence[float]]) -> float:
    """Standard deviation of a process' figure, each side about its own mean."""
    squares = [(value - statistics.fmean(values)) ** 2 for values in figures for value in values]
    return math.sqrt(math.fsum(squares) / (len(squares) - len(figures)))


def _read_figures(
    read: Callable[[Row], float | None], then: Sequence[Row], now: Sequence[Row], scale: Callable[[float], float]
) -> _Figures:
    """What was measured of each process of both sides, on that scale."""
    before, after = ([scale(value) for row in rows if (value := read(row)) is not None] for rows in (then, now))
    return before, after


def _judge_too_few(figures: _Figures) -> Judgement:
    """Undecided, with the change of the mean and how many processes are needed."""
    before, after = figures
    lacking = [side for side, values in (("baseline", before), ("report", after)) if len(values) < FEWEST]
    where = f" in the {lacking[0]}" if len(lacking) == 1 else ""
    change = to_change(statistics.fmean(after) - statistics.fmean(before))
    return Judgement("undecided", f"too few repeats{where}", Estimate(change, None, None), repeats=ADVISED)


def _compute_epochs_error(rows: Sequence[Row]) -> float:
    """Standard error of a side's mean logarithm by the epochs of its processes alone."""
    errors = [row.epoch_s_error for row in rows if row.epoch_s_error is not None]
    return math.hypot(*errors) / len(errors) if errors else 0.0


def _find_common_checkpoints(before: Sequence[Row], after: Sequence[Row]) -> set[int]:
    """The epoch counts that a process of each side reached."""
    reached = [{row.epochs for row in rows if row.status == "ok"} for rows in (before, after)]
    return reached[0] & reached[1]


def _choose_checkpoint(common: Iterable[int], before: Sequence[Row], after: Sequence[Row]) -> int | None:
    """The last checkpoint at which as many processes of both sides as possible have a time; None where none is common.

    Further processes are shorter than planned ones, and what they share is what can be compared.
    """
    timed = [Counter(row.epochs for row in rows if row.epoch_s_median is not None) for rows in (before, after)]
    ranks = {epochs: (min(of[epochs] for of in timed), sum(of[epochs] for of in timed), epochs) for epochs in common}
    return max(ranks, key=ranks.__getitem__, default=None)


def _compute_noisy_fraction(rows: Sequence[Row]) -> float:
    """Fraction of the observed epochs that were noisy."""
    observed = [(row.noisy_epochs, row.epochs) for row in rows if row.noisy_epochs is not None]
    return sum(noisy for noisy, _ in observed) / sum(of for _, of in observed) if observed else 0.0
