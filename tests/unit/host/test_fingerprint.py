"""The fingerprint, read from folders that stand in for / ."""

import io
import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pandas as pd
import pytest
import scripted
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.system import MIB, V2_MOUNT, cpuinfo, eight_threads, write

import bench
from bench.host import fingerprint
from bench.host.fingerprint import Fingerprint
from bench.host.settings import SETTINGS

XEON = "Intel(R) Xeon(R) CPU @ 2.20GHz"
IBPB, QEMU = "AMD EPYC Processor (with IBPB)", "Intel Xeon Processor (SapphireRapids, long enough to cut)"
"""As QEMU names some."""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight hardware threads on four cores, 16 GiB, no cgroups."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    return eight_threads(tmp_path)


def seen(root: Path, **environ: str) -> Fingerprint:
    return fingerprint.take_fingerprint(root=root, environ=environ)


# --------------------------------------------------------------------- the machine itself


def test_a_machine_without_cgroups_has_its_own_cores_and_memory(root: Path) -> None:
    found = seen(root)
    assert (found.cores_logical, found.cores_physical, found.cpu_limit) == (8, 4, 8)
    assert (found.ram_mib, found.ram_limit_mib) == (15872, None)
    assert found.cpu_model == "Intel(R) Xeon(R) Processor"
    assert (found.os, found.kernel) == ("Debian GNU/Linux 12 (bookworm)", "6.1.0-28-amd64")


def test_affinity_limits_the_cores_that_may_be_used(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 5, 6}, raising=False)
    assert seen(root).cpu_limit == 3
    assert seen(root).cores_logical == 8


def test_the_limits_of_the_cgroup_are_the_machines(root: Path) -> None:
    limits = {"sys/fs/cgroup/cpu.max": "150000 100000", "sys/fs/cgroup/memory.max": str(4096 * MIB)}
    found = seen(write(root, {"proc/self/mountinfo": V2_MOUNT} | limits))
    assert (found.cpu_limit, found.ram_limit_mib) == (1.5, 4096)


def test_memory_is_rounded_so_that_a_kernel_update_does_not_change_it(root: Path) -> None:
    before = seen(root)
    write(root, {"proc/meminfo": "MemTotal:       16254000 kB\n"})
    assert seen(root) == before


def test_a_processor_without_a_model_name_is_asked_of_py_cpuinfo(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root, {"proc/cpuinfo": "processor\t: 0\nCPU part\t: 0xd0c\n\nprocessor\t: 1\n\nHardware\t: BCM2835\n"})
    asked = SimpleNamespace(get_cpu_info=lambda: {"brand_raw": "Neoverse-N1"})
    monkeypatch.setitem(sys.modules, "cpuinfo", asked)
    assert seen(root).cpu_model == "Neoverse-N1"
    asked.get_cpu_info = dict
    assert seen(root).cpu_model == "BCM2835"


def test_a_py_cpuinfo_that_fails_leaves_the_processor_unknown(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("py-cpuinfo currently only works on X86")

    write(root, {"proc/cpuinfo": "processor\t: 0\n"})
    monkeypatch.setitem(sys.modules, "cpuinfo", SimpleNamespace(get_cpu_info=fail))
    assert seen(root).cpu_model is None


def test_a_machine_without_proc_is_asked_through_psutil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    psutil = SimpleNamespace(
        cpu_count=lambda logical=True: 10 if logical else 8,
        virtual_memory=lambda: SimpleNamespace(total=32 * 1024 * MIB),
        Process=SimpleNamespace,
    )
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setitem(sys.modules, "psutil", psutil)
    monkeypatch.setitem(sys.modules, "cpuinfo", SimpleNamespace(get_cpu_info=lambda: {"brand_raw": "Apple M2 Pro"}))
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "mac_ver", lambda: ("14.5", ("", "", ""), "arm64"))
    found = seen(tmp_path)
    assert (found.cores_logical, found.cores_physical, found.cpu_limit, found.ram_mib) == (10, 8, 10, 32768)
    assert (found.cpu_model, found.os, found.ram_limit_mib) == ("Apple M2 Pro", "macOS 14.5", None)
    assert fingerprint.make_label(found) == "apple-m2-pro-10c"


@pytest.mark.parametrize(
    ("line", "environ", "leaves_out"),
    [
        ("flags\t\t: fpu avx2 fma", {}, True),
        ("flags\t\t: fpu avx2 avx_vnni", {}, False),
        ("flags\t\t: fpu avx512f avx512_bf16", {}, False),
        ("flags\t\t: fpu avx2 fma", {"TF_ENABLE_ONEDNN_OPTS": "1"}, False),
        ("flags\t\t: fpu avx2 fma", {"TF_ENABLE_ONEDNN_OPTS": "0"}, False),
        ("Features\t: fp asimd bf16", {}, False),
    ],
)
def test_tensorflow_leaves_onednn_out_where_the_processor_does_not_have_what_it_asks_for(
    line: str, environ: dict[str, str], leaves_out: bool, tmp_path: Path
) -> None:
    write(tmp_path, {"proc/cpuinfo": f"processor\t: 0\n{line}\n"})
    assert fingerprint.leaves_onednn_out(tmp_path, environ) is leaves_out


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("flags\t\t: fpu sse2 avx512_bf16", True),
        ("flags\t\t: fpu amx_bf16 amx_tile", True),
        ("Features\t: fp asimd bf16", True),
        ("flags\t\t: fpu avx512f", False),
        ("model name\t: bf16", False),
    ],
)
def test_bfloat16_is_offered_where_the_processors_flags_have_it(line: str, offers: bool, tmp_path: Path) -> None:
    write(tmp_path, {"proc/cpuinfo": f"processor\t: 0\n{line}\n"})
    assert fingerprint.offers_bfloat16(tmp_path) is offers


# -------------------------------------------------------------------- stable, and anonymous


def test_two_fingerprints_in_a_row_are_equal() -> None:
    first, second = fingerprint.take_fingerprint(), fingerprint.take_fingerprint()
    assert first == second
    assert fingerprint.make_machine_id(first) == fingerprint.make_machine_id(second)
    assert fingerprint.make_environment_id(first) == fingerprint.make_environment_id(second)


def test_the_environment_changes_with_quota_library_and_flags(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        seen(root),
        seen(root, TF_ENABLE_ONEDNN_OPTS="0"),
    ]
    write(root, {"proc/self/mountinfo": V2_MOUNT, "sys/fs/cgroup/cpu.max": "50000 100000"})
    found.append(seen(root))
    monkeypatch.setattr(metadata, "version", lambda name: f"{name} 99")
    found.append(seen(root))
    assert len({fingerprint.make_environment_id(each) for each in found}) == len(found)


MACHINE: dict[str, Any] = {
    "cpu_model": "Another CPU",
    "cpu_arch": "aarch64",
    "cores_physical": 64,
    "cores_logical": 128,
    "cpu_limit": 1.5,
    "ram_mib": 256,
    "ram_limit_mib": 128,
    "gpu": "NVIDIA L4",
    "os": "Another OS 1",
}
"""What makes it another machine."""
SOFTWARE: dict[str, Any] = {
    "gpu_driver": "1.0",
    "kernel": "1.0.0",
    "python": "PyPy 1.0",
    "numpy": "1.0",
    "keras": "1.0",
    "tensorflow": None,
    "jax": "1.0",
    "torch": "1.0",
    "env_flags": "NPROC=1",
    "aebench": "1.0",
}
"""What makes it another environment on the same machine."""


def test_each_field_of_a_fingerprint_is_the_machines_or_its_softwares() -> None:
    assert set(Fingerprint.model_fields) == set(MACHINE) ^ set(SOFTWARE)


@pytest.mark.parametrize(("field", "value"), [*MACHINE.items(), *SOFTWARE.items()])
def test_hardware_limits_and_os_change_both_identities_and_all_else_the_environment_alone(
    field: str, value: object
) -> None:
    before = scripted.fingerprint()
    after = before.model_copy(update={field: value})
    assert fingerprint.make_environment_id(after) != fingerprint.make_environment_id(before)
    assert (fingerprint.make_machine_id(after) != fingerprint.make_machine_id(before)) == (field in MACHINE)


@pytest.mark.parametrize("digest", ["12345678e901", "1e9999999999", "000000000000", "123456789012", "0123e4567890"])
def test_no_data_frame_reads_an_identity_as_a_number(monkeypatch: pytest.MonkeyPatch, digest: str) -> None:
    monkeypatch.setattr(fingerprint, "_digest", lambda _fields: digest)
    make = (fingerprint.make_machine_id, fingerprint.make_environment_id)
    table = pd.read_csv(io.StringIO("id\n" + "\n".join(each(scripted.fingerprint()) for each in make)))
    assert table["id"].tolist() == [f"m{digest}", f"e{digest}"]


@settings(deadline=None)
@given(st.builds(scripted.fingerprint, kernel=st.text(), os=st.text()))
def test_an_identity_is_a_letter_and_twelve_hex_digits(machine: Fingerprint) -> None:
    assert re.fullmatch("m[0-9a-f]{12}", fingerprint.make_machine_id(machine))
    assert re.fullmatch("e[0-9a-f]{12}", fingerprint.make_environment_id(machine))


def test_the_version_of_a_library_that_comes_under_another_name_is_found(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        if name == "tensorflow-cpu":
            return "2.20.0"
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    found = seen(root)
    assert (found.tensorflow, found.torch, found.aebench) == ("2.20.0", None, bench.__version__)


def test_a_machine_without_tensorflow_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name in {"jax", "keras"}:
            return f"1.2.{len(name)}"
        raise metadata.PackageNotFoundError(name)

    with_tensorflow = seen(root)
    monkeypatch.setattr(metadata, "version", version)
    found = seen(root)
    assert (found.keras, found.tensorflow, found.jax, found.torch) == ("1.2.5", None, "1.2.3", None)
    assert found.model_dump(mode="json")["tensorflow"] is None
    assert fingerprint.make_environment_id(found) != fingerprint.make_environment_id(with_tensorflow)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("OMP_NUM_THREADS", "4", "OMP_NUM_THREADS=4"),
        ("TF_XLA_FLAGS", "--tf_xla_auto_jit=2  --x=1", "TF_XLA_FLAGS=--tf_xla_auto_jit=2 --x=1"),
        ("XLA_FLAGS", "--a=1 --xla_dump_to=/data/dump --b", "XLA_FLAGS=--a=1 --xla_dump_to=… --b"),
        ("XLA_FLAGS", "--xla_dump_to=~/dump", "XLA_FLAGS=--xla_dump_to=…"),
        ("XLA_FLAGS", r"--xla_dump_to=C:\dump", "XLA_FLAGS=--xla_dump_to=…"),
        ("XLA_FLAGS", "/data/flags.txt", "XLA_FLAGS=…"),
        (
            "LD_PRELOAD",
            "/opt/lib/libjemalloc.so.2:/usr/lib/libtcmalloc.so",
            "LD_PRELOAD=libjemalloc.so.2 libtcmalloc.so",
        ),
        ("CUDA_VISIBLE_DEVICES", "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", "CUDA_VISIBLE_DEVICES=…"),
        ("CUDA_VISIBLE_DEVICES", "0,1", "CUDA_VISIBLE_DEVICES=0,1"),
        ("CUDA_VISIBLE_DEVICES", "", "CUDA_VISIBLE_DEVICES="),
        ("MALLOC_CONF", "narenas:1,prof_prefix:/var/p", "MALLOC_CONF=narenas:1,…"),
        ("OMP_PLACES", "caf\udce9", "OMP_PLACES=caf?"),
        ("SECRET_TOKEN", "1", None),
    ],
)
def test_only_declared_settings_come_out_and_never_a_path(root: Path, name: str, value: str, shown: str | None) -> None:
    assert seen(root, **{name: value}).env_flags == shown


RECORDED = sorted(
    name.replace("*", "X")
    for each in SETTINGS
    if each.treatment == "recorded"
    for name in each.names
    if "[" not in name
)
NAMES = st.text("qzxjkvwQZXJKVW", min_size=4, max_size=10)
"""Names that stand in no processor's, library's or system's name by chance."""


@settings(deadline=None)
@given(user=NAMES, host=NAMES, home=NAMES, flag=st.sampled_from(RECORDED))
def test_no_user_host_or_path_comes_out(user: str, host: str, home: str, flag: str) -> None:
    environ = {"USER": user, "HOSTNAME": f"{host}.example", "HOME": f"/home/{home}", "PWD": f"/home/{home}/work"}
    environ[flag] = (
        f"--a={user} --b=/home/{home}/x {host.lower()} --c={home}:{user}@{host} lib{user}.so --{host}=1 --d=7"
    )
    with mock.patch.object(platform, "node", return_value=f"{host}.corp.example"):
        found = fingerprint.take_fingerprint(environ=environ)
    shown = found.model_dump_json().lower() + fingerprint.make_label(found)
    assert not [name for name in (user, host, home) if name.lower() in shown]
    assert found.env_flags is not None
    assert not {"/", "~", "\\", "@"} & set(found.env_flags)


def test_a_kernel_that_is_named_after_its_builder_keeps_its_number_alone(root: Path) -> None:
    write(root, {"proc/sys/kernel/osrelease": "6.9.3-qzxuser-rt\n"})
    assert seen(root, USER="qzxuser").kernel == "6.9.3"
    assert seen(root, USER="somebody").kernel == "6.9.3-qzxuser-rt"


@pytest.mark.parametrize(
    ("model", "label"),
    [
        ("Intel(R) Xeon(R) Processor", "xeon-8c"),
        ("Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz", "xeon-platinum-8375c-8c"),
        ("13th Gen Intel(R) Core(TM) i7-13700K", "core-i7-13700k-8c"),
        ("AMD EPYC 9R14 96-Core Processor", "epyc-9r14-8c"),
        ("AMD Ryzen 7 PRO 6850U with Radeon Graphics", "ryzen-7-pro-6850u-8c"),
        ("../..", "x86-64-8c"),
    ],
)
def test_the_label_is_a_short_word_for_folder_names(
    root: Path, monkeypatch: pytest.MonkeyPatch, model: str, label: str
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert fingerprint.make_label(seen(write(root, {"proc/cpuinfo": cpuinfo(8, model)}))) == label


@pytest.mark.parametrize(
    ("name", "expected", "label"),
    [
        ("AMD EPYC", "AMD EPYC (family 25, model 1)", "epyc-family-25-model-1-8c"),
        (XEON, f"{XEON} (family 25, model 1)", "xeon-family-25-model-1-8c"),
        (IBPB, f"{IBPB} (family 25, model 1)", "epyc-family-25-model-1-8c"),
        (QEMU, f"{QEMU} (family 25, model 1)", "xeon-sapphirerapids-long-enough-family-25-model-1-8c"),
        ("AMD EPYC 7763 64-Core Processor", "AMD EPYC 7763 64-Core Processor", "epyc-7763-8c"),
    ],
)
def test_a_name_without_a_number_is_told_from_others_by_family_and_model(
    root: Path, name: str, expected: str, label: str
) -> None:
    def seen_with(model: int) -> Fingerprint:
        facts = f"model name\t: {name}\ncpu family\t: 25\nmodel\t\t: {model}\n\n"
        return seen(write(root, {"proc/cpuinfo": "".join(f"processor\t: {n}\n{facts}" for n in range(8))}))

    milan, genoa = seen_with(1), seen_with(17)
    assert (milan.cpu_model, fingerprint.make_label(milan)) == (expected, label)
    same = fingerprint.make_machine_id(milan) == fingerprint.make_machine_id(genoa)
    assert same is (name == expected)


@pytest.mark.parametrize("facts", ["", "cpu family\t: 25\n", "cpu family\t: ?\nmodel\t: ?\n"])
def test_a_name_without_a_number_stays_where_the_system_says_no_more(root: Path, facts: str) -> None:
    write(root, {"proc/cpuinfo": f"processor\t: 0\nmodel name\t: AMD EPYC\n{facts}"})
    assert seen(root).cpu_model == "AMD EPYC"
