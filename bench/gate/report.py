"""What a gate or a check found, for people and for CI: a table, report.md, status.json, annotations, JUnit XML."""

import contextlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree as ET

from rich.console import Console

from bench.console.output import say
from bench.console.table import Table, escaped
from bench.errors import printable
from bench.gate.baseline import CheckedCase
from bench.gate.sequential import MOST_DISCARDED
from bench.gate.verdict import BAD, CaseResult, Estimate, Judgement, exit_code
from bench.plan.estimate import format_duration
from bench.report.files import write_json
from bench.results.folder import ReportFolder, write_whole

_NONE = "–"
_MOST_ANNOTATIONS = 10
_ORDER = ("slower", "more-memory", "higher-loss", "failed", "incomparable", "undecided", "ok", "faster")
_IMAGES = {"time": 1, "memory": 1, "loss": 2}
_SHARED = ("case", "verdict", "time", "interval")
_INTERVALS = (
    "Percentages are changes against the {base}; the interval's lower end bounds an alarm, its upper end a miss.",
    "Could have seen: the smallest slowdown that these {turns} would have called slower 95 times in 100.",
)

Kind = Literal["regress", "check"]
"""regress: revisions in turns. check: a report against a stored baseline."""


@dataclass(frozen=True)
class _Words:
    """What the kinds call things."""

    title: str
    headers: tuple[str, ...]
    notes: tuple[str, ...]


_WORDS: dict[Kind, _Words] = {
    "regress": _Words(
        "The gate",
        (*_SHARED, "CPU", "memory", "loss", "rounds", "could have seen", "discarded"),
        tuple(note.format(base="base", turns="rounds") for note in _INTERVALS),
    ),
    "check": _Words(
        "The check",
        (*_SHARED, "memory", "loss", "epochs", "processes", "could have seen", "noisy"),
        (
            *(note.format(base="baseline", turns="processes") for note in _INTERVALS),
            "Epochs: after which both are compared. Processes: the baseline's and the report's.",
        ),
    ),
}


@dataclass(frozen=True)
class Gate:
    """A whole run."""

    base: str
    """As a person reads it: the revision, or the baseline's file and time."""
    candidate: str
    minimum_effect: float
    seconds: float
    results: tuple[CaseResult, ...]
    most_discarded: float = MOST_DISCARDED
    """Share of what was measured that noise may cost before time is undecided."""
    fail_undecided: bool = False
    stopped: str | None = None
    """Why it ended before every case was decided; None where it did not."""
    ended: int | None = None
    """Exit code of what ended it, where that comes before all verdicts: an interruption, a disk that is full."""
    kind: Kind = "regress"
    remarks: tuple[str, ...] = ()
    """Sentences on the whole run: what was not compared, and why."""

    @property
    def exit_code(self) -> int:
        """What ended the run, else see `bench.gate.verdict.exit_code`."""
        return exit_code(self.results, fail_undecided=self.fail_undecided) if self.ended is None else self.ended

    @property
    def worst_first(self) -> list[CaseResult]:
        """The cases, those that somebody has to look at first."""
        return sorted(self.results, key=lambda result: min(_ORDER.index(each) for each in result.verdicts))


def sentence(gate: Gate) -> str:
    """The run in one sentence."""
    told = [f"{result.name} {' and '.join(result.verdicts)}" for result in gate.worst_first]
    return f"{gate.candidate} against {gate.base}: {', '.join(told) or 'nothing was compared'}."


def table(gate: Gate) -> Table:
    """A line a case."""
    words = _WORDS[gate.kind]
    bounds = (
        f"Slowdowns below {gate.minimum_effect:.1%} do not count. "
        f"Where noise noisy more than {gate.most_discarded:.0%}, time is undecided."
    )
    notes = (*words.notes, bounds)
    return Table(words.title, words.headers, tuple(map(_cells, gate.results)), labels=2, notes=notes)


def _cells(result: CaseResult) -> tuple[str, ...]:
    found = result.verdict
    time = found.time.estimate
    return (
        result.name,
        " and ".join(result.verdicts),
        _percent(time, _IMAGES["time"]),
        _NONE if time is None or time.low is None or time.high is None else f"{time.low:+.1%} … {time.high:+.1%}",
        *(() if isinstance(result, CheckedCase) else (_percent(found.cpu, _IMAGES["time"]),)),
        _percent(found.memory.estimate, _IMAGES["memory"]),
        _percent(found.loss.estimate, _IMAGES["loss"]),
        *_counts(result),
        _NONE if found.smallest is None else f"{found.smallest:.1%}",
        f"{found.discarded:.0%}",
    )


def _counts(result: CaseResult) -> tuple[str, ...]:
    if isinstance(result, CheckedCase):
        return (_NONE if result.epochs is None else f"{result.epochs}", " and ".join(map(str, result.processes)))
    return (f"{result.verdict.rounds} of {result.recorded}",)


def _percent(estimate: Estimate | None, images: int) -> str:
    return _NONE if estimate is None else f"{estimate.value:+.{images}%}"


def reasons(gate: Gate) -> list[str]:
    """A line a case: why its verdict is what it is."""
    return [f"{result.name}: {_reason(result)}" for result in gate.worst_first]


def _reason(result: CaseResult) -> str:
    found = result.verdict
    wrong = [_sized(name, judged) for name, judged in found.judgements.items() if judged.verdict in BAD]
    told = wrong or ([result.reason] if result.trouble else [_sized(*found.deciding)])
    if result.reason and not result.trouble and not wrong and result.verdicts == ("undecided",):
        told = [*told, result.reason]
    return printable("; ".join(told)) + "."


def _sized(name: str, judged: Judgement) -> str:
    size = "" if judged.estimate is None else f" ({_percent(judged.estimate, _IMAGES[name])} {name})"
    return judged.reason + size


def markdown(gate: Gate) -> str:
    """report.md, and the summary of a CI job."""
    parts = [
        f"# {_WORDS[gate.kind].title}",
        escaped(sentence(gate)),
        *([f"Stopped early: {escaped(gate.stopped)}."] if gate.stopped else []),
        *([table(gate).markdown()] if gate.results else []),
        "\n".join(f"- {escaped(line)}" for line in (*reasons(gate), *gate.remarks)),
        f"Took {format_duration(gate.seconds)}; exit code {gate.exit_code}."
        if gate.seconds
        else f"Exit code {gate.exit_code}.",
    ]
    return "\n\n".join(parts) + "\n"


def status(gate: Gate) -> dict[str, Any]:
    """status.json."""
    return {
        "kind": gate.kind,
        "exit_code": gate.exit_code,
        "base": gate.base,
        "candidate": gate.candidate,
        "minimum_effect": gate.minimum_effect,
        "most_discarded": gate.most_discarded,
        "seconds": gate.seconds,
        "stopped": gate.stopped,
        "remarks": list(gate.remarks),
        "cases": [{**asdict(result), "verdicts": list(result.verdicts)} for result in gate.results],
    }


def annotations(gate: Gate) -> list[str]:
    """GitHub's workflow commands, worst first: errors for what fails the job, warnings for what is not known."""
    told = [] if gate.results else [f"::error title=aebench {gate.kind}::{_data(line)}" for line in gate.remarks]
    for result in gate.worst_first:
        severe = set(result.verdicts) & {*BAD, "failed", "incomparable"}
        if not severe and "undecided" not in result.verdicts:
            continue
        title = f"{result.name}: {' and '.join(result.verdicts)}"
        told.append(f"::{'error' if severe else 'warning'} title={_property(title)}::{_data(_reason(result))}")
    return told[:_MOST_ANNOTATIONS]


def _data(text: str) -> str:
    """As the runner takes it apart: actions/toolkit, packages/core/src/command.ts."""
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def junit(gate: Gate) -> str:
    """JUnit XML: a test a case; what is not known is skipped."""
    kinds = [_junit_kind(result) for result in gate.results]
    suite = ET.Element(
        "testsuite", name=f"aebench {gate.kind}", tests=str(len(kinds)), failures=str(kinds.count("failure")),
        errors=str(kinds.count("error")), skipped=str(kinds.count("skipped")), time=f"{gate.seconds:.3f}",
    )  # fmt: skip
    for result, kind in zip(gate.results, kinds, strict=True):
        test = ET.SubElement(suite, "testcase", classname=f"aebench.{gate.kind}", name=result.name)
        if kind is not None:
            ET.SubElement(test, kind, message=" and ".join(result.verdicts)).text = _reason(result)
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _junit_kind(result: CaseResult) -> str | None:
    told = set(result.verdicts)
    if told & set(BAD):
        return "failure"
    if told & {"failed", "incomparable"}:
        return "error"
    return "skipped" if "undecided" in told else None


def publish(gate: Gate, folder: ReportFolder, console: Console) -> int:
    """Print the report, hand it to CI, then write it where it may be refused; returns the exit code. Raises `OSError`.

    The folder is there already.
    """
    say(console, "")
    if gate.results:
        console.print(table(gate).rich())
    for line in (*reasons(gate), *gate.remarks):
        say(console, line)
    if gate.stopped:
        say(console, f"Stopped early: {gate.stopped}.")
    _hand_to_ci(gate, console)
    write_json(folder.status, status(gate))
    write_whole(folder.report, markdown(gate))
    write_whole(folder.junit, junit(gate))
    say(console, f"\nReport: {folder.report}")
    return gate.exit_code


def _hand_to_ci(gate: Gate, console: Console) -> None:
    """The summary of a GitHub job, and its annotations."""
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with contextlib.suppress(OSError), Path(summary).open("a", encoding="utf-8") as file:
            file.write(markdown(gate))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in annotations(gate):
            say(console, line)
