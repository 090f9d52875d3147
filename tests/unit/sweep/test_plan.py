"""What `aebench run --plan` prints, and that it does nothing else."""

import io
import re
import statistics

import pytest
from rich.console import Console
from scripted import Script
from unit.sweeps import PROFILE, request

from bench.errors import InvalidInput
from bench.host import fingerprint
from bench.plan.forecast import Forecast, read_measured
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


def test_a_plan_foretells_memory_where_a_reference_report_has_the_case(folder: ReportFolder, script: Script) -> None:
    out, known = io.StringIO(), read_measured()[0]
    axes = {"models": [known.model, "sequence"], "batch_sizes": [known.batch_size], "loops": [known.loop]}
    plan.show_plan(request(folder, overrides=PROFILE | axes), Console(file=out, width=160))
    alike = [
        each
        for each in read_measured()
        if (each.model, each.batch_size, each.loop, each.train_samples, each.optimizer)
        == (known.model, known.batch_size, known.loop, 4_000, "adam")
    ]
    epoch, peak = (statistics.median(getattr(each, name) for each in alike) for name in ("epoch_s", "peak_rss_mib"))
    cells = {
        parts[0].strip(): [part.strip() for part in parts[1:]]
        for line in out.getvalue().splitlines()
        if len(parts := re.split(r"\s{2,}|[│|]", line.strip(" │|"))) > 3
    }
    [own] = [row for name, row in cells.items() if name.startswith(known.model)]
    [unknown] = [row for name, row in cells.items() if name.startswith("sequence")]
    assert own[-2:] == [f"{epoch:.3g}", f"{peak:,.0f}"]
    assert f"{peak:,.0f}" not in unknown
    assert "are what reports of" in out.getvalue()
    out.truncate(0)
    plan.show_plan(request(folder), Console(file=out, width=160))
    assert "reports of" not in out.getvalue()


@pytest.mark.parametrize(
    ("percents", "expected"),
    [
        ([(None, None)], "It is not known how good these forecasts are: no two reports have these cases."),
        ([(12.4, 1.2), (3.0, 2.0)], "Reports foretell each other's times to within 12 % and peaks to within 2 %."),
        ([(12.4, 1.2), (None, None)], "and peaks to within 1 %; of 1 case it is not known how good."),
    ],
)
def test_a_plan_says_how_good_its_forecasts_are(
    folder: ReportFolder,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
    percents: list[tuple[float | None, float | None]],
    expected: str,
) -> None:
    forecasts = iter([Forecast(5.0, 0.1, 900.0, *each) for each in percents])
    monkeypatch.setattr(plan, "forecast_case", lambda *_: next(forecasts, None))
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
