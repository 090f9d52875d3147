"""Seconds per epoch of this machine: as it was, on a quiet machine, and where the next run will lie.

A process meets one minute of its machine, so the epochs of one process agree better with each other than with those of
the next process (the levels of Kalibera and Jones, Rigorous benchmarking in reasonable time, ISMM 2013). An interval
here is about the median of many runs on a quiet machine. It rests on how far runs differ, never on epochs alone:

- of one run that is assumed, and is more where the run itself was uneven, drifted or met noise;
- where cases ran in several processes, what these differ by corrects the assumption, for all cases of the sweep alike;
- hours of one machine differ too, which no sweep of minutes can see: processes of other hours narrow that, and so does
  the hour's memory bandwidth, where it is known what is usual for the machine.

How the assumptions were chosen, and how often the intervals hold: docs/research/next-run.md.
"""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.results.hours import Bandwidth, SpeedRow, compare_with_usual, number_hours
from bench.results.stats import StudentMean, compute_upper_t, find_interval_of_median

DEVIATION = 0.035
"""Standard deviation of the logarithm of a quiet run's figure, from one process of an hour to the next, however long
both run."""
HOUR_DEVIATION = 0.095
"""The same of what all processes of an hour share, of whatever case: a machine's speed differs from hour to hour.

Windows of an evening, a night and a morning give 0.074, default sweeps 0.107; both together 0.086, of few hours."""
RATE_SLOPE = -1.2
"""By how much the logarithm of an hour's figures changes with that of its memory bandwidth."""
KNOWN_HOUR_DEVIATION = 0.05
"""What is left of `HOUR_DEVIATION` once figures are corrected for the hour's bandwidth, beside one that is known."""
_EXPLAINED_VARIANCE = HOUR_DEVIATION**2 - KNOWN_HOUR_DEVIATION**2
"""Of the mean of so many hours it is the variance that they leave in the correction, divided by their number."""
MOMENT_DEVIATION = 0.17
"""The same for runs of no length: even a quiet machine changes its speed from moment to moment."""
MOMENT_S = 2.0
"""Seconds that such a moment lasts: a run that is many times as long sees their mean."""
FREEDOM = 8
"""Degrees of freedom that the assumption counts for: a sweep with many more in its own repeats overrules it."""
NOISE_COST = 0.3
"""Seconds of the process that a second of other programs, or of the hypervisor, on its processors costs it."""
NOISE_DOUBT = 0.5
"""How wrong the correction for noise may be, as a fraction of it."""
_LEAST_QUIET = 5
_QUIET_FRACTION = 0.25
_EPOCH_DEVIATION = 0.3
"""Of a single epoch's logarithm, where a run is too short to show it: two speeds are common on two cores."""
_FEWEST_FOR_ERROR = 6
_FEWEST_FOR_DRIFT = 12
_TWO_SPEEDS = 1.3
"""Epochs of `fit` that wait for a thread of tf.data take up to twice as long (docs/research/next-run.md)."""
_TAIL = 0.025
_MOST_TAKEN = 4.0
"""Others took this many times what the process had, at most: no correction goes beyond. Twice was tried."""
_MOST_CORES = 1e6
"""No machine has more."""
_MOST_SHARED = 0.9
"""At most so much of a process' deviation is shared, so that something is its own."""
_WIDEST = 50.0
"""Logarithm of the widest interval's reach, so that files of figures that no machine gives overflow nothing."""


@dataclass(frozen=True, slots=True)
class ProcessSpeed:
    """What one process says of its case, in seconds per epoch."""

    as_measured: float
    """Median of its steady epochs."""
    quiet: float
    """The same, as it would have been on a quiet machine."""
    low: float
    """Lower end of the 95 % interval in which the median of many quiet runs lies, by this run alone."""
    high: float
    error: float
    """Standard error of the logarithm of ``quiet``, by the epochs of this run alone: far less than runs differ by."""

    @property
    def deviation(self) -> float:
        """Standard deviation of the logarithm of ``quiet`` that the interval stands for."""
        return math.log(self.high / self.low) / 2 / compute_upper_t(_TAIL, FREEDOM)

    @property
    def doubt(self) -> float:
        """The part of it that further processes of the same hour share: the hour, and its noise."""
        shared = math.hypot(HOUR_DEVIATION, _find_doubt(self.as_measured, self.quiet))
        return min(shared, _MOST_SHARED * self.deviation)

    @property
    def own_variance(self) -> float:
        """Variance of the logarithm of ``quiet`` from one process of an hour to the next."""
        return self.deviation**2 - self.doubt**2


@dataclass(frozen=True, slots=True)
class CaseSpeed:
    """What all processes of a case say, in seconds per epoch."""

    as_measured: float
    """The mean over its processes that ``quiet`` is too, so that they differ by noise alone."""
    quiet: float
    low: float
    high: float
    processes: int
    freedom: int
    """Degrees of freedom of the Student's t that the interval is made of."""
    shared: float
    """Which fraction of the error's variance the cases of a sweep share, since they ran in the same hours."""

    @property
    def within(self) -> float:
        """How far the interval reaches from ``quiet``, as a fraction of it."""
        return math.sqrt(self.high / self.low) - 1


def estimate_process(
    train_s: Sequence[float],
    noisy: Sequence[bool],
    own_cores: Sequence[float | None],
    taken_cores: Sequence[float | None],
) -> ProcessSpeed | None:
    """Estimate from the steady epochs of one process; None of none.

    ``own_cores`` are CPU seconds per second of the process, ``taken_cores`` those that other programs and the
    hypervisor took; None where that is not known, which counts as nothing taken.
    """
    if not train_s:
        return None
    quiet_places = [place for place, is_noisy in enumerate(noisy) if not is_noisy]
    has_quiet = len(quiet_places) >= min(len(train_s), max(_LEAST_QUIET, _QUIET_FRACTION * len(train_s)))
    times = _select_faster([train_s[place] for place in quiet_places] if has_quiet else train_s)
    cost = 1.0 if has_quiet else 1 + NOISE_COST * _compare_cpu_time(train_s, taken_cores, own_cores)
    as_measured, quiet = statistics.median(train_s), statistics.median(times) / cost
    error = _find_error_within(times)
    within = error if len(times) >= _FEWEST_FOR_ERROR else _to_error_of_median(_EPOCH_DEVIATION, len(times))
    moment = MOMENT_DEVIATION / math.sqrt(1 + math.fsum(train_s) / MOMENT_S)
    deviation = math.hypot(
        DEVIATION, HOUR_DEVIATION, moment, within, _find_drift(times), _find_doubt(as_measured, quiet)
    )
    reach = math.exp(compute_upper_t(_TAIL, FREEDOM) * deviation)
    return ProcessSpeed(as_measured, quiet, quiet / reach, quiet * reach, error)


def _compare_cpu_time(
    train_s: Sequence[float], taken_cores: Sequence[float | None], own_cores: Sequence[float | None]
) -> float:
    """CPU seconds that were taken, for each that the process had; 0 where that is not known."""
    taken, own = (
        math.fsum(
            seconds * min(max(cores or 0.0, 0.0), _MOST_CORES) for seconds, cores in zip(train_s, of, strict=True)
        )
        for of in (taken_cores, own_cores)
    )
    return min(taken / own, _MOST_TAKEN) if own else 0.0


def _find_doubt(as_measured: float, quiet: float) -> float:
    """How far the quiet figure may be wrong, as a logarithm, for what was taken off what was measured."""
    return NOISE_DOUBT * abs(math.log(as_measured / quiet))


def _select_faster(times: Sequence[float]) -> list[float]:
    """Leave out the slower of two speeds: epochs that took a third longer than the fastest quarter, or more."""
    quarter = sorted(times)[(len(times) - 1) // 4]
    return [seconds for seconds in times if seconds <= _TWO_SPEEDS * quarter]


def _find_error_within(times: Sequence[float]) -> float:
    """Standard error of the logarithm of a run's median, by the order of its epochs, which sees two speeds.

    A few epochs give it by their spread, and a single one by what is assumed.
    """
    interval = find_interval_of_median(times)
    if interval is not None:
        return math.log(interval[1] / interval[0]) / 2 / 1.96
    spread = statistics.stdev(map(math.log, times)) if len(times) > 1 else _EPOCH_DEVIATION
    return _to_error_of_median(spread, len(times))


def _to_error_of_median(deviation: float, count: int) -> float:
    """Standard error of the median of so many values with that standard deviation."""
    return 1.25 * deviation / math.sqrt(count)


def _find_drift(times: Sequence[float]) -> float:
    """How far a run's halves lie from its middle, as a logarithm; 0 for a short run."""
    if len(times) < _FEWEST_FOR_DRIFT:
        return 0.0
    half = len(times) // 2
    return abs(math.log(statistics.median(times[half:]) / statistics.median(times[:half]))) / 2


def name_case(row: SpeedRow) -> str:
    """Name a case without its repeat: what its processes have in common."""
    return row.case_id.removesuffix(f".r{row.repeat}")


def estimate_cases(rows: Iterable[SpeedRow]) -> dict[str, CaseSpeed]:
    """Estimate the cases of one sweep, by their names without repeats, from all rows of results.csv.

    Of each process its last checkpoint counts. How far processes of an hour differ is estimated from all cases that
    have several.
    """
    last: dict[tuple[str, int], SpeedRow] = {}
    for row in rows:
        if row.epoch_s_quiet is not None:
            key = (name_case(row), row.repeat)
            last[key] = max(last.get(key, row), row, key=lambda each: each.epochs)
    hour_of, bandwidth = number_hours(last.values()), compare_with_usual(list(last.values()))
    cases: dict[str, dict[int, list[ProcessSpeed]]] = {}
    for (name, _), row in last.items():
        cases.setdefault(name, {}).setdefault(hour_of[row.started_at], []).append(_read_process(row))
    scale, freedom = _find_scale([hour for hours in cases.values() for hour in hours.values()])
    return {name: _combine(hours, bandwidth, scale, freedom) for name, hours in cases.items()}


def _read_process(row: SpeedRow) -> ProcessSpeed:
    figures = (row.epoch_s_median, row.epoch_s_quiet, row.epoch_s_low, row.epoch_s_high, row.epoch_s_error)
    return ProcessSpeed(*(figure for figure in figures if figure is not None))


def find_hour_limit(bandwidth: Bandwidth | None = None) -> float:
    """How far an interval reaches at best, as a fraction, where all processes ran in one hour."""
    if bandwidth is None:
        return math.expm1(1.96 * HOUR_DEVIATION)
    return math.expm1(1.96 * math.sqrt(KNOWN_HOUR_DEVIATION**2 + _EXPLAINED_VARIANCE / bandwidth.hours))


def _find_scale(hours: Iterable[Sequence[ProcessSpeed]]) -> tuple[float, int]:
    """By which factor variances within an hour differ from what is assumed, and the degrees of freedom of that."""
    squares, freedom = float(FREEDOM), FREEDOM
    for processes in hours:
        middle = _average(_weigh(processes), [math.log(each.quiet) for each in processes])
        squares += sum((math.log(each.quiet) - middle) ** 2 / each.own_variance for each in processes)
        freedom += len(processes) - 1
    return squares / freedom, freedom


def _weigh(processes: Sequence[ProcessSpeed]) -> list[float]:
    """How far each process of an hour is trusted; the weights' sum is 1."""
    weights = [each.deviation**-2 for each in processes]
    return [weight / sum(weights) for weight in weights]


def _average(weights: Sequence[float], values: Sequence[float]) -> float:
    return sum(weight * value for weight, value in zip(weights, values, strict=True))


def _combine(
    hours: Mapping[int, Sequence[ProcessSpeed]], bandwidth: Bandwidth | None, scale: float, freedom: int
) -> CaseSpeed:
    """Combine each hour's processes, and then the hours, each trusted for what its processes and its doubt say."""
    changes = bandwidth.changes if bandwidth else {}
    quiets, measured, shared, trusts = [], [], [], []
    for hour, processes in hours.items():
        weights = _weigh(processes)
        quiets.append(_average(weights, [math.log(each.quiet) for each in processes]))
        quiets[-1] -= RATE_SLOPE * changes.get(hour, 0.0)
        measured.append(_average(weights, [math.log(each.as_measured) for each in processes]))
        own = sum(weight**2 * each.own_variance for weight, each in zip(weights, processes, strict=True))
        doubt = _average(weights, [each.doubt for each in processes]) ** 2
        shared.append(min(HOUR_DEVIATION**2, doubt))
        if hour in changes:
            shared[-1] *= KNOWN_HOUR_DEVIATION**2 / HOUR_DEVIATION**2
        trusts.append(1 / (scale * own + doubt - min(HOUR_DEVIATION**2, doubt) + shared[-1]))
    weights = [trust / sum(trusts) for trust in trusts]
    corrected = sum(weight for weight, hour in zip(weights, hours, strict=True) if hour in changes)
    usual = corrected**2 * _EXPLAINED_VARIANCE / bandwidth.hours if bandwidth else 0.0
    middle, variance = _average(weights, quiets), 1 / sum(trusts) + usual
    reach = min(StudentMean(middle, math.sqrt(variance), freedom).compute_width(), _WIDEST)
    return CaseSpeed(
        as_measured=math.exp(_average(weights, measured)),
        quiet=math.exp(middle),
        low=math.exp(middle - reach),
        high=math.exp(middle + reach),
        processes=sum(map(len, hours.values())),
        freedom=freedom,
        shared=(_average([weight**2 for weight in weights], shared) + usual) / variance,
    )
