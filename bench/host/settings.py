"""What the environment can change of a measured process: each setting, what becomes of it, and why.

A measured process has its parent's environment, so whatever a shell, a notebook, a container or a scheduler exports
reaches it. No figure may change by that in silence. A setting that people measure with is recorded: it is a part of the
fingerprint, so rows with another value of it are not compared as if they were equal. One that nobody measures with is
removed, or set. What is not listed changes no figure, as far as is known.
"""

import functools
import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

THREADS = "OMP_NUM_THREADS"
"""Is set where a number of threads is asked for."""


@dataclass(frozen=True)
class Setting:
    """Names in the environment that are treated alike."""

    names: tuple[str, ...]
    """Each may have `*` for anything."""
    treatment: Literal["recorded", "removed", "set", "ignored"]
    reason: str
    value: str = ""
    """What it is set to."""


SETTINGS = (
    # ------------------------------------------------------------------------------------------------ Keras
    Setting(
        ("KERAS_HOME",),
        "set",
        "holds keras.json, which changes precision, epsilon and image format of all that a case does not set; there is "
        "no such file below the null device, and nothing is written there",
        os.devnull,
    ),
    Setting(("KERAS_TORCH_DEVICE",), "recorded", "chooses the device"),
    Setting(("KERAS_*",), "removed", "the backend is the case's; others cut training short or make other variables"),
    # ------------------------------------------------------------------------------------------- memory's allocators
    Setting(
        ("LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "LD_AUDIT"),
        "recorded",
        "brings another allocator: memory differs by a tenth and more, speed too",
    ),
    Setting(
        ("MALLOC_*", "GLIBC_TUNABLES", "*MALLOC_CONF", "TCMALLOC_*", "MIMALLOC_*", "Malloc*"),
        "recorded",
        "how allocators keep and give back memory: 4 to 20 % of it",
    ),
    Setting(("LD_BIND_NOW", "LD_HWCAP_MASK"), "recorded", "how libraries are loaded: import time and memory"),
    Setting(
        ("LD_DEBUG*", "LD_PROFILE*", "LD_TRACE_*", "LD_VERBOSE"),
        "removed",
        "the loader prints or counts each symbol",
    ),
    # ---------------------------------------------------------------------------------------- threads and arithmetic
    Setting(
        ("OMP_*", "KMP_*", "GOMP_*", "NPROC", "NUMEXPR_*"), "recorded", "how many threads, where, and how they wait"
    ),
    Setting(
        ("MKL_*", "OPENBLAS_*", "GOTO_NUM_THREADS", "BLIS_*", "VECLIB_*", "ONEDNN_*", "DNNL_*", "NPY_*", "NUMPY_*"),
        "recorded",
        "which kernels compute, in which instruction set and precision: speed and the last bits of losses",
    ),
    Setting(("CUDA_HOME", "CUDA_PATH*", "CUDA_ROOT", "CUDA_*VERSION"), "ignored", "say where CUDA lies"),
    Setting(
        ("CUDA_*", "CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"),
        "recorded",
        "which GPU computes, and in which precision",
    ),
    # ---------------------------------------------------------------------------------------------------- backends
    Setting(("TF_CPP_MIN_LOG_LEVEL", "JAX_LOGGING_LEVEL"), "ignored", "which messages are printed"),
    Setting(("TF_CPP_*",), "removed", "messages for debugging, in such numbers that they cost time"),
    Setting(
        (
            *("TF_AUTO*", "TF_CONV2D_*", "TF_CPU_*", "TF_CUBLAS_*", "TF_CUDA_*", "TF_CUDNN_*", "TF_CUFFT_*"),
            *("TF_DATA_EXPERIMENT_*", "TF_DETERMINISTIC_*", "TF_DEVICE_*", "TF_DISABLE_*", "TF_DUMP_*", "TF_EAGER_*"),
            *("TF_ENABLE_*", "TF_FORCE_*", "TF_FP16_*", "TF_FUNCTION_*", "TF_GPU_*", "TF_GRAPH_*", "TF_JIT*"),
            *("TF_MATMUL_*", "TF_MIN_GPU_*", "TF_MKL_*", "TF_MLIR_*", "TF_NUM_*", "TF_ONEDNN_*", "TF_OVERRIDE_*"),
            *("TF_PER_DEVICE_*", "TF_SET_ONEDNN_*", "TF_SYNC_*", "TF_USE_*", "TF_XLA_*", "TF2_BEHAVIOR"),
            *("XLA_*", "PJRT_*"),
        ),
        "recorded",
        "kernels, compiler, threads, memory and determinism of TensorFlow and XLA; not TF_*, since Terraform keeps "
        "passwords there under many names",
    ),
    Setting(("JAX_*",), "recorded", "precision, platform, compiler and the cache of compiled code of JAX"),
    Setting(("TORCH_HOME",), "ignored", "says where downloads lie"),
    Setting(
        (
            *("TORCH_*", "TORCHDYNAMO_*", "TORCHINDUCTOR_*", "PYTORCH_*", "ATEN_*"),
            *("LRU_CACHE_CAPACITY", "THP_MEM_ALLOC_ENABLE"),
        ),
        "recorded",
        "kernels and memory of PyTorch",
    ),
    # ------------------------------------------------------------------------------------------------ the interpreter
    Setting(
        ("PYTHONDEVMODE", "PYTHONMALLOC*", "PYTHONTRACEMALLOC", "PYTHONDEBUG", "PYTHONDUMPREFS*", "PYTHONASYNCIODEBUG"),
        "removed",
        "help to find errors: memory grows by 4 to 20 %, and everything is slower",
    ),
    Setting(
        ("PYTHONOPTIMIZE", "PYTHONNODEBUGRANGES", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
        "removed",
        "other compiled modules, or none that are kept: that doubles the seconds of TensorFlow's import",
    ),
    Setting(
        ("PYTHONINSPECT", "PYTHONVERBOSE", "PYTHONPROFILEIMPORTTIME"),
        "removed",
        "a process that stays when it is done, or prints a line for each import",
    ),
    Setting(("PYTHONWARNINGS",), "removed", "can make a library's warning an error, and so a case fail"),
    Setting(
        ("PYTHONPERFSUPPORT", "PYTHON_PERF_JIT_SUPPORT", "COVERAGE_PROCESS_*", "COV_CORE_*"),
        "removed",
        "watch each call or line for a profile or for coverage",
    ),
    Setting(("PYTHON_JIT", "PYTHON_GIL", "PYTHON_CPU_COUNT"), "recorded", "the interpreter's own way to be faster"),
    # ------------------------------------------------------------------------------------------------ displays
    Setting(
        ("MPLBACKEND",),
        "set",
        "Keras imports matplotlib, which refuses a notebook's backend where that is not installed, and loads the "
        "notebook's libraries where it is",
        "agg",
    ),
    Setting(("MATPLOTLIBRC", "DISPLAY", "WAYLAND_DISPLAY"), "removed", "a measured process shows nothing"),
)
"""The first one that fits decides."""


@functools.cache
def find_setting(name: str) -> Setting | None:
    """Return what is done with a name in the environment; None where it changes nothing."""
    return next((each for each in SETTINGS if any(fnmatchcase(name, pattern) for pattern in each.names)), None)


def is_recorded(name: str) -> bool:
    """Return whether a name in the environment belongs to the fingerprint."""
    setting = find_setting(name)
    return setting is not None and setting.treatment == "recorded"


def is_removed(name: str) -> bool:
    """Return whether a measured process does not get a name of its parent's environment."""
    setting = find_setting(name)
    return setting is not None and setting.treatment == "removed"


FIXED = {name: each.value for each in SETTINGS if each.treatment == "set" for name in each.names}
"""What a measured process has in its environment whatever its parent has."""
