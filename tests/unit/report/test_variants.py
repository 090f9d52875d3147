"""Loops, backends and precisions side by side."""

from typing import Any

import pytest
import scripted

from bench.report import variants
from bench.results.schema import ResultRow
from bench.results.speed import estimate_cases


def row(loop: str = "fit", seconds: float = 6.0, **changes: Any) -> ResultRow:
    """A row of a case of its own for each of the arguments that name one, validated in no time, started in 10 s."""
    names = {
        name: changes[name]
        for name in ("model", "batch_size", "backend", "precision", "threads", "repeat")
        if name in changes
    }
    epochs = changes.get("epochs", 3)
    fields: dict[str, Any] = {
        "case_id": scripted.case(loop=loop, **names).case_id,
        "loop": loop,
        "epochs": epochs,
        "total_s": 10.0 + epochs * seconds,
        "val_s_median": 0.0,
        "first_epoch_s": seconds,
        "train_total_s": epochs * seconds,
        "val_total_s": epochs * changes.get("val_s_median", 0.0),
        "peak_rss_mib": 100.0 * seconds,
        "peak_fraction": None,
        "bound": None,
    }
    return scripted.result_row(**fields | scripted.times(seconds) | changes)


def compare(*rows: ResultRow) -> list[variants.SideBySide]:
    return variants.compare_variants(rows, estimate_cases(rows))


def only(*rows: ResultRow) -> variants.SideBySide:
    (entry,) = compare(*rows)
    return entry


def test_other_loops_are_compared_with_fit() -> None:
    entry = only(row("xla", 1.0), row("fit", 6.0), row("graph", 3.0))
    approx = pytest.approx
    assert [(each.name, each.faster, each.end_to_end, each.memory) for each in entry.variants] == [
        ("xla", approx(6.0), approx(28 / 13), approx(1 / 6)),
        ("fit", 1.0, 1.0, 1.0),
        ("graph", approx(2.0), approx(28 / 19), 0.5),
    ]
    assert entry.plain is entry.variants[1]
    assert entry.fastest is entry.variants[0]


def compiled(seconds: float, compile_s: float, start_s: float = 10.0, **changes: Any) -> ResultRow:
    """A row by `xla` whose first epoch takes longer by ``compile_s``."""
    trained_s = 3 * seconds + compile_s
    fields = {"first_epoch_s": seconds + compile_s, "train_total_s": trained_s, "total_s": start_s + trained_s}
    return row("xla", seconds, **fields | changes)


@pytest.mark.parametrize(
    ("seconds", "compile_s", "pays_from"),
    [
        (1.0, 0.0, 1),
        (1.0, 5.0, 2),  # 5 s more than fit, which loses 5 s by each epoch: at one they are even
        (1.0, 5.1, 2),
        (1.0, 14.9, 3),
        (1.0, 15.1, 4),
        (6.0, 2.0, None),
        (7.0, 0.0, None),
    ],
)
def test_a_loop_pays_once_its_epochs_made_up_for_its_compilation(
    seconds: float, compile_s: float, pays_from: int
) -> None:
    assert only(row(), compiled(seconds, compile_s)).variants[1].pays_from == pays_from


def test_a_start_that_took_longer_by_chance_is_no_loops_doing() -> None:
    (fit, xla) = only(row(), compiled(1.0, 0.0, start_s=20.0)).variants  # in common: 15 s
    assert xla.pays_from == 1
    assert xla.end_to_end == pytest.approx(33 / 18)
    assert fit.start_s == xla.start_s == pytest.approx(15.0)


def test_backends_have_starts_of_their_own() -> None:
    jax = row("fit", 6.0, backend="jax", total_s=5.0 + 18.0)
    assert only(row(), jax).variants[1].end_to_end == pytest.approx(28 / 23)


def test_a_further_epoch_costs_its_validation_too() -> None:
    entry = only(row(seconds=1.0, val_s_median=1.0, total_s=16.0), compiled(1.0, 1.0))
    assert [each.compute_whole_s(0) for each in entry.variants] == [pytest.approx(10.0), pytest.approx(11.0)]
    assert entry.variants[1].pays_from == 2


def test_slow_epochs_are_no_part_of_the_start() -> None:
    slow = row(train_total_s=18.0 + 30.0, total_s=58.0)
    assert only(slow, row("xla", 1.0)).variants[0].start_s == pytest.approx(10.0)


def test_compilation_comes_on_top_of_the_start() -> None:
    assert only(row(), compiled(1.0, 3.0)).variants[1].compute_whole_s(0) == pytest.approx(13.0)


def test_speed_per_epoch_is_that_of_a_quiet_machine() -> None:
    loud = row(epoch_s_median=9.0)
    assert only(loud, row("xla", 1.0)).variants[1].faster == pytest.approx(6.0)


def test_a_model_that_was_trained_in_one_way_has_nothing_beside_it() -> None:
    assert compare(row(), row(epochs=5), row(repeat=1)) == []


def test_models_and_batch_sizes_stand_apart() -> None:
    rows = [
        row(loop, batch_size=size, model=name) for name in ("basic", "deep") for size in (128, 256) for loop in "ab"
    ]
    found = compare(*rows)
    assert [(entry.model, entry.batch_size) for entry in found] == [
        ("basic", 128),
        ("basic", 256),
        ("deep", 128),
        ("deep", 256),
    ]


def test_the_last_checkpoint_that_all_ways_reached_is_compared() -> None:
    entry = only(row(epochs=2, seconds=4.0), row(epochs=9, seconds=4.0), row("xla", 1.0, epochs=2))
    assert entry.epochs == 2
    assert [each.total_s for each in entry.variants] == [18.0, 12.0]


def test_ways_without_a_checkpoint_in_common_are_not_compared() -> None:
    assert compare(row(epochs=2), row("xla", epochs=9)) == []


def test_failed_and_untimed_rows_are_not_compared() -> None:
    untimed = row("graph").model_copy(update=scripted.times(None))
    assert compare(row(), row("xla", status="failed"), untimed, row("a", total_s=None), row("b", total_s=0.0)) == []


def test_totals_are_medians_over_the_processes() -> None:
    fit = [row(repeat=repeat, total_s=total_s) for repeat, total_s in enumerate((20.0, 30.0, 90.0))]
    assert only(*fit, row("xla", 1.0, total_s=15.0)).variants[1].end_to_end == pytest.approx(2.0)


def test_without_fit_in_float32_there_is_no_ratio_and_no_sentence() -> None:
    entry = only(row("graph"), row("xla", 1.0))
    assert entry.plain is None
    assert {each.faster for each in entry.variants} == {None}
    assert variants.describe(entry) is None


def test_tensorflows_fit_is_the_plain_way_before_other_backends() -> None:
    entry = only(row(backend="jax", seconds=1.0), row(backend="tensorflow"))
    assert entry.plain is not None
    assert (entry.plain.name, entry.variants[0].name) == ("fit", "jax fit")


def test_a_way_is_named_by_what_is_not_the_default() -> None:
    ways = [("tensorflow", "xla", "mixed_bfloat16"), ("jax", "xla", "float32"), ("tensorflow", "fit", "float32")]
    entry = only(*(row(loop, backend=backend, precision=precision) for backend, loop, precision in ways))
    assert [each.name for each in entry.variants] == ["xla mixed_bfloat16", "jax xla", "fit"]


def test_the_sentence_says_where_the_time_goes_and_what_is_faster() -> None:
    entry = only(row(peak_fraction=1 / 6), compiled(1.0, 11.0, peak_rss_mib=330.0))
    assert variants.describe(entry) == (
        "basic · batch 4: `fit` spends 5 of every 6 seconds outside the arithmetic; `xla`: 6.0 times as fast per "
        "epoch, 1.17 times end to end at 3 epochs, in 55 % of the memory; pays from epoch 3 on."
    )


def test_the_sentence_says_where_fit_is_the_fastest() -> None:
    sentence = variants.describe(only(row(seconds=1.0), row("xla", 40.0)))
    assert sentence == "basic · batch 4: `fit` is the fastest way here."


def test_the_fastest_way_is_recommended_with_what_it_gains_over_all_cases() -> None:
    rows = [
        each
        for model, size, seconds in (("basic", 128, 1.0), ("basic", 256, 0.5), ("deep", 128, 9.0))
        for each in (row(model=model, batch_size=size), row("xla", seconds, model=model, batch_size=size))
    ]
    assert variants.recommend(compare(*rows)) == (
        "use xla for basic: 6.0 to 12 times as fast as fit per epoch, 2.2 to 2.4 times end to end at 3 epochs, in 8 "
        "to 17 % of the memory; pays from epoch 1 on; use fit for deep, where it is the fastest."
    )


def test_nothing_is_said_of_when_it_pays_where_it_does_not_in_every_case() -> None:
    rows = [row(), row("xla", 1.0), row(model="deep"), compiled(5.9, 1e6, model="deep")]
    said = variants.recommend(compare(*rows))
    assert said is not None
    assert said.startswith("xla for basic, deep: ")
    assert "pays" not in said


def test_ways_are_said_beside_what_they_are_compared_with() -> None:
    rows = [row(), row("xla", 1.0), row(model="deep", backend="jax"), row("xla", 1.0, model="deep")]
    said = variants.recommend(compare(*rows))
    assert said is not None
    assert "times as fast as fit per epoch" in said
    assert "times as fast as jax fit per epoch" in said


def test_a_way_that_did_not_pay_is_not_recommended_but_reported() -> None:
    said = variants.recommend(compare(row(), compiled(1.0, 27.0)))
    assert said == (
        "xla for basic: 6.0 times as fast as fit per epoch, 0.70 times end to end at 3 epochs, in 17 % of the memory; "
        "pays from epoch 6 on."
    )


def test_without_anything_to_compare_with_nothing_is_recommended() -> None:
    assert variants.recommend([]) is None
    assert variants.recommend(compare(row("graph"), row("xla", 1.0))) is None


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [
        (0.001, "spends nearly all"),
        (0.06, "spends 16 of every 17"),
        (0.999, "spends nearly none"),
        (1.2, "nothing"),
    ],
)
def test_fractions_are_rounded_to_parts_that_can_be_pictured(fraction: float, expected: str) -> None:
    said = variants.describe(only(row(peak_fraction=fraction), row("xla", 1.0))) or ""
    assert (expected in said) or (fraction > 1 and "outside" not in said)


def test_threads_are_ways_of_their_own_and_the_backends_choice_is_what_they_are_compared_with() -> None:
    entry = only(row(threads=1, seconds=3.0), row(seconds=6.0), row(threads=2, seconds=4.0))
    assert [each.name for each in entry.variants] == ["fit 1 thread", "fit", "fit 2 threads"]
    assert entry.plain is entry.variants[1]
    assert variants.find_varying([row(), row(threads=1)]) == ["threads"]
    assert variants.name_axes(row(threads=2), ["loop", "threads"]) == ["fit", "2 threads"]
    assert variants.name_axes(row(), ["loop", "threads"]) == ["fit"]
    assert variants.name_axes(row(), ["threads"]) == ["default threads"]
