"""How good a model is, in the one figure that compares across models, and what its code units do."""

import numpy as np

from bench.worker.clock import keep_finite
from bench.worker.protocol import EvaluationEvent
from models.contract import Autoencoder, Floats

_CHUNK = 500
"""Images per step: the evaluation's own memory stays at a few MiB."""
_EPSILON = 1e-7
"""Keras' fuzz factor: reconstructions are clipped this far from 0 and 1 before the logarithm."""


def evaluate(autoencoder: Autoencoder, x: Floats, y: Floats, *, epochs: int) -> EvaluationEvent:
    """Rebuild ``x`` from its codes and compare it with ``y``, (n, …) each, after ``epochs`` epochs.

    Going through the codes draws no random number, where the model itself may (a sampling layer): the same weights give
    the same figures. A unit is dead when it is zero for every image: a rectifier that never opens.
    """
    bce, code_sum, largest = 0.0, 0.0, np.zeros(autoencoder.encoder.output_shape[1:], np.float32)
    for start in range(0, len(x), _CHUNK):
        part = x[start : start + _CHUNK]
        codes = np.asarray(autoencoder.encoder.predict_on_batch(part))
        bce += _sum_cross_entropy(_rebuild(autoencoder, part, codes), y[start : start + _CHUNK])
        code_sum += float(codes.sum(dtype=np.float64))
        largest = np.maximum(largest, np.abs(codes).max(axis=0))
    return EvaluationEvent(
        epochs=epochs,
        val_bce=keep_finite(bce / y.size),
        code_mean=keep_finite(code_sum / (len(x) * largest.size)),
        code_units=largest.size,
        dead_units=int((largest == 0).sum()),
    )


def _rebuild(autoencoder: Autoencoder, x: Floats, codes: Floats) -> Floats:
    if autoencoder.decoder is None:
        return np.asarray(autoencoder.model.predict_on_batch(x))
    return np.asarray(autoencoder.decoder.predict_on_batch(codes))


def _sum_cross_entropy(rebuilt: Floats, target: Floats) -> float:
    """Sum of the binary cross-entropies over all pixels, in double precision."""
    probability = np.clip(rebuilt.astype(np.float64), _EPSILON, 1 - _EPSILON)
    wanted = target.astype(np.float64)
    terms = wanted * np.log(probability) + (1 - wanted) * np.log1p(-probability)
    return -float(terms.sum())
