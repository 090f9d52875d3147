"""The device of each backend: what it is waited for, and what it tells of its memory."""

import sys
from types import SimpleNamespace

import pytest
from unit.worker.fake_backends import MIB, Jax, Nvml, TensorFlow, Torch

from bench.worker import device as device_file
from bench.worker.device import Device, TensorFlowGpu, device, tensorflow_device, torch_device


@pytest.fixture(autouse=True)
def all_gpus_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("KERAS_TORCH_DEVICE", raising=False)


@pytest.fixture
def tensorflow(monkeypatch: pytest.MonkeyPatch) -> TensorFlow:
    made_up = TensorFlow()
    monkeypatch.setitem(sys.modules, "tensorflow", made_up)
    return made_up


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


def test_torch_without_a_gpu_trains_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", Torch())
    assert type(device("torch")) is Device


def test_jax_on_the_processor_is_waited_for_and_has_no_memory_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    jax = Jax("cpu")
    monkeypatch.setitem(sys.modules, "jax", jax)
    monkeypatch.setitem(sys.modules, "pynvml", Nvml(used_mib=[5]))
    processor = device("jax")
    processor.observe()
    processor.synchronise()
    assert (processor.used_mib, processor.peak_mib()) == (None, None)
    assert jax.waited_for == [["a", "b"]], "all that is being computed"


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


def test_jax_on_a_gpu_tells_the_drivers_figure_and_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", Jax("gpu", {"peak_bytes_in_use": 55 * MIB}))
    monkeypatch.setitem(sys.modules, "pynvml", Nvml(used_mib=[300, 200]))
    gpu = device("jax")
    gpu.observe()
    gpu.observe()
    assert (gpu.used_mib, gpu.peak_mib()) == (300.0, 55.0)


@pytest.mark.parametrize("stats", [None, {}, {"bytes_in_use": 3}])
def test_a_jax_that_counts_no_peak_leaves_it_empty(
    stats: dict[str, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jax", Jax("gpu", stats))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert device("jax").peak_mib() is None


def test_torch_on_a_gpu_is_waited_for_and_tells_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = Torch(("cuda", "xpu"))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "pynvml", Nvml(used_mib=[9]))
    gpu = device("torch")
    gpu.synchronise()
    gpu.observe()
    assert (gpu.used_mib, gpu.peak_mib(), torch.synchronised) == (9.0, 44.0, ["cuda"])


@pytest.mark.parametrize(("kind", "peak"), [("mps", None), ("xpu", 33.0)])
def test_torch_on_another_makers_gpu_has_no_figure_of_nvidias(
    kind: str, peak: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = Torch((kind,))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "pynvml", Nvml(used_mib=[9]))
    gpu = device("torch")
    gpu.synchronise()
    gpu.observe()
    assert (gpu.used_mib, gpu.peak_mib(), torch.synchronised) == (None, peak, [kind])


def test_torch_without_gpus_of_other_makers_in_it_finds_none() -> None:
    older = SimpleNamespace(backends=Torch().backends, cuda=Torch().cuda)
    assert type(torch_device(older)) is Device


@pytest.mark.parametrize(("visible", "looked_at"), [(None, 1), ("3,2", 2), ("3", 1), ("0,GPU-8c1f2b", 3)])
def test_the_gpu_that_keras_is_told_to_use_is_the_one_that_is_watched(
    visible: str | None, looked_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_TORCH_DEVICE", "cuda:1")
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    torch, nvml = Torch(("cuda",)), Nvml()
    gpu = torch_device(torch, nvml)
    gpu.synchronise()
    gpu.observe()
    assert (gpu.peak_mib(), torch.synchronised, nvml.looked_at) == (45.0, ["cuda:1"], [looked_at])


def test_a_gpu_that_keras_is_told_to_leave_alone_is_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_TORCH_DEVICE", "cpu")
    assert type(torch_device(Torch(("cuda",)), Nvml())) is Device


def test_jax_waits_for_all_that_is_being_computed_on_a_gpu_too(monkeypatch: pytest.MonkeyPatch) -> None:
    jax = Jax("gpu")
    monkeypatch.setitem(sys.modules, "jax", jax)
    monkeypatch.setitem(sys.modules, "pynvml", Nvml(broken=True))
    gpu = device("jax")
    gpu.synchronise()
    gpu.observe()
    assert (gpu.used_mib, jax.waited_for) == (None, [["a", "b"]])
