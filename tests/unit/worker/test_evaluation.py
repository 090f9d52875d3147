"""The figure that compares across models, on halves that are plain functions, against sums by hand."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.worker import evaluation
from bench.worker.evaluation import evaluate
from models.contract import Autoencoder

Array = NDArray[Any]


@dataclass
class Half:
    """Stands in for a Keras model."""

    function: Callable[[Array], Array]
    output_shape: tuple[int | None, ...] = (None,)
    batches: list[int] = field(default_factory=list)
    """Images that each call got."""

    def predict_on_batch(self, batch: Array) -> Array:
        self.batches.append(len(batch))
        return self.function(batch)


def refused(_batch: Array) -> Array:
    raise AssertionError("this half is not to be asked")


def autoencoder(
    encode: Callable[[Array], Array], units: tuple[int, ...], decode: Callable[[Array], Array] | None
) -> Autoencoder:
    """The identity as the model where there is no decoder; else the model must not be asked."""
    model = Half(refused if decode else lambda batch: batch)
    return Autoencoder(
        model=model,
        loss="binary_crossentropy",
        encoder=Half(encode, (None, *units)),
        decoder=Half(decode) if decode else None,
    )


def entropy(target: float, probability: float) -> float:
    """By the book, of one pixel."""
    return -(target * math.log(probability) + (1 - target) * math.log(1 - probability))


def images(n: int, pixels: int = 3) -> NDArray[np.float32]:
    return np.linspace(0.05, 0.95, n * pixels, dtype=np.float32).reshape(n, pixels)


def test_it_is_the_mean_over_all_pixels_of_the_images_rebuilt_from_their_codes() -> None:
    x = np.array([[0.9, 0.1], [0.2, 0.4]], np.float32)
    y = np.array([[1.0, 0.0], [0.5, 0.25]], np.float32)
    seen = evaluate(autoencoder(lambda batch: batch * 2, (2,), lambda codes: codes / 2), x, y, epochs=7)
    by_hand = [entropy(1.0, 0.9), entropy(0.0, 0.1), entropy(0.5, 0.2), entropy(0.25, 0.4)]
    assert seen.val_bce == pytest.approx(sum(by_hand) / 4, rel=1e-6)
    assert seen.code_mean == pytest.approx(2 * (0.9 + 0.1 + 0.2 + 0.4) / 4, rel=1e-6)
    assert (seen.epochs, seen.code_units, seen.dead_units) == (7, 2, 0)


@pytest.mark.parametrize("n", [1, 4, 7, 8, 9, 23])
def test_images_that_do_not_fill_the_last_step_count_as_much_as_any(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "_CHUNK", 4)
    x = images(n)
    model = autoencoder(lambda batch: batch[:, :2], (2,), lambda codes: np.repeat(codes[:, :1], 3, axis=1))
    seen = evaluate(model, x, x, epochs=1)
    by_hand = [entropy(float(pixel), float(row[0])) for row in x for pixel in row]
    assert seen.val_bce == pytest.approx(sum(by_hand) / len(by_hand), rel=1e-6)
    assert seen.code_mean == pytest.approx(float(x[:, :2].mean(dtype=np.float64)), rel=1e-6)
    assert sum(model.encoder.batches) == n
    assert max(model.encoder.batches) <= 4


def test_steps_make_no_difference_to_the_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    x = images(1201)
    model = autoencoder(lambda batch: batch, (3,), lambda codes: 1 - codes)
    seen = []
    for chunk in (1201, 500, 7):
        monkeypatch.setattr(evaluation, "_CHUNK", chunk)
        seen.append(evaluate(model, x, x, epochs=1).val_bce)
    assert seen == pytest.approx([seen[0]] * 3, rel=1e-12)


def test_pixels_of_any_shape_count_one_by_one() -> None:
    x = images(5, 28 * 28).reshape(5, 28, 28, 1)
    codes = lambda batch: batch[:, :7, :14, :].reshape(-1, 7, 7, 2)  # noqa: E731
    model = autoencoder(codes, (7, 7, 2), lambda codes: np.full((len(codes), 28, 28, 1), 0.25, np.float32))
    seen = evaluate(model, x, x, epochs=1)
    mean = float(x.mean(dtype=np.float64))
    assert seen.val_bce == pytest.approx(entropy(mean, 0.25), rel=1e-6)
    assert (seen.code_units, seen.dead_units) == (98, 0)


@pytest.mark.parametrize("sure", [0.0, 1.0])
def test_a_reconstruction_that_is_sure_and_wrong_costs_much_but_not_everything(sure: float) -> None:
    x = np.full((2, 4), 1 - sure, np.float32)
    model = autoencoder(lambda batch: batch, (4,), lambda codes: np.full(codes.shape, sure, np.float32))
    assert evaluate(model, x, x, epochs=1).val_bce == pytest.approx(-math.log(1e-7), rel=1e-6)


@pytest.mark.parametrize("sure", [0.0, 1.0])
def test_a_reconstruction_that_is_sure_and_right_costs_next_to_nothing(sure: float) -> None:
    x = np.full((2, 4), sure, np.float32)
    seen = evaluate(autoencoder(lambda batch: batch, (4,), lambda codes: codes), x, x, epochs=1)
    assert seen.val_bce == pytest.approx(1e-7, rel=1e-3)


def test_a_unit_is_dead_when_no_image_moves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "_CHUNK", 2)
    codes = np.zeros((5, 5), np.float32)
    codes[0, 0] = 1.0
    codes[4, 1] = 0.5  # alive in the last step alone
    codes[2, 2] = -3.0  # below zero is alive as well
    codes[:, 3] = 1e-30
    x = np.linspace(0, 0.4, 5, dtype=np.float32).reshape(5, 1)
    model = autoencoder(
        lambda batch: codes[np.rint(batch[:, 0] * 10).astype(int)], (5,), lambda c: np.full((len(c), 1), 0.5)
    )
    seen = evaluate(model, x, x, epochs=1)
    assert (seen.code_units, seen.dead_units) == (5, 1)


def test_all_units_may_be_dead() -> None:
    x = images(3)
    model = autoencoder(lambda batch: np.zeros((len(batch), 8)), (8,), lambda codes: np.full((len(codes), 3), 0.5))
    seen = evaluate(model, x, x, epochs=1)
    assert (seen.dead_units, seen.code_mean) == (8, 0.0)
    assert seen.val_bce == pytest.approx(math.log(2), rel=1e-6)


def test_without_a_decoder_the_model_itself_rebuilds() -> None:
    x = np.array([[0.3, 0.6]], np.float32)
    seen = evaluate(autoencoder(lambda batch: batch * 9, (2,), None), x, x, epochs=1)
    assert seen.val_bce == pytest.approx((entropy(0.3, 0.3) + entropy(0.6, 0.6)) / 2, rel=1e-6)


def test_figures_that_are_not_finite_are_empty() -> None:
    x = images(3)
    lost = autoencoder(lambda batch: batch * np.nan, (3,), lambda codes: codes)
    seen = evaluate(lost, x, x, epochs=1)
    assert (seen.val_bce, seen.code_mean, seen.dead_units) == (None, None, 0)
