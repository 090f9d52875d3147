"""Loops, backends and precisions side by side."""

import pytest
import scripted

from bench.report import variants
from bench.results.schema import ResultRow


def row(loop: str = "fit", seconds: float = 6.0, **changes: object) -> ResultRow:
    fields: dict[str, object] = {"loop": loop, "epoch_s_median": seconds, "peak_rss_mib": 100.0 * seconds}
    return scripted.result_row(**fields | {"peak_fraction": None, "bound": None} | changes)


def only(*rows: ResultRow) -> variants.SideBySide:
    (entry,) = variants.compare_variants(rows)
    return entry


def test_other_loops_are_compared_with_fit() -> None:
    entry = only(row("xla", 1.0), row("fit", 6.0), row("graph", 3.0))
    assert [(each.name, each.faster, each.memory) for each in entry.variants] == [
        ("xla", 6.0, pytest.approx(1 / 6)),
        ("fit", 1.0, 1.0),
        ("graph", 2.0, 0.5),
    ]
    assert entry.plain is entry.variants[1]
    assert entry.fastest is entry.variants[0]


def test_a_model_that_was_trained_in_one_way_has_nothing_beside_it() -> None:
    assert variants.compare_variants([row(), row(epochs=5), row(repeat=1)]) == []


def test_models_and_batch_sizes_stand_apart() -> None:
    rows = [
        row(loop, batch_size=size, model=name) for name in ("basic", "deep") for size in (128, 256) for loop in "ab"
    ]
    found = variants.compare_variants(rows)
    assert [(entry.model, entry.batch_size) for entry in found] == [
        ("basic", 128),
        ("basic", 256),
        ("deep", 128),
        ("deep", 256),
    ]


def test_the_last_checkpoint_that_all_ways_reached_is_compared() -> None:
    entry = only(row(epochs=2, seconds=4.0), row(epochs=9), row("xla", 1.0, epochs=2))
    assert entry.epochs == 2
    assert [each.faster for each in entry.variants] == [1.0, 4.0]


def test_ways_without_a_checkpoint_in_common_are_not_compared() -> None:
    assert variants.compare_variants([row(epochs=2), row("xla", epochs=9)]) == []


def test_failed_and_untimed_rows_are_not_compared() -> None:
    assert variants.compare_variants([row(), row("xla", status="failed"), row("graph", epoch_s_median=None)]) == []


def test_a_ratio_is_the_median_over_the_repeats_that_both_have() -> None:
    """The machine halves its speed in the second repeat: pairs see the same ratio, medians apart would not."""
    fit = [row(seconds=6.0, repeat=0), row(seconds=12.0, repeat=1), row(seconds=6.0, repeat=2)]
    entry = only(*fit, row("xla", 1.0, repeat=0), row("xla", 2.0, repeat=1))
    assert entry.variants[1].faster == 6.0


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
    entry = only(row(peak_fraction=1 / 6), row("xla", 1.0, peak_rss_mib=330.0))
    assert variants.describe(entry) == (
        "basic, batch 4: `fit` spends 5 of every 6 seconds outside the arithmetic; "
        "`xla` trains this model 6.0 times as fast here, in 55 % of the memory."
    )


def test_the_sentence_says_where_fit_is_the_fastest() -> None:
    sentence = variants.describe(only(row(seconds=1.0), row("xla", 40.0)))
    assert sentence == "basic, batch 4: `fit` is the fastest way here."


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [
        (0.001, "spends nearly all"),
        (0.06, "spends 16 of every 17"),
        (0.999, "spends nearly none"),
        (1.2, "`fit` trains"),
    ],
)
def test_fractions_are_rounded_to_parts_that_can_be_pictured(fraction: float, expected: str) -> None:
    said = variants.describe(only(row(peak_fraction=fraction), row("xla", 1.0))) or ""
    assert (expected in said) or (fraction > 1 and "outside" not in said)
