"""Ways to run cases. Each yields one outcome per case, in any order, and never raises because a case failed."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from bench.plan.profile import Case
from bench.results.journal_lines import Outcome
from bench.worker.protocol import Event

Listener = Callable[[Case, Event | None], None]
"""Called with each event of a case while it runs, and with None when the case starts."""


class Executor(Protocol):
    """Runs cases."""

    def run(self, cases: Sequence[Case], listen: Listener) -> Iterator[Outcome]:
        """Run the cases and yield each outcome as soon as it is there. Closing the iterator ends what runs."""
        ...
