"""The files of a comparison: comparison.csv for programs, comparison.md and comparison.html for people."""

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import __version__
from bench.compare.cases import MeasuredCase
from bench.compare.contents import ComparisonReport
from bench.compare.headline import write_answer
from bench.compare.machines import Comparison, MachineComparison
from bench.compare.pairs import CasePair
from bench.compare.sentences import SIDE_BY_SIDE, summarize_all
from bench.compare.tables import format_comparability, remark_on
from bench.console.table import Table, escape_cell, escape_sentence
from bench.errors import InvalidInput, quote
from bench.report.files import make_safe
from bench.report.render import Section, render_page
from bench.report.views import TableView, list_explained, make_view
from bench.results.folder import write_whole

_MANY = 20
"""Of more machines than this, each one's sentences stand below the tables."""
_READING = """\
Times as fast: the reference's seconds over the machine's, so that 2 is twice as fast and 0.5 takes twice as long. \
Memory: in percent of the reference's. bce less: mean binary cross-entropy per pixel of the validation images, the \
machine's less the reference's.
Each case's interval is its own 95 % one. Of twenty such intervals one leaves 1 out by chance, so a case is called \
clearly faster or slower only where that holds for all cases together (Holm's procedure at 5 %).
A machine's speed is the geometric mean over the cases that succeeded on both; its interval is the wider of \
Student's t over the cases' logarithms and what the cases' own intervals give. How far hours of one machine \
differ is assumed, and part of every interval.
Times per epoch are those of whole runs, each side at its last checkpoint. Times from start to end, memory and losses \
are compared at the last checkpoint of both; memory at each side's last where there is none. A case that is compared \
at several of the reference's checkpoints has a line for each.\
""".splitlines()
_HINTS = {
    "per epoch": "how many times as fast as the reference an epoch trains, both as on a quiet machine",
    "95 %": "the case's own interval: where the ratio of many runs lies, as far as these can tell",
    "clearly": "faster or slower in a comparison of all cases together, by Holm's procedure at 5 %",
    "end to end": "how many times as fast a training is from the process' start to the last common checkpoint, imports "
    "and compilation included",
    "memory": "peak in percent of the reference's: of anonymous memory where both sides know it, else of resident "
    "memory. How much of TensorFlow's libraries the page cache holds is chance",
    "bce less": "mean binary cross-entropy per pixel of the validation images, the machine's less the reference's",
}


def write_files(out: Path, report: ComparisonReport) -> Path:
    """Write comparison.csv, comparison.md and comparison.html into a folder; returns the last one's path."""
    page = out / "comparison.html"
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / "comparison.csv", format_csv(report.comparison))
        write_whole(out / "comparison.md", format_markdown(report))
        write_whole(page, render_html(report))
    except OSError as error:
        raise InvalidInput(f"--out {quote(out)} cannot be written: {error.strerror}. Name a folder.") from error
    return page


def format_markdown(report: ComparisonReport) -> str:
    """The text of comparison.md: the same in the same order as the page."""
    each, many = _list_machines(report)
    sections = [
        f"# {escape_cell(report.title)}",
        _format_bullets([*report.answer, *([] if many else each)]),
        *(f"## {escape_cell(table.title)}\n\n{table.to_markdown()}" for table in report.tables),
        *([f"## Machine by machine\n\n{_format_bullets(each)}"] if many else []),
        *([f"## Not compared\n\n{_format_bullets(report.notes)}"] if report.notes else []),
        f"## How to read this\n\n{_format_bullets(_READING)}",
    ]
    return "\n\n".join(sections) + "\n"


def _format_bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {escape_sentence(line)}" for line in lines)


def _list_machines(report: ComparisonReport) -> tuple[list[str], bool]:
    """A line per machine where the answer has none, and whether these are so many that they come last."""
    count = len(report.comparison.others)
    return (summarize_all(report.comparison) if count > SIDE_BY_SIDE else []), count > _MANY


def render_html(report: ComparisonReport) -> str:
    """The text of comparison.html: one file that needs no other and no network."""
    from bench.compare import plots  # noqa: PLC0415 - matplotlib is for those who ask for a page

    each, _ = _list_machines(report)
    tables = [
        Section(f"part-{number}", table.title, "table.html.j2", _make_view(table, f"table-{number}"))
        for number, table in enumerate(report.tables)
    ]
    columns = list_explained([section.data.columns for section in tables])
    reading = {"columns": columns, "sentences": _READING}
    sections = [
        Section("answer", "Answer", "answer.html.j2", write_answer(report, plots.draw_comparison(report.comparison))),
        *tables,
        Section("machines", "Machine by machine", "notes.html.j2", each, is_folded=True),
        Section("missing", "Not compared", "notes.html.j2", report.notes),
        Section("reading", "How to read this", "reading.html.j2", reading, is_folded=True),
    ]
    return render_page(report.title, sections, f"aebench {__version__}; full precision is in comparison.csv.")


def _make_view(table: Table, anchor: str) -> TableView:
    """A table with what its headings mean."""
    view = make_view(table, anchor, explain=False)
    columns = tuple(replace(column, hint=_HINTS.get(column.label, "")) for column in view.columns)
    return replace(view, columns=columns)


def format_csv(comparison: Comparison) -> str:
    """The text of comparison.csv: a row per machine and case, full precision, empty where not compared."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_CSV)
    for compared in comparison.others:
        for each in compared.pairs:
            writer.writerow([make_safe(read(comparison, compared, each)) for read in _CSV.values()])
    return out.getvalue()


def _show_status(case: MeasuredCase | None) -> str | None:
    """How a case ended on one side; None where that has no such case."""
    return None if case is None else "; ".join(case.failures) or "ok"


def _read_timed(each: CasePair, side: int) -> Any:
    return each.timed[side].epochs if each.timed else None


def _read_sized(each: CasePair, side: int) -> Any:
    return each.sized[side].epochs if each.sized and each.memory is not None else None


def _read_total(each: CasePair, side: int) -> Any:
    return each.sized[side].total_s if each.sized and each.end_to_end is not None else None


def _read_speed(each: CasePair, side: int, name: str) -> Any:
    case = (each.reference, each.machine)[side]
    return getattr(case.speed, name) if each.timed and case and case.speed else None


def _read_evaluated(each: CasePair, side: int, name: str) -> Any:
    return getattr(each.evaluated[side], name) if each.evaluated and each.loss is not None else None


_CSV: dict[str, Callable[[Comparison, MachineComparison, CasePair], Any]] = {
    "machine": lambda _all, compared, _each: compared.machine.label,
    "machine_id": lambda _all, compared, _each: compared.machine.machine_id,
    "environment_id": lambda _all, compared, _each: compared.machine.environment_id,
    "report": lambda _all, compared, _each: compared.machine.source,
    "rank": lambda _all, compared, _each: compared.rank,
    "reference": lambda all_, _compared, _each: all_.reference.label,
    "reference_machine_id": lambda all_, _compared, _each: all_.reference.machine_id,
    "reference_environment_id": lambda all_, _compared, _each: all_.reference.environment_id,
    "reference_report": lambda all_, _compared, _each: all_.reference.source,
    "case": lambda _all, _compared, each: each.case,
    "model": lambda _all, _compared, each: each.row.model,
    "backend": lambda _all, _compared, each: each.row.backend,
    "loop": lambda _all, _compared, each: each.row.loop,
    "precision": lambda _all, _compared, each: each.row.precision,
    "batch_size": lambda _all, _compared, each: each.row.batch_size,
    "status": lambda _all, _compared, each: _show_status(each.machine),
    "reference_status": lambda _all, _compared, each: _show_status(each.reference),
    "times_comparable": lambda _all, compared, _each: format_comparability(compared.time),
    "memory_comparable": lambda _all, compared, _each: format_comparability(compared.space),
    "losses_comparable": lambda _all, compared, _each: format_comparability(compared.losses),
    "epochs": lambda _all, _compared, each: _read_timed(each, 1),
    "reference_epochs": lambda _all, _compared, each: _read_timed(each, 0),
    "processes": lambda _all, _compared, each: _read_speed(each, 1, "processes"),
    "reference_processes": lambda _all, _compared, each: _read_speed(each, 0, "processes"),
    "epoch_s_quiet": lambda _all, _compared, each: _read_speed(each, 1, "quiet"),
    "epoch_s_low": lambda _all, _compared, each: _read_speed(each, 1, "low"),
    "epoch_s_high": lambda _all, _compared, each: _read_speed(each, 1, "high"),
    "reference_epoch_s_quiet": lambda _all, _compared, each: _read_speed(each, 0, "quiet"),
    "reference_epoch_s_low": lambda _all, _compared, each: _read_speed(each, 0, "low"),
    "reference_epoch_s_high": lambda _all, _compared, each: _read_speed(each, 0, "high"),
    "times_as_fast": lambda _all, _compared, each: each.speed and each.speed.value,
    "times_as_fast_low": lambda _all, _compared, each: each.speed and each.speed.low,
    "times_as_fast_high": lambda _all, _compared, each: each.speed and each.speed.high,
    "p_value": lambda _all, _compared, each: each.p_value,
    "clearly": lambda _all, _compared, each: each.clearly,
    "total_epochs": lambda _all, _compared, each: each.sized[1].epochs if each.sized and each.end_to_end else None,
    "total_s": lambda _all, _compared, each: _read_total(each, 1),
    "reference_total_s": lambda _all, _compared, each: _read_total(each, 0),
    "times_as_fast_end_to_end": lambda _all, _compared, each: each.end_to_end,
    "memory_epochs": lambda _all, _compared, each: _read_sized(each, 1),
    "reference_memory_epochs": lambda _all, _compared, each: _read_sized(each, 0),
    "anon_peak_ratio": lambda _all, _compared, each: each.anon,
    "peak_rss_ratio": lambda _all, _compared, each: each.rss,
    "loss_epochs": lambda _all, _compared, each: _read_evaluated(each, 1, "epochs"),
    "val_bce": lambda _all, _compared, each: _read_evaluated(each, 1, "loss"),
    "reference_val_bce": lambda _all, _compared, each: _read_evaluated(each, 0, "loss"),
    "val_bce_difference": lambda _all, _compared, each: each.loss,
    "remarks": lambda _all, _compared, each: remark_on(each) or None,
}
