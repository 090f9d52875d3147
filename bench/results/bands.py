"""`aebench bands`: reference bands of `val_bce`, made from runs with several seeds; every later report is checked
against them.

A band is a prediction interval for one further run of the same training (NIST/SEMATECH e-Handbook of Statistical
Methods, section 7.1.4): mean ± t · s · √(1 + 1/n). Of the reference reports, which have few seeds, s is the most that
seeds of any model differ by at the end of the default sweep, as a fraction of the loss, or what their own do, if more.
"""

import csv
import io
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Protocol

from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from scipy import stats

from bench.console.output import make_console, say
from bench.errors import ExitCode, InvalidInput, format_count, join_names, quote
from bench.host.fingerprint import name_processor
from bench.plan.profile import name_briefly
from bench.results.folder import write_whole
from bench.results.reader import Report, Row, read_report

FEWEST_SEEDS = 3
CONFIDENCE = 0.999
"""A report has dozens of losses: at 95 %, a few of each good one would lie outside."""
LEAST_REACH = 1e-4
"""nats; equal code on other machines may end so far off, so no band reaches less than this to either side."""
OF_SEEDS = Path(__file__).with_name("bands.csv")
"""Made from several seeds of each training of the default sweep."""
OF_REFERENCES = Path(__file__).with_name("reference_bands.csv")
"""Made from the reference reports, by `nox -s reference -- answers`."""
_DECIMALS = 6
"""Of these, so that they are the same whatever computed Student's t."""
_MOST_BYTES = 4 << 20
_FEW = 5


class _Measured(Protocol):
    """What is asked of a row: a `ResultRow` has it, and a reader's `Row`."""

    @property
    def model(self) -> str: ...
    @property
    def loop(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def optimizer(self) -> str: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def epochs(self) -> int: ...
    @property
    def dataset(self) -> str: ...
    @property
    def dataset_digest(self) -> str: ...
    @property
    def train_samples(self) -> int: ...
    @property
    def status(self) -> str: ...
    @property
    def val_bce(self) -> float | None: ...


@dataclass(frozen=True, kw_only=True)
class Band:
    """Where `val_bce` of one training lies at one checkpoint, whatever the seed."""

    model: str
    optimizer: str
    learning_rate: float
    batch_size: int
    dataset: str
    train_samples: int
    epochs: int
    low: float
    """nats, as `high`."""
    high: float
    seeds: int
    """How many."""
    source: str
    """Seeds, loops, versions, machines and dates of the runs that it was made from."""
    dataset_digest: str = ""
    """Of the arrays; empty where any of that name will do."""


_BANDS = TypeAdapter(list[Band])
_COLUMNS = [field.name for field in fields(Band)]


def read_bands(path: Path | None = None) -> list[Band]:
    """Read bands from a file that `write_bands` wrote; by default all that come along. Raises `InvalidInput`."""
    if path is None:
        return [*read_bands(OF_SEEDS), *read_bands(OF_REFERENCES)]
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise InvalidInput(f"{quote(path)} is larger than {_MOST_BYTES >> 20} MiB, which no file of bands is.")
        bands = _BANDS.validate_python(list(csv.DictReader(io.StringIO(data.decode(), newline=""), strict=True)))
    except OSError as error:
        raise InvalidInput(f"{quote(path)} cannot be read: {error.strerror or error}.") from error
    except (ValidationError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{quote(path)}: expected a file that `aebench bands` wrote, and it is not.") from error
    if any(not -math.inf < band.low < band.high < math.inf for band in bands):
        raise InvalidInput(f"{quote(path)}: a band ends below its beginning. Make it again with `aebench bands`.")
    return bands


def find_band(bands: Iterable[Band], row: _Measured) -> Band | None:
    """Find the band that a row is to lie in; None without one, or where the row has no loss in float32."""
    if row.precision != "float32" or row.status != "ok" or row.val_bce is None:
        return None
    key = _get_key(row)[:-1]
    same = (band for band in bands if _get_key(band)[:-1] == key)
    return next((band for band in same if band.dataset_digest in {"", row.dataset_digest}), None)


def check_row(bands: Iterable[Band], row: _Measured) -> str | None:
    """Say what a row's loss is and should be where it lies outside of its band; None inside, or without a band."""
    band = find_band(bands, row)
    if band is None or row.val_bce is None or band.low <= row.val_bce <= band.high:
        return None
    loop = [] if row.loop == "fit" else [row.loop]
    where = f"{format_count(row.epochs, 'epoch')} ({quote(name_briefly(row.model, loop, row.batch_size), 100)})"
    return (
        f"val_bce {row.val_bce:.4f} at {where}; the reference band is {band.low:.4f} to {band.high:.4f}: "
        "something differs"
    )


def _get_key(of: _Measured | Band) -> tuple[str | float, ...]:
    """What two runs must have in common to end alike."""
    training = (of.model, of.optimizer, of.learning_rate, of.batch_size)
    return (*training, of.dataset, of.train_samples, of.epochs, of.dataset_digest)


# ---------------------------------------------------------------------------------------------------------- make them


def make_bands(reports: Sequence[Report], others: Sequence[Band] = ()) -> tuple[list[Band], dict[str, int]]:
    """Make the bands that reports of several seeds allow; returns them, and trainings of too few seeds with how many.

    Loops and backends shuffle for themselves, so each pair of these and a seed is a draw of its own; processes of one
    such pair end alike and count once. Weights of one seed begin alike, so the degrees of freedom are those of the
    seeds, not of the draws. Where there are ``others``, a training of fewer seeds than the widest of them has a band as
    wide as that, for its loss: what few seeds differ by is hardly known.
    """
    found: dict[tuple[str | float, ...], list[tuple[Report, Row]]] = {}
    for report in reports:
        for row in report.rows:
            if row.precision == "float32" and row.status == "ok" and row.val_bce is not None:
                found.setdefault(_get_key(row), []).append((report, row))
    bands: list[Band] = []
    few: dict[str, int] = {}
    widest = _find_widest(others)
    for key in sorted(found, key=lambda key: (*map(str, key[:3]), key[3], *map(str, key[4:6]), key[6])):
        draws = found[key]
        seeds = len({row.seed for _, row in draws})
        like = widest if widest and seeds < widest.seeds else None
        if seeds >= FEWEST_SEEDS or like:
            bands.append(_make_band(draws, seeds, like))
        else:
            row = draws[0][1]
            name = name_briefly(row.model, [row.optimizer], row.batch_size)
            few[f"{name} at {format_count(row.epochs, 'epoch')}"] = seeds
    return bands, few


def make_reference_bands(reports: Sequence[Report]) -> list[Band]:
    """Make the bands of the reference reports, those of few seeds as wide as the widest that come along."""
    made, _few = make_bands(reports, read_bands(OF_SEEDS))
    return [replace(band, low=round(band.low, _DECIMALS), high=round(band.high, _DECIMALS)) for band in made]


def _find_widest(bands: Sequence[Band]) -> Band | None:
    """Find the band at the last checkpoint whose seeds differ most for its loss; None of none."""
    last = max((band.epochs for band in bands), default=0)
    return max((band for band in bands if band.epochs == last), key=_find_deviation, default=None)


def _find_deviation(band: Band) -> float:
    """What one seed differs by from the next, as a fraction of the loss: the width of its band, turned round."""
    reach = (band.high - band.low) / (band.high + band.low)
    return reach / (_find_quantile(band.seeds) * math.sqrt(1 + 1 / band.seeds))


def _make_band(draws: Sequence[tuple[Report, Row]], seeds: int, like: Band | None = None) -> Band:
    """Make a band from its own seeds, or from fewer, by what seeds differ by in the band ``like``, or more."""
    row = draws[0][1]
    values = list({(each.seed, each.backend, each.loop): each.val_bce or 0.0 for _, each in draws}.values())
    source = _describe_source(draws)
    if like is None:
        low, high = predict_next(values, seeds)
    else:
        middle = statistics.fmean(values)
        own = statistics.stdev(values) if len(values) > 1 else 0.0
        low, high = _reach(middle, max(own, _find_deviation(like) * middle), like.seeds, seeds)
        where = f"{like.model}, {like.dataset}, batch {like.batch_size}, {format_count(like.epochs, 'epoch')}"
        source += f"; as wide as {like.seeds} seeds differ by ({where})"
    return Band(
        model=row.model,
        optimizer=row.optimizer,
        learning_rate=row.learning_rate,
        batch_size=row.batch_size,
        dataset=row.dataset,
        train_samples=row.train_samples,
        epochs=row.epochs,
        low=low,
        high=high,
        seeds=seeds,
        source=source,
        dataset_digest=row.dataset_digest,
    )


def predict_next(values: Sequence[float], seeds: int) -> tuple[float, float]:
    """The interval in which one further run ends with `CONFIDENCE`, by the runs of so many independent seeds."""
    return _reach(statistics.fmean(values), statistics.stdev(values), seeds, seeds)


def _reach(middle: float, deviation: float, known_by: int, seeds: int) -> tuple[float, float]:
    """The interval around the mean of so many seeds, with a deviation that is known by so many."""
    reach = max(LEAST_REACH, _find_quantile(known_by) * deviation * math.sqrt(1 + 1 / seeds))
    return max(0.0, middle - reach), middle + reach


def _find_quantile(seeds: int) -> float:
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, seeds - 1))


def _describe_source(draws: Sequence[tuple[Report, Row]]) -> str:
    """Where a band comes from: "seeds 0, 1, 2; fit on tensorflow 2.21.0; Keras 3.15.1; …"."""
    seeds = sorted({row.seed for _, row in draws})
    ways = sorted(
        {f"{row.loop} on {row.backend} {getattr(report.fingerprint, row.backend, None) or ''}" for report, row in draws}
    )
    prints = [report.fingerprint for report, _ in draws]
    facts = (
        f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}",
        ", ".join(way.strip() for way in ways),
        f"Keras {', '.join(sorted({each.keras or 'unknown' for each in prints}))}",
        f"aebench {', '.join(sorted({each.aebench for each in prints}))}",
        ", ".join(sorted({name_processor(each) for each in prints})),
        ", ".join(sorted({report.started_at[:10] for report, _ in draws})),
    )
    return quote("; ".join(facts))


def format_bands(bands: Iterable[Band]) -> str:
    """Format bands as CSV, as precise as they are."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows([getattr(band, name) for name in _COLUMNS] for band in bands)
    return text.getvalue()


def write_bands(path: Path, bands: Iterable[Band]) -> None:
    """Write bands as CSV in full precision. Raises `InvalidInput` where the file cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, format_bands(bands))
    except OSError as error:
        raise InvalidInput(f"--out {quote(path)} cannot be written: {error.strerror or error}.") from error


def store_bands(reports: Sequence[Path], out: Path, console: Console | None = None) -> int:
    """Make bands from reports and write them; others that the file has already are kept. Returns the exit code.

    Raises `InvalidInput`.
    """
    console = console or make_console()
    bands, few = make_bands([read_report(path) for path in reports])
    if not bands:
        got = f"at most {format_count(max(few.values()), 'seed')} of one" if few else "no loss in float32"
        raise InvalidInput(
            f"a band needs {FEWEST_SEEDS} seeds of the same training; got {got}. Run it again with "
            "`aebench run --seed 1`, `--seed 2` and so on, and give all of these reports."
        )
    made = {_get_key(band) for band in bands}
    kept = [band for band in (read_bands(out) if out.exists() else []) if _get_key(band) not in made]
    write_bands(out, [*kept, *bands])
    reach = statistics.median((band.high - band.low) / 2 for band in bands)
    seeds = sorted({band.seeds for band in bands})
    counts = f"{seeds[0]} seeds" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    beside = f", beside {format_count(len(kept), 'other')}" if kept else ""
    say(
        console, f"{format_count(len(bands), 'band')} of {counts} in {quote(out)}{beside}: ± {reach:.4f} in the median."
    )
    if few:
        say(console, f"Left out, with fewer than {FEWEST_SEEDS} seeds: {join_names(list(few), _FEW)}.")
    return ExitCode.OK
