"""The harness' own hot paths: run by `nox -s micro`, skipped among the tests."""

from pathlib import Path

import pytest
import scripted
from pytest_benchmark.fixture import BenchmarkFixture

from bench import journal, rows, spec
from bench.folder import ReportFolder
from bench.record import EpochRow, Outcome, ResultRow, SweepHeader
from bench.report.files import csv_text


@pytest.fixture(scope="module")
def header() -> SweepHeader:
    return scripted.header(profile=spec.read_profile("full"))


@pytest.fixture(scope="module")
def outcome(header: SweepHeader) -> Outcome:
    """A finished 500-epoch case with its three marks."""
    return scripted.outcome(header.profile.cases()[0])


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
