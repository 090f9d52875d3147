"""Machines side by side: pure functions on the rows of their reports.

One machine is the reference; every other is held against it case by case. A speed is the reference's seconds over the
machine's, so that 2 is twice as fast; a share of memory is the machine's over the reference's; a difference of losses
is the machine's less the reference's.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from bench.compare.points import CheckpointFigures, Machine, MeasuredCase, half_width
from bench.errors import format_count, shown
from bench.host.fingerprint import Fingerprint
from bench.plan import catalog
from bench.results.reader import Row
from bench.results.stats import Median

NOISY_FRACTION = 0.1
"""Share of noisy epochs from which a machine's times are to be taken with care."""
UNSTEADY_FRACTION = 0.25
"""Share of cases without a steady state from which they are."""

# ------------------------------------------------------------------ ratios


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio and, where both sides are known well enough, its 95 % interval."""

    value: float
    low: float | None
    high: float | None
    cases: int = 1


def ratio(over: Median, under: Median) -> Ratio:
    """``over`` / ``under``, their intervals combined on the log scale.

    The method of variance estimates recovery (Zou and Donner, Statistics in Medicine 27, 2008): each end of the ratio's
    interval lies as far from it as the two ends that it depends on lie from theirs, by the root of their squares.
    """
    middle = math.log(over.value) - math.log(under.value)
    if over.low is None or over.high is None or under.low is None or under.high is None:
        return Ratio(math.exp(middle), None, None)
    below = math.hypot(math.log(over.value / over.low), math.log(under.high / under.value))
    above = math.hypot(math.log(over.high / over.value), math.log(under.value / under.low))
    return Ratio(math.exp(middle), math.exp(middle - below), math.exp(middle + above))


def geometric_mean(ratios: Sequence[Ratio]) -> Ratio | None:
    """The geometric mean, with the wider of two intervals at each end; None of nothing.

    One is Student's t on the logarithms, the case being the unit: what is different from case to case is in it, noise
    of a moment too. The other combines the cases' own intervals, where all have one: a few cases that agree by chance
    do not make a ratio better known than each of them is.
    """
    if not ratios:
        return None
    logs = [math.log(each.value) for each in ratios]
    middle = statistics.fmean(logs)
    across = half_width(logs) if len(logs) > 1 else None
    below = _widest(across, _combined([(each.low, each.value) for each in ratios]))
    above = _widest(across, _combined([(each.value, each.high) for each in ratios]))
    if below is None or above is None:
        return Ratio(math.exp(middle), None, None, len(ratios))
    return Ratio(math.exp(middle), math.exp(middle - below), math.exp(middle + above), len(ratios))


def _combined(ends: Sequence[tuple[float | None, float | None]]) -> float | None:
    """How far the mean's end lies from it by the cases' own intervals."""
    known = [math.log(high / low) for low, high in ends if low is not None and high is not None]
    return math.hypot(*known) / len(ends) if len(known) == len(ends) else None


def _widest(*widths: float | None) -> float | None:
    return max((width for width in widths if width is not None), default=None)


# ------------------------------------------------------------------ one case on two machines


@dataclass(frozen=True, slots=True)
class CasePair:
    """A case on the reference and on another machine; what only one side has is None on the other."""

    case: str
    reference: MeasuredCase | None
    machine: MeasuredCase | None
    timed: tuple[CheckpointFigures, CheckpointFigures] | None = None
    """The reference's checkpoint and the machine's that times and memory are compared at."""
    evaluated: tuple[CheckpointFigures, CheckpointFigures] | None = None
    """The checkpoint that losses are compared at, on each side."""
    same_data: bool = True
    speed: Ratio | None = None
    anon: float | None = None
    """Peak of anonymous memory, as a share of the reference's."""
    rss: float | None = None
    """Peak of resident memory, as a share of the reference's."""
    loss: float | None = None
    """The machine's less the reference's."""

    @property
    def row(self) -> Row:
        """What is trained."""
        side = self.reference or self.machine
        assert side is not None  # noqa: S101 - one side has it
        return side.row


def pair(name: str, reference: MeasuredCase | None, other: MeasuredCase | None) -> CasePair:
    """A case of two machines, compared in what may be."""
    if reference is None or other is None or not reference.points or not other.points:
        return CasePair(name, reference, other)
    timed, evaluated = _timed(reference, other), _evaluated(reference, other)
    one, two = timed
    same_data = one.dataset_digest == two.dataset_digest
    same_size = one.samples == two.samples
    return CasePair(
        case=name,
        reference=reference,
        machine=other,
        timed=timed,
        evaluated=evaluated,
        same_data=same_data,
        speed=ratio(one.seconds, two.seconds) if same_data and one.seconds and two.seconds else None,
        anon=_share(two.anon_mib, one.anon_mib) if same_size else None,
        rss=_share(two.rss_mib, one.rss_mib) if same_size else None,
        loss=_difference(*evaluated) if evaluated else None,
    )


def _share(over: float | None, under: float | None) -> float | None:
    return None if over is None or under is None else over / under


def _difference(reference: CheckpointFigures, other: CheckpointFigures) -> float | None:
    if reference.loss is None or other.loss is None or reference.dataset_digest != other.dataset_digest:
        return None
    return other.loss - reference.loss


def _timed(reference: MeasuredCase, other: MeasuredCase) -> tuple[CheckpointFigures, CheckpointFigures]:
    """The last checkpoint that both know with an interval; where there is none, each one's last that has a time."""
    known = [
        (one, two)
        for one, two in _common(reference, other)
        if _has_interval(one.seconds) and _has_interval(two.seconds)
    ]
    return known[-1] if known else (_last(reference), _last(other))


def _has_interval(seconds: Median | None) -> bool:
    return seconds is not None and seconds.low is not None


def _last(case: MeasuredCase) -> CheckpointFigures:
    return next((point for point in reversed(case.points) if point.seconds is not None), case.points[-1])


def _evaluated(reference: MeasuredCase, other: MeasuredCase) -> tuple[CheckpointFigures, CheckpointFigures] | None:
    """The last checkpoint of both with a loss: losses after different numbers of epochs do not compare."""
    known = [(one, two) for one, two in _common(reference, other) if one.loss is not None and two.loss is not None]
    return known[-1] if known else None


def _common(reference: MeasuredCase, other: MeasuredCase) -> list[tuple[CheckpointFigures, CheckpointFigures]]:
    others = {point.epochs: point for point in other.points}
    return [(point, others[point.epochs]) for point in reference.points if point.epochs in others]


# ------------------------------------------------------------------ a machine against the reference

State = Literal["yes", "with care", "no"]


@dataclass(frozen=True)
class Group:
    """Whether a group of columns may be compared, and why not or what to bear in mind."""

    state: State
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Versus:
    """A machine held against the reference."""

    machine: Machine
    pairs: tuple[CasePair, ...]
    differences: tuple[tuple[str, Any, Any], ...]
    """What differs in the fingerprints: field, the reference's, the machine's."""
    speed: Ratio | None
    memory: Ratio | None
    """Of anonymous memory, which has no part in what a page cache holds of TensorFlow's libraries; else of resident."""
    time: Group
    space: Group
    losses: Group
    rank: int | None = None

    def pair(self, case: str) -> CasePair | None:
        """One case, if either side has it."""
        return next((each for each in self.pairs if each.case == case), None)

    @property
    def common(self) -> tuple[CasePair, ...]:
        """Cases that went well on both."""
        return tuple(each for each in self.pairs if each.timed)

    @property
    def alone(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
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
    def comparable(self) -> bool:
        """Whether any column may be compared."""
        return any(group.state != "no" for group in (self.time, self.space, self.losses))


@dataclass(frozen=True)
class Comparison:
    """Machines against one of them, the best rank first; those without a rank come last."""

    reference: Machine
    others: tuple[Versus, ...]
    rank: int
    """The reference's own."""

    @property
    def comparable(self) -> bool:
        """Whether anything of anything may be compared."""
        return any(each.comparable for each in self.others)

    @property
    def cases(self) -> dict[str, Row]:
        """Every case of any machine and what it trains, the reference's first, in its order."""
        found = {name: case.row for name, case in self.reference.cases.items()}
        for each in self.others:
            for name, case in each.machine.cases.items():
                found.setdefault(name, case.row)
        return found


def compare(reference: Machine, others: Sequence[Machine]) -> Comparison:
    """Hold each of the others against the reference, and rank all by the geometric mean of their speeds."""
    held = [versus(reference, other) for other in others]
    speeds = sorted((each.speed.value for each in held if each.speed), reverse=True)
    ranked = [each if each.speed is None else replace(each, rank=_rank(each.speed.value, speeds)) for each in held]
    ranked.sort(key=lambda each: (each.rank is None, each.rank or 0))
    return Comparison(reference, tuple(ranked), 1 + sum(speed > 1 for speed in speeds))


def _rank(speed: float, descending: Sequence[float]) -> int:
    """Its place; the reference is among the ranked, at 1."""
    return 1 + descending.index(speed) + (speed < 1)


def versus(reference: Machine, other: Machine) -> Versus:
    """One machine against the reference."""
    names = dict.fromkeys((*reference.cases, *other.cases))
    pairs = tuple(pair(name, reference.cases.get(name), other.cases.get(name)) for name in names)
    anon, rss = [each.anon for each in pairs if each.anon], [each.rss for each in pairs if each.rss]
    common = [each for each in pairs if each.timed]
    apart = _Apart(reference, other, common)
    return Versus(
        machine=other,
        pairs=pairs,
        differences=_differences(reference.fingerprint, other.fingerprint),
        speed=geometric_mean([each.speed for each in pairs if each.speed]),
        memory=geometric_mean([Ratio(share, None, None) for share in anon or rss]),
        time=apart.time(),
        space=apart.space(),
        losses=apart.losses(),
    )


def _differences(one: Fingerprint, two: Fingerprint) -> tuple[tuple[str, Any, Any], ...]:
    sides = ((name, getattr(one, name), getattr(two, name)) for name in Fingerprint.model_fields)
    return tuple(side for side in sides if side[1] != side[2])


# ------------------------------------------------------------------ what may be compared


@dataclass(frozen=True)
class _Apart:
    """What keeps two machines' columns from being compared plainly."""

    reference: Machine
    other: Machine
    common: Sequence[CasePair]

    def time(self) -> Group:
        count = sum(each.speed is not None for each in self.common)
        cares = [
            *self._moment(),
            *self._versions(),
            *self._field("threads", "threads", "left to the backend"),
            *self._field("env_flags", "settings", "none"),
            *self._noise(),
            *self._checkpoints(),
        ]
        return self._group(count, "no common case has a time on both", cares)

    def space(self) -> Group:
        count = sum(each.anon is not None or each.rss is not None for each in self.common)
        methods = {tuple(point.peak_method for point in each.timed) for each in self.common if each.timed}
        one, two = self.reference.fingerprint, self.other.fingerprint
        cares = [
            *self._versions(),
            *(["only peaks of resident memory, mapped files included"] if not any(p.anon for p in self.common) else []),
            *(["peaks read by different methods"] if any(first != second for first, second in methods) else []),
            *(["memory of GPUs is not compared"] if one.gpu or two.gpu else []),
            *self._checkpoints(),
        ]
        return self._group(count, "no common case has a peak on both", cares, sized=True)

    def losses(self) -> Group:
        count = sum(each.loss is not None for each in self.common)
        apart = sum(each.same_data and each.loss is None for each in self.common)
        cares = (
            [f"{apart} of {format_count(len(self.common), 'case')} were not evaluated after the same epochs"]
            if apart
            else []
        )
        return self._group(count, "no common case was evaluated after the same epochs", [*self._versions(), *cares])

    def _group(self, count: int, nothing: str, cares: Sequence[str], *, sized: bool = False) -> Group:
        foreign = [each for each in self.common if (_other_size(each) if sized else not each.same_data)]
        data = "other numbers of images" if sized else "other data under the same name"
        if count == 0:
            why = data if foreign else nothing
            return Group("no", (why if self.common else "no case went well on both",))
        partly = [f"{data} in {len(foreign)} of {format_count(len(self.common), 'case')}"] if foreign else []
        return Group("with care" if partly or cares else "yes", (*partly, *cares))

    def _moment(self) -> list[str]:
        if self.reference.environment_id == self.other.environment_id:
            return ["the same machine at another moment"]
        same_machine = self.reference.machine_id == self.other.machine_id
        return ["the same machine in another environment"] if same_machine else []

    def _versions(self) -> list[str]:
        backends = dict.fromkeys(each.row.backend for each in self.common)
        names = ("keras", *(name for name in backends if name in Fingerprint.model_fields), "aebench")
        found = [
            self._field(name, "Keras" if name == "keras" else catalog.backend_title(name), "absent") for name in names
        ]
        return [reason for reasons in found for reason in reasons]

    def _field(self, name: str, title: str, nothing: str) -> list[str]:
        one, two = (getattr(side.fingerprint, name) for side in (self.reference, self.other))
        if one == two:
            return []
        own, there = (nothing if value is None else shown(value, 100) for value in (two, one))
        return [f"{title} {own}, not {there}"]

    def _noise(self) -> list[str]:
        found = []
        for side, whose in ((1, "its"), (0, "the reference's")):
            points = [each.timed[side] for each in self.common if each.timed and each.speed]
            noisy, of = sum(point.noisy for point in points), sum(point.observed_epochs for point in points)
            unsteady = sum(not point.steady for point in points)
            if noisy > NOISY_FRACTION * of:
                found.append(f"{100 * noisy / of:.0f} % of {whose} epochs were noisy")
            if unsteady > UNSTEADY_FRACTION * len(points):
                found.append(f"{whose} times were not steady in {unsteady} of {format_count(len(points), 'case')}")
        return found

    def _checkpoints(self) -> list[str]:
        apart = sum(each.timed is not None and each.timed[0].epochs != each.timed[1].epochs for each in self.common)
        return [f"after different numbers of epochs in {format_count(apart, 'case')}"] if apart else []


def _other_size(each: CasePair) -> bool:
    return each.timed is not None and each.timed[0].samples != each.timed[1].samples
