"""What `aebench check` does: it holds a finished report against a stored baseline, or keeps it as one."""

import math
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.compare.points import machine
from bench.console.output import output, say
from bench.errors import ExitCode, InvalidInput, format_count, shown
from bench.gate import baseline
from bench.gate.report import Gate, publish
from bench.gate.sequential import MINIMUM_EFFECT
from bench.host.fingerprint import make_label
from bench.results import reader
from bench.results.folder import ReportFolder, write_whole
from bench.results.reader import Report

_WIDE = 200
_FEW = 5


@dataclass(frozen=True)
class CheckRequest:
    """What a person asked to be checked, or kept."""

    report: Path
    """Folder, or its results.csv."""
    baseline: Path | None = None
    """What to hold it against, likewise."""
    save: Path | None = None
    """File to keep it in as the next checks' baseline."""
    minimum_effect: float = MINIMUM_EFFECT
    """As a share: a slowdown below it does not count."""
    fail_undecided: bool = False
    out: Path | None = None


def check(request: CheckRequest, console: Console | None = None) -> int:
    """Judge a report and write what was found, or keep it; returns the exit code. Raises `InvalidInput`."""
    console = console or output(_WIDE)
    if (request.baseline is None) == (request.save is None):
        raise InvalidInput(
            "check takes --baseline REPORT to hold the report against, or --save-baseline FILE to keep it; got "
            f"{'neither' if request.baseline is None else 'both'}. A baseline that each run renewed would creep along "
            "with what it is to catch."
        )
    if not 0 < request.minimum_effect < math.inf:
        raise InvalidInput(f"--minimum-effect takes percent above zero; got {100 * request.minimum_effect:g}.")
    report = reader.read(request.report)
    if request.save is not None:
        return _saved(report, request.save, console)
    assert request.baseline is not None  # noqa: S101 - one of both is given
    folder = ReportFolder.pick_empty(request.out, "check")
    found = _judged(request, report, request.baseline)
    folder.root.mkdir(parents=True, exist_ok=True)
    return publish(found, folder, console)


# ----------------------------------------------------------------------------------------------------------- to judge


def _judged(request: CheckRequest, report: Report, place: Path) -> Gate:
    if not reader.find_results(place).exists():
        return _refused(request, report, place, f"There is no {_name(place)}: {_HOW_TO_KEEP}.")
    stored = reader.read(place)
    checked = baseline.check(stored, report, request.minimum_effect)
    if not checked.results:
        return _refused(request, report, place, f"{_name(place)} has no case of this report.")
    return Gate(
        base=f"the baseline {_name(place)} of {_day(stored)}",
        candidate=_called(report),
        minimum_effect=request.minimum_effect,
        seconds=0.0,
        results=checked.results,
        fail_undecided=request.fail_undecided,
        kind="check",
        remarks=(*_lone(checked), *stored.notes, *report.notes),
    )


_HOW_TO_KEEP = (
    "measure the code that is to be held against on this machine and keep it with "
    "`aebench check REPORT --save-baseline FILE`"
)


def _refused(request: CheckRequest, report: Report, place: Path, why: str) -> Gate:
    return Gate(
        base=f"the baseline {_name(place)}",
        candidate=_called(report),
        minimum_effect=request.minimum_effect,
        seconds=0.0,
        results=(),
        ended=ExitCode.INCOMPARABLE,
        kind="check",
        remarks=(why,),
    )


def _lone(checked: baseline.Check) -> list[str]:
    sides = (("baseline", checked.only_baseline), ("report", checked.only_report))
    return [f"Only the {side} has {_listed(names)}." for side, names in sides if names]


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return ", ".join(names[:_FEW]) + more


def _called(report: Report) -> str:
    return f"the report of {_day(report)}"


def _day(report: Report) -> str:
    """When it was measured, to the minute: what a fingerprint has beside it names nobody."""
    return f"{shown(report.started_at[:16].replace('T', ' '))} UTC"


def _name(place: Path) -> str:
    """A path by its last name alone: a report is handed around."""
    return shown(place.name or place.resolve().name, 100)


# ------------------------------------------------------------------------------------------------------------ to keep


def _saved(report: Report, place: Path, console: Console) -> int:
    """Keep the report's results.csv, byte for byte; returns the exit code. Raises `InvalidInput`."""
    if failed := baseline.failures(report):
        told = "; ".join(f"{name}: {', '.join(how)}" for name, how in list(failed.items())[:_FEW])
        say(console, f"Not kept: of a case that failed nothing can be held against ({told}). Mend it or leave it out.")
        return ExitCode.FAILED
    if place.is_dir():
        raise InvalidInput(f"--save-baseline takes a file, such as baseline.csv; {shown(place)} is a folder.")
    replaced = ""
    if place.exists():
        kept = _kept(place)
        if differing := baseline.differences(kept, report):
            apart = f"is of another machine or other software ({'; '.join(differing)})"
            say(console, f"Not kept: {shown(place)} {apart}. Name another file, or remove that one.")
            return ExitCode.INCOMPARABLE
        replaced = f", in place of that of {_day(kept)}"
    _write(place, report)
    fewest = baseline.fewest_processes(report)
    cases, processes = (
        format_count(len(machine(report).cases), "case"),
        "1 process" if fewest == 1 else f"{fewest} processes",
    )
    say(console, f"Baseline: {shown(place)}: {cases}, {processes} each, {make_label(report.fingerprint)}{replaced}.")
    if fewest < baseline.FEWEST:
        takes = f"{baseline.FEWEST} processes a case on each side; measure with --repeats {baseline.ADVISED}"
        say(console, f"Checks against it stay undecided on time and memory: a verdict takes {takes}.")
    return ExitCode.OK


def _kept(place: Path) -> Report:
    try:
        return reader.read(place)
    except InvalidInput as error:
        raise InvalidInput(f"--save-baseline will not replace what is no baseline: {error}") from error


def _write(place: Path, report: Report) -> None:
    try:
        text = report.path.read_bytes().decode("utf-8-sig")
        place.parent.mkdir(parents=True, exist_ok=True)
        write_whole(place, text)
    except OSError as error:
        raise InvalidInput(f"--save-baseline {shown(place)} cannot be written: {error.strerror or error}.") from error
