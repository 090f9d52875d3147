"""What is said of reference reports: each sentence with its figures, and none of what was not measured."""

from dataclasses import replace
from typing import Any

import pytest
from unit.references import BASIC, result

from bench.plan.catalog import read_model_settings
from bench.reference import sentences, unexpected
from bench.reference.chosen import choose_backend, choose_own, compare_ways
from bench.reference.references import ReferenceRow
from bench.report.published import PublishedComparison
from models.contract import Published

END: dict[str, Any] = {"epochs": 500, "val_bce": 0.1}


def say_all(rows: list[ReferenceRow]) -> str:
    parts = (
        sentences.say_epochs,
        sentences.say_memory,
        sentences.say_penalty,
        sentences.say_fit,
        sentences.say_backends,
        sentences.say_batch_sizes,
        unexpected.say_unexpected,
    )
    return "\n".join(sentence for say in parts for sentence in say(rows))


def test_500_epochs_have_their_time_and_what_they_buy() -> None:
    middle = result(epochs=100, total_s=120.0, val_bce=0.0941)
    rows = [*BASIC, middle, result(loop="xla", epochs=500, total_s=200.0, val_bce=0.0922), result("deep", 100)]
    assert sentences.say_epochs(rows) == [
        (
            "500 epochs of basic take 10 min 0 s with fit, 10.0 times as long as 50 (3 min 20 s with xla); the loss "
            "(bce) falls from 0.1017 at 50 to 0.0921, and 79 % of that comes by epoch 100."
        ),
        "Not trained to 500 epochs: deep.",
    ]


def test_a_model_that_only_a_faster_loop_trained_to_500_epochs_has_its_sentence() -> None:
    rows = [result(epochs=50), result(loop="xla", epochs=500, total_s=200.0, val_bce=0.0922)]
    assert sentences.say_epochs(rows) == [
        "500 epochs of basic take 3 min 20 s with xla; the loss (bce) is then 0.0922."
    ]
    jax = result(backend="jax", loop="xla", epochs=500, total_s=100.0)
    assert (
        "take 10 min 0 s with fit, 10.0 times as long as 50 (1 min 40 s with jax xla)"
        in (sentences.say_epochs([jax, *BASIC])[0])
    )
    worse = [BASIC[0], BASIC[1].model_copy(update={"val_bce": 0.2})]
    assert sentences.say_epochs(worse)[0].endswith("the loss (bce) rises from 0.1017 at 50 to 0.2000.")


OVERFITS = (
    "; it overfits: the training loss falls from 0.1036 to 0.0900, and that of validation rises from 0.1100 to 0.2000."
)


@pytest.mark.parametrize(
    ("val_loss", "train_loss", "said"),
    [(0.2, 0.09, OVERFITS), (0.2, 0.11, "to 0.0921."), (0.1101, 0.09, "to 0.0921.")],
)
def test_a_model_overfits_whose_losses_part(val_loss: float, train_loss: float, said: str) -> None:
    early = BASIC[0].model_copy(update={"val_loss": 0.11})
    late = BASIC[1].model_copy(update={"val_loss": val_loss, "train_loss": train_loss})
    sentence = sentences.say_epochs([early, late])[0]
    assert sentence.endswith(said)
    assert ("overfits" in sentence) == said.startswith(";")


def test_memory_is_said_by_what_needs_it() -> None:
    peaks = {"peak_rss_import_mib": 600.0, "peak_rss_data_mib": 700.0, "peak_rss_build_mib": 705.0}
    peaks |= {"peak_rss_first_epoch_mib": 900.0, "peak_rss_train_mib": 900.0, "peak_rss_val_mib": 880.0}
    rows = [each.model_copy(update=peaks) for each in BASIC]
    rows.append(result(loop="xla", epochs=500, peak_rss_mib=750.0, seconds=0.5))
    assert sentences.say_memory(rows) == [
        "The field notes saw 542 MB at 500 epochs of basic; here it is 944 MB, with fit.",
        (
            "Of these, 629 MB (67 %) are there when Keras and TensorFlow have been imported, before any training; "
            "the images add 105 MB, the first epoch adds 204 MB."
        ),
        "So no model fits into 542 MB with this TensorFlow: importing alone takes more.",
        "The least that basic needed here is 786 MB, with xla.",
    ]


def test_what_was_not_measured_is_not_said() -> None:
    said = say_all([BASIC[0].model_copy(update={"code_mean": None})])
    for word in ("0.27", "JAX", "batch size", "500 epochs", "542", "xla"):
        assert word not in said
    assert say_all([]) == ""


def test_the_penalty_explains_the_loss_of_readers() -> None:
    summed = result("sparse_batch_sum", 100, val_loss=0.2773, dead_units=30, code_units=32)
    [said] = sentences.say_penalty([summed, result("sparse", 100, val_loss=0.1054)])
    assert "after 100 epochs the validation loss is 0.2773, with 30 of 32 code units dead. " in said
    assert "Averaged over the batch, as Keras does it now (sparse), it is 0.1054." in said
    assert "Averaged" not in sentences.say_penalty([summed])[0]


@pytest.mark.parametrize(("dead", "units"), [(0, 32), (0, 0), (None, None)])
def test_no_dead_units_are_not_counted(dead: int | None, units: int | None) -> None:
    summed = result("sparse_batch_sum", 100, val_loss=0.2773, dead_units=dead, code_units=units)
    assert "dead" not in sentences.say_penalty([summed])[0]


def test_loops_are_said_by_how_many_times_as_fast_they_are() -> None:
    rows = [
        result(seconds=3.0, total_s=300.0, **END),
        result(loop="xla", seconds=1.0, total_s=150.0, **END),
        result(loop="steps_jit", seconds=1.5, **END),
        result("deep", seconds=4.0, total_s=400.0, **END),
        result("deep", loop="xla", seconds=0.5, total_s=100.0, **END),
    ]
    assert sentences.say_fit(rows) == [
        "The fastest loop, xla, trains an epoch 3.0 (basic) to 8.0 times (deep) as fast as fit.",
        "With imports and compilation, xla trains the 500 epochs 2.0 (basic) to 4.0 times (deep) as fast as fit.",
        "steps_jit, which a script can copy, trains an epoch of basic 2.0 times as fast as fit.",
    ]


def test_a_slower_loop_is_said_the_other_way_round() -> None:
    rows = [result(seconds=1.0, **END), result(loop="xla", seconds=10.0, **END)]
    assert sentences.say_fit(rows) == ["For basic no loop is faster than fit."]
    assert "An epoch of basic takes 10 times as long with xla as with fit." in unexpected.say_unexpected(rows)
    assert "0.1 times" not in say_all(rows)


def test_backends_are_compared_with_fit_and_the_fastest_of_all_is_named() -> None:
    rows = [
        result(seconds=3.0, **END),
        result(backend="jax", seconds=1.0, **END),
        result(backend="jax", loop="xla", seconds=0.5, **END),
        result(backend="torch", seconds=6.0, **END),
        result("deep", seconds=1.0, **END),
        result("deep", backend="jax", seconds=1.02, **END),
    ]
    alike = "TensorFlow with fit and JAX with fit are the fastest, about alike"
    assert sentences.say_backends(rows) == [
        "With fit, JAX trains an epoch of basic 3.0 times as fast as TensorFlow.",
        "With fit, JAX trains an epoch of deep about as fast as TensorFlow.",
        "With fit, PyTorch takes 2.0 times as long as TensorFlow for an epoch of basic.",
        "For basic, JAX with xla is the fastest: 0.5 s an epoch, TensorFlow with fit 3 s.",
        f"For deep, of which only fit was tried, {alike}: 1 s and 1.02 s an epoch.",
    ]


def test_backends_are_compared_with_each_loop_and_at_the_batch_size_that_one_report_has() -> None:
    short: dict[str, Any] = {"epochs": 5, "batch_size": 256, "report": "backends"}
    rows = [
        result("convolutional", batch_size=128, seconds=10.0),
        result("convolutional", seconds=9.0, **short),
        result("convolutional", backend="jax", seconds=18.0, **short),
        result(loop="xla", seconds=0.5, **short),
        result(loop="xla", backend="jax", seconds=0.25, **short),
    ]
    assert sentences.say_backends(rows)[:2] == [
        "With fit, JAX takes 2.0 times as long as TensorFlow for an epoch of convolutional.",
        "With xla, JAX trains an epoch of basic 2.0 times as fast as TensorFlow.",
    ]


def test_the_fastest_of_all_is_found_by_what_one_report_has() -> None:
    rows = [
        result(seconds=4.0, report="a"),
        result(loop="xla", seconds=1.0, report="a"),
        result(loop="xla", epochs=5, seconds=0.5, report="b"),
        result(loop="xla", epochs=5, backend="jax", seconds=0.6, report="b"),
        result(epochs=5, seconds=6.0, report="c"),
        result(epochs=5, backend="jax", seconds=5.0, report="c"),
    ]
    # Of different reports, JAX with xla would take 10 times as fast as fit, and TensorFlow with xla 4 times.
    said = "For basic, TensorFlow with xla is the fastest: 0.5 s an epoch, JAX with xla 0.6 s."
    assert sentences.say_backends(rows)[-1] == said
    assert "With xla, JAX takes 1.2 times as long as TensorFlow for an epoch of basic." in sentences.say_backends(rows)


def test_without_tensorflow_the_backend_of_the_most_rows_is_compared_with() -> None:
    rows = [result(backend="jax"), result(backend="jax", epochs=500), result(backend="torch", seconds=2.0)]
    assert choose_backend(rows) == "jax"
    assert choose_own(rows) == rows[:2]
    assert sentences.say_backends(rows)[0] == "With fit, PyTorch takes 2.0 times as long as JAX for an epoch of basic."


def test_batch_sizes_are_compared_from_the_smallest_to_the_largest() -> None:
    rows = [
        result(batch_size=32, seconds=8.0, epochs=10, val_bce=0.1, peak_rss_mib=1000.0),
        result(batch_size=256, seconds=0.9, epochs=10, val_bce=0.12, peak_rss_mib=1000.0),
        result(batch_size=1024, seconds=1.0, epochs=10, val_bce=0.15, peak_rss_mib=1200.0),
        result("deep", batch_size=32, seconds=1.0, epochs=10, val_bce=0.1, peak_rss_mib=1000.0),
        result("deep", batch_size=1024, seconds=2.0, epochs=10, val_bce=0.1, peak_rss_mib=1200.0),
    ]
    assert sentences.say_batch_sizes(rows) == [
        "With fit, batch size 1,024 trains an epoch of basic 8.0 times as fast as batch size 32.",
        "With fit, batch size 1,024 takes 2.0 times as long as batch size 32 for an epoch of deep.",
        "With fit, the peak RAM at batch size 1,024 is 120 % of that at 32 (basic and deep).",
        "After 10 epochs with batch size 1,024 the loss (bce) is 100 (deep) to 150 % (basic) of that with 32.",
    ]
    slow = "An epoch of basic with fit takes longer at batch size 1,024 (1 s) than at 256 (0.9 s)."
    assert slow in unexpected.say_unexpected(rows)
    others = [result(batch_size=size, loop="xla", seconds=64 / size, epochs=10) for size in (32, 1024)]
    assert sentences.say_batch_sizes([*rows, *others])[-1] == (
        "With xla, batch size 1,024 trains an epoch of basic 32 times as fast as batch size 32."
    )


def test_batch_sizes_are_of_one_report_and_need_no_time() -> None:
    few = [result(batch_size=size, seconds=None, epochs=3, val_bce=size / 1000, report="few") for size in (128, 512)]
    assert sentences.say_batch_sizes([*BASIC, *few])[-1] == (
        "After 3 epochs with batch size 512 the loss (bce) is 400 % of that with 128 (basic)."
    )
    assert not any("takes longer" in said for said in unexpected.say_unexpected(few))
    assert sentences.say_batch_sizes([result(batch_size=size, report=f"{size}") for size in (128, 512)]) == []


def test_two_ways_are_compared_within_a_report_that_has_both() -> None:
    rows = [
        result(seconds=4.0, total_s=400.0, report="a"),
        result(seconds=3.0, report="b"),
        result(loop="xla", seconds=1.0, total_s=200.0, report="b"),
        result(loop="xla", epochs=500, seconds=0.5, report="c"),
        result(epochs=500, seconds=3.0, report="d"),
    ]
    [way] = compare_ways(rows)
    assert (way.epochs, way.base, way.rows) == (50, rows[1:2], rows[2:3])
    assert sentences.say_fit(rows)[0] == "xla trains an epoch of basic 3.0 times as fast as fit."


def test_where_no_report_has_both_the_sentence_says_that_they_are_of_two() -> None:
    rows = [
        result(seconds=4.0, report="a"),
        result(loop="xla", seconds=1.0, report="b"),
        result("deep", seconds=4.0, report="a"),
        result("deep", loop="xla", seconds=2.0, report="a"),
    ]
    hours = "by reports of different hours, which differ by some 10 %."
    assert sentences.say_fit(rows)[0] == (
        f"xla trains an epoch 2.0 (deep) to 4.0 times (basic) as fast as fit, for basic {hours}"
    )
    jax = [result(seconds=4.0, report="a"), result(backend="jax", seconds=8.0, report="b")]
    assert sentences.say_backends(jax)[0] == (
        f"With fit, JAX takes 2.0 times as long as TensorFlow for an epoch of basic, {hours}"
    )
    slow = [result(seconds=4.0, report="a"), result(loop="graph", seconds=8.0, report="b")]
    assert f"An epoch of basic takes 2.0 times as long with graph as with fit, {hours}" in (
        unexpected.say_unexpected(slow)
    )


def test_of_one_report_ten_epochs_compare_better_than_fifty_of_two() -> None:
    rows = [
        result(report="a"),
        result(loop="xla", seconds=0.1, report="b"),
        result(epochs=10, seconds=1.0, report="scaling"),
        result(loop="xla", epochs=10, seconds=0.5, report="scaling"),
    ]
    assert sentences.say_fit(rows) == ["xla trains an epoch of basic 2.0 times as fast as fit."]


def test_how_long_500_epochs_take_is_of_runs_that_went_so_far() -> None:
    rows = [*BASIC, result(total_s=30.0, report="b"), result(loop="xla", epochs=500, total_s=200.0, report="b")]
    assert sentences.say_epochs(rows)[0].startswith(
        "500 epochs of basic take 10 min 0 s with fit, 10.0 times as long as 50 (3 min 20 s with xla in another report)"
    )


@pytest.mark.parametrize("changes", [{"epochs": 10}, {"dataset_digest": "other"}, {"learning_rate": 0.1}])
def test_what_was_trained_otherwise_is_not_compared(changes: dict[str, Any]) -> None:
    rows = [result(seconds=3.0, **END), result(**{"loop": "xla", "seconds": 1.0, **END, **changes})]
    assert sentences.say_fit(rows) == []


def test_what_is_not_as_published_is_said_with_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    row = result(train_loss=0.15, val_loss=0.13, code_mean=9.0)
    own = read_model_settings()["basic"]
    causes = {"train_loss": "A guess: chance.", "val_loss": "A guess: chance."}
    published = tuple(replace(each, cause=causes.get(each.quantity, "")) for each in own.published)
    monkeypatch.setattr(sentences, "read_model_settings", lambda: {"basic": replace(own, published=published)})
    assert unexpected.say_unexpected([row]) == [
        (
            "basic after 50 epochs: the blog has a training loss of 0.11 and a validation loss of 0.11; here they are "
            "higher, 0.1500 and 0.1300. A guess: chance."
        ),
        "basic after 50 epochs: the blog has a mean code activation of 7.30; here it is higher, 9.0000.",
    ]


def test_what_another_model_explains_is_compared_with_that_model_alone() -> None:
    sparse = result("sparse", 100, train_loss=0.11, val_loss=0.11)
    summed = result("sparse_batch_sum", 100, train_loss=0.2774, val_loss=0.2773)
    where = {(each.model, each.published.value) for each in sentences.compare([sparse, summed])}
    assert ("sparse_batch_sum", 0.27) in where
    assert ("sparse", 0.27) not in where
    assert ("sparse", 0.27) in {(each.model, each.published.value) for each in sentences.compare([sparse])}


def test_published_times_that_do_not_grow_with_the_epochs_are_said() -> None:
    as_published: dict[str, Any] = {"train_loss": 0.11, "val_loss": 0.11, "code_mean": 7.3}
    rows = [
        result(epochs=epochs, train_total_s=float(epochs), val_total_s=0.0, **as_published) for epochs in (50, 100, 500)
    ]
    # Another process, of a faster hour, was not trained so long.
    rows += [
        result(epochs=epochs, train_total_s=epochs / 2, val_total_s=0.0, started_at="later", **as_published)
        for epochs in (50, 100)
    ]
    said = unexpected.say_unexpected(rows)
    assert said[0] == (
        "In the field notes 100 epochs of basic take 5.0 times as long as 50; here 2.0 times. A guess: other programs "
        "had that machine too."
    )
    assert said[1] == "In the field notes 500 epochs of basic take 3.2 times as long as 100; here 5.0 times."


def test_how_times_grow_is_not_said_where_no_process_trained_for_both() -> None:
    as_published: dict[str, Any] = {"train_loss": 0.11, "val_loss": 0.11, "code_mean": 7.3}
    rows = [
        result(epochs=epochs, train_total_s=float(epochs), val_total_s=0.0, started_at=f"{epochs}", **as_published)
        for epochs in (50, 100)
    ]
    assert not [each for each in unexpected.say_unexpected(rows) if "times as long as" in each]


def test_another_loss_in_another_loop_is_said() -> None:
    rows = [result(**END), result(**END | {"loop": "xla", "val_bce": 0.12})]
    assert "After 500 epochs of basic the loss (bce) is 0.1200 with xla and 0.1000 with fit." in (
        unexpected.say_unexpected(rows)
    )


@pytest.mark.parametrize(("ours", "word"), [(0.109, "the same"), (0.13, "higher"), (0.08, "lower")])
def test_a_loss_is_the_same_within_one_of_the_last_digit_that_was_published(ours: float, word: str) -> None:
    published = Published(source="blog", epochs=100, quantity="val_bce", value=0.10)
    assert published.text.endswith(" 0.10")
    assert sentences.judge(PublishedComparison("sparse", published, ours, "measured", "")) == word


@pytest.mark.parametrize(
    ("ratio", "expected"), [(1.3, "1.3 times the time"), (0.531, "53 % of the time"), (33.0, "33 times the time")]
)
def test_less_is_said_in_percent(ratio: float, expected: str) -> None:
    assert sentences.judge_ratio(ratio, "the time") == expected


def test_of_reports_that_have_two_ways_alike_the_medians_are_of_all() -> None:
    rows = [
        result(seconds=4.0, report="a"),
        result(loop="xla", seconds=1.0, report="a"),
        result(seconds=6.0, report="b"),
        result(loop="xla", seconds=3.0, report="b"),
    ]
    [way] = compare_ways(rows)
    assert not way.is_across
    assert way.compute_ratio("epoch_s_quiet") == 2.5


def test_a_loop_that_no_other_backend_was_compared_with_is_named_alone() -> None:
    rows = [
        result(seconds=4.0, epochs=500),
        result(loop="xla", seconds=1.0, epochs=500),
        result(seconds=4.0, epochs=5),
        result(backend="jax", seconds=2.0, epochs=5),
    ]
    assert sentences.say_backends(rows)[-1] == "For basic, TensorFlow with xla is the fastest: 1 s an epoch."
