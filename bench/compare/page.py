"""The files of a comparison: comparison.csv for programs, comparison.md and comparison.html for people."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from bench import __version__
from bench.compare.machines import CasePair, Comparison, Versus
from bench.compare.points import MeasuredCase
from bench.compare.sentences import remarks, verdicts
from bench.compare.tables import permission, remark, tables
from bench.console.table import escaped
from bench.errors import InvalidInput, shown
from bench.report.files import make_safe
from bench.report.render import render_template
from bench.results.folder import write_whole

_MANY = 20
"""Machines from which their sentences stand below the tables."""
_READING = """\
Speed, times as fast: the reference's seconds of a median epoch over the machine's, so that 2 is twice as fast. Its \
95 % interval combines both sides' on the log scale.
A machine's speed is the geometric mean over the cases that went well on both; its interval is the wider of \
Student's t over the cases' logarithms and what the cases' own intervals give.
Time and memory are taken at the last checkpoint where both know the time with an interval, else at each one's last; losses \
only after the same number of epochs.
Memory: peak of the process, as a share of the reference's; anonymous memory where it is known, since what the page \
cache holds of TensorFlow's libraries is chance.
Losses: mean binary cross-entropy a pixel (bce) of the validation images, the machine's less the reference's.
An interval says how well these runs are known. Two single runs of one machine can differ by tens of percent where \
others use it too; --repeats measures that.\
""".splitlines()


def write(out: Path, compared: Comparison, notes: Sequence[str] = ()) -> Path:
    """Write comparison.csv, comparison.md and comparison.html into a folder; returns the last one's path."""
    page = out / "comparison.html"
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / "comparison.csv", csv_text(compared))
        write_whole(out / "comparison.md", markdown(compared, notes))
        write_whole(page, html(compared, notes))
    except OSError as error:
        raise InvalidInput(f"--out {shown(out)} cannot be written: {error.strerror}. Name a folder.") from error
    return page


def markdown(compared: Comparison, notes: Sequence[str] = ()) -> str:
    """The text of comparison.md."""
    remarked = [*remarks(compared), *notes]
    words, many = _bullets(verdicts(compared)), len(compared.others) > _MANY
    sections = [
        f"# {_title(compared)}",
        *([] if many else [words]),
        *(f"## {table.title}\n\n{table.markdown()}" for table in tables(compared)),
        *([f"## In words\n\n{words}"] if many else []),
        *([f"## Not compared\n\n{_bullets(remarked)}"] if remarked else []),
        f"## How to read this\n\n{_bullets(_READING)}",
    ]
    return "\n\n".join(sections) + "\n"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {escaped(line)}" for line in lines)


def _title(compared: Comparison) -> str:
    count = len(compared.others)
    return f"{count} machine{'' if count == 1 else 's'} against {compared.reference.label}"


def html(compared: Comparison, notes: Sequence[str] = ()) -> str:
    """The text of comparison.html: one file that needs no other and no network."""
    from bench.compare import plots  # noqa: PLC0415 - matplotlib is for those who ask for a page

    first, *others = tables(compared)
    return render_template(
        "comparison.html.j2",
        title=_title(compared),
        verdicts=verdicts(compared),
        few=_MANY,
        first=first,
        plot=plots.svg(compared),
        caption=plots.caption(compared),
        tables=others,
        notes=[*remarks(compared), *notes],
        reading=_READING,
        version=__version__,
    )


def csv_text(compared: Comparison) -> str:
    """The text of comparison.csv: a row a machine and case, full precision, empty where not compared."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_CSV)
    for held in compared.others:
        for each in held.pairs:
            writer.writerow([make_safe(of(compared, held, each)) for of in _CSV.values()])
    return out.getvalue()


def _status(case: MeasuredCase | None) -> str | None:
    """How a side stands in a case; None where it has no such case."""
    return None if case is None else "; ".join(case.failures) or "ok"


def _side(each: CasePair, side: int, name: str) -> Any:
    return getattr(each.timed[side], name) if each.timed else None


def _time(each: CasePair, side: int, name: str) -> Any:
    found = _side(each, side, "seconds")
    return found and getattr(found, name)


def _evaluated(each: CasePair, side: int, name: str) -> Any:
    return getattr(each.evaluated[side], name) if each.evaluated and each.loss is not None else None


_CSV: dict[str, Callable[[Comparison, Versus, CasePair], Any]] = {
    "machine": lambda _all, held, _each: held.machine.label,
    "machine_id": lambda _all, held, _each: held.machine.machine_id,
    "environment_id": lambda _all, held, _each: held.machine.environment_id,
    "report": lambda _all, held, _each: held.machine.source,
    "rank": lambda _all, held, _each: held.rank,
    "reference": lambda all_, _held, _each: all_.reference.label,
    "reference_machine_id": lambda all_, _held, _each: all_.reference.machine_id,
    "reference_environment_id": lambda all_, _held, _each: all_.reference.environment_id,
    "reference_report": lambda all_, _held, _each: all_.reference.source,
    "case": lambda _all, _held, each: each.case,
    "model": lambda _all, _held, each: each.row.model,
    "batch_size": lambda _all, _held, each: each.row.batch_size,
    "status": lambda _all, _held, each: _status(each.machine),
    "reference_status": lambda _all, _held, each: _status(each.reference),
    "times_comparable": lambda _all, held, _each: permission(held.time),
    "memory_comparable": lambda _all, held, _each: permission(held.space),
    "losses_comparable": lambda _all, held, _each: permission(held.losses),
    "epochs": lambda _all, _held, each: _side(each, 1, "epochs"),
    "reference_epochs": lambda _all, _held, each: _side(each, 0, "epochs"),
    "processes": lambda _all, _held, each: _side(each, 1, "processes"),
    "reference_processes": lambda _all, _held, each: _side(each, 0, "processes"),
    "epoch_s": lambda _all, _held, each: _time(each, 1, "value"),
    "epoch_s_low": lambda _all, _held, each: _time(each, 1, "low"),
    "epoch_s_high": lambda _all, _held, each: _time(each, 1, "high"),
    "reference_epoch_s": lambda _all, _held, each: _time(each, 0, "value"),
    "reference_epoch_s_low": lambda _all, _held, each: _time(each, 0, "low"),
    "reference_epoch_s_high": lambda _all, _held, each: _time(each, 0, "high"),
    "times_as_fast": lambda _all, _held, each: each.speed and each.speed.value,
    "times_as_fast_low": lambda _all, _held, each: each.speed and each.speed.low,
    "times_as_fast_high": lambda _all, _held, each: each.speed and each.speed.high,
    "anon_peak_ratio": lambda _all, _held, each: each.anon,
    "peak_rss_ratio": lambda _all, _held, each: each.rss,
    "loss_epochs": lambda _all, _held, each: _evaluated(each, 1, "epochs"),
    "val_bce": lambda _all, _held, each: _evaluated(each, 1, "loss"),
    "reference_val_bce": lambda _all, _held, each: _evaluated(each, 0, "loss"),
    "val_bce_difference": lambda _all, _held, each: each.loss,
    "remarks": lambda _all, _held, each: remark(each) or None,
}
