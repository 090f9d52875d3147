"""What a case will take on the machine of the reference reports: seconds per epoch, its start, and its peak RAM.

`references.csv` has what was measured there. Between two measured batch sizes, or two numbers of images, a forecast is
interpolated. Beyond them, and for a way to train that nobody measured, there is none.
"""

import csv
import functools
import itertools
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.plan.profile import Case

FILE = Path(__file__).parent / "references.csv"


@dataclass(frozen=True)
class Reference:
    """One process of a reference report: a line of references.csv."""

    report: str
    model: str
    backend: str
    loop: str
    precision: str
    batch_size: int
    train_samples: int
    start_s: float
    """Seconds outside of its epochs as they are later on: imports, compilation, the slow first epochs."""
    epoch_s: float
    """Seconds of an epoch on a quiet machine, its validation included."""
    peak_rss_mib: float


@dataclass(frozen=True)
class Forecast:
    """What a case will take."""

    start_s: float
    epoch_s: float
    """Of an epoch, its validation included."""
    peak_rss_mib: float

    def compute_total(self, epochs: int) -> float:
        """Seconds of a process that trains so many epochs."""
        return self.start_s + epochs * self.epoch_s


@functools.cache
def read_references() -> tuple[Reference, ...]:
    """Read what comes with aebench."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return tuple(
            Reference(
                report=line["report"],
                model=line["model"],
                backend=line["backend"],
                loop=line["loop"],
                precision=line["precision"],
                batch_size=int(line["batch_size"]),
                train_samples=int(line["train_samples"]),
                start_s=float(line["start_s"]),
                epoch_s=float(line["epoch_s"]),
                peak_rss_mib=float(line["peak_rss_mib"]),
            )
            for line in csv.DictReader(file)
        )


def forecast_case(case: Case, train_samples: int, references: Iterable[Reference] | None = None) -> Forecast | None:
    """Foretell a case; None where neither it nor its neighbours on both sides were measured.

    A number of threads that the case sets is another way to train, of which the references have none.
    """
    if case.threads is not None:
        return None
    way = (case.model, case.backend, case.loop, case.precision)
    given = read_references() if references is None else references
    alike = [each for each in given if (each.model, each.backend, each.loop, each.precision) == way]
    same_batch = [each for each in alike if each.batch_size == case.batch_size]
    same_images = [each for each in alike if each.train_samples == train_samples]
    return _interpolate(same_batch, train_samples, lambda each: each.train_samples) or _interpolate(
        same_images, case.batch_size, lambda each: each.batch_size, is_steps=True
    )


def _interpolate(
    references: Sequence[Reference], wanted: int, get_place: Callable[[Reference], int], *, is_steps: bool = False
) -> Forecast | None:
    """Interpolate between the nearest places on both sides; with ``is_steps``, time goes with the number of steps."""
    places = sorted({get_place(each) for each in references})
    found = {place: _summarize([each for each in references if get_place(each) == place]) for place in places}
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


def _summarize(references: Sequence[Reference]) -> Forecast:
    return Forecast(
        statistics.median(each.start_s for each in references),
        statistics.median(each.epoch_s for each in references),
        statistics.median(each.peak_rss_mib for each in references),
    )
