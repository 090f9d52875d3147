"""Makes the rows of results.csv, epochs.csv and phases.csv from an outcome: pure functions."""

import statistics
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from bench.host import noise
from bench.results import stats
from bench.results.energy import sum_idle_power, sum_joules
from bench.results.epochs import Epochs
from bench.results.roofline import find_bound
from bench.results.schema import SCHEMA_VERSION, EpochRow, Outcome, PhaseRow, ResultRow, SweepHeader, YesNo
from bench.results.speed import ProcessSpeed, estimate_process
from bench.worker.protocol import CheckpointEvent, EpochEvent, PhaseEvent, PhaseName


def make_result_rows(outcome: Outcome, header: SweepHeader, *, without_noisy: bool = False) -> list[ResultRow]:
    """A row for each of the case's checkpoints, also for those that the run did not reach.

    A checkpoint does not count as reached where the process did not send all epochs before it. With ``without_noisy``
    the medians leave out epochs with a noise indicator out of bounds.
    """
    numbers = outcome.epochs.get_column("epoch")
    whole = next((place for place, epoch in enumerate(numbers) if epoch != place + 1), len(numbers))
    reached = {checkpoint.epochs: checkpoint for checkpoint in outcome.checkpoints if checkpoint.epochs <= whole}
    common = _find_common(outcome, header)
    is_plain = outcome.case.has_way_of(header.first_cases.get(outcome.case.model, outcome.case))
    last = header.last_checkpoints.get(outcome.case.name, outcome.case.run_epochs)
    rows = []
    for epochs in outcome.case.checkpoints:
        place = {"is_final": epochs == last and is_plain, "is_last": epochs == last}
        rows.append(_make_row(outcome, common | place, epochs, reached.get(epochs), without_noisy))
    return rows


def make_epoch_rows(outcome: Outcome) -> Iterator[EpochRow]:
    """A row for each epoch that ended."""
    return (_make_epoch_row(outcome.case.case_id, epoch) for epoch in outcome.epochs)


def make_phase_rows(outcome: Outcome) -> list[PhaseRow]:
    """A row for each phase that ended, in the order in which they run."""
    training = outcome.checkpoints[-1].phases if outcome.checkpoints else ()
    order = get_args(PhaseName)
    return [
        PhaseRow(
            case_id=outcome.case.case_id,
            phase=phase.name,
            seconds=phase.seconds,
            peak_mib=phase.peak_mib,
            rss_mib=phase.rss_mib,
            anon_mib=phase.anon_mib,
            file_mib=phase.file_mib,
        )
        for phase in sorted((*outcome.phases, *training), key=lambda phase: order.index(phase.name))
    ]


def _make_epoch_row(case_id: str, epoch: EpochEvent) -> EpochRow:
    fields = {
        name: getattr(of, name) for of in (epoch, epoch.noise) for name in EpochRow.model_fields if hasattr(of, name)
    }
    return EpochRow(**{**fields, "case_id": case_id, "noise": " ".join(noise.find_noise(epoch.noise)) or None})


def _find_common(outcome: Outcome, header: SweepHeader) -> dict[str, Any]:
    """What all rows of a case have in common."""
    return {
        "schema_version": SCHEMA_VERSION,
        "case_id": outcome.case.case_id,
        **outcome.case.model_dump(exclude={"checkpoints"}),
        "run_epochs": outcome.case.run_epochs,
        "dataset_digest": header.dataset_digest,
        "dataset_genuine": _to_words(header.dataset_genuine),
        "train_samples": header.train_samples,
        "val_samples": header.val_samples,
        "run_status": outcome.status,
        "attempts": outcome.attempt,
        "machine_id": header.machine_id,
        "environment_id": header.environment_id,
        **header.fingerprint.model_dump(),
        "started_at": outcome.started_at,
        "git_commit": header.git_commit,
        "git_dirty": _to_words(header.git_dirty),
    }


def _to_words(fact: bool | None) -> YesNo:
    return "unknown" if fact is None else "yes" if fact else "no"


def _make_row(
    outcome: Outcome, common: dict[str, Any], epochs: int, checkpoint: CheckpointEvent | None, without_noisy: bool
) -> ResultRow:
    if checkpoint is None:
        return ResultRow(**common, epochs=epochs, status=outcome.status, error=outcome.error, steady="unknown")
    times = _compute_times(outcome.epochs, epochs, common["train_samples"], without_noisy)
    return ResultRow(
        **common,
        epochs=epochs,
        status="ok",
        **times,
        **_compute_roofline(outcome, checkpoint, times["samples_per_s"]),
        **_read_setup(outcome),
        **_read_memory(outcome, checkpoint),
        **_compute_energy(outcome, times["warmup_epochs"], epochs, without_noisy),
        **_read_surroundings(outcome),
        train_loss=outcome.epochs.get_column("train_loss")[epochs - 1],
        val_loss=outcome.epochs.get_column("val_loss")[epochs - 1],
        **_read_evaluation(outcome, epochs),
        total_s=checkpoint.wall_s,
        cpu_total_s=checkpoint.cpu_s,
    )


def _compute_times(of: Epochs, epochs: int, samples: int, without_noisy: bool) -> dict[str, Any]:
    """Medians of the steady epochs of the first ``epochs``; sums of all.

    The warm-up is that of the whole run, so that its checkpoints agree on which epochs are steady.
    """
    warmup = min(stats.find_warmup_length(of.get_column("train_s")), epochs)
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
    }


def _list_steady(of: Epochs, warmup: int, epochs: int, without_noisy: bool) -> list[int]:
    """Places of the steady epochs among the first ``epochs``."""
    noisy = of.get_column("noisy")
    return [place for place in range(warmup, epochs) if not (without_noisy and noisy[place])]


_FEWEST_STEADY = 3
"""Of fewer epochs a median says nothing."""
_SHORTEST_S, _LONGEST_S = 1e-9, 1e9
"""Of an epoch: a tick of the clock, and thirty years."""


def _estimate_speed(of: Epochs, places: Sequence[int]) -> ProcessSpeed | None:
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


def _read_setup(outcome: Outcome) -> dict[str, Any]:
    phases: dict[str, PhaseEvent] = {phase.name: phase for phase in outcome.phases}
    return {
        **{f"{name}_s": phases[name].seconds for name in ("import", "build") if name in phases},
        **{f"peak_rss_{name}_mib": phases[name].peak_mib for name in ("import", "data", "build") if name in phases},
        "params": outcome.setup and outcome.setup.params,
        "peak_rss_method": outcome.setup and outcome.setup.peak_rss_method,
        "intra_threads": outcome.setup and outcome.setup.intra_threads,
        "inter_threads": outcome.setup and outcome.setup.inter_threads,
        "compile_arguments": outcome.setup and outcome.setup.compile_arguments,
    }


def _compute_roofline(outcome: Outcome, checkpoint: CheckpointEvent, samples_per_s: float | None) -> dict[str, Any]:
    """Arithmetic and memory traffic that were reached, and the machine's peaks."""
    setup, peaks = outcome.setup, _find_peaks(outcome, on_gpu=checkpoint.peak_gpu_mib is not None)
    flops = setup.training_flops if setup else None
    moved = setup.step_bytes if setup else None
    counted = {
        "forward_flops_per_sample": setup.forward_flops if setup else None,
        "flops_per_sample": flops,
        "step_bytes": moved,
    }
    reached = flops * samples_per_s / 1e9 if flops is not None and samples_per_s is not None else None
    figures = {**counted, **peaks, "gflop_per_s": reached}
    if not peaks or flops is None or moved is None:
        return figures
    bound = find_bound(flop=flops * outcome.case.batch_size, moved=moved, **peaks)
    fraction = None if reached is None else reached / peaks["peak_gflop_per_s"]
    return {**figures, "peak_fraction": fraction, "bound": bound}


def _find_peaks(outcome: Outcome, *, on_gpu: bool) -> dict[str, float]:
    """The best that the device reached that trained; the reference kernels run on the CPU, in float32."""
    peaks = outcome.peaks
    if peaks is None or peaks.gflop_per_s <= 0 or peaks.gb_per_s <= 0:
        return {}
    kernels = [] if on_gpu else [run for run in (outcome.reference_before, outcome.reference_after) if run is not None]
    products = kernels if outcome.case.precision == "float32" else []
    return {
        "dispatch_s": peaks.dispatch_s,
        "peak_gflop_per_s": max([peaks.gflop_per_s, *(run.gflop_per_s for run in products)]),
        "peak_gb_per_s": max([peaks.gb_per_s, *(run.gb_per_s for run in kernels)]),
    }


def _read_evaluation(outcome: Outcome, epochs: int) -> dict[str, Any]:
    found = [evaluation for evaluation in outcome.evaluations if evaluation.epochs == epochs]
    columns = ("val_bce", "code_mean", "code_units", "dead_units")
    return {name: getattr(found[0], name) for name in columns} if found else {}


def _read_memory(outcome: Outcome, checkpoint: CheckpointEvent) -> dict[str, Any]:
    phases: dict[str, PhaseEvent] = {phase.name: phase for phase in checkpoint.phases}
    peaks = {
        f"peak_rss_{name}_mib": phases[name].peak_mib for name in ("first_epoch", "train", "val") if name in phases
    }
    sampled = [mib for at_s, mib in outcome.timeline.samples if at_s <= checkpoint.at_s] if outcome.timeline else []
    return {
        **peaks,
        "peak_rss_mib": checkpoint.peak_rss_mib,
        "peak_anon_mib": checkpoint.peak_anon_mib,
        "peak_sampled_mib": max(sampled, default=None),
        "sampled_every_s": outcome.timeline.interval_s if sampled and outcome.timeline else None,
        "peak_gpu_mib": checkpoint.peak_gpu_mib,
        "peak_gpu_used_mib": checkpoint.peak_gpu_used_mib,
        "threads_alive": checkpoint.threads_alive,
    }


def _compute_energy(outcome: Outcome, warmup: int, epochs: int, without_noisy: bool) -> dict[str, Any]:
    """A mean of the steady epochs and no median: a slow counter's steps fall into some of them and not into others."""
    if outcome.setup is None or not outcome.setup.energy_counters:
        return {}
    steady = _list_steady(outcome.epochs, warmup, epochs, without_noisy)
    joules = sum_joules(outcome, steady) if len(steady) >= _FEWEST_STEADY else None
    return {
        "epoch_j": None if joules is None else joules / len(steady),
        "train_total_j": sum_joules(outcome, range(epochs)),
        "energy_method": " + ".join(outcome.setup.energy_counters),
        "idle_w": sum_idle_power(outcome),
    }


_OF_THE_RUN = ("steal_percent", "cpu_pressure_percent", "memory_pressure_percent", "io_pressure_percent", "load")


def _read_surroundings(outcome: Outcome) -> dict[str, Any]:
    """Noise indicators of the run, and the reference kernels around it."""
    references = [run for run in (outcome.reference_before, outcome.reference_after) if run is not None]
    cpu_s = outcome.parent_cpu_s
    return {
        "parent_cores": None if cpu_s is None or outcome.duration_s <= 0 else cpu_s / outcome.duration_s,
        **{name: outcome.noise and getattr(outcome.noise, name) for name in _OF_THE_RUN},
        "reference_gflop_per_s": statistics.fmean(run.gflop_per_s for run in references) if references else None,
        "reference_gb_per_s": statistics.fmean(run.gb_per_s for run in references) if references else None,
    }
