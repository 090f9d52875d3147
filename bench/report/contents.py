"""What all forms of a report show: its rows, its tables, and what a reader must know before trusting them."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from bench.console.table import Table
from bench.errors import format_count
from bench.host.machine import tabulate_machine
from bench.plan import catalog
from bench.report import published, variants
from bench.report.advice import Advice, describe_advice, list_advice
from bench.report.files import make_all_result_rows
from bench.report.overview import tabulate_cases, tabulate_overview
from bench.report.summary import count_noisy_epochs, find_drift, list_models, name_model, summarize
from bench.report.tables import (
    format_within,
    tabulate_model,
    tabulate_published,
    tabulate_thresholds,
    tabulate_variants,
)
from bench.report.thresholds import choose_thresholds
from bench.results.folder import ReportFolder
from bench.results.hours import Bandwidth, compare_with_usual
from bench.results.journal_lines import Outcome, SweepHeader
from bench.results.schema import ResultRow
from bench.results.speed import CaseSpeed, estimate_cases, find_hour_limit

_SAMPLING_TOLERANCE_MIB = 1.0
_MISSED_FRACTION = 0.8
"""Sampling that saw less than this fraction of the peak has missed it."""


@dataclass(frozen=True)
class SweepReport:
    """What a report is made of. Its rows and tables are made once, when they are first asked for."""

    folder: ReportFolder
    header: SweepHeader
    outcomes: Sequence[Outcome]
    """The last outcome of each case that was run."""
    notes: Sequence[str] = ()
    """What of the journal cannot be read."""
    without_noisy: bool = False
    """Leave noisy epochs out of the medians of the tables; the CSV files and the exports always include every epoch."""
    thresholds: tuple[float, ...] = ()
    """Values of `val_bce` until which epochs and seconds are reported, in nats per pixel; if none, a few are chosen."""

    @cached_property
    def rows(self) -> list[ResultRow]:
        """Those of results.csv."""
        return make_all_result_rows(self.outcomes, self.header)

    @cached_property
    def shown_rows(self) -> list[ResultRow]:
        """Those of the tables."""
        return make_all_result_rows(self.outcomes, self.header, without_noisy=True) if self.without_noisy else self.rows

    @cached_property
    def speeds(self) -> dict[str, CaseSpeed]:
        """Seconds per epoch of each case, by its name without the repeat."""
        return estimate_cases(self.shown_rows)

    @cached_property
    def models(self) -> dict[str, Table]:
        """A table for each model, in the catalog's order."""
        return {
            name: tabulate_model(name_model(name), [row for row in self.shown_rows if row.model == name], self.speeds)
            for name in list_models(self.shown_rows)
        }

    @cached_property
    def answer(self) -> list[str]:
        """At most seven sentences: how long, in how much memory, how good, by which loop, what a script can copy of it,
        how good the forecast was, and what not to trust.
        """
        return summarize(self.header, self.outcomes, self.shown_rows, self.speeds)

    @cached_property
    def cases(self) -> Table:
        """Every case in a line, with all of its checkpoints: what a sweep ends with on a terminal."""
        return tabulate_cases(self.shown_rows, self.speeds)

    @cached_property
    def overview(self) -> Table:
        """Every case at its last checkpoint."""
        return tabulate_overview(self.shown_rows, self.speeds)

    @cached_property
    def side_by_side(self) -> list[variants.SideBySide]:
        """Loops, backends, precisions and threads of each model and batch size that has more than one."""
        return variants.compare_variants(self.shown_rows, self.speeds)

    @property
    def variants(self) -> Table:
        """The same as a table; empty where there is one of each."""
        return tabulate_variants(self.side_by_side)

    @cached_property
    def advice(self) -> list[Advice]:
        """What a person can change in a script of their own, where the sweep tried something of that kind."""
        return list_advice(self.side_by_side)

    @property
    def advice_sentences(self) -> list[str]:
        """The same in words, one for each model and batch size."""
        return [describe_advice(each) for each in self.advice]

    @cached_property
    def reached(self) -> Table:
        """How long training took to reach the thresholds; empty where none was reached."""
        return tabulate_thresholds(self.outcomes, self.thresholds or choose_thresholds(self.outcomes))

    @cached_property
    def published(self) -> Table:
        """Published figures with ours."""
        return tabulate_published(published.compare_with_published(self.shown_rows, catalog.read_model_settings()))

    @property
    def tables(self) -> list[Table]:
        """Those of the terminal and of report.md: one for each model, then those over all models."""
        over_all = (self.variants, self.reached, self.published)
        return [*self.models.values(), *(table for table in over_all if not table.is_empty)]

    @property
    def machine(self) -> Table:
        """What is known of the machine."""
        header = self.header
        return tabulate_machine("The machine", header.machine_id, header.environment_id, header.fingerprint)

    @cached_property
    def certainty(self) -> list[str]:
        """How far the next run may lie from what the report says, and what was corrected for; none of nothing timed."""
        bandwidth = compare_with_usual(self.shown_rows)
        return [
            *_describe_certainty(self.header, self.outcomes, self.speeds, find_hour_limit(bandwidth)),
            *_describe_bandwidth(bandwidth),
        ]

    @cached_property
    def remarks(self) -> list[str]:
        """What a reader must know before trusting the tables."""
        return [
            *self.certainty,
            *_describe_noise(self.outcomes, without_noisy=self.without_noisy),
            *_describe_drift(self.outcomes),
            *_describe_sampling(self.rows),
            *_describe_energy(self.rows),
            *published.explain_dead_units(self.rows, catalog.read_model_settings()),
        ]

    @property
    def failed(self) -> list[Outcome]:
        """Cases that failed, further processes among them."""
        return [outcome for outcome in self.outcomes if outcome.status != "ok"]

    @property
    def is_cut(self) -> bool:
        """Whether a planned case was not run."""
        planned, _further = self.header.split_outcomes(self.outcomes)
        return len(planned) < len(self.header.cases)


def _describe_certainty(
    header: SweepHeader, outcomes: Sequence[Outcome], speeds: Mapping[str, CaseSpeed], hour: float
) -> list[str]:
    """Say how far the next run may lie from what the report says; one hour leaves ``hour`` at best."""
    if not speeds:
        return []
    _planned, further = header.split_outcomes(outcomes)
    if further:
        return [_describe_what_was_reached(header.profile.within_percent, outcomes, speeds, hour)]
    reach = [100 * speed.within for speed in speeds.values()]
    low, high = min(reach), max(reach)
    by = f"{low:.0f} to {high:.0f}" if round(low) < round(high) else f"{high:.0f}"
    if all(speed.processes == 1 for speed in speeds.values()):
        return [f"Each case ran once. Runs here differ by some {by} %, and the intervals say so."]
    return [f"The time per epoch of a case is known to within {by} %."]


def _describe_bandwidth(found: Bandwidth | None) -> list[str]:
    """Say how the hours' memory bandwidth differs from the usual one, and that the figures are corrected for it."""
    if found is None:
        return []
    percent = 100 * math.expm1(statistics.fmean(found.changes.values()))
    differs = f"{abs(percent):.0f} % {'below' if percent < 0 else 'above'}" if round(percent) else "as large as"
    usual = f"what this machine usually has, by {format_count(found.hours, 'hour')}"
    return [f"Memory bandwidth is {differs} {usual}; the quiet figures of cases are corrected for it."]


def _describe_what_was_reached(
    wanted_percent: float, outcomes: Sequence[Outcome], speeds: Mapping[str, CaseSpeed], hour: float
) -> str:
    """Say how many cases are known as well as wanted, and which is known least."""
    known = sum(speed.within <= wanted_percent / 100 for speed in speeds.values())
    widest = max(speeds, key=lambda name: speeds[name].within)
    title = next(outcome.case.title for outcome in outcomes if outcome.case.name == widest)
    are = "is" if 1 in (known, len(speeds)) else "are"
    words = (
        f"{known} of {format_count(len(speeds), 'case')} {are} known to within {wanted_percent:g} %; "
        f"the widest is {title}, within {format_within(speeds[widest].within)}."
    )
    if known == len(speeds) or wanted_percent / 100 >= hour:
        return words
    return (
        f"{words} Hours of one machine differ: one hour leaves {format_within(hour)} at best, and `--resume --minutes` "
        "at another hour narrows it."
    )


def _describe_noise(outcomes: Sequence[Outcome], *, without_noisy: bool) -> list[str]:
    noisy, epochs = count_noisy_epochs(outcomes)
    if not noisy:
        return []
    treatment = "left out of the medians" if without_noisy else "in the medians (`--without-noisy` leaves them out)"
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
        (row.case_id, row.peak_sampled_mib, row.peak_rss_mib)
        for row in rows
        if row.peak_sampled_mib is not None and row.peak_rss_mib is not None
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


def _describe_energy(rows: Sequence[ResultRow]) -> list[str]:
    """Say what the joules are of, and what of them would have been taken anyway."""
    idle = {row.energy_method: row.idle_w for row in rows if row.energy_method and row.train_total_j is not None}
    return [
        f"Joules (J) are all that {method} counted during training, other programs included"
        + ("." if watts is None else f"; before the sweep that was {watts:.3g} W.")
        for method, watts in idle.items()
    ]
