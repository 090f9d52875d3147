"""What the page says first."""

from pathlib import Path
from typing import Any

import scripted

from bench.report.contents import SweepReport
from bench.report.headline import write_answer
from bench.report.render import Answer, Card
from bench.report.ways import list_ways
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome


def answer(*outcomes: Outcome) -> Answer:
    report = SweepReport(ReportFolder(Path("nowhere")), scripted.header(), outcomes)
    return write_answer(report, list_ways(outcomes, report.rows))


def ended(
    epoch_s: float = 0.5, total_s: float = 14.0, bce: float = 0.178, first_s: float = 2.0, **changes: Any
) -> Outcome:
    """Ten epochs, of which the first compiles."""
    of = scripted.case(checkpoints=(10,), **changes)
    epochs = tuple(scripted.epoch(n, train_s=first_s if n == 1 else epoch_s, val_s=0.0) for n in range(1, 11))
    fields: dict[str, Any] = {"epochs": epochs, "evaluations": (scripted.evaluation(10, val_bce=bce),)}
    outcome = scripted.outcome(of, **fields)
    (reached,) = outcome.checkpoints
    checkpoint = reached.__class__(**{**vars(reached), "wall_s": total_s})
    return outcome.model_copy(update={"checkpoints": (checkpoint,)})


def card(found: Answer, label: str) -> Card:
    return next(each for each in found.cards if each.label == label)


def test_it_says_how_long_how_much_memory_and_how_good() -> None:
    found = answer(ended(), ended(model="deep", total_s=30.0))
    assert "".join(found.headline) == "10 epochs of basic: 14.0 s, 610 MiB, bce 0.178"
    assert list(found.headline[1::2]) == ["14.0 s", "610 MiB", "bce 0.178"], "figures stand out"
    assert found.details.startswith("That is fit, batch 4, 40 images an epoch")


def test_of_several_batch_sizes_the_one_that_ended_best_is_meant() -> None:
    assert "bce 0.150" in answer(ended(), ended(batch_size=8, bce=0.15)).headline


def test_it_says_which_loop_to_use_by_the_whole_time() -> None:
    fast = answer(ended(), ended(0.1, 12.0, loop="xla"))
    assert fast.headline[-1] == "use xla"
    assert "compilation included; xla took 12.0 s and 610 MiB. " in fast.details
    slow_start = answer(ended(), ended(0.1, 18.0, first_s=8.2, loop="xla"))
    assert slow_start.headline[-1] == "use fit"
    assert "took" not in slow_start.details
    assert "".join(slow_start.headline).endswith("; use fit")


def test_a_loop_that_a_script_can_copy_is_chosen_before_a_faster_one_that_it_cannot() -> None:
    found = answer(ended(), ended(0.1, 12.0, loop="steps_jit"), ended(0.05, 11.0, loop="xla"))
    assert found.headline[-1] == "use steps_jit"
    assert "steps_jit took 12.0 s and 610 MiB: add `steps_per_execution=32, jit_compile=True` to `compile`." in (
        found.details
    )
    assert card(found, "Loop").figure == "steps_jit: 5.0 × fit"
    slow_start = answer(ended(), ended(0.1, 18.0, first_s=8.2, loop="steps_jit"), ended(0.05, 11.0, loop="xla"))
    assert slow_start.headline[-1] == "use xla", "it has not paid yet"


def test_a_faster_loop_is_described_per_epoch_over_all_and_from_where_on_it_pays() -> None:
    found = card(answer(ended(), ended(0.1, 18.0, first_s=8.2, loop="xla")), "Loop")
    assert found.figure == "xla: 5.0 × fit"
    assert found.words == "per epoch of basic · batch 4; 0.85 × over 10 epochs"
    assert found.remark == "pays from epoch 17 on", "its first epoch costs 6.6 s more, and each one makes up 0.4 s"
    slower = answer(ended(), ended(0.6, 12.0, loop="xla"))
    assert slower.headline[-1] == "use fit"
    assert "Loop" not in [each.label for each in slower.cards]


def test_a_loop_of_another_batch_size_is_not_compared() -> None:
    found = answer(ended(), ended(0.1, 2.0, batch_size=8, loop="xla"))
    assert "use" not in "".join(found.headline)
    assert "Loop" not in [each.label for each in found.cards]


def test_cards_say_which_case_is_fastest_best_and_smallest() -> None:
    found = answer(ended(), ended(0.1, model="deep", bce=0.15))
    assert [(each.label, each.figure) for each in found.cards] == [
        ("Fastest epoch", "0.1 s"),
        ("Best", "bce 0.150"),
        ("Least memory", "610 MiB"),
        ("How sure", found.cards[-1].figure),
    ]
    assert card(found, "Best").words == "deep · batch 4: 10 epochs in 14.0 s"
    assert card(found, "Best").remark == "up to bce 0.178 (basic)"


def test_a_card_has_no_range_where_all_cases_agree() -> None:
    assert [each.remark for each in answer(ended()).cards[:3]] == ["", "", ""]
    assert card(answer(ended(), ended(0.1, model="deep")), "Least memory").remark == ""


def test_without_figures_there_is_no_advice() -> None:
    """A strange journal's figures may be too large to say; every second piece stands out."""
    outcomes = ended(), ended(0.1, loop="xla")
    report = SweepReport(ReportFolder(Path("nowhere")), scripted.header(), outcomes)
    strange = dict.fromkeys(("total_s", "peak_rss_mib", "val_bce"), 1e13)
    report.__dict__["rows"] = [row.model_copy(update=strange) for row in report.rows]
    found = write_answer(report, list_ways(outcomes, report.rows))
    assert found.headline == ("10 epochs of basic.",)


def test_where_nothing_was_measured_it_says_so() -> None:
    assert answer(scripted.outcome(reached=0)).headline == ("Nothing was measured.",)
    assert answer().cards == ()
