"""A finished report against a stored one of the same machine: what may be compared, and verdicts. Pure functions.

**The process is the turn.** Epochs of one process share its memory layout and the machine's mood, so their interval
says how well that process is known and not where the next one will lie. What a change is held against is the spread
between processes of one case (`--repeats`), pooled over both sides, by Student's t on logarithms; or what the epochs'
own intervals add up to, where that is more: a few processes that agree by chance are not better known than each of
them. With fewer than three processes on a side nothing is decided on time and memory.

**The hour is not in that spread.** The processes of a report ran within one sweep, the baseline's in another, perhaps
weeks ago. The read_machine_counters of it is the reference kernel, which no change of the code touches: where it was faster or slower
than at the baseline's time by more than what is to be found, no verdict on time is given.

Risks are those of the gate (`bench.gate.sequential`), all spent at one look.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.errors import shown
from bench.gate.sequential import MOST_DISCARDED, Plan, Student
from bench.gate.verdict import (
    MEMORY_EFFECT,
    CaseResult,
    CaseVerdict,
    Estimate,
    Judgement,
    Trouble,
    Verdict,
    decided,
    detectable,
    share,
)
from bench.host.fingerprint import Fingerprint
from bench.plan import catalog
from bench.results.reader import Report, Row

FEWEST = 3
"""Processes of a case that each side has to have for a verdict: of two that differ, either may be the odd one."""
ADVISED = 6
"""Processes to measure where nothing is known of their spread."""
MOST_ADVISED = 100
"""Processes beyond which a quieter machine is the better advice."""
LOSS_EFFECT = 0.05
"""What another seed may do to a loss, as a share of it. All processes of a report have one seed, so the spread over
seeds is not in it; code that draws other numbers differs from itself as another seed does."""
_LOOK = 0
"""The only one."""
_DECIDES_NOTHING = frozenset({"aebench"})
"""Fields of a fingerprint that may differ: the code is what is compared."""
_OF_95 = statistics.NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class CheckedCase(CaseResult):
    """What became of one case of both reports, or of one that failed."""

    processes: tuple[int, int] = (0, 0)
    """The baseline's and the report's that reached the checkpoint."""
    epochs: int | None = None
    """The checkpoint that both are compared at; None where there is none."""


@dataclass(frozen=True)
class Check:
    """All cases of both reports."""

    results: tuple[CheckedCase, ...]
    """Cases that both have, and those that failed in the report."""
    only_baseline: tuple[str, ...]
    only_report: tuple[str, ...]


def check(baseline: Report, report: Report, minimum_effect: float) -> Check:
    """Hold a report against a baseline; slowdowns below ``minimum_effect``, a share, do not count."""
    before, after = _by_case(baseline), _by_case(report)
    common = [name for name in before if name in after]
    judge = _Judge(
        Plan(max(len(common), 1), minimum_effect, looks=(1,)),
        differences(baseline, report),
        kernel_ratio(baseline.rows, report.rows),
    )
    failed = [name for name, rows in after.items() if name not in before and _failures(rows)]
    return Check(
        results=tuple(judge.case(name, before.get(name, []), after[name]) for name in (*common, *failed)),
        only_baseline=tuple(name for name in before if name not in after),
        only_report=tuple(name for name in after if name not in before),
    )


def _by_case(report: Report) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in report.rows:
        found.setdefault(row.case, []).append(row)
    return found


def _failures(rows: Sequence[Row]) -> list[str]:
    """How its processes failed: "oom at 50 epochs"."""
    return list(dict.fromkeys(f"{row.status} at {row.epochs} epochs" for row in rows if row.status != "ok"))


def failures(report: Report) -> dict[str, list[str]]:
    """The report's cases that failed, and how."""
    return {name: told for name, rows in _by_case(report).items() if (told := _failures(rows))}


def fewest_processes(report: Report) -> int:
    """Processes of the case that has fewest."""
    return min(len({row.repeat for row in rows}) for rows in _by_case(report).values())


# ----------------------------------------------------------------------------------------------------- the same machine


def differences(baseline: Report, report: Report) -> list[str]:
    """What keeps two reports from being of the same machine and software, as "keras 3.14.0, not 3.13.2".

    Versions of backends that no case of either trains on may differ, and so may the harness' own.
    """
    backends = {row.backend for each in (baseline, report) for row in each.rows}
    idle = {name for name in catalog.backends() if name not in backends}
    names = (name for name in Fingerprint.model_fields if name not in _DECIDES_NOTHING | idle)
    sides = ((name, getattr(report.fingerprint, name), getattr(baseline.fingerprint, name)) for name in names)
    return [f"{name} {_told(now)}, not {_told(then)}" for name, now, then in sides if now != then]


def _told(value: Any) -> str:
    return "absent" if value is None else shown(value, 100)


def kernel_ratio(before: Iterable[Row], after: Iterable[Row]) -> float | None:
    """How fast the reference kernel was beside the report, as a multiple of beside the baseline; None if not known."""
    rates = [[row.reference_gflop_per_s for row in rows if row.reference_gflop_per_s] for rows in (before, after)]
    return statistics.median(rates[1]) / statistics.median(rates[0]) if all(rates) else None


# ------------------------------------------------------------------------------------------------------------- verdicts


@dataclass(frozen=True)
class _Judge:
    """What all cases of a check are judged by."""

    plan: Plan
    differences: Sequence[str]
    """Of the machines."""
    kernel: float | None

    def case(self, name: str, before: Sequence[Row], after: Sequence[Row]) -> CheckedCase:
        """What became of one case, from all rows of both sides."""
        checkpoint = _checkpoint(before, after)
        then, now = (
            [row for row in rows if row.status == "ok" and row.epochs == checkpoint] for rows in (before, after)
        )
        apart, failed = self._apart(before, then, now), _failures(after)
        if apart is not None:
            then, now = [], []
        trouble: Trouble | None = "failed" if failed else "incomparable" if apart else None
        processes = (len(then), len(now))
        time, smallest = self._time(then, now)
        verdict = CaseVerdict(
            rounds=min(processes),
            time=time,
            cpu=None,
            memory=self._memory(then, now),
            loss=self._diverged(before, after) or self._loss(then, now),
            discarded=max(_noisy(then), _noisy(now)),
            smallest=smallest,
        )
        return CheckedCase(
            name,
            verdict,
            recorded=sum(processes),
            trouble=trouble,
            reason="; ".join(failed) or apart or "",
            processes=processes,
            epochs=checkpoint,
        )

    def _apart(self, before: Sequence[Row], then: Sequence[Row], now: Sequence[Row]) -> str | None:
        """Why a case is not comparable, where it is not."""
        if self.differences:
            return f"the baseline is of another machine or other software: {'; '.join(self.differences)}"
        if not (then and now):
            told = "; ".join(_failures(before))
            return f"no epoch count that both reached{f' (the baseline: {told})' if told else ''}"
        digests = {(row.dataset_digest, row.train_samples, row.val_samples) for row in (*then, *now)}
        return "other data under the same name" if len(digests) > 1 else None

    # ------------------------------------------------------------------------------------------------------- time

    def _time(self, then: Sequence[Row], now: Sequence[Row]) -> tuple[Judgement, float | None]:
        """The verdict on time, and the smallest slowdown that would have been found."""
        figures = _figures(lambda row: row.epoch_s_median, then, now, math.log)
        if not all(figures):
            return Judgement("undecided", "no steady epoch on both sides"), None
        if min(map(len, figures)) < FEWEST:
            return Judgement("undecided", _too_few(figures), Estimate(_change(figures), None, None)), None
        t = difference(*figures, math.hypot(_epochs_error(then), _epochs_error(now)))
        judged, why = decided(t, self.plan, _LOOK), self._doubt(then, now)
        if judged.verdict == "undecided" and why is None:
            spread = _spread(figures)
            why = f"processes differ by {spread:.1%}; {self._advice(spread)}"
        if why is not None:
            judged = replace(judged, verdict="undecided", reason=why)
        return judged, detectable(t, self.plan, _LOOK)

    def _doubt(self, then: Sequence[Row], now: Sequence[Row]) -> str | None:
        """Why the times are not to be trusted, whatever they are."""
        noisy = max(_noisy(then), _noisy(now))
        if noisy > MOST_DISCARDED:
            return f"{noisy:.0%} of the epochs were noisy; at most {MOST_DISCARDED:.0%} may be"
        if self.kernel is not None and abs(math.log(self.kernel)) > math.log1p(self.plan.minimum_effect):
            kind = "slower" if self.kernel < 1 else "faster"
            return (
                f"the machine itself was {kind}: its reference kernel reached {self.kernel:.2f} times what it did "
                f"beside the baseline, and {self.plan.minimum_effect:.0%} is to be found; measure both again"
            )
        return None

    def _advice(self, spread: float) -> str:
        """How many processes on each side would find the minimum effect."""
        effect = self.plan.minimum_effect
        for count in range(FEWEST, MOST_ADVISED + 1):
            t = Student(0.0, spread * math.sqrt(2 / count), 2 * count - 2)
            if detectable(t, self.plan, _LOOK) <= effect * (1 + 1e-9):
                return f"with --repeats {count} on both sides a slowdown of {effect:.0%} would be found"
        return (
            f"more than {MOST_ADVISED} of them on both sides would be needed to find {effect:.0%}: take a quieter "
            "machine, or `aebench regress`, which runs both in turns"
        )

    # ----------------------------------------------------------------------------------------------- memory, loss

    def _memory(self, then: Sequence[Row], now: Sequence[Row]) -> Judgement:
        """Fatter where peak or anonymous memory grew by more than 3 % and more than its spread over processes."""
        found = [judged for name, read in _MEMORY.items() if (judged := self._growth(name, read, then, now))]
        order: tuple[Verdict, ...] = ("more-memory", "undecided", "ok")
        return min(
            found, key=lambda each: order.index(each.verdict), default=Judgement("undecided", "nothing was told")
        )

    def _growth(
        self, name: str, read: Callable[[Row], float | None], then: Sequence[Row], now: Sequence[Row]
    ) -> Judgement | None:
        figures = _figures(read, then, now, math.log)
        if not all(figures):
            return None
        if min(map(len, figures)) < FEWEST:
            return Judgement("undecided", _too_few(figures), Estimate(_change(figures), None, None))
        t = difference(*figures)
        level = self.plan.alarm_level(_LOOK, "memory") / len(_MEMORY)
        estimate = Estimate(share(t.mean), share(t.below(level)), share(t.above(level)))
        if t.below(level) > 0 and estimate.value > MEMORY_EFFECT:
            return Judgement("more-memory", f"more {name}, beyond its spread and {MEMORY_EFFECT:.0%}", estimate)
        return Judgement("ok", f"{name} within its spread or {MEMORY_EFFECT:.0%}", estimate)

    def _diverged(self, before: Sequence[Row], after: Sequence[Row]) -> Judgement | None:
        diverged = any(row.status == "diverged" for row in after) and any(row.val_bce is not None for row in before)
        if self.differences or not diverged:
            return None
        return Judgement("higher-loss", "a loss that is not finite, where the baseline's is")

    def _loss(self, then: Sequence[Row], now: Sequence[Row]) -> Judgement:
        """One process suffices: with equal seeds, equal code has equal losses."""
        figures = _figures(lambda row: row.val_bce, then, now, float)
        if not all(figures):
            return Judgement("undecided", "not evaluated on both sides")
        if len({*figures[0], *figures[1]}) == 1:
            return Judgement("ok", "equal to the last bit", Estimate(0.0, 0.0, 0.0))
        size = abs(statistics.fmean(figures[0])) or 1.0
        before, after = ([value / size for value in values] for values in figures)
        estimate = Estimate(statistics.fmean(after) - statistics.fmean(before), None, None)
        if min(map(len, figures)) >= FEWEST:
            t, level = difference(before, after), self.plan.alarm_level(_LOOK, "loss")
            estimate = Estimate(t.mean, t.below(level), t.above(level))
        if estimate.value > LOSS_EFFECT and (estimate.low is None or estimate.low > 0):
            return Judgement(
                "higher-loss", f"a higher loss, by more than what another seed may do ({LOSS_EFFECT:.0%})", estimate
            )
        return Judgement("ok", f"within what another seed may do ({LOSS_EFFECT:.0%}), or lower", estimate)


def difference(before: Sequence[float], after: Sequence[float], least_error: float = 0.0) -> Student:
    """After less before, of three values or more together; the spread of a process is pooled over both sides.

    Equal code on one machine has one spread, whichever side it ran on.
    """
    error = _spread((before, after)) * math.sqrt(1 / len(before) + 1 / len(after))
    return Student(
        statistics.fmean(after) - statistics.fmean(before), max(error, least_error), len(before) + len(after) - 2
    )


def _spread(figures: Sequence[Sequence[float]]) -> float:
    """Standard deviation of a process' figure, each side about its own mean."""
    squares = [(value - statistics.fmean(values)) ** 2 for values in figures for value in values]
    return math.sqrt(math.fsum(squares) / (len(squares) - len(figures)))


def _change(figures: tuple[Sequence[float], Sequence[float]]) -> float:
    return share(statistics.fmean(figures[1]) - statistics.fmean(figures[0]))


def _figures(
    read: Callable[[Row], float | None], then: Sequence[Row], now: Sequence[Row], scale: Callable[[float], float]
) -> tuple[list[float], list[float]]:
    """What was measured of each process of both sides."""
    known = ([value for row in rows if (value := read(row)) is not None] for rows in (then, now))
    before, after = (list(map(scale, values)) for values in known)
    return before, after


def _epochs_error(rows: Sequence[Row]) -> float:
    """Standard error of a side's mean logarithm by the intervals of its processes' epochs; 0 where one has none."""
    ends = [(row.epoch_s_ci_low, row.epoch_s_ci_high) for row in rows if row.epoch_s_median]
    widths = [math.log(high / low) / 2 for low, high in ends if low is not None and high is not None]
    return math.hypot(*widths) / _OF_95 / len(widths) if widths and len(widths) == len(ends) else 0.0


def _too_few(figures: Sequence[Sequence[float]]) -> str:
    then, now = map(len, figures)
    unknown = "; how far two runs of the same code lie apart here is not known" if then == now == 1 else ""
    return (
        f"{then} {'process' if then == 1 else 'processes'} in the baseline and {now} in the report, where a verdict "
        f"takes {FEWEST} each{unknown}: measure both with --repeats {ADVISED}"
    )


def _checkpoint(before: Sequence[Row], after: Sequence[Row]) -> int | None:
    """The last epoch count that a process of each side reached."""
    reached = [{row.epochs for row in rows if row.status == "ok"} for rows in (before, after)]
    return max(reached[0] & reached[1], default=None)


def _noisy(rows: Sequence[Row]) -> float:
    """Share of the observed epochs that others noisy."""
    observed = [(row.noisy_epochs, row.epochs) for row in rows if row.noisy_epochs is not None]
    return sum(noisy for noisy, _ in observed) / sum(of for _, of in observed) if observed else 0.0


_MEMORY: dict[str, Callable[[Row], float | None]] = {
    "peak resident memory": lambda row: row.peak_rss_mib,
    "anonymous memory": lambda row: row.anon_peak_mib,
}
