"""`aebench check`: compares a finished report with a stored baseline, or stores one."""

import math
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.console.output import make_console, say
from bench.errors import ExitCode, InvalidInput, format_count, join_names, quote
from bench.gate.baseline import ADVISED, FEWEST, check_report, count_processes, describe_difference, find_failures
from bench.gate.report import GateReport, publish_report
from bench.gate.sequential import MINIMUM_EFFECT
from bench.host.fingerprint import make_label
from bench.results import reader
from bench.results.folder import ReportFolder, write_whole
from bench.results.reader import Report

_WIDE = 200
_FEW = 5
"""Cases that a line names."""


@dataclass(frozen=True)
class CheckRequest:
    """What a person asked to be checked, or stored."""

    report: Path
    """Folder, or its results.csv."""
    baseline: Path | None = None
    """What to compare it with, likewise."""
    save: Path | None = None
    """File to store it in, as the baseline of later checks."""
    minimum_effect: float = MINIMUM_EFFECT
    """A fraction: a slowdown below it does not count."""
    fail_undecided: bool = False
    out: Path | None = None


def check(request: CheckRequest, console: Console | None = None) -> int:
    """Judge a report and write the verdicts, or store it as a baseline; returns the exit code.

    Raises `InvalidInput`.
    """
    console = console or make_console(_WIDE)
    if (request.baseline is None) == (request.save is None):
        raise InvalidInput(
            "check takes either --baseline REPORT, to compare the report with it, or --save-baseline FILE, to store "
            f"the report; got {'neither' if request.baseline is None else 'both'}. A baseline that every run replaced "
            "would drift along with the slowdown that it is to reveal."
        )
    if not 0 < request.minimum_effect < math.inf:
        raise InvalidInput(f"--minimum-effect takes percent above zero; got {100 * request.minimum_effect:g}.")
    report = reader.read_report(request.report)
    if request.save is not None:
        return save_baseline(report, request.save, console)
    assert request.baseline is not None  # noqa: S101 - one of both is given
    folder = ReportFolder.pick_empty(request.out, "check")
    found = compare_with_baseline(request, report, request.baseline)
    folder.root.mkdir(parents=True, exist_ok=True)
    return publish_report(found, folder, console)


# ------------------------------------------------------------------------------------------------------------- compare


def compare_with_baseline(request: CheckRequest, report: Report, place: Path) -> GateReport:
    """The verdicts on a report. Without a baseline, or a case that both have, the remarks say what to do."""
    name = _show_name(place)
    if not reader.find_results(place).exists():
        how = "measure the code to compare with on this machine, then `aebench check REPORT --save-baseline FILE`"
        return _report_nothing(request, report, name, f"There is no {name}: {how}.")
    baseline = reader.read_report(place)
    checked = check_report(baseline, report, request.minimum_effect)
    if not checked.results:
        return _report_nothing(request, report, name, f"{name} has no case of this report.")
    sides = (("baseline", checked.only_baseline), ("report", checked.only_report))
    unmatched = [f"Only the {side} has {join_names(names, _FEW)}." for side, names in sides if names]
    return GateReport(
        base=f"the baseline {name} of {_show_time(baseline)}",
        candidate=f"the report of {_show_time(report)}",
        minimum_effect=request.minimum_effect,
        seconds=0.0,
        results=checked.results,
        fail_undecided=request.fail_undecided,
        kind="check",
        remarks=(*unmatched, *baseline.notes, *report.notes),
    )


def _report_nothing(request: CheckRequest, report: Report, name: str, why: str) -> GateReport:
    return GateReport(
        base=f"the baseline {name}",
        candidate=f"the report of {_show_time(report)}",
        minimum_effect=request.minimum_effect,
        seconds=0.0,
        results=(),
        ended=ExitCode.INCOMPARABLE,
        kind="check",
        remarks=(why,),
    )


def _show_time(report: Report) -> str:
    """When a report was measured, to the minute."""
    return f"{quote(report.started_at[:16].replace('T', ' '))} UTC"


def _show_name(place: Path) -> str:
    """A path by its last name alone: a report is handed around."""
    return quote(place.name or place.resolve().name, 100)


# --------------------------------------------------------------------------------------------------------------- store


def save_baseline(report: Report, place: Path, console: Console) -> int:
    """Store the report's results.csv, byte for byte; returns the exit code. Raises `InvalidInput`."""
    if failed := find_failures(report):
        cases = "; ".join(f"{name}: {', '.join(how)}" for name, how in list(failed.items())[:_FEW])
        say(console, f"Not stored: nothing can be compared with a case that failed ({cases}). Mend it or leave it out.")
        return ExitCode.FAILED
    if place.is_dir():
        raise InvalidInput(f"--save-baseline takes a file, such as baseline.csv; {quote(place)} is a folder.")
    replaced = ""
    if place.exists():
        before = _read_baseline(place)
        if of_another := describe_difference(before, report):
            say(console, f"Not stored: {quote(place)} is {of_another}. Name another file, or remove that one.")
            return ExitCode.INCOMPARABLE
        replaced = f", in place of that of {_show_time(before)}"
    _write(place, report)
    counts = count_processes(report)
    fewest, most = min(counts), max(counts)
    each = f"{format_count(most, 'process')} each" if fewest == most else f"{fewest} to {most} processes each"
    size = f"{format_count(len(counts), 'case')}, {each}"
    say(console, f"Baseline: {quote(place)}: {size}, {make_label(report.fingerprint)}{replaced}.")
    if fewest < FEWEST:
        needed = f"{FEWEST} processes per case on each side; measure with `--repeats {ADVISED}`"
        say(console, f"Checks against it stay undecided on time and memory: a verdict needs {needed}.")
    return ExitCode.OK


def _read_baseline(place: Path) -> Report:
    try:
        return reader.read_report(place)
    except InvalidInput as error:
        raise InvalidInput(f"--save-baseline will not replace a file that is no baseline: {error}") from error


def _write(place: Path, report: Report) -> None:
    try:
        text = report.path.read_bytes().decode("utf-8-sig")
        place.parent.mkdir(parents=True, exist_ok=True)
        write_whole(place, text)
    except OSError as error:
        raise InvalidInput(f"--save-baseline {quote(place)} cannot be written: {error.strerror or error}.") from error
