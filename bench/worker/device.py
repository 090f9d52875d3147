"""The device that a backend trains on: its threads, its memory, waiting for it.

Without a GPU nothing here costs anything: the processor is never behind, and its memory is `bench.worker.memory`'s.
"""

import contextlib
import importlib
import os
from collections import Counter
from typing import Any

from bench.worker.threads import started

_MIB = 1 << 20


class Device:
    """A processor."""

    used_mib: float | None = None
    """Largest memory in use on the GPU at any `observe`, as its driver counts it, MiB; None without a GPU."""

    def synchronise(self) -> None:
        """Wait until everything that was sent to the device is done."""

    def observe(self) -> None:
        """Look at the device's memory now."""

    def peak_mib(self) -> float | None:
        """Peak memory as the framework counts its own allocations, MiB; None without a GPU."""
        return None


class TensorFlowGpu(Device):
    """The first GPU that TensorFlow sees. ``nvml`` is the module `pynvml`, or None where it is not installed."""

    def __init__(self, tensorflow: Any, nvml: Any) -> None:
        self._tensorflow = tensorflow
        self._nvml = nvml
        self._handle = _handle(nvml)

    def synchronise(self) -> None:
        """Kernels run behind the calls that start them; a time stamp means nothing before they are done."""
        self._tensorflow.test.experimental.sync_devices()

    def observe(self) -> None:
        """All processes' memory on this GPU: the driver tells a container no more."""
        self.used_mib = _largest_use(self._nvml, self._handle, self.used_mib)

    def peak_mib(self) -> float | None:
        """See `Device.peak_mib`."""
        return float(self._tensorflow.config.experimental.get_memory_info("GPU:0")["peak"]) / _MIB


class JaxDevice(Device):
    """The first device that JAX sees, a processor or a GPU."""

    def __init__(self, jax: Any, nvml: Any) -> None:
        self._jax = jax
        self._device = jax.local_devices()[0]
        self._nvml = nvml if self._device.platform == "gpu" else None
        self._handle = _handle(self._nvml)

    def synchronise(self) -> None:
        """JAX computes behind the calls on every device, and in no order that one more call could wait for."""
        self._jax.block_until_ready(self._jax.live_arrays())

    def observe(self) -> None:
        """See `TensorFlowGpu.observe`."""
        self.used_mib = _largest_use(self._nvml, self._handle, self.used_mib)

    def peak_mib(self) -> float | None:
        """See `Device.peak_mib`."""
        counted = {} if self._device.platform == "cpu" else self._device.memory_stats() or {}
        return float(counted["peak_bytes_in_use"]) / _MIB if "peak_bytes_in_use" in counted else None


class TorchGpu(Device):
    """The GPU that PyTorch trains on, by PyTorch's name for it: ``cuda``, ``cuda:1``, ``mps``, ``xpu``."""

    def __init__(self, torch: Any, nvml: Any, name: str = "cuda") -> None:
        kind, _, index = name.partition(":")
        self._driver = getattr(torch, kind)
        self._name = () if kind == "mps" else (name,)  # Apple has one at most
        self._nvml = nvml if kind == "cuda" else None
        self._handle = _handle(self._nvml, int(index or 0))

    def synchronise(self) -> None:
        """Kernels run behind the calls that start them."""
        self._driver.synchronize(*self._name)

    def observe(self) -> None:
        """See `TensorFlowGpu.observe`."""
        self.used_mib = _largest_use(self._nvml, self._handle, self.used_mib)

    def peak_mib(self) -> float | None:
        """See `Device.peak_mib`; Apple's keeps no peak."""
        peak = getattr(self._driver, "max_memory_allocated", None)
        return None if peak is None else float(peak(*self._name)) / _MIB


def tensorflow_device(tensorflow: Any, nvml: Any = None) -> Device:
    """The device that TensorFlow trains on. ``nvml`` stands in for the module `pynvml`."""
    if not tensorflow.config.list_physical_devices("GPU"):
        return Device()
    return TensorFlowGpu(tensorflow, nvml if nvml is not None else _imported_nvml())


def torch_device(torch: Any, nvml: Any = None) -> Device:
    """The device that Keras' PyTorch backend trains on. ``nvml`` stands in for the module `pynvml`."""
    name = os.environ.get("KERAS_TORCH_DEVICE") or _torch_choice(torch)
    if name.partition(":")[0] not in _TORCH_GPUS:
        return Device()
    return TorchGpu(torch, nvml if nvml is not None else _imported_nvml(), name)


_TORCH_GPUS = ("mps", "cuda", "xpu")
"""In the order in which Keras looks for them where nobody names a device."""


def _torch_choice(torch: Any) -> str:
    places = {"mps": torch.backends.mps, "cuda": torch.cuda, "xpu": getattr(torch, "xpu", None)}
    return next((name for name in _TORCH_GPUS if places[name] and places[name].is_available()), "cpu")


def device(backend: str) -> Device:
    """The device of a Keras backend, which is imported already."""
    module = importlib.import_module(backend)
    match backend:
        case "tensorflow":
            return tensorflow_device(module)
        case "jax":
            return JaxDevice(module, _imported_nvml())
        case _:
            return torch_device(module)


def limit_threads(backend: str, threads: int | None) -> tuple[int | None, int | None]:
    """Let the backend use so many threads, or as many as it likes; returns how many it really uses.

    That is the threads for one operation and for operations side by side; None where nobody tells. Call it before the
    backend's first operation: its pools of threads are started here.
    """
    match backend:
        case "tensorflow":
            return _tensorflow_threads(importlib.import_module("tensorflow"), threads)
        case "jax":
            return _jax_threads(importlib.import_module("jax"), threads)
        case _:
            return _torch_threads(importlib.import_module("torch"), threads)


def _tensorflow_threads(tensorflow: Any, threads: int | None) -> tuple[int | None, int | None]:
    """What was set, TensorFlow tells back; of its own choice it says nothing, but the threads that it starts do.

    Those of the pool for one operation stay nameless, since ``tf_numa_-1_Eigen`` is longer than a thread's name may be;
    those of the other one are ``tf_Compute``. Not with a GPU, which starts nameless ones too.
    """
    config = tensorflow.config
    if threads is not None:
        config.threading.set_intra_op_parallelism_threads(threads)
        config.threading.set_inter_op_parallelism_threads(threads)
    told = config.threading.get_intra_op_parallelism_threads(), config.threading.get_inter_op_parallelism_threads()
    seen = Counter[str]() if config.list_physical_devices("GPU") else started(config.list_logical_devices)
    return told[0] or seen[""] or None, told[1] or seen["tf_Compute"] or None


def _jax_threads(jax: Any, threads: int | None) -> tuple[int | None, int | None]:
    """XLA takes the size of its pool on the processor from NPROC, else from the CPUs that the process may run on."""
    if threads is not None:
        os.environ["NPROC"] = str(threads)
    return started(jax.local_devices)["tf_XLAEigen"] or None, None


def _torch_threads(torch: Any, threads: int | None) -> tuple[int, int]:
    if threads is not None:
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(threads)
    return torch.get_num_threads(), torch.get_num_interop_threads()


def _imported_nvml() -> Any:
    try:
        return importlib.import_module("pynvml")
    except ImportError:
        return None


def _largest_use(nvml: Any, handle: Any, before: float | None) -> float | None:
    """The larger of what was seen ``before`` and the GPU's memory in use now, MiB."""
    if handle is None:
        return before
    # A driver that does not tell (a slice of a GPU, say) is no reason to lose the case.
    with contextlib.suppress(nvml.NVMLError):
        return max(before or 0.0, float(nvml.nvmlDeviceGetMemoryInfo(handle).used) / _MIB)
    return before


def _handle(nvml: Any, index: int = 0) -> Any:
    """The GPU that a backend counts as ``index``: so far along ``CUDA_VISIBLE_DEVICES``, else of all.

    CUDA and NVML count GPUs in the same order where ``CUDA_DEVICE_ORDER=PCI_BUS_ID`` or all are alike.
    """
    if nvml is None:
        return None
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    chosen = visible[index].strip() if index < len(visible) else ""
    try:
        nvml.nvmlInit()
        if chosen.startswith("GPU-"):
            return nvml.nvmlDeviceGetHandleByUUID(chosen)
        return nvml.nvmlDeviceGetHandleByIndex(int(chosen) if chosen.isdigit() else index)
    except nvml.NVMLError:
        return None
