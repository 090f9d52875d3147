"""What a person can change in a script of their own to train faster here: pure functions on ways to train."""

from collections.abc import Container, Sequence
from dataclasses import dataclass

from bench.errors import format_count, join_names
from bench.plan import catalog
from bench.plan.profile import name_briefly
from bench.report.tables import format_loss
from bench.report.variants import SideBySide, Variant, Way, format_range, format_times
from bench.results.ratios import Ratio, divide

SAME_LOSS = 0.01
"""Losses that differ by no more than this fraction count as the same: other orders of the batches end as far apart."""
_PRECISION_CODE = 'keras.config.set_dtype_policy("{precision}")'


@dataclass(frozen=True)
class Gain:
    """What a way to train brings beside the plain one."""

    variant: Variant
    ratio: Ratio
    """How many times as fast per epoch."""

    @property
    def is_clear(self) -> bool:
        """Whether it is faster by the whole of the interval."""
        return self.ratio.low > 1


@dataclass(frozen=True)
class Advice:
    """What to change for a model and a batch size."""

    model: str
    batch_size: int
    epochs: int
    """The checkpoint that whole times and losses are of."""
    plain: Variant
    """What all others are compared with."""
    gains: tuple[Gain, ...]
    """All other ways on its backend, the fastest first."""

    @property
    def setting(self) -> Gain | None:
        """The fastest way that a script can copy and that is clearly faster; None where none is.

        One that needs other threads or another precision has to be clearly faster than the best one that does not.
        """
        faster = [gain for gain in self.gains if gain.is_clear and can_copy(gain.variant.way)]
        simple = next((gain for gain in faster if not list_top_lines(gain.variant.way)), None)
        if simple and divide(simple.variant.speed, faster[0].variant.speed, in_one_sweep=True).low <= 1:
            return simple
        return faster[0] if faster else None

    @property
    def best(self) -> Gain | None:
        """The fastest way of all, where it is clearly faster than the plain one and cannot be copied."""
        first = self.gains[0]
        return first if first.is_clear and not can_copy(first.variant.way) else None


def list_advice(entries: Sequence[SideBySide]) -> list[Advice]:
    """List the advice for each model and batch size of which a script could copy another way than the plain one."""
    found = (_make_advice(entry) for entry in entries)
    return [advice for advice in found if advice and any(can_copy(gain.variant.way) for gain in advice.gains)]


def _make_advice(entry: SideBySide) -> Advice | None:
    plain = entry.plain
    if plain is None:
        return None
    others = [each for each in entry.variants if each is not plain and each.way.backend == plain.way.backend]
    gains = [Gain(each, divide(plain.speed, each.speed, in_one_sweep=True)) for each in others]
    gains.sort(key=lambda gain: -gain.ratio.value)
    return Advice(entry.model, entry.batch_size, entry.epochs, plain, tuple(gains))


def can_copy(way: Way) -> bool:
    """Whether a script that calls `fit` can train in that way by other arguments and settings."""
    return way.loop in catalog.read_copyable_loops()


def list_top_lines(way: Way) -> list[str]:
    """List the lines that a script needs at its top to train in that way."""
    precision = [] if way.precision == "float32" else [_PRECISION_CODE.format(precision=way.precision)]
    if way.threads is None or way.backend not in catalog.read_backends():
        return precision
    return [*precision, catalog.read_backends()[way.backend].threads_code.format(threads=way.threads)]


def describe_change(way: Way) -> str:
    """Describe what a script has to change to train in that way: "add `jit_compile=True` to `compile`"."""
    change, top = catalog.read_copyable_loops().get(way.loop, ""), list_top_lines(way)
    lines = f"put {' and '.join(f'`{line}`' for line in top)} at the top of the script" if top else ""
    return " and ".join(filter(None, (change, lines)))


def describe_advice(advice: Advice) -> str:
    """Describe what to change, what it brings, and what the best loop of all would bring."""
    setting, best, case = advice.setting, advice.best, name_briefly(advice.model, (), advice.batch_size)
    if setting is None:
        words = f"{case}: no line added to a script is clearly faster than `{advice.plain.name}`."
    else:
        words = f"{case}: {describe_change(setting.variant.way)}: {_describe_gain(advice, setting)}."
    return f"{words} {_describe_best(best)}" if best else words


def _describe_gain(advice: Advice, gain: Gain) -> str:
    variant, ratio = gain.variant, gain.ratio
    interval = f"{format_times(ratio.low)} to {format_times(ratio.high)}"
    return ", ".join(
        [
            f"{format_times(ratio.value)} times as fast per epoch as `{advice.plain.name}` ({interval})",
            f"{format_times(variant.end_to_end or 0.0)} times over {format_count(advice.epochs, 'epoch')}",
            f"pays from epoch {variant.pays_from} on" if variant.pays_from else "does not pay for its compilation",
            describe_loss(advice.plain, variant),
        ]
    )


def _describe_best(best: Gain) -> str:
    times = format_times(best.ratio.value)
    return f"The loop `{best.variant.name}` is {times} times as fast, but no line of a script can copy it."


def describe_loss(plain: Variant, variant: Variant) -> str:
    """Describe whether two ways ended at the same loss."""
    if plain.loss is None or variant.loss is None:
        return "losses not known"
    if abs(variant.loss - plain.loss) <= SAME_LOSS * abs(plain.loss):
        return "same loss"
    return f"loss {format_loss(variant.loss)} instead of {format_loss(plain.loss)}"


def summarize_advice(found: Sequence[Advice]) -> str | None:
    """Say in one sentence what to change for which models; None where there is no advice."""
    groups: dict[str, list[Advice]] = {}
    for advice in found:
        change = describe_change(advice.setting.variant.way) if advice.setting else ""
        groups.setdefault(change, []).append(advice)
    changes = {(each.model, change) for change, some in groups.items() for each in some}
    several = {model for model, _ in changes if sum(model == other for other, _ in changes) > 1}
    return (
        f"{'; '.join(_summarize_group(change, some, several) for change, some in groups.items())}." if groups else None
    )


def _summarize_group(change: str, some: Sequence[Advice], several: Container[str]) -> str:
    """Describe what one change brings; models that are in ``several`` groups are named with their batch size."""
    names = [name_briefly(each.model, (), each.batch_size) if each.model in several else each.model for each in some]
    models = join_names(list(dict.fromkeys(names)), 3)
    if not change:
        return f"no line added to a script is clearly faster than {some[0].plain.name} for {models}"
    gains = [advice.setting for advice in some if advice.setting]
    ends, counts = [gain.variant.end_to_end or 0.0 for gain in gains], [advice.epochs for advice in some]
    times = f"{format_range([gain.ratio.value for gain in gains])} times as fast as {some[0].plain.name} per epoch"
    if max(ends) > 1:
        return f"{change} for {models}: {times}, {format_range(ends)} times over {format_range(counts)} epochs"
    pays = [gain.variant.pays_from for gain in gains if gain.variant.pays_from]
    return f"{change} for {models}: {times}" + (f", pays from epoch {format_range(pays)} on" if pays else "")
