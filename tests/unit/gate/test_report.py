import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from scripted_paired import BASE, rounds

from bench.console.table import escape_sentence
from bench.gate import report
from bench.gate.report import GateReport
from bench.gate.sequential import RiskPlan
from bench.gate.verdict import CaseResult, Estimate, Judgement, judge_case, reduce_round

PLAN = RiskPlan(cases=3)
EVEN = (1.001, 0.999, 1.002, 0.998, 1.0, 1.001)


def result(name: str, ratio: float = 1.0, **changes: object) -> CaseResult:
    judged = judge_case([reduce_round(each) for each in rounds([ratio * each for each in EVEN])], PLAN)
    return CaseResult(name, judged, recorded=6, images=2048, **changes)  # type: ignore[arg-type]


HEAVY = judge_case(
    [
        reduce_round(each)
        for each in rounds(
            [1.2 * each for each in EVEN], candidate_memory=replace(BASE, peak_rss_mib=1.1 * BASE.peak_rss_mib)
        )
    ],
    PLAN,
)
"""A fifth slower, and a tenth more memory."""
UNKNOWN = CaseResult("deep", judge_case([], PLAN), reason="the budget is used up")
OLD = CaseResult("basic", judge_case([], PLAN), trouble="incomparable", reason="base 1234567 is too old")


def gate(*results: CaseResult, **changes: object) -> GateReport:
    return GateReport("base 1234567", "the candidate", 0.05, 61.0, results, **changes)  # type: ignore[arg-type]


FAILED = CaseResult("sparse", judge_case([], PLAN), trouble="failed", reason="oom")


def waiting(count: int, *needed: int) -> list[CaseResult]:
    """Cases with too few repeats, that so many would decide."""
    few = [Judgement("undecided", "too few repeats", repeats=each) for each in needed or (6,) * count]
    return [
        replace(UNKNOWN, name=f"case{number}", reason="", verdict=replace(UNKNOWN.verdict, time=few[number]))
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("results", "line"),
    [
        (waiting(20), "UNDECIDED: 20 of 20 cases: too few repeats; run with `--repeats 6`."),
        (waiting(3, 6, 79, 12), "UNDECIDED: 3 of 3 cases: too few repeats; run with `--repeats 79`."),
        (waiting(1), "UNDECIDED: case0: too few repeats; run with `--repeats 6`."),
        ([result("basic"), UNKNOWN, result("convolutional", 1.2)], "SLOWER: convolutional +20.0%; 1 undecided, 1 ok."),
        ([result(f"case{number}", 1.2) for number in range(5)],
         "SLOWER: case0 +20.0%, case1 +20.0%, case2 +20.0% and 2 more."),
        ([UNKNOWN, FAILED, result("fine")], "FAILED: sparse: oom; 1 undecided, 1 ok."),
        ([OLD], "INCOMPARABLE: basic: base 1234567 is too old."),
        ([UNKNOWN, *waiting(4), result("fine")],
         "UNDECIDED: 5 of 6 cases, 4 of them: too few repeats; run with `--repeats 6`; 1 ok."),
        ([result("basic"), result("deep", 0.8)], "OK: basic: no slowdown of 5% or more; 1 faster."),
        ([result("basic", 0.8), result("deep", 0.8)], "FASTER: basic -20.0%, deep -20.0%."),
        ([CaseResult("basic", HEAVY), result("deep", 1.2)],
         "SLOWER: basic +20.0%, deep +20.0%; MORE MEMORY: basic +10.0%."),
    ],
)  # fmt: skip
def test_the_first_line_is_the_verdict(results: list[CaseResult], line: str) -> None:
    assert report.summarize(gate(*results)) == line
    assert report.format_markdown(gate(*results)).splitlines()[2] == f"**{escape_sentence(line)}**"


def test_without_a_case_the_first_line_says_what_to_do() -> None:
    nothing = gate(remarks=("There is no baseline.csv: measure one.",), ended=4)
    assert report.summarize(nothing) == "INCOMPARABLE: nothing was compared. There is no baseline.csv: measure one."
    assert report.format_markdown(nothing).count("There is no baseline.csv") == 1


def test_a_case_that_reached_nothing_of_a_size_is_named_without_one() -> None:
    diverged = replace(
        UNKNOWN, verdict=replace(UNKNOWN.verdict, loss=Judgement("higher-loss", "a loss that is not finite"))
    )
    assert report.summarize(gate(diverged)) == "HIGHER LOSS: deep."


def test_people_read_short_names_and_programs_the_whole_ones() -> None:
    found = gate(replace(result("basic.tensorflow.fit", 1.2), short_name="basic · batch 256"))
    assert report.summarize(found) == "SLOWER: basic · batch 256 +20.0%."
    assert report.build_table(found).rows[0][0] == "basic · batch 256"
    assert report.explain_cases(found)[0].startswith("basic · batch 256 ")
    assert "basic · batch 256%3A slower" in report.format_annotations(found)[0]
    assert report.to_status(found)["cases"][0]["name"] == "basic.tensorflow.fit"
    assert 'name="basic.tensorflow.fit"' in report.format_junit(found)


def test_the_table_has_estimate_interval_rounds_and_sensitivity() -> None:
    (cells,) = report.build_table(gate(result("basic", 1.2))).rows
    assert cells[:3] == ("basic", "slower", "+20.0%")
    assert "…" in cells[3]
    assert cells[7] == "6 of 6"
    assert cells[8].endswith("%")


def test_a_narrow_terminal_leaves_out_neither_a_verdict_nor_a_change() -> None:
    for kind in ("regress", "check"):
        table = report.build_table(gate(kind=kind))
        assert [name for name in table.headers if name not in table.optional] == [
            "case", "verdict", "time", "memory", "loss",
        ]  # fmt: skip


def test_the_bounds_of_the_verdicts_are_named() -> None:
    assert report.build_table(gate(result("basic"), most_discarded=0.6)).notes[-1] == (
        "Slowdowns below 5.0% do not count. Where more than 60% of the blocks were noisy, time is undecided."
    )


def test_what_was_not_measured_is_a_dash() -> None:
    (cells,) = report.build_table(gate(OLD)).rows
    assert cells == ("basic", "incomparable", "–", "–", "–", "–", "–", "0 of 0", "–", "0%")


def test_a_reason_is_said_once_and_not_for_every_case() -> None:
    found = gate(*waiting(7), OLD, result("basic"), result("deep"))
    assert report.explain_cases(found) == [
        "case0, case1, case2, case3, case4 and 2 more: undecided, too few repeats; run with `--repeats 6`.",
    ], "neither what the first line says nor what is ok"
    assert [cells[0] for cells in report.build_table(found).rows][:2] == ["basic", "case0"], "the worst first"
    assert report.explain_cases(gate(*waiting(20))) == []
    both = report.explain_cases(gate(OLD, replace(OLD, name="deep", reason="another")))
    assert both == ["basic: incomparable, base 1234567 is too old.", "deep: incomparable, another."]


def test_what_is_wrong_is_explained_with_its_size() -> None:
    both = gate(CaseResult("basic", HEAVY))
    (reason,) = report.explain_cases(both)
    assert reason.startswith(
        "basic (+20.0% time, +10.0% memory): slower, beyond the noise; more peak resident memory, "
    )
    (line,) = report.format_annotations(both)
    assert line.startswith("::error title=basic%3A slower and more-memory::slower, beyond the noise; more peak ")
    assert line.endswith(" (+20.0%25 time, +10.0%25 memory).")
    assert report.build_table(both).rows[0][1] == "slower and more-memory"
    assert 'message="slower and more-memory"' in report.format_junit(both)


def test_a_case_that_its_loss_alone_keeps_open_says_so() -> None:
    even = result("basic").verdict
    loss = Judgement("undecided", "another loss", Estimate(0.0123, 0.0, 0.1), is_open=True)
    unclear = replace(even, loss=loss)
    stopped = CaseResult("basic", unclear, reason="the budget is used up")
    assert report.summarize(gate(stopped)) == "UNDECIDED: basic: another loss; the budget is used up."
    assert "another loss; the budget is used up (+1.23% loss)." in report.format_junit(gate(stopped))
    noisy = replace(unclear, time=Judgement("undecided", "too much noise"))
    assert report.summarize(gate(CaseResult("basic", noisy))) == "UNDECIDED: basic: too much noise."


def test_an_early_end_is_said_once() -> None:
    text = report.format_markdown(gate(UNKNOWN, stopped="the budget is used up"))
    assert text.count("the budget is used up") == 1
    assert "| deep | undecided |" in text
    decided = report.format_markdown(gate(result("basic"), stopped="interrupted"))
    assert "Stopped early: interrupted." in decided


def test_status_is_json_with_every_verdict() -> None:
    status = json.loads(json.dumps(report.to_status(gate(result("basic", 1.2), UNKNOWN)), allow_nan=False))
    assert status["exit_code"] == 1
    assert status["verdict"] == "SLOWER: basic +20.0%; 1 undecided."
    assert (status["minimum_effect"], status["most_discarded"]) == (0.05, 0.3)
    assert [case["verdicts"] for case in status["cases"]] == [["slower"], ["undecided"]]
    assert status["cases"][0]["verdict"]["time"]["estimate"]["value"] == pytest.approx(0.2, abs=0.01)


def test_annotations_are_escaped_worst_first_and_ten_at_most() -> None:
    hostile = CaseResult("a:b,c", judge_case([], PLAN), trouble="failed", reason="100%\r\n::error::gotcha")
    slow = [result(f"case{number}", 1.2) for number in range(12)]
    first, *others = report.format_annotations(gate(UNKNOWN, result("basic"), hostile))
    assert first.startswith("::error title=a%3Ab%2Cc%3A failed::")
    assert "\n" not in first
    assert "100%25" in first
    assert [line.partition(" ")[0] for line in others] == ["::warning"]
    assert len(set(report.format_annotations(gate(*slow)))) == 10
    assert report.format_annotations(gate(result("basic"))) == []


def test_annotations_differ_from_each_other() -> None:
    (only,) = report.format_annotations(gate(*waiting(20)))
    assert only == "::warning title=20 of 20 cases%3A undecided::too few repeats; run with `--repeats 6`."
    old = [replace(OLD, name=f"case{number}") for number in range(20)]
    assert len(report.format_annotations(gate(*old, *waiting(5)))) == 2


def test_junit_has_failures_errors_and_skipped_cases() -> None:
    suite = ET.fromstring(report.format_junit(gate(result("slow", 1.2), OLD, UNKNOWN, result("fine"))))  # noqa: S314
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["4", "1", "1", "1"]
    assert [[child.tag for child in test] for test in suite] == [["failure"], ["error"], ["skipped"], []]


def test_junit_stays_xml_whatever_a_process_wrote() -> None:
    hostile = CaseResult("x", judge_case([], PLAN), trouble="failed", reason="\x1b[31m<&>\x00\x08")
    assert ET.fromstring(report.format_junit(gate(hostile))).get("errors") == "1"  # noqa: S314
