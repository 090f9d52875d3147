"""How long a sweep will take: a guess before anything ran, corrected by what ran.

Where reports were measured (`bench.plan.forecast`), they say it. Elsewhere a model's file says how long its epochs take
by `fit` on TensorFlow in float32, and how many times as long another way (backend, loop, precision) takes, where
somebody measured it. Where nobody did there is no guess, since any would mislead: XLA trains the convolutional models
10 to 150 times slower than other loops do on a processor (docs/research/loops.md).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bench.errors import format_count
from bench.plan import catalog
from bench.plan.forecast import Forecast
from bench.plan.profile import Case

_START_S = 8.0
"""A fresh process until its first epoch is over: importing TensorFlow, building, tracing."""
_FULL_SAMPLES = 60_000
_STEP_S = 0.001
"""What a step costs beside its arithmetic."""
_PLAN_S = 10.0
"""The plan counts like cases of so many seconds that took what was planned: one short case does not overrule it."""
_LEAST_S = 1.0
_BASIS = (catalog.DEFAULT_BACKEND, "fit", "float32")
"""What a model's `epoch_s` was measured with."""


def estimate_seconds(
    case: Case, train_samples: int, val_samples: int, forecast: Forecast | None = None
) -> float | None:
    """Seconds that a case may take: as foretold, or else on two cores of a server; other machines differ by a factor
    that a sweep shows.

    None where nobody has measured that way to train that model.
    """
    parts = estimate_parts(case, train_samples, val_samples, forecast)
    return None if parts is None else parts[0] + case.run_epochs * parts[1]


def estimate_parts(
    case: Case, train_samples: int, val_samples: int, forecast: Forecast | None = None
) -> tuple[float, float] | None:
    """Of these, the seconds outside of a case's epochs, and those of an epoch with its validation."""
    if forecast is not None:
        return forecast.start_s, forecast.epoch_s
    settings = catalog.read_model_settings()[case.model]
    way = (case.backend, case.loop, case.precision)
    factor = 1.0 if way == _BASIS else settings.epoch_factors.get(way)
    if factor is None:
        return None
    published_steps = _FULL_SAMPLES / settings.batch_size
    arithmetic_s = max(settings.epoch_s - published_steps * _STEP_S, 0.2 * settings.epoch_s) / _FULL_SAMPLES
    step_s = _STEP_S * train_samples / case.batch_size
    return _START_S, factor * (step_s + arithmetic_s * (train_samples + val_samples / 3))


@dataclass
class _Running:
    """The case that runs."""

    planned: float | None
    epochs: int
    """All that it trains."""
    first: tuple[int, float] | None = None
    """Its first epoch that was noted, and when that ended, in seconds since the case began."""
    last: tuple[int, float] | None = None

    @property
    def pace_s(self) -> float | None:
        """Seconds per epoch; None before the second one, since the first traces and compiles."""
        if self.first is None or self.last is None or self.first == self.last:
            return None
        return (self.last[1] - self.first[1]) / (self.last[0] - self.first[0])

    def compute_seconds(self, elapsed_s: float, factor: float) -> float | None:
        """Seconds that it may still take, one at least while it has epochs to go; None where that is not known."""
        if self.last is not None and self.pace_s is not None:
            to_go = self.epochs - self.last[0]
            return max(to_go * self.pace_s - (elapsed_s - self.last[1]), _LEAST_S) if to_go else 0.0
        if self.planned is None:
            return None
        fraction = 1 - (self.last[0] if self.last else 0) / self.epochs
        training_s = fraction * max(self.planned - _START_S, 0.0)  # a start that takes longer shortens nothing
        return max(self.planned * factor - elapsed_s, training_s * factor, _LEAST_S)


class Remaining:
    """What is left of a sweep: planned seconds, scaled by what the cases so far took, and cases without an estimate.

    The case that runs counts by the pace of its own epochs. Further processes, for as long as the sweep has minutes,
    are not counted.
    """

    def __init__(
        self,
        cases: Iterable[Case],
        train_samples: int,
        val_samples: int,
        forecasts: Mapping[str, Forecast] = MappingProxyType({}),
    ) -> None:
        """``forecasts`` are by the cases' names."""
        self._planned = {
            case.case_id: estimate_seconds(case, train_samples, val_samples, forecasts.get(case.name)) for case in cases
        }
        self._waiting = dict(self._planned)
        """Cases that have not begun."""
        self._running: _Running | None = None
        self._done_planned = self._done_took = _PLAN_S

    def start(self, case: Case) -> None:
        """Take that a case begins."""
        self._waiting.pop(case.case_id)
        self._running = _Running(self._planned[case.case_id], case.run_epochs)

    def note_epoch(self, epoch: int, elapsed_s: float) -> None:
        """Take that an epoch, from 1, of the running case ended so many seconds after the case began."""
        if self._running is not None:
            self._running.last = (epoch, elapsed_s)
            self._running.first = self._running.first or self._running.last

    def finish(self, took_s: float | None) -> None:
        """Take that the running case ended after ``took_s`` seconds; None where it failed, which says nothing."""
        if took_s is not None and self._running is not None and self._running.planned is not None:
            self._done_planned += self._running.planned
            self._done_took += took_s
        self._running = None

    def compute_seconds(self, elapsed_s: float = 0.0) -> float:
        """Seconds left of all that can be estimated; the running case began ``elapsed_s`` ago."""
        waiting = sum(planned for planned in self._waiting.values() if planned is not None)
        running, factor = self._running, self._done_took / self._done_planned
        left_s = None if running is None else running.compute_seconds(elapsed_s, factor)
        if running is None or left_s is None:
            return waiting * factor
        if running.planned is not None and running.pace_s is not None:  # a long first case says much before its end
            ran = running.planned * elapsed_s / (elapsed_s + left_s)
            factor = (self._done_took + elapsed_s) / (self._done_planned + ran)
        return waiting * factor + left_s

    def describe(self, elapsed_s: float = 0.0) -> str:
        """The same for people: "about 3 min 20 s and 2 cases without an estimate"."""
        running = [self._running] if self._running and self._running.compute_seconds(elapsed_s, 1.0) is None else []
        unknown = [*running, *(planned for planned in self._waiting.values() if planned is None)]
        seconds = self.compute_seconds(elapsed_s)
        words = [f"about {format_duration(seconds)}"] if seconds > 0 or not unknown else []
        words += [f"{format_count(len(unknown), 'case')} without an estimate"] if unknown else []
        return " and ".join(words)


def format_duration(seconds: float) -> str:
    """A duration as a person says it: "40 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
