"""Makes the rows of results.csv, epochs.csv and phases.csv from an outcome: pure functions."""

import statistics
from collections.abc import Iterator
from typing import Any, get_args

from bench.host import noise
from bench.results import derived
from bench.results.energy import sum_idle_power
from bench.results.journal_lines import Outcome, SweepHeader
from bench.results.process_schema import EpochRow, PhaseRow
from bench.results.schema import ResultRow
from bench.worker.protocol import CheckpointEvent, EpochEvent, PhaseEvent, PhaseName


def make_result_rows(outcome: Outcome, header: SweepHeader, *, without_noisy: bool = False) -> list[ResultRow]:
    """A row for each of the case's checkpoints, also for those that the run did not reach.

    A checkpoint does not count as reached where the process did not send all epochs before it. With ``without_noisy``
    the medians leave out epochs with a noise indicator out of bounds.
    """
    numbers = outcome.epochs.get_column("epoch")
    whole = next((place for place, epoch in enumerate(numbers) if epoch != place + 1), len(numbers))
    reached = {checkpoint.epochs: checkpoint for checkpoint in outcome.checkpoints if checkpoint.epochs <= whole}
    common, warmup = _find_common(outcome, header), derived.find_warmup(outcome.epochs)
    rows = []
    for epochs in outcome.case.checkpoints:
        placed = common | derived.place_row(outcome.case, epochs, header)
        rows.append(_make_row(outcome, placed, epochs, reached.get(epochs), warmup, without_noisy))
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
        **derived.describe_sweep(header),
        **derived.describe_case(outcome.case),
        "run_status": outcome.status,
        "attempts": outcome.attempt,
        "started_at": outcome.started_at,
    }


def _make_row(
    outcome: Outcome,
    common: dict[str, Any],
    epochs: int,
    checkpoint: CheckpointEvent | None,
    warmup: int,
    without_noisy: bool,
) -> ResultRow:
    if checkpoint is None:
        return ResultRow(**common, epochs=epochs, status=outcome.status, error=outcome.error, steady="unknown")
    figures = derived.compute_from_epochs(
        outcome.epochs, epochs, warmup, common["train_samples"], without_noisy=without_noisy
    )
    return ResultRow(
        **common,
        epochs=epochs,
        status="ok",
        **figures,
        **_compute_roofline(outcome, checkpoint, figures["samples_per_s"]),
        **_read_setup(outcome),
        **_read_memory(outcome, checkpoint),
        **_compute_energy(outcome, warmup, epochs, without_noisy),
        **_read_surroundings(outcome),
        **_read_evaluation(outcome, epochs),
        total_s=checkpoint.wall_s,
        cpu_total_s=checkpoint.cpu_s,
    )


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
    counted = {
        "flops_per_sample": setup.training_flops if setup else None,
        "step_bytes": setup.step_bytes if setup else None,
    }
    reached = derived.compute_roofline(
        **counted, batch_size=outcome.case.batch_size, samples_per_s=samples_per_s, peaks=peaks
    )
    return {"forward_flops_per_sample": setup.forward_flops if setup else None, **counted, **peaks, **reached}


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
    counters = outcome.setup.energy_counters if outcome.setup else ()
    if not counters:
        return {}
    return {
        **derived.compute_energy(outcome.epochs, epochs, warmup, counters, without_noisy=without_noisy),
        "energy_method": derived.JOINED.join(counters),
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
