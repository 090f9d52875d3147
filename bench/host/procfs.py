"""Small readers of /proc and /sys, and psutil on systems that have neither.

All is read through `root`, so that a test can pass a /proc and a /sys of its own. Source: proc(5).
"""

import importlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path("/")


def read_text(path: Path) -> str | None:
    """A file's text without the space around it; None where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def read_lines(path: Path) -> list[str]:
    """A file's lines; none where it cannot be read."""
    return (read_text(path) or "").splitlines()


def peek(folder: Path, name: str, size: int = 1 << 18) -> str | None:
    """A small file's text, or None, by three system calls: `Path.read_text` takes five times as long on /proc."""
    try:
        handle = os.open(f"{folder}/{name}", os.O_RDONLY)
        try:
            return os.read(handle, size).decode(errors="replace")
        finally:
            os.close(handle)
    except OSError:
        return None


def read_cpuinfo(root: Path) -> Iterator[tuple[str, str]]:
    """Names and values of /proc/cpuinfo, one processor after the other."""
    for line in read_lines(root / "proc/cpuinfo"):
        name, colon, value = line.partition(":")
        if colon:
            yield name.strip(), value.strip()


def count_logical_cores(root: Path) -> int:
    """Hardware threads of the machine."""
    listed = sum(name == "processor" and value.isdigit() for name, value in read_cpuinfo(root))
    return listed or int(import_psutil().cpu_count() or 1)


def read_meminfo(root: Path = ROOT) -> dict[str, int]:
    """The figures of /proc/meminfo, in KiB; empty where there is none."""
    found = (re.match(r"(\w+):\s+(\d+) kB", line) for line in read_lines(root / "proc/meminfo"))
    return {match[1]: int(match[2]) for match in found if match}


def read_load(root: Path) -> float | None:
    """Load average over one minute."""
    figures = (peek(root, "proc/loadavg") or "").split()
    if figures:
        return float(figures[0])
    return os.getloadavg()[0] if hasattr(os, "getloadavg") and not (root / "proc").exists() else None


def read_mhz(root: Path, cpu: int) -> float | None:
    """A CPU's clock now, from cpufreq; else the first CPU's, from the head of /proc/cpuinfo.

    Reading all of that file interrupts every CPU on older kernels.
    """
    khz = peek(root, f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq")
    if khz and khz.strip().isdigit():
        return int(khz) / 1000
    _, found, rest = (peek(root, "proc/cpuinfo", 1024) or "").partition("cpu MHz")
    return float(rest.partition("\n")[0].strip(" \t:")) if found and "\n" in rest else None


def import_psutil() -> Any:
    """Imported only where it is needed: on Linux /proc suffices, and a measured process is to stay small."""
    return importlib.import_module("psutil")
