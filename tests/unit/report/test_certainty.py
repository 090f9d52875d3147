"""How well the cases are known, in words."""

from pathlib import Path

import pytest
import scripted

from bench.host.reference_kernels import KernelRates
from bench.report.contents import SweepReport
from bench.report.tables import format_within
from bench.results.folder import ReportFolder


def certainty(ran: dict[str, int], within_percent: float) -> str:
    """The first remark on a sweep that planned each of these models once and ran it so many times."""
    profile = scripted.profile(models=tuple(ran), within_percent=within_percent)
    cases = [scripted.case(model=model, repeat=repeat) for model, count in ran.items() for repeat in range(count)]
    outcomes = [scripted.outcome(case) for case in cases]
    return SweepReport(ReportFolder(Path("nowhere")), scripted.header(profile=profile), outcomes).remarks[0]


@pytest.mark.parametrize(
    ("ran", "within_percent", "beginning"),
    [
        ({"basic": 2, "deep": 1}, 70.0, "1 of 2 cases is known to within 70 %; the widest is deep · batch 4, within "),
        ({"basic": 2, "deep": 1}, 5.5, "0 of 2 cases are known to within 5.5 %; the widest is deep · batch 4, within "),
        ({"basic": 3, "deep": 3}, 70.0, "2 of 2 cases are known to within 70 %; the widest is basic · batch 4, within"),
        ({"basic": 2}, 5.0, "0 of 1 case is known to within 5 %; the widest is basic · batch 4, within "),
    ],
)
def test_after_further_processes_the_cases_that_are_known_well_enough_are_counted(
    ran: dict[str, int], within_percent: float, beginning: str
) -> None:
    said = certainty(ran, within_percent)
    assert said.startswith(beginning)
    one_hour_is_too_little = within_percent < 6
    assert ("at another hour narrows it" in said) == one_hour_is_too_little


def test_without_further_processes_only_the_intervals_are_told() -> None:
    assert certainty({"basic": 1, "deep": 1}, 5.0).startswith("Each case ran once.")


@pytest.mark.parametrize(
    ("usual", "words"), [(50.0, "16 % below"), (41.5, "as large as"), (30.0, "35 % above"), (None, None)]
)
def test_what_the_hours_memory_bandwidth_changes_is_said(usual: float | None, words: str | None) -> None:
    header = scripted.header(usual_gb_per_s=usual, usual_hours=usual and 11)
    cases = [scripted.case(repeat=repeat) for repeat in range(12)]
    read = dict.fromkeys(("gflop_per_s", "gflop_per_s_median", "gb_per_s", "gb_per_s_median"), 41.5)
    beside = KernelRates(threads=1, **read)
    outcomes = [scripted.outcome(case, reference_before=beside, reference_after=None) for case in cases]
    said = " ".join(SweepReport(ReportFolder(Path("nowhere")), header, outcomes).certainty)
    assert ("bandwidth" in said) == bool(words)
    if words:
        assert f"Memory bandwidth is {words} what this machine usually has, by 12 hours; the quiet figures of" in said


@pytest.mark.parametrize(
    ("fraction", "words"),
    [(0.042, "4.2 %"), (0.05, "5 %"), (0.0501, "5.1 %"), (0.1104, "12 %"), (1.14, "114 %"), (float("inf"), "9999 %")],
)
def test_how_far_an_interval_reaches_is_rounded_up(fraction: float, words: str) -> None:
    assert format_within(fraction) == words
