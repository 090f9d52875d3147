"""The hours of a sweep, and their memory bandwidth beside the machine's usual one.

A machine that others use too is slower in one hour than in another, and its memory bandwidth with it, as the reference
kernel beside each process shows. One reading is off by a tenth; the mean of an hour's readings says which hour it was.
"""

import math
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bench.results.reader import Row
from bench.results.schema import ResultRow
from bench.results.stats import NOISY_FRACTION

HOUR_S = 3600.0
"""Seconds from an hour's first process after which one meets another hour."""
FEWEST_READINGS = 10
"""Quiet processes of an hour: of fewer the bandwidth is not known."""
_LARGEST = 0.3
"""Logarithm of the largest change that is believed; hours that were measured differ by 0.25."""

SpeedRow = ResultRow | Row
"""A row of results.csv, of this sweep or as read from a file."""


@dataclass(frozen=True, slots=True)
class HourRate:
    """The memory bandwidth of an hour."""

    began_s: float
    """Seconds since 1970 when its first process began."""
    gb_per_s: float
    """Geometric mean of what the reference kernel read beside its quiet processes."""


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """A sweep's hours beside the usual."""

    changes: Mapping[int, float]
    """By the hour's number, the logarithm of its bandwidth over the usual one; without those of too few readings."""
    hours: int
    """How many hours the usual one is the mean of, those of the sweep among them."""


def number_hours(rows: Iterable[SpeedRow]) -> dict[str, int]:
    """Number the hours in which processes began, by what their rows say; what is no time belongs to the first."""
    numbers: dict[str, int] = {}
    number, first_s = 0, -math.inf
    for began_s, text in sorted((_read_time(text), text) for text in {row.started_at for row in rows}):
        if began_s - first_s >= HOUR_S:
            number, first_s = number + 1, began_s
        numbers[text] = number
    return numbers


def _read_time(text: str) -> float:
    """Seconds since 1970 of a time in ISO 8601, in UTC where it names no zone; the least number where it is none."""
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return -sys.float_info.max


def measure_hours(rows: Sequence[SpeedRow]) -> dict[int, HourRate]:
    """The bandwidth of each hour by its number; none of an hour with too few readings.

    The last row of a process counts.
    """
    hour_of = number_hours(rows)
    timed = (row for row in rows if row.epoch_s_quiet is not None)
    last = {row.case_id: row for row in sorted(timed, key=lambda row: row.epochs)}
    readings: dict[int, list[float]] = {}
    for row in last.values():
        is_noisy = (row.noisy_epochs or 0) >= NOISY_FRACTION * row.epochs  # others took the memory
        if row.reference_gb_per_s and row.reference_gb_per_s > 0 and not is_noisy:
            readings.setdefault(hour_of[row.started_at], []).append(row.reference_gb_per_s)
    began = {hour: min(_read_time(text) for text in hour_of if hour_of[text] == hour) for hour in readings}
    return {
        hour: HourRate(began[hour], statistics.geometric_mean(found))
        for hour, found in readings.items()
        if len(found) >= FEWEST_READINGS
    }


def compare_with_usual(rows: Sequence[SpeedRow]) -> Bandwidth | None:
    """Compare the hours with what the rows say is usual; None where they do not say it, or no hour is known."""
    known = [(row.usual_gb_per_s, row.usual_hours) for row in rows if row.usual_gb_per_s and row.usual_hours]
    rates = measure_hours(rows)
    if not known or not rates:
        return None
    usual, earlier = known[0]
    hours = earlier + len(rates)
    logs = {hour: math.log(rate.gb_per_s) for hour, rate in rates.items()}
    middle = (earlier * math.log(usual) + math.fsum(logs.values())) / hours
    return Bandwidth({hour: min(max(log - middle, -_LARGEST), _LARGEST) for hour, log in logs.items()}, hours)
