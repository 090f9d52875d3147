"""PyTorch."""

from __future__ import annotations

import os
from typing import Any

from bench.worker.device import MIB, Device, NvmlDevice, import_nvml

TITLE = "PyTorch"
THREADS_CODE = "torch.set_num_threads({threads}); torch.set_num_interop_threads({threads})"
DISTRIBUTIONS = ("torch", "torch-nightly")

_GPUS = ("mps", "cuda", "xpu")
"""In the order in which Keras looks for them where nobody names a device."""


class TorchGpu(NvmlDevice):
    """The GPU that PyTorch trains on, by PyTorch's name for it: ``cuda``, ``cuda:1``, ``mps``, ``xpu``."""

    def __init__(self, torch: Any, nvml: Any, name: str = "cuda") -> None:
        kind, _, index = name.partition(":")
        super().__init__(nvml if kind == "cuda" else None, int(index or 0))
        self._driver = getattr(torch, kind)
        self._name = () if kind == "mps" else (name,)  # Apple has one at most

    def synchronise(self) -> None:
        """Kernels run behind the calls that start them."""
        self._driver.synchronize(*self._name)

    def read_peak_mib(self) -> float | None:
        """See `Device.read_peak_mib`; Apple's keeps no peak."""
        peak = getattr(self._driver, "max_memory_allocated", None)
        return None if peak is None else float(peak(*self._name)) / MIB


def find_device() -> Device:
    """See `bench.worker.backends`; Keras takes the device that KERAS_TORCH_DEVICE names, else the first GPU."""
    import torch

    name = os.environ.get("KERAS_TORCH_DEVICE") or _choose_as_keras_does(torch)
    return TorchGpu(torch, import_nvml(), name) if name.partition(":")[0] in _GPUS else Device()


def _choose_as_keras_does(torch: Any) -> str:
    places = {"mps": torch.backends.mps, "cuda": torch.cuda, "xpu": getattr(torch, "xpu", None)}
    return next((name for name in _GPUS if places[name] and places[name].is_available()), "cpu")


def limit_threads(threads: int | None) -> tuple[int | None, int | None]:
    """See `bench.worker.backends`."""
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(threads)
    return torch.get_num_threads(), torch.get_num_interop_threads()
