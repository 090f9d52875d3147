"""The harness' own hot paths: run by `nox -s micro`, skipped among the tests."""

from pathlib import Path
from typing import get_args

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench import journal, rows, spec
from bench.event import EpochEvent, EvaluationEvent, MarkEvent, PhaseEvent, PhaseName
from bench.folder import ReportFolder
from bench.record import EpochRow, Fingerprint, Outcome, ResultRow, SweepHeader
from bench.report.files import csv_text

FINGERPRINT = Fingerprint(
    cpu_arch="x86_64", cores_logical=2, cpu_limit=2.0, ram_mib=1024, os="any", kernel="any", python="any", aebench="any"
)


@pytest.fixture(scope="module")
def header() -> SweepHeader:
    return SweepHeader(
        profile=spec.read_profile("full"),
        dataset_digest="0" * 64,
        dataset_genuine=True,
        dataset_origin="declared",
        train_samples=60_000,
        val_samples=10_000,
        machine_id="0" * 12,
        fingerprint=FINGERPRINT,
        git_commit=None,
        git_dirty=None,
        created_at="2026-01-01T00:00:00+00:00",
    )


@pytest.fixture(scope="module")
def outcome(header: SweepHeader) -> Outcome:
    """A finished 500-epoch case with its three marks."""
    case = header.profile.cases()[0]
    return Outcome(
        case=case,
        status="ok",
        started_at="2026-01-01T00:00:00+00:00",
        duration_s=600.0,
        phases=tuple(map(phase, get_args(PhaseName)[:4])),
        epochs=tuple(epoch(number) for number in range(1, case.run_epochs + 1)),
        marks=tuple(mark(epochs) for epochs in case.marks),
        evaluations=tuple(evaluation(epochs) for epochs in case.marks),
    )


def phase(name: PhaseName) -> PhaseEvent:
    return PhaseEvent(name=name, seconds=1.0, peak_mib=700.0, rss_mib=700.0, anon_mib=300.0, file_mib=400.0)


def epoch(number: int) -> EpochEvent:
    return EpochEvent(
        epoch=number,
        train_s=1.0 + 0.1 / number,
        val_s=0.1,
        callback_s=0.001,
        harness_s=0.0001,
        cpu_s=1.5,
        train_loss=0.1,
        val_loss=0.1,
        rss_mib=700.0,
    )


def mark(epochs: int) -> MarkEvent:
    return MarkEvent(epochs=epochs, wall_s=1.0, cpu_s=1.0, peak_rss_mib=700.0, anon_peak_mib=300.0, phases=())


def evaluation(epochs: int) -> EvaluationEvent:
    return EvaluationEvent(epochs=epochs, val_bce=0.1, code_mean=1.0, code_units=32, dead_units=0)


def test_expanding_the_full_profile(benchmark: BenchmarkFixture) -> None:
    profile = spec.read_profile("full")
    assert len(benchmark(profile.cases)) == 36


def test_appending_a_500_epoch_outcome(
    benchmark: BenchmarkFixture, tmp_path: Path, header: SweepHeader, outcome: Outcome
) -> None:
    with journal.writing(ReportFolder(tmp_path)) as writer:
        writer.append(header)
        benchmark(writer.append, outcome)


def test_reading_a_journal_of_100_000_epochs(
    benchmark: BenchmarkFixture, tmp_path: Path, header: SweepHeader, outcome: Outcome
) -> None:
    folder = ReportFolder(tmp_path)
    with journal.writing(folder) as writer:
        writer.append(header)
        for _ in range(200):
            writer.append(outcome)
    stored = benchmark.pedantic(journal.read, (folder.journal,), rounds=3)
    assert len(stored.outcomes) == 200


def test_rows_of_a_500_epoch_outcome(benchmark: BenchmarkFixture, header: SweepHeader, outcome: Outcome) -> None:
    assert len(benchmark(rows.result_rows, outcome, header)) == 3


def test_writing_10_000_epochs_as_csv(benchmark: BenchmarkFixture, outcome: Outcome) -> None:
    records = rows.epoch_rows(outcome) * 20
    assert benchmark.pedantic(csv_text, (EpochRow, records), rounds=3).count("\n") == 10_001


def test_writing_3_000_results_as_csv(benchmark: BenchmarkFixture, header: SweepHeader, outcome: Outcome) -> None:
    records = rows.result_rows(outcome, header) * 1000
    assert benchmark.pedantic(csv_text, (ResultRow, records), rounds=3).count("\n") == 3_001
