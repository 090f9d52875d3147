"""`python -m bench.reference`: keep a report, write the answers, check them. `nox -s reference` calls it."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.console.output import make_console, say
from bench.errors import ExitCode, InvalidInput, format_count, join_names
from bench.reference import answers
from bench.reference.chosen import CHECKPOINTS, split
from bench.reference.drawings import FOLDER, is_same
from bench.reference.keep import REFERENCES, keep_report
from bench.reference.leaderboard import read_tiers, write_leaderboard
from bench.reference.references import Group, group_references, read_references
from bench.results.bands import format_bands, make_reference_bands
from bench.results.forecast_basis import describe_errors, format_measured, list_measured

README, PAGE, LEADERBOARD = Path("README.md"), Path("docs/answers.md"), Path("docs/leaderboard.md")
BANDS, FORECASTS = Path("bench/results/reference_bands.csv"), Path("bench/plan/references.csv")


def run_reference(arguments: list[str]) -> int:
    """Do what the arguments say; returns the exit code. Raises `InvalidInput`."""
    parser = argparse.ArgumentParser(prog="nox -s reference --")
    commands = parser.add_subparsers(dest="command", required=True)
    keep = commands.add_parser("keep", help="copy a finished report to reports/reference/MACHINE-WHAT")
    keep.add_argument("report", type=Path, metavar="DIR")
    keep.add_argument("what", metavar="WHAT")
    keep.add_argument(
        "--anyway", action="store_true", help="unfinished, with failed cases, uncommitted changes or other data"
    )
    commands.add_parser(
        "answers",
        help="write docs/answers.md with its charts, docs/leaderboard.md, README.md's block, reference bands and "
        "what forecasts are made of",
    )
    commands.add_parser("leaderboard", help="write docs/leaderboard.md alone")
    commands.add_parser("check", help="fail where these are not what the references make")
    chosen = parser.parse_args(arguments)
    if chosen.command == "keep":
        out = keep_report(chosen.report, chosen.what, anyway=chosen.anyway)
        for file in sorted(each for each in out.rglob("*") if each.is_file()):
            _say(f"{file}: {file.stat().st_size:,} bytes")
        return ExitCode.OK
    groups = group_references(read_references(REFERENCES))
    pages = {LEADERBOARD: write_leaderboard(groups, read_tiers(REFERENCES / "tiers.csv")).encode()}
    if chosen.command != "leaderboard":
        made = answers.write_answers(groups)
        readme = _read(README).decode("utf-8")
        pages |= dict.fromkeys([*FOLDER.glob("*.svg"), *FOLDER.glob("*.png")], b"")
        pages |= {README: answers.replace_block(readme, made.block).encode(), PAGE: made.page.encode()}
        pages |= {each.file: each.data for each in made.drawings}
        if groups:
            pages |= _make_tables(groups)
    if chosen.command == "check":
        return _check(pages, is_proof=bool(groups))
    if not groups:
        _say(f"{REFERENCES} has no reports yet: there is nothing to write.")
    return _write(pages)


def _make_tables(groups: Sequence[Group]) -> dict[Path, bytes]:
    """Make what later reports are checked against, and what forecasts are made of; say how good those are."""
    reports = [each.report for group in groups for each in group.references]
    # After a few epochs seeds differ by more than anybody measured.
    long = [replace(each, rows=tuple(row for row in each.rows if row.epochs in CHECKPOINTS)) for each in reports]
    bands = make_reference_bands(long)
    measured = list_measured((name, rows) for group in groups for name, rows in split(group.rows, "report").items())
    _say(describe_errors(measured))
    return {BANDS: format_bands(bands).encode(), FORECASTS: format_measured(measured).encode()}


def _write(pages: dict[Path, bytes]) -> int:
    """Write the files that differ; one without content is removed."""
    for file, data in pages.items():
        if _find_difference(file, data) is None:
            continue
        if data:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        else:
            file.unlink()
        _say(f"{file}: {'written' if data else 'removed'}")
    return ExitCode.OK


def _check(pages: dict[Path, bytes], *, is_proof: bool) -> int:
    """Fail with a line for each file that is not what the references make."""
    differences = [_find_difference(file, data) for file, data in pages.items()]
    for difference in filter(None, differences):
        _say(f"{difference} Run `nox -s reference -- answers`.")
    if any(differences):
        return ExitCode.FAILED
    if is_proof:
        texts, drawn = ([file for file in pages if (file.parent == FOLDER) == is_drawn] for is_drawn in (False, True))
        files = [*map(str, texts), *([f"{format_count(len(drawn), 'file')} in {FOLDER}"] if drawn else [])]
        _say(f"{join_names(files, len(files))} are what the reference reports make.")
    else:
        _say(f"{REFERENCES} has no reports yet: nothing was proved, and no page has figures of references.")
    return ExitCode.OK


def _find_difference(file: Path, expected: bytes) -> str | None:
    """Say how a file differs from what the references make; None where it does not."""
    found = _read(file)
    if file.parent != FOLDER:
        return answers.find_difference(str(file), *(each.decode("utf-8", "replace") for each in (found, expected)))
    if is_same(found, expected):
        return None
    what = "the references make none" if not expected else "it is not there" if not found else "it shows something else"
    return f"{file}: {what}."


def _read(file: Path) -> bytes:
    return file.read_bytes() if file.exists() else b""


def _say(text: str) -> None:
    say(make_console(), text)


if __name__ == "__main__":
    try:
        sys.exit(run_reference(sys.argv[1:]))
    except InvalidInput as error:
        print(f"aebench: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(ExitCode.INVALID_INPUT)
