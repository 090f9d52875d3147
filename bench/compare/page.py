"""The files of a comparison: comparison.csv for programs, comparison.md and comparison.html for people."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from bench import __version__
from bench.compare.cases import MeasuredCase
from bench.compare.machines import Comparison, MachineComparison
from bench.compare.pairs import CasePair
from bench.compare.sentences import describe_missing, summarize_all
from bench.compare.tables import build_tables, format_comparability, remark_on
from bench.console.table import escape_cell
from bench.errors import InvalidInput, format_count, quote
from bench.report.files import make_safe
from bench.report.render import Section, render_page
from bench.report.views import make_view
from bench.results.folder import write_whole

_MANY = 20
"""Of more machines than this, the sentences stand below the tables."""
_READING = """\
Speed, times as fast: the reference's seconds per epoch over the machine's, both as on a quiet machine, so that 2 is \
twice as fast. Its 95 % interval combines both sides' on the log scale. It says where the ratio of many runs lies, as \
far as these can tell; --repeats narrows it. That a whole sweep fell into a slow hour is in no interval.
A machine's speed is the geometric mean over the cases that succeeded on both; its interval is the wider of \
Student's t over the cases' logarithms and what the cases' own intervals give.
Times are those of whole runs, each side at its last checkpoint. Memory is compared at the last checkpoint of both, \
else at each side's last; losses only after the same number of epochs. A case whose memory or losses are compared at \
several of the reference's checkpoints has a line for each.
Memory: peak of the process, in percent of the reference's; of anonymous memory where both sides know it, since how \
much of TensorFlow's libraries the page cache holds is chance.
Losses: mean binary cross-entropy per pixel (bce) of the validation images, the machine's less the reference's.\
""".splitlines()


def write_files(out: Path, comparison: Comparison, notes: Sequence[str] = ()) -> Path:
    """Write comparison.csv, comparison.md and comparison.html into a folder; returns the last one's path."""
    page = out / "comparison.html"
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / "comparison.csv", format_csv(comparison))
        write_whole(out / "comparison.md", format_markdown(comparison, notes))
        write_whole(page, render_html(comparison, notes))
    except OSError as error:
        raise InvalidInput(f"--out {quote(out)} cannot be written: {error.strerror}. Name a folder.") from error
    return page


def format_markdown(comparison: Comparison, notes: Sequence[str] = ()) -> str:
    """The text of comparison.md."""
    missing = [*describe_missing(comparison), *notes]
    words, many = _format_bullets(summarize_all(comparison)), len(comparison.others) > _MANY
    sections = [
        f"# {_make_title(comparison)}",
        *([] if many else [words]),
        *(f"## {table.title}\n\n{table.to_markdown()}" for table in build_tables(comparison)),
        *([f"## In words\n\n{words}"] if many else []),
        *([f"## Not compared\n\n{_format_bullets(missing)}"] if missing else []),
        f"## How to read this\n\n{_format_bullets(_READING)}",
    ]
    return "\n\n".join(sections) + "\n"


def _format_bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {escape_cell(line)}" for line in lines)


def _make_title(comparison: Comparison) -> str:
    return f"{format_count(len(comparison.others), 'machine')} compared with {comparison.reference.label}"


def render_html(comparison: Comparison, notes: Sequence[str] = ()) -> str:
    """The text of comparison.html: one file that needs no other and no network."""
    from bench.compare import plots  # noqa: PLC0415 - matplotlib is for those who ask for a page

    words = summarize_all(comparison)
    speeds, *others = [
        Section(f"part-{number}", table.title, "table.html.j2", make_view(table, f"table-{number}", explain=False))
        for number, table in enumerate(build_tables(comparison))
    ]
    svg = plots.draw_svg(comparison)
    caption = f"Right of the line is faster than the reference. {plots.describe_lines(comparison)}"
    sections = [
        *([] if len(words) > _MANY else [Section("words", "In words", "lines.html.j2", words)]),
        speeds,
        Section("plot", "Speed case by case", "plot.html.j2", {"svg": svg, "caption": caption} if svg else None),
        *others,
        *([Section("words", "In words", "lines.html.j2", words)] if len(words) > _MANY else []),
        Section("missing", "Not compared", "lines.html.j2", [*describe_missing(comparison), *notes]),
        Section("reading", "How to read this", "lines.html.j2", _READING),
    ]
    return render_page(
        _make_title(comparison), sections, f"aebench {__version__}; full precision is in comparison.csv."
    )


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
