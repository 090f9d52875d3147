"""The files for other tools: each is read by its tool's own reader, or checked by that tool's documented schema."""

import json
import math
import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import pytest
import scripted
from pydantic import BaseModel, ConfigDict, Field, RootModel, TypeAdapter
from pytest_benchmark import cli as pytest_benchmark_cli
from pytest_benchmark.stats import Stats

from bench.report import exports
from bench.report.contents import SweepReport
from bench.report.report import write_report
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome, SweepHeader
from bench.worker.protocol import EpochEvent

HEADER = scripted.header()
BASIC = scripted.case()
LAST = f"{BASIC.case_id}.e4"


def epochs(*train_s: float) -> tuple[EpochEvent, ...]:
    return tuple(scripted.epoch(number, train_s=seconds) for number, seconds in enumerate(train_s, start=1))


def timed(*train_s: float) -> Outcome:
    """A run of as many epochs, with one checkpoint."""
    return scripted.outcome(scripted.case(checkpoints=(len(train_s),)), epochs=epochs(*train_s))


def report_on(outcomes: Sequence[Outcome], header: SweepHeader = HEADER) -> SweepReport:
    return SweepReport(ReportFolder(Path("nowhere")), header, outcomes)


def written(folder: Path, *outcomes: Outcome) -> ReportFolder:
    """A report folder with the three files of these outcomes."""
    folder.mkdir(parents=True, exist_ok=True)
    exports.write_exports(SweepReport(ReportFolder(folder), HEADER, outcomes))
    return ReportFolder(folder)


def strict(path: Path) -> Any:
    """The file's JSON, without the NaN and Infinity that Python alone would read."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{path.name} holds {constant}")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def files(folder: ReportFolder) -> tuple[Path, ...]:
    return folder.pytest_benchmark, folder.github_action_benchmark, folder.bencher


# ------------------------------------------------------------- pytest-benchmark


Program = Callable[..., str]


@pytest.fixture
def pytest_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    """What the real program prints in the test's folder."""
    monkeypatch.chdir(tmp_path)

    def program(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["pytest-benchmark", *arguments])
        untyped: Any = pytest_benchmark_cli
        untyped.main()
        printed = capsys.readouterr()
        assert "Failed to load" not in printed.out + printed.err
        return printed.out

    return program


def test_pytest_benchmark_compares_one_report(tmp_path: Path, pytest_benchmark: Program) -> None:
    written(tmp_path / "mine", scripted.outcome(), scripted.outcome(scripted.case(model="deep")))
    printed = pytest_benchmark("compare", "mine/pytest-benchmark.json")
    for model in ("basic", "deep"):
        assert f"benchmark '{model}': 1 tests" in printed
        assert f"{model}[{BASIC.case_id.removeprefix('basic.')}.e4] " in printed


def test_pytest_benchmark_compares_the_reports_of_a_storage(tmp_path: Path, pytest_benchmark: Program) -> None:
    written(tmp_path / "reports/one", timed(2.0, 1.0, 1.0))
    written(tmp_path / "reports/two", timed(2.0, 1.5, 1.5))
    printed = pytest_benchmark("--storage", "reports", "compare", "*/pytest-benchmark")
    assert "benchmark 'basic': 2 tests" in printed
    for source, times in (("one", "1.0000 (1.0)"), ("two", "1.5000 (1.50)")):
        (line,) = [line for line in printed.splitlines() if f"({source}/" in line]
        assert times in line


def test_pytest_benchmark_groups_by_parameters(tmp_path: Path, pytest_benchmark: Program) -> None:
    sizes = (scripted.outcome(scripted.case(batch_size=size)) for size in (4, 8))
    written(tmp_path / "mine", *sizes)
    grouped = ("compare", "--group-by", "func,param:batch_size", "mine/pytest-benchmark.json")
    printed = pytest_benchmark(*grouped)
    assert "benchmark 'basic batch_size=4': 1 tests" in printed
    assert "benchmark 'basic batch_size=8': 1 tests" in printed


def test_pytest_benchmark_lists_a_storage(tmp_path: Path, pytest_benchmark: Program) -> None:
    folder = written(tmp_path / "reports/one", scripted.outcome())
    listed = pytest_benchmark("--storage", "reports", "list").splitlines()
    assert str(folder.pytest_benchmark.resolve()) in listed


@pytest.mark.parametrize("train_s", [(2.0, 0.25), (2.0, 0.25, 0.25, 0.25)])
def test_rounds_without_any_spread_can_be_compared(
    tmp_path: Path, pytest_benchmark: Program, train_s: tuple[float, ...]
) -> None:
    folder = written(tmp_path / "mine", timed(*train_s))
    (benchmark,) = strict(folder.pytest_benchmark)["benchmarks"]
    assert benchmark["stats"]["stddev"] == benchmark["stats"]["iqr"] == 0
    assert benchmark["stats"]["rounds"] == len(train_s) - 1
    assert "250.0000" in pytest_benchmark("compare", "mine/pytest-benchmark.json")


def test_an_empty_report_can_be_compared(tmp_path: Path, pytest_benchmark: Program) -> None:
    folder = written(tmp_path / "mine")
    assert strict(folder.pytest_benchmark)["benchmarks"] == []
    pytest_benchmark("compare", "mine/pytest-benchmark.json")


@pytest.mark.parametrize("count", [*range(1, 14), 39, 500])
def test_the_figures_are_those_that_pytest_benchmark_computes(count: int) -> None:
    source = random.Random(count)
    data = [source.lognormvariate(0, 1) for _ in range(count)]
    untyped: Any = Stats
    theirs = untyped()
    for value in data:
        theirs.update(value)
    ours = exports.compute_statistics(data)
    assert set(ours) == {*Stats.fields, "data", "iterations"}
    assert ours["data"] == data
    for field in set(Stats.fields) - {"hd15iqr"}:  # up to 5.2 theirs was the first value beyond the fence
        assert ours[field] == (pytest.approx(getattr(theirs, field)) if field != "outliers" else theirs.outliers)


def test_the_whiskers_end_at_the_last_values_within_the_fences() -> None:
    figures = exports.compute_statistics([-9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 99.0])
    assert (figures["ld15iqr"], figures["hd15iqr"], figures["iqr_outliers"]) == (1.0, 7.0, 2)


def benchmarks(*outcomes: Outcome) -> list[dict[str, Any]]:
    return [later() for later in exports.make_pytest_benchmark(report_on(outcomes))["benchmarks"]]


def test_rounds_are_the_steady_epochs_up_to_the_checkpoint() -> None:
    slow_twice = epochs(9.0, 5.0, *([1.0, 1.1] * 5))
    run = scripted.outcome(scripted.case(checkpoints=(6, 12)), epochs=slow_twice)
    assert [found["stats"]["data"] for found in benchmarks(run)] == [
        [epoch.train_s for epoch in slow_twice[2:checkpoint]] for checkpoint in (6, 12)
    ]


def test_rounds_have_the_median_of_results_csv() -> None:
    for outcome in (timed(2.0, 1.0, 1.5, 1.2), scripted.outcome()):
        [last] = [row for row in report_on([outcome]).rows if row.epochs == row.run_epochs]
        assert last.epoch_s_median == benchmarks(outcome)[-1]["stats"]["median"]


def test_trackers_get_the_time_on_a_quiet_machine() -> None:
    loud = [scripted.epoch(number, train_s=2.0, noise=scripted.NOISY) for number in (1, 2, 3, 4)]
    run = scripted.outcome(epochs=loud)
    row = report_on([run]).rows[-1]
    assert row.epoch_s_quiet is not None
    assert entries(run)[f"{LAST} time per epoch"].value == row.epoch_s_quiet < 2.0
    assert measures(run)[LAST]["latency"].value == row.epoch_s_quiet * 1e9


def test_a_checkpoint_without_steady_epochs_has_no_benchmark() -> None:
    assert [found["params"]["epochs"] for found in benchmarks(scripted.outcome())] == [4]


def test_memory_and_losses_come_along() -> None:
    (found,) = benchmarks(scripted.outcome())
    info = found["extra_info"]
    assert info["peak_rss_mib"] == 604.0
    assert (info["train_loss"], info["val_loss"], info["val_bce"]) == (scripted.INEXACT / 4, 0.4 / 4, 0.2 / 4)
    assert None not in info.values()


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for each in value.values():
            yield from leaves(each)
    else:
        yield value


def test_the_machine_is_described_by_its_fingerprint_alone() -> None:
    info = exports.make_pytest_benchmark(report_on([]))["machine_info"]
    known = {*HEADER.fingerprint.model_dump().values(), HEADER.machine_id, "CPython", "3.12.1"}
    assert set(leaves(info)) <= known
    assert info["node"] == HEADER.machine_id


def test_outside_of_a_checkout_the_commit_is_called_unversioned() -> None:
    info = exports.make_pytest_benchmark(report_on([], scripted.header(git_commit=None, git_dirty=None)))["commit_info"]
    assert (info["id"], info["dirty"]) == ("unversioned", False)


# --------------------------------------------------------- github-action-benchmark


Finite = Annotated[float, Field(allow_inf_nan=False, strict=True)]


class Entry(BaseModel):
    """`BenchmarkResult` in github-action-benchmark's `src/extract.ts`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(min_length=1)]
    unit: Annotated[str, Field(min_length=1)]
    value: Finite
    range: str | None = None
    extra: str | None = None


def entries(*outcomes: Outcome) -> dict[str, Entry]:
    """By name, each name once."""
    text = json.dumps(exports.make_github_action_benchmark(report_on(outcomes)), allow_nan=False)
    found = TypeAdapter(list[Entry]).validate_json(text)
    assert len({entry.name for entry in found}) == len(found)
    return {entry.name: entry for entry in found}


def test_github_action_benchmark_gets_an_entry_per_metric_of_the_last_checkpoint() -> None:
    found = entries(scripted.outcome())
    assert {name: (entry.value, entry.unit) for name, entry in found.items()} == {
        f"{LAST} time per epoch": (pytest.approx(scripted.INEXACT + 0.003), "s"),
        f"{LAST} first epoch": (2.5, "s"),
        f"{LAST} peak RAM": (604.0, "MiB"),
        f"{LAST} validation BCE": (0.2 / 4, "nats"),
    }


def test_the_range_is_the_interval_of_the_time() -> None:
    found, row = entries(scripted.outcome()), scripted.result_row()
    assert found[f"{LAST} time per epoch"].range == f"{row.epoch_s_low} to {row.epoch_s_high} (95 %)"
    assert {name for name, entry in found.items() if entry.range} == {f"{LAST} time per epoch"}


# -------------------------------------------------------------------- Bencher


class Metric(BaseModel):
    """A measure's value in Bencher Metric Format."""

    model_config = ConfigDict(extra="forbid", strict=True)

    value: Finite
    lower_value: Finite | None = None
    upper_value: Finite | None = None


Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
Name = Annotated[str, Field(min_length=1, max_length=1024)]


class Bmf(RootModel[dict[Name, Annotated[dict[Slug, Metric], Field(min_length=1)]]]):
    """https://bencher.dev/docs/reference/bencher-metric-format/."""


def measures(*outcomes: Outcome) -> dict[str, dict[str, Metric]]:
    return Bmf.model_validate_json(json.dumps(exports.make_bencher(report_on(outcomes)), allow_nan=False)).root


def test_bencher_gets_a_benchmark_for_the_last_checkpoint() -> None:
    assert {name: measure.value for name, measure in measures(scripted.outcome())[LAST].items()} == {
        "latency": pytest.approx((scripted.INEXACT + 0.003) * 1e9),
        "first-epoch-seconds": 2.5,
        "peak-rss-mib": 604.0,
        "val-bce-nats": 0.2 / 4,
    }


def test_bencher_gets_latency_in_nanoseconds_with_its_interval() -> None:
    found, row = measures(scripted.outcome())[LAST], scripted.result_row()
    latency = found["latency"]
    in_s = (row.epoch_s_low, row.epoch_s_quiet, row.epoch_s_high)
    assert (latency.lower_value, latency.value, latency.upper_value) == tuple(
        seconds * 1e9 for seconds in in_s if seconds
    )
    assert found["peak-rss-mib"].lower_value is None


# -------------------------------------------------------------------- all three


def export(outcomes: Sequence[Outcome]) -> str:
    return json.dumps(
        [
            benchmarks(*outcomes),
            exports.make_github_action_benchmark(report_on(outcomes)),
            exports.make_bencher(report_on(outcomes)),
        ],
        allow_nan=False,
    )


def test_a_failed_case_is_left_out_even_where_it_reached_a_checkpoint() -> None:
    failed = scripted.outcome(scripted.case(model="deep", checkpoints=(3, 6)), reached=4)
    assert export([failed]) == export([])
    assert export([failed, scripted.outcome()]) == export([scripted.outcome()])


def test_what_was_not_measured_is_left_out() -> None:
    run = scripted.outcome(scripted.case(checkpoints=(1,)), evaluations=())
    name = f"{BASIC.case_id}.e1"
    assert set(entries(run)) == {f"{name} first epoch", f"{name} peak RAM"}
    assert set(measures(run)[name]) == {"first-epoch-seconds", "peak-rss-mib"}


def test_gpu_memory_comes_where_there_is_a_gpu() -> None:
    checkpoint = scripted.checkpoint(4).__class__(**vars(scripted.checkpoint(4)) | {"peak_gpu_mib": 77.0})
    run = scripted.outcome(scripted.case(checkpoints=(4,)), checkpoints=(checkpoint,))
    assert entries(run)[f"{LAST} peak GPU memory"].value == 77.0
    assert measures(run)[LAST]["peak-gpu-mib"].value == 77.0


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_numbers_that_json_has_no_word_for_are_left_out(odd: float) -> None:
    run = scripted.outcome(
        epochs=epochs(odd, odd, odd, odd), evaluations=(scripted.evaluation(1), scripted.evaluation(4, val_bce=odd))
    )
    assert not re.search("nan|infinity", export([run]), re.IGNORECASE)
    assert set(entries(run)) == {f"{LAST} peak RAM"}


def test_no_two_benchmarks_have_one_name() -> None:
    cases = [
        scripted.case(model=model, batch_size=size, repeat=repeat, seed=seed, checkpoints=(2, 3, 12))
        for model in ("basic", "deep")
        for size in (1, 11)
        for repeat in (0, 1)
        for seed in (0, 10)
    ]
    outcomes = list(map(scripted.outcome, cases))
    found = benchmarks(*outcomes)
    for key in ("name", "fullname"):
        assert len({benchmark[key] for benchmark in found}) == len(found) == 3 * len(cases)
    assert len(entries(*outcomes)) == 4 * len(cases)
    assert len(measures(*outcomes)) == len(cases)


@pytest.mark.usefixtures("undrawn")
def test_every_report_has_the_three_files_in_strict_json(folder: ReportFolder) -> None:
    folder.root.mkdir()
    ended = [scripted.outcome(), scripted.outcome(scripted.case(model="deep"), reached=1)]
    write_report(SweepReport(folder, HEADER, ended), 3)
    assert all(map(strict, files(folder)))
    write_report(SweepReport(folder, HEADER, []), 3)
    assert [bool(strict(path)) for path in files(folder)] == [True, False, False]
