"""Folders that stand in for / of a Linux machine, and what a quiet epoch looks like."""

from pathlib import Path

from bench.host.noise import Interval

MIB = 2**20
V2_MOUNT = "30 23 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
V1_NO_LIMIT = "9223372036854771712"


def v1_mount(controllers: str, top: str = "/") -> str:
    return f"31 23 0:28 {top} /sys/fs/cgroup/{controllers} ro,nosuid master:9 - cgroup cgroup rw,{controllers}"


def cpuinfo(cores: int, model: str = "Intel(R) Xeon(R) Processor") -> str:
    return "".join(f"processor\t: {n}\nmodel name\t: {model}\ncpu MHz\t\t: 2600.000\n\n" for n in range(cores))


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def eight_threads(root: Path) -> Path:
    """Eight hardware threads on four cores, 16 GiB, no cgroups."""
    topology = {
        f"sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list": f"{n % 4},{n % 4 + 4}\n" for n in range(8)
    }
    files = {
        "proc/cpuinfo": cpuinfo(8),
        "proc/meminfo": "MemTotal:       16254976 kB\nMemFree:         1000 kB\nHugePages_Total:       0\n",
        "proc/sys/kernel/osrelease": "6.1.0-28-amd64\n",
        "etc/os-release": 'NAME="Debian GNU/Linux"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nHOSTNAME=qzxhost\n',
    }
    return write(root, files | topology)


QUIET = Interval(
    seconds=0.34,
    cores=2,
    steal_percent=0,
    own_cores=1.42,
    other_cores=0.05,
    cpu_pressure_percent=34.5,
    memory_pressure_percent=0,
    io_pressure_percent=0,
    involuntary_per_s=8387,
    voluntary_per_s=16800,
    major_faults=0,
    minor_faults=300,
    mhz=2600,
    load=0.7,
)
"""A quiet epoch of the basic model on two cores, as measured: its own threads wait for each other."""
