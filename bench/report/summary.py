"""What a report says first: the sentences that matter, what was measured, on which machine. Pure functions on rows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.errors import format_count, join_names
from bench.host import reference_kernels
from bench.host.fingerprint import Fingerprint
from bench.plan import catalog
from bench.plan.estimate import format_duration
from bench.plan.profile import name_briefly
from bench.report import advice, variants
from bench.report.tables import format_loss, format_seconds
from bench.results import bands
from bench.results.journal_lines import Outcome, SweepHeader
from bench.results.schema import ResultRow
from bench.results.speed import CaseSpeed, name_case
from bench.results.stats import NOISY_FRACTION, compute_median_of_known


def name_machine(fingerprint: Fingerprint) -> str:
    """Name a machine in a few words."""
    return f"{fingerprint.cpu_model or fingerprint.cpu_arch}, {format_count(fingerprint.cpu_limit, 'core')}"


def list_models(rows: Sequence[ResultRow]) -> list[str]:
    """List the models with rows, in the catalog's order; those that the catalog does not have come last."""
    order = list(catalog.read_model_settings())
    present = {row.model for row in rows}
    return [*(name for name in order if name in present), *sorted(present - set(order))]


def name_model(name: str) -> str:
    """Name a model and say what it is."""
    settings = catalog.read_model_settings().get(name)
    return f"{name}: {settings.title}" if settings else name


def list_facts(header: SweepHeader, outcomes: Sequence[Outcome]) -> dict[str, str]:
    """List what was measured, on what and with what."""
    profile, fingerprint = header.profile, header.fingerprint
    ok, further = (sum(outcome.status == "ok" for outcome in some) for some in header.split_outcomes(outcomes))
    and_further = f", and {format_count(further, 'further process')}" if further else ""
    genuine = "; not the arrays usually known by that name" if header.dataset_genuine is False else ""
    processes = f", {profile.repeats} processes per case" if profile.repeats > 1 else ""
    gpu = f", {fingerprint.gpu}" if fingerprint.gpu else ""
    return {
        "Sweep": f"profile {profile.name}, {ok} of {format_count(len(header.cases), 'case')} measured{and_further}",
        "Images": f"{header.train_samples:,} training, {header.val_samples:,} validation, of {profile.dataset} "
        f"({header.dataset_origin}){genuine}",
        "Training": f"optimizer {profile.optimizer}, seed {profile.seed}{processes}",
        "Machine": f"{fingerprint.cpu_model or fingerprint.cpu_arch}, {fingerprint.cpu_limit:g} of "
        f"{format_count(fingerprint.cores_logical, 'hardware thread')}, {fingerprint.ram_mib / 1024:.1f} GiB{gpu}",
        "Software": ", ".join([*_list_versions(header), fingerprint.python, fingerprint.os]),
        "Begun": header.created_at,
    }


def _list_versions(header: SweepHeader) -> list[str]:
    """List Keras and the sweep's backends with their versions; one that is not installed is left out."""
    versions = {"Keras": header.fingerprint.keras}
    versions |= {
        catalog.get_backend_title(name): getattr(header.fingerprint, name, None) for name in header.profile.backends
    }
    return [f"{name} {version}" for name, version in versions.items() if version]


def select_last_rows(rows: Sequence[ResultRow]) -> list[ResultRow]:
    """Select the rows of the last checkpoint that each case reached; processes that ended before it have none."""
    last: dict[str, int] = {}
    for row in rows:
        if row.status == "ok":
            last[name_case(row)] = max(last.get(name_case(row), 0), row.epochs)
    return [row for row in rows if row.status == "ok" and last[name_case(row)] == row.epochs]


def group_cases(rows: Sequence[ResultRow]) -> dict[tuple[Any, ...], list[ResultRow]]:
    """Group rows by their cases: the rows of all processes that differ in the repeat alone."""
    cases: dict[tuple[Any, ...], list[ResultRow]] = {}
    for row in rows:
        cases.setdefault((row.model, row.batch_size, *variants.get_way(row)), []).append(row)
    return cases


def count_noisy_epochs(outcomes: Sequence[Outcome]) -> tuple[int, int]:
    """Count the noisy epochs, and all epochs."""
    noisy = sum(sum(outcome.epochs.get_column("noisy")) for outcome in outcomes)
    return noisy, sum(len(outcome.epochs) for outcome in outcomes)


def find_drift(outcomes: Sequence[Outcome]) -> tuple[float, float] | None:
    """Find the lowest and highest GFLOP/s of the reference kernel between the cases; None where it kept its speed."""
    runs = [run for outcome in outcomes for run in (outcome.reference_before, outcome.reference_after) if run]
    if reference_kernels.find_spread_percent(runs) <= reference_kernels.SPREAD_PERCENT:
        return None
    rates = [run.gflop_per_s_median for run in runs]
    return min(rates), max(rates)


# ------------------------------------------------------------------------------ sentences

_MOST_GROUPS = 3
"""Where cases end at different epoch counts, the time to so many of these is said, the last ones."""
_TIME_PERCENT, _PEAK_PERCENT = 25.0, 10.0
"""A forecast is good that is not further off: of time on a machine that others use too, and of peak RAM."""
_MOST_OUTSIDE = 2
"""So many losses outside of their reference bands are named."""
_LONGEST_S = 1e10
"""Three centuries: no journal that somebody made up can ask for more."""

_Line = list[ResultRow]
"""The processes of one case at its last checkpoint."""


def describe_sweep(header: SweepHeader, outcomes: Sequence[Outcome]) -> str:
    """Describe in a line what was swept on what."""
    ok, further = (sum(outcome.status == "ok" for outcome in some) for some in header.split_outcomes(outcomes))
    cases = f"{'' if ok == len(header.cases) else f'{ok} of '}{format_count(len(header.cases), 'case')}"
    and_further = f" and {format_count(further, 'further process')}" if further else ""
    images = f"{header.train_samples:,} images of {header.profile.dataset}"
    return f"Profile {header.profile.name}: {cases}{and_further} on {images}; {name_machine(header.fingerprint)}."


def summarize(
    header: SweepHeader, outcomes: Sequence[Outcome], rows: Sequence[ResultRow], speeds: Mapping[str, CaseSpeed]
) -> list[str]:
    """Answer in at most seven sentences: how long, in how much memory, how good, by which loop, what of it a script can
    copy, how good the forecast was, and what not to trust.

    ``speeds`` are those of ``rows``.
    """
    lines = list(group_cases(select_last_rows(rows)).values())
    trust = _describe_trust(header, outcomes, rows, lines)
    if not lines:
        return ["Nothing was measured.", *trust]
    side_by_side = variants.compare_variants(rows, speeds)
    loops, advised = variants.recommend(side_by_side), advice.summarize_advice(advice.list_advice(side_by_side))
    return [
        _describe_time(header, rows, lines),
        *_describe_range("Memory: peak RAM", "peak_rss_mib", lines, lambda mib: f"{mib:,.0f} MiB"),
        *_describe_range("Quality: bce", "val_bce", lines, format_loss, "; lower is better"),
        *([f"Loop: {loops}"] if loops else []),
        *([f"Advice: {advised}"] if advised else []),
        *_describe_forecasts(header, lines),
        *trust,
    ]


def _name_line(line: _Line, lines: Sequence[_Line]) -> str:
    """Name a case by what differs between the cases: "basic, batch 256, 50 epochs"."""
    row = line[0]
    ways = variants.name_axes(row, variants.find_varying([each[0] for each in lines]))
    epochs = [format_count(row.epochs, "epoch")] if len({each[0].epochs for each in lines}) > 1 else []
    return ", ".join([name_briefly(row.model, ways, row.batch_size), *epochs])


def _rank(lines: Sequence[_Line], column: str) -> list[tuple[float, _Line]]:
    """Return each case's median over its processes, ascending; a case without the figure is left out."""
    medians = [(compute_median_of_known(getattr(row, column) for row in line), line) for line in lines]
    return sorted(((value, line) for value, line in medians if value is not None), key=lambda each: each[0])


def _describe_time(header: SweepHeader, rows: Sequence[ResultRow], lines: Sequence[_Line]) -> str:
    """Describe how long training took up to each epoch count that a case ends with."""
    took = []
    for epochs in sorted({line[0].epochs for line in lines})[-_MOST_GROUPS:]:
        there = list(group_cases([row for row in rows if row.status == "ok" and row.epochs == epochs]).values())
        if ranked := _rank(there, "total_s"):
            took.append(f"{format_count(epochs, 'epoch')} took {_format_ends(ranked, there, format_time)}")
    times = [format_seconds(seconds) for seconds, _ in _rank(lines, "epoch_s_median")]
    ends = " to ".join(dict.fromkeys((times[0], times[-1]))) if times else ""
    one = (
        f"one epoch of {header.train_samples:,} images took {ends} s" if ends else "too few epochs for the time of one"
    )
    return f"Time: {'; '.join(took)}, start and compilation included; {one}."


def format_time(seconds: float) -> str:
    """Format the seconds of a whole training: "8.0 s", "1 min 40 s"."""
    return f"{seconds:.1f} s" if seconds < 60 else format_duration(min(seconds, _LONGEST_S))


def _describe_range(
    beginning: str, column: str, lines: Sequence[_Line], format_value: Callable[[float], str], end: str = ""
) -> list[str]:
    """Describe the lowest and the highest of a figure, and whose they are; nothing where no case has it."""
    ranked = _rank(lines, column)
    return [f"{beginning} {_format_ends(ranked, lines, format_value)}{end}."] if ranked else []


def _format_ends(
    ranked: Sequence[tuple[float, _Line]], lines: Sequence[_Line], format_value: Callable[[float], str]
) -> str:
    """Format the lowest and highest figure: "6.2 s (basic, batch 256) to 29 s (deep, batch 128)"."""
    (low, lowest), (high, highest) = ranked[0], ranked[-1]
    if len(ranked) > 1 and format_value(low) == format_value(high):
        return format_value(low)
    ends = [f"{format_value(value)} ({_name_line(line, lines)})" for value, line in ((low, lowest), (high, highest))]
    return " to ".join(dict.fromkeys(ends))


def _describe_forecasts(header: SweepHeader, lines: Sequence[_Line]) -> list[str]:
    """Say how good the forecasts of the cases were; nothing where there was none."""
    times: list[float | None] = []
    peaks: list[float | None] = []
    by_others = 0
    for line in lines:
        if forecast := header.forecasts.get(name_case(line[0])):
            by_others += forecast.is_scaled
            took, held = (
                compute_median_of_known(getattr(row, name) for row in line) for name in ("total_s", "peak_rss_mib")
            )
            time, peak = forecast.compute_errors(line[0].epochs, took, held)
            times.append(time)
            peaks.append(peak)
    parts = [*_count_good(times, _TIME_PERCENT, "time"), *_count_good(peaks, _PEAK_PERCENT, "peak")]
    cases = len({name_case(line[0]) for line in lines})
    some = f"; {len(times)} of {format_count(cases, 'case')} had one" if len(times) < cases else ""
    count = "" if by_others == len(times) else f"{by_others} of {len(times)} "
    whose = f", {count}by reports of another machine" if by_others else ""
    return [f"Forecast: {', '.join(parts)}{whose}{some}."] if parts else []


def _count_good(percents: Sequence[float | None], most: float, what: str) -> list[str]:
    """Say how many forecasts were within so many percent, and how far off the worst of the others was.

    Nothing of none, and None is not measured.
    """
    known = [percent for percent in percents if percent is not None]
    if not known:
        return []
    good, of, worst = sum(percent <= most for percent in known), len(known), max(known)
    if of == 1:
        return [f"the {what} within {most:g} %" if good else f"the {what} {worst:.0f} % off"]
    count = "all" if good == of else f"{good} of {of}" if good else f"none of {of}"
    return [f"{count} {what}s within {most:g} %" + ("" if good == of else f" (the worst {worst:.0f} % off)")]


def _describe_trust(
    header: SweepHeader, outcomes: Sequence[Outcome], rows: Sequence[ResultRow], lines: Sequence[_Line]
) -> list[str]:
    planned, further = header.split_outcomes(outcomes)
    missing = len(header.cases) - sum(outcome.status == "ok" for outcome in planned)
    lost = sum(outcome.status != "ok" for outcome in further)
    noisy, epochs = count_noisy_epochs(outcomes)
    unsteady = [_name_line(line, lines) for line in lines if any(row.steady == "no" for row in line)]
    noise = f"{noisy or 'none'} of {format_count(epochs, 'epoch')} {'was' if noisy == 1 else 'were'} noisy"
    reasons = {
        f"{missing} of {format_count(len(header.cases), 'case')} failed or did not run": missing > 0,
        f"{lost} of {format_count(len(further), 'further process')} failed": lost > 0,
        noise: noisy > NOISY_FRACTION * epochs,
        f"epochs of {join_names(unsteady, 3)} never became steady": bool(unsteady),
        "the machine changed its own speed, so times compare only roughly": find_drift(outcomes) is not None,
        f"the arrays are not those usually known as {header.profile.dataset}": header.dataset_genuine is False,
    }
    within, outside = _check_bands(rows)
    reasons |= dict.fromkeys(outside, True)
    if any(reasons.values()):
        trust = f"with care, since {'; '.join(reason for reason, applies in reasons.items() if applies)}."
    elif not outcomes:
        return []
    elif all(row.steady == "unknown" for row in rows):
        trust = f"{noise}; the runs are too short to say whether their times are steady."
    else:
        trust = f"nothing speaks against these figures; {noise}, and no series of times had a trend."
    return [f"Trust: {trust}{within}"]


def _check_bands(rows: Sequence[ResultRow]) -> tuple[str, list[str]]:
    """Say that all losses lie within their reference bands, or name the first cases, at their last checkpoint, that
    do not.
    """
    known = bands.read_bands()
    checked = [row for row in rows if bands.find_band(known, row)]
    outside = [(row, sentence) for row in checked if (sentence := bands.check_row(known, row))]
    if not outside:
        return (f" Losses within their reference bands: {len(checked)} of {len(checked)}." if checked else ""), []
    last = {
        (name_case(row), row.repeat): sentence for row, sentence in sorted(outside, key=lambda each: each[0].epochs)
    }
    sentences = list(dict.fromkeys(last.values()))
    more = len(sentences) - _MOST_OUTSIDE
    rest = [f"{more} more lie outside of their reference bands"] if more > 0 else []
    return "", [*sentences[:_MOST_OUTSIDE], *rest]
