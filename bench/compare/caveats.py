"""What keeps two machines from being compared, and what to bear in mind where they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.compare.cases import CheckpointFigures, Machine
from bench.compare.pairs import CasePair
from bench.errors import format_count, quote
from bench.host.fingerprint import Fingerprint
from bench.plan import catalog
from bench.results.stats import NOISY_FRACTION

UNSTEADY_FRACTION = 0.25
"""Where a larger fraction of the cases had no steady state, times are read with care."""

State = Literal["yes", "with care", "no"]


@dataclass(frozen=True)
class Comparability:
    """Whether times, memory or losses can be compared, and why not or what to bear in mind."""

    state: State
    reasons: tuple[str, ...] = ()


def describe_same_machine(reference: Machine, other: Machine) -> str | None:
    """What two reports of one machine are to each other; None of two machines."""
    if reference.environment_id == other.environment_id:
        return "the same machine at another moment"
    return "the same machine in another environment" if reference.machine_id == other.machine_id else None


@dataclass(frozen=True)
class Caveats:
    """Finds what keeps two machines from being compared, or what to bear in mind."""

    reference: Machine
    other: Machine
    common: Sequence[CasePair]
    """Cases that succeeded on both."""
    has_shared: bool
    """Whether there is a case that both have, well or not."""

    def judge_times(self) -> Comparability:
        """Of seconds per epoch."""
        count = sum(each.speed is not None for each in self.common)
        caveats = [
            *([same] if (same := describe_same_machine(self.reference, self.other)) else []),
            *self._note_versions(),
            *self._note_field("env_flags", "settings", "none"),
            *self._note_noise(),
            *self._note_checkpoints([each.timed for each in self.common]),
        ]
        return self._judge(count, "no common case has a time on both", caveats)

    def judge_memory(self) -> Comparability:
        """Of peaks."""
        count = sum(each.memory is not None for each in self.common)
        sized = [each.sized for each in self.common if each.sized]
        other_methods = any(one.peak_method != two.peak_method for one, two in sized)
        has_gpu = self.reference.fingerprint.gpu or self.other.fingerprint.gpu
        caveats = [
            *self._note_versions(),
            *self._note_resident_memory(),
            *(["peaks read by different methods"] if other_methods else []),
            *(["memory of GPUs is not compared"] if has_gpu else []),
            *self._note_checkpoints(sized),
        ]
        other_sizes = sum(one.samples != two.samples for one, two in sized)
        return self._judge(count, "no common case has a peak on both", caveats, other_sizes=other_sizes)

    def judge_losses(self) -> Comparability:
        """Of `val_bce`."""
        count = sum(each.loss is not None for each in self.common)
        missing = sum(each.same_data and each.loss is None for each in self.common)
        of_all = f"{missing} of {format_count(len(self.common), 'case')}"
        caveats = [f"not evaluated after the same epochs in {of_all}"] if missing else []
        nothing = "no common case was evaluated after the same epochs"
        return self._judge(count, nothing, [*self._note_versions(), *caveats])

    def _judge(
        self, count: int, nothing: str, caveats: Sequence[str], *, other_sizes: int | None = None
    ) -> Comparability:
        """With ``count`` cases that can be compared; other data prevent it, but for memory only other image counts."""
        if other_sizes is None:
            unlike, why = sum(not each.same_data for each in self.common), "other data under the same name"
        else:
            unlike, why = other_sizes, "other numbers of images"
        if count == 0:
            absent = "no case succeeded on both" if self.has_shared else "no case is in both reports"
            reason = why if unlike else nothing
            return Comparability("no", (reason if self.common else absent,))
        partly = [f"{why} in {unlike} of {format_count(len(self.common), 'case')}"] if unlike else []
        return Comparability("with care" if partly or caveats else "yes", (*partly, *caveats))

    def _note_versions(self) -> list[str]:
        backends = dict.fromkeys(each.row.backend for each in self.common)
        names = ("keras", *(name for name in backends if name in Fingerprint.model_fields), "aebench")
        found = [
            self._note_field(name, "Keras" if name == "keras" else catalog.get_backend_title(name), "absent")
            for name in names
        ]
        return [reason for reasons in found for reason in reasons]

    def _note_field(self, name: str, title: str, nothing: str) -> list[str]:
        one, two = (getattr(side.fingerprint, name) for side in (self.reference, self.other))
        if one == two:
            return []
        own, there = (nothing if value is None else quote(value, 100) for value in (two, one))
        return [f"{title} {own}, not {there}"]

    def _note_resident_memory(self) -> list[str]:
        """Whether cases are compared by their resident memory, for want of anonymous memory on a side."""
        known = [each for each in self.common if each.memory]
        resident = sum(not each.anon for each in known)
        if resident == len(known):
            return ["only peaks of resident memory, mapped files included"]
        of_all = f"{resident} of {format_count(len(known), 'case')}"
        return [f"peaks of resident memory, mapped files included, in {of_all}"] if resident else []

    def _note_noise(self) -> list[str]:
        found = []
        for side, whose in ((1, "its"), (0, "the reference's")):
            figures = [each.timed[side] for each in self.common if each.timed and each.speed]
            noisy, of = sum(each.noisy for each in figures), sum(each.observed_epochs for each in figures)
            unsteady = sum(not each.steady for each in figures)
            if noisy > NOISY_FRACTION * of:
                found.append(f"{100 * noisy / of:.0f} % of {whose} epochs were noisy")
            if unsteady > UNSTEADY_FRACTION * len(figures):
                found.append(f"{whose} times were not steady in {unsteady} of {format_count(len(figures), 'case')}")
        return found

    def _note_checkpoints(self, sides: Sequence[tuple[CheckpointFigures, CheckpointFigures] | None]) -> list[str]:
        unequal = sum(side is not None and side[0].epochs != side[1].epochs for side in sides)
        return [f"after different numbers of epochs in {format_count(unequal, 'case')}"] if unequal else []
