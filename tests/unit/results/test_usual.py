"""The file of a machine's hours: what it says, and that nothing depends on it."""

import json
import math
from pathlib import Path

import platformdirs
import pytest

from bench.results.hours import HOUR_S, HourRate
from bench.results.usual import MOST_HOURS, find_usual, keep_hours

NOW = 100 * HOUR_S


@pytest.fixture(autouse=True)
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where it is kept."""
    monkeypatch.setattr(platformdirs, "user_state_path", lambda *_, **__: tmp_path / "state")
    return tmp_path / "state" / "bandwidth.json"


def hours(*rates: float, first: float = 1.0) -> list[HourRate]:
    return [HourRate((first + 2 * place) * HOUR_S, rate) for place, rate in enumerate(rates)]


def test_hours_of_several_sweeps_are_kept_by_machine() -> None:
    keep_hours("here", hours(40.0))
    keep_hours("there", hours(7.0))
    keep_hours("here", hours(90.0, first=5))
    assert pytest.approx(find_usual("here", NOW)) == (60.0, 2)
    assert pytest.approx(find_usual("there", NOW)) == (7.0, 1)
    assert find_usual("elsewhere", NOW) == (None, None)


def test_the_present_hour_is_no_part_of_what_is_usual() -> None:
    keep_hours("here", hours(40.0, 90.0))
    assert pytest.approx(find_usual("here", 3.5 * HOUR_S)) == (40.0, 1)
    assert find_usual("here", 1.5 * HOUR_S) == (None, None)


def test_sweeps_within_an_hour_count_once() -> None:
    keep_hours("here", hours(40.0))
    keep_hours("here", hours(50.0, first=1.5))
    assert pytest.approx(find_usual("here", NOW)) == (50.0, 1)


def test_the_file_does_not_grow_without_end(file: Path) -> None:
    for number in range(30):
        keep_hours(f"machine {number}", hours(*[50.0] * 100, first=number))
    kept = json.loads(file.read_text())
    assert len(kept) <= 16
    assert all(len(each) == MOST_HOURS for each in kept.values())
    assert "machine 29" in kept
    assert file.stat().st_size < 1 << 17


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "1", "null", "[" * 100_000, "\xff"),
        *('{"here": 1}', '{"here": [1, [2], [1, 2, 3], "ab", null, [1, "2"], [true, 3]]}'),
        *('{"here": [[1, 0], [1, -3], [NaN, 1], [1, Infinity], [-1, 5], [1, 1e300]]}', '{"here": [[1e999, 5]]}'),
        '{"here": [[' + "9" * 400 + ", 5], [1, " + "9" * 400 + "]]}",
    ],
)
def test_nonsense_is_as_nothing(file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text, encoding="latin-1")
    assert find_usual("here", NOW) == (None, None)
    keep_hours("here", hours(40.0))
    assert pytest.approx(find_usual("here", NOW)) == (40.0, 1)


def test_where_it_cannot_be_written_nothing_is_said(file: Path) -> None:
    file.parent.write_text("a file in the folder's place")
    keep_hours("here", hours(40.0))
    assert find_usual("here", NOW) == (None, None)


def test_without_a_home_folder_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(platformdirs, "user_state_path", refuse)
    keep_hours("here", hours(40.0))
    assert find_usual("here", NOW) == (None, None)


def test_a_time_that_is_none_is_not_kept() -> None:
    keep_hours("here", [HourRate(-math.inf, 40.0), HourRate(-1.7e308, 40.0)])
    assert find_usual("here", NOW) == (None, None)
