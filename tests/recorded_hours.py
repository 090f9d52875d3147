"""What the recorded hours differ by, and what their memory bandwidth explains of it."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import processes
from processes import RecordedProcess


def find_sweep_deviation() -> float:
    """Standard deviation from hour to hour of mostly quiet default sweeps: of the logarithm's mean over their cases."""
    sweeps = processes.estimate_sweeps()
    quiet = [sweeps[hour] for hour in processes.list_quiet_hours(processes.read_processes(processes.SWEEPS))]
    cases = sorted(set.intersection(*map(set, quiet)))
    middle = {case: statistics.fmean(math.log(sweep[case].quiet) for sweep in quiet) for case in cases}
    apart = [[math.log(sweep[case].quiet) - middle[case] for case in cases] for sweep in quiet]
    of_means = statistics.variance(map(statistics.fmean, apart))
    return math.sqrt(max(of_means - statistics.fmean(map(statistics.variance, apart)) / len(cases), 0.0))


@dataclass(frozen=True)
class LeftOut:
    """What the memory bandwidth explains in an hour that had no part in saying how."""

    slopes: tuple[float, ...]
    """By which the logarithm of figures changes with that of the bandwidth, as all hours but one say."""
    before: float
    """How far an hour's figures lie from those of the others: root of the mean square of the logarithms."""
    after: float
    """The same, corrected by what the other hours say."""


def leave_hours_out(recorded: Sequence[RecordedProcess]) -> LeftOut:
    """Judge each hour that has a bandwidth by all others, by the first epochs of its quiet processes."""
    epochs = min(len(each.train_s) for each in recorded)
    rates = {hour: math.log(rate.gb_per_s) for hour, rate in processes.find_rates(tuple(recorded)).items()}
    logs: dict[tuple[str, str], list[float]] = {}
    for each in recorded:
        if each.is_quiet and each.hour in rates:
            logs.setdefault((each.case, each.hour), []).append(math.log(each.estimate(epochs).quiet))
    means = {key: statistics.fmean(found) for key, found in logs.items()}
    slopes, before, after = [], [], []
    for out in sorted(rates):
        middles = {}
        moved, changed = [], []
        for case in sorted({case for case, _ in means}):
            others = [hour for there, hour in means if there == case and hour != out]
            middles[case] = [
                statistics.fmean(of) for of in zip(*((rates[h], means[case, h]) for h in others), strict=True)
            ]
            moved += [rates[hour] - middles[case][0] for hour in others]
            changed += [means[case, hour] - middles[case][1] for hour in others]
        slopes.append(np.dot(moved, changed) / np.dot(moved, moved))
        for case, (rate, log) in middles.items():
            if (case, out) in means:
                before.append(means[case, out] - log)
                after.append(before[-1] - slopes[-1] * (rates[out] - rate))
    return LeftOut(tuple(map(float, slopes)), *(math.sqrt(np.mean(np.square(of))) for of in (before, after)))
