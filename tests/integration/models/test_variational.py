"""The variational model: its loss against formulas, its noise and where it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from models import variational

if TYPE_CHECKING:
    from models.contract import Autoencoder, Floats, Images


@pytest.fixture
def pixels(images: Images) -> Floats:
    return variational.prepare(images, np.random.default_rng(0))[0]


@pytest.fixture
def built() -> Autoencoder:
    keras.utils.set_random_seed(0)
    return variational.build(0)


def numbers(tensor: Any) -> Any:
    return keras.ops.convert_to_numpy(tensor)


def divergence(built: Autoencoder, pixels: Floats) -> float:
    """The mean over images of KL(N(mean, variance) || N(0, 1)), in nats, in double precision."""
    spread = built.model.get_layer("log_variance")
    inner = keras.Model(built.encoder.input, [built.encoder.output, spread.output])
    mean, log_variance = (numbers(part).astype(np.float64) for part in inner(pixels))
    deviation = np.exp(log_variance / 2)
    return float((-np.log(deviation) + (deviation**2 + mean**2) / 2 - 1 / 2).sum(axis=1).mean())


@pytest.mark.parametrize("count", [16, 64])
def test_the_layers_add_the_divergence_averaged_over_the_batch(count: int, built: Autoencoder, pixels: Floats) -> None:
    built.model(pixels[:count])
    (added,) = built.model.losses
    assert float(added) == pytest.approx(divergence(built, pixels[:count]), rel=1e-4)


def test_reconstruction_is_cross_entropy_in_nats_summed_over_pixels(pixels: Floats) -> None:
    guess = np.random.default_rng(2).uniform(0.01, 0.99, pixels.shape).astype(np.float32)
    expected = -(pixels * np.log(guess) + (1 - pixels) * np.log(1 - guess)).sum(axis=1)
    np.testing.assert_allclose(numbers(variational.reconstruction(pixels, guess)), expected, rtol=1e-4)


def test_the_loss_is_reconstruction_plus_divergence(built: Autoencoder, pixels: Floats) -> None:
    built.model.compile(optimizer="sgd", loss=built.loss)
    loss = built.model.evaluate(pixels, pixels, batch_size=64, verbose=0)
    reconstructed = numbers(variational.reconstruction(pixels, built.model(pixels))).mean()
    assert loss == pytest.approx(reconstructed + divergence(built, pixels), rel=1e-4)


def test_the_encoder_gives_the_mean_and_the_decoder_takes_any_code(built: Autoencoder, pixels: Floats) -> None:
    np.testing.assert_array_equal(numbers(built.encoder(pixels)), numbers(built.encoder(pixels)))
    assert built.decoder is not None
    assert built.decoder(np.zeros((5, 2), np.float32)).shape == (5, 784)


def test_codes_are_drawn_anew_in_training(built: Autoencoder, pixels: Floats) -> None:
    first, second = (numbers(built.model(pixels, training=True)) for _ in range(2))
    assert not np.array_equal(first, second)


def test_looking_at_a_model_does_not_change_its_training(pixels: Floats) -> None:
    drawn = []
    for looks in (0, 3):
        keras.utils.set_random_seed(0)
        model = variational.build(0).model
        for _ in range(looks):
            model.predict(pixels, verbose=0)
        drawn.append(numbers(model(pixels, training=True)))
    np.testing.assert_array_equal(*drawn)


def test_at_rest_the_same_images_are_reconstructed_alike(built: Autoencoder, pixels: Floats) -> None:
    np.testing.assert_array_equal(numbers(built.model(pixels)), numbers(built.model(pixels)))


def test_the_draws_are_the_seeds(pixels: Floats) -> None:
    drawn = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(0)
        drawn.append(numbers(variational.build(seed).model(pixels, training=True)))
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_the_sampled_codes_have_the_encoders_mean_and_spread() -> None:
    layer = variational.Sampling(0)
    mean = np.tile(np.array([[1.0, -2.0]], np.float32), (20_000, 1))
    log_variance = np.full_like(mean, 2 * np.log(0.5))
    codes = numbers(layer([mean, log_variance], training=True))
    np.testing.assert_allclose(codes.mean(axis=0), [1, -2], atol=0.02)
    np.testing.assert_allclose(codes.std(axis=0), [0.5, 0.5], atol=0.02)
