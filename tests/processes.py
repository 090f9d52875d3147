"""Recorded processes that the intervals for the next run are tried on: `tests/data/processes/*.csv.gz`.

A file is a sweep of one hour on one machine: its cases ran in several processes each, in turns. A line is an epoch.
`tests/data/six_minutes/` has sweeps that spent six minutes on three cases, `tests/data/sweeps/` whole default sweeps
of that machine, each case in one process or a few.
`tests/validation/record_processes.py` makes such a file of a report folder.
"""

import csv
import functools
import gzip
import io
import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from bench.results.ratios import compute_geometric_mean, compute_p_value, divide, find_clear_differences
from bench.results.speed import CaseSpeed, ProcessSpeed, SpeedRow, estimate_cases, estimate_process
from bench.results.stats import find_warmup_length

DATA = Path(__file__).parent / "data"
FOLDER, SIX_MINUTES, SWEEPS = DATA / "processes", DATA / "six_minutes", DATA / "sweeps"
COLUMNS = ("case", "repeat", "train_s", "own_cores", "taken_cores", "noisy")
QUIET_FRACTION = 0.1
"""A process with a smaller fraction of noisy epochs ran in a quiet minute."""


@dataclass(frozen=True)
class RecordedProcess:
    """One process: its epochs in order, the first included."""

    hour: str
    case: str
    train_s: tuple[float, ...]
    own_cores: tuple[float, ...]
    taken_cores: tuple[float, ...]
    noisy: tuple[bool, ...]

    @property
    def is_quiet(self) -> bool:
        """Whether it ran in a quiet minute."""
        return sum(self.noisy) < QUIET_FRACTION * len(self.noisy)

    @functools.cache  # noqa: B019 - a few dozen, kept as long as the tests
    def estimate(self, epochs: int) -> ProcessSpeed:
        """What it says after so many epochs."""
        steady = slice(find_warmup_length(self.train_s[:epochs]), epochs)
        found = estimate_process(
            self.train_s[steady], self.noisy[steady], self.own_cores[steady], self.taken_cores[steady]
        )
        assert found is not None
        return found


def read_processes(folder: Path = FOLDER) -> list[RecordedProcess]:
    """All recorded processes, hour by hour in the order in which they ran."""
    return [process for path in sorted(folder.glob("*.csv.gz")) for process in _read_hour(path)]


def _read_hour(path: Path) -> list[RecordedProcess]:
    with gzip.open(path, "rt", encoding="ascii") as file:
        lines = list(csv.DictReader(file))
    groups: dict[tuple[str, str], list[dict[str, str]]] = {}
    for line in lines:
        groups.setdefault((line["case"], line["repeat"]), []).append(line)
    return [
        RecordedProcess(
            hour=path.name.partition(".")[0],
            case=case,
            train_s=tuple(float(line["train_s"]) for line in group),
            own_cores=tuple(float(line["own_cores"]) for line in group),
            taken_cores=tuple(float(line["taken_cores"]) for line in group),
            noisy=tuple(line["noisy"] == "1" for line in group),
        )
        for (case, _), group in groups.items()
    ]


def write_hour(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Write a file of epochs with `COLUMNS`; the same lines give the same bytes."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.getvalue().encode("ascii"), mtime=0))


# ------------------------------------------------------------------ how often an interval holds


@dataclass(frozen=True)
class Coverage:
    """How often intervals contained the median of all quiet processes, and how wide they were."""

    draws: int
    held: float
    """Fraction of the draws."""
    reach: float
    """Mean half-width in quiet minutes, as a logarithm."""
    oracle: float
    """The half-width that somebody would need who knew by how much quiet processes, and hours, differ."""

    @property
    def width(self) -> float:
        """How many times as wide as needed they were."""
        return self.reach / self.oracle


def find_target(processes: Sequence[RecordedProcess], epochs: int) -> float:
    """The median over the quiet processes of a case, of what each measured in so many epochs: seconds per epoch."""
    return statistics.median(_measure(processes, epochs))


def _measure(processes: Sequence[RecordedProcess], epochs: int) -> list[float]:
    return [each.estimate(epochs).as_measured for each in processes if each.is_quiet and len(each.train_s) >= epochs]


def _find_need(processes: Sequence[RecordedProcess], epochs: int, repeats: int, hours: int = 1) -> float:
    """The half-width, as a logarithm, that somebody would need who knew by how much quiet processes and hours differ.

    ``processes`` are of one case. How far hours differ is known from all of them, by their first epochs.
    """
    within, _ = _find_components(processes, epochs)
    return 1.96 * math.sqrt((find_hour_deviation(processes) ** 2 + within / repeats) / hours)


def find_hour_deviation(processes: Sequence[RecordedProcess]) -> float:
    """Standard deviation of the logarithm of a case's quiet figure from hour to hour, by all hours' first epochs."""
    _, between = _find_components(processes, min(len(each.train_s) for each in processes))
    return math.sqrt(between)


def _find_components(processes: Sequence[RecordedProcess], epochs: int) -> tuple[float, float]:
    """Variances of the logarithm of quiet figures: of processes within an hour, of hours (one-way random effects)."""
    hours: dict[str, list[float]] = {}
    for each in processes:
        if each.is_quiet and len(each.train_s) >= epochs:
            hours.setdefault(each.hour, []).append(math.log(each.estimate(epochs).quiet))
    groups = [logs for logs in hours.values() if len(logs) > 1]
    within = statistics.fmean(statistics.variance(logs) for logs in groups)
    of_means = statistics.variance([statistics.fmean(logs) for logs in groups])
    return within, max(of_means - within * statistics.fmean(1 / len(logs) for logs in groups), 0.0)


def _holds(speed: ProcessSpeed | CaseSpeed, target: float) -> bool:
    return speed.low <= target <= speed.high


def _find_reach(speed: ProcessSpeed | CaseSpeed) -> float:
    return math.log(speed.high / speed.low) / 2


def cover_alone(processes: Sequence[RecordedProcess], epochs: int) -> Coverage:
    """Of the intervals that each process of a case prints by itself."""
    target = find_target(processes, epochs)
    long_enough = [each for each in processes if len(each.train_s) >= epochs]
    speeds = [each.estimate(epochs) for each in long_enough]
    return Coverage(
        draws=len(speeds),
        held=statistics.fmean(_holds(speed, target) for speed in speeds),
        reach=statistics.fmean(_find_reach(each.estimate(epochs)) for each in long_enough if each.is_quiet),
        oracle=_find_need(processes, epochs, 1),
    )


def list_quiet_hours(processes: Sequence[RecordedProcess]) -> list[str]:
    """List the hours in which most processes ran in quiet minutes."""
    return [
        hour
        for hour in sorted({each.hour for each in processes})
        if statistics.fmean(each.is_quiet for each in processes if each.hour == hour) > 0.5
    ]


def cover_sweeps(
    processes: Sequence[RecordedProcess],
    epochs: int,
    repeats: int,
    draws: int,
    rng: np.random.Generator,
    *,
    hours: int = 1,
) -> dict[str, Coverage]:
    """Of the intervals of sweeps that run each case in so many processes, in each of so many hours; by case."""
    cases = sorted({each.case for each in processes})
    own = {case: [each for each in processes if each.case == case] for case in cases}
    targets = {case: find_target(own[case], epochs) for case in cases}
    long_enough = [each for each in processes if len(each.train_s) >= epochs]
    quiet = [each for each in long_enough if each.hour in list_quiet_hours(processes)]
    found = [draw_sweep(long_enough, epochs, repeats, rng, hours=hours) for _ in range(draws)]
    in_quiet = [draw_sweep(quiet, epochs, repeats, rng, hours=hours) for _ in range(draws)]
    return {
        case: Coverage(
            draws=draws,
            held=statistics.fmean(_holds(sweep[f"{case}.0"], targets[case]) for sweep in found),
            reach=statistics.fmean(_find_reach(sweep[f"{case}.0"]) for sweep in in_quiet),
            oracle=_find_need(own[case], epochs, repeats, hours),
        )
        for case in cases
    }


def draw_sweep(
    processes: Sequence[RecordedProcess],
    epochs: int,
    repeats: int | None,
    rng: np.random.Generator,
    *,
    factor: float = 1.0,
    twins: int = 1,
    hours: int = 1,
) -> dict[str, CaseSpeed]:
    """Draw a sweep from the processes of so many hours; its times are multiplied by ``factor``.

    Without ``repeats`` it has as many processes as each hour's sweep had, drawn with replacement. Each case's processes
    are dealt to so many ``twins`` of it, which count as cases of their own.
    """
    drawn = map(str, rng.choice(sorted({each.hour for each in processes}), size=hours, replace=False))
    rows: list[SpeedRow] = []
    for hour, case in itertools.product(drawn, sorted({each.case for each in processes})):
        there = [each for each in processes if each.hour == hour and each.case == case]
        count = len(there) if repeats is None else min(repeats, len(there))
        chosen = rng.choice(len(there), size=count, replace=repeats is None)
        rows += [
            _make_row(f"{case}.{number % twins}", len(rows) + number, there[place], epochs, factor)
            for number, place in enumerate(chosen)
        ]
    return estimate_cases(rows)


def _make_row(case: str, repeat: int, process: RecordedProcess, epochs: int, factor: float) -> SpeedRow:
    speed = process.estimate(epochs)
    row = SimpleNamespace(
        case_id=f"{case}.r{repeat}",
        repeat=repeat,
        epochs=epochs,
        epoch_s_median=factor * speed.as_measured,
        epoch_s_quiet=factor * speed.quiet,
        epoch_s_low=factor * speed.low,
        epoch_s_high=factor * speed.high,
        epoch_s_error=speed.error,
        started_at=process.hour,
    )
    return cast("SpeedRow", row)


def estimate_sweeps() -> dict[str, dict[str, CaseSpeed]]:
    """What each recorded default sweep says of its cases, by the hour of the sweep."""
    hours: dict[str, list[SpeedRow]] = {}
    count: dict[tuple[str, str], int] = {}
    for each in read_processes(SWEEPS):
        repeat = count.get((each.hour, each.case), 0)
        count[each.hour, each.case] = repeat + 1
        hours.setdefault(each.hour, []).append(_make_row(each.case, repeat, each, len(each.train_s), 1.0))
    return {hour: estimate_cases(rows) for hour, rows in hours.items()}


def find_sweep_deviation() -> float:
    """The same from hour to hour, by default sweeps of mostly quiet processes: of their means over the cases of all."""
    sweeps = estimate_sweeps()
    quiet = [sweeps[hour] for hour in list_quiet_hours(read_processes(SWEEPS))]
    cases = sorted(set.intersection(*map(set, quiet)))
    middle = {case: statistics.fmean(math.log(sweep[case].quiet) for sweep in quiet) for case in cases}
    apart = [[math.log(sweep[case].quiet) - middle[case] for case in cases] for sweep in quiet]
    of_means = statistics.variance(map(statistics.fmean, apart))
    return math.sqrt(max(of_means - statistics.fmean(map(statistics.variance, apart)) / len(cases), 0.0))


def find_common_cases(one: Mapping[str, CaseSpeed], two: Mapping[str, CaseSpeed]) -> list[tuple[CaseSpeed, CaseSpeed]]:
    """The speeds of the cases that both sweeps ran: later ones have more loops."""
    return [(one[case], two[case]) for case in sorted(one.keys() & two.keys())]


def do_overlap(one: CaseSpeed, two: CaseSpeed) -> bool:
    """Whether two intervals have a speed in common."""
    return max(one.low, two.low) <= min(one.high, two.high)


def are_different(one: Mapping[str, CaseSpeed], two: Mapping[str, CaseSpeed]) -> bool:
    """Whether `compare` calls two sweeps different, over all their cases or in any of them."""
    pairs = find_common_cases(one, two)
    overall = compute_geometric_mean([divide(*pair) for pair in pairs])
    assert overall is not None
    cases = find_clear_differences([compute_p_value(*pair) for pair in pairs])
    return _excludes_one(overall.low, overall.high) or any(cases)


@dataclass(frozen=True)
class Told:
    """How often two sweeps were distinguished."""

    case: float
    """Fraction of the cases whose interval excluded the same speed."""
    family: float
    """Fraction of the comparisons that called any case faster or slower."""
    machine: float
    """Fraction of the comparisons whose overall speed excluded it."""


def compare_sweeps(
    processes: Sequence[RecordedProcess],
    epochs: int,
    repeats: int | None,
    draws: int,
    rng: np.random.Generator,
    *,
    factor: float = 1.0,
    twins: int = 2,
    hours: int = 1,
) -> Told:
    """Two sweeps of hours drawn independently, one of a machine that takes ``factor`` times as long.

    Each recorded case stands for ``twins`` of a sweep's, of which there are many more.
    """
    cases, families, machines = [], [], []
    for _ in range(draws):
        one = draw_sweep(processes, epochs, repeats, rng, twins=twins, hours=hours)
        two = draw_sweep(processes, epochs, repeats, rng, factor=factor, twins=twins, hours=hours)
        ratios = [divide(one[case], two[case]) for case in one]
        overall = compute_geometric_mean(ratios)
        assert overall is not None
        cases += [_excludes_one(ratio.low, ratio.high) for ratio in ratios]
        families.append(any(find_clear_differences([compute_p_value(one[case], two[case]) for case in one])))
        machines.append(_excludes_one(overall.low, overall.high))
    return Told(statistics.fmean(cases), statistics.fmean(families), statistics.fmean(machines))


def _excludes_one(low: float | None, high: float | None) -> bool:
    return low is not None and high is not None and not low <= 1 <= high
