import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from scripted_paired import BASE, rounds

from bench.gate import report
from bench.gate.report import Gate
from bench.gate.sequential import Plan
from bench.gate.verdict import CaseResult, Estimate, Judgement, judge, reduce_round

PLAN = Plan(cases=3)
EVEN = (1.001, 0.999, 1.002, 0.998, 1.0, 1.001)


def result(name: str, ratio: float = 1.0, **changes: object) -> CaseResult:
    judged = judge([reduce_round(each) for each in rounds([ratio * each for each in EVEN])], PLAN)
    return CaseResult(name, judged, recorded=6, images=2048, **changes)  # type: ignore[arg-type]


UNKNOWN = CaseResult("deep", judge([], PLAN), reason="the budget is used up")
OLD = CaseResult("basic", judge([], PLAN), trouble="incomparable", reason="base 1234567 is too old")


def gate(*results: CaseResult, **changes: object) -> Gate:
    return Gate("base 1234567", "the candidate", 0.05, 61.0, results, **changes)  # type: ignore[arg-type]


def test_the_worst_comes_first() -> None:
    found = gate(result("basic"), UNKNOWN, result("convolutional", 1.2))
    assert report.sentence(found) == (
        "the candidate against base 1234567: convolutional slower, deep undecided, basic ok."
    )
    assert found.exit_code == 1


def test_the_table_has_estimate_interval_rounds_and_sensitivity() -> None:
    (cells,) = report.table(gate(result("basic", 1.2))).rows
    assert cells[:3] == ("basic", "slower", "+20.0%")
    assert "…" in cells[3]
    assert cells[7] == "6 of 6"
    assert cells[8].endswith("%")


def test_the_bounds_of_the_verdicts_are_told() -> None:
    assert report.table(gate(result("basic"), most_discarded=0.6)).notes[-1] == (
        "Slowdowns below 5.0% do not count. Where noise noisy more than 60%, time is undecided."
    )


def test_what_was_not_measured_is_a_dash() -> None:
    (cells,) = report.table(gate(OLD)).rows
    assert cells == ("basic", "incomparable", "–", "–", "–", "–", "–", "0 of 0", "–", "0%")


def test_each_case_has_its_reason() -> None:
    told = report.reasons(gate(OLD, UNKNOWN))
    assert told == ["basic: base 1234567 is too old.", "deep: 0 rounds; 6 are needed; the budget is used up."]


def test_what_is_wrong_is_told_with_its_size() -> None:
    heavy = rounds([1.2 * each for each in EVEN], candidate_memory=replace(BASE, peak_rss_mib=1.1 * BASE.peak_rss_mib))
    both = CaseResult("basic", judge([reduce_round(each) for each in heavy], PLAN))
    (reason,) = report.reasons(gate(both))
    assert reason.startswith("basic: slower, beyond the noise (+20.0% time); more peak resident memory, ")
    assert reason.endswith(" (+10.0% memory).")
    (line,) = report.annotations(gate(both))
    assert "+20.0%25 time" in line
    assert "+10.0%25 memory" in line


def test_a_case_that_its_loss_alone_keeps_open_says_so() -> None:
    even = result("basic").verdict
    loss = Judgement("undecided", "another loss", Estimate(0.0123, 0.0, 0.1), is_open=True)
    unclear = replace(even, loss=loss)
    stopped = CaseResult("basic", unclear, reason="the budget is used up")
    assert report.reasons(gate(stopped)) == ["basic: another loss (+1.23% loss); the budget is used up."]
    noisy = replace(unclear, time=Judgement("undecided", "too much noise"))
    assert report.reasons(gate(CaseResult("basic", noisy))) == ["basic: too much noise."]


def test_markdown_names_the_early_end() -> None:
    text = report.markdown(gate(UNKNOWN, stopped="the budget is used up"))
    assert "Stopped early: the budget is used up." in text
    assert "| deep | undecided |" in text


def test_status_is_json_with_every_verdict() -> None:
    status = json.loads(json.dumps(report.status(gate(result("basic", 1.2), UNKNOWN)), allow_nan=False))
    assert status["exit_code"] == 1
    assert (status["minimum_effect"], status["most_discarded"]) == (0.05, 0.3)
    assert [case["verdicts"] for case in status["cases"]] == [["slower"], ["undecided"]]
    assert status["cases"][0]["verdict"]["time"]["estimate"]["value"] == pytest.approx(0.2, abs=0.01)


def test_annotations_are_escaped_worst_first_and_ten_at_most() -> None:
    hostile = CaseResult("a:b,c", judge([], PLAN), trouble="failed", reason="100%\r\n::error::gotcha")
    first, *others = report.annotations(gate(*(UNKNOWN,) * 12, result("basic"), hostile))
    assert first.startswith("::error title=a%3Ab%2Cc%3A failed::")
    assert "\n" not in first
    assert "100%25" in first
    assert len(others) == 9
    assert all(line.startswith("::warning") for line in others)
    assert report.annotations(gate(result("basic"))) == []


def test_junit_tells_failures_errors_and_what_is_not_known() -> None:
    suite = ET.fromstring(report.junit(gate(result("slow", 1.2), OLD, UNKNOWN, result("fine"))))  # noqa: S314
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["4", "1", "1", "1"]
    assert [[child.tag for child in test] for test in suite] == [["failure"], ["error"], ["skipped"], []]


def test_junit_stays_xml_whatever_a_process_wrote() -> None:
    hostile = CaseResult("x", judge([], PLAN), trouble="failed", reason="\x1b[31m<&>\x00\x08")
    assert ET.fromstring(report.junit(gate(hostile))).get("errors") == "1"  # noqa: S314
