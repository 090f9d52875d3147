"""Ways to carry cases out. Each gives an outcome a case, in whatever order they end, and never raises for a case."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from bench.plan.profile import Case
from bench.results.schema import Outcome
from bench.worker.protocol import Event

Listener = Callable[[Case, Event | None], None]
"""Told of each event of a case while it runs; None when it starts."""


class Executor(Protocol):
    """Carries out cases."""

    def outcomes(self, cases: Sequence[Case], listen: Listener) -> Iterator[Outcome]:
        """Run the cases and yield each one's outcome when it is there. Closing the iterator ends what runs."""
        ...
