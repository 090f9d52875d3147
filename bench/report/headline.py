"""What the page says first: one answer in large letters, and a few cards. Pure functions on the ways of a sweep."""

import math
import statistics
from collections.abc import Callable, Sequence

from bench.errors import format_count
from bench.plan.estimate import format_duration
from bench.report.contents import SweepReport
from bench.report.render import Answer, Card
from bench.report.summary import count_noisy_epochs
from bench.report.tables import format_seconds, format_within
from bench.report.ways import Trained, Way


def write_answer(report: SweepReport, ways: Sequence[Way]) -> Answer:
    """Write the answer of a sweep; that nothing was measured where no case reached a checkpoint."""
    sentences = report.answer
    if not ways:
        return Answer((sentences[0],), sentences=tuple(sentences[1:]))
    plain = next((way for way in ways if way.model == ways[0].model and way.name == "fit"), ways[0])
    others = [way for way in ways if way.model == plain.model and way is not plain]
    case = plain.best
    figures = [part for figure in list_figures(case) for part in (", ", figure)][1:]
    advice = _choose_way(plain, others)
    cards = [
        _make_card("Fastest epoch", ways, "epoch_s_median", lambda seconds: f"{format_seconds(seconds)} s"),
        _make_card("Best", ways, "val_bce", lambda bce: f"bce {bce:.3f}"),
        _make_card("Least memory", ways, "peak_rss_mib", lambda mib: f"{mib:,.0f} MiB"),
        *([_compare_ways(plain, others)] if others else []),
        _make_trust_card(report),
    ]
    return Answer(
        (f"{format_count(case.epochs, 'epoch')} of {plain.model}: ", *figures, *(["; ", advice] if advice else [])),
        f"{plain.name}, batch {case.batch_size}, {report.header.train_samples:,} images an epoch; the time is from the "
        "start of the process to its last epoch, imports and compilation included.",
        tuple(card for card in cards if card),
        sentences=tuple(sentences),
    )


def list_figures(case: Trained) -> list[str]:
    """List what people ask of a case: whole time, peak RAM, `val_bce`; what was not measured is left out."""
    formats: dict[str, Callable[[float], str]] = {
        "total_s": format_duration,
        "peak_rss_mib": lambda mib: f"{mib:,.0f} MiB",
        "val_bce": lambda bce: f"bce {bce:.3f}",
    }
    found = [(case.find_median(column), show) for column, show in formats.items()]
    return [show(value) for value, show in found if not math.isnan(value)]


def _name_case(way: Way, case: Trained) -> str:
    return f"{way.label}, batch {case.batch_size}"


def _make_card(label: str, ways: Sequence[Way], column: str, show: Callable[[float], str]) -> Card | None:
    """Say which case has the smallest figure, and which the largest; None where none has one."""
    ranked = _rank(ways, column)
    if not ranked:
        return None
    (value, way, case), (most, last, _) = ranked[0], ranked[-1]
    total = case.find_median("total_s")
    took = "" if math.isnan(total) else f": {format_count(case.epochs, 'epoch')} in {format_duration(total)}"
    return Card(label, show(value), f"{_name_case(way, case)}{took}", f"up to {show(most)} ({last.label})")


def _rank(ways: Sequence[Way], column: str) -> list[tuple[float, Way, Trained]]:
    """Return each case with its figure, ascending; one without is left out."""
    found = [(case.find_median(column), way, case) for way in ways for case in way.cases]
    return sorted((each for each in found if not math.isnan(each[0])), key=lambda each: each[0])


def _find_same(way: Way, case: Trained) -> Trained | None:
    """Find the case of another way that was trained alike."""
    alike = (each for each in way.cases if (each.batch_size, each.epochs) == (case.batch_size, case.epochs))
    return next(alike, None)


def _list_totals(plain: Way, others: Sequence[Way]) -> list[tuple[float, Way, Trained]]:
    """Return the ways in which the plain way's best case was trained, the shortest whole time first."""
    same = [(way, case) for way in (plain, *others) if (case := _find_same(way, plain.best))]
    timed = [(case.find_median("total_s"), way, case) for way, case in same]
    return sorted((each for each in timed if not math.isnan(each[0])), key=lambda each: each[0])


def _choose_way(plain: Way, others: Sequence[Way]) -> str:
    """Say which way to use, by the whole time; empty where there is no choice."""
    totals = _list_totals(plain, others)
    return f"use {totals[0][1].name}" if len(totals) > 1 else ""


def _compare_ways(plain: Way, others: Sequence[Way]) -> Card | None:
    """Say how much faster the way with the shortest epochs is, per epoch and over all, and from where on it pays."""
    seconds = plain.best.find_median("epoch_s_median")
    timed = [
        (faster, way, case)
        for _, way, case in _list_totals(plain, others)
        if way is not plain and (faster := seconds / case.find_median("epoch_s_median")) > 0
    ]
    if not timed:
        return None
    per_epoch, way, case = max(timed, key=lambda each: each[0])
    over_all = plain.best.find_median("total_s") / case.find_median("total_s")
    pays = _find_break_even(plain.best, case)
    when = f"pays from {format_count(pays, 'epoch')} on" if pays else "does not pay"
    return Card(
        "Loop",
        f"{way.name}: {per_epoch:.2g} × {plain.name}",
        f"per epoch of {plain.model}, batch {case.batch_size}; "
        f"{over_all:.2f} × over {format_count(case.epochs, 'epoch')}",
        when,
    )


def _find_break_even(plain: Trained, other: Trained) -> int | None:
    """Find the epoch count from which the other way has the shorter whole time; None where it never has."""
    rates = [case.find_median("epoch_s_median") + _or_zero(case.find_median("val_s_median")) for case in (plain, other)]
    saved = rates[0] - rates[1]
    if not saved > 0:
        return None
    behind = other.find_median("total_s") - plain.find_median("total_s")
    return max(1, math.ceil(plain.epochs + behind / saved))


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _make_trust_card(report: SweepReport) -> Card | None:
    """Say how well a time per epoch is known, and how many epochs were noisy."""
    if not report.speeds:
        return None
    within = statistics.median(speed.within for speed in report.speeds.values())
    noisy, epochs = count_noisy_epochs(report.outcomes)
    remark = f"{noisy:,} of {format_count(epochs, 'epoch')} noisy"
    return Card("How sure", f"± {format_within(within)}", "of a time per epoch, the median over all cases", remark)
