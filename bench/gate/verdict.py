"""From recorded rounds to verdicts on a candidate: slower, more memory, a higher loss, or none of these.

Pure functions.

**A round's figure** is the logarithm of the ratio, candidate to base, of the mean wall seconds of the faster half of
its turns. Of the figures that were tried on recorded rounds of equal code, it varies least
(docs/research/gate-statistics.md). Turns that follow each other meet the same noise of the machine, and all turns of a
pair of processes have the same memory layout. Therefore the round, not the turn, is the independent unit: Student's t
gets one figure per round.

`bench.gate.sequential` says after which rounds a case is judged and what each look may risk.

**Verdicts on time.** The interval of the logarithm of the ratio begins at the level of a false alarm and ends at the
level of a miss:

- ok: the interval ends below the minimum effect, so any slowdown is too small to matter;
- faster: as ok, but the estimate is below zero by half the minimum effect or more, and surely below zero at the level
  of a false alarm;
- slower: the interval begins above zero and does not end below the minimum effect, and the estimate is at least half of
  the minimum effect;
- undecided: none of these yet, or noise cost more blocks than the plan allows. A case is also undecided while losses
  that differ may yet turn out to be higher.

A block is discarded whole if a noise indicator was out of bounds over its four turns together, so the rule cannot know
whose turns were hit. Warm-up is cut from both sides alike, by the rule of `bench.results.stats.find_warmup_length`.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.errors import ExitCode
from bench.gate.sequential import RiskPlan
from bench.results.stats import StudentMean, find_warmup_length
from bench.worker.paired_protocol import Block, Memory, Round, Turn

MEMORY_EFFECT = 0.03
"""The smallest growth of memory that matters."""
POWER = 0.95
"""Probability with which the smallest detectable slowdown is found."""
FEWEST_BLOCKS = 3
"""A round with fewer blocks left has no figure."""

Verdict = Literal["slower", "more-memory", "higher-loss", "undecided", "ok", "faster"]
BAD: tuple[Verdict, ...] = ("slower", "more-memory", "higher-loss")


@dataclass(frozen=True)
class Estimate:
    """A change as a fraction of the base: 0.05 is 5 % more."""

    value: float
    low: float | None
    """The interval's ends; None where there are too few rounds for one."""
    high: float | None


@dataclass(frozen=True)
class Judgement:
    """The verdict on time, memory or loss, and why."""

    verdict: Verdict
    reason: str
    estimate: Estimate | None = None
    """None where nothing was measured."""
    is_open: bool = False
    """Whether it is undecided and more rounds may decide it; the whole case is undecided until then."""
    repeats: int | None = None
    """Repeats of the case on each side that would decide it; None where it is decided, or where no number would."""


@dataclass(frozen=True)
class CaseVerdict:
    """The verdicts on one case."""

    rounds: int
    """Rounds that the verdict on time rests on."""
    time: Judgement
    cpu: Estimate | None
    """The same estimate for CPU seconds. It hints at the kind of a change and decides nothing."""
    memory: Judgement
    loss: Judgement
    discarded: float
    """Fraction of the blocks after warm-up that noise cost."""
    smallest: float | None
    """The smallest slowdown that these rounds would have called slower 95 times in 100; None before the first look."""

    @property
    def judgements(self) -> dict[str, Judgement]:
        """By what was judged."""
        return {"time": self.time, "memory": self.memory, "loss": self.loss}

    @property
    def deciding(self) -> tuple[str, Judgement]:
        """What decides a case with which nothing is wrong: time, unless only the loss is still open."""
        is_time = self.time.verdict == "undecided" or not self.loss.is_open
        return ("time", self.time) if is_time else ("loss", self.loss)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Everything that is wrong with the candidate; if nothing is, the deciding verdict."""
        wrong = tuple(each.verdict for each in self.judgements.values() if each.verdict in BAD)
        return wrong or (self.deciding[1].verdict,)

    @property
    def is_decided(self) -> bool:
        """Whether more rounds would change nothing."""
        return self.verdicts != ("undecided",)


# -------------------------------------------------------------------------------------------------- figures of a round


@dataclass(frozen=True)
class Figures:
    """What one round comes to."""

    blocks: int
    """After warm-up."""
    kept: int
    """Blocks without noise among them."""
    wall: float | None
    """Logarithm of the ratio of means of the faster half; None where too few blocks were kept."""
    cpu: float | None
    memory: Mapping[str, tuple[float, float]]
    """MiB of the base and of the candidate, by kind of memory, where both were read."""
    losses: tuple[float | None, float | None] | None
    """Last validation losses of base and candidate, None of one that is not finite; None where there are no blocks."""
    equal_losses: bool
    """Whether all losses of the two were equal, to the last bit."""


def reduce_round(recorded: Round) -> Figures:
    """A round's figures."""
    steady = cut_warmup(recorded.blocks)
    clean = [block for block in steady if not block.noise]
    base = [turn for block in clean for turn in block.base]
    candidate = [turn for block in clean for turn in block.candidate]
    enough = len(clean) >= FEWEST_BLOCKS
    return Figures(
        blocks=len(steady),
        kept=len(clean),
        wall=_compute_log_ratio([turn.wall_s for turn in base], [turn.wall_s for turn in candidate])
        if enough
        else None,
        cpu=_compute_log_ratio([turn.cpu_s for turn in base], [turn.cpu_s for turn in candidate]) if enough else None,
        memory=_pair_memory(recorded),
        losses=_get_last_losses(recorded.blocks[-1]) if recorded.blocks else None,
        equal_losses=all(_list_losses(block.base) == _list_losses(block.candidate) for block in recorded.blocks),
    )


def cut_warmup(blocks: Sequence[Block]) -> Sequence[Block]:
    """The blocks without those in which either side was still warming up."""
    longest = max(
        find_warmup_length([turn.wall_s for block in blocks for turn in block.base]),
        find_warmup_length([turn.wall_s for block in blocks for turn in block.candidate]),
    )
    return blocks[math.ceil(longest / 2) :]


def _compute_log_ratio(base: Sequence[float], candidate: Sequence[float]) -> float | None:
    """Logarithm of the ratio of the means of the faster halves; None where a clock is too coarse for the turns."""
    below, above = (float(np.mean(np.sort(seconds)[: len(seconds) // 2])) for seconds in (base, candidate))
    return math.log(above / below) if below > 0 and above > 0 else None


MEMORY_KINDS = ("peak resident memory", "anonymous memory")


def _pair_memory(recorded: Round) -> dict[str, tuple[float, float]]:
    def read(memory: Memory) -> tuple[float | None, float | None]:
        return memory.peak_rss_mib, memory.anon_mib

    sides = zip(MEMORY_KINDS, read(recorded.base_memory), read(recorded.candidate_memory), strict=True)
    return {kind: (base, candidate) for kind, base, candidate in sides if base and candidate}


def _list_losses(turns: Sequence[Turn]) -> list[tuple[float | None, float | None]]:
    return [(turn.train_loss, turn.val_loss) for turn in turns]


def _get_last_losses(block: Block) -> tuple[float | None, float | None]:
    return block.base[-1].val_loss, block.candidate[-1].val_loss


# ------------------------------------------------------------------------------------------------------------ verdicts


def judge_case(found: Sequence[Figures], plan: RiskPlan) -> CaseVerdict:
    """The verdict on one case from the figures of all its rounds so far, at the last look that they allow."""
    wall = [each.wall for each in found if each.wall is not None]
    cpu = [each.cpu for each in found if each.cpu is not None]
    total = sum(each.blocks for each in found)
    discarded = 1 - sum(each.kept for each in found) / total if total else 0.0
    look = plan.find_last_look(len(wall))
    return CaseVerdict(
        rounds=len(wall) if look is None else plan.looks[look],
        time=_judge_noise(discarded, plan) or judge_time(wall, plan),
        cpu=_estimate(cpu, plan),
        memory=_judge_memory(found, plan),
        loss=_judge_loss(found, plan),
        discarded=discarded,
        smallest=None if look is None else find_smallest_slowdown(StudentMean.of(wall[: plan.looks[look]]), plan, look),
    )


def _judge_noise(discarded: float, plan: RiskPlan) -> Judgement | None:
    """Undecided where noise cost too many blocks; None where it did not."""
    if discarded <= plan.most_discarded:
        return None
    return Judgement("undecided", f"noise cost more than {plan.most_discarded:.0%} of the blocks")


def judge_time(wall: Sequence[float], plan: RiskPlan) -> Judgement:
    """The verdict on a case's time from the rounds' figures, logarithms, in the order in which they came."""
    look = plan.find_last_look(len(wall))
    if look is None:
        return Judgement("undecided", _explain_too_few(plan), _estimate(wall, plan))
    return judge_ratio(StudentMean.of(wall[: plan.looks[look]]), plan, look)


def _explain_too_few(plan: RiskPlan) -> str:
    return f"fewer than {plan.looks[0]} usable rounds"


def judge_ratio(t: StudentMean, plan: RiskPlan, look: int) -> Judgement:
    """The verdict on the logarithm of a ratio of times, at this look."""
    alarm, miss = plan.compute_alarm_level(look, "time"), plan.compute_miss_level(look)
    estimate = estimate_change(t, alarm, miss)
    matters = math.log1p(plan.minimum_effect)
    if t.compute_upper_end(miss) < matters:
        if t.compute_upper_end(alarm) < 0 and t.mean <= -matters / 2:
            return Judgement("faster", "faster, beyond the noise", estimate)
        return Judgement("ok", f"no slowdown of {100 * plan.minimum_effect:g}% or more", estimate)
    if t.compute_lower_end(alarm) > 0 and t.mean >= matters / 2:
        return Judgement("slower", "slower, beyond the noise", estimate)
    return Judgement("undecided", "too noisy for a verdict so far", estimate)


def find_smallest_slowdown(t: StudentMean, plan: RiskPlan, look: int) -> float:
    """The smallest slowdown that an estimate as precise as this one calls slower 95 times in 100.

    Each condition of the verdict has to hold even where the estimate is too low by what 95 of 100 estimates stay
    within.
    """
    matters, unlucky = math.log1p(plan.minimum_effect), t.compute_width(1 - POWER)
    alarm, miss = (
        t.compute_width(plan.compute_alarm_level(look, "time")),
        t.compute_width(plan.compute_miss_level(look)),
    )
    return to_change(unlucky + max(alarm, matters / 2, matters - miss))


def _estimate(logs: Sequence[float], plan: RiskPlan) -> Estimate | None:
    """A change from the rounds' logarithms, with the interval of the verdict on time where there are enough rounds."""
    look = plan.find_last_look(len(logs))
    if look is None:
        return Estimate(to_change(statistics.fmean(logs)), None, None) if logs else None
    t = StudentMean.of(logs[: plan.looks[look]])
    return estimate_change(t, plan.compute_alarm_level(look, "time"), plan.compute_miss_level(look))


def estimate_change(t: StudentMean, lower_level: float, upper_level: float) -> Estimate:
    """The mean of logarithms as a change, with an interval whose ends have these levels."""
    return Estimate(
        to_change(t.mean), to_change(t.compute_lower_end(lower_level)), to_change(t.compute_upper_end(upper_level))
    )


def to_change(logarithm: float) -> float:
    """A ratio's logarithm as a change: 0.05 is 5 % more. At most e^100, which a strange table may hold."""
    return math.expm1(min(logarithm, 100.0))


# -------------------------------------------------------------------------------------------------------- memory, loss


def _judge_memory(found: Sequence[Figures], plan: RiskPlan) -> Judgement:
    known = [kind for kind in MEMORY_KINDS if found and all(kind in each.memory for each in found)]
    look = plan.find_last_look(len(found))
    if look is None:
        return Judgement("undecided", _explain_too_few(plan) if known else NO_MEMORY)
    logs = {
        kind: [math.log(candidate / base) for base, candidate in (each.memory[kind] for each in found)]
        for kind in known
    }
    return choose_worst_memory(
        [judge_growth(kind, StudentMean.of(values[: plan.looks[look]]), plan, look) for kind, values in logs.items()]
    )


NO_MEMORY = "no memory was measured on both sides"


def judge_growth(kind: str, t: StudentMean, plan: RiskPlan, look: int) -> Judgement:
    """The verdict on the logarithm of a ratio of memory: more by over 3 % and by more than its spread explains."""
    level = plan.compute_alarm_level(look, "memory") / len(MEMORY_KINDS)
    estimate = estimate_change(t, level, level)
    if t.compute_lower_end(level) > 0 and estimate.value > MEMORY_EFFECT:
        return Judgement("more-memory", f"more {kind}, by over {MEMORY_EFFECT:.0%} and beyond its spread", estimate)
    return Judgement("ok", f"{kind} within {MEMORY_EFFECT:.0%} or its spread", estimate)


def choose_worst_memory(judgements: Sequence[Judgement]) -> Judgement:
    """Of the verdicts on several kinds of memory, the one that counts."""
    order: tuple[Verdict, ...] = ("more-memory", "undecided", "ok")
    return min(judgements, key=lambda each: order.index(each.verdict), default=Judgement("undecided", NO_MEMORY))


EQUAL_LOSSES = Judgement("ok", "equal to the last bit", Estimate(0.0, 0.0, 0.0))


def _judge_loss(found: Sequence[Figures], plan: RiskPlan) -> Judgement:
    """Equal losses from equal seeds need no statistics; others are compared with the base's spread over its seeds."""
    if found and all(each.equal_losses for each in found):
        return EQUAL_LOSSES
    ends = [each.losses for each in found if each.losses is not None]
    if any(base is not None and candidate is None for base, candidate in ends):
        return Judgement("higher-loss", "a loss that is not finite, where the base's is")
    look = plan.find_last_look(len(ends))
    if look is None:
        return Judgement("undecided", _explain_too_few(plan))
    finite = [(base, candidate) for base, candidate in ends if base is not None and candidate is not None]
    if len(finite) < plan.looks[look]:
        return Judgement("undecided", "the base's loss is not finite")
    return _judge_last_losses(finite[: plan.looks[look]], plan, look)


def _judge_last_losses(ends: Sequence[tuple[float, float]], plan: RiskPlan, look: int) -> Judgement:
    """The verdict on last validation losses of base and candidate: higher beyond the noise and the spread over seeds.

    Before the last look the verdict is open as long as the loss may yet turn out to be that much higher.
    """
    level = plan.compute_alarm_level(look, "loss")
    base = [each for each, _ in ends]
    size = abs(statistics.fmean(base)) or 1.0
    spread = statistics.stdev(base) / size
    t = StudentMean.of([(candidate - before) / size for before, candidate in ends])
    estimate = Estimate(t.mean, t.compute_lower_end(level), t.compute_upper_end(level))
    if t.compute_lower_end(level) > 0 and t.mean > spread:
        return Judgement("higher-loss", f"a higher loss, beyond its spread over seeds of {spread:.2%}", estimate)
    if t.compute_upper_end(plan.compute_miss_level(look)) > spread and look < len(plan.looks) - 1:
        reason = f"the loss differs and may be higher by more than its spread over seeds of {spread:.2%}"
        return Judgement("undecided", reason, estimate, is_open=True)
    return Judgement("ok", f"within its spread over seeds of {spread:.2%}, or lower", estimate)


# ---------------------------------------------------------------------------------------------------------------- a run


Trouble = Literal["failed", "incomparable"]


@dataclass(frozen=True)
class CaseResult:
    """What became of one case of a run."""

    name: str
    """The same in every run."""
    verdict: CaseVerdict
    recorded: int = 0
    """Rounds that were recorded, whether or not the verdict rests on them."""
    images: int | None = None
    """Training images per turn; None where no turn was run."""
    trouble: Trouble | None = None
    """Why there is no verdict, where there is none."""
    reason: str = ""
    """Why there is trouble, or why the case ended before a verdict."""
    short_name: str = ""
    """What people call it in this run; empty where its name is short."""

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.short_name or self.name

    @property
    def verdicts(self) -> tuple[str, ...]:
        """What is wrong with the candidate; else the trouble; else the deciding verdict."""
        wrong = tuple(each for each in self.verdict.verdicts if each in BAD)
        return wrong or ((self.trouble,) if self.trouble else self.verdict.verdicts)


def choose_exit_code(results: Sequence[CaseResult], *, fail_undecided: bool = False) -> ExitCode:
    """The exit code of a whole run, by the worst of its cases; undecided ones count only with ``fail_undecided``."""
    verdicts = {verdict for each in results for verdict in each.verdicts}
    if verdicts & set(BAD):
        return ExitCode.REGRESSION
    if "failed" in verdicts:
        return ExitCode.FAILED
    if "incomparable" in verdicts:
        return ExitCode.INCOMPARABLE
    return ExitCode.UNDECIDED if fail_undecided and ("undecided" in verdicts or not verdicts) else ExitCode.OK
