"""report.md: the answer, then what was measured, in tables."""

from collections.abc import Sequence

from bench.console.table import escape_cell, escape_sentence
from bench.report.contents import SweepReport
from bench.report.summary import list_facts, name_machine
from bench.report.views import READING, list_columns, list_explained
from bench.results.journal_lines import Outcome


def format_markdown(report: SweepReport) -> str:
    """Return the text of report.md."""
    notes = [*map(escape_sentence, report.notes), *report.remarks]
    columns = [
        f"**{column.label}**{f' ({column.unit})' if column.unit else ''}: {column.hint}."
        for column in list_explained(map(list_columns, (report.cases, *report.tables)))
    ]
    sections = [
        f"# Autoencoders on {escape_cell(name_machine(report.header.fingerprint))}",
        _list([escape_sentence(sentence) for sentence in report.answer]),
        *([] if report.cases.is_empty else [f"{report.cases.title}:\n\n{report.cases.to_markdown()}"]),
        _list(
            [f"**{name}**: {escape_cell(fact)}" for name, fact in list_facts(report.header, report.outcomes).items()]
        ),
        *(["## Cases that failed", *map(_describe_failure, report.failed)] if report.failed else []),
        *([f"## What to change in a script\n\n{_list(report.advice_sentences)}"] if report.advice else []),
        *([f"## Notes\n\n{_list(notes)}"] if notes else []),
        *(f"## {table.title}\n\n{table.to_markdown()}" for table in report.tables),
        f"## How to read this\n\n{_list([*columns, *READING])}",
        f"## The machine\n\n{report.machine.to_markdown()}",
    ]
    return "\n\n".join(sections) + "\n"


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _describe_failure(outcome: Outcome) -> str:
    head = f"`{outcome.case.case_id}`: **{outcome.status}**, {escape_cell(str(outcome.error))}"
    if not outcome.log_tail:
        return head
    return head + "\n\n" + "\n".join(f"    {line}" for line in outcome.log_tail.splitlines())
