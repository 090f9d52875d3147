"""Losses and weights of each loop beside those of Keras' own `fit`, fed the same batches in the same order.

With `-m long` the remaining models, optimizers and layers are trained too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from integration.loops.conftest import LONG_TASKS, TASKS, Steps, is_long
from integration.loops.spread import installed

from bench.plan import catalog

Train = Callable[..., Steps]
MODELS = tuple(catalog.read_model_settings())
RANDOM = ("variational", "dropout")
BY_XLA = ("jit", "steps_jit", "xla")
LOOPS = tuple(loop for loop in catalog.read_loop_backends() if loop != "fit")

LOSSES = 5e-6
"""Relative: five times the largest difference that was seen, of rounding alone."""
WEIGHTS = 1e-5
"""Absolute: three times the largest difference that was seen, and a fiftieth of how far they move at least."""


def mark_long(tasks: Iterable[str]) -> list[Any]:
    """The tasks as parameters of a test, those that take long marked so."""
    return [pytest.param(task, marks=pytest.mark.long) if task in LONG_TASKS else task for task in tasks]


def assert_equal_steps(steps: Steps, found: str, other: Steps, expected: str) -> None:
    """Compare losses, validation losses and final weights of two runs."""
    for losses in ("losses", "val_losses"):
        np.testing.assert_allclose(steps[f"{found}/{losses}"], other[f"{expected}/{losses}"], rtol=LOSSES)
    names = [name.removeprefix(found) for name in steps if name.startswith(f"{found}/weights/")]
    assert len(names) >= 4
    for name in names:
        np.testing.assert_allclose(steps[found + name], other[expected + name], rtol=0, atol=WEIGHTS)


def reference(task: str, loop: str, backend: str) -> str:
    """What a loop is compared with: `fit`.

    On TensorFlow, XLA's code draws other random numbers from a seed than the rest does, so there `jit`, which is Keras'
    own `fit`, and `xla` are compared with each other.
    """
    drawn_by_xla = backend == "tensorflow" and loop in BY_XLA and task in RANDOM
    return f"{task}/{'xla' if loop == 'jit' else 'jit'}" if drawn_by_xla else f"{task}/fit"


def skip_unless_supported(loop: str, backend: str) -> None:
    if backend not in catalog.read_loop_backends()[loop]:
        pytest.skip(f"{loop} does not run on {backend}")


def test_every_model_is_a_task() -> None:
    assert set(MODELS) <= {*TASKS, *LONG_TASKS}


@pytest.mark.parametrize(
    ("loop", "task"),
    [
        pytest.param(loop, task, marks=[pytest.mark.long] if is_long(task, loop) else [])
        for loop in LOOPS
        for task in (*TASKS, *LONG_TASKS)
    ],
)
def test_a_loop_takes_the_steps_that_fit_takes(train: Train, backend: str, loop: str, task: str) -> None:
    skip_unless_supported(loop, backend)
    steps = train(backend, task, loop)
    assert_equal_steps(steps, f"{task}/{loop}", steps, reference(task, loop, backend))


def test_steps_that_do_not_divide_an_epoch_are_taken_all_the_same(train: Train, backend: str) -> None:
    skip_unless_supported("steps", backend)
    steps = train(backend, "basic")
    assert_equal_steps(steps, "basic/fit in twos", steps, "basic/fit")


@pytest.mark.parametrize("task", mark_long(task for task in (*TASKS, *LONG_TASKS) if task not in RANDOM))
def test_backends_take_the_same_steps_where_they_draw_no_random_numbers(train: Train, backend: str, task: str) -> None:
    if not installed("tensorflow"):
        pytest.skip("tensorflow is not installed")
    assert_equal_steps(train(backend, task), f"{task}/fit", train("tensorflow", task), f"{task}/fit")


@pytest.mark.parametrize("task", mark_long((*TASKS, *LONG_TASKS)))
def test_steps_go_far_beside_what_they_may_differ_by(train: Train, backend: str, task: str) -> None:
    steps = train(backend, task)
    losses = steps[f"{task}/fit/losses"]
    assert losses[0] - losses[-1] > 100 * LOSSES * losses[0]
    assert (steps[f"{task}/fit/moved"] > 50 * WEIGHTS).all()


@pytest.mark.parametrize("model", mark_long(MODELS))
def test_bfloat16_stays_near_float32(train: Train, backend: str, model: str) -> None:
    skip_unless_supported("graph", backend)
    steps = train(backend, model)
    for losses in ("losses", "val_losses"):
        exact, rough = steps[f"{model}/graph/{losses}"], steps[f"{model} in bfloat16/graph/{losses}"]
        np.testing.assert_allclose(rough, exact, rtol=0.01)
        assert not np.array_equal(rough, exact)


@pytest.mark.parametrize("loop", ["graph", "xla"])
def test_orders_are_permutations_that_differ_between_epochs_and_come_from_the_seed(
    train: Train, backend: str, loop: str
) -> None:
    skip_unless_supported(loop, backend)
    first, again = train(backend, "basic")[f"orders/{loop}"]
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(np.sort(first), np.tile(np.arange(first.shape[1]), (len(first), 1)))
    assert len({tuple(order) for order in first}) == len(first)


def test_the_loop_fit_is_fit_as_the_blog_calls_it(train: Train, backend: str) -> None:
    steps = train(backend, "basic")
    np.testing.assert_array_equal(steps["shuffled/fit"], steps["shuffled/keras"])


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_shuffles_by_itself(train: Train, backend: str, loop: str) -> None:
    skip_unless_supported(loop, backend)
    steps = train(backend, "basic")
    in_order, shuffled = steps["basic/fit/losses"], steps[f"shuffled/{loop}"][0]
    np.testing.assert_allclose(shuffled, in_order, rtol=0.01)
    assert not np.allclose(shuffled, in_order, rtol=LOSSES)
