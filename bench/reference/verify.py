"""`aebench verify`: whether reports that others hand in may join the collection."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from bench.console.output import make_console, say
from bench.errors import ExitCode, InvalidInput, format_count, quote
from bench.plan.profile import STORED
from bench.reference.archive import NAMES, read_files
from bench.reference.checks import BY_EPOCHS, find_reasons
from bench.reference.epochs import read_epochs
from bench.results import reader
from bench.results.journal_lines import SweepHeader

_MOST_ROWS = 2_000
"""What is computed of each takes up to a fifth of a second."""
_FEW = 20


@dataclass(frozen=True)
class Verdict:
    """What was found of one report."""

    cases: int
    processes: int
    reasons: tuple[str, ...]
    """Why it is refused, each once; none where it is accepted."""
    notes: tuple[str, ...] = ()

    def describe(self) -> str:
        """One line: accepted or refused."""
        if self.reasons:
            return f"REFUSED: {format_count(len(self.reasons), 'reason')}"
        return f"ACCEPTED: {format_count(self.cases, 'case')}, {format_count(self.processes, 'process')}"


def verify(files: Sequence[Path], console: Console | None = None) -> int:
    """Print a verdict on each file, then its reasons; returns the exit code."""
    console = console or make_console()
    code = ExitCode.OK
    for file in files:
        try:
            verdict = judge_report(read_files(file), file)
        except InvalidInput as error:
            say(console, f"UNREADABLE: {error}")
            code = ExitCode.INVALID_INPUT
            continue
        say_verdict(console, file, verdict)
        if verdict.reasons and code == ExitCode.OK:
            code = ExitCode.REGRESSION
    return code


def say_verdict(console: Console, file: Path, verdict: Verdict) -> None:
    """Print the verdict, and below it why."""
    say(console, f"{verdict.describe()}: {quote(file)}")
    for reason in verdict.reasons[:_FEW]:
        say(console, f"  - {reason}")
    if len(verdict.reasons) > _FEW:
        say(console, f"  - and {len(verdict.reasons) - _FEW} more")
    for note in verdict.notes:
        say(console, f"  Note: {note}")


def judge_report(files: Mapping[str, bytes], path: Path) -> Verdict:
    """Judge a report by its files. Raises `InvalidInput` where one is not what aebench writes."""
    try:
        report, columns = reader.parse_report(files["results.csv"], path)
    except InvalidInput as error:
        raise InvalidInput(f"{quote(path)}, results.csv{error}") from error
    if len(report.rows) > _MOST_ROWS:
        raise InvalidInput(
            f"{quote(path)} has {len(report.rows):,} rows; {_MOST_ROWS:,} at most are verified. Give several reports."
        )
    names = list(columns)
    rows = [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    cores = report.fingerprint.cores_logical
    runs = read_epochs(files["epochs.csv"], path, cores) if "epochs.csv" in files else None
    header = _read_header(files["environment.json"], path) if "environment.json" in files else None
    reasons = [*find_reasons(report, rows, header, runs)]
    absent = [name for name in NAMES if name.removesuffix(".gz") not in files]
    notes = list(report.notes)
    if len(files) == 1:
        notes.append("it is a results.csv alone: nothing was computed again from epochs, or compared with the plan.")
    elif absent:
        reasons.append(f"missing: {', '.join(absent)}. `aebench submit` packs all that is needed.")
    if any(BY_EPOCHS in reason for reason in reasons):
        notes.append("an aebench of another day may have computed otherwise: `aebench report DIR` computes it again.")
    processes = {row["case_id"]: row["repeat"] for row in rows}
    cases = {name.removesuffix(f".r{repeat}") for name, repeat in processes.items()}
    return Verdict(len(cases), len(processes), tuple(dict.fromkeys(reasons)), tuple(notes))


def _read_header(data: bytes, path: Path) -> SweepHeader:
    try:
        return SweepHeader.model_validate_json(data, context=STORED)
    except ValidationError as error:
        where = ".".join(map(str, error.errors(include_url=False)[0]["loc"]))
        raise InvalidInput(
            f"{quote(path)}, environment.json is not as aebench writes it{f', at {quote(where, 60)}' if where else ''}."
        ) from error
