"""GPUs, drivers and thread pools that are made up."""

import sys
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from bench.child import device as device_file
from bench.child.device import Device, TensorFlowGpu, device, limit_threads, tensorflow_device

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
    looked_at: list[int] = field(default_factory=list)
    NVMLError: type[Exception] = NVMLError

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's names, here and below
        if self.broken:
            raise NVMLError("driver not loaded")

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

    @property
    def config(self) -> Any:
        return SimpleNamespace(
            list_physical_devices=lambda kind: [f"{kind}:{n}" for n in range(self.gpus if kind == "GPU" else 1)],
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


@pytest.fixture(autouse=True)
def all_gpus_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def tensorflow(monkeypatch: pytest.MonkeyPatch) -> TensorFlow:
    made_up = TensorFlow()
    monkeypatch.setitem(sys.modules, "tensorflow", made_up)
    return made_up


# -------------------------------------------------------------------------- processor


def test_a_processor_has_nothing_to_wait_for_and_nothing_to_tell() -> None:
    processor = Device()
    processor.synchronise()
    processor.observe()
    assert (processor.used_mib, processor.peak_mib()) == (None, None)
    assert not vars(processor)


def test_tensorflow_without_a_gpu_trains_on_the_processor(tensorflow: TensorFlow) -> None:
    tensorflow.gpus = 0
    nvml = Nvml(broken=True)
    assert type(tensorflow_device(tensorflow, nvml)) is Device
    assert type(device("tensorflow")) is Device


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_are_not_asked(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert type(device(backend)) is Device


# -------------------------------------------------------------------------------- GPU


def test_the_gpu_of_the_imported_tensorflow_is_found(tensorflow: TensorFlow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Nvml(used_mib=[5]))
    gpu = device("tensorflow")
    gpu.observe()
    assert isinstance(gpu, TensorFlowGpu)
    assert gpu.used_mib == 5.0


def test_synchronising_waits_for_the_devices(tensorflow: TensorFlow) -> None:
    gpu = tensorflow_device(tensorflow, Nvml())
    assert tensorflow.synchronised == 0
    gpu.synchronise()
    gpu.synchronise()
    assert tensorflow.synchronised == 2


def test_used_memory_is_the_most_at_any_look() -> None:
    gpu = tensorflow_device(TensorFlow(), Nvml(used_mib=[300, 900, 400]))
    seen = [gpu.used_mib]
    for _ in range(3):
        gpu.observe()
        seen.append(gpu.used_mib)
    assert seen == [None, 300.0, 900.0, 900.0]


def test_the_peak_is_the_frameworks_own() -> None:
    assert tensorflow_device(TensorFlow(), Nvml(used_mib=[9999])).peak_mib() == 777.0


@pytest.mark.parametrize(
    ("visible", "index"), [(None, 0), ("", 0), ("2", 2), ("3,1", 3), (" 1 , 2", 1), ("GPU-8c1f2b,1", 3)]
)
def test_the_first_visible_gpu_is_looked_at(visible: str | None, index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    nvml = Nvml()
    tensorflow_device(TensorFlow(), nvml).observe()
    assert nvml.looked_at == [index]


def test_a_driver_that_tells_no_memory_does_not_end_the_case() -> None:
    gpu = tensorflow_device(TensorFlow(), Nvml(used_mib=[]))
    gpu.observe()
    assert (gpu.used_mib, gpu.peak_mib()) == (None, 777.0)


@pytest.mark.parametrize("nvml", [Nvml(broken=True), Nvml(gpus=0)], ids=["no driver", "no such GPU"])
def test_a_driver_that_refuses_leaves_the_frameworks_figure(nvml: Nvml) -> None:
    gpu = tensorflow_device(TensorFlow(), nvml)
    gpu.observe()
    assert (gpu.used_mib, gpu.peak_mib()) == (None, 777.0)
    assert not nvml.looked_at


def test_without_the_drivers_module_the_frameworks_figure_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert device_file._imported_nvml() is None
    gpu = tensorflow_device(TensorFlow())
    gpu.observe()
    assert (gpu.used_mib, gpu.peak_mib()) == (None, 777.0)


# ---------------------------------------------------------------------------- threads


def test_a_limit_holds_for_one_operation_and_for_operations_side_by_side(tensorflow: TensorFlow) -> None:
    assert limit_threads("tensorflow", 3) == (3, 3)
    assert (tensorflow.intra, tensorflow.inter) == (3, 3)


def test_without_a_limit_nothing_is_set_and_what_there_is_is_told(tensorflow: TensorFlow) -> None:
    tensorflow.intra, tensorflow.inter = 4, 2
    assert limit_threads("tensorflow", None) == (4, 2)


def test_a_choice_of_tensorflows_own_is_empty(tensorflow: TensorFlow) -> None:
    assert limit_threads("tensorflow", None) == (None, None)
    tensorflow.inter = 2
    assert limit_threads("tensorflow", None) == (None, 2)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_tell_no_threads(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert limit_threads(backend, 3) == (None, None)
