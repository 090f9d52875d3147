"""An outcome's rows for results.csv and epochs.csv: pure functions."""

from typing import Any

from bench import stats
from bench.event import EpochEvent, MarkEvent, PhaseEvent
from bench.record import SCHEMA_VERSION, EpochRow, Outcome, ResultRow, SweepHeader


def result_rows(outcome: Outcome, header: SweepHeader) -> list[ResultRow]:
    """A row for each of the case's marks, also for those that the run did not reach.

    A mark without all its epochs does not count as reached: something of what the process told is missing.
    """
    told = [epoch.epoch for epoch in outcome.epochs]
    reached = {mark.epochs: mark for mark in outcome.marks if told[: mark.epochs] == list(range(1, mark.epochs + 1))}
    shared = _shared(outcome, header)
    return [_row(outcome, shared, epochs, reached.get(epochs)) for epochs in outcome.case.marks]


def epoch_rows(outcome: Outcome) -> list[EpochRow]:
    """A row for each epoch that ended."""
    case_id = outcome.case.case_id
    return [
        EpochRow(
            case_id=case_id,
            epoch=epoch.epoch,
            train_s=epoch.train_s,
            val_s=epoch.val_s,
            callback_s=epoch.callback_s,
            harness_s=epoch.harness_s,
            cpu_s=epoch.cpu_s,
            train_loss=epoch.train_loss,
            val_loss=epoch.val_loss,
            rss_mib=epoch.rss_mib,
        )
        for epoch in outcome.epochs
    ]


def _shared(outcome: Outcome, header: SweepHeader) -> dict[str, Any]:
    """What all rows of a case have in common."""
    return {
        "schema_version": SCHEMA_VERSION,
        "case_id": outcome.case.case_id,
        **outcome.case.model_dump(exclude={"marks"}),
        "run_epochs": outcome.case.run_epochs,
        "dataset_digest": header.dataset_digest,
        "dataset_genuine": header.dataset_genuine,
        "train_samples": header.train_samples,
        "val_samples": header.val_samples,
        "run_status": outcome.status,
        "machine_id": header.machine_id,
        **header.fingerprint.model_dump(),
        "started_at": outcome.started_at,
        "git_commit": header.git_commit,
        "git_dirty": header.git_dirty,
    }


def _row(outcome: Outcome, shared: dict[str, Any], epochs: int, mark: MarkEvent | None) -> ResultRow:
    if mark is None:
        return ResultRow(**shared, epochs=epochs, status=outcome.status, error=outcome.error)
    trained = outcome.epochs[:epochs]
    return ResultRow(
        **shared,
        epochs=epochs,
        status="ok",
        **_times(trained, shared["train_samples"]),
        **_setup(outcome),
        **_memory(mark),
        train_loss=trained[-1].train_loss,
        val_loss=trained[-1].val_loss,
        **_evaluation(outcome, epochs),
        wall_s_total=mark.wall_s,
        cpu_s_total=mark.cpu_s,
    )


def _times(epochs: tuple[EpochEvent, ...], samples: int) -> dict[str, Any]:
    """The first epoch carries tracing and compilation; the steady ones are those after it."""
    steady = epochs[1:]
    train = stats.median([epoch.train_s for epoch in steady])
    validation = stats.median([epoch.val_s for epoch in steady])
    return {
        "first_epoch_s": epochs[0].train_s,
        "steady_epochs": len(steady),
        "epoch_s_median": train and train.value,
        "epoch_s_ci_low": train and train.low,
        "epoch_s_ci_high": train and train.high,
        "val_s_median": validation and validation.value,
        "train_s_total": sum(epoch.train_s for epoch in epochs),
        "val_s_total": sum(epoch.val_s for epoch in epochs),
        "samples_per_s": samples / train.value if train else None,
    }


def _setup(outcome: Outcome) -> dict[str, Any]:
    phases: dict[str, PhaseEvent] = {phase.name: phase for phase in outcome.phases}
    return {
        **{f"{name}_s": phases[name].seconds for name in ("import", "build") if name in phases},
        **{f"rss_{name}_mib": phases[name].peak_mib for name in ("import", "data", "build") if name in phases},
        "params": outcome.setup and outcome.setup.params,
        "peak_rss_method": outcome.setup and outcome.setup.peak_rss_method,
    }


def _evaluation(outcome: Outcome, epochs: int) -> dict[str, Any]:
    found = [evaluation for evaluation in outcome.evaluations if evaluation.epochs == epochs]
    columns = ("val_bce", "code_mean", "code_units", "dead_units")
    return {name: getattr(found[0], name) for name in columns} if found else {}


def _memory(mark: MarkEvent) -> dict[str, Any]:
    phases: dict[str, PhaseEvent] = {phase.name: phase for phase in mark.phases}
    peaks = {
        f"rss_{name}_mib": phases[name].peak_mib if name in phases else None for name in ("first_epoch", "train", "val")
    }
    return {**peaks, "peak_rss_mib": mark.peak_rss_mib, "anon_peak_mib": mark.anon_peak_mib}
