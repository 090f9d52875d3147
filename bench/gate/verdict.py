"""From recorded rounds to verdicts: slower, more memory or a higher loss than the base, or not. Pure functions.

**The figure of a round** is the logarithm of the ratio, candidate to base, of the mean wall seconds of the faster half
of its turns: of what was tried on recorded rounds of equal code, the least noisy (docs/gate.md). Neighbouring turns
share the machine's mood and those of one pair of processes its memory layout, so the round is the independent turn:
Student's t has one figure a round.

Rounds are looked at, and risks spent, as `bench.gate.sequential` has it.

**Verdicts on time**, of a ratio's logarithm with an interval from the alarm's level below to the miss' level above:

- ok: the interval ends below the minimum effect: whatever slowdown there is, it is too small to matter;
- faster: that, the estimate at least half the minimum effect below zero, and zero beyond the alarm's level above;
- slower: the interval begins above zero, reaches the minimum effect, and the estimate is half of it or more;
- undecided: none of these yet, or more blocks had to be discarded than the plan allows; or losses that differ may yet
  prove to be worse.

A block is discarded whole when a noise read_machine_counters was out of bounds over its four turns together, so the rule cannot know
whose turn it was; warm-up is cut from both sides alike, by the rule of `bench.results.stats.steady_state`.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from bench.errors import ExitCode
from bench.gate.sequential import Plan, Student
from bench.results.stats import warmup_length
from bench.worker.paired_protocol import Block, Memory, Round, Turn

MEMORY_EFFECT = 0.03
"""The smallest growth of memory that matters."""
POWER = 0.95
"""With which the smallest slowdown that a run could have seen would have been seen."""
FEWEST_BLOCKS = 3
"""Kept blocks below which a round has no figure."""

Verdict = Literal["slower", "more-memory", "higher-loss", "undecided", "ok", "faster"]
BAD: tuple[Verdict, ...] = ("slower", "more-memory", "higher-loss")


@dataclass(frozen=True)
class Estimate:
    """A change as a share of the base: 0.05 is 5 % more."""

    value: float
    low: float | None
    """The interval's ends; None where there are too few rounds for one."""
    high: float | None


@dataclass(frozen=True)
class Judgement:
    """What was found out about one thing."""

    verdict: Verdict
    reason: str
    estimate: Estimate | None = None
    """None where there is no figure at all."""
    is_open: bool = False
    """Whether it is undecided and further rounds may decide it: the case is then as undecided as it is."""


@dataclass(frozen=True)
class CaseVerdict:
    """What was found out about one case."""

    rounds: int
    """Rounds that the verdict on time rests on."""
    time: Judgement
    cpu: Estimate | None
    """CPU seconds likewise: the second indicator, of what kind a change is. It decides nothing."""
    memory: Judgement
    loss: Judgement
    discarded: float
    """Share of the blocks after warm-up that noise cost."""
    smallest: float | None
    """The smallest slowdown that these rounds would have called slower 95 times in 100; None before the first look."""

    @property
    def judgements(self) -> dict[str, Judgement]:
        """By what was judged."""
        return {"time": self.time, "memory": self.memory, "loss": self.loss}

    @property
    def deciding(self) -> tuple[str, Judgement]:
        """What the verdict on a candidate with which nothing is wrong rests on: time, unless the loss alone is open."""
        is_time = self.time.verdict == "undecided" or not self.loss.is_open
        return ("time", self.time) if is_time else ("loss", self.loss)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What is wrong with the candidate, all of it; else the verdict on what decides."""
        wrong = tuple(each.verdict for each in self.judgements.values() if each.verdict in BAD)
        return wrong or (self.deciding[1].verdict,)

    @property
    def decided(self) -> bool:
        """Whether further rounds are of no use."""
        return self.verdicts != ("undecided",)


# -------------------------------------------------------------------------------------------------- figures of a round


def after_warmup(blocks: Sequence[Block]) -> Sequence[Block]:
    """The blocks without those in which either side still warmed up."""
    longest = max(
        warmup_length([turn.wall_s for block in blocks for turn in block.base]),
        warmup_length([turn.wall_s for block in blocks for turn in block.candidate]),
    )
    return blocks[math.ceil(longest / 2) :]


def kept(blocks: Sequence[Block]) -> list[Block]:
    """Blocks that no noise indicator speaks against."""
    return [block for block in blocks if not block.noise]


@dataclass(frozen=True)
class Figures:
    """What one round comes to."""

    blocks: int
    """After warm-up."""
    kept: int
    wall: float | None
    """Logarithm of the ratio of means of the faster half; None where too few blocks were kept."""
    cpu: float | None
    memory: Mapping[str, tuple[float, float]]
    """MiB of the base and of the candidate, by what was read of both."""
    losses: tuple[float | None, float | None] | None
    """Last validation losses of base and candidate, None of one that is not finite; None where there are no blocks."""
    equal_losses: bool
    """Whether all losses of the two were equal, to the last bit."""

    @property
    def swapped(self) -> "Figures":
        """As they were with base and candidate exchanged."""
        return replace(
            self,
            wall=None if self.wall is None else -self.wall,
            cpu=None if self.cpu is None else -self.cpu,
            memory={name: (candidate, base) for name, (base, candidate) in self.memory.items()},
            losses=None if self.losses is None else (self.losses[1], self.losses[0]),
        )


def reduce_round(recorded: Round) -> Figures:
    """A round's figures."""
    steady = after_warmup(recorded.blocks)
    clean = kept(steady)
    base = [turn for block in clean for turn in block.base]
    candidate = [turn for block in clean for turn in block.candidate]
    enough = len(clean) >= FEWEST_BLOCKS
    return Figures(
        blocks=len(steady),
        kept=len(clean),
        wall=_ratio([turn.wall_s for turn in base], [turn.wall_s for turn in candidate]) if enough else None,
        cpu=_ratio([turn.cpu_s for turn in base], [turn.cpu_s for turn in candidate]) if enough else None,
        memory=_memory(recorded),
        losses=(_last(recorded.blocks, "base"), _last(recorded.blocks, "candidate")) if recorded.blocks else None,
        equal_losses=_losses(recorded, "base") == _losses(recorded, "candidate"),
    )


def _memory(recorded: Round) -> dict[str, tuple[float, float]]:
    both = {name: (told(recorded.base_memory), told(recorded.candidate_memory)) for name, told in _MEMORY.items()}
    return {name: (base, candidate) for name, (base, candidate) in both.items() if base and candidate}


_MEMORY: dict[str, Callable[[Memory], float | None]] = {
    "peak resident memory": lambda memory: memory.peak_rss_mib,
    "anonymous memory": lambda memory: memory.anon_mib,
}


def _ratio(base: Sequence[float], candidate: Sequence[float]) -> float | None:
    """Logarithm of the ratio of means of the faster halves. None where a clock is too coarse for the turns."""
    below, above = (float(np.mean(np.sort(seconds)[: len(seconds) // 2])) for seconds in (base, candidate))
    return math.log(above / below) if below > 0 and above > 0 else None


def _losses(recorded: Round, side: str) -> list[tuple[float | None, float | None]]:
    return [(turn.train_loss, turn.val_loss) for block in recorded.blocks for turn in _turns(block, side)]


def _last(blocks: Sequence[Block], side: str) -> float | None:
    return _turns(blocks[-1], side)[-1].val_loss


def _turns(block: Block, side: str) -> tuple[Turn, Turn]:
    return block.base if side == "base" else block.candidate


# ------------------------------------------------------------------------------------------------------------ verdicts


def judge(found: Sequence[Figures], plan: Plan) -> CaseVerdict:
    """The verdict on one case from the figures of all its rounds so far, at the last look that they allow."""
    wall = [each.wall for each in found if each.wall is not None]
    cpu = [each.cpu for each in found if each.cpu is not None]
    total = sum(each.blocks for each in found)
    discarded = 1 - sum(each.kept for each in found) / total if total else 0.0
    look = plan.look(len(wall))
    return CaseVerdict(
        rounds=len(wall) if look is None else plan.looks[look],
        time=_too_noisy(discarded, plan) or judge_time(wall, plan),
        cpu=_bounded(cpu, plan),
        memory=_judge_memory(found, plan),
        loss=_judge_loss(found, plan),
        discarded=discarded,
        smallest=smallest(wall, plan),
    )


def _too_noisy(discarded: float, plan: Plan) -> Judgement | None:
    if discarded <= plan.most_discarded:
        return None
    return Judgement(
        "undecided", f"{discarded:.0%} of the blocks were noisy; at most {plan.most_discarded:.0%} may be discarded"
    )


def judge_time(wall: Sequence[float], plan: Plan) -> Judgement:
    """The verdict on a case's figures of rounds, logarithms, in the order in which they came."""
    look = plan.look(len(wall))
    if look is None:
        return Judgement("undecided", f"{len(wall)} rounds; {plan.looks[0]} are needed", _bounded(wall, plan))
    return decided(Student.of(wall[: plan.looks[look]]), plan, look)


def decided(t: Student, plan: Plan, look: int) -> Judgement:
    """The verdict on a logarithm of a ratio of times, at this look."""
    alarm, miss = plan.alarm_level(look, "time"), plan.miss_level(look)
    estimate = bounds(t, plan, look)
    matters = math.log1p(plan.minimum_effect)
    if t.above(miss) < matters:
        if t.above(alarm) < 0 and t.mean <= -matters / 2:
            return Judgement("faster", "faster, beyond the noise", estimate)
        return Judgement("ok", f"no slowdown of {plan.minimum_effect:.0%} or more", estimate)
    if t.below(alarm) > 0 and t.mean >= matters / 2:
        return Judgement("slower", "slower, beyond the noise", estimate)
    return Judgement("undecided", "the noise allows no verdict yet", estimate)


def bounds(t: Student, plan: Plan, look: int) -> Estimate:
    """A logarithm as a change, from what bounds an alarm on time to what bounds a miss."""
    return Estimate(
        share(t.mean), share(t.below(plan.alarm_level(look, "time"))), share(t.above(plan.miss_level(look)))
    )


def smallest(wall: Sequence[float], plan: Plan) -> float | None:
    """The smallest slowdown that the rounds up to the last look would have called slower 95 times in 100."""
    look = plan.look(len(wall))
    return None if look is None else detectable(Student.of(wall[: plan.looks[look]]), plan, look)


def detectable(t: Student, plan: Plan, look: int) -> float:
    """The smallest slowdown that an estimate as good as this one calls slower 95 times in 100.

    Each condition of the verdict has to hold with the estimate lower than the truth by what 95 of 100 stay within.
    """
    matters, unlucky = math.log1p(plan.minimum_effect), t.width(1 - POWER)
    alarm, miss = t.width(plan.alarm_level(look, "time")), t.width(plan.miss_level(look))
    return share(unlucky + max(alarm, matters / 2, matters - miss))


def _bounded(values: Sequence[float], plan: Plan) -> Estimate | None:
    """An estimate from logarithms, with the interval of the verdict on time where there are rounds enough."""
    look = plan.look(len(values))
    if look is None:
        return Estimate(share(statistics.fmean(values)), None, None) if values else None
    return bounds(Student.of(values[: plan.looks[look]]), plan, look)


def share(logarithm: float) -> float:
    """A ratio's logarithm as a change: 0.05 is 5 % more; never beyond e^100, which a stranger's table may hold."""
    return math.expm1(min(logarithm, 100.0))


# -------------------------------------------------------------------------------------------------------- memory, loss


def _judge_memory(found: Sequence[Figures], plan: Plan) -> Judgement:
    """Fatter where the peak or the anonymous memory grew by more than 3 % and more than its spread over rounds."""
    told = [name for name in _MEMORY if found and all(name in each.memory for each in found)]
    judged = [_judge_growth(name, [each.memory[name] for each in found], plan) for name in told]
    order: tuple[Verdict, ...] = ("more-memory", "undecided", "ok")
    return min(judged, key=lambda each: order.index(each.verdict), default=Judgement("undecided", "nothing was told"))


def _judge_growth(name: str, pairs: Sequence[tuple[float, float]], plan: Plan) -> Judgement:
    look = plan.look(len(pairs))
    if look is None:
        return Judgement("undecided", f"{len(pairs)} rounds; {plan.looks[0]} are needed")
    t = Student.of([math.log(candidate / base) for base, candidate in pairs[: plan.looks[look]]])
    level = plan.alarm_level(look, "memory") / 2  # there are two figures of memory
    estimate = Estimate(share(t.mean), share(t.below(level)), share(t.above(level)))
    uses_more = t.below(level) > 0 and share(t.mean) > MEMORY_EFFECT
    if uses_more:
        return Judgement("more-memory", f"more {name}, beyond its spread and {MEMORY_EFFECT:.0%}", estimate)
    return Judgement("ok", f"{name} within its spread or {MEMORY_EFFECT:.0%}", estimate)


def _judge_loss(found: Sequence[Figures], plan: Plan) -> Judgement:
    """Equal losses from equal seeds need no statistics; others are held against the base's spread over its seeds."""
    if found and all(each.equal_losses for each in found):
        return Judgement("ok", "equal to the last bit", Estimate(0.0, 0.0, 0.0))
    ends = [each.losses for each in found if each.losses is not None]
    if any(base is not None and candidate is None for base, candidate in ends):
        return Judgement("higher-loss", "a loss that is not finite, where the base's is")
    look = plan.look(len(ends))
    if look is None:
        return Judgement("undecided", f"{len(ends)} rounds; {plan.looks[0]} are needed")
    finite = [(base, candidate) for base, candidate in ends if base is not None and candidate is not None]
    if len(finite) < plan.looks[look]:
        return Judgement("undecided", "the base's loss is not finite")
    return _judge_ends(finite[: plan.looks[look]], plan, look)


def _judge_ends(ends: Sequence[tuple[float, float]], plan: Plan, look: int) -> Judgement:
    """Of last validation losses, base and candidate: worse beyond the noise and beyond the spread over seeds.

    Before the last look the verdict is open as long as the loss may yet prove to be that much worse.
    """
    level = plan.alarm_level(look, "loss")
    base = [each for each, _ in ends]
    size = abs(statistics.fmean(base)) or 1.0
    spread = statistics.stdev(base) / size
    t = Student.of([(candidate - before) / size for before, candidate in ends])
    estimate = Estimate(t.mean, t.below(level), t.above(level))
    if t.below(level) > 0 and t.mean > spread:
        return Judgement("higher-loss", f"a higher loss, beyond its spread over seeds of {spread:.2%}", estimate)
    if t.above(plan.miss_level(look)) > spread and look < len(plan.looks) - 1:
        reason = f"another loss, which may be higher by more than its spread over seeds of {spread:.2%}"
        return Judgement("undecided", reason, estimate, is_open=True)
    return Judgement("ok", f"within its spread over seeds of {spread:.2%}, or lower", estimate)


# ---------------------------------------------------------------------------------------------------------------- a run


Trouble = Literal["failed", "incomparable"]


@dataclass(frozen=True)
class CaseResult:
    """What became of one case of a run."""

    name: str
    verdict: CaseVerdict
    recorded: int = 0
    """Rounds that were recorded, whether or not a verdict rests on them."""
    images: int | None = None
    """Training images a turn; None where it came to none."""
    trouble: Trouble | None = None
    """Why there is no verdict, where there is none."""
    reason: str = ""
    """Of the trouble, or of the end before a verdict."""

    @property
    def verdicts(self) -> tuple[str, ...]:
        """In words: what is wrong with the candidate, else the trouble, else the verdict on time."""
        wrong = tuple(each for each in self.verdict.verdicts if each in BAD)
        return wrong or ((self.trouble,) if self.trouble else self.verdict.verdicts)


def exit_code(results: Sequence[CaseResult], *, fail_undecided: bool = False) -> int:
    """Of a whole run, the worst of its cases: undecided counts only where asked."""
    told = {verdict for each in results for verdict in each.verdicts}
    if told & set(BAD):
        return ExitCode.REGRESSION
    if "failed" in told:
        return ExitCode.FAILED
    if "incomparable" in told:
        return ExitCode.INCOMPARABLE
    return ExitCode.UNDECIDED if fail_undecided and ("undecided" in told or not told) else ExitCode.OK
