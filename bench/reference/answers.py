"""What the reference reports answer: docs/answers.md and a block of README.md, made of their rows alone.

Pure functions. Figures of one machine and environment are put together, no others; what was not measured is left out.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from bench.console.table import Table, escape_cell
from bench.errors import InvalidInput
from bench.plan.catalog import get_backend_title, read_copyable_loops, read_model_settings
from bench.reference.references import Group
from bench.report.published import PublishedComparison, compare_with_published
from bench.report.tables import format_loss, format_seconds, format_total
from bench.results.schema import ResultRow
from bench.results.stats import compute_median_of_known

BEGIN, END = "<!-- answers: begin -->", "<!-- answers: end -->"
_CHECKPOINTS = (50, 100, 500)
_LOSSES = ("train_loss", "val_loss", "val_bce")
_HOW = (
    "The tables are of `fit`, and each figure is the median over its processes. The time of training is that of its "
    "epochs; from start to end, imports are in it too. Memory is the peak of the process."
)


def write_page(groups: Sequence[Group]) -> str:
    """Write docs/answers.md: a chapter for each machine that has the full MNIST; "" without references."""
    if not groups:
        return ""
    names = [each.name for group in groups for each in group.references]
    links = ", ".join(f"[{name}](../reports/reference/{name}/report.md)" for name in names)
    head = (
        "# The blog's table, answered\n\nMade by `nox -s reference -- answers` of the full MNIST in the reports of "
        f"reports/reference: {links}. {_HOW}"
    )
    chapters = list(filter(None, (_write_chapter(f"## {escape_cell(group.label)}", group) for group in groups)))
    return "\n\n".join([head, *(chapters or ["None of these reports answers anything yet."])]) + "\n"


def write_block(groups: Sequence[Group]) -> str:
    """Write what stands in README.md: the machine with the most rows of the full MNIST; "" where none has any."""
    group = max(groups, key=lambda each: len(_choose_full(each)), default=None)
    link = "Beside the published figures, and every machine: [docs/answers.md](docs/answers.md)."
    return _write_chapter(f"## The blog's table, answered\n\n{_HOW} {link}", group, is_brief=True) if group else ""


def replace_block(text: str, block: str) -> str:
    """Put a block between the two comments of a text. Raises `InvalidInput` where they are not there once each."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise InvalidInput(f"README.md: expected one line {BEGIN} and, below it, one line {END}.")
    inner = f"\n{block}\n\n" if block else ""
    return f"{text[: text.index(BEGIN)]}{BEGIN}\n{inner}{text[text.index(END) :]}"


def find_difference(name: str, text: str, expected: str) -> str | None:
    """Say in which line a text first differs from what the references make; None where it does not."""
    if text == expected:
        return None
    lines, wanted = text.splitlines(), expected.splitlines()
    pairs = zip(lines, wanted, strict=False)
    number = next((at for at, (one, two) in enumerate(pairs) if one != two), min(len(lines), len(wanted)))
    found, right = (each[number] if number < len(each) else "nothing" for each in (lines, wanted))
    return f"{name}, line {number + 1}: found {found!r}; the reference reports make {right!r}."


# ------------------------------------------------------------------ a machine


def _write_chapter(heading: str, group: Group, *, is_brief: bool = False) -> str:
    """Write what a machine answers; "" where that is nothing. ``is_brief`` leaves the published figures out."""
    full = _choose_full(group)
    chosen = [tabulate_checkpoints(full)] if is_brief else [tabulate_published(full), tabulate_checkpoints(full)]
    tables = [each.to_markdown() for each in chosen if each.rows]
    sentences = "\n".join(f"- {each}" for each in write_sentences(full))
    found = [each for each in (*tables, sentences) if each]
    return "\n\n".join([heading, _describe_machine(group, full), *found]) if found else ""


def _describe_machine(group: Group, rows: Sequence[ResultRow]) -> str:
    """Name the processor, the cores that may be used, Keras and the backends that trained."""
    machine = group.fingerprint
    software = {"Keras": machine.keras}
    for backend in dict.fromkeys(row.backend for row in rows):
        software[get_backend_title(backend)] = getattr(machine, backend)
    versions = [f"{title} {version}" for title, version in software.items() if version]
    cores = f"{machine.cpu_limit:g} {'core' if machine.cpu_limit == 1 else 'cores'}"
    return escape_cell(", ".join([machine.cpu_model or machine.cpu_arch, cores, *versions])) + "."


def _choose_full(group: Group) -> list[ResultRow]:
    return list(filter(_is_full_mnist, group.rows))


def _is_full_mnist(row: ResultRow) -> bool:
    return (row.dataset, row.dataset_genuine, row.train_samples) == ("mnist", "yes", 60_000)


def tabulate_published(rows: Sequence[ResultRow]) -> Table:
    """Tabulate each published figure beside what `fit` measured here, with a verdict."""
    compared = _compare(rows)
    lines = tuple(
        (each.model, each.published.text, _format_figure(each.ours or 0, each), judge(each)) for each in compared
    )
    return Table("Published", ("model", "published", "measured here", "verdict"), lines, labels=2)


def _compare(rows: Sequence[ResultRow]) -> list[PublishedComparison]:
    settings = read_model_settings()
    own = [row for row in _choose_own(rows) if row.model in settings]
    compared = compare_with_published(own, settings)
    return [each for each in compared if each.kind == "measured" and each.ours is not None]


def judge(comparison: PublishedComparison) -> str:
    """Judge ours: the same within one of the published last digit; a time or memory by how many times it is."""
    published, ours = comparison.published, comparison.ours or 0
    if published.quantity in {"fit_s", "ram_mb"}:
        ratio = ours / published.value
        word = "the time" if published.quantity == "fit_s" else "the memory"
        return f"{ratio:.2g} times {word}"
    last_digit = 10.0 ** -len(f"{published.value:g}".partition(".")[2])
    if abs(ours - published.value) <= last_digit:
        return "the same"
    return "lower" if ours < published.value else "higher"


def tabulate_checkpoints(rows: Sequence[ResultRow]) -> Table:
    """Tabulate time, memory and loss of each model with `fit` after 50, 100 and 500 epochs, where they were trained."""
    own = _split([row for row in _choose_own(rows) if row.epochs in _CHECKPOINTS], "model")
    lines = tuple(
        (
            model,
            str(epochs),
            _format(format_total, _median(at, "total_s"), "s"),
            _format(format_seconds, _median(at, "epoch_s_median"), "s"),
            _format(_format_mib, _median(at, "peak_rss_mib"), "MiB"),
            format_loss(_median(at, "val_bce")),
            str(len(at)),
        )
        for model in read_model_settings()
        for epochs, at in sorted(_split(own.get(model, []), "epochs").items())
    )
    headers = ("model", "epochs", "from start to end", "an epoch", "peak RAM", "loss (bce)", "processes")
    return Table("Checkpoints", headers, lines)


def _choose_own(rows: Sequence[ResultRow]) -> list[ResultRow]:
    """Rows that trained with `fit` on TensorFlow as the model's own settings say."""
    settings = read_model_settings()
    return [
        row
        for row in rows
        if row.model in settings
        and (row.loop, row.backend, row.precision, row.threads) == ("fit", "tensorflow", "float32", None)
        and (row.batch_size, row.optimizer, row.learning_rate)
        == (
            settings[row.model].batch_size,
            settings[row.model].optimizer,
            settings[row.model].learning_rate,
        )
    ]


# ------------------------------------------------------------------ sentences


def write_sentences(rows: Sequence[ResultRow]) -> list[str]:
    """Write what was learned, each sentence with its figures."""
    parts: tuple[Callable[[Sequence[ResultRow]], Iterable[str]], ...] = (
        _say_epochs,
        _say_memory,
        _say_penalty,
        _say_loops,
        _say_batch_sizes,
        _say_backends,
        _say_unexpected,
    )
    return [sentence for part in parts for sentence in part(rows)]


def _say_epochs(rows: Sequence[ResultRow]) -> Iterable[str]:
    for model, own in _split(_choose_own(rows), "model").items():
        counts = [row.epochs for row in own]
        first, last = min(counts), max(counts)
        one, two = ([row for row in own if row.epochs == epochs] for epochs in (first, last))
        seconds, before = _median(two, "total_s"), _median(one, "total_s")
        if first < last and seconds and before:
            yield (
                f"{last} epochs of {model} take {format_seconds(seconds)} s with fit, {seconds / before:.1f} times as "
                f"long as {first}; the loss (bce) goes from {format_loss(_median(one, 'val_bce'))} to "
                f"{format_loss(_median(two, 'val_bce'))}."
            )


def _say_memory(rows: Sequence[ResultRow]) -> Iterable[str]:
    for each in _compare(rows):
        if each.published.quantity == "ram_mb" and each.model == "basic":
            at = [row for row in _choose_own(rows) if (row.model, row.epochs) == ("basic", each.published.epochs)]
            peak, imported = _median(at, "peak_rss_mib"), _median(at, "peak_rss_import_mib")
            if peak and imported:
                yield (
                    f"Instead of the {each.published.value:g} MB of the field notes, basic needs "
                    f"{_format_figure(each.ours or 0, each)} at {each.published.epochs} epochs; "
                    f"{100 * imported / peak:.0f} % of that is there when Keras and TensorFlow have been imported, "
                    "before any training."
                )


def _say_penalty(rows: Sequence[ResultRow]) -> Iterable[str]:
    own = _choose_own(rows)
    summed, averaged = ([row for row in own if row.model == name] for name in ("sparse_batch_sum", "sparse"))
    common = {row.epochs for row in summed} & {row.epochs for row in averaged}
    if common:
        epochs = max(common)
        one, two = ([row for row in each if row.epochs == epochs] for each in (summed, averaged))
        yield (
            f"The 0.27: with the penalty summed over the batch (sparse_batch_sum), {epochs} epochs end at a validation "
            f"loss of {format_loss(_median(one, 'val_loss'))} with {_median(one, 'dead_units') or 0:.0f} of "
            f"{one[0].code_units or 0} code units dead; averaged (sparse), at {format_loss(_median(two, 'val_loss'))}."
        )


def _say_loops(rows: Sequence[ResultRow]) -> Iterable[str]:
    on_tensorflow = [row for row in _choose_plain(rows) if row.backend == "tensorflow"]
    for model, same in _split(on_tensorflow, "model").items():
        for batch_size, chosen in _split(same, "batch_size").items():
            loops = _time_each(_choose_alike(chosen, "loop", "fit"), "loop")
            fit = loops.pop("fit", None)
            if not fit or not loops:
                continue
            best = min(loops, key=lambda name: loops[name])
            copyable = [name for name in read_copyable_loops() if name in loops]
            line = min(copyable, key=lambda name: loops[name], default=best)
            also = f" and {fit / loops[line]:.2f} times that of {line}, which a script can copy" * (line != best)
            yield (
                f"An epoch of {model} with fit takes {fit / loops[best]:.2f} times the time of {best}{also} "
                f"(batch size {batch_size})."
            )


def _say_batch_sizes(rows: Sequence[ResultRow]) -> Iterable[str]:
    fit = [row for row in _choose_plain(rows) if row.loop == "fit" and row.backend == "tensorflow"]
    for model, same in _split(fit, "model").items():
        alike = _choose_alike(same, "batch_size")
        times = _time_each(alike, "batch_size")
        if len(times) < 2:
            continue
        ends = {size: [row for row in alike if row.batch_size == size] for size in (min(times), max(times))}
        seconds = " to ".join(format_seconds(times[size]) for size in ends)
        memory = " to ".join(_format_mib(_median(each, "peak_rss_mib")) for each in ends.values())
        losses = " to ".join(format_loss(_median(each, "val_bce")) for each in ends.values())
        yield (
            f"{model}, batch size {' to '.join(map(str, ends))}: {seconds} s per epoch, {memory} MiB, after "
            f"{alike[0].epochs} epochs a loss (bce) of {losses}."
        )


def _say_backends(rows: Sequence[ResultRow]) -> Iterable[str]:
    for model, same in _split(_choose_plain(rows), "model").items():
        for loop, chosen in _split(same, "loop").items():
            for batch_size, trained in _split(chosen, "batch_size").items():
                times = _time_each(_choose_alike(trained, "backend"), "backend")
                if len(times) > 1:
                    ordered = sorted(times, key=lambda name: times[name])
                    said = ", ".join(f"{get_backend_title(name)} {format_seconds(times[name])} s" for name in ordered)
                    yield f"An epoch of {model} with {loop}, batch size {batch_size}, by backend: {said}."


def _say_unexpected(rows: Sequence[ResultRow]) -> Iterable[str]:
    for each in _compare(rows):
        if each.published.quantity in _LOSSES and judge(each) == "higher":
            ours = _format_figure(each.ours or 0, each)
            yield f"Not as published: {each.model}, {each.published.text}; here it is higher, {ours}."


# ------------------------------------------------------------------ rows


def _choose_plain(rows: Sequence[ResultRow]) -> list[ResultRow]:
    """Rows in float32 with the backend's own threads."""
    settings = read_model_settings()
    return [row for row in rows if row.model in settings and (row.precision, row.threads) == ("float32", None)]


def _choose_alike(rows: Sequence[ResultRow], column: str, needed: str | None = None) -> list[ResultRow]:
    """Rows at the end of equally long runs with the same data and optimizer, which differ in a column.

    Of several such, those with the most values of it, then the longest runs; where a value is ``needed``, they have it.
    Empty where there is nothing to compare.
    """
    runs: dict[tuple[int, str, int, str, float], list[ResultRow]] = {}
    for row in rows:
        if row.epochs == row.run_epochs and row.epoch_s_median is not None:
            key = (row.run_epochs, row.dataset_digest, row.val_samples, row.optimizer, row.learning_rate)
            runs.setdefault(key, []).append(row)
    found = [
        (len(values), key, runs[key])
        for key in runs
        if len(values := _split(runs[key], column)) > 1 and (needed is None or needed in values)
    ]
    return max(found, key=lambda each: each[:2])[2] if found else []


def _split(rows: Sequence[ResultRow], column: str) -> dict[Any, list[ResultRow]]:
    groups: dict[Any, list[ResultRow]] = {}
    for row in rows:
        groups.setdefault(getattr(row, column), []).append(row)
    return groups


def _time_each(rows: Sequence[ResultRow], column: str) -> dict[Any, float]:
    """Median seconds per epoch of each value of a column."""
    times = {value: _median(same, "epoch_s_median") for value, same in _split(rows, column).items()}
    return {value: seconds for value, seconds in times.items() if seconds}


def _median(rows: Sequence[ResultRow], column: str) -> float | None:
    return compute_median_of_known(getattr(row, column) for row in rows)


def _format(write: Callable[[float], str], value: float | None, unit: str) -> str:
    return "–" if value is None else f"{write(value)} {unit}"


def _format_mib(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _format_figure(value: float, comparison: PublishedComparison) -> str:
    match comparison.published.quantity:
        case "fit_s":
            return f"{value:,.0f} s"
        case "ram_mb":
            return f"{value:,.0f} MB"
        case _:
            return f"{value:.4f}"
