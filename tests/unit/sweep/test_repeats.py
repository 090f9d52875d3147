"""A sweep with minutes runs further processes of the cases that are known least."""

import io
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import scripted
from rich.console import Console
from scripted import NOISY, QUIET, Script
from unit.sweeps import measured, request, resumed, status

from bench.errors import InvalidInput
from bench.plan.profile import Case
from bench.report.report import redraw_report
from bench.results import journal
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome
from bench.results.speed import CaseSpeed
from bench.sweep.repeats import (
    AROUND_S,
    LONGEST_WAIT_S,
    LOOK_S,
    KnownCase,
    choose_repeat,
    cut_checkpoints,
    wait_for_quiet,
)

SWEEP: dict[str, Any] = {"models": ["basic", "deep"], "epochs": [1, 4], "batch_sizes": [4], "minutes": 2}
"""Each process takes 20 s and a look at the machine one: 40 s of planned cases, and then time for three processes."""
RAN = ["basic", "deep", "basic repeat 1", "deep repeat 1", "basic repeat 2"]

# ------------------------------------------------------------------------------ the choice


def known(within: float) -> CaseSpeed:
    return CaseSpeed(1.0, 1.0, low=1 / (1 + within), high=1 + within, processes=1, freedom=8, shared=0.5)


def choose(reach: dict[str, float], *ended: Outcome, left_s: float = 1000.0, **profile: Any) -> Case | None:
    """What is chosen where the cases of these models are known to within those fractions."""
    outcomes = ended or [scripted.outcome(scripted.case(model=model)) for model in reach]
    speeds = {scripted.case(model=model).name: known(within) for model, within in reach.items()}
    choice = choose_repeat(scripted.profile(**profile), outcomes, speeds, left_s)
    return choice.case if choice else None


def test_the_case_with_the_widest_interval_is_run_next() -> None:
    found = choose({"basic": 0.2, "deep": 0.3, "sparse": 0.1})
    assert found is not None
    assert (found.model, found.repeat) == ("deep", 1)


def test_whoever_asks_may_rank_the_cases_otherwise_and_sees_all_of_them() -> None:
    outcomes = [scripted.outcome(scripted.case(model=model)) for model in ("basic", "deep", "sparse")]
    speeds = {outcome.case.name: known(within) for outcome, within in zip(outcomes, (0.2, 0.3, 0.01), strict=True)}
    seen: list[KnownCase] = []

    def rank(cases: Sequence[KnownCase]) -> Sequence[KnownCase]:
        seen.extend(cases)
        return cases[::-1]

    choice = choose_repeat(scripted.profile(), [*outcomes[1:], outcomes[0]], speeds, 1000.0, rank)
    assert choice is not None
    assert choice.case.model == "deep", "sparse is known well enough"
    assert [(case.name, speed) for case, speed in seen] == list(speeds.items())


def test_nothing_is_run_once_every_case_is_known_well_enough() -> None:
    assert choose({"basic": 0.049, "deep": 0.04}) is None
    assert choose({"basic": 0.049, "deep": 0.04}, within_percent=4.5) is not None


def test_a_process_that_does_not_fit_into_the_time_makes_way_for_one_that_does() -> None:
    long, short = (scripted.outcome(scripted.case(model=m), duration_s=s) for m, s in (("basic", 60.0), ("deep", 10.0)))
    reach = {"basic": 0.3, "deep": 0.2}
    for left_s, model in ((60 + AROUND_S, "basic"), (59 + AROUND_S, "deep")):
        found = choose(reach, long, short, left_s=left_s)
        assert found is not None
        assert found.model == model
    assert choose(reach, long, short, left_s=9 + AROUND_S) is None


def test_a_case_of_which_a_process_failed_gets_no_more() -> None:
    well, failed = scripted.outcome(), scripted.outcome(scripted.case(repeat=1), reached=1)
    assert choose({"basic": 0.3}, well, failed) is None


@pytest.mark.parametrize(("planned", "ran", "free"), [(1, [0], 1), (1, [0, 1, 2], 3), (3, [0, 1, 2], 3), (4, [0], 4)])
def test_a_further_process_has_the_next_free_repeat(planned: int, ran: Sequence[int], free: int) -> None:
    ended = [scripted.outcome(scripted.case(repeat=repeat)) for repeat in ran]
    found = choose({"basic": 0.3}, *ended, repeats=planned)
    assert found is not None
    assert found.repeat == free


@pytest.mark.parametrize(
    ("checkpoints", "kept"),
    [((50, 100, 500), (50,)), ((1, 2, 10), (1, 2, 10)), ((5, 12, 40), (5, 12)), ((11, 13), (11, 13)), ((3,), (3,))],
)
def test_checkpoints_are_cut_after_the_first_with_enough_epochs(
    checkpoints: tuple[int, ...], kept: tuple[int, ...]
) -> None:
    assert cut_checkpoints(checkpoints) == kept
    assert cut_checkpoints(kept) == kept


def test_a_process_that_is_cut_takes_less_time_than_the_first_one() -> None:
    first = scripted.outcome(scripted.case(checkpoints=(20, 60)), duration_s=80.0)  # at 31 s and at 71 s
    found = choose({"basic": 0.3}, first, left_s=40 + AROUND_S)
    assert found is not None
    assert found.checkpoints == (20,)
    assert choose({"basic": 0.3}, first, left_s=39 + AROUND_S) is None


# ------------------------------------------------------------------------------ a sweep with minutes


def test_every_case_runs_once_and_then_further_processes_take_turns_until_the_time_is_up(
    folder: ReportFolder, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed = measured(folder, overrides=SWEEP)
    assert (code, script.ran) == (0, RAN)
    assert "2 cases, about 16 s, then further processes for the rest of 2 minutes; " in printed
    assert status(folder)["complete"] is True
    assert status(folder)["cases"] == {"planned": 2, "not_run": 0, "ok": 2}
    assert status(folder)["further_processes"] == {"run": 3, "ok": 3}
    assert list(pd.read_csv(folder.results)["repeat"]) == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]
    assert "2 of 2 cases measured, and 3 further processes" in folder.report.read_text()
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"\[2/2 \+ 1\] repeat of basic · batch 4 \(within \d+ %, wanted 5 %\); 1 min 20 s left", lines[4])
    assert lines[5].startswith("[2/2 + 1] basic · batch 4, repeat 1: 4 epochs in 20 s")
    assert lines[8].startswith("[2/2 + 3] repeat of basic · batch 4 (within ")


def test_a_report_says_how_many_cases_are_known_as_well_as_wanted(folder: ReportFolder, script: Script) -> None:
    printed = measured(folder, overrides=SWEEP)[1]
    sentence = re.search(
        r"0 of 2 cases are known to within 5 %; the widest is deep · batch 4, within (\d+) %\.", printed
    )
    assert sentence
    assert sentence[0] in folder.report.read_text()
    assert sentence[0] in folder.page.read_text()
    assert "Each case ran once" not in printed


def test_a_report_with_further_processes_is_drawn_again_as_it_was(folder: ReportFolder, script: Script) -> None:
    measured(folder, overrides=SWEEP)
    made = (folder.results, folder.epochs, folder.report, folder.status, folder.page)
    before = [path.read_bytes() for path in made]
    assert redraw_report(folder.root, Console(file=io.StringIO())) == 0
    assert [path.read_bytes() for path in made] == before


def test_a_sweep_ends_before_its_time_where_every_case_is_known_well_enough(
    folder: ReportFolder, script: Script
) -> None:
    _, printed = measured(folder, overrides=SWEEP | {"minutes": 600, "within_percent": 50.0})
    assert "2 of 2 cases are known to within 50 %; the widest is " in printed
    assert 4 <= len(script.ran) < 20
    assert script.now < 1000 + 600


def test_a_sweep_whose_cases_need_all_of_its_time_runs_each_of_them_once(folder: ReportFolder, script: Script) -> None:
    code, printed = measured(folder, overrides=SWEEP | {"minutes": 0.5})
    assert (code, script.ran) == (0, ["basic", "deep"])
    assert "Each case ran once." in printed
    assert status(folder)["further_processes"] == {"run": 0}


def test_planned_repeats_come_first_and_are_counted_on(folder: ReportFolder, script: Script) -> None:
    measured(folder, overrides=SWEEP | {"repeats": 2})
    assert script.ran == ["basic", "deep", "basic repeat 1", "deep repeat 1", "basic repeat 2"]
    assert status(folder)["cases"]["planned"] == 4
    assert status(folder)["further_processes"]["run"] == 1


def test_repeats_without_minutes_are_a_fixed_design(folder: ReportFolder, script: Script) -> None:
    flags = {name: value for name, value in SWEEP.items() if name != "minutes"} | {"repeats": 2}
    printed = measured(folder, overrides=flags)[1]
    assert len(script.ran) == 4
    assert "The time per epoch of a case is known to within " in printed


def test_a_profile_may_have_repeats_and_minutes(folder: ReportFolder, script: Script, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('models = ["basic"]\nepochs = [1, 4]\nbatch_sizes = [4]\nrepeats = 2\nminutes = 1.5\n')
    measured(folder, profile=str(file), overrides={})
    assert script.ran == ["basic", "basic repeat 1", "basic repeat 2", "basic repeat 3"]


def test_how_well_to_know_the_cases_needs_minutes(folder: ReportFolder, script: Script) -> None:
    with pytest.raises(InvalidInput, match=r"--within .* --minutes"):
        request(folder, profile="ci", overrides={"within_percent": 3.0}).choose_profile()


def test_losses_of_processes_that_were_cut_are_not_mixed_with_those_of_whole_ones(
    folder: ReportFolder, script: Script
) -> None:
    measured(folder, overrides=SWEEP | {"models": ["basic"], "epochs": [12, 40]})
    rows = pd.read_csv(folder.results)
    assert list(rows["epochs"][:3]) == [12, 40, 12]
    text = folder.page.read_text()
    assert "Quality: bce 0.0050 (basic · batch 4);" in text
    assert text.count('<td data-sort="40">40</td>') == text.count('<td data-sort="12">12</td>') + 1


# ------------------------------------------------------------------------------ what goes wrong


def test_ctrl_c_in_a_further_process_keeps_all_that_was_measured_and_says_how_to_go_on(
    folder: ReportFolder, script: Script
) -> None:
    script.interrupt_at = "deep repeat 1"
    code, printed = measured(folder, overrides=SWEEP)
    assert code == 130
    assert status(folder)["exit_code"] == 130
    assert status(folder)["cases"] == {"planned": 2, "not_run": 0, "ok": 2}
    assert status(folder)["further_processes"] == {"run": 1, "ok": 1}
    assert folder.page.is_file()
    assert f"aebench run --resume --out {folder.root} --offline --minutes 1.0" in printed


def test_a_sweep_that_is_resumed_runs_no_further_processes_by_itself(folder: ReportFolder, script: Script) -> None:
    script.interrupt_at = "deep repeat 1"
    measured(folder, overrides=SWEEP)
    script.interrupt_at, script.ran = None, []
    code, printed = resumed(folder)
    assert (code, script.ran) == (0, [])
    assert "2 cases, 2 of them kept from before" in printed
    assert status(folder)["further_processes"] == {"run": 1, "ok": 1}


def test_a_sweep_that_is_resumed_with_minutes_counts_its_repeats_on(folder: ReportFolder, script: Script) -> None:
    script.interrupt_at = "deep"
    measured(folder, overrides=SWEEP)
    script.interrupt_at, script.ran = None, []
    code, _ = resumed(folder, minutes=1)
    assert (code, script.ran) == (0, ["deep", "basic repeat 1"])
    script.ran = []
    code, _ = resumed(folder, minutes=1, within_percent=3.0)
    assert (code, script.ran) == (0, ["deep repeat 1", "basic repeat 2"])
    assert len(journal.read_journal(folder.journal).outcomes) == 5


def test_a_report_says_what_the_last_run_wanted_also_when_it_is_drawn_again(
    folder: ReportFolder, script: Script
) -> None:
    measured(folder, overrides=SWEEP)
    header = journal.read_header(folder.journal)
    _, printed = resumed(folder, minutes=1, within_percent=70.0)
    assert "2 of 2 cases are known to within 70 %; " in printed
    out = io.StringIO()
    redraw_report(folder.root, Console(file=out, width=160))
    assert "2 of 2 cases are known to within 70 %; " in out.getvalue()
    assert "2 of 2 cases are known to within 70 %; " in folder.report.read_text()
    _, printed = resumed(folder, minutes=1, within_percent=3.0)
    assert "0 of 2 cases are known to within 3 %; " in printed
    _, printed = resumed(folder)
    assert "0 of 2 cases are known to within 3 %; " in printed, "a run without further processes has no aim of its own"
    _, printed = resumed(folder, minutes=0.1)
    assert "0 of 2 cases are known to within 5 %; " in printed
    assert journal.read_header(folder.journal) == header, "how the sweep was begun stays"


def test_the_command_that_goes_on_keeps_how_well_the_cases_are_to_be_known(
    folder: ReportFolder, script: Script
) -> None:
    measured(folder, overrides=SWEEP)
    script.interrupt_at = "basic repeat 3"
    _, printed = resumed(folder, minutes=5, within_percent=3.5)
    assert re.search(r"--resume --out \S+ --offline --minutes [\d.]+ --within 3.5\n", printed)


def test_a_further_process_that_failed_is_a_failed_case_and_is_run_again(
    folder: ReportFolder, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    script.endings = {"basic repeat 1": {"reached": 1}}
    code, printed = measured(folder, overrides=SWEEP)
    assert (code, script.ran) == (3, ["basic", "deep", "basic repeat 1", "deep repeat 1", "deep repeat 2"])
    assert "basic · batch 4, repeat 1: failed: ValueError: scripted" in printed
    assert f"To run what failed or is missing: aebench run --resume --out {folder.root} --offline\n" in printed
    assert status(folder)["complete"] is True
    assert status(folder)["further_processes"] == {"run": 3, "ok": 2, "failed": 1}
    assert [failure["status"] for failure in status(folder)["failures"]] == ["failed"]
    text = folder.page.read_text()
    assert "1 of 3 further processes failed" in text
    assert "2 of 2 cases measured, and 2 further processes" in text
    script.endings, script.ran = {}, []
    capsys.readouterr()
    code, printed = resumed(folder)
    assert (code, script.ran) == (0, ["basic repeat 1"])
    assert "3 cases, 2 of them kept from before" in printed
    assert capsys.readouterr().out.startswith("[3/3] basic · batch 4, repeat 1, 4 epochs; ")
    assert status(folder)["further_processes"] == {"run": 3, "ok": 3}


def test_a_case_that_failed_gets_no_further_process(folder: ReportFolder, script: Script) -> None:
    script.endings = {"basic": {"reached": 1}}
    code, _ = measured(folder, overrides=SWEEP)
    assert (code, script.ran) == (3, ["basic", "deep", "deep repeat 1", "deep repeat 2", "deep repeat 3"])
    assert status(folder)["cases"] == {"planned": 2, "not_run": 0, "ok": 1, "failed": 1}


def test_a_disk_that_is_full_in_a_further_process_stops_the_sweep_with_what_the_journal_holds(
    folder: ReportFolder, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, lines = journal.Writer.append, itertools.count()

    def refuse(self: journal.Writer, line: Outcome) -> None:
        if next(lines) == 3:
            raise OSError(28, "No space left on device", str(folder.journal))
        append(self, line)

    monkeypatch.setattr(journal.Writer, "append", refuse)
    code, printed = measured(folder, overrides=SWEEP)
    assert code == 3
    assert "The journal holds 2 of 2 cases and 1 further process, each of them whole." in printed
    assert status(folder)["further_processes"] == {"run": 1, "ok": 1}


# ------------------------------------------------------------------------------ a noisy machine


def test_a_sweep_waits_for_a_quiet_machine_and_says_why(
    folder: ReportFolder, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    script.seen = itertools.chain([NOISY] * 3, itertools.repeat(QUIET))
    measured(folder, overrides=SWEEP)
    lines = capsys.readouterr().out.splitlines()
    assert lines[4] == "[2/2 + 1] waiting up to 30 s: other programs use 1.0 cores"
    assert lines[5].startswith("[2/2 + 1] repeat of basic")
    assert not any("waiting" in line for line in lines[5:])


def test_a_machine_that_stays_noisy_is_waited_for_so_long_and_never_beyond_the_sweeps_time(
    folder: ReportFolder, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    script.seen = itertools.repeat(NOISY)
    measured(folder, overrides=SWEEP)
    waits = re.findall(r"waiting up to (\d+) s", capsys.readouterr().out)
    assert waits == ["30"]
    assert script.ran == RAN[:4]
    assert script.now <= 1000 + 60 * SWEEP["minutes"]


def test_all_waits_together_are_a_quarter_of_the_minutes_and_that_is_said_once(
    folder: ReportFolder, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    script.seen = itertools.chain([NOISY] * 11, [QUIET], itertools.repeat(NOISY))
    measured(folder, overrides=SWEEP | {"minutes": 10})
    printed = capsys.readouterr().out
    assert re.findall(r"waiting up to (\d+) s", printed) == ["30", "30", "30", "30", "30", "19"]
    assert printed.count("no more waiting: a quarter of the 10 minutes went") == 1
    assert printed.index("no more waiting") > printed.rindex("waiting up to")
    assert script.now > 1000 + 60 * 10 - 30, "the rest of the minutes is measured in"


def test_a_wait_ends_at_its_bound(script: Script) -> None:
    said: list[str] = []
    script.seen = itertools.repeat(NOISY)
    wait_for_quiet(LONGEST_WAIT_S, said.append)
    assert LONGEST_WAIT_S <= script.now - 1000 <= LONGEST_WAIT_S + LOOK_S
    assert len(said) == 1
    wait_for_quiet(LOOK_S / 2, said.append)
    assert len(said) == 1
