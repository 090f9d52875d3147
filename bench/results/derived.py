"""What a row of results.csv has by computing: from its epochs, its case and the sweep, and from its own other columns.

`bench.results.rows` makes rows by these functions, and `aebench verify` computes the rows of others again by the same.
"""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.plan.profile import Case
from bench.results import stats
from bench.results.energy import sum_joules
from bench.results.epochs import EpochTable
from bench.results.journal_lines import SweepHeader
from bench.results.roofline import find_bound
from bench.results.schema import YesNo
from bench.results.speed import ProcessSpeed, estimate_process

_FEWEST_STEADY = 3
"""Of fewer epochs a median says nothing."""
JOINED = " + "
"""Between the names of several energy counters."""
_SHORTEST_S, _LONGEST_S = 1e-9, 1e9
"""Of an epoch: a tick of the clock, and thirty years."""


def describe_case(case: Case) -> dict[str, Any]:
    """All columns of a row that its case decides."""
    return {"case_id": case.case_id, **case.model_dump(exclude={"checkpoints"}), "run_epochs": case.run_epochs}


def describe_sweep(header: SweepHeader) -> dict[str, Any]:
    """All columns that every row of a sweep has alike."""
    return {
        "schema_version": header.schema_version,
        "dataset_digest": header.dataset_digest,
        "dataset_genuine": _to_words(header.dataset_genuine),
        "train_samples": header.train_samples,
        "val_samples": header.val_samples,
        "machine_id": header.machine_id,
        "environment_id": header.environment_id,
        **header.fingerprint.model_dump(),
        "usual_gb_per_s": header.usual_gb_per_s,
        "usual_hours": header.usual_hours,
        "git_commit": header.git_commit,
        "git_dirty": _to_words(header.git_dirty),
    }


def place_row(case: Case, epochs: int, header: SweepHeader) -> dict[str, bool]:
    """Say whether a checkpoint is the case's last in this sweep, and that of its model's first way to train."""
    is_last = epochs == header.last_checkpoints.get(case.name, case.run_epochs)
    return {"is_final": is_last and case.has_way_of(header.first_cases.get(case.model, case)), "is_last": is_last}


def _to_words(fact: bool | None) -> YesNo:
    return "unknown" if fact is None else "yes" if fact else "no"


def find_warmup(of: EpochTable) -> int:
    """Find how many epochs of a whole run are warm-up, so that its checkpoints agree on which epochs are steady."""
    return stats.find_warmup_length(of.get_column("train_s"))


def compute_from_epochs(
    of: EpochTable, epochs: int, warmup: int, samples: int, *, without_noisy: bool = False
) -> dict[str, Any]:
    """Medians of the steady epochs of the first ``epochs``, sums of all, and the losses of the last.

    ``warmup`` is that of the whole run; with ``without_noisy`` noisy epochs are not steady.
    """
    warmup = min(warmup, epochs)
    train_s, val_s, noisy = (of.get_column(name)[:epochs] for name in ("train_s", "val_s", "noisy"))
    steady = _list_steady(of, warmup, epochs, without_noisy)
    enough = len(steady) >= _FEWEST_STEADY
    speed = _estimate_speed(of, steady) if enough else None
    validation = statistics.median(val_s[place] for place in steady) if enough else None
    own = zip(*(of.get_column(name)[:epochs] for name in ("harness_s", "between_s")), strict=True)
    return {
        "first_epoch_s": train_s[0],
        "warmup_epochs": warmup,
        "steady_epochs": len(steady),
        "steady": _to_words(stats.is_steady(train_s[warmup:])),
        "epoch_s_median": speed and speed.as_measured,
        "epoch_s_quiet": speed and speed.quiet,
        "epoch_s_low": speed and speed.low,
        "epoch_s_high": speed and speed.high,
        "epoch_s_error": speed and speed.error,
        "val_s_median": validation,
        "train_total_s": sum(train_s),
        "val_total_s": sum(val_s),
        "samples_per_s": samples / speed.as_measured if speed else None,
        "harness_epoch_s": statistics.median(map(sum, own)),
        "noisy_epochs": sum(noisy),
        "other_cores": max(
            (cores for cores in of.get_column("other_cores")[:epochs] if cores is not None), default=None
        ),
        **{name: stats.compute_median_of_known(of.get_column(name)[:epochs]) for name in ("involuntary_per_s", "mhz")},
        **{name: of.get_column(name)[epochs - 1] for name in ("train_loss", "val_loss")},
    }


def compute_energy(
    of: EpochTable, epochs: int, warmup: int, counters: Sequence[str], *, without_noisy: bool = False
) -> dict[str, float | None]:
    """A mean of the steady epochs and no median: a slow counter's steps fall into some of them and not into others.

    ``counters`` are the names of the energy counters that were added up.
    """
    steady = _list_steady(of, min(warmup, epochs), epochs, without_noisy)
    joules = sum_joules(of, steady, counters) if len(steady) >= _FEWEST_STEADY else None
    return {
        "epoch_j": None if joules is None else joules / len(steady),
        "train_total_j": sum_joules(of, range(epochs), counters),
    }


def _list_steady(of: EpochTable, warmup: int, epochs: int, without_noisy: bool) -> list[int]:
    """Places of the steady epochs among the first ``epochs``."""
    noisy = of.get_column("noisy")
    return [place for place in range(warmup, epochs) if not (without_noisy and noisy[place])]


def _estimate_speed(of: EpochTable, places: Sequence[int]) -> ProcessSpeed | None:
    """Estimate what these epochs say of the case; None of none, or where a clock stood still or ran off."""
    columns = ("train_s", "noisy", "own_cores", "other_cores", "steal_percent", "cores")
    train_s, noisy, own, other, steal, cores = (
        [column[place] for place in places] for column in map(of.get_column, columns)
    )
    if not all(_SHORTEST_S <= seconds <= _LONGEST_S for seconds in train_s):
        return None
    stolen = [
        percent / 100 * of_all if percent and of_all else 0.0 for percent, of_all in zip(steal, cores, strict=True)
    ]
    taken = [(others or 0.0) + hypervisor for others, hypervisor in zip(other, stolen, strict=True)]
    return estimate_process(train_s, noisy, own, taken)


def compute_roofline(
    *,
    flops_per_sample: float | None,
    step_bytes: float | None,
    batch_size: int,
    samples_per_s: float | None,
    peaks: Mapping[str, float],
) -> dict[str, Any]:
    """The arithmetic that was reached, beside the peaks: ``dispatch_s``, ``peak_gflop_per_s`` and ``peak_gb_per_s``.

    ``peaks`` are all above 0, or none is known.
    """
    reached = None if flops_per_sample is None or samples_per_s is None else flops_per_sample * samples_per_s / 1e9
    if not peaks or flops_per_sample is None or step_bytes is None:
        return {"gflop_per_s": reached, "peak_fraction": None, "bound": None}
    return {
        "gflop_per_s": reached,
        "peak_fraction": None if reached is None else reached / peaks["peak_gflop_per_s"],
        "bound": find_bound(flop=flops_per_sample * batch_size, moved=step_bytes, **peaks),
    }
