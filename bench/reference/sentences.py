"""What a machine's reference reports say, in plain sentences with their figures; of what was not measured, none.

Pure functions on rows of the full MNIST (`chosen.choose_full`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise

from bench.plan.catalog import get_backend_title, read_copyable_loops, read_model_settings
from bench.reference.chosen import (
    CHECKPOINTS,
    Rows,
    Scaling,
    WayRows,
    choose_backend,
    choose_fastest,
    choose_own,
    choose_published,
    compare_ways,
    find_median,
    list_scaling,
    name_way,
    split,
)
from bench.reference.references import identify
from bench.report.published import PublishedComparison, compare_with_published
from bench.report.summary import format_time
from bench.report.tables import format_loss, format_seconds
from bench.report.ways import add_up_peaks
from bench.results.speed import HOUR_DEVIATION

LOSSES = ("train_loss", "val_loss", "val_bce")
SAME = 1.05
"""Figures are called the same where they differ by less than this factor."""
RISEN = 1.01
"""A loss of validation counts as risen from this factor on. From one epoch to the next that of variational changed by
0.99 % at most, from epoch 50 to 500 of `reports/reference/epyc-2c-blog-variational-500-xla`."""
_MB = (1 << 20) / 1e6

# ------------------------------------------------------------------ ratios in words


def describe_speeds(
    ratios: Mapping[str, float], who: str, what: str, other: str, across: Collection[str] = ()
) -> list[str]:
    """Say how many times as fast something is, by models: a sentence each for those faster, slower and as fast.

    "xla trains an epoch 2.6 (deep) to 5.2 times (sparse) as fast as fit." Of the models in ``across`` the two are of
    different reports.
    """
    faster = {name: ratio for name, ratio in ratios.items() if ratio >= SAME}
    slower = {name: 1 / ratio for name, ratio in ratios.items() if ratio <= 1 / SAME}
    alike = [name for name in ratios if name not in faster and name not in slower]
    found = []
    if faster:
        models, times = describe_range(faster)
        found.append(f"{who} trains {what}{models} {times} as fast as {other}{say_across(faster, across)}.")
    if slower:
        models, times = describe_range(slower)
        found.append(f"{who} takes {times} as long as {other} for {what}{models}{say_across(slower, across)}.")
    if alike:
        found.append(f"{who} trains {what} of {join_words(alike)} about as fast as {other}{say_across(alike, across)}.")
    return found


def say_across(models: Iterable[str], across: Collection[str]) -> str:
    """Say of which models two figures are of different reports: ", for deep by reports of different hours…"; or ""."""
    named = list(models)
    found = [model for model in named if model in across]
    if not found:
        return ""
    which = "" if len(found) == len(named) else f" for {join_words(found)}"
    return f",{which} by reports of different hours, which differ by some {100 * HOUR_DEVIATION:.0f} %"


def join_words(words: Sequence[str]) -> str:
    """Join as one says it: "basic, sparse and deep"."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def describe_range(factors: Mapping[str, float]) -> tuple[str, str]:
    """Name the smallest and largest: "", "2.6 (deep) to 5.2 times (sparse)", or " of deep and basic", "2.1 times"."""
    low, high = (choose(factors, key=lambda name: factors[name]) for choose in (min, max))
    ends = [_format_factor(factors[name]) for name in (low, high)]
    if ends[0] == ends[1]:
        return f" of {join_words(list(factors))}", f"{ends[1]} times"
    return "", f"{ends[0]} ({low}) to {ends[1]} times ({high})"


def _format_factor(factor: float) -> str:
    return f"{factor:.1f}" if factor < 10 else f"{factor:.0f}"


# ------------------------------------------------------------------ 500 epochs


def say_epochs(rows: Rows) -> list[str]:
    """How long 500 epochs take, and what they buy over 50, for every model that was trained so long."""
    found, without = [], []
    for model, same in split(choose_published(rows), "model").items():
        plain = (choose_backend(rows), "fit")
        ends = [row for row in same if row.epochs == CHECKPOINTS[-1]]
        ways = sorted({(row.backend, row.loop): None for row in ends}, key=lambda way: way != plain)
        if ways:
            own = {name_way(*way): [row for row in same if (row.backend, row.loop) == way] for way in ways}
            found.append(_say_epochs_of(model, own))
        else:
            without.append(model)
    if found and without:
        found.append(f"Not trained to 500 epochs: {join_words(without)}.")
    return found


def _take_long_runs(rows: Rows, report: str | None) -> Rows:
    """Rows of the processes that reached the last checkpoint: in this report where it has one, else in the first."""
    ends = [row for row in rows if row.epochs == CHECKPOINTS[-1]]
    chosen = report if any(row.report == report for row in ends) else ends[0].report
    runs = {identify(row) for row in ends if row.report == chosen}
    return [row for row in rows if row.report == chosen and identify(row) in runs]


def _say_epochs_of(model: str, ways: Mapping[str, Rows]) -> str:
    """Say it of a model, by its first way to train, and how long the others take."""
    first, rows = next(iter(ways.items()))
    own = _take_long_runs(rows, None)
    at = split([row for row in own if row.epochs in CHECKPOINTS], "epochs")
    last, start = max(at), min(at)
    took = {epochs: find_median(same, "total_s") for epochs, same in at.items()}
    losses = {epochs: find_median(same, "val_bce") for epochs, same in at.items()}
    seconds, before = took[last], took[start]
    times = f", {seconds / before:.1f} times as long as {start}" if seconds and before and start < last else ""
    also = [
        f"{format_time(total)} with {name}{'' if its[0].report == own[0].report else ' in another report'}"
        for name, rows in ways.items()
        for its in [_take_long_runs(rows, own[0].report)]
        if name != first and (total := find_median([row for row in its if row.epochs == last], "total_s"))
    ]
    others = f" ({', '.join(also)})" if also else ""
    time = f"take {format_time(seconds)} with {first}{times}{others}" if seconds else f"were trained with {first}"
    return f"{last} epochs of {model} {time}{_say_gain(losses)}{_say_overfitting(at[start], at[last])}."


def _say_gain(losses: Mapping[int, float | None]) -> str:
    """Say how the loss changed from the first checkpoint to the last, and how much of that came by the second."""
    (start, one), (last, two) = min(losses.items()), max(losses.items())
    if start == last or one is None or two is None:
        return "" if two is None else f"; the loss (bce) is then {format_loss(two)}"
    word = "falls" if two < one else "rises"
    said = f"; the loss (bce) {word} from {format_loss(one)} at {start} to {format_loss(two)}"
    middle = losses.get(CHECKPOINTS[1])
    if two < one and start < CHECKPOINTS[1] and middle is not None and two <= middle <= one:
        said += f", and {100 * (one - middle) / (one - two):.0f} % of that comes by epoch {CHECKPOINTS[1]}"
    return said


def _say_overfitting(early: Rows, late: Rows) -> str:
    """Say that a model overfits where in the same processes the validation loss rises and the training loss falls."""
    (one, two), (before, after) = (
        [find_median(rows, name) for rows in (early, late)] for name in ("val_loss", "train_loss")
    )
    if one is None or two is None or before is None or after is None or two < RISEN * one or after >= before:
        return ""
    training = f"the training loss falls from {format_loss(before)} to {format_loss(after)}"
    return f"; it overfits: {training}, and that of validation rises from {format_loss(one)} to {format_loss(two)}"


# ------------------------------------------------------------------ memory


def say_memory(rows: Rows) -> list[str]:
    """Where the field notes' 542 MB come from, and what is needed now."""
    compared = [each for each in compare(rows) if each.published.quantity == "ram_mb" and each.ours]
    return [sentence for each in compared[:1] for sentence in _say_memory_of(each, rows)]


def _say_memory_of(each: PublishedComparison, rows: Rows) -> list[str]:
    model, epochs, wanted = each.model, each.published.epochs, each.published.value
    at = [row for row in choose_own(rows) if (row.model, row.epochs) == (model, epochs)]
    ours, title = each.ours or 0.0, get_backend_title(at[0].backend)
    found = [
        f"The field notes saw {wanted:g} MB at {epochs} epochs of {model}; here it is {ours:,.0f} MB, with fit.",
    ]
    peaks = list_peaks(at)
    imported = peaks.get("imports")
    if imported:
        steps = _list_steps(peaks)
        part = f"Of these, {imported * _MB:,.0f} MB ({100 * imported / max(peaks.values()):.0f} %)"
        more = f"; {', '.join(steps)}" if steps else ""
        found.append(f"{part} are there when Keras and {title} have been imported, before any training{more}.")
        if imported * _MB > wanted:
            found.append(f"So no model fits into {wanted:g} MB with this {title}: importing alone takes more.")
    ways = [way for way in compare_ways(rows) if way.model == model]
    least = min(ways, key=lambda way: find_median(way.rows, "peak_rss_mib") or ours, default=None)
    if least and (mib := find_median(least.rows, "peak_rss_mib")) and mib * _MB < ours / SAME:
        found.append(f"The least that {model} needed here is {mib * _MB:,.0f} MB, with {least.name}.")
    return found


def list_peaks(rows: Rows) -> dict[str, float]:
    """The largest peak so far at the end of each part of a process' life, in MiB: medians over processes."""
    names = ("import", "data", "build", "first_epoch", "train", "val")
    return add_up_peaks({name: find_median(rows, f"peak_rss_{name}_mib") or 0.0 for name in names})


def _list_steps(peaks: Mapping[str, float]) -> list[str]:
    """Say what each later part adds, where it adds at least a fiftieth of the peak."""
    words = {
        "data": "the images add {} MB",
        "build": "building the model adds {} MB",
        "first epoch": "the first epoch adds {} MB",
        "training": "the further epochs add {} MB",
    }
    added = [(part, peaks[part] - peaks[before]) for before, part in pairwise(peaks)]
    return [words[part].format(f"{mib * _MB:,.0f}") for part, mib in added if mib >= max(peaks.values()) / 50]


# ------------------------------------------------------------------ the 0.27


def say_penalty(rows: Rows) -> list[str]:
    """Why the field notes' sparse model ended at 0.27."""
    own = choose_own(rows)
    summed, averaged = (
        split([row for row in own if row.model == name and row.val_loss is not None], "epochs")
        for name in ("sparse_batch_sum", "sparse")
    )
    epochs = max(summed.keys() & averaged.keys() or summed.keys(), default=None)
    if epochs is None:
        return []
    dead, units = (find_median(summed[epochs], name) for name in ("dead_units", "code_units"))
    killed = f", with {dead:.0f} of {units:.0f} code units dead" if dead and units else ""
    other = averaged.get(epochs)
    beside = (
        f" Averaged over the batch, as Keras does it now (sparse), it is {format_loss(find_median(other, 'val_loss'))}."
        if other
        else ""
    )
    loss = format_loss(find_median(summed[epochs], "val_loss"))
    why = "The 0.27 comes from a penalty that is summed over the batch, as Keras did it for years (sparse_batch_sum)"
    return [f"{why}: after {epochs} epochs the validation loss is {loss}{killed}.{beside}"]


# ------------------------------------------------------------------ ways to train


def say_fit(rows: Rows) -> list[str]:
    """What `fit` costs beside other loops of its backend."""
    backend = choose_backend(rows)
    ways = [way for way in compare_ways(rows) if way.backend == backend]
    if not ways:
        return []
    found = []
    fastest = {way.model: way for model in split(rows, "model") if (way := choose_fastest(ways, model))}
    for loop in dict.fromkeys(way.loop for way in fastest.values()):
        chosen = [way for way in fastest.values() if way.loop == loop]
        tried = {way.loop for way in ways if fastest.get(way.model) in chosen}
        who, across = f"The fastest loop, {loop}," if len(tried) > 1 else loop, _list_across(chosen)
        found += describe_speeds(_collect(chosen, "epoch_s_quiet"), who, "an epoch", "fit", across)
        whole = [way for way in chosen if way.epochs in CHECKPOINTS]
        if whole:
            who, what = f"With imports and compilation, {loop}", _describe_runs(whole)
            found += describe_speeds(_collect(whole, "total_s"), who, what, "fit", across)
    none = [model for model in dict.fromkeys(way.model for way in ways) if model not in fastest]
    found += [f"For {join_words(none)} no loop is faster than fit."] if none else []
    copyable = [loop for loop in read_copyable_loops() if any(way.loop == loop for way in ways)]
    for loop in copyable:
        chosen = [way for way in ways if way.loop == loop]
        if any(fastest.get(way.model) is not way for way in chosen):
            who = f"{loop}, which a script can copy,"
            found += describe_speeds(_collect(chosen, "epoch_s_quiet"), who, "an epoch", "fit", _list_across(chosen))
    return found


def _describe_runs(ways: Sequence[WayRows]) -> str:
    """What whole runs are: "the 50 epochs", "the 50 to 500 epochs"."""
    ends = sorted({way.epochs for way in ways})
    return f"the {' to '.join(dict.fromkeys(map(str, (ends[0], ends[-1]))))} epochs"


def say_backends(rows: Rows) -> list[str]:
    """Which backend is fastest, with each loop that several have, and of all."""
    basis = choose_backend(rows)
    title, ways = get_backend_title(basis), compare_ways(rows)
    found = []
    for loop in sorted({row.loop: None for row in rows if row.backend != basis}, key=lambda loop: loop != "fit"):
        same = [way for way in compare_ways(rows, loop) if way.loop == loop]
        for backend in dict.fromkeys(way.backend for way in same):
            own = [way for way in same if way.backend == backend]
            who, across = f"With {loop}, {get_backend_title(backend)}", _list_across(own)
            found += describe_speeds(_collect(own, "epoch_s_quiet"), who, "an epoch", title, across)
    models = dict.fromkeys(way.model for way in ways if found and way.backend != basis)
    return found + [_say_fastest_of_all(rows, model, basis) for model in models]


def _say_fastest_of_all(rows: Rows, model: str, basis: str) -> str:
    """Name the fastest way of a model beside the best of another backend, by the rows that the two were compared by."""
    plain = choose_fastest([way for way in compare_ways(rows) if way.backend == basis], model)
    loop = plain.loop if plain else "fit"
    others = [way for way in compare_ways(rows, loop) if way.model == model and way.backend != basis]
    if plain and not others:
        seconds = format_seconds(find_median(plain.rows, "epoch_s_quiet"))
        return f"For {model}, {get_backend_title(basis)} with {loop} is the fastest: {seconds} s an epoch."
    other = max(others, key=lambda way: way.compute_ratio("epoch_s_quiet") or 0.0)
    ratio = other.compute_ratio("epoch_s_quiet") or 0.0
    sides = [(basis, loop, other.base), (other.backend, other.loop, other.rows)]
    if ratio > 1:
        sides.reverse()
    names = [f"{get_backend_title(backend)} with {its_loop}" for backend, its_loop, _ in sides]
    times = [f"{format_seconds(find_median(timed, 'epoch_s_quiet'))} s" for *_, timed in sides]
    only = ", of which only fit was tried" if {row.loop for row in rows if row.model == model} == {"fit"} else ""
    hours = say_across([model], [model] if other.is_across else [])
    if 1 / SAME < ratio < SAME:
        return (
            f"For {model}{only}, {join_words(names)} are the fastest, about alike: {join_words(times)} an epoch{hours}."
        )
    return f"For {model}{only}, {names[0]} is the fastest: {times[0]} an epoch, {names[1]} {times[1]}{hours}."


def _collect(ways: Iterable[WayRows], column: str) -> dict[str, float]:
    return {way.model: ratio for way in ways if (ratio := way.compute_ratio(column))}


def _list_across(ways: Iterable[WayRows]) -> list[str]:
    return [way.model for way in ways if way.is_across]


# ------------------------------------------------------------------ batch sizes


def say_batch_sizes(rows: Rows) -> list[str]:
    """What the batch size does to time with each loop, and to memory and loss with `fit`."""
    groups: dict[tuple[str, int, int, int], list[Scaling]] = {}
    for each in list_scaling(rows):
        groups.setdefault((each.loop, min(each.sizes), max(each.sizes), each.epochs), []).append(each)
    found = []
    for (loop, small, large, epochs), scalings in sorted(groups.items(), key=lambda group: group[0][0] != "fit"):
        times, memory, losses = (
            {each.model: change for each in scalings if (change := each.compute_change(column))}
            for column in ("epoch_s_quiet", "peak_rss_mib", "val_bce")
        )
        found += describe_speeds(times, f"With {loop}, batch size {large:,}", "an epoch", f"batch size {small:,}")
        if loop == "fit":
            found += _say_changes(memory, f"With fit, the peak RAM at batch size {large:,} is", f"that at {small:,}")
            after = f"After {epochs} epochs with batch size {large:,} the loss (bce) is"
            found += _say_changes(losses, after, f"that with {small:,}")
    return found


def _say_changes(changes: Mapping[str, float], who: str, other: str) -> list[str]:
    """Say how many percent a figure at the largest batch size is of that at the smallest."""
    percents = {model: f"{100 / change:.0f}" for model, change in changes.items()}
    if not percents:
        return []
    low, high = (choose(percents, key=lambda model: 1 / changes[model]) for choose in (min, max))
    if percents[low] == percents[high]:
        return [f"{who} {percents[low]} % of {other} ({join_words(list(percents))})."]
    return [f"{who} {percents[low]} ({low}) to {percents[high]} % ({high}) of {other}."]


# ------------------------------------------------------------------ published figures


def compare(rows: Rows) -> list[PublishedComparison]:
    """Each published figure that was measured here with `fit`, but not what the figures of another model explain."""
    own = choose_own(rows)
    compared = compare_with_published(own, read_model_settings())
    explained = {f"see {row.model}" for row in own}
    return [
        each
        for each in compared
        if each.kind == "measured" and each.ours is not None and each.published.note not in explained
    ]


def judge(each: PublishedComparison) -> str:
    """Judge ours: the same within one of the published last digit; a time or memory by how many times it is."""
    published, ours = each.published, each.ours or 0.0
    if published.quantity in {"fit_s", "ram_mb"}:
        return judge_ratio(ours / published.value, "the time" if published.quantity == "fit_s" else "the memory")
    if abs(ours - published.value) <= 10.0**-published.decimals:
        return "the same"
    return "lower" if ours < published.value else "higher"


def judge_ratio(ratio: float, what: str) -> str:
    """Say how many times a time or a memory is: "1.3 times the time"; what is less, in percent: "53 % of the time"."""
    return f"{_format_factor(ratio)} times {what}" if ratio >= 1 else f"{100 * ratio:.0f} % of {what}"
