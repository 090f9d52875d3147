"""What the page says first: one answer in large letters, and a few cards. Pure functions on the ways of a sweep."""

import math
import statistics
from collections.abc import Callable, Sequence

from bench.errors import format_count
from bench.plan.profile import name_briefly
from bench.report import variants
from bench.report.advice import describe_change, list_advice
from bench.report.contents import SweepReport
from bench.report.render import Answer, Card
from bench.report.summary import count_noisy_epochs, format_time
from bench.report.tables import format_seconds, format_within
from bench.report.variants import SideBySide, Variant, format_times
from bench.report.ways import Trained, Way


def write_answer(report: SweepReport, ways: Sequence[Way]) -> Answer:
    """Write the answer of a sweep; that nothing was measured where no case reached a checkpoint."""
    sentences = report.answer
    if not ways:
        return Answer((sentences[0],), sentences=tuple(sentences[1:]))
    plain = next((way for way in ways if way.model == ways[0].model and way.name == "fit"), ways[0])
    case = plain.best
    figures = [part for figure in list_figures(case) for part in (", ", figure)][1:]
    entry = _find_ways(report, case) if figures else None
    advice = ("; ", f"use {_choose_way(entry).name}") if entry and entry.plain else ()
    images = report.header.train_samples
    cards = [
        _make_card("Fastest epoch", ways, "epoch_s_median", lambda seconds: f"{format_seconds(seconds)} s"),
        _make_card("Best", ways, "val_bce", lambda bce: f"bce {bce:.3f}"),
        _make_card("Least memory", ways, "peak_rss_mib", lambda mib: f"{mib:,.0f} MiB"),
        _make_loop_card(entry) if entry else None,
        _make_trust_card(report),
    ]
    return Answer(
        (f"{format_count(case.epochs, 'epoch')} of {plain.model}{': ' if figures else '.'}", *figures, *advice),
        f"That is {plain.name}, batch {case.batch_size}, {images:,} images an epoch, from the start "
        f"of the process to its last epoch, imports and compilation included{_describe_chosen(entry)}. The bce is the "
        "mean binary cross-entropy per pixel of the validation images: lower is better.",
        tuple(card for card in cards if card),
        sentences=tuple(sentences),
    )


def _describe_chosen(entry: SideBySide | None) -> str:
    """Say what the way that is advised took; empty where it is the one that the answer is of."""
    if entry is None or entry.plain is None or (chosen := _choose_way(entry)) is entry.plain:
        return ""
    memory = "" if chosen.peak_rss_mib is None else f" and {chosen.peak_rss_mib:,.0f} MiB"
    change = describe_change(chosen.way)
    return f"; {chosen.name} took {format_time(chosen.total_s)}{memory}{change and f': {change}'}"


def list_figures(case: Trained) -> list[str]:
    """List what people ask of a case: whole time, peak RAM, `val_bce`; what was not measured is left out."""
    formats: dict[str, Callable[[float], str]] = {
        "total_s": format_time,
        "peak_rss_mib": lambda mib: f"{mib:,.0f} MiB",
        "val_bce": lambda bce: f"bce {bce:.3f}",
    }
    found = [(case.find_median(column), show) for column, show in formats.items()]
    return [show(value) for value, show in found if not math.isnan(value)]


def _name_case(way: Way, case: Trained) -> str:
    return name_briefly(way.label, (), case.batch_size)


def _make_card(label: str, ways: Sequence[Way], column: str, show: Callable[[float], str]) -> Card | None:
    """Say which case has the smallest figure, and which the largest if that is another; None where none has one."""
    ranked = _rank(ways, column)
    if not ranked:
        return None
    (value, way, case), (most, last, _) = ranked[0], ranked[-1]
    total = case.find_median("total_s")
    took = "" if math.isnan(total) else f": {format_count(case.epochs, 'epoch')} in {format_time(total)}"
    remark = "" if show(most) == show(value) else f"up to {show(most)} ({last.label})"
    return Card(label, show(value), f"{_name_case(way, case)}{took}", remark)


def _rank(ways: Sequence[Way], column: str) -> list[tuple[float, Way, Trained]]:
    """Return each case with its figure, ascending; one without is left out."""
    found = [(case.find_median(column), way, case) for way in ways for case in way.cases]
    return sorted((each for each in found if not math.isnan(each[0])), key=lambda each: each[0])


def _find_ways(report: SweepReport, case: Trained) -> SideBySide | None:
    """Find the ways in which the model was trained with the case's batch size; None where there is one."""
    row = case.rows[0]
    entries = variants.compare_variants(report.shown_rows, report.speeds)
    alike = (entry for entry in entries if (entry.model, entry.batch_size) == (row.model, row.batch_size))
    return next(alike, None)


def _choose_way(entry: SideBySide) -> Variant:
    """Choose the way to train that a script can copy and that is advised, else the one with the shortest epochs.

    The plain one, where the start of either costs more than it has made up for so far.
    """
    advised = [advice.setting.variant for advice in list_advice([entry]) if advice.setting]
    faster = (way for way in (*advised, entry.fastest) if entry.plain is None or (way.end_to_end or 0.0) > 1)
    return next(faster, entry.plain or entry.fastest)


def _make_loop_card(entry: SideBySide) -> Card | None:
    """Say how much faster that one is, per epoch and over all; of none, from where on the fastest pays."""
    plain, chosen = entry.plain, _choose_way(entry)
    fastest = entry.fastest if chosen is plain else chosen
    if plain is None or fastest is plain or fastest.faster is None or fastest.end_to_end is None:
        return None
    over_all = f"{format_times(fastest.end_to_end)} × over {format_count(entry.epochs, 'epoch')}"
    return Card(
        "Loop",
        f"{fastest.name}: {format_times(fastest.faster)} × {plain.name}",
        f"per epoch of {name_briefly(entry.model, (), entry.batch_size)}; {over_all}",
        f"pays from epoch {fastest.pays_from} on" if fastest.pays_from else "does not pay",
    )


def _make_trust_card(report: SweepReport) -> Card | None:
    """Say how well a time per epoch is known, and how many epochs were noisy."""
    if not report.speeds:
        return None
    within = statistics.median(speed.within for speed in report.speeds.values())
    noisy, epochs = count_noisy_epochs(report.outcomes)
    remark = f"{noisy:,} of {format_count(epochs, 'epoch')} noisy"
    return Card(
        "How sure",
        f"± {format_within(within)}",
        "is how well a time per epoch is known, in the median case",
        remark,
    )
