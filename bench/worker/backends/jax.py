"""JAX, and a whole epoch as one `jax.jit`: `lax.scan` of Keras' own stateless step over batches on the device."""

from __future__ import annotations

import os
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from bench.worker.device import MIB, NvmlDevice, import_nvml
from bench.worker.threads import count_started_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import jax
    import keras

    from bench.worker.device import Device
    from bench.worker.inputs import Array, Examples

    State = tuple[list[jax.Array], ...]
    """Values of the model's variables, a list for each kind, as Keras' stateless steps take them."""
    KerasStep = Callable[[State, tuple[jax.Array, jax.Array]], tuple[Any, State]]
    """`train_step` or `test_step` of a model: a state and a batch in, logs and the next state out."""

TITLE = "JAX"
DISTRIBUTIONS = ("jax", "jax-nightly")
THREADS_CODE = "os.environ['NPROC'] = '{threads}'"

_XLA_OPTIONS: Mapping[str, str] = {"xla_cpu_experimental_ynn_fusion_type": ""}
"""What XLA is asked for on a processor: to compile what it otherwise hands to the library YNNPACK, whose sums of
logarithms are slower than its own code (docs/research/loops.md has figures)."""


class JaxDevice(NvmlDevice):
    """The first device that JAX sees, a processor or a GPU."""

    def __init__(self, jax: Any, nvml: Any) -> None:
        self._jax = jax
        self._device = jax.local_devices()[0]
        super().__init__(nvml if self._device.platform == "gpu" else None)

    def synchronise(self) -> None:
        """JAX computes behind the calls on every device, and in no order that one more call could wait for."""
        self._jax.block_until_ready(self._jax.live_arrays())

    def read_peak_mib(self) -> float | None:
        """See `Device.read_peak_mib`."""
        counted = {} if self._device.platform == "cpu" else self._device.memory_stats() or {}
        return float(counted["peak_bytes_in_use"]) / MIB if "peak_bytes_in_use" in counted else None


def find_device() -> Device:
    """See `bench.worker.backends`."""
    import jax

    return JaxDevice(jax, import_nvml())


def limit_threads(threads: int | None) -> tuple[int | None, int | None]:
    """See `bench.worker.backends`. JAX has no pool for operations side by side.

    XLA takes the size of its pool on the processor from NPROC, else from the CPUs that the process may run on.
    """
    import jax

    if threads is not None:
        os.environ["NPROC"] = str(threads)
    return count_started_threads(jax.local_devices)["tf_XLAEigen"] or None, None


class CompiledEpoch:
    """See `bench.worker.backends.CompiledEpoch`."""

    def __init__(self, model: keras.Model, training: Examples, validation: Examples, *, batch_size: int) -> None:
        import jax

        model.optimizer.build(model.trainable_variables)
        self._model = model
        self._batch_size = batch_size
        self._training = _move_to_device(training.hand_over())
        self._validation = _move_to_device(validation.arrays)
        # An epoch's last state is given up to the next, so that it is never held twice.
        self._train = jax.jit(
            partial(self._step_over_batches, model.train_step), donate_argnums=0, **_choose_xla_arguments()
        )
        self._validate = jax.jit(partial(self._step_over_batches, model.test_step), **_choose_xla_arguments())

    def draw_order(self) -> Any:
        """See `bench.worker.backends.CompiledEpoch`."""
        import jax.numpy as jnp
        import keras

        return keras.random.shuffle(jnp.arange(len(self._training[0])))

    def train(self, order: Any) -> float:
        """See `bench.worker.backends.CompiledEpoch`; ``order`` holds indices, (n,) int32."""
        model = self._model
        variables = [model.trainable_variables, model.non_trainable_variables, model.optimizer.variables]
        return self._run(variables, lambda state: self._train(state, order, *self._training))

    def validate(self) -> float:
        """See `bench.worker.backends.CompiledEpoch`."""
        import jax.numpy as jnp

        model = self._model
        variables = [model.trainable_variables, model.non_trainable_variables]
        order = jnp.arange(len(self._validation[0]))
        return self._run(variables, lambda state: self._validate(state, order, *self._validation))

    def _run(self, variables: Sequence[Sequence[keras.Variable]], run: Callable[[State], State]) -> float:
        """Run over the state of ``variables`` and the metrics, leave it in the model, and return Keras' mean loss."""
        self._model.reset_metrics()
        kept = [*variables, self._model.metrics_variables]
        state = run(tuple([variable.value for variable in kind] for kind in kept))
        for kind, values in zip(kept, state, strict=True):
            for variable, value in zip(kind, values, strict=True):
                variable.assign(value)
        return float(self._model.get_metrics_result()["loss"])

    def _step_over_batches(
        self, keras_step: KerasStep, state: State, order: jax.Array, x: jax.Array, y: jax.Array | None = None
    ) -> State:
        """The state after a step on every batch in this order, the last one smaller where they do not divide."""
        import jax

        def step(state: State, chosen: jax.Array) -> tuple[State, None]:
            given = _scale(x[chosen])
            pair = (given, given if y is None else _scale(y[chosen]))
            return keras_step(state, pair)[1], None

        full = len(order) // self._batch_size * self._batch_size
        if full:
            state = jax.lax.scan(step, state, order[:full].reshape(-1, self._batch_size))[0]
        return step(state, order[full:])[0] if full < len(order) else state


@cache
def _choose_xla_arguments() -> dict[str, Mapping[str, str]]:
    """`jax.jit`'s arguments that hand `_XLA_OPTIONS` to XLA; none on a GPU, nor where JAX or XLA do not know them."""
    import jax

    arguments = {"compiler_options": _XLA_OPTIONS}
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda: 0, **arguments)()
    except (TypeError, RuntimeError):
        return {}
    return arguments


def _move_to_device(arrays: list[Array]) -> tuple[jax.Array, ...]:
    """The arrays on the device; each that nobody else refers to is freed before the next one is copied."""
    import jax.numpy as jnp

    return tuple(jnp.asarray(arrays.pop(0)) for _ in range(len(arrays)))


def _scale(batch: jax.Array) -> jax.Array:
    """Bytes as float32 in [0, 1]; floats as they are."""
    import jax.numpy as jnp

    return batch.astype(jnp.float32) / 255 if batch.dtype == jnp.uint8 else batch
