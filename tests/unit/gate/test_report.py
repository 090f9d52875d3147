import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from scripted_paired import BASE, rounds

from bench.gate import report
from bench.gate.report import GateReport
from bench.gate.sequential import RiskPlan
from bench.gate.verdict import CaseResult, Estimate, Judgement, judge_case, reduce_round

PLAN = RiskPlan(cases=3)
EVEN = (1.001, 0.999, 1.002, 0.998, 1.0, 1.001)


def result(name: str, ratio: float = 1.0, **changes: object) -> CaseResult:
    judged = judge_case([reduce_round(each) for each in rounds([ratio * each for each in EVEN])], PLAN)
    return CaseResult(name, judged, recorded=6, images=2048, **changes)  # type: ignore[arg-type]


UNKNOWN = CaseResult("deep", judge_case([], PLAN), reason="the budget is used up")
OLD = CaseResult("basic", judge_case([], PLAN), trouble="incomparable", reason="base 1234567 is too old")


def gate(*results: CaseResult, **changes: object) -> GateReport:
    return GateReport("base 1234567", "the candidate", 0.05, 61.0, results, **changes)  # type: ignore[arg-type]


def test_the_worst_comes_first() -> None:
    found = gate(result("basic"), UNKNOWN, result("convolutional", 1.2))
    assert report.summarize(found) == (
        "the candidate compared with base 1234567: convolutional is slower, deep is undecided, basic is ok."
    )
    assert found.exit_code == 1


def test_the_table_has_estimate_interval_rounds_and_sensitivity() -> None:
    (cells,) = report.build_table(gate(result("basic", 1.2))).rows
    assert cells[:3] == ("basic", "slower", "+20.0%")
    assert "…" in cells[3]
    assert cells[7] == "6 of 6"
    assert cells[8].endswith("%")


def test_the_bounds_of_the_verdicts_are_named() -> None:
    assert report.build_table(gate(result("basic"), most_discarded=0.6)).notes[-1] == (
        "Slowdowns below 5.0% do not count. Where more than 60% of the blocks were noisy, time is undecided."
    )


def test_what_was_not_measured_is_a_dash() -> None:
    (cells,) = report.build_table(gate(OLD)).rows
    assert cells == ("basic", "incomparable", "–", "–", "–", "–", "–", "0 of 0", "–", "0%")


def test_each_case_has_its_reason() -> None:
    assert report.explain_cases(gate(OLD, UNKNOWN)) == [
        "basic: base 1234567 is too old.",
        "deep: 0 usable rounds; 6 are needed; the budget is used up.",
    ]


def test_what_is_wrong_is_explained_with_its_size() -> None:
    heavy = rounds([1.2 * each for each in EVEN], candidate_memory=replace(BASE, peak_rss_mib=1.1 * BASE.peak_rss_mib))
    both = CaseResult("basic", judge_case([reduce_round(each) for each in heavy], PLAN))
    (reason,) = report.explain_cases(gate(both))
    assert reason.startswith("basic: slower, beyond the noise (+20.0% time); more peak resident memory, by over 3% ")
    assert reason.endswith(" (+10.0% memory).")
    (line,) = report.format_annotations(gate(both))
    assert "+20.0%25 time" in line
    assert "+10.0%25 memory" in line


def test_a_verdict_of_two_words_reads_well_wherever_it_is_shown() -> None:
    heavy = rounds([1.2 * each for each in EVEN], candidate_memory=replace(BASE, peak_rss_mib=1.1 * BASE.peak_rss_mib))
    found = gate(CaseResult("basic", judge_case([reduce_round(each) for each in heavy], PLAN)))
    assert report.summarize(found).endswith("base 1234567: basic is slower and needs more memory.")
    assert report.build_table(found).rows[0][1] == "slower and more-memory"
    assert report.format_annotations(found)[0].startswith("::error title=basic%3A slower and more-memory::slower, ")
    assert 'message="slower and more-memory"' in report.format_junit(found)


def test_a_case_that_its_loss_alone_keeps_open_says_so() -> None:
    even = result("basic").verdict
    loss = Judgement("undecided", "another loss", Estimate(0.0123, 0.0, 0.1), is_open=True)
    unclear = replace(even, loss=loss)
    stopped = CaseResult("basic", unclear, reason="the budget is used up")
    assert report.explain_cases(gate(stopped)) == ["basic: another loss (+1.23% loss); the budget is used up."]
    noisy = replace(unclear, time=Judgement("undecided", "too much noise"))
    assert report.explain_cases(gate(CaseResult("basic", noisy))) == ["basic: too much noise."]


def test_markdown_names_the_early_end() -> None:
    text = report.format_markdown(gate(UNKNOWN, stopped="the budget is used up"))
    assert "Stopped early: the budget is used up." in text
    assert "| deep | undecided |" in text


def test_status_is_json_with_every_verdict() -> None:
    status = json.loads(json.dumps(report.to_status(gate(result("basic", 1.2), UNKNOWN)), allow_nan=False))
    assert status["exit_code"] == 1
    assert (status["minimum_effect"], status["most_discarded"]) == (0.05, 0.3)
    assert [case["verdicts"] for case in status["cases"]] == [["slower"], ["undecided"]]
    assert status["cases"][0]["verdict"]["time"]["estimate"]["value"] == pytest.approx(0.2, abs=0.01)


def test_annotations_are_escaped_worst_first_and_ten_at_most() -> None:
    hostile = CaseResult("a:b,c", judge_case([], PLAN), trouble="failed", reason="100%\r\n::error::gotcha")
    first, *others = report.format_annotations(gate(*(UNKNOWN,) * 12, result("basic"), hostile))
    assert first.startswith("::error title=a%3Ab%2Cc%3A failed::")
    assert "\n" not in first
    assert "100%25" in first
    assert len(others) == 9
    assert all(line.startswith("::warning") for line in others)
    assert report.format_annotations(gate(result("basic"))) == []


def test_junit_has_failures_errors_and_skipped_cases() -> None:
    suite = ET.fromstring(report.format_junit(gate(result("slow", 1.2), OLD, UNKNOWN, result("fine"))))  # noqa: S314
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["4", "1", "1", "1"]
    assert [[child.tag for child in test] for test in suite] == [["failure"], ["error"], ["skipped"], []]


def test_junit_stays_xml_whatever_a_process_wrote() -> None:
    hostile = CaseResult("x", judge_case([], PLAN), trouble="failed", reason="\x1b[31m<&>\x00\x08")
    assert ET.fromstring(report.format_junit(gate(hostile))).get("errors") == "1"  # noqa: S314
