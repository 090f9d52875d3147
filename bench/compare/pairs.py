"""One case on two machines: its speed, its time from start to end, its memory and its losses compared."""

from dataclasses import dataclass
from typing import Literal

from bench.compare.cases import CheckpointFigures, MeasuredCase
from bench.results.ratios import Ratio, compute_p_value, divide
from bench.results.reader import Row


@dataclass(frozen=True, slots=True)
class CasePair:
    """A case on the reference and on another machine; what only one side has is None on the other."""

    case: str
    reference: MeasuredCase | None
    machine: MeasuredCase | None
    timed: tuple[CheckpointFigures, CheckpointFigures] | None = None
    """The reference's and the machine's last checkpoint: times are those of whole runs."""
    sized: tuple[CheckpointFigures, CheckpointFigures] | None = None
    """The checkpoint at which memory and the time from start to end are compared, on each side."""
    evaluated: tuple[CheckpointFigures, CheckpointFigures] | None = None
    """The checkpoint at which losses are compared, on each side."""
    same_data: bool = True
    speed: Ratio | None = None
    """Of an epoch: how many times as fast as the reference."""
    p_value: float | None = None
    """How likely such a speed is where both sides are as fast."""
    clearly: Literal["faster", "slower"] | None = None
    """What it is called in a comparison of all cases; None where it may be as fast, as far as these runs can tell."""
    end_to_end: float | None = None
    """From the process' start to the last checkpoint of both: how many times as fast as the reference."""
    anon: float | None = None
    """Peak of anonymous memory, as a multiple of the reference's."""
    rss: float | None = None
    """Peak of resident memory, as a multiple of the reference's."""
    loss: float | None = None
    """The machine's less the reference's."""

    @property
    def row(self) -> Row:
        """What is trained."""
        side = self.reference or self.machine
        assert side is not None  # noqa: S101 - one side has it
        return side.row

    @property
    def memory(self) -> float | None:
        """Of anonymous memory where both sides have it, else of resident memory, as a multiple of the reference's.

        How much of resident memory is files that others mapped, such as TensorFlow's libraries, is chance.
        """
        return self.anon or self.rss or None


def pair_case(name: str, reference: MeasuredCase | None, other: MeasuredCase | None) -> CasePair:
    """A case of two machines, with a comparison of all that can be compared."""
    if reference is None or other is None or not reference.checkpoints or not other.checkpoints:
        return CasePair(name, reference, other)
    timed = (reference.checkpoints[-1], other.checkpoints[-1])
    sized, evaluated = _choose_sized(reference, other), _choose_evaluated(reference, other)
    one, two = sized
    same_data = timed[0].dataset_digest == timed[1].dataset_digest
    same_size = one.samples == two.samples
    speeds = (reference.speed, other.speed) if same_data and reference.speed and other.speed else None
    return CasePair(
        case=name,
        reference=reference,
        machine=other,
        timed=timed,
        sized=sized,
        evaluated=evaluated,
        same_data=same_data,
        speed=speeds and divide(*speeds),
        p_value=speeds and compute_p_value(*speeds),
        end_to_end=_divide_known(one.total_s, two.total_s) if same_data and one.epochs == two.epochs else None,
        anon=_divide_known(two.anon_mib, one.anon_mib) if same_size else None,
        rss=_divide_known(two.rss_mib, one.rss_mib) if same_size else None,
        loss=_subtract_losses(*evaluated) if evaluated else None,
    )


def _divide_known(over: float | None, under: float | None) -> float | None:
    return None if over is None or under is None else over / under


def _subtract_losses(reference: CheckpointFigures, other: CheckpointFigures) -> float | None:
    if reference.loss is None or other.loss is None or reference.dataset_digest != other.dataset_digest:
        return None
    return other.loss - reference.loss


def _choose_sized(reference: MeasuredCase, other: MeasuredCase) -> tuple[CheckpointFigures, CheckpointFigures]:
    """The last checkpoint of both; where there is none, each side's last."""
    matched = _match_checkpoints(reference, other)
    return matched[-1] if matched else (reference.checkpoints[-1], other.checkpoints[-1])


def _choose_evaluated(
    reference: MeasuredCase, other: MeasuredCase
) -> tuple[CheckpointFigures, CheckpointFigures] | None:
    """The last checkpoint of both with a loss: losses after different numbers of epochs cannot be compared."""
    matched = _match_checkpoints(reference, other)
    known = [(one, two) for one, two in matched if one.loss is not None and two.loss is not None]
    return known[-1] if known else None


def _match_checkpoints(
    reference: MeasuredCase, other: MeasuredCase
) -> list[tuple[CheckpointFigures, CheckpointFigures]]:
    others = {each.epochs: each for each in other.checkpoints}
    return [(each, others[each.epochs]) for each in reference.checkpoints if each.epochs in others]
