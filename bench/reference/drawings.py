"""The charts and pictures of docs/answers.md and README.md, drawn from the reference reports alone."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.reference.archive import read_files
from bench.reference.chosen import (
    CHECKPOINTS,
    Rows,
    choose_backend,
    choose_fastest,
    choose_full,
    choose_published,
    compare_ways,
    list_pictured,
    list_scaling,
    name_way,
    split,
)
from bench.reference.epochs import ReadEpochs, read_epochs
from bench.reference.references import Group, Process, Reference, ReferenceRow, identify
from bench.reference.sentences import join_words, list_peaks
from bench.report.charts import NAMES, draw_charts
from bench.report.drawings import read_if_there
from bench.report.figures import make_file_stem, make_svg_file
from bench.report.pictures import SampleImages, draw_rows, encode_grey_png
from bench.report.thresholds import join_curve
from bench.report.ways import Trained, Way, label_way, time_curve

FOLDER = Path("docs/answers")
_SCALE = 2
_GAP = 2
_WITHIN = 1.0
"""Points by which the same drawing may differ from one version of matplotlib to the next."""


@dataclass(frozen=True)
class Drawing:
    """A file that a page shows."""

    file: Path
    data: bytes
    alt: str
    """What it shows, in words."""

    def show(self, start: str) -> str:
        """Write it as Markdown for a page in the folder ``start``."""
        name = self.file.as_posix() if start == "." else self.file.relative_to(start).as_posix()
        return f"![{self.alt}]({name})"


# ------------------------------------------------------------------ charts


def draw_answers(group: Group) -> dict[str, Drawing]:
    """Draw a machine's charts, by their names in `NAMES`; one without data is left out."""
    rows = choose_full(group.rows)
    plots = {each.name: each for each in draw_charts(_list_ways(group, rows)) if each.name != NAMES[1]}
    plots |= {each.name: each for each in draw_charts(_list_scaled(rows)) if each.name == NAMES[1]}
    models = list(split(_choose_long(rows), "model"))
    alts = (
        f"The loss (bce) of {join_words(models)} against training seconds." if models else "",
        "Seconds per epoch against the batch size.",
        "Peak RAM of each model, by the parts of a process' life.",
    )
    stem = FOLDER / make_file_stem(group.label)
    return {
        name: Drawing(Path(f"{stem}-{name}.svg"), make_svg_file(plots[name].svg).encode(), alt)
        for name, alt in zip(NAMES, alts, strict=True)
        if name in plots
    }


def _choose_long(rows: Rows) -> Rows:
    """Rows of the published runs at their checkpoints: ten epochs for a speed say nothing of quality."""
    return [row for row in choose_published(rows) if row.epochs in CHECKPOINTS]


def _list_ways(group: Group, rows: Rows) -> list[Way]:
    """List `fit` and the fastest way of each model, each at its longest run."""
    backend, found = choose_backend(rows), []
    compared = [way for way in compare_ways(rows) if way.epochs in CHECKPOINTS]
    chosen: list[tuple[str, dict[str, list[ReferenceRow]]]] = []
    for model, same in split(_choose_long(rows), "model").items():
        fastest = choose_fastest(compared, model)
        wanted = [(backend, "fit"), *([(fastest.backend, fastest.loop)] if fastest else [])]
        ways = {name_way(*way): [row for row in same if (row.backend, row.loop) == way] for way in wanted}
        chosen.append((model, {name: own for name, own in ways.items() if own}))
    lasts = [max(own, key=_rank) for _, ways in chosen for own in ways.values()]
    curves = _read_curves(group, lasts)
    for model, ways in chosen:
        for place, (name, own) in enumerate(ways.items()):
            last = max(own, key=_rank)
            trained = Trained(
                rows=tuple(row for row in own if row.epochs == last.epochs),
                case_id=last.case_id,
                curve=curves.get(identify(last), []),
                checkpoints=(last.epochs,),
                reached=frozenset(row.epochs for row in own if identify(row) == identify(last)),
                peaks=list_peaks([last]),
            )
            found.append(Way(model, name, label_way(model, name, ways), place == 0, (trained,)))
    return found


def _rank(row: ReferenceRow) -> tuple[int, int]:
    """The last checkpoint is the largest; of several processes that of the first."""
    return row.epochs, -row.repeat


def _list_scaled(rows: Rows) -> list[Way]:
    """List each model and loop that several batch sizes were measured with."""
    scaled, found = list_scaling(rows), []
    for each in scaled:
        name, of_model = name_way(each.backend, each.loop), [other for other in scaled if other.model == each.model]
        # The chart draws medians as they were; the table beside it, and the sentences, have the quiet figures.
        quiet = {
            size: tuple(row.model_copy(update={"epoch_s_median": row.epoch_s_quiet}) for row in each.sizes[size])
            for size in each.list_medians("epoch_s_quiet")
        }
        cases = tuple(Trained(own, own[0].case_id, [], (each.epochs,), frozenset(), {}) for own in quiet.values())
        if not cases:
            continue
        label = label_way(each.model, name, [other.loop for other in of_model])
        found.append(Way(each.model, name, label, each is of_model[0], cases))
    return found


def _read_curves(group: Group, lasts: Rows) -> dict[Process, list[tuple[int, float, float]]]:
    """Read the loss after each epoch of some processes, and the training seconds up to there, by process."""
    found = {}
    for reference in group.references:
        own = {row.case_id: [each for each in reference.rows if identify(each) == identify(row)] for row in lasts}
        own = {name: rows for name, rows in own.items() if rows}
        epochs = _read_epochs(reference) if own else {}
        for name in own.keys() & epochs.keys():
            train_s, losses = (epochs[name].get_column(column) for column in ("train_s", "val_loss"))
            checkpoints = {row.epochs: row.val_bce for row in own[name] if row.val_bce is not None}
            curve, _exact = join_curve(checkpoints, {at: loss for at, loss in enumerate(losses, 1) if loss is not None})
            known = [(epoch, bce) for epoch, bce in curve if epoch <= len(train_s)]
            found[identify(own[name][0])] = time_curve(known, train_s)
    return found


def _read_epochs(reference: Reference) -> dict[str, ReadEpochs]:
    """Read the epochs of each process; none where the report has no such file. Raises `InvalidInput`."""
    root = reference.folder.root
    data = read_files(root).get("epochs.csv")
    return {} if data is None else read_epochs(data, root, reference.report.fingerprint.cores_logical)


# ------------------------------------------------------------------ pictures


def draw_pictures(group: Group) -> list[Drawing]:
    """Draw a few images of each model as it rebuilds them after 50, 100 and 500 epochs, one row below the other."""
    folders = {
        (identify(row), row.epochs): reference.folder
        for reference in group.references
        for row in reference.rows
        if reference.folder.locate_sample(row.case_id, row.epochs).is_file()
    }
    with_samples = [row for row in group.rows if (identify(row), row.epochs) in folders]
    found = []
    for model, rows in split(list_pictured(with_samples), "model").items():
        ascending = sorted(rows, key=lambda row: row.epochs)
        read = [read_if_there(folders[identify(row), row.epochs], row.case_id, row.epochs) for row in ascending]
        samples = _take_same_images([each for each in read if each])
        if samples:
            pictures = draw_rows(samples)
            file = FOLDER / f"{make_file_stem(group.label)}-{model}.png"
            labels = join_words([each.label for each in pictures])
            found.append(Drawing(file, _join_rows([each.png for each in pictures]), f"{model}, from above: {labels}"))
    return found


def _take_same_images(samples: Sequence[SampleImages]) -> list[SampleImages]:
    """Take those of the same images as the first: one row of originals stands above all."""
    return [each for each in samples if np.array_equal(each.input, samples[0].input)]


def _join_rows(rows: Sequence[bytes]) -> bytes:
    """Join PNGs of grey images, equally wide, one below the other on white, enlarged."""
    pixels = [np.asarray(Image.open(io.BytesIO(row)).convert("L")) for row in rows]
    spaced = [np.pad(each, ((0, _GAP), (0, 0)), constant_values=255) for each in pixels]
    joined = np.concatenate(spaced)[:-_GAP]
    return encode_grey_png(joined.repeat(_SCALE, axis=0).repeat(_SCALE, axis=1))


# ------------------------------------------------------------------ check


def is_same(one: bytes, other: bytes) -> bool:
    """Whether two files show the same: PNGs to the pixel, SVGs to a point, as versions of matplotlib may differ."""
    if one == other:
        return True
    if one.startswith(_PNG) and other.startswith(_PNG):
        pixels = [_read_pixels(each) for each in (one, other)]
        return pixels[0] is not None and pixels[1] is not None and np.array_equal(pixels[0], pixels[1])
    texts, numbers = zip(*(_split_numbers(each) for each in (one, other)), strict=True)
    return texts[0] == texts[1] and all(abs(x - y) <= _WITHIN for x, y in zip(*numbers, strict=True))


_PNG = b"\x89PNG"


def _read_pixels(data: bytes) -> npt.NDArray[Any] | None:
    try:
        return np.asarray(Image.open(io.BytesIO(data)))
    except (OSError, ValueError, SyntaxError):
        return None


def _split_numbers(data: bytes) -> tuple[list[str], list[float]]:
    """Split what an SVG draws into its numbers and all else; words that are shown are no numbers."""
    text = data.decode("utf-8", "replace")
    places = re.compile(r' (?:d|x|y|x1|x2|y1|y2|transform|width|height)="[^"]*"')
    numbers = [float(each) for part in places.findall(text) for each in _NUMBER.findall(part)]
    return [places.sub(lambda found: _NUMBER.sub("#", found[0]), text)], numbers


_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
