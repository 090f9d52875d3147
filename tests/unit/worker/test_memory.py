"""Memory read from folders that stand in for /proc/self, from a made-up psutil, and on Linux from the kernel."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.worker import memory
from bench.worker.memory import Meter, Reading

MIB = 1 << 20
STATUS = """\
Name:\tpython
VmPeak:\t 9000000 kB
VmHWM:\t  524800 kB
VmRSS:\t  307200 kB
RssAnon:\t  204800 kB
RssFile:\t  100000 kB
RssShmem:\t    2400 kB
Threads:\t7
"""


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A process of 300 MiB that was 512.5 MiB once."""
    (tmp_path / "status").write_text(STATUS)
    (tmp_path / "clear_refs").touch()
    return tmp_path


def without(proc: Path, field: str) -> Path:
    lines = [line for line in STATUS.splitlines(keepends=True) if not line.startswith(field)]
    (proc / "status").write_text("".join(lines))
    return proc


# ------------------------------------------------------------------------------ Linux


def test_a_reading_is_the_kernels_figures_in_mib(proc: Path) -> None:
    assert Meter(proc).end_phase() == Reading(peak=512.5, rss=300.0, anon=200.0, file=100.0)


def test_file_is_all_that_is_resident_and_not_anonymous(proc: Path) -> None:
    reading = Meter(proc).end_phase()
    assert reading.file is not None
    assert reading.anon is not None
    assert reading.anon + reading.file == reading.rss


def test_the_peak_is_forgotten_when_a_meter_begins_and_at_each_phases_end(proc: Path) -> None:
    meter = Meter(proc)
    assert (proc / "clear_refs").read_bytes() == b"5"
    (proc / "clear_refs").write_bytes(b"")
    meter.end_phase()
    assert (proc / "clear_refs").read_bytes() == b"5"
    assert (meter.per_phase, meter.method) == (True, "VmHWM, reset at each phase")


def test_the_peak_is_read_before_it_is_forgotten(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter(proc)

    def reset() -> bool:
        (proc / "status").write_text(STATUS.replace("524800", "307200"))
        return True

    monkeypatch.setattr(meter, "_reset", reset)
    assert [meter.end_phase().peak for _ in range(2)] == [512.5, 300.0]


def test_each_reading_is_of_now(proc: Path) -> None:
    meter = Meter(proc)
    meter.end_phase()
    (proc / "status").write_text(STATUS.replace("307200", "409600"))
    assert meter.end_phase().rss == 400.0


def test_a_kernel_that_does_not_report_anonymous_memory_leaves_it_empty(proc: Path) -> None:
    assert Meter(without(proc, "RssAnon")).end_phase() == Reading(peak=512.5, rss=300.0, anon=None, file=None)


def test_a_peak_that_cannot_be_forgotten_is_of_the_whole_process(proc: Path) -> None:
    (proc / "clear_refs").unlink()
    (proc / "clear_refs").mkdir()
    meter = Meter(proc)
    assert (meter.per_phase, meter.method) == (False, "VmHWM of the whole process")
    assert meter.end_phase() == Reading(peak=512.5, rss=300.0, anon=200.0, file=100.0)


@pytest.mark.skipif(sys.platform != "linux", reason="VmHWM and clear_refs are Linux's")
def test_a_phases_peak_is_its_own_to_a_mebibyte() -> None:
    meter = Meter()
    if not meter.per_phase:
        pytest.skip(f"clear_refs cannot be written here: {meter.method}")
    before = meter.end_phase()
    block = bytearray(b"\1") * (64 * MIB)
    del block
    with_block, after = meter.end_phase(), meter.end_phase()
    assert with_block.peak - before.rss == pytest.approx(64, abs=1)
    assert with_block.rss - before.rss == pytest.approx(0, abs=1), "it was given back"
    assert after.peak - before.rss == pytest.approx(0, abs=1)


@pytest.mark.skipif(sys.platform != "linux", reason="VmHWM and clear_refs are Linux's")
def test_what_a_phase_keeps_is_resident_and_anonymous_at_its_end() -> None:
    meter = Meter()
    before = meter.end_phase()
    block = bytearray(b"\1") * (64 * MIB)
    after = meter.end_phase()
    assert after.rss - before.rss == pytest.approx(len(block) / MIB, abs=1)
    if before.anon is not None and after.anon is not None:
        assert after.anon - before.anon == pytest.approx(64, abs=1)


# -------------------------------------------------------------------------- elsewhere


def pretend(
    monkeypatch: pytest.MonkeyPatch, platform: str, *, peak_wset: int | None = None, ru_maxrss: int | None = None
) -> None:
    """Make this another system, with a process of 300 MiB."""
    info = SimpleNamespace(rss=300 * MIB) if peak_wset is None else SimpleNamespace(rss=300 * MIB, peak_wset=peak_wset)
    process = SimpleNamespace(memory_info=lambda: info)
    monkeypatch.setitem(sys.modules, "psutil", SimpleNamespace(Process=lambda: process))
    usage = SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda _who: SimpleNamespace(ru_maxrss=ru_maxrss))
    # None: importing it is an error, as on Windows.
    monkeypatch.setitem(sys.modules, "resource", None if ru_maxrss is None else usage)
    monkeypatch.setattr(memory, "sys", SimpleNamespace(platform=platform))


def test_macos_counts_its_peak_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "darwin", ru_maxrss=512 * MIB)
    meter = Meter(tmp_path / "none")
    assert (meter.per_phase, meter.method) == (False, "ru_maxrss")
    assert meter.end_phase() == Reading(peak=512.0, rss=300.0, anon=None, file=None)


@pytest.mark.parametrize("platform", ["linux", "freebsd14"])
def test_other_systems_count_their_peak_in_kib(proc: Path, monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    pretend(monkeypatch, platform, ru_maxrss=512 * 1024)
    meter = Meter(without(proc, "VmHWM"))
    assert (meter.per_phase, meter.method) == (False, "ru_maxrss")
    assert meter.end_phase() == Reading(peak=512.0, rss=300.0, anon=None, file=None)


def test_windows_has_a_peak_working_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "win32", peak_wset=512 * MIB)
    meter = Meter(tmp_path / "none")
    assert (meter.per_phase, meter.method) == (False, "peak working set")
    assert meter.end_phase() == Reading(peak=512.0, rss=300.0, anon=None, file=None)


def test_a_peak_is_not_reset_where_none_is_reported(proc: Path) -> None:
    Meter(without(proc, "VmHWM"))
    assert (proc / "clear_refs").read_bytes() == b""


# ---------------------------------------------------------------------------- threads


def test_threads_are_counted_where_proc_lists_them(proc: Path) -> None:
    assert memory.count_threads(proc / "status") == 7
    assert memory.count_threads(without(proc, "Threads") / "status") is None
    assert memory.count_threads(proc / "none") is None
