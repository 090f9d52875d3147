"""The device that a case trains on: waiting for it, and its memory.

Without a GPU nothing here costs anything: the processor is never behind, and its memory is `bench.worker.memory`'s.
"""

import contextlib
import importlib
import os
from typing import Any

from bench.host.energy import Counter, find_gpu_counter

MIB = 1 << 20


class Device:
    """A processor; the file of a backend derives its GPU from this."""

    used_mib: float | None = None
    """Largest memory in use on the GPU at any `observe`, as its driver counts it, MiB; None without a GPU."""

    def synchronise(self) -> None:
        """Wait until everything that was sent to the device is done."""

    def observe(self) -> None:
        """Look at the device's memory now."""

    def read_peak_mib(self) -> float | None:
        """Peak memory as the framework counts its own allocations, MiB; None without a GPU."""
        return None

    def find_energy_counters(self) -> tuple[Counter, ...]:
        """The energy counter of the GPU, if it has one: a processor's are not the device's."""
        return ()


class NvmlDevice(Device):
    """A device whose memory NVIDIA's driver reports. ``nvml`` is the module `pynvml`; None where it does not apply."""

    def __init__(self, nvml: Any, index: int = 0) -> None:
        self._nvml = nvml
        self._handle = _find_handle(nvml, index)

    def observe(self) -> None:
        """All processes' memory on this GPU: that is all the driver reports to a container."""
        if self._handle is None:
            return
        # A driver that reports none (for a slice of a GPU, say) is no reason to lose the case.
        with contextlib.suppress(self._nvml.NVMLError):
            used = float(self._nvml.nvmlDeviceGetMemoryInfo(self._handle).used) / MIB
            self.used_mib = max(self.used_mib or 0.0, used)

    def find_energy_counters(self) -> tuple[Counter, ...]:
        """See `Device.find_energy_counters`."""
        counter = None if self._handle is None else find_gpu_counter(self._nvml, self._handle)
        return () if counter is None else (counter,)


def import_nvml() -> Any:
    """The module `pynvml`; None where it is not installed."""
    try:
        return importlib.import_module("pynvml")
    except ImportError:
        return None


def _find_handle(nvml: Any, index: int) -> Any:
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
