"""What a gate or a check found, for people and for CI: a table, report.md, status.json, annotations, JUnit XML."""

import contextlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree as ET

from rich.console import Console

from bench.console.output import say
from bench.console.table import Table, escape_sentence, print_lines, print_table
from bench.errors import format_count, join_names, strip_controls
from bench.gate.baseline import CheckedCase
from bench.gate.sequential import MOST_DISCARDED
from bench.gate.verdict import BAD, CaseResult, Estimate, choose_exit_code
from bench.plan.estimate import format_duration
from bench.report.files import write_json
from bench.results.folder import ReportFolder, write_whole

_NONE = "–"
_MOST_ANNOTATIONS = 10
_FEW = 3
"""Cases that the first line names; of more, their number."""
_LISTED = 5
"""Cases that a reason names."""
_ORDER = (*BAD, "failed", "incomparable", "undecided", "ok", "faster")
"""Verdicts, the worst first."""
_SIZED = {"slower": "time", "faster": "time", "more-memory": "memory", "higher-loss": "loss"}
"""Verdicts on a change that has a size, and what of."""
_OPTIONAL = ("discarded", "noisy", "CPU", "detectable", "epochs", "rounds", "processes", "interval")
"""Columns that a narrow terminal leaves out; the changes of time, memory and loss stay."""
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
        note="Epochs: the epoch count at which both are compared, and that of the loss where a process went further. "
        "Processes: those of the baseline and of the report.",
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
    def groups(self) -> "list[Group]":
        """The cases by verdict and reason, those that somebody has to look at first."""
        found: dict[tuple[tuple[str, ...], str], list[CaseResult]] = {}
        for result in sorted(self.results, key=lambda result: _ORDER.index(_find_worst(result.verdicts))):
            found.setdefault((result.verdicts, _find_reason(result)), []).append(result)
        return [Group(*key, results) for key, results in found.items()]


@dataclass(frozen=True)
class Group:
    """Cases with the same verdict for the same reason."""

    verdicts: tuple[str, ...]
    reason: str
    results: list[CaseResult]

    @property
    def is_fine(self) -> bool:
        """Whether nobody has to look at these cases."""
        return set(self.verdicts) <= {"ok", "faster"}

    @property
    def advice(self) -> str:
        """The reason, and how many repeats would decide all of them."""
        needed = [found.repeats for each in self.results if (found := each.verdict.deciding[1]).repeats]
        repeats = f"; run with `--repeats {max(needed)}`" if needed and "undecided" in self.verdicts else ""
        return self.reason + repeats


def _find_worst(verdicts: Iterable[str]) -> str:
    return min(verdicts, key=_ORDER.index)


def _find_reason(result: CaseResult) -> str:
    """Why a case's verdict is what it is, in words that cases have in common: without its figures."""
    found = result.verdict
    wrong = [each.reason for each in found.judgements.values() if each.verdict in BAD]
    reasons = wrong or [result.reason if result.trouble else found.deciding[1].reason]
    if result.reason and result.verdicts == ("undecided",):
        reasons = [*reasons, result.reason]
    return strip_controls("; ".join(reasons))


def summarize(report: GateReport) -> str:
    """The verdict on the whole run in one line: that on its worst cases, and how many others there are."""
    groups = report.groups
    if not groups:
        return f"INCOMPARABLE: nothing was compared. {' '.join(report.remarks)}"
    worst = _find_worst(verdict for each in groups for verdict in each.verdicts)
    if worst in _SIZED:
        named = [verdict for verdict in _ORDER if verdict in _SIZED and (verdict == worst or verdict in BAD)]
        parts = {verdict: [each for each in report.results if verdict in each.verdicts] for verdict in named}
        body = "; ".join(
            f"{_shout(verdict)}: {join_names([_add_size(each, verdict) for each in results], _FEW)}"
            for verdict, results in parts.items()
            if results
        )
    else:
        named, same = [worst], [each for each in groups if worst in each.verdicts]
        body = f"{_shout(worst)}: {_name_few([result for each in same for result in each.results], report)}"
        first = max(same, key=lambda each: len(each.results))
        body += f": {first.advice}" if len(same) == 1 else f", {len(first.results)} of them: {first.advice}"
    others: Counter[str] = Counter()
    for each in groups:
        others[_join(each.verdicts)] += 0 if set(each.verdicts) & set(named) else len(each.results)
    rest = ", ".join(f"{count} {verdict}" for verdict, count in others.items() if count)
    return f"{body}; {rest}." if rest else f"{body}."


def _shout(verdict: str) -> str:
    return verdict.upper().replace("-", " ")


def _name_few(results: Sequence[CaseResult], report: GateReport) -> str:
    """The cases by name, or their number where they are many or all."""
    total = len(report.results)
    if len(results) <= _FEW and (len(results) < total or total == 1):
        return ", ".join(each.title for each in results)
    return f"{len(results)} of {format_count(total, 'case')}"


def _add_size(result: CaseResult, verdict: str) -> str:
    """A case with the change that a verdict is on: "deep · batch 256 +8.0%"."""
    name = _SIZED[verdict]
    size = _format_change(name, result.verdict.judgements[name].estimate)
    return result.title if size == _NONE else f"{result.title} {size}"


def _join(verdicts: tuple[str, ...]) -> str:
    return " and ".join(verdicts)


def build_table(report: GateReport) -> Table:
    """A line per case, those that somebody has to look at first."""
    wording = _WORDING[report.kind]
    bounds = "The interval's lower end bounds false alarms, its upper end bounds missed slowdowns."
    too_noisy = f"Where more than {report.most_discarded:.0%} of the {wording.noisy} were noisy, time is undecided."
    notes = (
        f"Percentages are changes from the {wording.base}. {bounds}",
        f"Detectable: the smallest slowdown that these {wording.units} would have called slower 95 times in 100.",
        *([wording.note] if wording.note else []),
        f"Slowdowns below {report.minimum_effect:.1%} do not count. {too_noisy}",
    )
    rows = tuple(_format_cells(result) for group in report.groups for result in group.results)
    return Table(wording.title, wording.headers, rows, labels=2, notes=notes, optional=_OPTIONAL)


def _format_cells(result: CaseResult) -> tuple[str, ...]:
    found = result.verdict
    time = found.time.estimate
    return (
        result.title,
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
        later = f", loss {result.loss_epochs}" if result.loss_epochs != result.epochs else ""
        return (_NONE if result.epochs is None else f"{result.epochs}{later}", " and ".join(map(str, result.processes)))
    return (f"{result.verdict.rounds} of {result.recorded}",)


def _format_change(judged: str, estimate: Estimate | None) -> str:
    return _NONE if estimate is None else f"{estimate.value:+.{_DECIMALS[judged]}%}"


def explain_cases(report: GateReport) -> list[str]:
    """A line per verdict and reason, with its cases; none for those that are ok, or that the first line explains."""
    groups = [each for each in report.groups if not each.is_fine]
    said = groups[0] if groups and sum(groups[0].verdicts == each.verdicts for each in groups) == 1 else None
    return [_explain_group(each) for each in groups if each is not said or set(each.verdicts) & set(BAD)]


def _explain_group(group: Group) -> str:
    """One line, such as "basic, deep: undecided, too few repeats."; what got worse has its size."""
    if set(group.verdicts) & set(BAD):
        cases = [f"{each.title} ({sizes})" if (sizes := _list_sizes(each)) else each.title for each in group.results]
        return f"{join_names(cases, _LISTED)}: {group.advice}."
    return f"{join_names([each.title for each in group.results], _LISTED)}: {_join(group.verdicts)}, {group.advice}."


def _list_sizes(result: CaseResult) -> str:
    """The changes that a case's verdict is on: "+6.0% time, +10.0% memory"."""
    found = result.verdict
    judged = [(name, each) for name, each in found.judgements.items() if each.verdict in BAD]
    judged = judged or ([] if result.trouble else [found.deciding])
    return ", ".join(f"{_format_change(name, each.estimate)} {name}" for name, each in judged if each.estimate)


def _explain(result: CaseResult) -> str:
    """Why one case's verdict is what it is, with the size of the change: "slower, beyond the noise (+6.0% time)."."""
    sizes = _list_sizes(result)
    reason = Group(result.verdicts, _find_reason(result), [result]).advice
    return f"{reason} ({sizes})." if sizes else f"{reason}."


def _list_remarks(report: GateReport) -> tuple[str, ...]:
    """The remarks; none where the first line has them."""
    return report.remarks if report.results else ()


def _describe_sides(report: GateReport) -> str:
    """What was compared with what, and why it ended early, where no case says so."""
    is_said = any(report.stopped in (result.reason, None) for result in report.results)
    early = "" if is_said or not report.stopped else f" Stopped early: {report.stopped}."
    return f"Compared: {report.candidate} with {report.base}.{early}"


def format_markdown(report: GateReport) -> str:
    """The text of report.md and of a CI job's summary."""
    took = f"Took {format_duration(report.seconds)}; exit code" if report.seconds else "Exit code"
    lines = [*explain_cases(report), *_list_remarks(report)]
    parts = [
        f"# {_WORDING[report.kind].title}",
        f"**{escape_sentence(summarize(report))}**",
        escape_sentence(_describe_sides(report)),
        *([build_table(report).to_markdown()] if report.results else []),
        *(["\n".join(f"- {escape_sentence(line)}" for line in lines)] if lines else []),
        f"{took} {report.exit_code}.",
    ]
    return "\n\n".join(parts) + "\n"


def to_status(report: GateReport) -> dict[str, Any]:
    """The content of status.json."""
    return {
        "kind": report.kind,
        "exit_code": report.exit_code,
        "verdict": summarize(report),
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
    """GitHub's workflow commands, the worst first: errors for what fails the job, warnings for undecided cases.

    Each is another one: a case that got worse has its own, others share that of their reason. Ten at most: GitHub
    shows no more of a step.
    """
    lines = [] if report.results else [_annotate("error", f"aebench {report.kind}", line) for line in report.remarks]
    for group in report.groups:
        if set(group.verdicts) & set(BAD):
            lines += [
                _annotate("error", f"{each.title}: {_join(each.verdicts)}", _explain(each)) for each in group.results
            ]
        elif not group.is_fine:
            level = "warning" if group.verdicts == ("undecided",) else "error"
            title = f"{_name_few(group.results, report)}: {_join(group.verdicts)}"
            lines.append(_annotate(level, title, f"{group.advice}."))
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
    print_lines(console, ["", summarize(report), _describe_sides(report), ""])
    if report.results:
        print_table(console, build_table(report))
    print_lines(console, [*explain_cases(report), *_list_remarks(report)])
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
