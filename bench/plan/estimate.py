"""How long a sweep will take: a guess before anything ran, corrected by what ran.

A way to train (backend, loop, precision) is guessed from `fit` by how many times as long its epochs took where it was
measured. Where it never was, there is no guess: XLA trains the convolutional models 10 to 150 times slower than other
loops on a processor (docs/method.md), so any would mislead.
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
_TIMES_FIT: dict[tuple[str, str, str], dict[str, float]] = {
    ("tensorflow", "fit", "mixed_bfloat16"): {"convolutional": 0.5, "denoising": 0.5, "sequence": 1.4},
    ("tensorflow", "graph", "float32"): {"basic": 0.5, "convolutional": 0.7, "denoising": 0.6, "sequence": 0.7},
    ("tensorflow", "graph", "mixed_bfloat16"): {"convolutional": 0.4, "denoising": 0.3, "sequence": 0.4},
    ("tensorflow", "xla", "float32"): {"basic": 0.2, "sparse": 0.2, "deep": 0.3, "variational": 0.35, "sequence": 0.7},
    ("jax", "fit", "float32"): {
        "basic": 0.3,
        "sparse": 0.35,
        "deep": 0.35,
        "variational": 0.45,
        "sequence": 1.6,
        "convolutional": 6.0,
    },
    ("jax", "xla", "float32"): {"basic": 0.2, "sparse": 0.25, "deep": 0.3, "variational": 0.35, "sequence": 1.6},
    ("torch", "fit", "float32"): {"basic": 4.0, "convolutional": 13.0, "sequence": 17.0, "variational": 18.0},
}
"""How many times as long as TensorFlow's `fit` in float32 an epoch took, on two cores, to a figure or two; for most of
these runs see docs/method.md."""
_SHAPED_AS = {"sparse_batch_sum": "sparse", "denoising_small": "convolutional"}
"""Models that train the same layers as another."""


def case_seconds(case: Case, train_samples: int, val_samples: int) -> float | None:
    """Seconds that a case may take on two cores of a server; other machines differ by a factor that a sweep shows.

    None where nobody has measured that way to train that model.
    """
    times_fit = _times_fit(case)
    if times_fit is None:
        return None
    settings = catalog.model_settings()[case.model]
    published_steps = _FULL_SAMPLES / settings.batch_size
    arithmetic_s = max(settings.epoch_s - published_steps * _STEP_S, 0.2 * settings.epoch_s) / _FULL_SAMPLES
    step_s = _STEP_S * train_samples / case.batch_size
    return _START_S + case.run_epochs * times_fit * (step_s + arithmetic_s * (train_samples + val_samples / 3))


def _times_fit(case: Case) -> float | None:
    if (case.backend, case.loop, case.precision) == ("tensorflow", "fit", "float32"):
        return 1.0  # every model's file says how long that takes
    measured = _TIMES_FIT.get((case.backend, case.loop, case.precision), {})
    return measured.get(_SHAPED_AS.get(case.model, case.model))


class Remaining:
    """What is left of a sweep: planned seconds, times how much longer than planned the finished cases took, and cases
    that nothing is planned for.
    """

    def __init__(self, cases: Iterable[Case], train_samples: int, val_samples: int) -> None:
        self._planned = {case.case_id: case_seconds(case, train_samples, val_samples) for case in cases}
        self._open = sum(planned for planned in self._planned.values() if planned is not None)
        self._unknown = sum(planned is None for planned in self._planned.values())
        self._done_planned = self._done_took = 0.0

    def finished(self, case: Case, took_s: float) -> None:
        """Count a case that ended after ``took_s`` seconds."""
        planned = self._planned[case.case_id]
        if planned is None:
            self._unknown -= 1
            return
        self._open -= planned
        self._done_planned += planned
        self._done_took += took_s

    def seconds(self, running: Case | None = None, elapsed_s: float = 0.0) -> float:
        """Seconds left of what is planned, with ``running`` under way since ``elapsed_s``."""
        factor = self._done_took / self._done_planned if self._done_planned else 1.0
        planned = self._planned[running.case_id] if running else None
        under_way = min(elapsed_s, planned * factor) if planned is not None else 0.0
        return max(self._open * factor - under_way, 0.0)

    def words(self, running: Case | None = None, elapsed_s: float = 0.0) -> str:
        """The same for people: "about 3 min 20 s and 2 cases without an estimate"."""
        known = [f"about {duration(self.seconds(running, elapsed_s))}"]
        return " and ".join([*(known if self._open > 0 or not self._unknown else []), *self._unknown_words()])

    def _unknown_words(self) -> list[str]:
        cases = format_count(self._unknown, "case")
        return [f"{cases} without an estimate"] if self._unknown else []


def duration(seconds: float) -> str:
    """A duration as a person says it: "40 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
