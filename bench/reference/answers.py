"""docs/answers.md and a block of README.md, made of the reference reports alone.

Figures of one machine and environment are put together, no others; what was not measured is left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.console.table import Table, escape_cell
from bench.errors import InvalidInput, format_count
from bench.plan.catalog import get_backend_title
from bench.reference import sentences, unexpected
from bench.reference.chosen import (
    CHECKPOINTS,
    Rows,
    choose_backend,
    choose_full,
    choose_own,
    compare_ways,
    find_median,
    list_scaling,
    name_way,
    split,
)
from bench.reference.drawings import Drawing, draw_answers, draw_pictures
from bench.reference.references import Group
from bench.report.charts import NAMES
from bench.report.published import PublishedComparison
from bench.report.summary import format_time
from bench.report.tables import format_loss, format_seconds
from bench.report.variants import format_times

BEGIN, END = "<!-- answers: begin -->", "<!-- answers: end -->"
_TITLE = "The blog's table, answered"
_NOTHING = "–"
_MOST_MACHINES = 3
"""Of README's table."""
_MOST_PICTURES = 3
"""Of README."""
_HOW = (
    "Each figure is the median over its processes. Total time is from the start of a process to its last epoch, "
    "imports and compilation included; time of training is that of its epochs alone. Time per epoch is the quiet "
    "figure, without noisy epochs and the slower of two speeds. Peak RAM is of the whole process. "
    "The loss (bce) is the cross-entropy per pixel of the validation images, without any penalty."
)
_CAUSES = "What was tried to find out why: [research/published.md](research/published.md)."
_LOOPS = "What `fit`, `xla` and the other loops are: [backends.md]({}backends.md#loops)."


@dataclass(frozen=True)
class Answers:
    """What the references make."""

    page: str
    """docs/answers.md; "" without references."""
    block: str
    """What stands in README.md; "" where no reference has the full MNIST."""
    drawings: tuple[Drawing, ...]
    """What these two show."""


@dataclass(frozen=True)
class _Machine:
    """A group of reports that has the full MNIST, with its charts and pictures."""

    group: Group
    rows: Rows
    charts: dict[str, Drawing]
    pictures: list[Drawing]

    @property
    def label(self) -> str:
        return escape_cell(self.group.label)


def write_answers(groups: Sequence[Group]) -> Answers:
    """Write the page and README's block, and draw what they show. Raises `InvalidInput` where a reference is broken."""
    if not groups:
        return Answers("", "", ())
    found = [(group, choose_full(group.rows)) for group in groups]
    found = sorted((each for each in found if choose_own(each[1])), key=lambda each: -len(choose_own(each[1])))
    machines: list[_Machine] = []
    for group, rows in found:
        # The same digits by the same model look alike on every machine.
        pictures = [] if any(machine.pictures for machine in machines) else draw_pictures(group)
        machines.append(_Machine(group, rows, draw_answers(group), pictures))
    drawings = [each for machine in machines for each in (*machine.charts.values(), *machine.pictures)]
    return Answers(_write_page(groups, machines), _write_block(machines), tuple(drawings))


def _write_page(groups: Sequence[Group], machines: Sequence[_Machine]) -> str:
    names = [each.name for group in groups for each in group.references if choose_full(each.rows)]
    links = ", ".join(f"[{name}](../reports/reference/{name}/report.md)" for name in names)
    made = f"Made by `nox -s reference -- answers`{f' of the full MNIST in these reports: {links}' if names else ''}."
    head = f"# {_TITLE}\n\n{made}\n\n{_HOW} {_LOOPS.format('')}"
    chapters = [_write_chapter(machine) for machine in machines]
    return "\n\n".join([head, *(chapters or ["None of these reports answers anything yet."])]) + "\n"


def _write_block(machines: Sequence[_Machine]) -> str:
    """Write the published table of the first machines, and what the first of them, the one with most rows, says."""
    if not machines:
        return ""
    first, others = machines[0], [machine for machine in machines[1:] if sentences.compare(machine.rows)]
    shown = [first, *others[: _MOST_MACHINES - 1]]
    link = "Every machine, with tables and charts of each question: [docs/answers.md](docs/answers.md)."
    if len(machines) > 1:
        link += " Machine against machine: [docs/leaderboard.md](docs/leaderboard.md)."
    described = [f"{_describe_machine(machine)}" for machine in shown]
    if len(shown) > 1:
        described = [f"- {machine.label}: {words}" for machine, words in zip(shown, described, strict=True)]
    which = "" if len(shown) == 1 else f"What follows is of {first.label}."
    answered = [(question, say(first.rows)) for question, say in _QUESTIONS]
    parts = [_join(f"**{question}**", _list(said)) for question, said in answered if said]
    return _join(
        f"## {_TITLE}",
        f"The published runs on the full MNIST, with `fit`, and what was published. {link}",
        "\n".join(described),
        tabulate_published([(machine.label, machine.rows) for machine in shown]).to_markdown(),
        f"{_HOW} {_LOOPS.format('docs/')}",
        which,
        _show(first.charts, NAMES[0], "."),
        *parts,
        *(_show(first.charts, name, ".") for name in NAMES[1:]),
        *[each.show(".") for each in first.pictures if _shows_several(first.rows, each)][:_MOST_PICTURES],
    )


def _shows_several(rows: Rows, picture: Drawing) -> bool:
    """Whether a picture is of a model that was trained to more than one of the checkpoints."""
    own = split([row for row in choose_own(rows) if row.epochs in CHECKPOINTS], "model")
    several = [model for model, same in own.items() if len({row.epochs for row in same}) > 1]
    return any(picture.alt.startswith(f"{model},") for model in several)


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

_Say = Callable[[Rows], list[str]]
_QUESTIONS: tuple[tuple[str, _Say], ...] = (
    ("How long do 500 epochs take, and what do they buy?", sentences.say_epochs),
    ("Where do the 542 MB come from, and what is needed now?", sentences.say_memory),
    ("Why 0.27?", sentences.say_penalty),
    ("What does fit cost?", sentences.say_fit),
    ("Which backend?", sentences.say_backends),
    ("What does the batch size do?", sentences.say_batch_sizes),
    ("What was not as expected?", unexpected.say_unexpected),
)


def _write_chapter(machine: _Machine) -> str:
    """Write what a machine answers: a section for each question that it has an answer to."""
    rows, pictures = machine.rows, "\n\n".join(f"{each.alt}:\n\n{each.show('docs')}" for each in machine.pictures)
    below: dict[_Say, str] = {
        sentences.say_memory: _show(machine.charts, NAMES[2], "docs"),
        sentences.say_fit: _to_markdown(tabulate_ways(rows)),
        unexpected.say_unexpected: _CAUSES if unexpected.say_unexpected(rows) else "",
        sentences.say_batch_sizes: _join(
            _show(machine.charts, NAMES[1], "docs"), _to_markdown(tabulate_batch_sizes(rows))
        ),
    }
    answered = [(question, _join(_list(say(rows)), below.get(say, ""))) for question, say in _QUESTIONS]
    title = f"Each model with fit on {get_backend_title(choose_backend(rows))}"
    sections = [
        ("Published, and measured here", _to_markdown(tabulate_published([("measured here", rows)]))),
        (title, _join(_show(machine.charts, NAMES[0], "docs"), _to_markdown(tabulate_checkpoints(rows)))),
        *answered,
        ("As the models rebuild them", pictures),
    ]
    return _join(
        f"## {machine.label}", _describe_machine(machine), *(f"### {head}\n\n{text}" for head, text in sections if text)
    )


def _join(*parts: str) -> str:
    return "\n\n".join(filter(None, parts))


def _list(said: Sequence[str]) -> str:
    return "\n".join(f"- {escape_cell(each)}" for each in said)


def _to_markdown(table: Table) -> str:
    return table.to_markdown() if table.rows else ""


def _show(charts: dict[str, Drawing], name: str, start: str) -> str:
    return charts[name].show(start) if name in charts else ""


def _describe_machine(machine: _Machine) -> str:
    """Name processor, cores, GPU and versions, and how many epochs were noisy."""
    facts, rows = machine.group.fingerprint, machine.rows
    versions = {"Keras": facts.keras}
    for row in rows:
        versions.setdefault(get_backend_title(row.backend), getattr(row, row.backend))
    named = [f"{title} {version}" for title, version in versions.items() if version]
    hardware = [facts.cpu_model or facts.cpu_arch, format_count(facts.cpu_limit, "core"), *filter(None, [facts.gpu])]
    last = [row for row in rows if row.is_last and row.noisy_epochs is not None]
    noisy, epochs = sum(row.noisy_epochs or 0 for row in last), sum(row.epochs for row in last)
    were = f" {noisy:,} of {epochs:,} epochs were noisy." if noisy else ""
    return f"{escape_cell(', '.join([*hardware, *named]))}.{were}"


def tabulate_published(machines: Sequence[tuple[str, Rows]]) -> Table:
    """Tabulate each published figure beside what `fit` measured on some machines, with a verdict."""
    compared = [{(each.model, each.published): each for each in sentences.compare(rows)} for _, rows in machines]
    keys = dict.fromkeys(key for of_machine in compared for key in of_machine)
    order = list(split([row for _, rows in machines for row in rows], "model"))
    headers = [cell for label, _ in machines for cell in (label, "verdict")]
    lines = tuple(
        (model, published.text, *(cell for each in compared for cell in _judge(each.get((model, published)))))
        for model, published in sorted(keys, key=lambda key: order.index(key[0]))
    )
    return Table("Published", ("model", "published", *headers), lines, labels=2)


def _judge(each: PublishedComparison | None) -> tuple[str, str]:
    return (_NOTHING, "") if each is None else (_format_figure(each.ours or 0.0, each), sentences.judge(each))


def tabulate_checkpoints(rows: Rows) -> Table:
    """Tabulate time, memory and loss of each model with `fit` after 50, 100 and 500 epochs, where they were trained."""
    own = [row for row in choose_own(rows) if row.epochs in CHECKPOINTS]
    columns = _choose_columns(own)
    lines = tuple(
        (model, f"{epochs}", *_format_figures(at, columns), f"{len(at)}")
        for model, same in split(own, "model").items()
        for epochs, at in split(same, "epochs").items()
    )
    return Table("Checkpoints", ("model", "epochs", *columns, "processes"), lines)


_COLUMNS: dict[str, tuple[str, Callable[[float], str]]] = {
    "total time": ("total_s", format_time),
    "s/epoch": ("epoch_s_quiet", format_seconds),
    "peak RAM, MiB": ("peak_rss_mib", lambda mib: f"{mib:,.0f}"),
    "GPU memory, MiB": ("peak_gpu_mib", lambda mib: f"{mib:,.0f}"),
    "J/epoch": ("epoch_j", lambda joules: f"{joules:,.3g}"),
    "loss (bce)": ("val_bce", format_loss),
}
"""What the tables show, and how; of a column that no row has, nothing."""


def _choose_columns(rows: Rows) -> list[str]:
    return [name for name, (column, _) in _COLUMNS.items() if find_median(rows, column) is not None]


def _format_figures(rows: Rows, columns: Sequence[str]) -> list[str]:
    found = [(find_median(rows, _COLUMNS[name][0]), _COLUMNS[name][1]) for name in columns]
    return [_NOTHING if value is None else write(value) for value, write in found]


def tabulate_ways(rows: Rows) -> Table:
    """Tabulate each model's loops and backends, each beside `fit` at the last checkpoint that both reached."""
    lines: list[tuple[str, ...]] = []
    fit, ways = name_way(choose_backend(rows), "fit"), compare_ways(rows)
    columns = _choose_columns([row for way in ways for row in (*way.rows, *way.base)])
    for way in ways:
        case = (f"{way.model}, batch {way.batch_size}", f"{way.epochs}")
        own = (*case, fit, *_format_figures(way.base, columns), "1", "1")
        times = [way.compute_ratio(name) for name in ("epoch_s_quiet", "total_s")]
        about = "about " if way.is_across else ""
        faster = [_NOTHING if each is None else f"{about}{format_times(each)}" for each in times]
        lines += [*([] if own in lines else [own]), (*case, way.name, *_format_figures(way.rows, columns), *faster)]
    headers = ("model", "epochs", "loop", *columns, "times as fast per epoch", "over all")
    return Table("Ways to train", headers, tuple(lines), labels=3)


def tabulate_batch_sizes(rows: Rows) -> Table:
    """Tabulate each model and loop at each batch size."""
    scaled = list_scaling(rows)
    columns = _choose_columns([row for each in scaled for own in each.sizes.values() for row in own])
    lines = tuple(
        (each.model, name_way(each.backend, each.loop), f"{each.epochs}", f"{size:,}", *_format_figures(own, columns))
        for each in scaled
        for size, own in each.sizes.items()
    )
    return Table("Batch sizes", ("model", "loop", "epochs", "batch size", *columns), lines, labels=2)


def _format_figure(value: float, each: PublishedComparison) -> str:
    match each.published.quantity:
        case "fit_s":
            return f"{value:,.0f} s"
        case "ram_mb":
            return f"{value:,.0f} MB"
        case _:
            return f"{value:.4f}"
