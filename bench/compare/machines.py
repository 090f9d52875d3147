"""Machines side by side, and ranked: pure functions on what each of them measured.

One machine is the reference; every other machine is compared with it case by case. A speed is the reference's seconds
over the machine's, so that 2 is twice as fast. A ratio of memory is the machine's over the reference's. A difference of
losses is the machine's less the reference's.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from bench.compare.cases import CheckpointFigures, Machine, MeasuredCase
from bench.errors import format_count, quote
from bench.host.fingerprint import Fingerprint
from bench.plan import catalog
from bench.results.reader import Row
from bench.results.speed import CaseSpeed
from bench.results.stats import StudentMean

NOISY_FRACTION = 0.1
"""Where a larger fraction of the epochs was noisy, times are to be read with care."""
UNSTEADY_FRACTION = 0.25
"""Likewise, where a larger fraction of the cases had no steady state."""

# ------------------------------------------------------------------ ratios


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio and its 95 % interval."""

    value: float
    low: float
    high: float
    cases: int = 1


def divide(over: CaseSpeed, under: CaseSpeed) -> Ratio:
    """``over`` / ``under``, their intervals combined on the log scale.

    By the method of variance estimates recovery (Zou and Donner, Statistics in Medicine 27, 2008): an end of the
    ratio's interval depends on one end of each side's; its distance from the ratio is the root of the sum of their
    squared distances.
    """
    middle = math.log(over.quiet) - math.log(under.quiet)
    below = math.hypot(math.log(over.quiet / over.low), math.log(under.high / under.quiet))
    above = math.hypot(math.log(over.high / over.quiet), math.log(under.quiet / under.low))
    return Ratio(math.exp(middle), math.exp(middle - below), math.exp(middle + above))


def compute_geometric_mean(ratios: Sequence[Ratio]) -> Ratio | None:
    """The geometric mean, with the wider of two intervals at each end; None without ratios.

    One is Student's t on the logarithms with the case as the unit: it contains differences from case to case, and brief
    noise too. The other combines the cases' own intervals, half of whose variance the cases of a sweep share: they ran
    in the same hour, so many cases do not make a ratio much better known than each of them is.
    """
    if not ratios:
        return None
    logs = [math.log(each.value) for each in ratios]
    middle = statistics.fmean(logs)
    across = StudentMean.of(logs).compute_width() if len(logs) > 1 else 0.0
    below = max(across, _combine([math.log(each.value / each.low) for each in ratios]))
    above = max(across, _combine([math.log(each.high / each.value) for each in ratios]))
    return Ratio(math.exp(middle), math.exp(middle - below), math.exp(middle + above), len(ratios))


_SHARED = 0.5
"""Part of the variance of the cases' errors that is one for all cases of a sweep."""


def _combine(reaches: Sequence[float]) -> float:
    """How far the mean's end lies from it, by those of the cases."""
    own = math.hypot(*reaches) / len(reaches)
    return math.hypot(math.sqrt(1 - _SHARED) * own, math.sqrt(_SHARED) * statistics.fmean(reaches))


# ------------------------------------------------------------------ one case on two machines


@dataclass(frozen=True, slots=True)
class CasePair:
    """A case on the reference and on another machine; what only one side has is None on the other."""

    case: str
    reference: MeasuredCase | None
    machine: MeasuredCase | None
    timed: tuple[CheckpointFigures, CheckpointFigures] | None = None
    """The reference's and the machine's last checkpoint: times are those of whole runs."""
    sized: tuple[CheckpointFigures, CheckpointFigures] | None = None
    """The checkpoint at which memory is compared, on each side."""
    evaluated: tuple[CheckpointFigures, CheckpointFigures] | None = None
    """The checkpoint at which losses are compared, on each side."""
    same_data: bool = True
    speed: Ratio | None = None
    anon: float | None = None
    """Peak of anonymous memory, as a multiple of the reference's."""
    rss: float | None = None
    """Peak of resident memory, as a multiple of the reference's."""
    loss: float | None = None
    """The machine's less the reference's."""

    @property
    def row(self) -> Row:
        """What is trained."""
        side = self.reference or self.machine
        assert side is not None  # noqa: S101 - one side has it
        return side.row

    @property
    def memory(self) -> float | None:
        """Of anonymous memory where both sides have it, else of resident memory, as a multiple of the reference's.

        How much of resident memory is files that others mapped, such as TensorFlow's libraries, is chance.
        """
        return self.anon or self.rss or None


def pair_case(name: str, reference: MeasuredCase | None, other: MeasuredCase | None) -> CasePair:
    """A case of two machines, with a comparison of all that can be compared."""
    if reference is None or other is None or not reference.checkpoints or not other.checkpoints:
        return CasePair(name, reference, other)
    timed = (reference.checkpoints[-1], other.checkpoints[-1])
    sized, evaluated = _choose_sized(reference, other), _choose_evaluated(reference, other)
    one, two = sized
    same_data = timed[0].dataset_digest == timed[1].dataset_digest
    same_size = one.samples == two.samples
    return CasePair(
        case=name,
        reference=reference,
        machine=other,
        timed=timed,
        sized=sized,
        evaluated=evaluated,
        same_data=same_data,
        speed=divide(reference.speed, other.speed) if same_data and reference.speed and other.speed else None,
        anon=_divide_known(two.anon_mib, one.anon_mib) if same_size else None,
        rss=_divide_known(two.rss_mib, one.rss_mib) if same_size else None,
        loss=_subtract_losses(*evaluated) if evaluated else None,
    )


def _divide_known(over: float | None, under: float | None) -> float | None:
    return None if over is None or under is None else over / under


def _subtract_losses(reference: CheckpointFigures, other: CheckpointFigures) -> float | None:
    if reference.loss is None or other.loss is None or reference.dataset_digest != other.dataset_digest:
        return None
    return other.loss - reference.loss


def _choose_sized(reference: MeasuredCase, other: MeasuredCase) -> tuple[CheckpointFigures, CheckpointFigures]:
    """The last checkpoint of both; where there is none, each side's last."""
    matched = _match_checkpoints(reference, other)
    return matched[-1] if matched else (reference.checkpoints[-1], other.checkpoints[-1])


def _choose_evaluated(
    reference: MeasuredCase, other: MeasuredCase
) -> tuple[CheckpointFigures, CheckpointFigures] | None:
    """The last checkpoint of both with a loss: losses after different numbers of epochs cannot be compared."""
    matched = _match_checkpoints(reference, other)
    known = [(one, two) for one, two in matched if one.loss is not None and two.loss is not None]
    return known[-1] if known else None


def _match_checkpoints(
    reference: MeasuredCase, other: MeasuredCase
) -> list[tuple[CheckpointFigures, CheckpointFigures]]:
    others = {each.epochs: each for each in other.checkpoints}
    return [(each, others[each.epochs]) for each in reference.checkpoints if each.epochs in others]


# ------------------------------------------------------------------ a machine compared with the reference

State = Literal["yes", "with care", "no"]


@dataclass(frozen=True)
class Comparability:
    """Whether times, memory or losses can be compared, and why not or what to bear in mind."""

    state: State
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class MachineComparison:
    """A machine compared with the reference."""

    machine: Machine
    pairs: tuple[CasePair, ...]
    differences: tuple[tuple[str, Any, Any], ...]
    """What differs in the fingerprints: field, the reference's, the machine's."""
    speed: Ratio | None
    """Over all cases."""
    memory: float | None
    """The geometric mean over all cases of the memory that `CasePair.memory` compares."""
    time: Comparability
    space: Comparability
    losses: Comparability
    rank: int | None = None

    def find_pair(self, case: str) -> CasePair | None:
        """One case, if either side has it."""
        return next((each for each in self.pairs if each.case == case), None)

    @property
    def common(self) -> tuple[CasePair, ...]:
        """Cases that succeeded on both."""
        return tuple(each for each in self.pairs if each.timed)

    @property
    def unmatched(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Cases that only the reference has, and that only the machine has."""
        return (
            tuple(each.case for each in self.pairs if each.machine is None),
            tuple(each.case for each in self.pairs if each.reference is None),
        )

    @property
    def failures(self) -> tuple[tuple[str, str], ...]:
        """Cases of the machine that failed, and how."""
        return tuple((name, failure) for name, case in self.machine.cases.items() for failure in case.failures)

    @property
    def is_comparable(self) -> bool:
        """Whether anything can be compared."""
        return any(each.state != "no" for each in (self.time, self.space, self.losses))


@dataclass(frozen=True)
class Comparison:
    """Machines compared with one of them, the best rank first; those without a rank come last."""

    reference: Machine
    others: tuple[MachineComparison, ...]
    rank: int
    """The reference's own."""

    @property
    def is_comparable(self) -> bool:
        """Whether anything of any machine can be compared."""
        return any(each.is_comparable for each in self.others)

    @property
    def cases(self) -> dict[str, Row]:
        """Every case of any machine and what it trains, the reference's first, in its order."""
        found = {name: case.row for name, case in self.reference.cases.items()}
        for each in self.others:
            for name, case in each.machine.cases.items():
                found.setdefault(name, case.row)
        return found


def compare_machines(reference: Machine, others: Sequence[Machine]) -> Comparison:
    """Compare each of the others with the reference, and rank all by the geometric mean of their speeds."""
    compared = [compare_machine(reference, other) for other in others]
    speeds = [each.speed.value for each in compared if each.speed]

    def rank(speed: float) -> int:
        return 1 + sum(each > speed for each in (*speeds, 1.0))  # 1 is the reference's own

    ranked = [replace(each, rank=rank(each.speed.value)) if each.speed else each for each in compared]
    ranked.sort(key=lambda each: (each.rank is None, each.rank or 0))
    return Comparison(reference, tuple(ranked), rank(1.0))


def compare_machine(reference: Machine, other: Machine) -> MachineComparison:
    """One machine compared with the reference."""
    names = dict.fromkeys((*reference.cases, *other.cases))
    pairs = tuple(pair_case(name, reference.cases.get(name), other.cases.get(name)) for name in names)
    has_shared = any(each.reference and each.machine for each in pairs)
    caveats = _Caveats(reference, other, [each for each in pairs if each.timed], has_shared)
    memory = [each.memory for each in pairs if each.memory]
    return MachineComparison(
        machine=other,
        pairs=pairs,
        differences=_find_differences(reference.fingerprint, other.fingerprint),
        speed=compute_geometric_mean([each.speed for each in pairs if each.speed]),
        memory=statistics.geometric_mean(memory) if memory else None,
        time=caveats.judge_times(),
        space=caveats.judge_memory(),
        losses=caveats.judge_losses(),
    )


def _find_differences(one: Fingerprint, two: Fingerprint) -> tuple[tuple[str, Any, Any], ...]:
    sides = ((name, getattr(one, name), getattr(two, name)) for name in Fingerprint.model_fields)
    return tuple(side for side in sides if side[1] != side[2])


# ------------------------------------------------------------------ what can be compared


@dataclass(frozen=True)
class _Caveats:
    """Finds what keeps two machines from being compared, or what to bear in mind."""

    reference: Machine
    other: Machine
    common: Sequence[CasePair]
    """Cases that succeeded on both."""
    has_shared: bool
    """Whether there is a case that both have, well or not."""

    def judge_times(self) -> Comparability:
        count = sum(each.speed is not None for each in self.common)
        caveats = [
            *self._note_same_machine(),
            *self._note_versions(),
            *self._note_field("threads", "threads", "left to the backend"),
            *self._note_field("env_flags", "settings", "none"),
            *self._note_noise(),
            *self._note_checkpoints([each.timed for each in self.common]),
        ]
        return self._judge(count, "no common case has a time on both", caveats)

    def judge_memory(self) -> Comparability:
        count = sum(each.memory is not None for each in self.common)
        sized = [each.sized for each in self.common if each.sized]
        other_methods = any(one.peak_method != two.peak_method for one, two in sized)
        has_gpu = self.reference.fingerprint.gpu or self.other.fingerprint.gpu
        caveats = [
            *self._note_versions(),
            *self._note_resident_memory(),
            *(["peaks read by different methods"] if other_methods else []),
            *(["memory of GPUs is not compared"] if has_gpu else []),
            *self._note_checkpoints(sized),
        ]
        other_sizes = sum(one.samples != two.samples for one, two in sized)
        return self._judge(count, "no common case has a peak on both", caveats, other_sizes=other_sizes)

    def judge_losses(self) -> Comparability:
        count = sum(each.loss is not None for each in self.common)
        missing = sum(each.same_data and each.loss is None for each in self.common)
        of_all = f"{missing} of {format_count(len(self.common), 'case')}"
        caveats = [f"not evaluated after the same epochs in {of_all}"] if missing else []
        nothing = "no common case was evaluated after the same epochs"
        return self._judge(count, nothing, [*self._note_versions(), *caveats])

    def _judge(
        self, count: int, nothing: str, caveats: Sequence[str], *, other_sizes: int | None = None
    ) -> Comparability:
        """With ``count`` cases that can be compared; other data prevent it, but for memory only other image counts."""
        if other_sizes is None:
            unlike, why = sum(not each.same_data for each in self.common), "other data under the same name"
        else:
            unlike, why = other_sizes, "other numbers of images"
        if count == 0:
            absent = "no case succeeded on both" if self.has_shared else "no case is in both reports"
            reason = why if unlike else nothing
            return Comparability("no", (reason if self.common else absent,))
        partly = [f"{why} in {unlike} of {format_count(len(self.common), 'case')}"] if unlike else []
        return Comparability("with care" if partly or caveats else "yes", (*partly, *caveats))

    def _note_same_machine(self) -> list[str]:
        if self.reference.environment_id == self.other.environment_id:
            return ["the same machine at another moment"]
        same_machine = self.reference.machine_id == self.other.machine_id
        return ["the same machine in another environment"] if same_machine else []

    def _note_versions(self) -> list[str]:
        backends = dict.fromkeys(each.row.backend for each in self.common)
        names = ("keras", *(name for name in backends if name in Fingerprint.model_fields), "aebench")
        found = [
            self._note_field(name, "Keras" if name == "keras" else catalog.get_backend_title(name), "absent")
            for name in names
        ]
        return [reason for reasons in found for reason in reasons]

    def _note_field(self, name: str, title: str, nothing: str) -> list[str]:
        one, two = (getattr(side.fingerprint, name) for side in (self.reference, self.other))
        if one == two:
            return []
        own, there = (nothing if value is None else quote(value, 100) for value in (two, one))
        return [f"{title} {own}, not {there}"]

    def _note_resident_memory(self) -> list[str]:
        """Whether cases are compared by their resident memory, for want of anonymous memory on a side."""
        known = [each for each in self.common if each.memory]
        resident = sum(not each.anon for each in known)
        if resident == len(known):
            return ["only peaks of resident memory, mapped files included"]
        of_all = f"{resident} of {format_count(len(known), 'case')}"
        return [f"peaks of resident memory, mapped files included, in {of_all}"] if resident else []

    def _note_noise(self) -> list[str]:
        found = []
        for side, whose in ((1, "its"), (0, "the reference's")):
            figures = [each.timed[side] for each in self.common if each.timed and each.speed]
            noisy, of = sum(each.noisy for each in figures), sum(each.observed_epochs for each in figures)
            unsteady = sum(not each.steady for each in figures)
            if noisy > NOISY_FRACTION * of:
                found.append(f"{100 * noisy / of:.0f} % of {whose} epochs were noisy")
            if unsteady > UNSTEADY_FRACTION * len(figures):
                found.append(f"{whose} times were not steady in {unsteady} of {format_count(len(figures), 'case')}")
        return found

    def _note_checkpoints(self, sides: Sequence[tuple[CheckpointFigures, CheckpointFigures] | None]) -> list[str]:
        unequal = sum(side is not None and side[0].epochs != side[1].epochs for side in sides)
        return [f"after different numbers of epochs in {format_count(unequal, 'case')}"] if unequal else []
