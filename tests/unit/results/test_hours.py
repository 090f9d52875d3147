"""A sweep's hours, and their memory bandwidth beside the machine's usual one."""

import math
from typing import Any

import pytest
import scripted
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from unit.machines import narrow

from bench.plan.profile import STORED
from bench.results.hours import FEWEST_READINGS, compare_with_usual, measure_hours
from bench.results.journal_lines import SweepHeader
from bench.results.schema import ResultRow
from bench.results.speed import KNOWN_HOUR_DEVIATION, RATE_SLOPE, CaseSpeed, estimate_cases, find_hour_limit

NOON, AFTERNOON = "2026-01-02T12:00:00+00:00", "2026-01-02T15:00:00+00:00"


def processes(gb_per_s: float | None, count: int = 12, begin: int = 0, **changes: Any) -> list[ResultRow]:
    """The last rows of quiet processes that agree, beside each of which the reference kernel read the same."""
    return [
        scripted.result_row(
            **{
                "case_id": scripted.case(repeat=repeat).case_id,
                "repeat": repeat,
                "noisy_epochs": 0,
                "started_at": NOON,
                "reference_gb_per_s": gb_per_s,
            }
            | scripted.times(1.0, 1.4)
            | changes
        )
        for repeat in range(begin, begin + count)
    ]


def only(rows: list[ResultRow]) -> CaseSpeed:
    [speed] = estimate_cases(rows).values()
    return speed


def width(of: CaseSpeed) -> float:
    return math.log(of.high / of.low)


def known(gb_per_s: float, hours: int) -> dict[str, Any]:
    return {"usual_gb_per_s": gb_per_s, "usual_hours": hours}


# --- an hour's bandwidth ---------------------------------------------------------------------------------------------


def test_an_hours_bandwidth_is_the_mean_of_what_was_read_beside_its_processes() -> None:
    rows = [*processes(40.0, 6), *processes(90.0, 6, 6), *processes(50.0, 12, 12, started_at=AFTERNOON)]
    assert [rate.gb_per_s for rate in measure_hours(rows).values()] == pytest.approx([60.0, 50.0])
    noon, afternoon = measure_hours(rows).values()
    assert afternoon.began_s - noon.began_s == 3 * 3600


@pytest.mark.parametrize("reading", [0.0, -1.0])
def test_a_reading_that_no_machine_gives_counts_for_nothing(reading: float) -> None:
    assert measure_hours(processes(reading)) == {}


@pytest.mark.parametrize("changes", [known(-5.0, 3), known(50.0, -1), known(math.nan, 3), known(50.0, 0)])
def test_a_header_with_a_usual_bandwidth_that_no_machine_has_is_refused(changes: dict[str, Any]) -> None:
    header = scripted.header().model_dump() | changes
    with pytest.raises(ValidationError, match="usual"):
        SweepHeader.model_validate(header, context=STORED)


def test_each_process_is_read_once_whatever_its_checkpoints() -> None:
    [row] = processes(50.0, 1)
    rows = [row.model_copy(update={"epochs": epochs}) for epochs in range(1, FEWEST_READINGS + 5)]
    assert measure_hours(rows) == {}


@pytest.mark.parametrize(
    ("rows", "is_known"),
    [
        (processes(50.0, FEWEST_READINGS), True),
        (processes(50.0, FEWEST_READINGS - 1), False),
        ([*processes(50.0, FEWEST_READINGS - 1), *processes(50.0, 5, 20, noisy_epochs=1)], False),
        ([*processes(50.0, FEWEST_READINGS - 1), *processes(None, 5, 20)], False),
    ],
)
def test_few_readings_or_those_of_noisy_processes_say_nothing(rows: list[ResultRow], is_known: bool) -> None:
    assert bool(measure_hours(rows)) == is_known


# --- beside the usual one --------------------------------------------------------------------------------------------


def test_the_usual_bandwidth_is_that_of_earlier_hours_and_of_the_sweeps() -> None:
    found = compare_with_usual(processes(40.0, **known(50.0, 3)))
    assert found is not None
    assert found.hours == 4
    assert list(found.changes.values()) == pytest.approx([0.75 * math.log(40 / 50)])


@pytest.mark.parametrize(
    "changes", [{}, known(50.0, 0), {"usual_gb_per_s": 50.0}, {"usual_hours": 3}, known(50.0, 3) | {"noisy_epochs": 2}]
)
def test_without_it_or_without_readings_nothing_changes(changes: dict[str, Any]) -> None:
    rows = processes(40.0, **changes)
    assert compare_with_usual(rows) is None
    without = [row.model_copy(update={"usual_gb_per_s": None, "usual_hours": None}) for row in rows]
    assert estimate_cases(rows) == estimate_cases(without)


def test_a_slow_hours_figures_are_corrected_and_no_row_is_changed() -> None:
    rows = processes(40.0, **known(50.0, 10**6))
    before = [row.model_dump() for row in rows]
    found = only(rows)
    assert math.log(found.quiet) == pytest.approx(-RATE_SLOPE * math.log(40 / 50), abs=1e-5)
    assert found.as_measured == 1
    assert found.quiet < 1
    assert [row.model_dump() for row in rows] == before
    assert estimate_cases(map(narrow, rows)) == estimate_cases(rows)


def test_a_bandwidth_that_no_hour_shows_is_not_believed() -> None:
    found = only(processes(40.0, **known(1e8, 10**6)))
    assert found.quiet == pytest.approx(math.exp(RATE_SLOPE * 0.3))


def test_the_more_hours_are_known_the_narrower_the_interval() -> None:
    unknown = only(processes(50.0, 40))
    widths = [width(only(processes(50.0, 40, **known(50.0, hours)))) for hours in (1, 3, 30, 10**9)]
    assert width(unknown) > widths[0] > widths[1] > widths[2] > widths[3]
    assert widths[3] / 2 == pytest.approx(1.96 * KNOWN_HOUR_DEVIATION, rel=0.2)


def test_the_limit_of_an_hour_is_what_very_many_processes_leave() -> None:
    rows = processes(50.0, 400, **known(50.0, 3))
    assert width(only(rows)) / 2 == pytest.approx(math.log1p(find_hour_limit(compare_with_usual(rows))), rel=0.1)
    assert find_hour_limit(compare_with_usual(rows)) < find_hour_limit()


def test_what_the_usual_bandwidth_is_off_by_no_number_of_hours_of_the_sweep_averages_out() -> None:
    hours = [
        row
        for hour in range(8)
        for row in processes(50.0, 12, 12 * hour, started_at=f"2026-01-02T{3 + 2 * hour:02}:00:00+00:00")
    ]
    corrected = [row.model_copy(update=known(50.0, 1)) for row in hours]
    assert width(only(corrected)) == pytest.approx(width(only(hours)), rel=0.05)


def test_an_hour_of_few_readings_is_as_uncertain_as_before() -> None:
    usual = known(50.0, 10**6)
    quiet = processes(50.0, 12, **usual)
    noisy = processes(50.0, 12, 12, started_at=AFTERNOON, noisy_epochs=2, epochs=3, **usual)
    both = only([*quiet, *noisy])
    assert width(only(quiet)) > width(both) > width(only(quiet)) / math.sqrt(2)
    assert width(only(noisy)) > width(only(quiet))


@given(
    st.lists(
        st.tuples(st.floats(2e-9, 9e8), st.floats(2e-9, 9e8), st.integers(1, 10**12), st.sampled_from([NOON, "?"])),
        min_size=1,
        max_size=4,
    )
)
def test_figures_that_a_stranger_made_up_overflow_nothing(given: list[tuple[float, float, int, str]]) -> None:
    rows = [
        row
        for number, (gb_per_s, usual, hours, when) in enumerate(given)
        for row in processes(gb_per_s, 10, 10 * number, started_at=when, **known(usual, hours))
    ]
    found = only(rows)
    assert 0 < found.low < found.quiet < found.high < math.inf
    assert 0 < found.shared <= 1
