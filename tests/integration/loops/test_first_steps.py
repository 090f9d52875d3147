"""Losses and weights of each loop against Keras' own `fit`, fed the same batches in the same order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from bench.plan import catalog

Steps = Mapping[str, Any]
MODELS = tuple(catalog.model_settings())
OPTIMIZERS = ("adam", "rmsprop", "adamw", "sgd")
LAYERS = ("regularizer", "normalization", "dropout")
TASKS = (*MODELS, *OPTIMIZERS, *LAYERS)
RANDOM = ("variational", "dropout")
LOOPS = tuple(loop for loop in catalog.loop_backends() if loop != "fit")

LOSSES = 5e-6
"""Relative: five times the largest difference that was seen, of rounding alone."""
WEIGHTS = 1e-5
"""Absolute: three times the largest difference that was seen, and a fiftieth of how far they move at least."""


def agree(steps: Steps, found: str, other: Steps, expected: str) -> None:
    """Hold losses, validation losses and final weights of two runs against each other."""
    for losses in ("losses", "val_losses"):
        np.testing.assert_allclose(steps[f"{found}/{losses}"], other[f"{expected}/{losses}"], rtol=LOSSES)
    names = [name.removeprefix(found) for name in steps if name.startswith(f"{found}/weights/")]
    assert len(names) >= 4
    for name in names:
        np.testing.assert_allclose(steps[found + name], other[expected + name], rtol=0, atol=WEIGHTS)


def reference(task: str, loop: str, backend: str) -> str:
    """What a loop is compared with. What XLA compiled draws other random numbers on TensorFlow than what it did not."""
    return f"{task}/fit by xla" if backend == "tensorflow" and loop == "xla" and task in RANDOM else f"{task}/fit"


def skip_unless_there(loop: str, backend: str) -> None:
    if backend not in catalog.loop_backends()[loop]:
        pytest.skip(f"{loop} does not run on {backend}")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_takes_the_steps_that_fit_takes(steps: Steps, backend: str, loop: str, task: str) -> None:
    skip_unless_there(loop, backend)
    agree(steps, f"{task}/{loop}", steps, reference(task, loop, backend))


@pytest.mark.parametrize("task", [task for task in TASKS if task not in RANDOM])
def test_backends_take_the_same_steps_where_they_draw_no_random_numbers(
    steps: Steps, steps_on_tensorflow: Steps, task: str
) -> None:
    agree(steps, f"{task}/fit", steps_on_tensorflow, f"{task}/fit")


def test_steps_go_far_beside_what_they_may_differ_by(steps: Steps) -> None:
    for task in TASKS:
        losses = steps[f"{task}/fit/losses"]
        assert losses[0] - losses[-1] > 100 * LOSSES * losses[0], task
        assert (steps[f"{task}/fit/moved"] > 50 * WEIGHTS).all(), task


@pytest.mark.parametrize("model", MODELS)
def test_bfloat16_stays_near_float32(steps: Steps, backend: str, model: str) -> None:
    skip_unless_there("graph", backend)
    for losses in ("losses", "val_losses"):
        exact, rough = steps[f"{model}/graph/{losses}"], steps[f"{model} in bfloat16/graph/{losses}"]
        np.testing.assert_allclose(rough, exact, rtol=0.01)
        assert not np.array_equal(rough, exact)


@pytest.mark.parametrize("loop", LOOPS)
def test_orders_are_permutations_that_differ_between_epochs_and_come_from_the_seed(
    steps: Steps, backend: str, loop: str
) -> None:
    skip_unless_there(loop, backend)
    first, again = steps[f"orders/{loop}"]
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(np.sort(first), np.tile(np.arange(first.shape[1]), (len(first), 1)))
    assert len({tuple(order) for order in first}) == len(first)


def test_the_loop_fit_is_fit_as_the_blog_calls_it(steps: Steps) -> None:
    np.testing.assert_array_equal(steps["shuffled/fit"], steps["shuffled/keras"])


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_shuffles_of_itself(steps: Steps, backend: str, loop: str) -> None:
    skip_unless_there(loop, backend)
    in_order, shuffled = steps["basic/fit/losses"], steps[f"shuffled/{loop}"][0]
    np.testing.assert_allclose(shuffled, in_order, rtol=0.01)
    assert not np.allclose(shuffled, in_order, rtol=LOSSES)
