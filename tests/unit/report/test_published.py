"""Published figures beside ours: measured, projected, or not run."""

from typing import Any

import pytest
import scripted

from bench.plan import catalog
from bench.report.published import PublishedComparison, compare_with_published, explain_dead_units
from bench.results.schema import ResultRow
from models.contract import Published, Quantity, Settings


def settings(*published: Published, batch_size: int = 256) -> dict[str, Settings]:
    return {
        "basic": Settings(
            title="basic",
            section="",
            source="",
            batch_size=batch_size,
            optimizer="adadelta",
            learning_rate=1.0,
            epochs=(50,),
            parameters=1,
            codes=1,
            epoch_s=1.0,
            published=published,
        )
    }


def figure(quantity: Quantity, value: float = 0.11, epochs: int = 50) -> Published:
    return Published(source="blog", epochs=epochs, quantity=quantity, value=value)


def row(**changes: Any) -> ResultRow:
    """Fifty epochs of the full MNIST."""
    full = {"dataset": "mnist", "train_samples": 60_000, "val_samples": 10_000, "epochs": 50, "batch_size": 256}
    return scripted.result_row(**full | changes)


def compared(quantity: Quantity, *rows: ResultRow, epochs: int = 50) -> PublishedComparison:
    [comparison] = compare_with_published(rows, settings(figure(quantity, epochs=epochs)))
    return comparison


@pytest.mark.parametrize(
    ("quantity", "columns", "ours"),
    [
        ("train_loss", {"train_loss": 0.104}, 0.104),
        ("val_loss", {"val_loss": 0.102}, 0.102),
        ("val_bce", {"val_bce": 0.094}, 0.094),
        ("code_mean", {"code_mean": 7.5}, 7.5),
        ("fit_s", {"train_total_s": 60.0, "val_total_s": 5.5}, 65.5),
        ("ram_mb", {"peak_rss_mib": 1000.0}, 1048.576),
    ],
)
def test_a_figure_of_as_many_epochs_of_the_full_data_is_measured(
    quantity: Quantity, columns: dict[str, float], ours: float
) -> None:
    comparison = compared(quantity, row(**columns))
    assert comparison.kind == "measured"
    assert comparison.ours == pytest.approx(ours)


def test_a_time_is_projected_from_steps_to_the_full_data() -> None:
    # 4,000 images in batches of 100: 40 steps in 0.8 s, 20 ms a step; the full data have 600 steps an epoch: 12 s.
    # 1,000 images validated in 0.1 s: 10,000 take 1 s. Fifty epochs of 13 s are 650 s.
    small = row(
        dataset="mnist-5k",
        train_samples=4_000,
        val_samples=1_000,
        batch_size=100,
        epochs=10,
        epoch_s_median=0.8,
        val_s_median=0.1,
    )
    comparison = compared("fit_s", small)
    assert comparison.kind == "projected"
    assert comparison.ours == pytest.approx(650)
    assert comparison.how == "batch 100, adam 0.001"


def test_a_last_smaller_batch_is_a_step_too() -> None:
    # 4,000 images in batches of 256: 16 steps (the last of 160), 0.16 s; the full data have 235 steps: 2.35 s an epoch.
    small = row(dataset="mnist-5k", train_samples=4_000, epochs=10, epoch_s_median=0.16, val_s_median=None)
    assert compared("fit_s", small).ours == pytest.approx(50 * 2.35)


def test_a_time_of_fewer_epochs_of_the_full_data_is_projected() -> None:
    comparison = compared("fit_s", row(epochs=5, epoch_s_median=2.0, val_s_median=0.5), epochs=100)
    assert comparison.kind == "projected"
    assert comparison.ours == pytest.approx(250)


@pytest.mark.parametrize("quantity", ["train_loss", "val_loss", "val_bce", "code_mean", "ram_mb"])
@pytest.mark.parametrize("changes", [{"epochs": 49}, {"dataset": "mnist-5k", "train_samples": 4_000}])
def test_nothing_but_time_is_ever_projected(quantity: Quantity, changes: dict[str, Any]) -> None:
    comparison = compared(quantity, row(**changes))
    assert comparison.kind == "not run"
    assert comparison.ours is None
    assert "50 epochs" in comparison.how


def test_another_dataset_of_the_same_size_is_not_the_blogs() -> None:
    assert compared("val_loss", row(dataset="fashion-mnist")).kind == "not run"


def test_the_nearest_batch_size_is_preferred() -> None:
    rows = [row(batch_size=size, val_loss=size / 1000) for size in (64, 200, 512)]
    assert compared("val_loss", *rows).ours == 0.2


def test_the_full_data_are_preferred_to_the_nearest_batch_size() -> None:
    small = row(dataset="mnist-5k", train_samples=4_000, batch_size=256, val_loss=0.3)
    assert compared("val_loss", small, row(batch_size=64, val_loss=0.1)).ours == 0.1


def test_of_several_processes_the_median_is_taken() -> None:
    repeats = [row(repeat=repeat, val_loss=value) for repeat, value in enumerate((0.3, 0.1, 0.2))]
    assert compared("val_loss", *repeats, row(batch_size=64, val_loss=9.0)).ours == 0.2


def test_a_run_of_the_same_epochs_is_preferred_to_the_published_batch_size() -> None:
    assert compared("val_loss", row(epochs=100, val_loss=0.3), row(batch_size=512, val_loss=0.1)).ours == 0.1


def test_a_loss_needs_no_steady_epoch() -> None:
    assert compared("val_loss", row(epoch_s_median=None, val_loss=0.1)).ours == 0.1


def test_a_run_with_other_settings_than_the_published_one_says_which() -> None:
    published = {"optimizer": "adadelta", "learning_rate": 1.0}
    assert compared("val_loss", row(**published)).how == ""
    assert compared("val_loss", row(**published, batch_size=512, loop="xla")).how == "batch 512, xla"
    assert compared("val_loss", row()).how == "adam 0.001"


def test_the_units_that_a_summed_penalty_kills_are_explained_where_they_are_seen() -> None:
    (sentence,) = explain_dead_units(
        [row(model="sparse_batch_sum", dead_units=27, code_units=32)], catalog.read_model_settings()
    )
    assert "27 of 32" in sentence
    assert "#22018" in sentence
    alive = [row(model="sparse_batch_sum", dead_units=3, code_units=32), row(dead_units=32)]
    assert explain_dead_units(alive, catalog.read_model_settings()) == []


def test_a_single_epoch_gives_no_step_to_project_from() -> None:
    comparison = compared("fit_s", row(epochs=1, epoch_s_median=None))
    assert comparison.kind == "not run"
    assert "two epochs" in comparison.how


def test_a_checkpoint_that_was_not_reached_is_not_compared() -> None:
    failed = row(status="failed", epoch_s_median=None, train_loss=None)
    assert compare_with_published([failed], settings(figure("train_loss"))) == []
    comparison = compared("train_loss", failed, row(repeat=1, train_loss=0.1))
    assert comparison.ours == 0.1


def test_models_without_rows_are_left_out() -> None:
    assert {comparison.model for comparison in compare_with_published([row()], catalog.read_model_settings())} == {
        "basic"
    }


def test_every_published_figure_of_a_measured_model_is_answered() -> None:
    found = compare_with_published([row()], catalog.read_model_settings())
    assert [comparison.published for comparison in found] == list(catalog.read_model_settings()["basic"].published)


def test_a_figure_is_said_with_its_source_epochs_and_unit() -> None:
    assert figure("fit_s", 60.0).text == "blog, 50 epochs: time of training 60 s"
    assert figure("ram_mb", 542.0).text == "blog, 50 epochs: peak RAM 542 MB"
    assert figure("val_loss", 0.097).text == "blog, 50 epochs: validation loss 0.097"


def test_arrays_that_are_not_mnist_are_not_compared_with_figures_of_mnist() -> None:
    (ours,) = compare_with_published([row(dataset_genuine="no")], settings(figure("train_loss")))
    assert (ours.kind, ours.ours) == ("not run", None)
