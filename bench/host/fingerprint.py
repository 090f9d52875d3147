"""What a run ran on: the machine's fingerprint and the harness' own revision.

All that is Linux' own is read through `root`, so that a test can pass a /proc and a /sys of its own.
"""

import hashlib
import importlib
import importlib.util
import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from bench import __version__
from bench.errors import InvalidInput
from bench.host import cgroup, git
from bench.host.procfs import (
    ROOT,
    count_logical_cores,
    import_psutil,
    read_cpuinfo,
    read_lines,
    read_meminfo,
    read_text,
)
from bench.host.settings import THREADS, is_recorded
from bench.plan import catalog


class StrictModel(BaseModel):
    """Refuses unknown fields, so that nothing of a wrong line is dropped in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


def describe_column(description: str, unit: str = "", empty: str = "") -> Any:
    """A column's entry in the data dictionary; ``empty`` says when a cell is empty, where it can be."""
    extra: dict[str, Any] = {"unit": unit, "empty": empty}
    return Field(default=None if empty else ..., description=description, json_schema_extra=extra)


class Fingerprint(StrictModel):
    """Stable facts of machine and software; no host name, no user, no path, so that rows can be passed on."""

    cpu_model: str | None = describe_column(
        "the processor's name; with its family and model where the name has no number", empty="unknown"
    )
    cpu_arch: str = describe_column("instruction set, as `uname -m` names it")
    cores_physical: int | None = describe_column("physical cores", empty="unknown")
    cores_logical: int = describe_column("hardware threads of the machine")
    cpu_limit: float = describe_column(
        "cores' worth of time this process may use: the least of affinity, cgroup quota and hardware threads", "cores"
    )
    ram_mib: int = describe_column("memory of the machine, rounded to 256 MiB", "MiB")
    ram_limit_mib: int | None = describe_column(
        "cgroup memory limit", "MiB", empty="no limit below the machine's memory"
    )
    gpu: str | None = describe_column("GPUs, as their driver names them", empty="none found")
    gpu_driver: str | None = describe_column("GPU driver's version", empty="none found")
    os: str = describe_column("operating system and its release")
    kernel: str = describe_column("kernel release")
    python: str = describe_column("Python's implementation and version")
    numpy: str | None = describe_column("NumPy's version", empty="not installed")
    keras: str | None = describe_column("Keras' version", empty="not installed")
    tensorflow: str | None = describe_column("TensorFlow's version", empty="not installed")
    jax: str | None = describe_column("JAX's version", empty="not installed")
    torch: str | None = describe_column("PyTorch's version", empty="not installed")
    env_flags: str | None = describe_column(
        "environment settings that change speed, memory or losses (threads, kernels, allocators), as NAME=VALUE; `…` "
        "stands for a path, or for what names a person or one device",
        empty="none set",
    )
    aebench: str = describe_column("this harness' version")


_PERSONAL = ("USER", "LOGNAME", "USERNAME", "HOSTNAME", "COMPUTERNAME", "HOME", "USERPROFILE")
"""Names in the environment whose values name a person or a host, and must not appear anywhere."""

_LIBRARIES = ("LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES")
"""Names in the environment whose values are paths of libraries, of which the libraries' own names are shown."""

_HIDDEN = "…"

_DISTRIBUTIONS = {
    "numpy": ("numpy",),
    "keras": ("keras", "keras-nightly"),
    **{name: backend.distributions for name, backend in catalog.read_backends().items()},
}
"""Distributions that install a library, in the order they are looked for; a backend is a column of `Fingerprint`."""

_GIT_SECONDS = 5.0


def take_fingerprint(
    *,
    sets_threads: bool = False,
    root: Path = ROOT,
    environ: Mapping[str, str] = os.environ,
    nvml: Any = None,
) -> Fingerprint:
    """Stable facts of this machine and its software: equal from call to call while none of them changes.

    `sets_threads` says that every process gets a number of threads of its own; `nvml` replaces the module `pynvml`,
    which is used where it is installed.
    """
    ram = _read_ram_mib(root)
    gpu, driver = find_gpus(nvml)
    return Fingerprint(
        cpu_model=_read_cpu_model(root),
        cpu_arch=platform.machine(),
        cores_physical=_count_physical_cores(root),
        cores_logical=count_logical_cores(root),
        cpu_limit=cgroup.read_cpu_limit(root),
        ram_mib=round(ram / 256) * 256,
        ram_limit_mib=cgroup.read_ram_limit_mib(root, ram),
        gpu=gpu,
        gpu_driver=driver,
        os=_read_os(root),
        kernel=_read_kernel(root, environ),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        env_flags=_read_env_flags(environ, sets_threads=sets_threads),
        aebench=__version__,
        **{library: _read_version(*names) for library, names in _DISTRIBUTIONS.items()},
    )


def find_backends() -> list[str]:
    """The Keras backends that a worker could import, found without importing any."""
    specs = {name: importlib.util.find_spec(name) for name in catalog.read_backends()}
    # A mere folder of that name on the path is found too, but has no file.
    return [name for name, spec in specs.items() if spec is not None and spec.origin is not None]


def check_backends(backends: Sequence[str]) -> None:
    """Raise `InvalidInput` where one of the backends is not installed here."""
    installed = find_backends()
    missing = [name for name in backends if name not in installed]
    if not missing:
        return
    names = " and ".join(map(repr, missing))
    named = f"backend {names} is" if len(missing) == 1 else f"backends {names} are"
    raise InvalidInput(
        f"{named} not installed here: `python -m pip install {' '.join(missing)}` installs what is missing, and "
        f"so does `nox -s bench -- --backends {','.join(backends)}` in a checkout. "
        f"Installed backends: {', '.join(installed) or 'none'}."
        + (f" Choose with --backends {','.join(installed)}." if installed else "")
    )


_MACHINE = (
    *("cpu_model", "cpu_arch", "cores_physical", "cores_logical", "cpu_limit", "ram_mib", "ram_limit_mib"),
    *("gpu", "os"),
)
"""Fields that are the machine: hardware, its limits, the operating system. Kernel and GPU driver are renewed by every
update, like libraries, and belong to the environment alone."""


def make_machine_id(fingerprint: Fingerprint) -> str:
    """`m` and twelve hex digits over hardware, limits and operating system: the same after an upgrade of Keras."""
    return f"m{_digest(fingerprint.model_dump(mode='json', include=set(_MACHINE)))}"


def make_environment_id(fingerprint: Fingerprint) -> str:
    """`e` and twelve hex digits over all of a fingerprint's fields: equal where and only where every field is."""
    return f"e{_digest(fingerprint.model_dump(mode='json'))}"


def _digest(fields: Mapping[str, Any]) -> str:
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def make_label(machine: Fingerprint) -> str:
    """A short word for folder names, from processor and usable cores: `epyc-9r14-2c`, `ryzen-9-7950x-32c`."""
    return f"{name_processor(machine).lower()}-{machine.cpu_limit:g}c"


def name_processor(machine: Fingerprint) -> str:
    """What its maker calls the processor, in letters, digits and hyphens: `EPYC-9R14`, `Xeon-family-6-model-85`."""
    given, _, family = (machine.cpu_model or "").partition(_FAMILY)
    model = re.sub(r"\((r|tm)\)|@.*|\bwith\b.*|\b\d+-core\b", " ", given, flags=re.IGNORECASE)
    words = [word for word in re.findall(r"[A-Za-z0-9]+", model) if not re.fullmatch(_NO_NAME, word.lower())]
    name = "-".join(words) or re.sub(r"[^A-Za-z0-9]+", "-", machine.cpu_arch).strip("-")
    name = name[:32].strip("-") or "CPU"
    return "-".join([name, *(["family", *re.findall(r"[A-Za-z0-9]+", family)] if family else [])])


_FAMILY = " (family "
"""What follows it distinguishes processors whose name does not."""
_NO_NAME = r"intel|amd|arm|cpu|processor|gen|\d+(st|nd|rd|th)"
"""Words of a processor's name that say nothing, or nothing that the others do not."""


# ------------------------------------------------------------------ processor and memory


def _read_cpu_model(root: Path) -> str | None:
    """The processor's name; py-cpuinfo starts processes and takes a second, so /proc comes first.

    Clouds cut names down to "AMD EPYC", which several generations then share: family and model tell them apart.
    """
    fields = dict(read_cpuinfo(root))
    found = fields.get("model name") or _ask_cpuinfo() or fields.get("Hardware") or fields.get("cpu model")
    if not found:
        return None
    name = " ".join(found.split())
    family, model = fields.get("cpu family", ""), fields.get("model", "")
    says_which = re.search(r"\d", name.partition("@")[0]) or not (family.isdigit() and model.isdigit())
    return name if says_which else f"{name}{_FAMILY}{family}, model {model})"


def _ask_cpuinfo() -> str | None:
    try:
        found = importlib.import_module("cpuinfo").get_cpu_info()
    except Exception:  # noqa: BLE001 - it parses the output of many programs, and a name is not worth a failure
        return None
    name = found.get("brand_raw")
    return str(name) if name else None


def _count_physical_cores(root: Path) -> int | None:
    """Distinct sets of sibling threads in sysfs, since /proc/cpuinfo names no cores on arm."""
    siblings = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/topology/thread_siblings_list")
    cores = {text for path in siblings if (text := read_text(path))}
    if cores or (root / "proc/cpuinfo").exists():
        return len(cores) or None
    count: int | None = import_psutil().cpu_count(logical=False)
    return count


def _read_ram_mib(root: Path) -> float:
    """MemTotal, in MiB; other systems through psutil."""
    kib = read_meminfo(root).get("MemTotal")
    return (kib / 1024) if kib else float(import_psutil().virtual_memory().total / 2**20)


_BFLOAT16 = {"amx_bf16", "avx512_bf16", "bf16"}
"""As Linux names what multiplies matrices of bfloat16, on x86 and on arm."""


def offers_bfloat16(root: Path = ROOT) -> bool:
    """Whether the processor computes with bfloat16, as far as the system says."""
    return any(
        name.lower() in ("flags", "features") and _BFLOAT16 & set(value.split()) for name, value in read_cpuinfo(root)
    )


_ONEDNN, ONEDNN_SETTING = {"avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile"}, "TF_ENABLE_ONEDNN_OPTS"
"""Where an x86 processor has one of these, TensorFlow on Linux uses oneDNN without being asked by that setting
(`DefaultOneDnnPolicy` in its tensorflow/core/util/port.cc)."""


def leaves_onednn_out(root: Path = ROOT, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether TensorFlow trains without oneDNN on this x86 processor, and nobody has decided so."""
    flags = dict(read_cpuinfo(root)).get("flags")
    return ONEDNN_SETTING not in environ and flags is not None and not _ONEDNN & set(flags.split())


# ----------------------------------------------------------------------------- software


def find_gpus(nvml: Any = None) -> tuple[str | None, str | None]:
    """The GPUs' names and their driver's version, from NVML; two Nones without a GPU, a driver or `nvidia-ml-py`."""
    try:
        nvml = nvml or importlib.import_module("pynvml")
        nvml.nvmlInit()
    except Exception:  # noqa: BLE001 - the optional module, its library or the driver is not there
        return None, None
    try:
        names, driver = _name_gpus(nvml), _to_text(nvml.nvmlSystemGetDriverVersion())
    except nvml.NVMLError:
        return None, None
    finally:
        nvml.nvmlShutdown()
    return (names, driver) if names else (None, None)


def _name_gpus(nvml: Any) -> str | None:
    handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
    names = [_to_text(nvml.nvmlDeviceGetName(handle)) for handle in handles]
    counted = [f"{names.count(name)} x {name}" if names.count(name) > 1 else name for name in sorted(set(names))]
    return ", ".join(counted) or None


def _to_text(answer: str | bytes) -> str:
    """NVML's older bindings answer in bytes."""
    return answer.decode(errors="replace") if isinstance(answer, bytes) else answer


def _read_version(*distributions: str) -> str | None:
    """The installed version, from its metadata: importing TensorFlow for it would take seconds and 500 MB."""
    for name in distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def _read_os(root: Path) -> str:
    for file in ("etc/os-release", "usr/lib/os-release"):
        for line in read_lines(root / file):
            if line.startswith("PRETTY_NAME="):
                return line.partition("=")[2].strip("\"'")
    if platform.system() == "Darwin":
        return f"macOS {platform.mac_ver()[0]}"
    return f"{platform.system()} {platform.release()}".strip()


def _read_kernel(root: Path, environ: Mapping[str, str]) -> str:
    """The kernel's release; only its number where the rest names a person or a host."""
    release = (read_text(root / "proc/sys/kernel/osrelease") or platform.release()).strip()
    number = re.match(r"[\d.]*\d", release)
    return number[0] if number and _is_personal(release, environ) else release


def _read_env_flags(environ: Mapping[str, str], *, sets_threads: bool) -> str | None:
    # An empty value is one too: with CUDA_VISIBLE_DEVICES= no GPU is seen. Threads asked for have a column.
    own = (THREADS,) if sets_threads else ()
    recorded = (name for name in sorted(environ) if is_recorded(name) and name not in own)
    flags = (f"{name}={_clean_flag(name, environ)}" for name in recorded)
    # What is not UTF-8 could not be written to a journal.
    return "; ".join(flags).encode(errors="replace").decode() or None


def _clean_flag(name: str, environ: Mapping[str, str]) -> str:
    """A flag's value without anything that names a person, a place or a single device."""
    value = environ[name]
    if name in _LIBRARIES:
        libraries = (re.split(r"[/\\]", library)[-1] for library in re.split(r"[:\s]+", value))
        return " ".join(_HIDDEN if _is_personal(library, environ) else library for library in libraries)
    words = (",".join(_clean_part(part, environ) for part in word.split(",")) for word in value.split())
    return " ".join(words)


def _clean_part(part: str, environ: Mapping[str, str]) -> str:
    """A part of a value; hidden where it names a path, a person or a device, of `--flag=value` just the value."""
    if not re.search(r"[/\\~]|[0-9a-f]{8}-", part, re.IGNORECASE) and not _is_personal(part, environ):
        return part
    flag, equals, _ = part.partition("=")
    safe = equals and not re.search(r"[/\\~]", flag) and not _is_personal(flag, environ)
    return f"{flag}={_HIDDEN}" if safe else _HIDDEN


def _is_personal(text: str, environ: Mapping[str, str]) -> bool:
    """Whether a user's or the host's name stands in the text; names of one or two letters stand everywhere."""
    whole = [platform.node(), *(re.split(r"[/\\]", environ.get(name, ""))[-1] for name in _PERSONAL)]
    names = {*whole, *(name.partition(".")[0] for name in whole)}
    return any(len(name) > 2 and name.lower() in text.lower() for name in names)


class GitState(NamedTuple):
    """What git says of the harness' checkout; nothing at all where there is none."""

    commit: str | None = None
    dirty: bool | None = None
    """Whether `bench` or `models` have uncommitted changes."""
    problem: str | None = None
    """Why git did not say it although this is a checkout."""


def read_git_state(folder: Path) -> GitState:
    """Commit of the harness' checkout in `folder`, and whether `bench` or `models` have uncommitted changes there.

    Nothing where `folder` is no checkout of the harness. Never fails and never waits longer than a few seconds.
    """
    commit = None
    try:
        if not git.is_checkout(folder, seconds=_GIT_SECONDS):
            return GitState()
        commit = _ask_git(folder, "rev-parse", "--verify", "HEAD")
        return GitState(commit, bool(_ask_git(folder, "status", "--porcelain", "--", "bench", "models")))
    except git.GitFailed as error:
        return GitState(commit, problem=str(error))


def _ask_git(folder: Path, *arguments: str) -> str:
    return git.ask(folder, *arguments, seconds=_GIT_SECONDS)
