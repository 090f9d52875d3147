"""`python -m bench.reference`: keep a report, write the answers, check them. `nox -s reference` calls it."""

import argparse
import sys
from pathlib import Path

from bench.console.output import make_console, say
from bench.errors import ExitCode, InvalidInput
from bench.reference import answers
from bench.reference.keep import REFERENCES, keep_report

README, PAGE = Path("README.md"), Path("docs/answers.md")


def run_reference(arguments: list[str]) -> int:
    """Do what the arguments say; returns the exit code. Raises `InvalidInput`."""
    parser = argparse.ArgumentParser(prog="nox -s reference --")
    commands = parser.add_subparsers(dest="command", required=True)
    keep = commands.add_parser("keep", help="copy a finished report to reports/reference/MACHINE-WHAT")
    keep.add_argument("report", type=Path, metavar="DIR")
    keep.add_argument("what", metavar="WHAT")
    keep.add_argument("--anyway", action="store_true", help="failed cases, uncommitted changes or other data too")
    commands.add_parser("answers", help="write docs/answers.md and the block of README.md from the references")
    commands.add_parser("check", help="fail where these are not what the references make")
    chosen = parser.parse_args(arguments)
    if chosen.command == "keep":
        out = keep_report(chosen.report, chosen.what, anyway=chosen.anyway)
        for file in sorted(out.iterdir()):
            _say(f"{file}: {file.stat().st_size:,} bytes")
        return ExitCode.OK
    references = answers.read_references(REFERENCES)
    if not references:
        _say(f"{REFERENCES} has no reports yet: there is nothing to answer.")
        return ExitCode.OK
    readme = README.read_text(encoding="utf-8")
    texts = {
        README: answers.replace_block(readme, answers.write_block(references)),
        PAGE: answers.write_page(references),
    }
    return _write(texts) if chosen.command == "answers" else _check(texts)


def _write(texts: dict[Path, str]) -> int:
    for file, text in texts.items():
        file.write_text(text, encoding="utf-8")
        _say(f"{file}: written")
    return ExitCode.OK


def _check(texts: dict[Path, str]) -> int:
    """Fail with a line for each file that is not what the references make."""
    found = {file: file.read_text(encoding="utf-8") if file.exists() else "" for file in texts}
    differences = [answers.find_difference(str(file), found[file], text) for file, text in texts.items()]
    for difference in filter(None, differences):
        _say(f"{difference} Run `nox -s reference -- answers`.")
    if any(differences):
        return ExitCode.FAILED
    _say("README.md and docs/answers.md are what the reference reports make.")
    return ExitCode.OK


def _say(text: str) -> None:
    say(make_console(), text)


if __name__ == "__main__":
    try:
        sys.exit(run_reference(sys.argv[1:]))
    except InvalidInput as error:
        print(f"aebench: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(ExitCode.INVALID_INPUT)
