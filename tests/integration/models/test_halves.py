"""Encoder, decoder and the model that they make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

if TYPE_CHECKING:
    from models.contract import Images


def numbers(tensor: Any) -> Any:
    # Copied into a tensor first: NumPy 2 warns of how a Keras variable turns itself into an array.
    return keras.ops.convert_to_numpy(keras.ops.copy(tensor))


def test_a_reconstruction_has_the_targets_shape_and_range(file: Any, images: Images) -> None:
    x, y = file.prepare(images, np.random.default_rng(0))
    reconstructed = numbers(file.build(0).model(x))
    assert reconstructed.shape == y.shape
    assert reconstructed.dtype == np.float32
    assert reconstructed.min() >= 0
    assert reconstructed.max() <= 1


def test_decoding_what_was_encoded_is_the_model(name: str, file: Any, images: Images) -> None:
    x, y = file.prepare(images, np.random.default_rng(0))
    built = file.build(0)
    codes = built.encoder(x)
    reconstructed = numbers(built.decoder(codes))
    assert codes.shape[0] == len(x)
    assert reconstructed.shape == y.shape
    if name != "variational":  # which decodes a code drawn from around the encoder's
        np.testing.assert_allclose(reconstructed, numbers(built.model(x)), atol=1e-6)


def test_the_halves_learn_with_the_model(file: Any, images: Images) -> None:
    x, y = file.prepare(images, np.random.default_rng(0))
    built = file.build(0)
    halves = [*built.encoder.trainable_weights, *built.decoder.trainable_weights]
    before = [numbers(weight) for weight in halves]
    built.model.compile(optimizer=keras.optimizers.SGD(0.1), loss=built.loss)
    built.model.fit(x, y, batch_size=64, verbose=0)
    after = [numbers(weight) for weight in halves]
    assert all(not np.array_equal(old, new) for old, new in zip(before, after, strict=True))


def test_a_model_comes_uncompiled(file: Any) -> None:
    assert not file.build(0).model.compiled
