"""What this process may use of the machine: CPUs, and the limits of its cgroup and those above it.

All that is Linux' own is read through `root`, so that a test can pass a /proc and a /sys of its own. Sources:
cgroups(7), the kernel's Documentation/admin-guide/cgroup-v1/ and cgroup-v2.rst.
"""

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from bench.host.procfs import ROOT, count_logical_cores, import_psutil, read_lines, read_text


def read_cpu_limit(root: Path = ROOT) -> float:
    """Cores' worth of time this process may use: the least of hardware threads, affinity and cgroup quotas."""
    return min(count_logical_cores(root), len(read_affinity()) or math.inf, *_read_cpu_quotas(root))


def read_affinity() -> frozenset[int]:
    """CPUs that this process may run on; empty where the system does not say (macOS)."""
    ask: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    if ask:
        return frozenset(ask(0))
    windows = getattr(import_psutil().Process(), "cpu_affinity", None)
    return frozenset(windows()) if windows else frozenset()


def find_groups(root: Path, controller: str = "") -> tuple[Path, ...]:
    """This process' cgroup and its ancestors, nearest first, as folders; v1 for a named controller, v2 without one.

    Within a container the path of /proc/self/cgroup may be its host's and not exist below the mount: the mount's own
    root is then the container's group.
    """
    mount = _find_mount(root, controller)
    if mount is None:
        return ()
    top, point = mount
    own = point / _make_relative(_read_own_group(root, controller), top)
    own = own if own.is_dir() else point
    return tuple(folder for folder in (own, *own.parents) if folder.is_relative_to(point))


def _read_own_group(root: Path, controller: str) -> str:
    for line in read_lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path
    return "/"


def _make_relative(path: str, top: str) -> PurePosixPath:
    """A cgroup's path relative to the one that is mounted; outside of it, the path from the hierarchy's root."""
    group = PurePosixPath(path)
    if ".." in group.parts:
        return PurePosixPath()
    return group.relative_to(top if group.is_relative_to(top) else "/")


def _find_mount(root: Path, controller: str) -> tuple[str, Path] | None:
    """Which cgroup is mounted, and where; None where the controller has no hierarchy of its own."""
    for line in read_lines(root / "proc/self/mountinfo"):
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if _is_of(kind, options, controller):
            top, point = left.split()[3:5]
            return top, root / point.replace("\\040", " ").lstrip("/")
    return _find_usual_mount(root, controller)


def _is_of(kind: str, options: str, controller: str) -> bool:
    return kind == "cgroup" and controller in options.split(",") if controller else kind == "cgroup2"


def _find_usual_mount(root: Path, controller: str) -> tuple[str, Path] | None:
    point = root / "sys/fs/cgroup" / controller
    there = point.is_dir() if controller else (point / "cgroup.controllers").exists()
    return ("/", point) if there else None


def _read_cpu_quotas(root: Path) -> Iterator[float]:
    """Cores of every quota on the way from this process' group to the top."""
    for folder in find_groups(root):
        yield from _parse_quota((read_text(folder / "cpu.max") or "").split())
    for folder in find_groups(root, "cpu"):
        yield from _parse_quota([read_text(folder / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period")])


def _parse_quota(words: list[str]) -> Iterator[float]:
    """Cores from quota and period in µs; `max` (v2) and -1 (v1) are no quota."""
    if len(words) == 2 and all(word.strip().isdigit() for word in words) and int(words[1]) > 0:
        yield int(words[0]) / int(words[1])


def read_ram_limit_mib(root: Path, ram_mib: float) -> int | None:
    """The tightest memory limit, in whole MiB; v1's 'no limit' is a number far above any machine's memory."""
    files = [folder / "memory.max" for folder in find_groups(root)]
    files += [folder / "memory.limit_in_bytes" for folder in find_groups(root, "memory")]
    limits = [int(text) / 2**20 for file in files if (text := read_text(file) or "").isdigit()]
    return next((int(limit) for limit in sorted(limits) if limit < ram_mib), None)


def count_oom_kills(root: Path = ROOT) -> int | None:
    """How many processes the kernel has killed for memory in this process' cgroup; None where it does not say.

    Two readings around a child show whether it was one of them. From memory.events (v2), memory.oom_control (v1), and
    where the group keeps no count (the top one of v2) from /proc/vmstat, which counts the whole machine.
    """
    own = [folder / "memory.events" for folder in find_groups(root)[:1]]
    own += [folder / "memory.oom_control" for folder in find_groups(root, "memory")[:1]]
    for file in (*own, root / "proc/vmstat"):
        for line in read_lines(file):
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return None
