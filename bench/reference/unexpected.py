"""What of a machine's reference reports is not as published, or as one would think: in sentences with their figures.

Pure functions on rows of the full MNIST (`chosen.choose_full`).
"""

from collections.abc import Callable, Iterable
from itertools import pairwise

from bench.reference.chosen import CHECKPOINTS, Rows, compare_ways, find_median, list_scaling
from bench.reference.references import identify
from bench.reference.sentences import LOSSES, SAME, compare, describe_range, judge, say_across
from bench.report.published import PublishedComparison
from bench.report.tables import format_loss, format_seconds

_COMPARED = (*LOSSES, "code_mean")
_OTHER_LOSS = 0.02
"""Seeds differ by about as much, or less."""


def say_unexpected(rows: Rows) -> list[str]:
    """What is not as published, or as one would think."""
    parts: tuple[Callable[[Rows], list[str]], ...] = (
        _say_other_losses,
        _say_uneven_times,
        _say_slow_loops,
        _say_slow_batches,
        _say_other_ends,
    )
    return [sentence for part in parts for sentence in part(rows)]


def _say_other_losses(rows: Rows) -> list[str]:
    found: dict[tuple[str, str, int, str, bool], list[PublishedComparison]] = {}
    for each in compare(rows):
        word = judge(each)
        if each.published.quantity in _COMPARED and word != "the same":
            is_loss = each.published.quantity in LOSSES
            key = (each.model, each.published.source, each.published.epochs, word, is_loss)
            found.setdefault(key, []).append(each)
    return [
        f"{model} after {epochs} epochs: the {source} {'have' if source.endswith('s') else 'has'} a "
        + " and a ".join(f"{each.quantity} of {each.published.value:.{each.published.decimals}f}" for each in those)
        + f"; here {'they are' if len(those) > 1 else 'it is'} {word}, "
        + " and ".join(f"{each.ours:.4f}" for each in those)
        + f".{_add_causes(those)}"
        for (model, source, epochs, word, _), those in found.items()
    ]


def _add_causes(those: Iterable[PublishedComparison]) -> str:
    """Each cause once, to stand behind a sentence."""
    return "".join(f" {cause}" for cause in dict.fromkeys(each.published.cause for each in those) if cause)


def _say_uneven_times(rows: Rows) -> list[str]:
    """Published times that do not grow as the epochs do."""
    times: dict[str, list[PublishedComparison]] = {}
    for each in compare(rows):
        if each.published.quantity == "fit_s":
            times.setdefault(each.model, []).append(each)
    return [
        f"In the field notes {two.published.epochs} epochs of {model} take {published:.1f} times as long as "
        f"{one.published.epochs}; here {ours:.1f} times.{_add_causes([two])}"
        for model, those in times.items()
        for one, two in pairwise(sorted(those, key=lambda each: each.published.epochs))
        for published in [two.published.value / one.published.value]
        for ours in [_compute_growth(rows, one, two)]
        if ours is not None and max(published, ours) > 1.5 * min(published, ours)
    ]


def _compute_growth(rows: Rows, one: PublishedComparison, two: PublishedComparison) -> float | None:
    """How many times as long two's epochs take as one's, in the processes that trained for both: hours differ.

    None where no process did.
    """
    runs = {identify(row) for row in rows if (row.model, row.epochs) == (two.model, two.published.epochs)}
    both = compare([row for row in rows if identify(row) in runs])
    times = {each.published.epochs: each.ours or 0.0 for each in both if each.published.quantity == "fit_s"}
    began = times.get(one.published.epochs)
    return times[two.published.epochs] / began if began else None


def _say_slow_loops(rows: Rows) -> list[str]:
    """Loops that are slower than `fit`."""
    slow: dict[str, dict[str, float]] = {}
    ways = compare_ways(rows)
    for way in ways:
        ratio = way.compute_ratio("epoch_s_quiet")
        if ratio and ratio < 1 / SAME and way.loop != "fit":
            slow.setdefault(way.name, {})[way.model] = 1 / ratio
    across = {name: [way.model for way in ways if way.name == name and way.is_across] for name in slow}
    return [
        f"An epoch{models} takes {times} as long with {name} as with fit{say_across(factors, across[name])}."
        for name, factors in slow.items()
        for models, times in [describe_range(factors)]
    ]


def _say_slow_batches(rows: Rows) -> list[str]:
    """Batch sizes with which an epoch takes longer than with a smaller one."""
    found = []
    for each in list_scaling(rows):
        times = each.list_medians("epoch_s_quiet")
        best, last = min(times, key=lambda size: times[size], default=0), max(times, default=0)
        if times and times[last] > SAME * times[best]:
            found.append(
                f"An epoch of {each.model} with {each.loop} takes longer at batch size {last:,} "
                f"({format_seconds(times[last])} s) than at {best:,} ({format_seconds(times[best])} s)."
            )
    return found


def _say_other_ends(rows: Rows) -> list[str]:
    """Ways to train that end at another loss than `fit`, by more than 2 %."""
    found = []
    for way in compare_ways(rows):
        own, fit = (find_median(same, "val_bce") for same in (way.rows, way.base))
        if way.epochs in CHECKPOINTS and own and fit and abs(own / fit - 1) > _OTHER_LOSS:
            found.append(
                f"After {way.epochs} epochs of {way.model} the loss (bce) is {format_loss(own)} with {way.name} and "
                f"{format_loss(fit)} with fit."
            )
    return found
