"""A whole epoch as one `tf.function`: the step is Keras' own `train_step`, its loop and its data are on the device."""

from typing import Any

import keras
import tensorflow as tf

from bench.worker.inputs import Array, Examples, is_aligned


class TensorFlowEpoch:
    """See `bench.worker.backends.CompiledEpoch`; ``compiled`` has XLA compile the function."""

    def __init__(
        self, model: keras.Model, training: Examples, validation: Examples, *, batch_size: int, compiled: bool
    ) -> None:
        # Variables must exist before a graph is traced that uses them.
        model.optimizer.build(model.trainable_variables)
        self._model = model
        self._batch_size = batch_size
        self._training = _on_device(training.handed_over())
        self._validation = _on_device(validation.arrays())
        self._train = tf.function(self._train_all, autograph=False, jit_compile=compiled)
        self._validate = tf.function(self._validate_all, autograph=False, jit_compile=compiled)

    def order(self) -> Any:
        """See `bench.worker.backends.CompiledEpoch`."""
        return keras.random.shuffle(tf.range(len(self._training[0])))

    def train(self, order: Any) -> float:
        """See `bench.worker.backends.CompiledEpoch`; ``order`` holds indices, (n,) int32."""
        return float(self._train(order, *self._training))

    def validate(self) -> float:
        """See `bench.worker.backends.CompiledEpoch`."""
        return float(self._validate(*self._validation))

    def _train_all(self, order: tf.Tensor, x: tf.Tensor, y: tf.Tensor | None = None) -> tf.Tensor:
        def rows(array: tf.Tensor, start: tf.Tensor | int, size: int) -> tf.Tensor:
            return tf.gather(array, tf.slice(order, [start], [size]))

        return self._over_batches(self._model.train_step, rows, x, y)

    def _validate_all(self, x: tf.Tensor, y: tf.Tensor | None = None) -> tf.Tensor:
        return self._over_batches(self._model.test_step, _rows, x, y)

    def _over_batches(self, keras_step: Any, rows: Any, x: tf.Tensor, y: tf.Tensor | None) -> tf.Tensor:
        """Keras' mean loss after a step on every batch; ``rows(array, start, size)`` are the ones of a batch."""
        samples, size = x.shape[0], self._batch_size
        full = samples // size

        def step(start: tf.Tensor | int, size: int) -> None:
            given = _scaled(rows(x, start, size))
            keras_step((given, given if y is None else _scaled(rows(y, start, size))))

        def body(index: tf.Tensor) -> tuple[tf.Tensor]:
            step(index * size, size)
            return (index + 1,)

        self._model.reset_metrics()
        if full:  # XLA compiles even a loop that never turns, and such a batch would be larger than the data
            tf.while_loop(lambda index: index < full, body, (tf.constant(0),), parallel_iterations=1)
        if samples % size:
            step(full * size, samples % size)
        return self._model.get_metrics_result()["loss"]


def _on_device(arrays: list[Array]) -> tuple[tf.Tensor, ...]:
    """On a processor the arrays' own memory, which nobody writes to; on a GPU copies, and so where TensorFlow could not
    use it as it lies (its operations end the process over memory that is not aligned).
    """
    copied = bool(tf.config.list_logical_devices("GPU"))
    return tuple(
        tf.constant(array)
        if copied or not is_aligned(array)
        else tf.experimental.dlpack.from_dlpack(array.__dlpack__())
        for array in arrays
    )


def _rows(array: tf.Tensor, start: tf.Tensor | int, size: int) -> tf.Tensor:
    rest = array.shape.rank - 1
    return tf.slice(array, [start, *[0] * rest], [size, *[-1] * rest])


def _scaled(batch: tf.Tensor) -> tf.Tensor:
    """Bytes as float32 in [0, 1]; floats as they are."""
    return tf.cast(batch, tf.float32) / 255.0 if batch.dtype == tf.uint8 else batch
