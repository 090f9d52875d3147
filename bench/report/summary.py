"""What a report says first: the sentences that matter, what was measured, on which machine. Pure functions on rows."""

from collections.abc import Callable, Sequence
from typing import Any

from bench.errors import format_count
from bench.host import reference_kernels
from bench.host.fingerprint import Fingerprint
from bench.plan import catalog
from bench.report import variants
from bench.report.tables import format_loss, format_seconds
from bench.results.schema import Outcome, ResultRow, SweepHeader
from bench.results.speed import name_case
from bench.results.stats import compute_median_of_known


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

_Line = list[ResultRow]
"""The processes of one case at its last checkpoint."""


def summarize(header: SweepHeader, outcomes: Sequence[Outcome], rows: Sequence[ResultRow]) -> list[str]:
    """Summarize a sweep in at most three sentences: how fast and how large, how good, what not to trust."""
    lines: dict[tuple[Any, ...], _Line] = {}
    for row in select_last_rows(rows):
        lines.setdefault((row.model, row.batch_size, row.backend, row.loop, row.precision), []).append(row)
    trust = _describe_trust(header, outcomes, rows, list(lines.values()))
    if not lines:
        return ["Nothing was measured.", *trust]
    return [_describe_speed(header, list(lines.values())), *_describe_quality(list(lines.values())), *trust]


def _name_line(line: _Line, lines: Sequence[_Line]) -> str:
    """Name a case by what differs between the cases: "basic, batch 256"."""
    row = line[0]
    varying = variants.find_varying([each[0] for each in lines])
    return ", ".join([row.model, f"batch {row.batch_size}", *(str(getattr(row, axis)) for axis in varying)])


def _rank(lines: Sequence[_Line], column: str) -> list[tuple[float, _Line]]:
    """Return each case's median over its processes, ascending; a case without the figure is left out."""
    medians = [(compute_median_of_known(getattr(row, column) for row in line), line) for line in lines]
    return sorted(((value, line) for value, line in medians if value is not None), key=lambda each: each[0])


def _describe_speed(header: SweepHeader, lines: Sequence[_Line]) -> str:
    times, peaks = _rank(lines, "epoch_s_median"), _rank(lines, "peak_rss_mib")
    memory = f"; memory peaked at {_format_range(peaks, '{:.0f}'.format)} MiB" if peaks else ""
    if not times:
        return f"No epoch after the warm-up was timed{memory}."
    ends = [f"{format_seconds(seconds)} s ({_name_line(line, lines)})" for seconds, line in (times[0], times[-1])]
    took = ends[0] if len(times) == 1 else f"from {ends[0]} to {ends[1]}"
    return f"An epoch of {header.train_samples:,} images took {took}{memory}."


def _format_range(values: Sequence[tuple[float, _Line]], format_value: Callable[[float], str]) -> str:
    low, high = format_value(values[0][0]), format_value(values[-1][0])
    return low if low == high else f"{low} to {high}"


def _describe_quality(lines: Sequence[_Line]) -> list[str]:
    losses = _rank(lines, "val_bce")
    if not losses:
        return []
    (low, best), (high, last) = losses[0], losses[-1]
    sentence = (
        f"{_name_line(best, lines)} rebuilt its images best: {format_loss(low)} nats after "
        f"{format_count(best[0].epochs, 'epoch')} (mean binary cross-entropy per validation pixel)"
    )
    if len(losses) > 1:
        sentence += (
            f"; it is highest for {_name_line(last, lines)}: {format_loss(high)} after "
            f"{format_count(last[0].epochs, 'epoch')}"
        )
    return [f"{sentence}."]


def _describe_trust(
    header: SweepHeader, outcomes: Sequence[Outcome], rows: Sequence[ResultRow], lines: Sequence[_Line]
) -> list[str]:
    planned, further = header.split_outcomes(outcomes)
    missing = len(header.cases) - sum(outcome.status == "ok" for outcome in planned)
    lost = sum(outcome.status != "ok" for outcome in further)
    noisy, epochs = count_noisy_epochs(outcomes)
    unsteady = [_name_line(line, lines) for line in lines if any(row.steady == "no" for row in line)]
    reasons = {
        f"{missing} of {format_count(len(header.cases), 'case')} failed or did not run": missing > 0,
        f"{lost} of {format_count(len(further), 'further process')} failed": lost > 0,
        f"{noisy} of {format_count(epochs, 'epoch')} {'was' if noisy == 1 else 'were'} noisy": noisy > 0,
        f"epochs of {_join_names(unsteady)} never became steady": bool(unsteady),
        "the machine changed its own speed between cases, so their times compare only roughly": find_drift(outcomes)
        is not None,
        f"the arrays are not those usually known as {header.profile.dataset}": header.dataset_genuine is False,
    }
    if any(reasons.values()):
        return [f"Trust with care: {'; '.join(reason for reason, applies in reasons.items() if applies)}."]
    if not outcomes:
        return []
    if all(row.steady == "unknown" for row in rows):
        return ["No epoch was noisy; the runs are too short to say whether their times are steady."]
    return ["Nothing speaks against these figures: no epoch was noisy, and no series of times had a trend."]


def _join_names(names: Sequence[str]) -> str:
    """Join up to three names, or two and the number of the others."""
    return " and of ".join(names) if len(names) <= 3 else f"{names[0]} and of {names[1]} and {len(names) - 2} more"
