"""`python -m bench.reference`: keep a report, write the answers, check them. `nox -s reference` calls it."""

import argparse
import sys
from pathlib import Path

from bench.console.output import make_console, say
from bench.errors import ExitCode, InvalidInput, join_names
from bench.reference import answers
from bench.reference.keep import REFERENCES, keep_report
from bench.reference.leaderboard import read_tiers, write_leaderboard
from bench.reference.references import group_references, read_references

README, PAGE, LEADERBOARD = Path("README.md"), Path("docs/answers.md"), Path("docs/leaderboard.md")


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
    commands.add_parser("answers", help="write docs/answers.md, docs/leaderboard.md and README.md's block")
    commands.add_parser("leaderboard", help="write docs/leaderboard.md alone")
    commands.add_parser("check", help="fail where these are not what the references make")
    chosen = parser.parse_args(arguments)
    if chosen.command == "keep":
        out = keep_report(chosen.report, chosen.what, anyway=chosen.anyway)
        for file in sorted(out.iterdir()):
            _say(f"{file}: {file.stat().st_size:,} bytes")
        return ExitCode.OK
    groups = group_references(read_references(REFERENCES))
    pages = {LEADERBOARD: write_leaderboard(groups, read_tiers(REFERENCES / "tiers.csv"))}
    if chosen.command != "leaderboard":
        readme = README.read_text(encoding="utf-8")
        pages |= {
            README: answers.replace_block(readme, answers.write_block(groups)),
            PAGE: answers.write_page(groups),
        }
    if chosen.command == "check":
        return _check(pages, is_proof=bool(groups))
    if not groups:
        _say(f"{REFERENCES} has no reports yet: there is nothing to write.")
    return _write(pages)


def _write(pages: dict[Path, str]) -> int:
    """Write the files that differ; one without text is removed."""
    for file, text in pages.items():
        if text == _read(file):
            continue
        if text:
            file.write_text(text, encoding="utf-8")
        else:
            file.unlink()
        _say(f"{file}: {'written' if text else 'removed'}")
    return ExitCode.OK


def _check(pages: dict[Path, str], *, is_proof: bool) -> int:
    """Fail with a line for each file that is not what the references make."""
    differences = [answers.find_difference(str(file), _read(file), text) for file, text in pages.items()]
    for difference in filter(None, differences):
        _say(f"{difference} Run `nox -s reference -- answers`.")
    if any(differences):
        return ExitCode.FAILED
    if is_proof:
        _say(f"{join_names([str(file) for file in pages], len(pages))} are what the reference reports make.")
    else:
        _say(f"{REFERENCES} has no reports yet: nothing was proved, and no page has figures of references.")
    return ExitCode.OK


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _say(text: str) -> None:
    say(make_console(), text)


if __name__ == "__main__":
    try:
        sys.exit(run_reference(sys.argv[1:]))
    except InvalidInput as error:
        print(f"aebench: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(ExitCode.INVALID_INPUT)
