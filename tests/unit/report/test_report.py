"""A report drawn again from its journal."""

import io
from pathlib import Path
from typing import Any

import pytest
import scripted
from rich.console import Console
from scripted import Script
from unit.sweeps import measured, status

from bench.errors import InvalidInput
from bench.plan import catalog
from bench.report import report
from bench.report.contents import SweepReport
from bench.results import journal
from bench.results.folder import ReportFolder


def redrawn(folder: ReportFolder, **choices: Any) -> str:
    out = io.StringIO()
    report.redraw_report(folder.root, Console(file=out, width=160), **choices)
    return out.getvalue()


@pytest.mark.parametrize("failing", [False, True])
def test_a_report_is_drawn_again_from_the_journal_alone(folder: ReportFolder, script: Script, *, failing: bool) -> None:
    script.endings = {"deep": {"reached": 1}} if failing else {}
    measured(folder)
    made = (folder.results, folder.epochs, folder.environment, folder.report, folder.status)
    before = [path.read_bytes() for path in made]
    for path in made:
        path.unlink()
    printed = redrawn(folder)
    assert [path.read_bytes() for path in made] == before
    assert "4 epochs took 14.0 s, start" in printed
    assert "basic: " not in printed
    assert "\nbasic: " in redrawn(folder, tables=True)
    assert not script.ran[3:]


def test_the_answer_for_a_quick_sweep_is_one_screen() -> None:
    models = catalog.read_model_settings()
    cases = [
        scripted.case(model=model, batch_size=size, checkpoints=(1, 2, 10), loop=loop)
        for model in models
        for size in (128, 256)
        for loop in (("fit", "xla") if model == "basic" else ("fit",))
    ]
    profile = scripted.profile(models=tuple(models), epochs=(1, 2, 10))
    header, out = scripted.header(profile=profile, cases=tuple(cases)), io.StringIO()
    made = SweepReport(ReportFolder(Path("nowhere")), header, [*map(scripted.outcome, cases)])
    report.print_answer(made, Console(file=out, width=100))
    lines = out.getvalue().splitlines()
    assert len(cases) == 20
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    assert [line for line in lines if line.startswith("denoising_small  ")] != []
    for topic in ("Time:     10 epochs took", "Memory:   ", "Quality:  bce ", "Loop:     ", "Trust:    "):
        assert [line for line in lines if line.startswith(topic)] != []


def test_a_report_drawn_again_of_an_unfinished_sweep_does_not_call_it_a_success(
    folder: ReportFolder, script: Script
) -> None:
    script.interrupt_at = "deep"
    measured(folder)
    redrawn(folder)
    assert status(folder)["complete"] is False
    assert status(folder)["exit_code"] == 130


def test_a_folder_without_a_journal_has_no_report_to_draw(folder: ReportFolder) -> None:
    with pytest.raises(InvalidInput, match=r"journal\.jsonl"):
        redrawn(folder)


def test_the_report_of_a_sweep_that_is_on_is_left_to_it(folder: ReportFolder, script: Script) -> None:
    measured(folder)
    with journal.lock_folder(folder), pytest.raises(InvalidInput, match="another run"):
        report.redraw_report(folder.root, Console(file=io.StringIO()))


@pytest.mark.usefixtures("undrawn")
def test_the_report_comes_out_of_the_journal_the_same_again(tmp_path: Path) -> None:
    folder = ReportFolder(tmp_path)
    header = scripted.header()
    ended = [scripted.outcome(), scripted.outcome(scripted.case(model="deep"), reached=1)]
    with journal.open_writer(folder) as writer:
        writer.append(header)
        for outcome in ended:
            writer.append(outcome)
    report.write_report(SweepReport(folder, header, ended), 3)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    stored = journal.read_journal(folder.journal)
    report.write_report(SweepReport(folder, stored.header, list(stored.latest.values()), stored.notes), 3)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == made
    assert {"results.csv", "epochs.csv", "environment.json", "status.json", "report.md"} <= set(made)
