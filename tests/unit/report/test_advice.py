"""What a script can copy: the fastest way that is clearly faster, in words."""

from typing import Any

import pytest
import scripted

from bench.report.advice import Advice, describe_advice, describe_change, list_advice, summarize_advice
from bench.report.contents import SweepReport
from bench.report.markdown import format_markdown
from bench.report.variants import Way, compare_variants
from bench.results.folder import ReportFolder
from bench.results.schema import ResultRow
from bench.results.speed import estimate_cases


def row(loop: str = "fit", seconds: float = 6.0, **changes: Any) -> ResultRow:
    """A row of a case at 3 epochs that starts in 10 s."""
    axes = {
        name: changes[name] for name in ("model", "batch_size", "backend", "precision", "threads") if name in changes
    }
    fields: dict[str, Any] = {
        "case_id": scripted.case(loop=loop, **axes).case_id,
        "loop": loop,
        "epochs": 3,
        "total_s": 10.0 + 3 * seconds,
        "val_s_median": 0.0,
        "first_epoch_s": seconds,
        "train_total_s": 3 * seconds,
        "val_total_s": 0.0,
        "val_bce": 0.2,
    }
    return scripted.result_row(**fields | scripted.times(seconds, reach=1.06) | changes)


def advise(*rows: ResultRow) -> list[Advice]:
    return list_advice(compare_variants(rows, estimate_cases(rows)))


def only(*rows: ResultRow) -> Advice:
    (advice,) = advise(*rows)
    return advice


def test_the_fastest_way_that_a_script_can_copy_is_advised_and_the_fastest_of_all_is_said() -> None:
    advice = only(row(), row("steps", 4.0), row("steps_jit", 2.0), row("xla", 1.0))
    assert advice.setting
    assert advice.setting.variant.name == "steps_jit"
    assert advice.best
    assert advice.best.variant.name == "xla"
    assert describe_advice(advice) == (
        "basic · batch 4: add `steps_per_execution=32, jit_compile=True` to `compile`: 3.0 times as fast per epoch as "
        "`fit` (2.9 to 3.1), 1.75 times over 3 epochs, pays from epoch 1 on, same loss. The loop `xla` is 6.0 times as "
        "fast, but no line of a script can copy it."
    )


def test_what_may_be_chance_is_not_called_faster() -> None:
    wide: dict[float, Any] = {seconds: scripted.times(seconds, reach=1.5) for seconds in (5.0, 6.0)}
    advice = only(row(**wide[6.0]), row("steps", **wide[5.0]), row("xla", **wide[5.0]))
    assert advice.setting is None
    assert advice.best is None
    assert describe_advice(advice) == "basic · batch 4: no line added to a script is clearly faster than `fit`."


def test_what_is_slower_is_not_advised() -> None:
    assert only(row(), row(threads=1, seconds=12.0)).setting is None


@pytest.mark.parametrize(("seconds", "advised"), [(1.99, "jit"), (1.0, "jit mixed_bfloat16")])
def test_another_precision_is_advised_only_where_it_is_clearly_faster_still(seconds: float, advised: str) -> None:
    advice = only(row(), row("jit", 2.0), row("jit", seconds, precision="mixed_bfloat16"))
    assert advice.setting
    assert advice.setting.variant.name == advised


def test_another_backend_is_no_line_of_the_same_script() -> None:
    assert advise(row(), row(backend="jax", seconds=1.0)) == []


def test_there_is_no_advice_where_nothing_was_tried_that_a_script_could_copy() -> None:
    assert advise(row(), row("xla", 1.0)) == []
    assert advise(row("steps", 1.0), row("jit", 2.0)) == [], "nothing to compare with"
    assert summarize_advice([]) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"val_bce": 0.2019}, "same loss"),
        ({"val_bce": 0.21}, "loss 0.2100 instead of 0.2000"),
        ({"val_bce": None, "val_loss": 0.5}, "loss 0.5000 instead of 0.2000"),
        ({"val_bce": None, "val_loss": None}, "losses not known"),
    ],
)
def test_losses_are_said_to_be_the_same_or_by_how_much_they_differ(changes: dict[str, Any], words: str) -> None:
    assert words in describe_advice(only(row(), row("steps", 3.0, **changes)))


def test_what_costs_more_than_it_brings_so_far_says_from_where_on_it_pays() -> None:
    late = row("jit", 3.0, total_s=10.0 + 30.0 + 9.0, first_epoch_s=33.0, train_total_s=39.0)
    assert "0.57 times over 3 epochs, pays from epoch 11 on" in describe_advice(only(row(), late))


def test_a_start_that_took_longer_by_chance_is_nothing_that_a_change_brings() -> None:
    cold = row(total_s=40.0 + 3 * 6.0)
    advice = only(cold, row("jit", 3.0), row("steps", 6.0))
    assert "1.47 times over 3 epochs, pays from epoch 1 on" in describe_advice(advice)


@pytest.mark.parametrize(
    ("way", "change"),
    [
        (Way("tensorflow", "fit", "float32", None), ""),
        (Way("tensorflow", "jit", "float32", None), "add `jit_compile=True` to `compile`"),
        (
            Way("torch", "fit", "float32", 1),
            "put `torch.set_num_threads(1); torch.set_num_interop_threads(1)` at the top of the script",
        ),
        (
            Way("tensorflow", "steps", "mixed_bfloat16", None),
            (
                "add `steps_per_execution=32` to `compile` and put "
                '`keras.config.set_dtype_policy("mixed_bfloat16")` at the top of the script'
            ),
        ),
        (
            Way("tensorflow", "dataset", "float32", None),
            "give `fit` a tf.data dataset whose `options.autotune.enabled` is False",
        ),
    ],
)
def test_a_change_is_said_in_the_words_of_a_script(way: Way, change: str) -> None:
    assert describe_change(way) == change


def test_the_answer_has_one_sentence_for_models_that_need_the_same_change() -> None:
    rows = [
        each
        for model, fast in (("basic", 2.0), ("deep", 3.0), ("sparse", 6.0))
        for each in (row(model=model), row("jit", fast, model=model))
    ]
    assert summarize_advice(advise(*rows)) == (
        "add `jit_compile=True` to `compile` for basic, deep: 2.00 to 3.0 times as fast as fit per epoch, 1.47 to 1.75 "
        "times over 3 epochs; no line added to a script is clearly faster than fit for sparse."
    )


def test_batch_sizes_with_other_advice_are_kept_apart_and_what_has_not_paid_yet_says_when() -> None:
    slow_start = row("jit", 3.0, batch_size=8, first_epoch_s=40.0, train_total_s=46.0, total_s=56.0)
    assert summarize_advice(advise(row(), row("jit", 6.0), row(batch_size=8), slow_start)) == (
        "no line added to a script is clearly faster than fit for basic · batch 4; add `jit_compile=True` to "
        "`compile` for basic · batch 8: 2.00 times as fast as fit per epoch, pays from epoch 13 on."
    )


def make_report(tmp_path: Any, *loops: str) -> SweepReport:
    profile = scripted.profile(models=("basic",), loops=loops, epochs=(1, 12))
    outcomes = [
        scripted.outcome(
            case, epochs=tuple(scripted.epoch(n, train_s=6.0 if case.loop == "fit" else 1.0) for n in range(1, 13))
        )
        for case in profile.list_cases()
    ]
    return SweepReport(ReportFolder(tmp_path), scripted.header(profile=profile), outcomes)


def test_a_report_has_the_advice_in_its_answer_and_in_its_text(tmp_path: Any) -> None:
    report = make_report(tmp_path, "fit", "steps")
    (sentence,) = [each for each in report.answer if each.startswith("Advice: ")]
    assert "`steps_per_execution=32`" in sentence
    assert "## What to change in a script\n\n- basic · batch 4: add `steps_per_execution=32`" in format_markdown(report)


def test_a_report_of_cases_with_threads_and_without_is_whole(tmp_path: Any) -> None:
    profile = scripted.profile(models=("basic",), also=({"threads": (1,)},))
    report = SweepReport(
        ReportFolder(tmp_path),
        scripted.header(profile=profile),
        [scripted.outcome(case) for case in profile.list_cases()],
    )
    assert {"default", "1"} <= {cell for line in report.cases.rows for cell in line}
    assert format_markdown(report)


def test_a_report_of_other_loops_says_nothing_of_it(tmp_path: Any) -> None:
    report = make_report(tmp_path, "fit", "xla")
    assert not [each for each in report.answer if each.startswith("Advice")]
    assert "What to change" not in format_markdown(report)
