"""GPUs, drivers and thread pools that are made up."""

import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from bench.child import device as device_file
from bench.child.device import Device, TensorFlowGpu, device, limit_threads, tensorflow_device, torch_device

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


@pytest.fixture(autouse=True)
def all_gpus_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("KERAS_TORCH_DEVICE", raising=False)


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


# ---------------------------------------------------------------------------- threads


def start(monkeypatch: pytest.MonkeyPatch, **names: int) -> None:
    """Have whatever is called start so many threads of each name; those without a name are ``nameless``."""

    def started(call: Callable[[], object]) -> Counter[str]:
        call()
        return Counter({"" if name == "nameless" else name: count for name, count in names.items()})

    monkeypatch.setattr(device_file, "started", started)


@pytest.fixture(autouse=True)
def nothing_tells_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_file, "started", lambda _call: Counter())


def test_a_limit_holds_for_one_operation_and_for_operations_side_by_side(tensorflow: TensorFlow) -> None:
    assert limit_threads("tensorflow", 3) == (3, 3)
    assert (tensorflow.intra, tensorflow.inter) == (3, 3)


def test_without_a_limit_nothing_is_set_and_what_there_is_is_told(tensorflow: TensorFlow) -> None:
    tensorflow.intra, tensorflow.inter = 4, 2
    assert limit_threads("tensorflow", None) == (4, 2)


def test_a_choice_of_tensorflows_own_shows_in_the_threads_that_it_starts(
    tensorflow: TensorFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensorflow.gpus = 0
    start(monkeypatch, nameless=5, tf_Compute=3, tf_graph_runner=1)
    assert limit_threads("tensorflow", None) == (5, 3)
    assert tensorflow.began, "its pools are there to be counted"
    assert (tensorflow.intra, tensorflow.inter) == (0, 0), "the choice is still its own"
    tensorflow.inter = 2
    assert limit_threads("tensorflow", None) == (5, 2)


def test_a_choice_of_tensorflows_own_that_does_not_show_is_empty(
    tensorflow: TensorFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensorflow.gpus = 0
    assert limit_threads("tensorflow", None) == (None, None)
    start(monkeypatch)
    assert limit_threads("tensorflow", None) == (None, None)


def test_threads_are_not_counted_where_a_gpu_has_its_own_among_them(
    tensorflow: TensorFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(monkeypatch, nameless=9, tf_Compute=3)
    assert limit_threads("tensorflow", None) == (None, None)
    assert not tensorflow.began


@pytest.mark.parametrize("threads", [None, 3])
def test_jax_shows_its_threads_for_one_operation_alone(threads: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPROC", "7")
    seen: list[str] = []
    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace(local_devices=lambda: seen.append(os.environ["NPROC"])))
    assert limit_threads("jax", threads) == (None, None)
    start(monkeypatch, nameless=9, tf_XLAEigen=4)
    assert limit_threads("jax", threads) == (4, None)
    assert seen == ["7" if threads is None else "3"], "a limit is set before the pools are started"


def test_torch_tells_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    now = {"intra": 8, "inter": 4}
    torch = SimpleNamespace(
        get_num_threads=lambda: now["intra"],
        get_num_interop_threads=lambda: now["inter"],
        set_num_threads=lambda threads: now.update(intra=threads),
        set_num_interop_threads=lambda threads: now.update(inter=threads),
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert limit_threads("torch", None) == (8, 4)
    assert limit_threads("torch", 3) == (3, 3)
