"""All files of a report, and report.md: what was measured, in tables."""

from collections.abc import Sequence

from bench.console.table import Table, escape_cell
from bench.errors import format_count
from bench.plan import catalog
from bench.report import published, variants
from bench.report.choices import AS_THEY_ARE, Choices
from bench.report.exports import write_exports
from bench.report.files import make_result_rows, write_environment, write_status, write_tables
from bench.report.summary import (
    count_noisy_epochs,
    find_drift,
    list_facts,
    list_models,
    name_machine,
    name_model,
    tabulate_machine,
)
from bench.report.tables import tabulate_model, tabulate_published, tabulate_thresholds, tabulate_variants
from bench.report.views import READING, list_columns, list_explained
from bench.results.folder import ReportFolder, write_whole
from bench.results.schema import Outcome, ResultRow, SweepHeader

_SAMPLING_TOLERANCE_MIB = 1.0
_MISSED_FRACTION = 0.8
"""Sampling that saw less than this fraction of the peak has missed it."""


def write_report(
    folder: ReportFolder,
    header: SweepHeader,
    outcomes: Sequence[Outcome],
    notes: Sequence[str],
    exit_code: int,
    choices: Choices = AS_THEY_ARE,
) -> None:
    """Write every file that is made from the journal; ``choices`` are for report.md and report.html."""
    write_tables(folder, outcomes, header)
    write_environment(folder, header)
    write_exports(folder, outcomes, header)
    write_whole(folder.report, format_markdown(header, outcomes, notes, choices))
    write_status(folder, header, outcomes, exit_code)
    from bench.report.html import write_page  # noqa: PLC0415 - matplotlib only for those who draw

    write_page(folder, header, outcomes, [*notes, *list_remarks(header, outcomes, choices)], choices)


def make_tables(header: SweepHeader, outcomes: Sequence[Outcome], choices: Choices = AS_THEY_ARE) -> list[Table]:
    """Make one table per model, in the catalog's order, then those over all models."""
    rows = make_result_rows(outcomes, header, without_noisy=choices.without_noisy)
    of_models = [
        tabulate_model(name_model(name), [row for row in rows if row.model == name]) for name in list_models(rows)
    ]
    over_all = (
        tabulate_variants(variants.compare_variants(rows)),
        tabulate_thresholds(outcomes, choices.thresholds),
        tabulate_published(published.compare_with_published(rows, catalog.model_settings())),
    )
    return [*of_models, *(table for table in over_all if not table.is_empty)]


def format_markdown(
    header: SweepHeader, outcomes: Sequence[Outcome], notes: Sequence[str], choices: Choices = AS_THEY_ARE
) -> str:
    """Return the text of report.md."""
    notes = [*map(escape_cell, notes), *list_remarks(header, outcomes, choices)]
    failed = [outcome for outcome in outcomes if outcome.status != "ok"]
    shown = make_tables(header, outcomes, choices)
    columns = [
        f"**{column.label}**{f' ({column.unit})' if column.unit else ''}: {column.hint}."
        for column in list_explained(map(list_columns, shown))
    ]
    sections = [
        f"# Autoencoders on {escape_cell(name_machine(header.fingerprint))}",
        _list([f"**{name}**: {escape_cell(fact)}" for name, fact in list_facts(header, outcomes).items()]),
        *(["## Cases that failed", *map(_describe_failure, failed)] if failed else []),
        *([f"## Notes\n\n{_list(notes)}"] if notes else []),
        *(f"## {table.title}\n\n{table.to_markdown()}" for table in shown),
        f"## How to read this\n\n{_list([*columns, *READING])}",
        f"## The machine\n\n{tabulate_machine(header).to_markdown()}",
    ]
    return "\n\n".join(sections) + "\n"


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _describe_failure(outcome: Outcome) -> str:
    head = f"`{outcome.case.case_id}`: **{outcome.status}**, {escape_cell(str(outcome.error))}"
    if not outcome.log_tail:
        return head
    return head + "\n\n" + "\n".join(f"    {line}" for line in outcome.log_tail.splitlines())


def list_remarks(header: SweepHeader, outcomes: Sequence[Outcome], choices: Choices = AS_THEY_ARE) -> list[str]:
    """List what a reader must know before trusting the tables."""
    rows = make_result_rows(outcomes, header)
    return [
        *_describe_noise(outcomes, choices),
        *_describe_drift(outcomes),
        *_describe_sampling(rows),
        *published.explain_dead_units(rows, catalog.model_settings()),
    ]


def _describe_noise(outcomes: Sequence[Outcome], choices: Choices) -> list[str]:
    noisy, epochs = count_noisy_epochs(outcomes)
    if not noisy:
        return []
    treatment = (
        "left out of the medians" if choices.without_noisy else "in the medians (`--without-noisy` leaves them out)"
    )
    why = "other programs or the hypervisor took the processor"
    are = ("was", "is") if noisy == 1 else ("were", "are")
    return [f"{noisy} of {format_count(epochs, 'epoch')} {are[0]} noisy ({why}) and {are[1]} {treatment}."]


def _describe_drift(outcomes: Sequence[Outcome]) -> list[str]:
    """Say where the machine's own speed changed during the sweep."""
    drift = find_drift(outcomes)
    if drift is None:
        return []
    reached = f"The reference kernel between the cases reached {drift[0]:.0f} to {drift[1]:.0f} GFLOP/s"
    return [
        f"{reached}: the machine's own speed changed, and times of different cases are no more comparable than that."
    ]


def _describe_sampling(rows: Sequence[ResultRow]) -> list[str]:
    """Compare the peaks with what sampling saw: it can miss a short peak, but never see more than the peak."""
    pairs = [
        (row.case_id, row.sampled_peak_mib, row.peak_rss_mib)
        for row in rows
        if row.sampled_peak_mib is not None and row.peak_rss_mib is not None
    ]
    above = dict.fromkeys(
        name for name, sampled, peak in pairs if sampled > peak + max(_SAMPLING_TOLERANCE_MIB, peak / 100)
    )
    below = dict.fromkeys(name for name, sampled, peak in pairs if sampled < _MISSED_FRACTION * peak)
    sentences = {
        "Sampling saw more memory than the peak that was read; trust neither": above,
        "Memory peaked for less than a sampling interval, far above what sampling saw": below,
    }
    return [f"{sentence}: {', '.join(names)}." for sentence, names in sentences.items() if names]
