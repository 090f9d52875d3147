"""How long a sweep will take: a guess before anything ran, corrected by what ran.

A model's file says how long its epochs take by `fit` on TensorFlow in float32, and how many times as long another way
(backend, loop, precision) takes, where somebody measured it. Elsewhere there is no guess, since any would mislead: XLA
trains the convolutional models 10 to 150 times slower than other loops do on a processor (docs/research/loops.md).
"""

from collections.abc import Iterable

from bench.errors import format_count
from bench.plan import catalog
from bench.plan.profile import Case

_START_S = 8.0
"""A fresh process until its first epoch is over: importing TensorFlow, building, tracing."""
_FULL_SAMPLES = 60_000
_STEP_S = 0.001
"""What a step costs beside its arithmetic."""
_BASIS = (catalog.DEFAULT_BACKEND, "fit", "float32")
"""What a model's `epoch_s` was measured with."""


def estimate_seconds(case: Case, train_samples: int, val_samples: int) -> float | None:
    """Seconds that a case may take on two cores of a server; other machines differ by a factor that a sweep shows.

    None where nobody has measured that way to train that model.
    """
    settings = catalog.read_model_settings()[case.model]
    way = (case.backend, case.loop, case.precision)
    factor = 1.0 if way == _BASIS else settings.epoch_factors.get(way)
    if factor is None:
        return None
    published_steps = _FULL_SAMPLES / settings.batch_size
    arithmetic_s = max(settings.epoch_s - published_steps * _STEP_S, 0.2 * settings.epoch_s) / _FULL_SAMPLES
    step_s = _STEP_S * train_samples / case.batch_size
    return _START_S + case.run_epochs * factor * (step_s + arithmetic_s * (train_samples + val_samples / 3))


class Remaining:
    """What is left of a sweep: planned seconds, times how much longer than planned the finished cases took, and cases
    that nothing is planned for. Further processes, for as long as the sweep has minutes, are not counted.
    """

    def __init__(self, cases: Iterable[Case], train_samples: int, val_samples: int) -> None:
        self._planned = {case.case_id: estimate_seconds(case, train_samples, val_samples) for case in cases}
        self._open = sum(planned for planned in self._planned.values() if planned is not None)
        self._unknown = sum(planned is None for planned in self._planned.values())
        self._done_planned = self._done_took = 0.0

    def finish(self, case: Case, took_s: float) -> None:
        """Count a case that ended after ``took_s`` seconds."""
        planned = self._planned[case.case_id]
        if planned is None:
            self._unknown -= 1
            return
        self._open -= planned
        self._done_planned += planned
        self._done_took += took_s

    def compute_seconds(self, running: Case | None = None, elapsed_s: float = 0.0) -> float:
        """Seconds left of what is planned, with ``running`` under way since ``elapsed_s``."""
        factor = self._done_took / self._done_planned if self._done_planned else 1.0
        planned = self._planned[running.case_id] if running else None
        under_way = min(elapsed_s, planned * factor) if planned is not None else 0.0
        return max(self._open * factor - under_way, 0.0)

    def describe(self, running: Case | None = None, elapsed_s: float = 0.0) -> str:
        """The same for people: "about 3 min 20 s and 2 cases without an estimate"."""
        words = []
        if self._open > 0 or not self._unknown:
            words.append(f"about {format_duration(self.compute_seconds(running, elapsed_s))}")
        if self._unknown:
            words.append(f"{format_count(self._unknown, 'case')} without an estimate")
        return " and ".join(words)


def format_duration(seconds: float) -> str:
    """A duration as a person says it: "40 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
