"""TensorFlow, and a whole epoch as one `tf.function`: the step is Keras' own, its loop and data are on the device."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from bench.worker.device import MIB, Device, NvmlDevice, import_nvml
from bench.worker.inputs import is_aligned
from bench.worker.threads import count_started_threads

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from bench.worker.inputs import Array, Examples

TITLE = "TensorFlow"
THREADS_CODE = (
    "tf.config.threading.set_intra_op_parallelism_threads({threads}); "
    "tf.config.threading.set_inter_op_parallelism_threads({threads})"
)
# A vendor's or a nightly build comes under a name of its own.
DISTRIBUTIONS = (
    "tensorflow",
    "tensorflow-cpu",
    "tf-nightly",
    "tf-nightly-cpu",
    "tensorflow-macos",
    "tensorflow-intel",
    "tensorflow-cpu-aws",
    "tensorflow-aarch64",
    "tensorflow-rocm",
    "intel-tensorflow",
)


class TensorFlowGpu(NvmlDevice):
    """The first GPU that TensorFlow sees."""

    def __init__(self, tensorflow: Any, nvml: Any) -> None:
        super().__init__(nvml)
        self._tensorflow = tensorflow

    def synchronise(self) -> None:
        """Kernels run behind the calls that start them; a time stamp means nothing before they are done."""
        self._tensorflow.test.experimental.sync_devices()

    def read_peak_mib(self) -> float | None:
        """See `Device.read_peak_mib`."""
        return float(self._tensorflow.config.experimental.get_memory_info("GPU:0")["peak"]) / MIB


def find_device() -> Device:
    """See `bench.worker.backends`."""
    import tensorflow as tf

    return TensorFlowGpu(tf, import_nvml()) if tf.config.list_physical_devices("GPU") else Device()


def limit_threads(threads: int | None) -> tuple[int | None, int | None]:
    """See `bench.worker.backends`. TensorFlow reports what was set; its own choice shows in the threads that it starts.

    Those of the pool for one operation stay nameless, since ``tf_numa_-1_Eigen`` is longer than a thread's name may be;
    those of the other one are ``tf_Compute``. They are not counted with a GPU, which starts nameless ones too.
    """
    import tensorflow as tf

    config = tf.config
    if threads is not None:
        config.threading.set_intra_op_parallelism_threads(threads)
        config.threading.set_inter_op_parallelism_threads(threads)
    intra = config.threading.get_intra_op_parallelism_threads()
    inter = config.threading.get_inter_op_parallelism_threads()
    has_gpu = bool(config.list_physical_devices("GPU"))
    seen = Counter[str]() if has_gpu else count_started_threads(config.list_logical_devices)
    return intra or seen[""] or None, inter or seen["tf_Compute"] or None


class CompiledEpoch:
    """See `bench.worker.backends.CompiledEpoch`; without ``xla``, TensorFlow runs its graph operation by operation."""

    def __init__(
        self, model: keras.Model, training: Examples, validation: Examples, *, batch_size: int, xla: bool = True
    ) -> None:
        import tensorflow as tf

        # Variables must exist before a graph is traced that uses them.
        model.optimizer.build(model.trainable_variables)
        self._model = model
        self._batch_size = batch_size
        self._training = _move_to_device(training.hand_over())
        self._validation = _move_to_device(validation.arrays)
        self._train = tf.function(self._train_all, autograph=False, jit_compile=xla)
        self._validate = tf.function(self._validate_all, autograph=False, jit_compile=xla)

    def draw_order(self) -> Any:
        """See `bench.worker.backends.CompiledEpoch`."""
        import keras
        import tensorflow as tf

        return keras.random.shuffle(tf.range(len(self._training[0])))

    def train(self, order: Any) -> float:
        """See `bench.worker.backends.CompiledEpoch`; ``order`` holds indices, (n,) int32."""
        return float(self._train(order, *self._training))

    def validate(self) -> float:
        """See `bench.worker.backends.CompiledEpoch`."""
        return float(self._validate(*self._validation))

    def _train_all(self, order: tf.Tensor, x: tf.Tensor, y: tf.Tensor | None = None) -> tf.Tensor:
        import tensorflow as tf

        def take_rows(array: tf.Tensor, start: tf.Tensor | int, size: int) -> tf.Tensor:
            return tf.gather(array, tf.slice(order, [start], [size]))

        return self._step_over_batches(self._model.train_step, take_rows, x, y)

    def _validate_all(self, x: tf.Tensor, y: tf.Tensor | None = None) -> tf.Tensor:
        return self._step_over_batches(self._model.test_step, _slice_rows, x, y)

    def _step_over_batches(self, keras_step: Any, rows: Any, x: tf.Tensor, y: tf.Tensor | None) -> tf.Tensor:
        """Keras' mean loss after a step on every batch; ``rows(array, start, size)`` are the ones of a batch."""
        import tensorflow as tf

        samples, size = x.shape[0], self._batch_size
        full = samples // size

        def step(start: tf.Tensor | int, size: int) -> None:
            given = _scale(rows(x, start, size))
            keras_step((given, given if y is None else _scale(rows(y, start, size))))

        def step_once(index: tf.Tensor) -> tuple[tf.Tensor]:
            step(index * size, size)
            return (index + 1,)

        self._model.reset_metrics()
        if full:  # XLA compiles even a loop that never turns, and such a batch would be larger than the data
            tf.while_loop(lambda index: index < full, step_once, (tf.constant(0),), parallel_iterations=1)
        if samples % size:
            step(full * size, samples % size)
        return self._model.get_metrics_result()["loss"]


def _move_to_device(arrays: list[Array]) -> tuple[tf.Tensor, ...]:
    """The arrays as tensors: on a processor their own memory, which nobody writes to, and copies on a GPU.

    Memory that is not aligned is copied too, since TensorFlow's operations end the process over it.
    """
    import tensorflow as tf

    copied = bool(tf.config.list_logical_devices("GPU"))
    return tuple(
        tf.constant(array)
        if copied or not is_aligned(array)
        else tf.experimental.dlpack.from_dlpack(array.__dlpack__())
        for array in arrays
    )


def _slice_rows(array: tf.Tensor, start: tf.Tensor | int, size: int) -> tf.Tensor:
    import tensorflow as tf

    rest = array.shape.rank - 1
    return tf.slice(array, [start, *[0] * rest], [size, *[-1] * rest])


def _scale(batch: tf.Tensor) -> tf.Tensor:
    """Bytes as float32 in [0, 1]; floats as they are."""
    import tensorflow as tf

    return tf.cast(batch, tf.float32) / 255.0 if batch.dtype == tf.uint8 else batch
