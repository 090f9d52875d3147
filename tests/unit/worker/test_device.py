"""The device of each backend: what it is waited for, and what it reports of its memory."""

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from unit.worker.fake_backends import MIB, Jax, Nvml, TensorFlow, Torch

from bench.plan import catalog
from bench.worker.backends import load_backend
from bench.worker.device import Device

Find = Callable[..., Device]


@pytest.fixture(autouse=True)
def all_gpus_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("KERAS_TORCH_DEVICE", raising=False)


@pytest.fixture
def find(monkeypatch: pytest.MonkeyPatch) -> Find:
    """Find the device of a backend whose library, and NVIDIA's driver, are made up; no driver's module by default."""

    def find(library: Any, nvml: Nvml | None = None) -> Device:
        backend = {"TensorFlow": "tensorflow", "Jax": "jax"}.get(type(library).__name__, "torch")
        monkeypatch.setitem(sys.modules, backend, library)
        monkeypatch.setitem(sys.modules, "pynvml", nvml)
        device: Device = load_backend(backend).find_device()
        return device

    return find


def test_the_file_of_every_backend_is_imported_without_its_library() -> None:
    for name, backend in catalog.read_backends().items():
        file = load_backend(name)
        assert backend == catalog.Backend(file.TITLE, file.DISTRIBUTIONS, file.THREADS_CODE)
        assert callable(file.find_device)
        assert callable(file.limit_threads)
    assert not {"tensorflow", "jax", "torch", "keras"} & set(sys.modules)


def test_a_processor_has_nothing_to_wait_for_and_nothing_to_report() -> None:
    processor = Device()
    processor.synchronise()
    processor.observe()
    assert (processor.used_mib, processor.read_peak_mib()) == (None, None)
    assert not vars(processor)


def test_tensorflow_without_a_gpu_trains_on_the_processor(find: Find) -> None:
    assert type(find(TensorFlow(gpus=0), Nvml(broken=True))) is Device


def test_torch_without_a_gpu_trains_on_the_processor(find: Find) -> None:
    assert type(find(Torch(), Nvml())) is Device


def test_jax_on_the_processor_is_waited_for_and_has_no_memory_of_its_own(find: Find) -> None:
    jax = Jax("cpu")
    processor = find(jax, Nvml(used_mib=[5]))
    processor.observe()
    processor.synchronise()
    assert (processor.used_mib, processor.read_peak_mib()) == (None, None)
    assert jax.waited_for == [["a", "b"]], "all that is being computed"


def test_synchronising_waits_for_the_devices(find: Find) -> None:
    tensorflow = TensorFlow()
    gpu = find(tensorflow, Nvml())
    assert tensorflow.synchronised == 0
    gpu.synchronise()
    gpu.synchronise()
    assert tensorflow.synchronised == 2


def test_used_memory_is_the_most_at_any_look(find: Find) -> None:
    gpu = find(TensorFlow(), Nvml(used_mib=[300, 900, 400]))
    seen = [gpu.used_mib]
    for _ in range(3):
        gpu.observe()
        seen.append(gpu.used_mib)
    assert seen == [None, 300.0, 900.0, 900.0]


def test_the_peak_is_the_frameworks_own(find: Find) -> None:
    assert find(TensorFlow(), Nvml(used_mib=[9999])).read_peak_mib() == 777.0


@pytest.mark.parametrize(
    ("visible", "index"), [(None, 0), ("", 0), ("2", 2), ("3,1", 3), (" 1 , 2", 1), ("GPU-8c1f2b,1", 3)]
)
def test_the_first_visible_gpu_is_looked_at(
    visible: str | None, index: int, find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    nvml = Nvml()
    find(TensorFlow(), nvml).observe()
    assert nvml.looked_at == [index]


def test_a_driver_that_reports_no_memory_does_not_end_the_case(find: Find) -> None:
    gpu = find(TensorFlow(), Nvml(used_mib=[]))
    gpu.observe()
    assert (gpu.used_mib, gpu.read_peak_mib()) == (None, 777.0)


@pytest.mark.parametrize("nvml", [Nvml(broken=True), Nvml(gpus=0)], ids=["no driver", "no such GPU"])
def test_a_driver_that_refuses_leaves_the_frameworks_figure(nvml: Nvml, find: Find) -> None:
    gpu = find(TensorFlow(), nvml)
    gpu.observe()
    assert (gpu.used_mib, gpu.read_peak_mib()) == (None, 777.0)
    assert not nvml.looked_at


def test_a_gpus_energy_is_that_of_the_one_that_trains(find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    (counter,) = find(TensorFlow(), Nvml(energy_mj=[1, 5000])).find_energy_counters()
    assert (counter.name, counter.read()) == ("NVML GPU 2", 5.0)


@pytest.mark.parametrize("nvml", [None, Nvml(), Nvml(broken=True)], ids=["no module", "before Volta", "no driver"])
def test_a_gpu_whose_driver_counts_no_energy_has_no_counter(nvml: Nvml | None, find: Find) -> None:
    assert find(TensorFlow(), nvml).find_energy_counters() == ()


def test_a_processors_energy_is_no_matter_of_the_device(find: Find) -> None:
    assert find(TensorFlow(gpus=0), Nvml(energy_mj=[1, 2])).find_energy_counters() == ()
    assert find(Jax("cpu"), Nvml(energy_mj=[1, 2])).find_energy_counters() == ()


def test_without_the_drivers_module_the_frameworks_figure_is_left(find: Find) -> None:
    gpu = find(TensorFlow())
    gpu.observe()
    assert (gpu.used_mib, gpu.read_peak_mib()) == (None, 777.0)


def test_jax_on_a_gpu_reports_the_drivers_figure_and_its_own(find: Find) -> None:
    gpu = find(Jax("gpu", {"peak_bytes_in_use": 55 * MIB}), Nvml(used_mib=[300, 200]))
    gpu.observe()
    gpu.observe()
    assert (gpu.used_mib, gpu.read_peak_mib()) == (300.0, 55.0)


@pytest.mark.parametrize("stats", [None, {}, {"bytes_in_use": 3}])
def test_a_jax_that_counts_no_peak_leaves_it_empty(stats: dict[str, int] | None, find: Find) -> None:
    assert find(Jax("gpu", stats)).read_peak_mib() is None


def test_jax_waits_for_all_that_is_being_computed_on_a_gpu_too(find: Find) -> None:
    jax = Jax("gpu")
    gpu = find(jax, Nvml(broken=True))
    gpu.synchronise()
    gpu.observe()
    assert (gpu.used_mib, jax.waited_for) == (None, [["a", "b"]])


def test_torch_on_a_gpu_is_waited_for_and_reports_its_memory(find: Find) -> None:
    torch = Torch(("cuda", "xpu"))
    gpu = find(torch, Nvml(used_mib=[9]))
    gpu.synchronise()
    gpu.observe()
    assert (gpu.used_mib, gpu.read_peak_mib(), torch.synchronised) == (9.0, 44.0, ["cuda"])


@pytest.mark.parametrize(("kind", "peak"), [("mps", None), ("xpu", 33.0)])
def test_torch_on_another_makers_gpu_has_no_figure_of_nvidias(kind: str, peak: float | None, find: Find) -> None:
    torch = Torch((kind,))
    gpu = find(torch, Nvml(used_mib=[9]))
    gpu.synchronise()
    gpu.observe()
    assert (gpu.used_mib, gpu.read_peak_mib(), torch.synchronised) == (None, peak, [kind])


def test_torch_without_gpus_of_other_makers_in_it_finds_none(find: Find) -> None:
    older = SimpleNamespace(backends=Torch().backends, cuda=Torch().cuda)
    assert type(find(older)) is Device


@pytest.mark.parametrize(("visible", "looked_at"), [(None, 1), ("3,2", 2), ("3", 1), ("0,GPU-8c1f2b", 3)])
def test_the_gpu_that_keras_is_set_to_is_the_one_that_is_watched(
    visible: str | None, looked_at: int, find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_TORCH_DEVICE", "cuda:1")
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    torch, nvml = Torch(("cuda",)), Nvml()
    gpu = find(torch, nvml)
    gpu.synchronise()
    gpu.observe()
    assert (gpu.read_peak_mib(), torch.synchronised, nvml.looked_at) == (45.0, ["cuda:1"], [looked_at])


def test_a_gpu_that_keras_is_set_to_leave_alone_is_not_watched(find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_TORCH_DEVICE", "cpu")
    assert type(find(Torch(("cuda",)), Nvml())) is Device
