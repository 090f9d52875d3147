"""Settings that a shell, a notebook, a container or a scheduler may export, and what becomes of a case.

``python tests/faults/hostile_settings.py [COUNT [SEED]]`` trains a tiny case with so many of them, one at a time, and
prints a line for each: losses equal to the last bit and peaks within 1 %, or a difference that is recorded.
"""

import os
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]

from bench.datasets.files import LabelledImages, write_npz
from bench.datasets.find import find_dataset
from bench.host.fingerprint import take_fingerprint
from bench.plan.profile import Case
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome
from bench.sweep.local import LocalExecutor

HOSTILE = {
    # notebooks and desktops
    "MPLBACKEND": "module://matplotlib_inline.backend_inline", "DISPLAY": ":7", "WAYLAND_DISPLAY": "wayland-7",
    "MATPLOTLIBRC": "/dev/null/none/matplotlibrc",
    # Keras
    "KERAS_HOME": "/dev/null/none/keras", "KERAS_MAX_EPOCHS": "1", "KERAS_MAX_STEPS_PER_EPOCH": "1",
    "KERAS_NNX_ENABLED": "true", "KERAS_BACKEND": "torch",
    # the interpreter
    "PYTHONDEVMODE": "1", "PYTHONMALLOC": "debug", "PYTHONMALLOCSTATS": "1", "PYTHONTRACEMALLOC": "1",
    "PYTHONDEBUG": "1", "PYTHONDUMPREFS": "1", "PYTHONASYNCIODEBUG": "1", "PYTHONOPTIMIZE": "2",
    "PYTHONNODEBUGRANGES": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": "/dev/null/none/cache",
    "PYTHONINSPECT": "1", "PYTHONVERBOSE": "1", "PYTHONPROFILEIMPORTTIME": "1", "PYTHONWARNINGS": "error",
    "PYTHONPERFSUPPORT": "1", "PYTHON_PERF_JIT_SUPPORT": "1", "PYTHON_JIT": "1", "PYTHON_GIL": "1",
    "PYTHON_CPU_COUNT": "1", "COVERAGE_PROCESS_START": "/dev/null/none/coveragerc", "COV_CORE_SOURCE": "bench",
    # allocators and the loader
    "MALLOC_ARENA_MAX": "1", "MALLOC_ARENA_TEST": "1", "MALLOC_CHECK_": "3", "MALLOC_CONF": "dirty_decay_ms:0",
    "MALLOC_MMAP_MAX_": "0", "MALLOC_MMAP_THRESHOLD_": "4096", "MALLOC_PERTURB_": "165", "MALLOC_TCACHE_COUNT": "0",
    "MALLOC_TOP_PAD_": "67108864", "MALLOC_TRIM_THRESHOLD_": "65536", "GLIBC_TUNABLES": "glibc.malloc.arena_max=1",
    "LD_PRELOAD": "libm.so.6", "LD_AUDIT": "libnone.so", "LD_BIND_NOW": "1", "LD_DEBUG": "statistics",
    "LD_PROFILE": "libnone.so", "LD_VERBOSE": "1", "LD_HWCAP_MASK": "0", "LD_TRACE_PRELINKING": "libnone.so",
    "_RJEM_MALLOC_CONF": "narenas:1", "TCMALLOC_RELEASE_RATE": "10", "MIMALLOC_EAGER_COMMIT": "1",
    "DYLD_INSERT_LIBRARIES": "libnone.dylib", "MallocScribble": "1",
    # threads and kernels
    "OMP_NUM_THREADS": "1", "OMP_PROC_BIND": "close", "OMP_PLACES": "cores", "OMP_WAIT_POLICY": "active",
    "OMP_STACKSIZE": "64M", "OMP_DYNAMIC": "true", "OMP_SCHEDULE": "static", "OMP_THREAD_LIMIT": "1",
    "GOMP_SPINCOUNT": "0", "GOMP_CPU_AFFINITY": "0", "KMP_AFFINITY": "compact", "KMP_BLOCKTIME": "0",
    "KMP_SETTINGS": "1", "MKL_NUM_THREADS": "1", "MKL_DYNAMIC": "false", "MKL_CBWR": "COMPATIBLE",
    "MKL_DEBUG_CPU_TYPE": "5", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "OPENBLAS_NUM_THREADS": "1",
    "OPENBLAS_CORETYPE": "Haswell", "GOTO_NUM_THREADS": "1", "BLIS_NUM_THREADS": "1", "VECLIB_MAXIMUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1", "NUMEXPR_MAX_THREADS": "1", "NPROC": "1", "ONEDNN_MAX_CPU_ISA": "SSE41",
    "ONEDNN_DEFAULT_FPMATH_MODE": "BF16", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "0", "DNNL_MAX_CPU_ISA": "SSE41",
    "NPY_DISABLE_CPU_FEATURES": "AVX2", "NUMPY_MADVISE_HUGEPAGE": "0",
    # backends and GPUs
    "TF_ENABLE_ONEDNN_OPTS": "0", "TF_DETERMINISTIC_OPS": "1", "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1", "TF_XLA_FLAGS": "--tf_xla_auto_jit=2", "XLA_FLAGS": "--xla_cpu_use_onednn=false",
    "TF_CPU_ALLOCATOR_USE_BFC": "1", "TF_CPP_MAX_VLOG_LEVEL": "1", "TF_CPP_VMODULE": "executor=1",
    "TF_USE_LEGACY_KERAS": "1", "TF2_BEHAVIOR": "1", "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "TF_GPU_ALLOCATOR": "cuda_malloc_async", "JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu",
    "JAX_COMPILATION_CACHE_DIR": "/dev/null/none/jax", "JAX_DISABLE_JIT": "1", "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "PYTORCH_CUDA_ALLOC_CONF": "max_split_size_mb:32", "TORCH_COMPILE_DISABLE": "1", "ATEN_CPU_CAPABILITY": "default",
    "KERAS_TORCH_DEVICE": "cpu", "CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": "", "ROCR_VISIBLE_DEVICES": "0",
    "CUDA_LAUNCH_BLOCKING": "1", "NVIDIA_TF32_OVERRIDE": "0", "CUBLAS_WORKSPACE_CONFIG": ":4096:8", "PJRT_NPROC": "1",
    "TF_AUTOTUNE_THRESHOLD": "2", "TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_LEVEL": "UNSAFE_FORCE_ALL",
    "TF_CONV2D_USE_FP16_ACCUMULATE": "1", "TF_CUBLAS_WORKSPACE_LIMIT_IN_MB": "1",
    "TF_CUDA_MALLOC_ASYNC_SUPPORTED_PREALLOC": "1", "TF_CUDNN_USE_AUTOTUNE": "0", "TF_CUFFT_WORKSPACE_LIMIT_IN_MB": "1",
    "TF_DATA_EXPERIMENT_OPT_IN": "all", "TF_DETERMINISTIC_ALLOCATOR": "1", "TF_DEVICE_MIN_SYS_MEMORY_IN_MB": "1",
    "TF_DISABLE_JIT_KERNELS": "1", "TF_DUMP_GRAPH_PREFIX": "/dev/null/none",
    "TF_EAGER_ENABLE_SMALL_TENSOR_CPU_PINNING": "1", "TF_FP16_MATMUL_USE_FP32_COMPUTE": "0",
    "TF_FUNCTION_JIT_COMPILE_DEFAULT": "1", "TF_GRAPH_CACHING": "0", "TF_JIT_COMPILE_REWRITE": "1",
    "TF_MATMUL_AUTOTUNE_ENABLE": "1", "TF_MIN_GPU_MULTIPROCESSOR_COUNT": "100",
    "TF_MKL_ALLOC_MAX_BYTES": "1048576", "TF_MKL_OPTIMIZE_PRIMITIVE_MEMUSE": "0",
    "TF_MLIR_ENABLE_MERGE_CONTROL_FLOW_PASS": "1", "TF_ONEDNN_USE_SYSTEM_ALLOCATOR": "1",
    "TF_OVERRIDE_GLOBAL_THREADPOOL": "1", "TF_PER_DEVICE_MEMORY_LIMIT_MB": "100",
    "TF_SET_ONEDNN_FPMATH_MODE": "BF16", "TF_SYNC_ON_FINISH": "0", "TORCHDYNAMO_DISABLE": "1",
    "TORCHINDUCTOR_MAX_AUTOTUNE": "1", "LRU_CACHE_CAPACITY": "1", "THP_MEM_ALLOC_ENABLE": "1",
}  # fmt: skip
"""Each either changes figures somewhere or keeps a case from going well."""

HARMLESS = {
    "PYTHONHASHSEED": "7", "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "PYTHONIOENCODING": "ascii", "LANG": "C",
    "LC_ALL": "C", "TZ": "Asia/Kathmandu", "TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "20", "CI": "true",
    "TF_CPP_MIN_LOG_LEVEL": "3", "JAX_LOGGING_LEVEL": "INFO", "CUDA_HOME": "/usr/local/cuda", "CUDA_VERSION": "12.4",
    "CUDA_PATH": "/usr/local/cuda", "CUDA_ROOT": "/usr/local/cuda", "TORCH_HOME": "/dev/null/none",
    "TF_VAR_password": "secret", "TF_HTTP_PASSWORD": "secret", "SLURM_CPUS_PER_TASK": "1", "CONDA_PREFIX": "/opt/conda",
    "MPLCONFIGDIR": "/dev/null/none",
}  # fmt: skip
"""What such places export besides."""


@dataclass(frozen=True)
class Figures:
    """What must not change in silence."""

    recorded: str | None
    """The settings, as the fingerprint has them."""
    outcome: Outcome

    @property
    def losses(self) -> tuple[object, ...]:
        """To the last bit."""
        epochs = [(epoch.train_loss, epoch.val_loss) for epoch in self.outcome.epochs]
        return (*epochs, *((each.val_bce, each.code_mean, each.dead_units) for each in self.outcome.evaluations))

    @property
    def peak(self) -> float:
        """MiB."""
        return max((each.peak_rss_mib for each in self.outcome.checkpoints), default=0.0)


def prepare(place: Path) -> None:
    """Write the first images of the dataset that needs no network into a report folder."""
    images = find_dataset("mnist-5k").images
    few = LabelledImages(images.x_train[:1024], images.y_train[:1024], images.x_val[:256], images.y_val[:256])
    write_npz(few, ReportFolder(place).data)


CASE = Case(
    model="basic", backend="tensorflow", loop="fit", precision="float32", optimizer="adam", learning_rate=0.001,
    batch_size=256, dataset="mnist-5k", seed=0, repeat=0, checkpoints=(1,),
)  # fmt: skip


def measure(place: Path, settings: Mapping[str, str]) -> Figures:
    """Train the case in a process of a parent that has these settings."""
    with _exported(settings):
        recorded = take_fingerprint().env_flags
        (outcome,) = LocalExecutor(ReportFolder(place), timeout_s=300).run([CASE], lambda *_: None)
    return Figures(recorded, outcome)


def measure_alone(place: Path) -> Figures:
    """Train the case with nothing set.

    The first process of a new installation compiles modules, which takes memory; so it is the second that counts.
    """
    measure(place, {})
    return measure(place, {})


def describe_change(before: Figures, after: Figures) -> str | None:
    """Say what changed in silence; None where nothing did."""
    if after.recorded != before.recorded:
        return None
    if after.outcome.status != before.outcome.status:
        return f"{after.outcome.status}: {after.outcome.error}\n{after.outcome.log_tail}"
    if after.losses != before.losses:
        return f"losses {after.losses} instead of {before.losses}"
    if abs(after.peak / before.peak - 1) > 0.01:
        return f"a peak of {after.peak:.1f} MiB instead of {before.peak:.1f}"
    return None


@contextmanager
def _exported(settings: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def main(count: str = "100", seed: str = "0") -> int:
    """Try so many settings, drawn at random, and return how many changed something in silence."""
    drawn = random.Random(int(seed)).sample(sorted({**HOSTILE, **HARMLESS}.items()), int(count))
    changed = 0
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        before = measure_alone(Path(folder))
        print(f"alone: {before.outcome.status}, {before.losses}, {before.peak:.1f} MiB")  # noqa: T201
        for name, value in drawn:
            after = measure(Path(folder), {name: value})
            change = describe_change(before, after)
            changed += change is not None
            said = change or ("equal" if after.recorded == before.recorded else f"recorded, {after.outcome.status}")
            print(f"{name}={value}: {said}, {after.peak:.1f} MiB", flush=True)  # noqa: T201
    return changed


if __name__ == "__main__":
    sys.exit(min(main(*sys.argv[1:]), 125))
