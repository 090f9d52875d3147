"""Tables for people: the same cells for a terminal and for Markdown."""

import statistics
from collections.abc import Sequence
from typing import Any

from bench.console.table import Table
from bench.plan.estimate import duration
from bench.plan.profile import Case
from bench.report import variants
from bench.report.published import PublishedComparison
from bench.report.thresholds import Reached, first, reached
from bench.results import stats
from bench.results.schema import Outcome, ResultRow

NOT_MEASURED = "–"
_MEASURED_HEADERS = ("s/epoch", "95 %", "first", "train", "val", "bce", "MiB", "dead", "remarks")


def model_table(title: str, rows: Sequence[ResultRow], varying: Sequence[str] | None = None) -> Table:
    """Epochs × batch sizes of one model; axes that are not ``varying``, or do not vary among ``rows``, are left out.

    Where a case ran in several processes, they share a line: the process is then the unit of the statistics. The last
    column, the remarks, is there where there is one.
    """
    varying = variants.varying(rows) if varying is None else varying
    groups: dict[tuple[Any, ...], list[ResultRow]] = {}
    for row in sorted(rows, key=_place):
        groups.setdefault(_place(row)[:-1], []).append(row)
    cells = [_model_cells(group, varying) for group in groups.values()]
    headers = ("epochs", "batch", *varying, *_MEASURED_HEADERS)
    if not any(line[-1] for line in cells):
        return Table(title, headers[:-1], tuple(line[:-1] for line in cells), labels=0)
    return Table(title, headers, tuple(cells), labels=0)


def _place(row: ResultRow) -> tuple[Any, ...]:
    return (row.batch_size, row.backend, row.loop, row.precision, row.epochs, row.repeat)


def _model_cells(processes: Sequence[ResultRow], varying: Sequence[str]) -> tuple[str, ...]:
    """One line: a case at a checkpoint, over its processes."""
    keys = (
        str(processes[0].epochs),
        str(processes[0].batch_size),
        *(str(getattr(processes[0], axis)) for axis in varying),
    )
    well = [row for row in processes if row.status == "ok"]
    if not well:
        return (*keys, processes[0].status, *[NOT_MEASURED] * 7, "")
    dead, units = _middle(well, "dead_units"), well[0].code_units
    return (
        *keys,
        seconds(_middle(well, "epoch_s_median")),
        _spread(well),
        seconds(_middle(well, "first_epoch_s")),
        loss(_middle(well, "train_loss")),
        loss(_middle(well, "val_loss")),
        loss(_middle(well, "val_bce")),
        _whole(_middle(well, "peak_rss_mib")),
        NOT_MEASURED if dead is None else f"{dead:.0f}/{units}",
        _remarks(processes, well),
    )


def _middle(processes: Sequence[ResultRow], column: str) -> float | None:
    """The median over processes of a column."""
    values = [getattr(row, column) for row in processes if getattr(row, column) is not None]
    return statistics.median(values) if values else None


def _spread(processes: Sequence[ResultRow]) -> str:
    """One process: the interval of its median. Several: the interval over their medians; below six, their range."""
    if len(processes) == 1:
        return _interval(processes[0].epoch_s_ci_low, processes[0].epoch_s_ci_high)
    medians = [row.epoch_s_median for row in processes if row.epoch_s_median is not None]
    over = stats.median(medians)
    if over is None:
        return NOT_MEASURED
    if over.low is None:
        return f"{_interval(min(medians), max(medians))} ({over.count})"
    return _interval(over.low, over.high)


def _remarks(processes: Sequence[ResultRow], well: Sequence[ResultRow]) -> str:
    """What makes a line less trustworthy than others."""
    noisy, epochs = sum(row.noisy_epochs or 0 for row in well), sum(row.epochs for row in well)
    return "; ".join(
        [
            *([f"{len(well)} of {len(processes)} processes"] if len(well) < len(processes) else []),
            *([f"{noisy}/{epochs} noisy"] if noisy else []),
            *(["not steady"] if any(row.steady is False for row in well) else []),
        ]
    )


def _whole(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.0f}"


def seconds(value: float | None) -> str:
    """Three significant figures."""
    if value is None:
        return NOT_MEASURED
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _interval(low: float | None, high: float | None) -> str:
    return NOT_MEASURED if low is None or high is None else f"{seconds(low)}–{seconds(high)}"


def loss(value: float | None) -> str:
    """Four decimals below ten, as Keras prints them; fewer for sums over pixels."""
    if value is None:
        return NOT_MEASURED
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}"


def variants_table(entries: Sequence[variants.SideBySide]) -> Table:
    """Loops, backends and precisions side by side, a sentence for each model below."""
    headers = (
        "model",
        "trained by",
        "batch",
        "epochs",
        "s/epoch",
        "× fit",
        "MiB",
        "of fit",
        "GFLOP/s",
        "share",
        "bound",
    )
    rows = tuple(_variant_cells(entry, variant) for entry in entries for variant in entry.variants)
    notes = tuple(told for entry in entries if (told := variants.sentence(entry)))
    return Table("Loops side by side", headers, rows, labels=2, notes=notes)


def _variant_cells(entry: variants.SideBySide, variant: variants.Variant) -> tuple[str, ...]:
    return (
        entry.model,
        variant.name,
        str(entry.batch_size),
        str(entry.epochs),
        seconds(variant.epoch_s),
        NOT_MEASURED if variant.faster is None else f"{variant.faster:.2f}",
        _whole(variant.peak_rss_mib),
        _percent(variant.memory),
        seconds(variant.gflop_per_s),
        _percent(variant.peak_fraction),
        variant.bound or NOT_MEASURED,
    )


def _percent(share: float | None) -> str:
    return NOT_MEASURED if share is None else f"{100 * share:.0f} %"


def quality_table(outcomes: Sequence[Outcome], thresholds: Sequence[float]) -> Table:
    """Epochs and seconds until `val_bce` passes each threshold; who is first stands below."""
    groups: dict[tuple[str, ...], list[Reached]] = {}
    for outcome in outcomes:
        groups.setdefault(_way(outcome.case), []).extend(reached(outcome, thresholds))
    headers = ("model", "trained by", "batch", *(f"≤ {threshold:g}" for threshold in thresholds))
    rows = tuple(
        (*way, *(_until([entry for entry in entries if entry.threshold == threshold]) for threshold in thresholds))
        for way, entries in groups.items()
        if entries
    )
    winners = first(entry for entries in groups.values() for entry in entries)
    notes = tuple(_first_note(entry) for entry in winners.values())
    return Table("Time until good enough", headers, rows, labels=2, notes=notes)


def _way(case: Case) -> tuple[str, ...]:
    return case.model, variants.way(case.backend, case.loop, case.precision), str(case.batch_size)


def _until(entries: Sequence[Reached]) -> str:
    """The median over the processes that reached it."""
    if not entries:
        return NOT_MEASURED
    epochs = statistics.median_low([entry.epochs for entry in entries])
    bound = "" if all(entry.exact for entry in entries) else "at most "
    return f"{bound}{epochs} ep, {seconds(statistics.median([entry.seconds for entry in entries]))} s"


def _first_note(entry: Reached) -> str:
    model, way, batch = _way(entry.case)
    return f"{entry.threshold:g} is first reached by {model}, {way}, batch {batch}: {_until([entry])} of training."


def blog_table(comparisons: Sequence[PublishedComparison]) -> Table:
    """Published figures beside ours; those that no row can be held against are named below."""
    headers = ("model", "figure", "published", "ours", "ratio", "ours is")
    rows = tuple(_blog_cells(comparison) for comparison in comparisons if comparison.ours is not None)
    missing = [comparison for comparison in comparisons if comparison.ours is None]
    notes = (_missing_note(missing),) if missing else ()
    return Table("Against the published figures", headers, rows, labels=2, notes=notes)


def _missing_note(missing: Sequence[PublishedComparison]) -> str:
    models = ", ".join(dict.fromkeys(comparison.model for comparison in missing))
    figures = "1 published figure was" if len(missing) == 1 else f"{len(missing)} published figures were"
    return (
        f"{figures} not run here ({models}): losses, activations and memory compare only after the same epochs on the "
        "full MNIST. `aebench run --profile blog` runs them."
    )


def _blog_cells(comparison: PublishedComparison) -> tuple[str, ...]:
    published, ours = comparison.published, comparison.ours
    source = f"{published.source}: {published.note}" if published.note else published.source
    return (
        comparison.model,
        f"{comparison.quantity}, {published.epochs} epochs ({source})",
        _published_figure(published.value, comparison),
        NOT_MEASURED if ours is None else _published_figure(ours, comparison),
        NOT_MEASURED if ours is None else f"{ours / published.value:.2f}",
        f"{comparison.kind}: {comparison.how}" if comparison.how else comparison.kind,
    )


def _published_figure(value: float, comparison: PublishedComparison) -> str:
    match comparison.published.quantity:
        case "fit_s":
            return duration(value)
        case "ram_mb":
            return f"{value:.0f} MB"
        case _:
            return f"{value:.4g}"
