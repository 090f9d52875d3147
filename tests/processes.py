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
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from bench.results.hours import HOUR_S, HourRate, SpeedRow, measure_hours
from bench.results.ratios import compute_geometric_mean, compute_p_value, divide, find_clear_differences
from bench.results.speed import CaseSpeed, ProcessSpeed, estimate_cases, estimate_process
from bench.results.stats import find_warmup_length

DATA = Path(__file__).parent / "data"
FOLDER, SIX_MINUTES, SWEEPS = DATA / "processes", DATA / "six_minutes", DATA / "sweeps"
COLUMNS = ("case", "repeat", "train_s", "own_cores", "taken_cores", "noisy", "reference_gb_per_s")
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
    reference_gb_per_s: float | None = None
    """What the reference kernel read beside it; None in recordings that did not keep it."""

    def __hash__(self) -> int:
        """Of its first epoch: all of them would take most of the time that drawing sweeps takes."""
        return hash((self.hour, self.case, self.train_s[0]))

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
            reference_gb_per_s=float(reading) if (reading := group[0].get("reference_gb_per_s")) else None,
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


def keep_quiet_hours(processes: Sequence[RecordedProcess]) -> list[RecordedProcess]:
    """Leave out the processes of all other hours."""
    hours = list_quiet_hours(processes)
    return [each for each in processes if each.hour in hours]


def cover_sweeps(
    processes: Sequence[RecordedProcess],
    epochs: int,
    repeats: int,
    draws: int,
    rng: np.random.Generator,
    *,
    hours: int = 1,
    known: int = 0,
) -> dict[str, Coverage]:
    """Of the intervals of sweeps that run each case in so many processes, in each of so many hours; by case.

    The machine's usual memory bandwidth is known from so many ``known`` other hours.
    """
    cases = sorted({each.case for each in processes})
    own = {case: [each for each in processes if each.case == case] for case in cases}
    targets = {case: find_target(own[case], epochs) for case in cases}
    long_enough = [each for each in processes if len(each.train_s) >= epochs]
    quiet = [each for each in keep_quiet_hours(processes) if len(each.train_s) >= epochs]
    found = [draw_sweep(long_enough, epochs, repeats, rng, hours=hours, known=known) for _ in range(draws)]
    in_quiet = [draw_sweep(quiet, epochs, repeats, rng, hours=hours, known=known) for _ in range(draws)]
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
    known: int = 0,
) -> dict[str, CaseSpeed]:
    """Draw a sweep from the processes of so many hours; its times are multiplied by ``factor``.

    The usual memory bandwidth is that of so many ``known`` other hours, or of all that there are, drawn too.
    Without ``repeats`` it has as many processes as each hour's sweep had, drawn with replacement. Each case's processes
    are dealt to so many ``twins`` of it, which count as cases of their own.
    """
    groups = _group(processes)
    drawn = [str(hour) for hour in rng.choice(sorted({hour for hour, _ in groups}), size=hours, replace=False)]
    usual = draw_usual(processes, drawn, known, rng)
    rows: list[SpeedRow] = []
    for hour, case in itertools.product(drawn, sorted({case for _, case in groups})):
        there = groups.get((hour, case), [])
        count = len(there) if repeats is None else min(repeats, len(there))
        chosen = rng.choice(len(there), size=count, replace=repeats is None)
        rows += [
            _make_row(f"{case}.{number % twins}", len(rows) + number, there[place], epochs, factor, usual)
            for number, place in enumerate(chosen)
        ]
    return estimate_cases(rows)


def _group(processes: Sequence[RecordedProcess]) -> dict[tuple[str, str], list[RecordedProcess]]:
    """The processes of each hour and case."""
    found: dict[tuple[str, str], list[RecordedProcess]] = {}
    for each in processes:
        found.setdefault((each.hour, each.case), []).append(each)
    return found


Usual = tuple[float | None, int | None]
"""GB/s, and how many hours they are the mean of."""


def draw_usual(
    processes: Sequence[RecordedProcess], drawn: Sequence[str], known: int, rng: np.random.Generator
) -> Usual:
    """Draw hours that began an hour or more before or after the sweep's, and find the mean of their bandwidth."""
    rates = list(find_rates(tuple(processes)).values()) if known else []
    others = [rate for rate in rates if all(_is_apart(rate, hour) for hour in drawn)]
    if not others:
        return None, None
    chosen = rng.choice([rate.gb_per_s for rate in others], size=min(known, len(others)), replace=False)
    return statistics.geometric_mean(map(float, chosen)), len(chosen)


@functools.cache
def find_rates(processes: Sequence[RecordedProcess]) -> dict[str, HourRate]:
    """Every recorded hour on its own, though some began within an hour; none of too few quiet processes."""
    found: dict[str, HourRate] = {}
    for hour in sorted({each.hour for each in processes}):
        there = [each for each in processes if each.hour == hour]
        rows = [_make_row("any", number, each, len(each.train_s), 1.0) for number, each in enumerate(there)]
        for rate in measure_hours(rows).values():
            found[hour] = rate
    return found


def _is_apart(rate: HourRate, hour: str) -> bool:
    return abs(rate.began_s - datetime.fromisoformat(hour).replace(tzinfo=UTC).timestamp()) >= HOUR_S


def _make_row(
    case: str, repeat: int, process: RecordedProcess, epochs: int, factor: float, usual: Usual = (None, None)
) -> SpeedRow:
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
        noisy_epochs=sum(process.noisy[:epochs]),
        reference_gb_per_s=process.reference_gb_per_s,
        usual_gb_per_s=usual[0],
        usual_hours=usual[1],
    )
    return cast("SpeedRow", row)


def estimate_sweeps(*, known: int = 0) -> dict[str, dict[str, CaseSpeed]]:
    """What each recorded default sweep says of its cases, by its hour, with the bandwidth of so many hours known."""
    recorded, rng = read_processes(SWEEPS), np.random.default_rng(0)
    usual = {hour: draw_usual(recorded, [hour], known, rng) for hour in sorted({each.hour for each in recorded})}
    hours: dict[str, list[SpeedRow]] = {}
    count: dict[tuple[str, str], int] = {}
    for each in recorded:
        repeat = count.get((each.hour, each.case), 0)
        count[each.hour, each.case] = repeat + 1
        hours.setdefault(each.hour, []).append(
            _make_row(each.case, repeat, each, len(each.train_s), 1.0, usual[each.hour])
        )
    return {hour: estimate_cases(rows) for hour, rows in hours.items()}


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
    known: int = 0,
) -> Told:
    """Two sweeps of hours drawn independently, one of a machine that takes ``factor`` times as long.

    Each recorded case stands for ``twins`` of a sweep's, of which there are many more.
    """
    cases, families, machines = [], [], []
    for _ in range(draws):
        one = draw_sweep(processes, epochs, repeats, rng, twins=twins, hours=hours, known=known)
        two = draw_sweep(processes, epochs, repeats, rng, factor=factor, twins=twins, hours=hours, known=known)
        ratios = [divide(one[case], two[case]) for case in one]
        overall = compute_geometric_mean(ratios)
        assert overall is not None
        cases += [_excludes_one(ratio.low, ratio.high) for ratio in ratios]
        families.append(any(find_clear_differences([compute_p_value(one[case], two[case]) for case in one])))
        machines.append(_excludes_one(overall.low, overall.high))
    return Told(statistics.fmean(cases), statistics.fmean(families), statistics.fmean(machines))


def _excludes_one(low: float | None, high: float | None) -> bool:
    return low is not None and high is not None and not low <= 1 <= high
