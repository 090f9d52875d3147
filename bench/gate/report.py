"""What a gate or a check found, for people and for CI: a table, report.md, status.json, annotations, JUnit XML."""

import contextlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree as ET

from rich.console import Console

from bench.console.output import say
from bench.console.table import Table, escape_cell, print_table
from bench.errors import strip_controls
from bench.gate.baseline import CheckedCase
from bench.gate.sequential import MOST_DISCARDED
from bench.gate.verdict import BAD, CaseResult, Estimate, Judgement, choose_exit_code
from bench.plan.estimate import format_duration
from bench.report.files import write_json
from bench.results.folder import ReportFolder, write_whole

_NONE = "–"
_MOST_ANNOTATIONS = 10
_PHRASES = {
    "slower": "is slower",
    "more-memory": "needs more memory",
    "higher-loss": "has a higher loss",
    "failed": "failed",
    "incomparable": "is not comparable",
    "undecided": "is undecided",
    "ok": "is ok",
    "faster": "is faster",
}
"""Verdicts, the worst first, as a sentence has them."""
_DECIMALS = {"time": 1, "memory": 1, "loss": 2}
"""Of the percent that are printed."""

Kind = Literal["regress", "check"]
"""regress: two revisions that train in turns. check: a report compared with a stored baseline."""


@dataclass(frozen=True)
class _Wording:
    """What each kind calls things."""

    title: str
    headers: tuple[str, ...]
    base: str
    units: str
    """What the verdict rests on."""
    noisy: str
    """What noise may cost too many of."""
    note: str = ""


_SHARED_HEADERS = ("case", "verdict", "time", "interval")
_WORDING: dict[Kind, _Wording] = {
    "regress": _Wording(
        "The gate",
        (*_SHARED_HEADERS, "CPU", "memory", "loss", "rounds", "detectable", "discarded"),
        base="base",
        units="rounds",
        noisy="blocks",
    ),
    "check": _Wording(
        "The check",
        (*_SHARED_HEADERS, "memory", "loss", "epochs", "processes", "detectable", "noisy"),
        base="baseline",
        units="processes",
        noisy="epochs",
        note="Epochs: the epoch count at which both are compared. Processes: the baseline's and the report's.",
    ),
}


@dataclass(frozen=True)
class GateReport:
    """All that is reported of one run."""

    base: str
    """As a person reads it: the revision, or the baseline's file and time."""
    candidate: str
    minimum_effect: float
    seconds: float
    results: tuple[CaseResult, ...]
    most_discarded: float = MOST_DISCARDED
    """Fraction of the blocks or epochs that noise may cost before time is undecided."""
    fail_undecided: bool = False
    stopped: str | None = None
    """Why it ended before every case was decided; None where it did not."""
    ended: int | None = None
    """Exit code that overrides the verdicts, after an interruption or a full disk; else None."""
    kind: Kind = "regress"
    remarks: tuple[str, ...] = ()
    """Sentences on the whole run: what was not compared, and why."""

    @property
    def exit_code(self) -> int:
        """That of what ended the run early, else see `bench.gate.verdict.choose_exit_code`."""
        if self.ended is not None:
            return self.ended
        return choose_exit_code(self.results, fail_undecided=self.fail_undecided)

    @property
    def worst_first(self) -> list[CaseResult]:
        """The cases, those that somebody has to look at first."""
        order = list(_PHRASES)
        return sorted(self.results, key=lambda result: min(map(order.index, result.verdicts)))


def summarize(report: GateReport) -> str:
    """The run in one sentence."""
    cases = [
        f"{each.name} {' and '.join(_PHRASES[verdict] for verdict in each.verdicts)}" for each in report.worst_first
    ]
    return f"{report.candidate} compared with {report.base}: {', '.join(cases) or 'nothing was compared'}."


def _join(verdicts: tuple[str, ...]) -> str:
    return " and ".join(verdicts)


def build_table(report: GateReport) -> Table:
    """A line per case."""
    wording = _WORDING[report.kind]
    bounds = "The interval's lower end bounds false alarms, its upper end bounds missed slowdowns."
    too_noisy = f"Where more than {report.most_discarded:.0%} of the {wording.noisy} were noisy, time is undecided."
    notes = (
        f"Percentages are changes from the {wording.base}. {bounds}",
        f"Detectable: the smallest slowdown that these {wording.units} would have called slower 95 times in 100.",
        *([wording.note] if wording.note else []),
        f"Slowdowns below {report.minimum_effect:.1%} do not count. {too_noisy}",
    )
    return Table(wording.title, wording.headers, tuple(map(_format_cells, report.results)), labels=2, notes=notes)


def _format_cells(result: CaseResult) -> tuple[str, ...]:
    found = result.verdict
    time = found.time.estimate
    return (
        result.name,
        _join(result.verdicts),
        _format_change("time", time),
        _NONE if time is None or time.low is None or time.high is None else f"{time.low:+.1%} … {time.high:+.1%}",
        *(() if isinstance(result, CheckedCase) else (_format_change("time", found.cpu),)),
        _format_change("memory", found.memory.estimate),
        _format_change("loss", found.loss.estimate),
        *_format_counts(result),
        _NONE if found.smallest is None else f"{found.smallest:.1%}",
        f"{found.discarded:.0%}",
    )


def _format_counts(result: CaseResult) -> tuple[str, ...]:
    if isinstance(result, CheckedCase):
        return (_NONE if result.epochs is None else f"{result.epochs}", " and ".join(map(str, result.processes)))
    return (f"{result.verdict.rounds} of {result.recorded}",)


def _format_change(judged: str, estimate: Estimate | None) -> str:
    return _NONE if estimate is None else f"{estimate.value:+.{_DECIMALS[judged]}%}"


def explain_cases(report: GateReport) -> list[str]:
    """A line per case: why its verdict is what it is."""
    return [f"{result.name}: {_explain(result)}" for result in report.worst_first]


def _explain(result: CaseResult) -> str:
    found = result.verdict
    wrong = [_explain_judgement(name, each) for name, each in found.judgements.items() if each.verdict in BAD]
    reasons = wrong or ([result.reason] if result.trouble else [_explain_judgement(*found.deciding)])
    if result.reason and not result.trouble and not wrong and result.verdicts == ("undecided",):
        reasons = [*reasons, result.reason]
    return strip_controls("; ".join(reasons)) + "."


def _explain_judgement(name: str, judged: Judgement) -> str:
    """The reason, with the size of the change: "slower, beyond the noise (+6.0% time)"."""
    size = "" if judged.estimate is None else f" ({_format_change(name, judged.estimate)} {name})"
    return judged.reason + size


def format_markdown(report: GateReport) -> str:
    """The text of report.md and of a CI job's summary."""
    took = f"Took {format_duration(report.seconds)}; exit code" if report.seconds else "Exit code"
    parts = [
        f"# {_WORDING[report.kind].title}",
        escape_cell(summarize(report)),
        *([f"Stopped early: {escape_cell(report.stopped)}."] if report.stopped else []),
        *([build_table(report).to_markdown()] if report.results else []),
        "\n".join(f"- {escape_cell(line)}" for line in (*explain_cases(report), *report.remarks)),
        f"{took} {report.exit_code}.",
    ]
    return "\n\n".join(parts) + "\n"


def to_status(report: GateReport) -> dict[str, Any]:
    """The content of status.json."""
    return {
        "kind": report.kind,
        "exit_code": report.exit_code,
        "base": report.base,
        "candidate": report.candidate,
        "minimum_effect": report.minimum_effect,
        "most_discarded": report.most_discarded,
        "seconds": report.seconds,
        "stopped": report.stopped,
        "remarks": list(report.remarks),
        "cases": [{**asdict(result), "verdicts": list(result.verdicts)} for result in report.results],
    }


def format_annotations(report: GateReport) -> list[str]:
    """GitHub's workflow commands, the worst first: errors for what fails the job, warnings for undecided cases."""
    lines = [] if report.results else [_annotate("error", f"aebench {report.kind}", line) for line in report.remarks]
    for result in report.worst_first:
        severe = set(result.verdicts) & {*BAD, "failed", "incomparable"}
        if severe or "undecided" in result.verdicts:
            title = f"{result.name}: {_join(result.verdicts)}"
            lines.append(_annotate("error" if severe else "warning", title, _explain(result)))
    return lines[:_MOST_ANNOTATIONS]


def _annotate(level: str, title: str, text: str) -> str:
    """One command, escaped as the runner reads it: actions/toolkit, packages/core/src/command.ts."""

    def escape(data: str) -> str:
        return strip_controls(data).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

    return f"::{level} title={escape(title).replace(':', '%3A').replace(',', '%2C')}::{escape(text)}"


def format_junit(report: GateReport) -> str:
    """JUnit XML: a test per case; undecided ones are skipped."""
    kinds = [_choose_junit_kind(result) for result in report.results]
    suite = ET.Element(
        "testsuite", name=f"aebench {report.kind}", tests=str(len(kinds)), failures=str(kinds.count("failure")),
        errors=str(kinds.count("error")), skipped=str(kinds.count("skipped")), time=f"{report.seconds:.3f}",
    )  # fmt: skip
    for result, kind in zip(report.results, kinds, strict=True):
        test = ET.SubElement(suite, "testcase", classname=f"aebench.{report.kind}", name=result.name)
        if kind is not None:
            ET.SubElement(test, kind, message=_join(result.verdicts)).text = _explain(result)
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _choose_junit_kind(result: CaseResult) -> str | None:
    verdicts = set(result.verdicts)
    if verdicts & set(BAD):
        return "failure"
    if verdicts & {"failed", "incomparable"}:
        return "error"
    return "skipped" if "undecided" in verdicts else None


def publish_report(report: GateReport, folder: ReportFolder, console: Console) -> int:
    """Print the report, hand it to CI, then write it into the folder, which exists; returns the exit code.

    Raises `OSError` where it cannot be written; by then it is printed.
    """
    say(console, "")
    if report.results:
        print_table(console, build_table(report))
    for line in (*explain_cases(report), *report.remarks):
        say(console, line)
    if report.stopped:
        say(console, f"Stopped early: {report.stopped}.")
    _hand_to_ci(report, console)
    write_json(folder.status, to_status(report))
    write_whole(folder.report, format_markdown(report))
    write_whole(folder.junit, format_junit(report))
    say(console, f"\nReport: {folder.report}")
    return report.exit_code


def _hand_to_ci(report: GateReport, console: Console) -> None:
    """The summary of a GitHub job, and its annotations."""
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with contextlib.suppress(OSError), Path(summary).open("a", encoding="utf-8") as file:
            file.write(format_markdown(report))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in format_annotations(report):
            say(console, line)
