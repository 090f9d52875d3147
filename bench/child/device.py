"""The device that a backend trains on: its threads, its memory, waiting for it.

Without a GPU nothing here costs anything: the processor is never behind, and its memory is `bench.child.memory`'s.
"""

import contextlib
import importlib
import os
from typing import Any

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
        if self._handle is None:
            return
        # A driver that does not tell (a slice of a GPU, say) is no reason to lose the case.
        with contextlib.suppress(self._nvml.NVMLError):
            used = self._nvml.nvmlDeviceGetMemoryInfo(self._handle).used / _MIB
            self.used_mib = max(self.used_mib or 0.0, used)

    def peak_mib(self) -> float | None:
        """See `Device.peak_mib`."""
        return float(self._tensorflow.config.experimental.get_memory_info("GPU:0")["peak"]) / _MIB


def tensorflow_device(tensorflow: Any, nvml: Any = None) -> Device:
    """The device that TensorFlow trains on. ``nvml`` stands in for the module `pynvml`."""
    if not tensorflow.config.list_physical_devices("GPU"):
        return Device()
    return TensorFlowGpu(tensorflow, nvml if nvml is not None else _imported_nvml())


def device(backend: str) -> Device:
    """The device of a Keras backend, which is imported already."""
    return tensorflow_device(importlib.import_module("tensorflow")) if backend == "tensorflow" else Device()


def limit_threads(backend: str, threads: int | None) -> tuple[int | None, int | None]:
    """Let the backend use so many threads, before its first operation; returns what it tells back.

    That is the threads for one operation and for operations side by side; None where the backend does not tell, and
    where the choice is its own.
    """
    if backend != "tensorflow":
        return None, None
    threading = importlib.import_module("tensorflow").config.threading
    if threads is not None:
        threading.set_intra_op_parallelism_threads(threads)
        threading.set_inter_op_parallelism_threads(threads)
    return threading.get_intra_op_parallelism_threads() or None, threading.get_inter_op_parallelism_threads() or None


def _imported_nvml() -> Any:
    try:
        return importlib.import_module("pynvml")
    except ImportError:
        return None


def _handle(nvml: Any) -> Any:
    """The GPU of TensorFlow's ``GPU:0``: the first of ``CUDA_VISIBLE_DEVICES``, else the first of all.

    CUDA and NVML count GPUs in the same order where ``CUDA_DEVICE_ORDER=PCI_BUS_ID`` or all are alike.
    """
    if nvml is None:
        return None
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    try:
        nvml.nvmlInit()
        if first.startswith("GPU-"):
            return nvml.nvmlDeviceGetHandleByUUID(first)
        return nvml.nvmlDeviceGetHandleByIndex(int(first) if first.isdigit() else 0)
    except nvml.NVMLError:
        return None
