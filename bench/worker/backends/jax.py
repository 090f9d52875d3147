"""A whole epoch as one `jax.jit`: `lax.scan` of Keras' own stateless `train_step` over batches on the device."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import keras

from bench.worker.inputs import Array, Examples

State = tuple[list[jax.Array], ...]
"""Values of the model's variables, a list a kind, as Keras' stateless steps take them."""
KerasStep = Callable[[State, tuple[jax.Array, jax.Array]], tuple[Any, State]]
"""`train_step` or `test_step` of a model: a state and a batch in, logs and the next state out."""

_OPTIONS: Mapping[str, str] = {"xla_cpu_experimental_ynn_fusion_type": ""}
"""What XLA is asked for on a processor: to compile what it otherwise hands to the library YNNPACK, whose sums of
logarithms are slower than its own code (docs/method.md has figures)."""


class JaxEpoch:
    """See `bench.worker.backends.CompiledEpoch`."""

    def __init__(self, model: keras.Model, training: Examples, validation: Examples, *, batch_size: int) -> None:
        model.optimizer.build(model.trainable_variables)
        self._model = model
        self._batch_size = batch_size
        self._training = _on_device(training.handed_over())
        self._validation = _on_device(validation.arrays())
        # An epoch's last state is given up to the next, so that it is never held twice.
        self._train = jax.jit(partial(self._over_batches, model.train_step), donate_argnums=0, **_compiling())
        self._validate = jax.jit(partial(self._over_batches, model.test_step), **_compiling())

    def order(self) -> Any:
        """See `bench.worker.backends.CompiledEpoch`."""
        return keras.random.shuffle(jnp.arange(len(self._training[0])))

    def train(self, order: Any) -> float:
        """See `bench.worker.backends.CompiledEpoch`; ``order`` holds indices, (n,) int32."""
        model = self._model
        variables = [model.trainable_variables, model.non_trainable_variables, model.optimizer.variables]
        return self._pass(variables, lambda state: self._train(state, order, *self._training))

    def validate(self) -> float:
        """See `bench.worker.backends.CompiledEpoch`."""
        model = self._model
        variables = [model.trainable_variables, model.non_trainable_variables]
        order = jnp.arange(len(self._validation[0]))
        return self._pass(variables, lambda state: self._validate(state, order, *self._validation))

    def _pass(self, variables: Sequence[Sequence[keras.Variable]], run: Callable[[State], State]) -> float:
        """Run over the state of ``variables`` and the metrics, leave it in the model, and return Keras' mean loss."""
        self._model.reset_metrics()
        kept = [*variables, self._model.metrics_variables]
        state = run(tuple([variable.value for variable in kind] for kind in kept))
        for kind, values in zip(kept, state, strict=True):
            for variable, value in zip(kind, values, strict=True):
                variable.assign(value)
        return float(self._model.get_metrics_result()["loss"])

    def _over_batches(
        self, keras_step: KerasStep, state: State, order: jax.Array, x: jax.Array, y: jax.Array | None = None
    ) -> State:
        """The state after a step on every batch in this order, the last one smaller where they do not divide."""

        def step(state: State, chosen: jax.Array) -> tuple[State, None]:
            given = _scaled(x[chosen])
            pair = (given, given if y is None else _scaled(y[chosen]))
            return keras_step(state, pair)[1], None

        full = len(order) // self._batch_size * self._batch_size
        if full:
            state = jax.lax.scan(step, state, order[:full].reshape(-1, self._batch_size))[0]
        return step(state, order[full:])[0] if full < len(order) else state


@cache
def _compiling() -> dict[str, Mapping[str, str]]:
    """`jax.jit`'s arguments that hand `_OPTIONS` to XLA; none on a GPU, and none where JAX or XLA do not know them."""
    arguments = {"compiler_options": _OPTIONS}
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda: 0, **arguments)()
    except (TypeError, RuntimeError):
        return {}
    return arguments


def _on_device(arrays: list[Array]) -> tuple[jax.Array, ...]:
    """An array that JAX copies, and that nobody else holds, is gone before the next one is copied."""
    return tuple(jnp.asarray(arrays.pop(0)) for _ in range(len(arrays)))


def _scaled(batch: jax.Array) -> jax.Array:
    """Bytes as float32 in [0, 1]; floats as they are."""
    return batch.astype(jnp.float32) / 255 if batch.dtype == jnp.uint8 else batch
