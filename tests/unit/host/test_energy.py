"""Energy counters on a powercap tree and a driver that are made up."""

import sys
import time
from pathlib import Path
from typing import Any

import pytest
from unit.system import write
from unit.worker.fake_backends import Nvml

from bench.host import energy

RANGE_UJ = 65_532_610_987


@pytest.fixture(autouse=True)
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "_IDLE_S", 0.001)
    monkeypatch.setitem(sys.modules, "pynvml", None)


def zones(root: Path, **joules: float) -> Path:
    """A powercap tree; ``z0_1`` is the zone intel-rapl:0:1, its name is that of `NAMES`."""
    files = {}
    for zone, value in joules.items():
        folder = f"sys/class/powercap/intel-rapl:{zone[1:].replace('_', ':')}"
        files[f"{folder}/name"] = f"{NAMES[zone]}\n"
        files[f"{folder}/energy_uj"] = f"{value * 1e6:.0f}\n"
        files[f"{folder}/max_energy_range_uj"] = f"{RANGE_UJ}\n"
    return write(root, files)


NAMES = {
    "z0": "package-0",
    "z1": "package-1",
    "z0_0": "core",
    "z0_1": "uncore",
    "z0_2": "dram",
    "z1_0": "dram",
    "z2": "psys",
    "z3": "dram",
}


def meter(root: Path) -> energy.EnergyMeter:
    return energy.EnergyMeter(energy.find_rapl_counters(root))


def spent(root: Path, seconds: float = 1.0, **joules: float) -> float | None:
    """The joules of an interval at whose end the counters are at these."""
    measured = meter(root)
    measured.begin()
    zones(root, **joules)
    return measured.end(seconds)


def test_packages_are_added_up(tmp_path: Path) -> None:
    zones(tmp_path, z0=100.0, z1=2000.0)
    assert meter(tmp_path).names == ("RAPL package-0", "RAPL package-1")
    assert spent(tmp_path, z0=107.5, z1=2003.25) == 10.75


def test_parts_of_a_package_and_what_contains_it_are_not_added_again(tmp_path: Path) -> None:
    zones(tmp_path, z0=1.0, z0_0=1.0, z0_1=1.0, z2=1.0)
    assert meter(tmp_path).names == ("RAPL package-0",)
    assert spent(tmp_path, z0=3.0, z0_0=2.0, z0_1=2.0, z2=9.0) == 2.0


def test_memory_is_added_by_its_packages_name(tmp_path: Path) -> None:
    zones(tmp_path, z0=1.0, z0_2=1.0, z1=1.0, z1_0=1.0, z3=1.0)
    assert meter(tmp_path).names == (
        "RAPL package-0",
        "RAPL package-0 dram",
        "RAPL package-1",
        "RAPL package-1 dram",
        "RAPL dram",
    )
    assert spent(tmp_path, z0=2.0, z0_2=3.0, z1=1.0, z1_0=1.5, z3=1.25) == 3.75


def test_zones_that_are_shown_twice_are_read_once(tmp_path: Path) -> None:
    zones(tmp_path, z0=1.0)
    write(
        tmp_path,
        {
            "sys/class/powercap/intel-rapl-mmio:0/name": "package-0",
            "sys/class/powercap/intel-rapl-mmio:0/energy_uj": "1",
            "sys/class/powercap/intel-rapl/enabled": "1",
        },
    )
    assert meter(tmp_path).names == ("RAPL package-0",)


def test_a_counter_that_began_again_goes_on(tmp_path: Path) -> None:
    zones(tmp_path, z0=RANGE_UJ / 1e6 - 2.0)
    assert spent(tmp_path, z0=3.0) == pytest.approx(5.0)


@pytest.mark.parametrize("range_uj", ["0", "", "nonsense", None])
def test_a_counter_that_jumps_back_without_a_known_range_says_nothing(tmp_path: Path, range_uj: str | None) -> None:
    zones(tmp_path, z0=9.0)
    place = tmp_path / "sys/class/powercap/intel-rapl:0/max_energy_range_uj"
    if range_uj is None:
        place.unlink()
    else:
        place.write_text(range_uj)
    measured = meter(tmp_path)
    measured.begin()
    (tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj").write_text("3000000")
    assert measured.end(1.0) is None


def test_a_counter_that_was_reset_is_not_taken_for_one_that_began_again(tmp_path: Path) -> None:
    zones(tmp_path, z0=9000.0)
    assert spent(tmp_path, z0=3.0) is None


def test_an_interval_in_which_the_counter_may_have_begun_again_twice_is_not_known(tmp_path: Path) -> None:
    zones(tmp_path, z0=10.0)
    assert spent(tmp_path, seconds=90.0, z0=4000.0) == 3990.0
    assert spent(tmp_path, seconds=100.0, z0=8000.0) is None


@pytest.mark.parametrize("text", ["", "\n", "abc", "-5", "1.5", "１２", "9" * 5000, "1 2"])
def test_nonsense_is_no_reading(tmp_path: Path, text: str) -> None:
    zones(tmp_path, z0=1.0)
    measured = meter(tmp_path)
    place = tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj"
    place.write_text(text)
    measured.begin()
    place.write_text("1000000")
    assert measured.end(1.0) is None


def test_one_of_two_packages_is_no_sum(tmp_path: Path) -> None:
    zones(tmp_path, z0=1.0, z1=1.0)
    measured = meter(tmp_path)
    measured.begin()
    (tmp_path / "sys/class/powercap/intel-rapl:1/energy_uj").unlink()
    assert measured.end(1.0) is None
    measured.begin()
    zones(tmp_path, z0=1.0, z1=1.0)
    assert measured.end(1.0) is None, "it was away when the interval began"
    measured.begin()
    zones(tmp_path, z0=2.0, z1=3.0)
    assert measured.end(1.0) == 3.0, "it is back"


def test_where_a_zone_cannot_be_read_none_is_used(tmp_path: Path) -> None:
    zones(tmp_path, z0=1.0, z1=1.0)
    hide(tmp_path, "1")
    assert energy.find_rapl_counters(tmp_path) == []


def hide(root: Path, *packages: str) -> None:
    """As for a user who may not read it: a folder can be opened, and not read, by anybody."""
    for package in packages:
        place = root / f"sys/class/powercap/intel-rapl:{package}/energy_uj"
        place.unlink()
        place.mkdir()


def test_a_machine_without_powercap_has_no_counter_and_loses_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: pytest.fail("there is nothing to wait for"))
    assert energy.find_rapl_counters(tmp_path) == []
    assert energy.measure_idle_power(tmp_path) == {}


def test_a_meter_without_counters_says_nothing() -> None:
    measured = energy.EnergyMeter()
    measured.begin()
    assert (measured.end(1.0), measured.names) == (None, ())


# ---------------------------------------------------------------------------------- idle power


def test_idle_power_is_a_rate_by_counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zones(tmp_path, z0=10.0, z1=10.0)
    clock = iter((100.0, 104.0))
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(time, "sleep", lambda _seconds: zones(tmp_path, z0=30.0, z1=10.0))
    assert energy.measure_idle_power(tmp_path) == {"RAPL package-0": 5.0, "RAPL package-1": 0.0}


def test_a_counter_that_vanishes_has_no_idle_power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zones(tmp_path, z0=10.0, z1=10.0)
    monkeypatch.setattr(time, "sleep", lambda _seconds: hide(tmp_path, "1"))
    assert energy.measure_idle_power(tmp_path) == {"RAPL package-0": 0.0}


# ---------------------------------------------------------------------------------------- NVML


def gpu_meter(nvml: Any, handle: int = 0) -> energy.EnergyMeter:
    counter = energy.find_gpu_counter(nvml, handle)
    return energy.EnergyMeter([counter] if counter else [])


def test_a_gpus_millijoules() -> None:
    measured = gpu_meter(Nvml(energy_mj=[5, 1000, 251_500]), handle=2)
    measured.begin()
    assert (measured.names, measured.end(1.0)) == (("NVML GPU 2",), 250.5)


def test_a_gpu_before_volta_has_no_counter() -> None:
    assert gpu_meter(Nvml()).names == ()


def test_a_module_without_the_call_has_no_counter() -> None:
    assert gpu_meter(object()).names == ()


@pytest.mark.parametrize("last", [[], [400]], ids=["the driver refuses", "the driver was loaded again"])
def test_a_driver_that_stops_counting_says_nothing(last: list[int]) -> None:
    measured = gpu_meter(Nvml(energy_mj=[5, 1000, *last]))
    measured.begin()
    assert measured.end(1.0) is None


def test_every_gpus_idle_power_is_measured_and_the_driver_let_go() -> None:
    nvml = Nvml(gpus=2, energy_mj=[1000] * 6)
    found = energy.measure_idle_power(Path("/nowhere"), nvml)
    assert found == {"NVML GPU 0": 0.0, "NVML GPU 1": 0.0}
    assert not nvml.is_open


# -------------------------------------------------------------------------------- what is said


def test_counters_are_named(tmp_path: Path) -> None:
    zones(tmp_path, z0=1.0)
    found = energy.describe_counters(tmp_path, Nvml(gpus=1, energy_mj=[1]))
    assert found == "Energy is counted: RAPL package-0 + NVML GPU 0."


def test_a_user_who_may_not_read_rapl_is_told_what_to_do(tmp_path: Path) -> None:
    zones(tmp_path, z0=1.0)
    hide(tmp_path, "0")
    assert energy.describe_counters(tmp_path) == (
        "RAPL counts the processor's energy, but this user may not read it: "
        "`sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj` allows it until the next boot."
    )
    beside = energy.describe_counters(tmp_path, Nvml(gpus=1, energy_mj=[1]))
    assert beside.startswith("Energy is counted: NVML GPU 0. RAPL counts the processor's energy, but")


@pytest.mark.parametrize("nvml", [None, Nvml(broken=True), Nvml(gpus=0)], ids=["no module", "no driver", "no GPU"])
def test_a_machine_without_counters_says_so(nvml: Nvml | None, tmp_path: Path) -> None:
    assert energy.describe_counters(tmp_path, nvml).startswith("Energy is not counted: neither RAPL")


def test_the_slowest_counter_sets_the_steps() -> None:
    assert energy.find_update_s(("RAPL package-0",)) == 0.001
    assert energy.find_update_s(("RAPL package-0", "NVML GPU 0")) == 0.1
    assert energy.find_update_s(("a later aebench's",)) == 0.1
