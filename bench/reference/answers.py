"""What the reference reports answer: docs/answers.md and a block of README.md, made of their rows alone.

Pure functions but for `read_references`. A sentence whose report is missing is left out.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.console.table import Table
from bench.errors import InvalidInput
from bench.host.fingerprint import make_label
from bench.plan.catalog import read_copyable_loops, read_model_settings
from bench.report.published import PublishedComparison, compare_with_published
from bench.report.tables import format_loss, format_seconds
from bench.results.reader import read_all_columns
from bench.results.schema import ResultRow
from bench.results.stats import compute_median_of_known

BEGIN, END = "<!-- answers: begin -->", "<!-- answers: end -->"
_CHECKPOINTS = (50, 100, 500)


@dataclass(frozen=True)
class Reference:
    """The rows of one committed report that reached their checkpoint."""

    name: str
    machine: str
    """The label of its machine, which reports of one machine share."""
    rows: tuple[ResultRow, ...]


def read_references(folder: Path) -> list[Reference]:
    """Read every report of a folder of references. Raises `InvalidInput` that says which cannot be read, and why."""
    references, refusals = [], []
    for file in sorted(folder.glob("*/results.csv")):
        try:
            report, rows = read_all_columns(file)
        except InvalidInput as error:
            refusals.append(str(error))
            continue
        kept = tuple(row for row in rows if row.status == "ok")
        references.append(Reference(file.parent.name, make_label(report.fingerprint), kept))
    if refusals:
        raise InvalidInput("references that this aebench cannot read:\n" + "\n".join(f"  {each}" for each in refusals))
    return references


def write_page(references: Sequence[Reference]) -> str:
    """Write docs/answers.md: a chapter for each machine."""
    chapters = [_write_chapter(machine, rows, "##") for machine, rows in _group(references).items()]
    names = ", ".join(f"[{each.name}](../reports/reference/{each.name}/report.md)" for each in references)
    head = (
        "# The blog's table, answered\n\nMade by `nox -s reference -- answers` from the reports in reports/reference: "
        f"{names}. Times are of whole processes, memory is the peak of the process, each a median over its processes."
    )
    return "\n\n".join([head, *chapters]) + "\n"


def write_block(references: Sequence[Reference]) -> str:
    """Write what stands in README.md: the answers of the machine with the most rows of the full MNIST."""
    groups = _group(references)
    machine = max(groups, key=lambda name: sum(map(_is_full_mnist, groups[name])))
    link = "Every machine and every figure: [docs/answers.md](docs/answers.md)."
    return f"{_write_chapter(machine, groups[machine], '###')}\n\n{link}"


def replace_block(text: str, block: str) -> str:
    """Put a block between the two comments of a text. Raises `InvalidInput` where they are not there once each."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise InvalidInput(f"README.md: expected one line {BEGIN} and, below it, one line {END}.")
    return f"{text[: text.index(BEGIN)]}{BEGIN}\n{block}\n{text[text.index(END) :]}"


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


def _group(references: Sequence[Reference]) -> dict[str, list[ResultRow]]:
    groups: dict[str, list[ResultRow]] = {}
    for reference in references:
        groups.setdefault(reference.machine, []).extend(reference.rows)
    return groups


def _write_chapter(machine: str, rows: Sequence[ResultRow], heading: str) -> str:
    full = list(filter(_is_full_mnist, rows))
    if not full:
        return f"{heading} {machine}\n\nNo report of the full MNIST."
    first = full[0]
    versions = f"{first.cpu_model}, Keras {first.keras}, TensorFlow {first.tensorflow}"
    tables = [each.to_markdown() for each in (tabulate_published(full), tabulate_checkpoints(full)) if each.rows]
    sentences = "\n".join(f"- {each}" for each in write_sentences(full))
    return "\n\n".join(each for each in (f"{heading} {machine}", f"{versions}.", *tables, sentences) if each)


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
    """Judge ours: a loss rounded as the published one is, a time or memory by how many times it is."""
    published, ours = comparison.published, comparison.ours or 0
    if published.quantity in {"fit_s", "ram_mb"}:
        ratio = ours / published.value
        word = "the time" if published.quantity == "fit_s" else "the memory"
        return f"{ratio:.2g} times {word}"
    digits = len(f"{published.value:g}".partition(".")[2])
    rounded = round(ours, max(digits, 2))
    return "the same" if rounded == published.value else "lower" if rounded < published.value else "higher"


def tabulate_checkpoints(rows: Sequence[ResultRow]) -> Table:
    """Tabulate time, memory and loss of each model with `fit` after 50, 100 and 500 epochs."""
    own = _choose_own(rows)
    names = [
        name for name in read_model_settings() if any(row.model == name and row.epochs in _CHECKPOINTS for row in own)
    ]
    headers = [f"{what} at {epochs}" for epochs in _CHECKPOINTS for what in ("s", "MiB", "bce")]
    lines = []
    for name in names:
        at = [[row for row in own if row.model == name and row.epochs == epochs] for epochs in _CHECKPOINTS]
        cells = [
            (
                format_seconds(_median(each, "total_s")),
                _format_mib(_median(each, "peak_rss_mib")),
                format_loss(_median(each, "val_bce")),
            )
            for each in at
        ]
        lines.append((name, *(cell for three in cells for cell in three)))
    return Table("Checkpoints", ("model", *headers), tuple(lines))


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
                    f"Instead of the {each.published.value:g} MB of the field notes, basic needs {each.ours:.0f} MB at "
                    f"{each.published.epochs} epochs; {imported / peak:.0%} of that is there when Keras and "
                    "TensorFlow have been imported, before any training."
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
            f"loss of {format_loss(_median(one, 'val_loss'))} with {_median(one, 'dead_units') or 0:.0f} dead code "
            f"units; averaged (sparse), at {format_loss(_median(two, 'val_loss'))}."
        )


def _say_loops(rows: Sequence[ResultRow]) -> Iterable[str]:
    for model, same in _split(_choose_plain(rows), "model").items():
        for batch_size, chosen in _split([row for row in same if row.backend == "tensorflow"], "batch_size").items():
            loops = _time_each(chosen, "loop")
            fit = loops.pop("fit", None)
            copyable = {name: loops[name] for name in read_copyable_loops() if name in loops}
            if fit and loops:
                best = min(loops, key=lambda name: loops[name])
                line = min(copyable, key=lambda name: copyable[name], default=best)
                also = f" and {fit / loops[line]:.2f} times that of {line}, which a script can copy" * (line != best)
                yield (
                    f"An epoch of {model} with fit takes {fit / loops[best]:.2f} times the time of {best}{also} "
                    f"(batch size {batch_size})."
                )


def _say_batch_sizes(rows: Sequence[ResultRow]) -> Iterable[str]:
    fit = [row for row in _choose_plain(rows) if row.loop == "fit" and row.backend == "tensorflow"]
    for model, same in _split(fit, "model").items():
        for epochs, at in _split(same, "epochs").items():
            sizes = _split(at, "batch_size")
            small, large = min(sizes), max(sizes)
            times = _time_each(at, "batch_size")
            if small != large and small in times and large in times:
                yield (
                    f"{model}, batch size {small} to {large} at {epochs} epochs: {format_seconds(times[small])} to "
                    f"{format_seconds(times[large])} s per epoch, "
                    + " to ".join(_format_mib(_median(sizes[size], "peak_rss_mib")) for size in (small, large))
                    + " MiB, loss (bce) "
                    + " to ".join(format_loss(_median(sizes[size], "val_bce")) for size in (small, large))
                    + "."
                )


def _say_backends(rows: Sequence[ResultRow]) -> Iterable[str]:
    for model, same in _split(_choose_plain(rows), "model").items():
        for loop, chosen in _split(same, "loop").items():
            for batch_size, alike in _split(chosen, "batch_size").items():
                times = sorted(_time_each(alike, "backend").items(), key=lambda each: each[1])
                if len(times) > 1:
                    said = ", ".join(f"{name} {format_seconds(seconds)} s" for name, seconds in times)
                    yield f"An epoch of {model} with {loop}, batch size {batch_size}, by backend: {said}."


def _say_unexpected(rows: Sequence[ResultRow]) -> Iterable[str]:
    for each in _compare(rows):
        if judge(each) == "higher":
            ours = _format_figure(each.ours or 0, each)
            yield f"Not as published: {each.model}, {each.published.text}; here it is higher, {ours}."


# ------------------------------------------------------------------ rows


def _choose_plain(rows: Sequence[ResultRow]) -> list[ResultRow]:
    """Rows in float32 with the backend's own threads and the model's own optimizer."""
    settings = read_model_settings()
    return [
        row
        for row in rows
        if row.model in settings
        and (row.precision, row.threads) == ("float32", None)
        and row.optimizer == settings[row.model].optimizer
    ]


def _split(rows: Sequence[ResultRow], column: str) -> dict[Any, list[ResultRow]]:
    groups: dict[Any, list[ResultRow]] = {}
    for row in rows:
        groups.setdefault(getattr(row, column), []).append(row)
    return groups


def _time_each(rows: Sequence[ResultRow], column: str) -> dict[Any, float]:
    """Median seconds per epoch of each value of a column, of the rows that have one: those at a run's end."""
    ends = [row for row in rows if row.epochs == row.run_epochs]
    times = {value: _median(same, "epoch_s_median") for value, same in _split(ends, column).items()}
    return {value: seconds for value, seconds in times.items() if seconds}


def _median(rows: Sequence[ResultRow], column: str) -> float | None:
    return compute_median_of_known(getattr(row, column) for row in rows)


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
