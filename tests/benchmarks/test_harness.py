"""The harness' own hot paths: run by `nox -s micro`, skipped among the tests."""

import io
from pathlib import Path

import pytest
import scripted
from pytest_benchmark.fixture import BenchmarkFixture
from rich.console import Console

from bench.compare import compare
from bench.plan.profile import read_profile
from bench.report.files import format_csv, make_all_result_rows
from bench.results import journal, rows
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome, SweepHeader
from bench.results.process_schema import EpochRow
from bench.results.schema import ResultRow


@pytest.fixture(scope="module")
def header() -> SweepHeader:
    return scripted.header(profile=read_profile("full"))


@pytest.fixture(scope="module")
def outcome(header: SweepHeader) -> Outcome:
    """A finished 500-epoch case with its three checkpoints."""
    return scripted.outcome(header.profile.list_cases()[0])


def test_expanding_the_full_profile(benchmark: BenchmarkFixture) -> None:
    profile = read_profile("full")
    assert len(benchmark(profile.list_cases)) == 36


def test_appending_a_500_epoch_outcome(
    benchmark: BenchmarkFixture, tmp_path: Path, header: SweepHeader, outcome: Outcome
) -> None:
    with journal.open_writer(ReportFolder(tmp_path)) as writer:
        writer.append(header)
        benchmark(writer.append, outcome)


def test_reading_a_journal_of_100_000_epochs(
    benchmark: BenchmarkFixture, tmp_path: Path, header: SweepHeader, outcome: Outcome
) -> None:
    folder = ReportFolder(tmp_path)
    with journal.open_writer(folder) as writer:
        writer.append(header)
        for _ in range(200):
            writer.append(outcome)
    stored = benchmark.pedantic(journal.read_journal, (folder.journal,), rounds=3)
    assert len(stored.outcomes) == 200


def test_appending_to_a_journal_of_100_000_epochs(
    benchmark: BenchmarkFixture, tmp_path: Path, header: SweepHeader, outcome: Outcome
) -> None:
    with journal.open_writer(ReportFolder(tmp_path)) as writer:
        writer.append(header)
        for _ in range(200):
            writer.append(outcome)
        benchmark(writer.append, outcome)


def test_comparing_20_reports(benchmark: BenchmarkFixture, tmp_path: Path, header: SweepHeader) -> None:
    outcomes = [scripted.outcome(case) for case in header.profile.list_cases()]
    reports = [tmp_path / f"{number}.csv" for number in range(20)]
    for number, path in enumerate(reports):
        other = header.model_copy(update={"machine_id": f"{number:08x}"})
        path.write_text(format_csv(ResultRow, make_all_result_rows(outcomes, other)), encoding="utf-8")
    console = Console(file=io.StringIO(), width=160)
    assert benchmark.pedantic(compare.compare_reports, (compare.CompareRequest(reports), console), rounds=3) == 0


def test_rows_of_a_500_epoch_outcome(benchmark: BenchmarkFixture, header: SweepHeader, outcome: Outcome) -> None:
    assert len(benchmark(rows.make_result_rows, outcome, header)) == 3


def test_writing_10_000_epochs_as_csv(benchmark: BenchmarkFixture, outcome: Outcome) -> None:
    records = list(rows.make_epoch_rows(outcome)) * 20
    assert benchmark.pedantic(format_csv, (EpochRow, records), rounds=3).count("\n") == 10_001


def test_writing_3_000_results_as_csv(benchmark: BenchmarkFixture, header: SweepHeader, outcome: Outcome) -> None:
    records = rows.make_result_rows(outcome, header) * 1000
    assert benchmark.pedantic(format_csv, (ResultRow, records), rounds=3).count("\n") == 3_001
