"""Reference bands: made from seeds, kept in a file, and what a row outside of one is said to be."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import scripted
from rich.console import Console

from bench.errors import InvalidInput
from bench.results import bands
from bench.results.reader import read_report
from bench.results.schema import ResultRow

LOSSES = (0.100, 0.102, 0.104)


def band(**changes: Any) -> bands.Band:
    row = scripted.result_row()
    names = (
        "model",
        "optimizer",
        "learning_rate",
        "batch_size",
        "dataset",
        "train_samples",
        "epochs",
        "dataset_digest",
    )
    fields = {name: getattr(row, name) for name in names}
    return bands.Band(**fields | {"low": 0.1, "high": 0.104, "seeds": 5, "source": "made up"} | changes)


def report(root: Path, seed: int, loss: float) -> Path:
    """A report of one seed with one loss at every checkpoint."""
    outcome = scripted.outcome()
    case = outcome.case.model_copy(update={"seed": seed})
    evaluations = tuple(replace(each, val_bce=loss) for each in outcome.evaluations)
    changed = outcome.model_copy(update={"case": case, "evaluations": evaluations})
    return scripted.written_report(root, [changed]).root


def row(**changes: Any) -> ResultRow:
    return scripted.result_row(**{"val_bce": 0.1432} | changes)


def test_a_loss_outside_is_said_with_its_band() -> None:
    sentence = bands.check_row([band()], row())
    epochs = scripted.result_row().epochs
    assert sentence == (
        f"val_bce 0.1432 at {epochs} epochs (basic · batch 4); the reference band is 0.1000 to 0.1040: "
        "something differs"
    )


@pytest.mark.parametrize("loss", [0.1, 0.102, 0.104, None])
def test_a_loss_inside_or_none_is_not_remarked_on(loss: float | None) -> None:
    assert bands.check_row([band()], row(val_bce=loss)) is None


@pytest.mark.parametrize(
    "other",
    [
        {"model": "deep"},
        {"optimizer": "adadelta"},
        {"learning_rate": 0.01},
        {"batch_size": 5},
        {"dataset": "mnist"},
        {"train_samples": 41},
        {"epochs": 1},
        {"dataset_digest": "of somebody's own images"},
        {"precision": "mixed_bfloat16"},
        {"status": "diverged"},
    ],
)
def test_another_training_has_no_band(other: dict[str, Any]) -> None:
    assert bands.find_band([band()], row()) == band()
    assert bands.find_band([band()], row(**other)) is None


def test_a_band_without_digest_is_of_any_arrays_of_that_name() -> None:
    assert bands.find_band([band(dataset_digest="")], row(dataset_digest="e" * 64)) is not None


def test_the_prediction_interval_is_the_textbooks() -> None:
    low, high = bands.predict_next(LOSSES, 3)
    assert (low + high) / 2 == pytest.approx(0.102)
    assert (high - low) / 2 == pytest.approx(31.599 * 0.002 * (4 / 3) ** 0.5, rel=1e-4)  # t for 2 degrees, 99.9 %


def test_equal_losses_still_have_a_band() -> None:
    low, high = bands.predict_next((0.1, 0.1, 0.1), 3)
    assert (low, high) == pytest.approx((0.0999, 0.1001))


def test_three_seeds_make_a_band_with_its_source(tmp_path: Path) -> None:
    places = [report(tmp_path / str(seed), seed, loss) for seed, loss in enumerate(LOSSES)]
    assert bands.store_bands(places, tmp_path / "bands.csv", Console(quiet=True)) == 0
    found = bands.read_bands(tmp_path / "bands.csv")
    last = found[-1]
    assert last.seeds == 3
    assert last.source.startswith("seeds 0, 1, 2; fit on tensorflow")
    assert "aebench" in last.source
    assert (last.low, last.high) == bands.predict_next(LOSSES, 3)


def test_of_few_seeds_a_band_is_as_wide_as_the_widest_of_others(tmp_path: Path) -> None:
    read = [read_report(report(tmp_path / "0", 0, 0.2))]
    low, high = bands.predict_next(LOSSES, 3)
    like = band(model="deep", low=low, high=high, seeds=3, batch_size=8, epochs=10, dataset="mnist-5k")
    narrow, earlier = band(low=0.1019, high=0.1021, epochs=10), band(low=0.01, high=0.9, epochs=1)
    made, few = bands.make_bands(read, [earlier, narrow, like])
    assert few == {}
    assert made[-1].seeds == 1
    # Wider for a larger loss, and since it is of one seed, not of three.
    reach = (high - low) / 2 * 0.2 / 0.102 * 2**0.5 / (4 / 3) ** 0.5
    assert (made[-1].low, made[-1].high) == pytest.approx((0.2 - reach, 0.2 + reach))
    assert made[-1].source.startswith("seed 0; fit on")
    assert made[-1].source.endswith("; as wide as 3 seeds differ by (deep, mnist-5k, batch 8, 10 epochs)")


def test_bands_of_three_seeds_are_as_wide_as_one_that_five_know_better(tmp_path: Path) -> None:
    read = [read_report(report(tmp_path / str(seed), seed, loss)) for seed, loss in enumerate(LOSSES)]
    like = band(model="deep", low=0.05, high=0.15, seeds=5)
    (*_, three), _ = bands.make_bands(read, [like])
    (*_, own), _ = bands.make_bands(read, [replace(like, seeds=3)])
    assert three.source.endswith("as wide as 5 seeds differ by (deep, mnist-5k, batch 4, 4 epochs)")
    assert "as wide as" not in own.source


def test_few_seeds_that_differ_by_more_than_others_lie_within_their_own_band(tmp_path: Path) -> None:
    losses = (0.05, 0.1, 0.2)
    read = [read_report(report(tmp_path / str(seed), seed, loss)) for seed, loss in enumerate(losses)]
    (*_, wide), _ = bands.make_bands(read, [band(model="deep", seeds=5)])
    assert all(wide.low <= loss <= wide.high for loss in losses)


def test_reference_bands_are_the_same_whatever_computed_them(tmp_path: Path) -> None:
    found = bands.make_reference_bands([read_report(report(tmp_path / "0", 0, 0.2))])
    assert [each.epochs for each in found] == [1, 4]
    assert all((each.low, each.high) == (round(each.low, 6), round(each.high, 6)) for each in found)


def test_processes_of_one_seed_are_one_draw(tmp_path: Path) -> None:
    places = [report(tmp_path / f"{n}", n % 3, LOSSES[n % 3]) for n in range(6)]
    made, _ = bands.make_bands([read_report(place) for place in places])
    assert (made[-1].low, made[-1].high) == bands.predict_next(LOSSES, 3)


def test_two_seeds_are_refused(tmp_path: Path) -> None:
    places = [report(tmp_path / str(seed), seed, 0.1) for seed in (0, 1)]
    with pytest.raises(InvalidInput, match=r"needs 3 seeds of the same training; got at most 2 seeds of one\. Run it"):
        bands.store_bands(places, tmp_path / "bands.csv")
    assert not (tmp_path / "bands.csv").exists()


def test_trainings_of_too_few_seeds_are_named_with_their_optimizer(tmp_path: Path) -> None:
    places = [report(tmp_path / str(seed), seed, 0.1) for seed in (0, 1)]
    _, few = bands.make_bands([read_report(place) for place in places])
    assert few == {"basic adam · batch 4 at 1 epoch": 2, "basic adam · batch 4 at 4 epochs": 2}


def test_other_bands_of_the_file_are_kept_and_the_same_replaced(tmp_path: Path) -> None:
    file = tmp_path / "bands.csv"
    last = band(epochs=scripted.result_row().epochs)
    bands.write_bands(file, [band(model="deep"), last])
    places = [report(tmp_path / str(seed), seed, loss) for seed, loss in enumerate(LOSSES)]
    bands.store_bands(places, file, Console(quiet=True))
    found = bands.read_bands(file)
    assert found[0] == band(model="deep")
    assert last not in found


@pytest.mark.parametrize("content", ["model\nbasic\n", "\xff", "model,low\nbasic,much\n"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "bands.csv"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(InvalidInput, match="expected a file that `aebench bands` wrote"):
        bands.read_bands(file)


def test_the_bands_that_come_along_are_of_the_default_sweep_and_of_the_references() -> None:
    found = bands.read_bands(bands.OF_SEEDS)
    assert {each.epochs for each in found} == {1, 2, 10}
    assert {each.batch_size for each in found} == {128, 256}
    assert all(each.dataset == "mnist-5k" and each.dataset_digest and each.seeds >= 3 for each in found)
    of_references = bands.read_bands(bands.OF_REFERENCES)
    assert any((each.model, each.dataset, each.epochs) == ("basic", "mnist", 500) for each in of_references)
    assert bands.read_bands() == [*found, *of_references]
