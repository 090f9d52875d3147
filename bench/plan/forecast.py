"""What a case will take, by what the reference reports measured: seconds per epoch, its start, and its peak RAM.

`references.csv` has what was measured. A machine of the same processor and cores foretells first, then the others,
scaled by the reference kernels, of which those first that are most alike. Between two measured batch sizes, or two
numbers of images, a forecast is interpolated. Beyond them, and for a way to train that nobody measured, there is none.
"""

import csv
import functools
import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from bench.plan.profile import Case

FILE = Path(__file__).parent / "references.csv"


@dataclass(frozen=True)
class MeasuredProcess:
    """One process of a reference report: a line of references.csv."""

    report: str
    cpu_model: str
    cores: float
    """Cores' worth of time that its process had."""
    gflop_per_s: float | None
    """What the matrix product of the reference kernels reached before and after it."""
    gb_per_s: float | None
    """The same of the triad through memory."""
    model: str
    backend: str
    loop: str
    precision: str
    optimizer: str
    batch_size: int
    train_samples: int
    start_s: float
    """Seconds outside of its epochs (building, and imports as they usually are on its machine), and what the first one
    took longer than the median."""
    epoch_s: float
    """Median seconds of an epoch as it was, noise included, with its validation."""
    peak_rss_mib: float
    time_percent: float | None = None
    """How far the forecast of its whole time from the other reports is off; None where none of them has its case."""
    peak_percent: float | None = None
    """The same of its peak RAM."""


@dataclass(frozen=True)
class Forecast:
    """What a case will take."""

    start_s: float
    epoch_s: float
    """Of an epoch, its validation included."""
    peak_rss_mib: float
    time_percent: float | None = None
    """How far off the whole time of such cases was at most, where reports foretold each other; None: not known."""
    peak_percent: float | None = None
    """The same of their peak RAM."""
    is_scaled: bool = False
    """Whether it is by reports of another machine."""

    def compute_total(self, epochs: int) -> float:
        """Seconds of a process that trains so many epochs."""
        return self.start_s + epochs * self.epoch_s

    def scale(self, factor: float) -> "Forecast":
        """The same on a machine that takes so many times as long; how good that is, is not known."""
        return Forecast(factor * self.start_s, factor * self.epoch_s, self.peak_rss_mib, is_scaled=True)

    def compute_errors(
        self, epochs: int, total_s: float | None, peak_rss_mib: float | None
    ) -> tuple[float | None, float | None]:
        """Compute how far off it was, in percent of what was measured: in time, and in peak RAM.

        None of what was not measured.
        """
        pairs = ((self.compute_total(epochs), total_s), (self.peak_rss_mib, peak_rss_mib))
        time, peak = (100 * abs(foretold / measured - 1) if measured else None for foretold, measured in pairs)
        return time, peak


@dataclass(frozen=True)
class Machine:
    """A machine that cases are foretold for."""

    cpu_model: str | None
    cores: float
    gflop_per_s: float | None = None
    """What the reference kernels reach; where that is not known, nothing is scaled."""
    gb_per_s: float | None = None


@functools.cache
def read_measured() -> tuple[MeasuredProcess, ...]:
    """Read what comes with aebench."""
    adapter = TypeAdapter(tuple[MeasuredProcess, ...])
    with FILE.open(encoding="utf-8", newline="") as file:
        lines = [{name: cell or None for name, cell in line.items()} for line in csv.DictReader(file)]
    return adapter.validate_python(lines)


def list_machines(measured: Iterable[MeasuredProcess]) -> list[list[MeasuredProcess]]:
    """List the processes of each machine, of that with the most first."""
    machines: dict[_Identity, list[MeasuredProcess]] = {}
    for each in measured:
        machines.setdefault(_identify(each), []).append(each)
    return sorted(machines.values(), key=len, reverse=True)


_Identity = tuple[str | None, float]


def _identify(of: MeasuredProcess | Machine) -> _Identity:
    """Return what tells a machine from others."""
    return of.cpu_model, of.cores


def list_measured_on(cpu_model: str | None, cores: float) -> list[MeasuredProcess]:
    """List the processes of machines with that processor and so many cores: of others, how good is not known."""
    return [each for each in read_measured() if (each.cpu_model, each.cores) == (cpu_model, cores)]


def describe_machine(measured: Sequence[MeasuredProcess]) -> Machine:
    """Describe the machine of some processes: its kernels reach what they did in the median."""
    rates = ([getattr(each, name) for each in measured] for name in ("gflop_per_s", "gb_per_s"))
    known = [[rate for rate in own if rate is not None] for own in rates]
    return Machine(*_identify(measured[0]), *(statistics.median(own) if own else None for own in known))


def compare_kernels(machine: Machine, other: Machine) -> float:
    """How many times as long as on another machine the reference kernels take, in the geometric mean of the two."""
    rates = (machine.gflop_per_s, machine.gb_per_s, other.gflop_per_s, other.gb_per_s)
    product, triad, others_product, others_triad = (rate or 0.0 for rate in rates)
    return math.sqrt(others_product * others_triad / (product * triad)) if all(rates) else 1.0


def order_machines(measured: Iterable[MeasuredProcess], machine: Machine | None) -> list[list[MeasuredProcess]]:
    """List the processes of each machine, in the order in which they foretell for a machine; None: that of the most.

    Itself, then those whose reference kernels are most alike, of these those with the most processes; last those of
    which no kernels are known.
    """
    machines = list_machines(measured)
    if machine is None:
        return machines[:1]

    def measure_distance(own: Sequence[MeasuredProcess]) -> tuple[bool, float]:
        other = describe_machine(own)
        pairs = ((machine.gflop_per_s, other.gflop_per_s), (machine.gb_per_s, other.gb_per_s))
        logs = [abs(math.log(here / there)) if here and there else math.inf for here, there in pairs]
        return _identify(other) != _identify(machine), sum(logs)

    return sorted(machines, key=measure_distance)


def forecast_cases(cases: Iterable[Case], train_samples: int, machine: Machine) -> dict[str, Forecast]:
    """Foretell cases for a machine, by their names; those that cannot be foretold are left out."""
    found = {case.name: forecast_case(case, train_samples, machine=machine) for case in cases}
    return {name: forecast for name, forecast in found.items() if forecast is not None}


def forecast_case(
    case: Case,
    train_samples: int,
    measured: Iterable[MeasuredProcess] | None = None,
    machine: Machine | None = None,
) -> Forecast | None:
    """Foretell a case for a machine; without one, for that of the most lines.

    None where neither the case nor its neighbours on both sides were measured. A number of threads that the case sets
    is another way to train, of which the reference reports have none.
    """
    if case.threads is not None:
        return None
    machines = order_machines(read_measured() if measured is None else measured, machine)
    return _forecast_by(case, train_samples, machines, machine)


def _forecast_by(
    case: Case | MeasuredProcess,
    train_samples: int,
    machines: Iterable[Sequence[MeasuredProcess]],
    machine: Machine | None,
) -> Forecast | None:
    """Foretell a case by the first of the machines that can."""
    for own in machines:
        found = _forecast(case, train_samples, own)
        if found is not None and machine is not None and _identify(own[0]) != _identify(machine):
            return found.scale(compare_kernels(machine, describe_machine(own)))
        if found is not None:
            return found
    return None


def _forecast(case: Case | MeasuredProcess, train_samples: int, measured: Iterable[MeasuredProcess]) -> Forecast | None:
    axes = ("model", "backend", "loop", "precision", "optimizer")
    alike = [each for each in measured if all(getattr(each, axis) == getattr(case, axis) for axis in axes)]
    same_batch = [each for each in alike if each.batch_size == case.batch_size]
    same_images = [each for each in alike if each.train_samples == train_samples]
    return _interpolate(same_batch, train_samples, lambda each: each.train_samples) or _interpolate(
        same_images, case.batch_size, lambda each: each.batch_size, is_steps=True
    )


def _interpolate(
    measured: Sequence[MeasuredProcess],
    wanted: int,
    get_place: Callable[[MeasuredProcess], int],
    *,
    is_steps: bool = False,
) -> Forecast | None:
    """Interpolate between the nearest places on both sides; with ``is_steps``, time goes with the number of steps.

    How good that is, is not known: reports foretell each other's cases where both measured the same.
    """
    places = sorted({get_place(each) for each in measured})
    found = {place: _summarize([each for each in measured if get_place(each) == place]) for place in places}
    if wanted in found:
        return found[wanted]
    for low, high in itertools.pairwise(places):
        if low < wanted < high:
            part = (wanted - low) / (high - low)
            time_part = (1 / low - 1 / wanted) / (1 / low - 1 / high) if is_steps else part
            one, other = found[low], found[high]
            return Forecast(
                one.start_s + time_part * (other.start_s - one.start_s),
                one.epoch_s + time_part * (other.epoch_s - one.epoch_s),
                one.peak_rss_mib + part * (other.peak_rss_mib - one.peak_rss_mib),
            )
    return None


def _summarize(measured: Sequence[MeasuredProcess]) -> Forecast:
    return Forecast(
        statistics.median(each.start_s for each in measured),
        statistics.median(each.epoch_s for each in measured),
        statistics.median(each.peak_rss_mib for each in measured),
        find_worst(each.time_percent for each in measured),
        find_worst(each.peak_percent for each in measured),
    )


def find_worst(percents: Iterable[float | None]) -> float | None:
    """Return the largest of the errors that are known; None where none is."""
    return max((percent for percent in percents if percent is not None), default=None)


# ------------------------------------------------------------------ one machine from another

PROBED = "basic"
"""The model that a machine is probed with (`aebench run --plan --probe`)."""


def foretell_machines(measured: Sequence[MeasuredProcess], *, probe: bool = False) -> list[tuple[float, float]]:
    """Foretell each machine's cases from all other machines, as a plan does; empty of one machine.

    Scaled by the reference kernels, and with ``probe`` by what the probe's model takes. How many percent the time per
    epoch is off, and the peak RAM, for each process that can be foretold; with ``probe``, of other models than that.
    """
    errors = []
    for own in list_machines(measured):
        machine = describe_machine(own)
        others = order_machines([each for each in measured if _identify(each) != _identify(machine)], machine)
        known = [(each, _forecast_by(each, each.train_samples, others, machine)) for each in own]
        factors = _probe(known)
        for each, forecast in known:
            factor = factors.get((each.backend, each.loop)) if probe else 1.0
            if forecast and factor and not (probe and each.model == PROBED):
                pairs = ((factor * forecast.epoch_s, each.epoch_s), (forecast.peak_rss_mib, each.peak_rss_mib))
                time, peak = (100 * abs(foretold / was - 1) for foretold, was in pairs)
                errors.append((time, peak))
    return errors


def _probe(known: Iterable[tuple[MeasuredProcess, Forecast | None]]) -> dict[tuple[str, str], float]:
    """Return how many times as long as foretold an epoch of the probe's model takes, by backend and loop."""
    ratios: dict[tuple[str, str], list[float]] = {}
    for each, forecast in known:
        if each.model == PROBED and forecast is not None:
            ratios.setdefault((each.backend, each.loop), []).append(each.epoch_s / forecast.epoch_s)
    return {loop: statistics.median(found) for loop, found in ratios.items()}
