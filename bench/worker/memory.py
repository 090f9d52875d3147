"""Resident memory of this process, phase by phase.

On Linux the kernel keeps the peak ("high water mark", ``VmHWM`` in proc_pid_status(5)) and forgets it when 5 is
written to ``clear_refs`` (proc_pid_clear_refs(5)), so each phase has an exact peak of its own at the cost of one read
and one write. Elsewhere the system keeps one peak for the process' whole life, and no phase has its own.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

_MIB = 1 << 20
_KIB_PER_MIB = 1 << 10


@dataclass(frozen=True)
class Reading:
    """Memory at a phase's end, MiB; None for what the system does not report."""

    peak: float
    """Peak resident memory: of the phase where `Meter.per_phase`, else of the process so far."""
    rss: float
    anon: float | None
    file: float | None
    """Mapped files and shared memory."""


class Meter:
    """Reads memory and starts the next phase."""

    def __init__(self, proc: Path = Path("/proc/self")) -> None:
        self._status = proc / "status"
        self._clear_refs = proc / "clear_refs"
        self._has_peak = self._has_system_peak()
        self.per_phase = self._has_peak and self._reset()
        self.method = self._name_method()

    def end_phase(self) -> Reading:
        """Memory of the phase that ends here; the next one begins."""
        reading = self._read() if self._has_peak else _read_portably()
        if self.per_phase:
            self._reset()
        return reading

    def _has_system_peak(self) -> bool:
        try:
            return b"VmHWM:" in self._status.read_bytes()
        except OSError:
            return False

    def _reset(self) -> bool:
        try:
            with self._clear_refs.open("wb", buffering=0) as file:
                file.write(b"5")
        except OSError:
            return False
        return True

    def _name_method(self) -> str:
        if self.per_phase:
            return "VmHWM, reset at each phase"
        if self._has_peak:
            return "VmHWM of the whole process"
        return "peak working set" if sys.platform == "win32" else "ru_maxrss"

    def _read(self) -> Reading:
        found = dict(_FIELDS.findall(self._status.read_bytes()))
        mib = {name: int(value) / _KIB_PER_MIB for name, value in found.items()}
        anon, rss = mib.get(b"RssAnon"), mib[b"VmRSS"]
        return Reading(peak=mib[b"VmHWM"], rss=rss, anon=anon, file=None if anon is None else rss - anon)


_FIELDS = re.compile(rb"^(VmHWM|VmRSS|RssAnon):\s*(\d+) kB", re.MULTILINE)


def _read_portably() -> Reading:
    """What psutil and the C library report on macOS, Windows and Linux without a usable ``/proc``."""
    import psutil  # noqa: PLC0415 - Linux needs it not, and the measured process carries only what it needs

    info = psutil.Process().memory_info()
    return Reading(peak=_read_lifetime_peak(info) / _MIB, rss=info.rss / _MIB, anon=None, file=None)


def _read_lifetime_peak(info: object) -> float:
    """Largest resident memory of the whole process, bytes."""
    if hasattr(info, "peak_wset"):
        return float(info.peak_wset)
    import resource  # noqa: PLC0415 - POSIX only

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak) if sys.platform == "darwin" else float(peak) * 1024  # bytes there, KiB elsewhere


def count_threads(status: Path = Path("/proc/self/status")) -> int | None:
    """Threads of this process now; None where there is no ``/proc``."""
    try:
        lines = status.read_bytes().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(b"Threads:")), None)
