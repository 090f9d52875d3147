"""The tables of a report: the same cells for the terminal, report.md and report.html."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.console.table import Table
from bench.errors import format_count
from bench.plan.estimate import format_duration
from bench.plan.profile import Case
from bench.report import variants
from bench.report.published import PublishedComparison
from bench.report.thresholds import Reached, find_first, find_reached
from bench.results import stats
from bench.results.journal_lines import Outcome
from bench.results.schema import ResultRow
from bench.results.speed import CaseSpeed, name_case

NOT_MEASURED = "–"
_STEADY, _QUIET, _ENERGY, _REMARKS = "steady", "quiet", "J/epoch", "remarks"
_OFTEN_EMPTY = (_STEADY, _QUIET, _ENERGY, _REMARKS)
_MEASURED_HEADERS = (
    "total s", "s/epoch", _STEADY, _QUIET, "95 %", "first", "train", "val", "bce", "MiB", _ENERGY, "dead", _REMARKS,
)  # fmt: skip
_OPTIONAL = (_REMARKS, _ENERGY, "95 %", "first", "dead", "train")
_WORTH_TELLING = 0.05
"""Where noise cost a smaller fraction of an epoch, the figure on a quiet machine has no column."""
_MANY_EPOCHS = 10
"""A median of so many epochs, or more, needs no word on how many they are."""


def tabulate_model(title: str, rows: Sequence[ResultRow], speeds: Mapping[str, CaseSpeed]) -> Table:
    """Tabulate the epochs × batch sizes of one model, with the axes that vary among ``rows``; a case is one line."""
    varying = variants.find_varying(rows)
    groups: dict[tuple[Any, ...], list[ResultRow]] = {}
    for row in sorted(rows, key=_make_sort_key):
        groups.setdefault(_make_sort_key(row)[:-1], []).append(row)
    lines = [format_line(group, varying, speeds) for group in groups.values()]
    return select_columns(title, lines, ("epochs", "batch", *varying, *_MEASURED_HEADERS), labels=0)


def _make_sort_key(row: ResultRow) -> tuple[Any, ...]:
    return (row.batch_size, row.backend, row.loop, row.precision, row.threads or 0, row.epochs, row.repeat)


def select_columns(
    title: str, lines: Sequence[Mapping[str, str]], headers: Sequence[str], labels: int = 1, notes: tuple[str, ...] = ()
) -> Table:
    """Make a table of lines of cells by their headings.

    Four columns are left out where no line needs them: how many epochs or processes a median rests on, the time on a
    quiet machine, the energy, and the remarks.
    """
    kept = tuple(header for header in headers if header not in _OFTEN_EMPTY or any(line[header] for line in lines))
    cells = tuple(tuple(line[header] for header in kept) for line in lines)
    return Table(title, kept, cells, labels, notes, optional=_OPTIONAL)


def format_line(
    processes: Sequence[ResultRow], varying: Sequence[str], speeds: Mapping[str, CaseSpeed]
) -> dict[str, str]:
    """Format a case at a checkpoint, over its processes: a cell for each heading."""
    first = processes[0]
    keys = {
        "model": first.model,
        "epochs": str(first.epochs),
        "batch": str(first.batch_size),
        **{axis: _format_axis(getattr(first, axis)) for axis in varying},
    }
    ok = [row for row in processes if row.status == "ok"]
    if not ok:
        empty = dict.fromkeys(_MEASURED_HEADERS, NOT_MEASURED) | dict.fromkeys(_OFTEN_EMPTY, "")
        return keys | empty | {"total s": first.status}

    def find_median(column: str) -> float | None:
        return stats.compute_median_of_known(getattr(row, column) for row in ok)

    dead, measured, joules = (find_median(column) for column in ("dead_units", "epoch_s_median", "epoch_j"))
    speed = None if measured is None else speeds.get(name_case(ok[0]))
    as_quiet = speed is None or abs(speed.as_measured / speed.quiet - 1) <= _WORTH_TELLING
    return {
        **keys,
        "total s": format_total(find_median("total_s")),
        "s/epoch": format_seconds(measured),
        _STEADY: _format_steady(ok),
        _QUIET: "" if speed is None or as_quiet else format_seconds(speed.quiet),
        "95 %": _format_interval(speed),
        "first": format_seconds(find_median("first_epoch_s")),
        "train": format_loss(find_median("train_loss")),
        "val": format_loss(find_median("val_loss")),
        "bce": format_loss(find_median("val_bce")),
        "MiB": _format_whole(find_median("peak_rss_mib")),
        _ENERGY: "" if joules is None else format_seconds(joules),
        "dead": NOT_MEASURED if dead is None else f"{dead:.0f}/{ok[0].code_units}",
        _REMARKS: _list_remarks(processes, ok),
    }


def _format_axis(value: str | int | None) -> str:
    """Format the value of an axis; the backend decides how many threads there are where none were asked for."""
    return "default" if value is None else str(value)


def _format_steady(processes: Sequence[ResultRow]) -> str:
    """Format what a median rests on: few epochs ("3"), or several processes of so many at least ("2×9")."""
    fewest = min(row.steady_epochs or 0 for row in processes)
    if len(processes) > 1:
        return f"{len(processes)}×{fewest}"
    return str(fewest) if fewest < _MANY_EPOCHS else ""


def _list_remarks(processes: Sequence[ResultRow], ok: Sequence[ResultRow]) -> str:
    """List what makes a line less trustworthy than others."""
    noisy, epochs = sum(row.noisy_epochs or 0 for row in ok), sum(row.epochs for row in ok)
    remarks = {
        f"{len(ok)} of {len(processes)} processes": len(ok) < len(processes),
        f"{noisy}/{epochs} noisy": noisy > 0,
        "not steady": any(row.steady == "no" for row in ok),
    }
    return "; ".join(remark for remark, applies in remarks.items() if applies)


def _format_whole(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.0f}"


def format_seconds(value: float | None) -> str:
    """Format with three significant figures."""
    if value is None:
        return NOT_MEASURED
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def format_total(value: float | None) -> str:
    """Format the seconds of a whole training: tenths, and whole seconds from a thousand on."""
    if value is None:
        return NOT_MEASURED
    return f"{value:.1f}" if value < 1000 else f"{value:.0f}"


def _format_interval(speed: CaseSpeed | None) -> str:
    """Format where the median of many quiet runs lies, with the number of processes where there are several."""
    if speed is None:
        return NOT_MEASURED
    count = f" ({speed.processes})" if speed.processes > 1 else ""
    return f"{format_seconds(speed.low)}–{format_seconds(speed.high)}{count}"


def format_within(fraction: float) -> str:
    """Format how far an interval reaches: "11 %", "4.2 %"; rounded up, and never more than 9999 %."""
    percent = round(min(100 * fraction, 9999), 6)
    return f"{math.ceil(percent) if percent >= 10 else math.ceil(10 * percent) / 10:g} %"


def format_loss(value: float | None) -> str:
    """Format with four decimals below ten, as Keras does; with fewer for sums over pixels."""
    if value is None:
        return NOT_MEASURED
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}"


_END_TO_END = (
    "`end to end` is not the ratio of `total s`, which is as measured: for it all loops of a backend start in the same "
    "time, the median of theirs, and train as on a quiet machine."
)


def tabulate_variants(entries: Sequence[variants.SideBySide]) -> Table:
    """Tabulate loops, backends, precisions and threads side by side, with a sentence for each model below."""
    headers = (
        "model",
        "trained by",
        "batch",
        "epochs",
        "total s",
        "end to end",
        _QUIET,
        "× fit",
        "pays from",
        "MiB",
        "of fit",
        "GFLOP/s",
        "of peak",
        "bound",
    )
    rows = tuple(_format_variant(entry, variant) for entry in entries for variant in entry.variants)
    notes = [sentence for entry in entries if (sentence := variants.describe(entry))]
    if notes:
        notes.append(_END_TO_END)
    optional = ("bound", "of peak", "GFLOP/s", "of fit")
    return Table("Loops side by side", headers, rows, labels=2, notes=tuple(notes), optional=optional)


def _format_variant(entry: variants.SideBySide, variant: variants.Variant) -> tuple[str, ...]:
    return (
        entry.model,
        variant.name,
        str(entry.batch_size),
        str(entry.epochs),
        format_total(variant.total_s),
        NOT_MEASURED if variant.end_to_end is None else variants.format_times(variant.end_to_end),
        format_seconds(variant.epoch_s),
        NOT_MEASURED if variant.faster is None else variants.format_times(variant.faster),
        NOT_MEASURED if variant.pays_from is None else str(variant.pays_from),
        _format_whole(variant.peak_rss_mib),
        _format_percent(variant.memory),
        format_seconds(variant.gflop_per_s),
        _format_percent(variant.peak_fraction),
        variant.bound or NOT_MEASURED,
    )


def _format_percent(fraction: float | None) -> str:
    return NOT_MEASURED if fraction is None else f"{100 * fraction:.0f} %"


def tabulate_thresholds(outcomes: Sequence[Outcome], thresholds: Sequence[float]) -> Table:
    """Tabulate epochs and seconds until `val_bce` passes each threshold; notes name the first to pass it."""
    groups: dict[tuple[str, ...], list[Reached]] = {}
    for outcome in outcomes:
        groups.setdefault(_name_way(outcome.case), []).extend(find_reached(outcome, thresholds))
    headers = ("model", "trained by", "batch", *(f"≤ {threshold:g}" for threshold in thresholds))
    rows = tuple(
        (
            *way,
            *(
                _format_reached([entry for entry in entries if entry.threshold == threshold])
                for threshold in thresholds
            ),
        )
        for way, entries in groups.items()
        if entries
    )
    firsts = find_first(entry for entries in groups.values() for entry in entries)
    notes = tuple(_describe_first(entry) for entry in firsts.values())
    return Table("Time until good enough", headers, rows, labels=2, notes=notes)


def _name_way(case: Case) -> tuple[str, ...]:
    return case.model, variants.name_way(*variants.get_way(case)), str(case.batch_size)


def _format_reached(entries: Sequence[Reached]) -> str:
    """Format the median over the processes that reached a threshold."""
    if not entries:
        return NOT_MEASURED
    epochs = statistics.median_low([entry.epochs for entry in entries])
    bound = "" if all(entry.exact for entry in entries) else "at most "
    joules = stats.compute_median_of_known(entry.joules for entry in entries)
    energy = "" if joules is None else f", {format_seconds(joules)} J"
    return f"{bound}{epochs} ep, {format_seconds(statistics.median([entry.seconds for entry in entries]))} s{energy}"


def _describe_first(entry: Reached) -> str:
    return f"The first to reach {entry.threshold:g} is {entry.case.title}: {_format_reached([entry])}."


def tabulate_published(comparisons: Sequence[PublishedComparison]) -> Table:
    """Tabulate published figures with ours; a note counts those that no run here can be compared with.

    There is none where no figure was measured: such a sweep was not meant for it.
    """
    headers = ("model", "figure", "published", "ours", "ratio", "how")
    rows = tuple(_format_comparison(comparison) for comparison in comparisons if comparison.ours is not None)
    missing = [comparison for comparison in comparisons if comparison.ours is None]
    meant = any(comparison.kind == "measured" for comparison in comparisons)
    notes = (_describe_missing(missing),) if missing and meant else ()
    return Table("Compared with the published figures", headers, rows, labels=2, notes=notes)


def _describe_missing(missing: Sequence[PublishedComparison]) -> str:
    models = ", ".join(dict.fromkeys(comparison.model for comparison in missing))
    return (
        f"Without a figure of ours: {format_count(len(missing), 'published figure')} ({models}). Losses, activations "
        "and memory compare only after as many epochs on the full MNIST; `aebench run --profile blog` trains for those."
    )


def _format_comparison(comparison: PublishedComparison) -> tuple[str, ...]:
    published, ours = comparison.published, comparison.ours
    source = f"{published.source}: {published.note}" if published.note else published.source
    return (
        comparison.model,
        f"{comparison.quantity}, {published.epochs} epochs ({source})",
        _format_figure(published.value, comparison),
        NOT_MEASURED if ours is None else _format_figure(ours, comparison),
        NOT_MEASURED if ours is None else f"{ours / published.value:.2f}",
        f"{comparison.kind}: {comparison.how}" if comparison.how else comparison.kind,
    )


def _format_figure(value: float, comparison: PublishedComparison) -> str:
    match comparison.published.quantity:
        case "fit_s":
            return format_duration(value)
        case "ram_mb":
            return f"{value:.0f} MB"
        case _:
            return f"{value:.4g}"
