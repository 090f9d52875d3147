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


def keep(root: Path, name: str, seconds: float, **changes: Any) -> None:
    """Write a reference of two models, each in three processes."""
    folder = root / name
    folder.mkdir(parents=True)
    rows = [
        scripted.result_row(
            **{"case_id": f"{model}.x.r{repeat}", "model": model, "repeat": repeat}
            | scripted.times(seconds * (1 + repeat / 1000))
            | changes
        )
        for model in ("basic", "deep")
        for repeat in range(3)
    ]
    (folder / "results.csv").write_text(format_csv(ResultRow, rows))


def write(root: Path) -> str:
    return write_leaderboard(group_references(read_references(root)), read_tiers(root / "tiers.csv"))


OTHER = {"machine_id": "m2", "environment_id": "e2", "cpu_model": "AMD Ryzen 9 7950X"}


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


@pytest.mark.parametrize("changes", [{"dataset_digest": "d2"}, {"epochs": 3, "run_epochs": 3}])
def test_other_data_and_other_lengths_are_not_compared(tmp_path: Path, changes: dict[str, Any]) -> None:
    keep(tmp_path, "a", 10.0)
    keep(tmp_path, "b", 1.0, **OTHER, **changes)
    assert "No case was run equally long on the same data" in write(tmp_path)


def test_intervals_that_overlap_are_one_group() -> None:
    def speed(low: float, high: float) -> Ratio:
        return Ratio((low + high) / 2, low, high, 1)

    assert number_groups([speed(1, 1), speed(2, 3), speed(2.5, 4), speed(0.1, 0.2)]) == [2, 1, 1, 3]
    assert number_groups([speed(1, 1), speed(2, 3), speed(0.1, 2.9)]) == [1, 1, 1]


@pytest.mark.parametrize("text", ["a", "a,best", "a,reproduced,x", "\n"])
def test_a_tier_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "tiers.csv").write_text(text)
    with pytest.raises(InvalidInput, match="self-reported"):
        read_tiers(tmp_path / "tiers.csv")
