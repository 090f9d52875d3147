"""Backends and a GPU driver that are made up."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

MIB = 1 << 20


class NVMLError(Exception):
    """The driver's."""


@dataclass
class Nvml:
    """Stands in for the module `pynvml`."""

    used_mib: list[int] = field(default_factory=lambda: [1000])
    """What is in use at one look after the other."""
    gpus: int = 4
    broken: bool = False
    energy_mj: list[int] = field(default_factory=list)
    """What the energy counter is at, at one look after the other."""
    looked_at: list[int] = field(default_factory=list)
    is_open: bool = False
    NVMLError: type[Exception] = NVMLError

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's names, here and below
        if self.broken:
            raise NVMLError("driver not loaded")
        self.is_open = True

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.is_open = False

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return self.gpus

    def nvmlDeviceGetIndex(self, handle: int) -> int:  # noqa: N802
        return handle

    def nvmlDeviceGetTotalEnergyConsumption(self, _handle: int) -> int:  # noqa: N802
        if not self.energy_mj:
            raise NVMLError("not supported")
        return self.energy_mj.pop(0)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        if index >= self.gpus:
            raise NVMLError("invalid argument")
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> int:  # noqa: N802
        return {"GPU-8c1f2b": 3}[uuid]

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:  # noqa: N802
        self.looked_at.append(handle)
        if not self.used_mib:
            raise NVMLError("not supported")
        return SimpleNamespace(used=self.used_mib.pop(0) * MIB)


@dataclass
class TensorFlow:
    """Stands in for the module `tensorflow`."""

    gpus: int = 1
    intra: int = 0
    inter: int = 0
    synchronised: int = 0
    began: bool = False
    """Whether its devices, and its threads with them, are up."""

    @property
    def config(self) -> Any:
        return SimpleNamespace(
            list_physical_devices=lambda kind: [f"{kind}:{n}" for n in range(self.gpus if kind == "GPU" else 1)],
            list_logical_devices=lambda: setattr(self, "began", True),
            experimental=SimpleNamespace(
                get_memory_info=lambda name: {"GPU:0": {"current": 1, "peak": 777 * MIB}}[name]
            ),
            threading=SimpleNamespace(
                set_intra_op_parallelism_threads=lambda threads: setattr(self, "intra", threads),
                set_inter_op_parallelism_threads=lambda threads: setattr(self, "inter", threads),
                get_intra_op_parallelism_threads=lambda: self.intra,
                get_inter_op_parallelism_threads=lambda: self.inter,
            ),
        )

    @property
    def test(self) -> Any:
        return SimpleNamespace(experimental=SimpleNamespace(sync_devices=self._synchronise))

    def _synchronise(self) -> None:
        self.synchronised += 1


@dataclass
class Jax:
    """Stands in for the module `jax`."""

    platform: str
    stats: dict[str, int] | None = None
    waited_for: list[object] = field(default_factory=list)

    def local_devices(self) -> list[Any]:
        return [SimpleNamespace(platform=self.platform, memory_stats=lambda: self.stats)]

    def live_arrays(self) -> list[str]:
        return ["a", "b"]

    def block_until_ready(self, arrays: object) -> None:
        self.waited_for.append(arrays)


@dataclass
class Torch:
    """Stands in for the module `torch`."""

    gpus: tuple[str, ...] = ()
    """Kinds that are there: cuda, mps, xpu."""
    synchronised: list[str] = field(default_factory=list)

    @property
    def backends(self) -> Any:
        return SimpleNamespace(mps=SimpleNamespace(is_available=lambda: "mps" in self.gpus))

    @property
    def mps(self) -> Any:
        return SimpleNamespace(synchronize=lambda: self.synchronised.append("mps"))

    @property
    def cuda(self) -> Any:
        return SimpleNamespace(
            is_available=lambda: "cuda" in self.gpus,
            synchronize=self.synchronised.append,
            max_memory_allocated=lambda name: {"cuda": 44, "cuda:1": 45}[name] * MIB,
        )

    @property
    def xpu(self) -> Any:
        return SimpleNamespace(
            is_available=lambda: "xpu" in self.gpus,
            synchronize=self.synchronised.append,
            max_memory_allocated=lambda name: {"xpu": 33}[name] * MIB,
        )
