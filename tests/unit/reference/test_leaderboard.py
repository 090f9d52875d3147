"""Which machines of the references share a group, and what is compared."""

from pathlib import Path
from typing import Any

import pytest
import scripted

from bench.errors import InvalidInput
from bench.reference.leaderboard import number_groups, read_tiers, write_leaderboard
from bench.reference.references import group_references, read_references
from bench.report.files import format_csv
from bench.results.ratios import Ratio
from bench.results.schema import ResultRow


def keep(root: Path, name: str, seconds: float, models: tuple[str, ...] = ("basic", "deep"), **changes: Any) -> None:
    """Write a reference of some models, each in three processes."""
    folder = root / name
    folder.mkdir(parents=True)
    rows = [
        scripted.result_row(
            **{"case_id": f"{model}.x.r{repeat}", "model": model, "repeat": repeat}
            | scripted.times(seconds * (1 + repeat / 1000))
            | changes
        )
        for model in models
        for repeat in range(3)
    ]
    (folder / "results.csv").write_text(format_csv(ResultRow, rows))


def write(root: Path) -> str:
    return write_leaderboard(group_references(read_references(root)), read_tiers(root / "tiers.csv"))


OTHER: dict[str, Any] = {"machine_id": "m2", "environment_id": "e2", "cpu_model": "AMD Ryzen 9 7950X"}


def test_one_machine_is_not_compared(tmp_path: Path) -> None:
    keep(tmp_path, "one-a", 1.0)
    keep(tmp_path, "one-b", 1.0)
    page = write(tmp_path)
    assert "There is one machine so far" in page
    assert "group" not in page.split("## ", 1)[1]
    assert write_leaderboard([], {}) == ""


def test_a_faster_machine_is_in_a_group_before(tmp_path: Path) -> None:
    keep(tmp_path, "a-slow", 10.0)
    keep(tmp_path, "b-fast", 1.0, **OTHER)
    (tmp_path / "tiers.csv").write_text("b-fast,reproduced\n")
    page = write(tmp_path)
    first, second = [line for line in page.splitlines() if "| 1 |" in line or "| 2 |" in line][:2]
    assert "ryzen-9-7950x" in first
    assert "10.0" in first
    assert "ryzen" not in second
    assert "reproduced" in next(line for line in page.splitlines() if "[b-fast]" in line)
    assert "self-reported" in next(line for line in page.splitlines() if "[a-slow]" in line)


def test_what_a_report_says_is_usual_makes_no_machine_faster(tmp_path: Path) -> None:
    models = ("basic", "deep", "sparse", "variational")
    keep(tmp_path / "as-measured", "a", 1.0, models, reference_gb_per_s=20.0)
    keep(tmp_path / "claimed", "a", 1.0, models, reference_gb_per_s=20.0, usual_gb_per_s=40.0, usual_hours=9)
    for folder in ("as-measured", "claimed"):
        keep(tmp_path / folder, "b", 1.0, models, **OTHER)
    assert write(tmp_path / "claimed") == write(tmp_path / "as-measured")


@pytest.mark.parametrize("changes", [{"dataset_digest": "d2"}, {"epochs": 3, "run_epochs": 3}])
def test_other_data_and_other_lengths_are_not_compared(tmp_path: Path, changes: dict[str, Any]) -> None:
    keep(tmp_path, "a", 10.0)
    keep(tmp_path, "b", 1.0, **OTHER, **changes)
    assert "No case was run equally long on the same data" in write(tmp_path)


@pytest.mark.parametrize(
    ("speeds", "expected"),
    [
        # Of machine 0 over 1, 0 over 2 and 1 over 2.
        ([(2, 3), (4, 6), (1.5, 3)], [1, 2, 3]),
        ([(2, 3), (4, 6), (0.8, 1.2)], [1, 2, 2]),
        ([(0.9, 1.2), (0.95, 1.3), (1.5, 3)], [1, 1, 1]),  # the first may be as slow as the last
        ([(2, 3), None, (1.5, 3)], [1, 2, 3]),  # two that share no case hold no group together
        ([(2, 3), (4, 6), None], [1, 2, 2]),  # and form none of their own: nothing says which is faster
        ([(2, 3), (0.3, 0.5), (1.5, 3)], [1, 1, 1]),  # in a circle
    ],
)
def test_a_group_ends_where_each_so_far_is_clearly_faster_than_each_that_follows(
    speeds: list[tuple[float, float] | None], expected: list[int]
) -> None:
    ratios = [each and Ratio(sum(each) / 2, *each) for each in speeds]
    pairs = dict(zip([(0, 1), (0, 2), (1, 2)], ratios, strict=True))
    found = number_groups([0, 1, 2], lambda one, two: pairs[(one, two)])
    assert [found[place] for place in range(3)] == expected


def read_line(page: str, machine: str) -> list[str]:
    """The cells of a machine's line in the table of groups."""
    line = next(line for line in page.splitlines() if line.startswith(f"| {machine} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_failed_long_run_takes_no_short_one_away(tmp_path: Path) -> None:
    keep(tmp_path, "a", 10.0)
    failed: dict[str, Any] = {
        "epochs": 500,
        "run_epochs": 500,
        "status": "failed",
        "started_at": "2026-02-01T00:00:00+00:00",
    }
    keep(tmp_path, "a-long", 10.0, **failed)
    keep(tmp_path, "b", 1.0, **OTHER)
    assert read_line(write(tmp_path), "ryzen-9-7950x-2c")[-1] == "2"


def test_a_machine_with_few_cases_takes_none_from_the_others(tmp_path: Path) -> None:
    keep(tmp_path, "a", 10.0)
    keep(tmp_path, "b", 1.0, **OTHER)
    keep(tmp_path, "c", 5.0, models=("basic",), machine_id="m3", environment_id="e3", cpu_model="Apple M4")
    page = write(tmp_path)
    assert read_line(page, "ryzen-9-7950x-2c")[-1] == "2"
    assert read_line(page, "apple-m4-2c")[-1] == "1"
    assert [read_line(page, name)[1] for name in ("ryzen-9-7950x-2c", "apple-m4-2c", "scripted-2c")] == ["1", "2", "3"]


def test_two_machines_are_compared_at_the_longest_run_of_both(tmp_path: Path) -> None:
    keep(tmp_path, "a", 10.0)
    keep(tmp_path, "a-long", 20.0, epochs=500, run_epochs=500, started_at="2026-02-01T00:00:00+00:00")
    keep(tmp_path, "b", 1.0, **OTHER)
    assert read_line(write(tmp_path), "ryzen-9-7950x-2c")[2] == "10.00"
    keep(tmp_path, "b-long", 1.0, epochs=500, run_epochs=500, started_at="2026-02-01T00:00:00+00:00", **OTHER)
    assert read_line(write(tmp_path), "ryzen-9-7950x-2c")[2] == "20"


def test_a_report_that_was_kept_twice_counts_once(tmp_path: Path) -> None:
    keep(tmp_path, "a", 10.0)
    keep(tmp_path, "b", 1.0, **OTHER)
    before = read_line(write(tmp_path), "ryzen-9-7950x-2c")
    keep(tmp_path, "b-again", 1.0, **OTHER)
    assert read_line(write(tmp_path), "ryzen-9-7950x-2c") == before


@pytest.mark.parametrize("text", ["a", "a,best", "a,reproduced,x", "\n"])
def test_a_tier_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "tiers.csv").write_text(text)
    with pytest.raises(InvalidInput, match="self-reported"):
        read_tiers(tmp_path / "tiers.csv")
