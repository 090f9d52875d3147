"""The measurements compared with known truth: ``nox -s validate [-- memory time bare repeat loops gate next advice
fleet scale]``.

Prints Markdown: a table per subject, with its bound and whether it holds. With the full MNIST it takes half an hour;
run it on an otherwise idle machine, since it says nothing on a busy one.
"""

import importlib
import sys

from bench.console.table import Table
from bench.host import quietness
from bench.host.fingerprint import take_fingerprint

SUBJECTS = {
    "memory": "memory_truth",
    "time": "time_truth",
    "bare": "bare_script",
    "repeat": "repetition",
    "loops": "loops",
    "gate": "gate_truth",
    "next": "next_run",
    "advice": "advice",
    "fleet": "fleet_cost",
    "scale": "fleet_scale",
}
"""Module by name; each is imported in its turn, since one imports TensorFlow, and child processes inherit peaks."""


def main() -> int:
    """Validate the subjects that were named, all of them by default; exit code 1 where a bound does not hold."""
    named = sys.argv[1:] or list(SUBJECTS)
    if unknown := sorted(set(named) - set(SUBJECTS)):
        print(f"validate: unknown {', '.join(unknown)}; known: {', '.join(SUBJECTS)}", file=sys.stderr)
        return 2
    fingerprint = take_fingerprint()
    references, intervals = quietness.survey()
    word = quietness.judge(references, intervals, fingerprint).word
    print(f"{fingerprint.cpu_model}, {fingerprint.cpu_limit:g} cores, {fingerprint.os}; the machine is {word}.\n")
    held = [_print_result(importlib.import_module(SUBJECTS[name]).validate()) for name in named]
    return 0 if all(held) else 1


def _print_result(result: tuple[Table, bool]) -> bool:
    table, holds = result
    print(f"## {table.title}\n\n{table.to_markdown()}\n\n{'Holds.' if holds else 'DOES NOT HOLD.'}\n", flush=True)
    return holds


if __name__ == "__main__":
    sys.exit(main())
