"""What of a machine's reference reports is not as published, or as one would think: in sentences with their figures.

Pure functions on rows of the full MNIST (`chosen.choose_full`).
"""

from collections.abc import Callable
from itertools import pairwise

from bench.reference.chosen import Rows, compare_ways, find_median, list_scaling
from bench.reference.sentences import LOSSES, SAME, compare, describe_range, judge
from bench.report.published import PublishedComparison
from bench.report.tables import format_loss, format_seconds

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
    found: dict[tuple[str, str, int, str], list[PublishedComparison]] = {}
    for each in compare(rows):
        word = judge(each)
        # What the penalty explains is said there.
        explained = each.model == "sparse" and each.published.source == "field notes"
        if each.published.quantity in LOSSES and word != "the same" and not explained:
            key = (each.model, each.published.source, each.published.epochs, word)
            found.setdefault(key, []).append(each)
    return [
        f"{model} after {epochs} epochs: the {source} {'have' if source.endswith('s') else 'has'} a "
        + " and a ".join(f"{each.quantity} of {each.published.value:.{each.published.decimals}f}" for each in those)
        + f"; here {'they are' if len(those) > 1 else 'it is'} {word}, "
        + " and ".join(f"{each.ours:.4f}" for each in those)
        + "."
        for (model, source, epochs, word), those in found.items()
    ]


def _say_uneven_times(rows: Rows) -> list[str]:
    """Published times that do not grow as the epochs do."""
    times: dict[str, list[PublishedComparison]] = {}
    for each in compare(rows):
        if each.published.quantity == "fit_s":
            times.setdefault(each.model, []).append(each)
    return [
        f"In the field notes {two.published.epochs} epochs of {model} take {published:.1f} times as long as "
        f"{one.published.epochs}; here {ours:.1f} times."
        for model, those in times.items()
        for one, two in pairwise(sorted(those, key=lambda each: each.published.epochs))
        for published, ours in [
            (two.published.value / one.published.value, (two.ours or 0.0) / (one.ours or 1.0)),
        ]
        if max(published, ours) > 1.5 * min(published, ours)
    ]


def _say_slow_loops(rows: Rows) -> list[str]:
    """Loops that are slower than `fit`."""
    slow: dict[str, dict[str, float]] = {}
    for way in compare_ways(rows):
        ratio = way.compute_ratio("epoch_s_median")
        if ratio and ratio < 1 / SAME and way.loop != "fit":
            slow.setdefault(way.name, {})[way.model] = 1 / ratio
    return [
        f"An epoch{models} takes {times} as long with {name} as with fit."
        for name, (models, times) in ((name, describe_range(factors)) for name, factors in slow.items())
    ]


def _say_slow_batches(rows: Rows) -> list[str]:
    """Batch sizes with which an epoch takes longer than with a smaller one."""
    found = []
    for each in list_scaling(rows):
        times = {size: find_median(same, "epoch_s_median") or 0.0 for size, same in each.sizes.items()}
        best, last = min(times, key=lambda size: times[size]), max(times)
        if times[last] > SAME * times[best]:
            found.append(
                f"An epoch of {each.model} with {each.loop} takes longer at batch size {last:,} "
                f"({format_seconds(times[last])} s) than at {best:,} ({format_seconds(times[best])} s)."
            )
    return found


def _say_other_ends(rows: Rows) -> list[str]:
    """Ways to train that end at another loss than `fit`, by more than 2 %."""
    found = []
    for way in compare_ways(rows):
        own, fit = (find_median(same, "val_bce") for same in (way.rows, way.fit))
        if own and fit and abs(own / fit - 1) > _OTHER_LOSS:
            found.append(
                f"After {way.epochs} epochs of {way.model} the loss (bce) is {format_loss(own)} with {way.name} and "
                f"{format_loss(fit)} with fit."
            )
    return found
