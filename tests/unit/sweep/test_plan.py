"""What `aebench run --plan` prints, and that it does nothing else."""

import io
import re
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console
from scripted import Script
from unit.sweeps import PROFILE, request

from bench.errors import InvalidInput
from bench.host import fingerprint
from bench.plan import forecast
from bench.plan.forecast import Forecast, Machine, MeasuredProcess
from bench.results.folder import ReportFolder
from bench.sweep import plan


def test_a_plan_prints_every_case_and_the_time_and_runs_and_writes_nothing(
    folder: ReportFolder, script: Script
) -> None:
    out = io.StringIO()
    assert plan.show_plan(request(folder), Console(file=out, width=160)) == 0
    for expected in (
        "basic · batch 4",
        "deep · batch 4",
        "sparse · batch 4",
        "1, 4",
        "adam 0.001",
        "3 cases",
        "About ",
    ):
        assert expected in out.getvalue()
    assert not folder.root.exists()
    assert script.ran == []


def test_a_plan_says_where_it_has_no_estimate(folder: ReportFolder, script: Script) -> None:
    out = io.StringIO()
    unknown = PROFILE | {"models": ["convolutional"], "loops": ["xla"]}
    plan.show_plan(request(folder, overrides=unknown), Console(file=out, width=160))
    words = " ".join(out.getvalue().split())
    assert "no estimate" in words
    assert "1 case without an estimate: that way to train that model was never measured." in words
    assert "10 to 150 times slower" in words
    assert "About" not in words


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> MeasuredProcess:
    """The references have one process."""
    known = next(each for each in forecast.read_measured() if (each.model, each.loop) == ("basic", "fit"))
    known = replace(known, batch_size=4, optimizer="adam", train_samples=4_000, epoch_s=0.125, peak_rss_mib=876.4)
    for module in (forecast, plan):
        monkeypatch.setattr(module, "read_measured", lambda: (known,))
    return known


def show(folder: ReportFolder, **overrides: Any) -> str:
    out = io.StringIO()
    plan.show_plan(request(folder, overrides=PROFILE | overrides), Console(file=out, width=300))
    return out.getvalue()


def read_cells(shown: str) -> dict[str, list[str]]:
    """The cells of a plan's table by the model."""
    rows = [re.split(r"\s{2,}|[│|]", line.strip(" │|")) for line in shown.splitlines()]
    return {row[0].split()[0]: [part.strip() for part in row[1:]] for row in rows if len(row) > 3 and " · " in row[0]}


def test_a_plan_foretells_memory_where_a_reference_report_has_the_case(
    folder: ReportFolder, script: Script, known: MeasuredProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "measure_machine", lambda _: Machine(known.cpu_model, known.cores))
    shown = show(folder, models=["basic", "sequence"])
    cells = read_cells(shown)
    assert cells["basic"][-2:] == ["0.125", "876"]
    assert "876" not in cells["sequence"]
    assert f"are what reports of 2 cores of {known.cpu_model}, as here, say" in shown
    assert "reports of" not in show(folder, models=["deep"])
    other = replace(known, cpu_model="Other CPU", model="deep")
    for module in (forecast, plan):
        monkeypatch.setattr(module, "read_measured", lambda: (known, other))
    assert known.gflop_per_s
    assert known.gb_per_s
    slow = Machine(known.cpu_model, known.cores, known.gflop_per_s / 2, known.gb_per_s / 2)
    monkeypatch.setattr(plan, "measure_machine", lambda _: slow)
    shown = show(folder, models=["basic", "deep"])
    assert (
        "as here (for 1 case those of others, times 2, as the reference kernels take 2 times as long here) say" in shown
    )


def test_a_plan_for_another_machine_is_scaled_by_the_reference_kernels(
    folder: ReportFolder, script: Script, known: MeasuredProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert known.gflop_per_s
    assert known.gb_per_s
    slow = Machine("Slow CPU", 4.0, known.gflop_per_s / 3, known.gb_per_s / 3)
    monkeypatch.setattr(plan, "measure_machine", lambda _: slow)
    shown = show(folder, models=["basic"])
    assert read_cells(shown)["basic"][-2:] == ["0.375", "876"]
    assert "times 3, as the reference kernels take 3 times as long here, say" in shown
    assert "How good that is on another machine than theirs is not known." in shown
    assert " on this machine." in shown
    near = replace(known, cpu_model="Near CPU", model="deep", gflop_per_s=slow.gflop_per_s, gb_per_s=slow.gb_per_s)
    for module in (forecast, plan):
        monkeypatch.setattr(module, "read_measured", lambda: (known, near))
    shown = show(folder, models=["basic", "deep"])
    named = f"2 cores of Near CPU, 2 cores of {known.cpu_model}"
    assert f"reports of {named}, times 1 to 3, as the reference kernels take 1 to 3 times as long here, say" in shown


@pytest.mark.parametrize(
    ("percents", "expected"),
    [
        ([(None, None)], "It is not known how good these forecasts are: no two reports have these cases."),
        ([(12.4, 1.2), (3.0, 2.0)], "Reports foretell each other's times to within 13 % and peaks to within 2 %."),
        ([(12.4, 1.2), (None, None)], "and peaks to within 2 %; of 1 case it is not known how good."),
    ],
)
def test_a_plan_says_how_good_its_forecasts_are(
    folder: ReportFolder,
    script: Script,
    known: MeasuredProcess,
    monkeypatch: pytest.MonkeyPatch,
    percents: list[tuple[float | None, float | None]],
    expected: str,
) -> None:
    monkeypatch.setattr(plan, "measure_machine", lambda _: Machine(known.cpu_model, known.cores))
    forecasts = iter([Forecast(5.0, 0.1, 900.0, *each) for each in percents])
    monkeypatch.setattr(
        plan,
        "forecast_cases",
        lambda cases, *_: {case.name: each for case, each in zip(cases, forecasts, strict=False)},
    )
    out = io.StringIO()
    plan.show_plan(request(folder), Console(file=out, width=200))
    assert expected in " ".join(out.getvalue().split())


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (2, "for the rest of 2 minutes or until each case is known to within 5 %."),
        (0.1, "That is more than 0.1 minutes, so there will hardly be time for further processes."),
    ],
)
def test_a_plan_says_what_comes_after_the_cases(
    folder: ReportFolder, script: Script, minutes: float, expected: str
) -> None:
    out = io.StringIO()
    plan.show_plan(request(folder, overrides=PROFILE | {"minutes": minutes}), Console(file=out, width=160))
    assert expected in " ".join(out.getvalue().split())
    out.truncate(0)
    plan.show_plan(request(folder), Console(file=out, width=160))
    assert "further" not in out.getvalue()


def test_a_plan_refuses_what_the_run_would_refuse(folder: ReportFolder, script: Script) -> None:
    with pytest.raises(InvalidInput, match="4001"):
        plan.show_plan(request(folder, overrides=PROFILE | {"batch_sizes": [4001]}))


def test_a_plan_needs_no_backend(folder: ReportFolder, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "find_backends", list)
    assert plan.show_plan(request(folder), Console(file=io.StringIO(), width=160)) == 0
