"""What a report says first: the machine, the models, and the sentences that matter. Pure functions on rows."""

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from bench.host import reference_kernels
from bench.host.fingerprint import Fingerprint
from bench.plan import catalog
from bench.report import variants
from bench.report.tables import loss, seconds
from bench.results.schema import Outcome, ResultRow, SweepHeader


def machine_name(fingerprint: Fingerprint) -> str:
    """A machine in a few words."""
    cores = f"{fingerprint.cpu_limit:g} core" + ("" if fingerprint.cpu_limit == 1 else "s")
    return f"{fingerprint.cpu_model or fingerprint.cpu_arch}, {cores}"


_BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


def software(header: SweepHeader) -> list[str]:
    """Keras and the sweep's backends with their versions; one that is not installed here is left out."""
    versions = {"Keras": header.fingerprint.keras}
    versions |= {_BACKENDS.get(name, name): getattr(header.fingerprint, name, None) for name in header.profile.backends}
    return [f"{name} {version}" for name, version in versions.items() if version]


def models(rows: Sequence[ResultRow]) -> list[str]:
    """Models with rows, in the catalog's order; one that this checkout no longer has comes last."""
    order = list(catalog.model_settings())
    present = {row.model for row in rows}
    return [*(name for name in order if name in present), *sorted(present - set(order))]


def model_title(name: str) -> str:
    """A model's name with what it is."""
    settings = catalog.model_settings().get(name)
    return f"{name}: {settings.title}" if settings else name


def sentences(header: SweepHeader, outcomes: Sequence[Outcome], rows: Sequence[ResultRow]) -> list[str]:
    """Three sentences at most: how fast and how large, how good, what not to trust."""
    lines = _last_lines(rows)
    if not lines:
        return ["Nothing was measured.", *_distrust(header, outcomes, rows)]
    return [*_speed(header, lines), *_quality(lines), *_distrust(header, outcomes, rows)]


def last_rows(rows: Sequence[ResultRow]) -> list[ResultRow]:
    """The row of each case's last checkpoint that was reached."""
    last: dict[str, ResultRow] = {}
    for row in sorted(rows, key=lambda row: row.epochs):
        if row.status == "ok":
            last[row.case_id] = row
    return [row for row in rows if last.get(row.case_id) is row]


def count_noisy_epochs(outcomes: Sequence[Outcome]) -> tuple[int, int]:
    """How many epochs were noisy by others, and of how many."""
    noisy = sum(sum(outcome.epochs.column("noisy")) for outcome in outcomes)
    return noisy, sum(len(outcome.epochs) for outcome in outcomes)


def drift(outcomes: Sequence[Outcome]) -> tuple[float, float] | None:
    """The reference kernel's lowest and highest GFLOP/s between the cases; None where the machine kept its speed."""
    runs = [run for outcome in outcomes for run in (outcome.reference_before, outcome.reference_after) if run]
    if reference_kernels.find_spread_percent(runs) <= reference_kernels.SPREAD_PERCENT:
        return None
    reached = [run.gflop_per_s_median for run in runs]
    return min(reached), max(reached)


def machine(header: SweepHeader) -> dict[str, str]:
    """What is known of the machine, by the fingerprint's fields."""
    identities = {"machine_id": header.machine_id, "environment_id": header.environment_id}
    fields = {**identities, **header.fingerprint.model_dump()}
    return {name: str(value) for name, value in fields.items() if value is not None}


# ------------------------------------------------------------------------------ lines

_Line = list[ResultRow]
"""The processes of one case at its last checkpoint."""


def _last_lines(rows: Sequence[ResultRow]) -> list[_Line]:
    lines: dict[tuple[Any, ...], _Line] = {}
    for row in last_rows(rows):
        lines.setdefault((row.model, row.batch_size, row.backend, row.loop, row.precision), []).append(row)
    return list(lines.values())


def _named(line: _Line, lines: Sequence[_Line]) -> str:
    """A line by what tells it from the others: "basic, batch 256"."""
    row = line[0]
    varying = variants.varying([each[0] for each in lines])
    return ", ".join([row.model, f"batch {row.batch_size}", *(str(getattr(row, axis)) for axis in varying)])


def _values(lines: Sequence[_Line], column: str) -> list[tuple[float, _Line]]:
    """The median over a line's processes, ascending; lines without a figure are left out."""
    found = []
    for line in lines:
        known = [value for row in line if (value := getattr(row, column)) is not None]
        if known:
            found.append((statistics.median(known), line))
    return sorted(found, key=lambda each: each[0])


# ------------------------------------------------------------------------------ sentences


def _speed(header: SweepHeader, lines: Sequence[_Line]) -> list[str]:
    times, peaks = _values(lines, "epoch_s_median"), _values(lines, "peak_rss_mib")
    memory = f"; memory peaked at {_span(peaks, '{:.0f}'.format)} MiB" if peaks else ""
    if not times:
        return [f"No epoch after the warm-up was timed{memory}."]
    (low, fastest), (high, slowest) = times[0], times[-1]
    epoch = f"An epoch of {header.train_samples:,} images took"
    if len(times) == 1:
        return [f"{epoch} {seconds(low)} s ({_named(fastest, lines)}){memory}."]
    ends = f"from {seconds(low)} s ({_named(fastest, lines)}) to {seconds(high)} s ({_named(slowest, lines)})"
    return [f"{epoch} {ends}{memory}."]


def _span(values: Sequence[tuple[float, _Line]], text: Callable[[float], str]) -> str:
    low, high = text(values[0][0]), text(values[-1][0])
    return low if low == high else f"{low} to {high}"


def _quality(lines: Sequence[_Line]) -> list[str]:
    losses = _values(lines, "val_bce")
    if not losses:
        return []
    (low, best), (high, worst) = losses[0], losses[-1]
    measure = "mean binary cross-entropy a validation pixel"
    first = f"{_named(best, lines)} rebuilt its images best, {loss(low)} nats after {_epochs(best)} ({measure})"
    if len(losses) == 1:
        return [f"{first}."]
    return [f"{first}; {_named(worst, lines)} worst, {loss(high)} after {_epochs(worst)}."]


def _epochs(line: _Line) -> str:
    return "1 epoch" if line[0].epochs == 1 else f"{line[0].epochs} epochs"


def _distrust(header: SweepHeader, outcomes: Sequence[Outcome], rows: Sequence[ResultRow]) -> list[str]:
    reasons = [
        *_unmeasured(header, outcomes),
        *_noisy(outcomes),
        *_unsteady(_last_lines(rows)),
        *_drifting(outcomes),
    ]
    if header.dataset_genuine is False:
        reasons.append(f"the arrays are not those usually known as {header.profile.dataset}")
    if reasons:
        return [f"Trust with care: {'; '.join(reasons)}."]
    if not outcomes:
        return []
    if all(row.steady is None for row in rows):
        return ["No epoch was noisy; the runs are too short to tell whether their times are steady."]
    return ["Nothing spoke against these figures: no epoch was noisy, and no series of times showed a trend."]


def _unmeasured(header: SweepHeader, outcomes: Sequence[Outcome]) -> list[str]:
    missing = len(header.cases) - sum(outcome.status == "ok" for outcome in outcomes)
    return [f"{missing} of {len(header.cases)} cases did not end well or did not run"] if missing > 0 else []


def _noisy(outcomes: Sequence[Outcome]) -> list[str]:
    noisy, epochs = count_noisy_epochs(outcomes)
    return [f"{noisy} of {epochs} epochs were noisy by others"] if noisy else []


def _unsteady(lines: Sequence[_Line]) -> list[str]:
    unsteady = [_named(line, lines) for line in lines if any(row.steady is False for row in line)]
    if not unsteady:
        return []
    more = f" and {len(unsteady) - 2} more" if len(unsteady) > 3 else ""
    return [f"epochs of {' and of '.join(unsteady[:2] if more else unsteady)}{more} never became steady"]


def _drifting(outcomes: Sequence[Outcome]) -> list[str]:
    if drift(outcomes) is None:
        return []
    return ["the machine changed its own speed between cases, so their times compare roughly"]
