"""How long a sweep will take: a guess before anything ran, corrected by what ran."""

from collections.abc import Iterable

from bench import catalog
from bench.spec import Case

_START_S = 8.0
"""A fresh process until its first epoch is over: importing TensorFlow, building, tracing."""
_FULL_SAMPLES = 60_000
_STEP_S = 0.001
"""What a step costs beside its arithmetic."""


def case_seconds(case: Case, train_samples: int, val_samples: int) -> float:
    """Seconds that a case may take on two cores of a server; other machines differ by a factor that a sweep shows."""
    settings = catalog.model_settings()[case.model]
    published_steps = _FULL_SAMPLES / settings.batch_size
    arithmetic_s = max(settings.epoch_s - published_steps * _STEP_S, 0.2 * settings.epoch_s) / _FULL_SAMPLES
    step_s = _STEP_S * train_samples / case.batch_size
    return _START_S + case.run_epochs * (step_s + arithmetic_s * (train_samples + val_samples / 3))


class Remaining:
    """Seconds left of a sweep: what is planned, times how much longer than planned the finished cases took."""

    def __init__(self, cases: Iterable[Case], train_samples: int, val_samples: int) -> None:
        self._planned = {case.case_id: case_seconds(case, train_samples, val_samples) for case in cases}
        self._open = sum(self._planned.values())
        self._done_planned = self._done_took = 0.0

    def finished(self, case: Case, took_s: float) -> None:
        """Count a case that ended after ``took_s`` seconds."""
        planned = self._planned[case.case_id]
        self._open -= planned
        self._done_planned += planned
        self._done_took += took_s

    def seconds(self, running: Case | None = None, elapsed_s: float = 0.0) -> float:
        """Seconds left, with ``running`` under way since ``elapsed_s``."""
        factor = self._done_took / self._done_planned if self._done_planned else 1.0
        under_way = min(elapsed_s, self._planned[running.case_id] * factor) if running else 0.0
        return max(self._open * factor - under_way, 0.0)


def duration(seconds: float) -> str:
    """A duration as a person says it: "40 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
