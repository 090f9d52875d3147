"""What this process may use: affinity, quotas, memory limits and kills, from folders that stand in for / ."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from unit.system import MIB, V1_NO_LIMIT, V2_MOUNT, cpuinfo, v1_mount, write

from bench.host import cgroup

RAM_MIB = 15872


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight hardware threads, no cgroups."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    return write(tmp_path, {"proc/cpuinfo": cpuinfo(8)})


def limits_of(root: Path) -> tuple[float, int | None]:
    return cgroup.read_cpu_limit(root), cgroup.read_ram_limit_mib(root, RAM_MIB)


def test_windows_reports_its_affinity_through_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    process = SimpleNamespace(cpu_affinity=lambda: [0, 1, 2])
    monkeypatch.setitem(sys.modules, "psutil", SimpleNamespace(Process=lambda: process))
    assert cgroup.read_affinity() == {0, 1, 2}


def test_half_a_core_of_quota_is_half_a_core(root: Path) -> None:
    write(
        root, {"proc/self/mountinfo": V2_MOUNT, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000"}
    )
    assert cgroup.read_cpu_limit(root) == 0.5


def test_max_is_no_limit(root: Path) -> None:
    limits = {"sys/fs/cgroup/job/cpu.max": "max 100000\n", "sys/fs/cgroup/job/memory.max": "max\n"}
    write(root, {"proc/self/mountinfo": V2_MOUNT, "proc/self/cgroup": "0::/job\n"} | limits)
    assert limits_of(root) == (8, None)


def test_the_tightest_of_nested_groups_holds(root: Path) -> None:
    group = "sys/fs/cgroup/user.slice"
    limits = {
        f"{group}/cpu.max": "150000 100000",
        f"{group}/memory.max": str(4096 * MIB),
        f"{group}/job/cpu.max": "max 100000",
        f"{group}/job/memory.max": str(8192 * MIB),
    }
    write(root, {"proc/self/mountinfo": V2_MOUNT, "proc/self/cgroup": "0::/user.slice/job\n"} | limits)
    assert limits_of(root) == (1.5, 4096)


def test_version_one_has_a_hierarchy_for_each_controller(root: Path) -> None:
    files = {
        "proc/self/mountinfo": f"{v1_mount('cpu,cpuacct')}\n{v1_mount('memory')}\n",
        "proc/self/cgroup": "5:memory:/job\n4:cpu,cpuacct:/other\n1:name=systemd:/x\n0::/\n",
        "sys/fs/cgroup/cpu,cpuacct/other/cpu.cfs_quota_us": "250000\n",
        "sys/fs/cgroup/cpu,cpuacct/other/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/memory/job/memory.limit_in_bytes": str(2048 * MIB),
        "sys/fs/cgroup/memory/memory.limit_in_bytes": V1_NO_LIMIT,
    }
    write(root, files)
    assert limits_of(root) == (2.5, 2048)


def test_the_huge_number_of_version_one_is_no_limit(root: Path) -> None:
    files = {"proc/self/mountinfo": v1_mount("memory"), "sys/fs/cgroup/memory/memory.limit_in_bytes": V1_NO_LIMIT}
    assert cgroup.read_ram_limit_mib(write(root, files), RAM_MIB) is None


def test_within_a_container_the_mount_is_the_containers_own_group(root: Path) -> None:
    files = {
        "proc/self/mountinfo": v1_mount("memory", top="/docker/3f2a"),
        "proc/self/cgroup": "5:memory:/docker/3f2a\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": str(512 * MIB),
    }
    assert cgroup.read_ram_limit_mib(write(root, files), RAM_MIB) == 512


@pytest.mark.parametrize("path", ["/kubepods/burstable/pod1/abc", "/../../elsewhere"])
def test_a_group_that_does_not_exist_below_the_mount_means_the_mounts_root(root: Path, path: str) -> None:
    files = {
        "proc/self/mountinfo": V2_MOUNT,
        "proc/self/cgroup": f"0::{path}\n",
        "sys/fs/cgroup/cpu.max": "200000 100000",
    }
    assert cgroup.read_cpu_limit(write(root, files)) == 2


def test_without_mountinfo_the_usual_places_are_looked_at(root: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
        "sys/fs/cgroup/cpu.max": "300000 100000",
        "sys/fs/cgroup/memory.max": str(1024 * MIB),
    }
    write(root, files)
    assert limits_of(root) == (3, 1024)


def test_a_mount_point_with_a_space_is_found(root: Path) -> None:
    mount = "30 23 0:27 / /my\\040groups rw - cgroup2 cgroup2 rw"
    assert cgroup.read_cpu_limit(write(root, {"proc/self/mountinfo": mount, "my groups/cpu.max": "100000 100000"})) == 1


def test_kills_for_memory_are_counted_in_the_process_own_group(root: Path) -> None:
    write(root, {"proc/self/mountinfo": V2_MOUNT, "proc/self/cgroup": "0::/job\n", "proc/vmstat": "oom_kill 9\n"})
    write(root, {"sys/fs/cgroup/job/memory.events": "low 0\noom 4\noom_kill 3\noom_group_kill 1\n"})
    assert cgroup.count_oom_kills(root) == 3


def test_version_one_counts_kills_for_memory_as_well(root: Path) -> None:
    control = {"sys/fs/cgroup/memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"}
    assert cgroup.count_oom_kills(write(root, {"proc/self/mountinfo": v1_mount("memory")} | control)) == 2


def test_without_a_group_the_machines_kills_are_counted(root: Path) -> None:
    assert cgroup.count_oom_kills(root) is None
    assert cgroup.count_oom_kills(write(root, {"proc/vmstat": "nr_free_pages 1\noom_kill 5\n"})) == 5
