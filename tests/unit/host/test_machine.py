"""What `aebench machine` prints."""

import io
from dataclasses import replace

import pytest
import scripted
from rich.console import Console

from bench.host import energy, machine, quietness
from bench.host.fingerprint import make_environment_id, make_machine_id
from bench.plan import forecast
from bench.plan.forecast import Machine


def test_both_identities_and_the_figures_of_the_kernels_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    fingerprint = scripted.fingerprint()
    monkeypatch.setattr(machine, "take_fingerprint", lambda **_: fingerprint)
    monkeypatch.setattr(quietness, "survey", lambda **_: ((scripted.KERNEL_RATES,), (scripted.QUIET,)))
    monkeypatch.setattr(energy, "describe_counters", lambda: "Energy is counted: `chmod a+r` [b].")
    console = Console(file=io.StringIO(), width=100)
    machine.show_machine(threads=2, console=console)
    assert isinstance(console.file, io.StringIO)
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    assert ["machine_id", make_machine_id(fingerprint)] in lines
    assert ["environment_id", make_environment_id(fingerprint)] in lines
    assert ["triad", "through", "memory", "20", "18", "18", "GB/s"] in lines
    assert lines[-1] == ["Energy", "is", "counted:", "`chmod", "a+r`", "[b]."]


def test_kernels_are_measured_where_no_report_is_of_such_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "measure_reference", lambda: scripted.KERNEL_RATES)
    here = scripted.fingerprint()
    assert machine.measure_machine(here) == Machine(here.cpu_model, here.cpu_limit, 90.0, 20.0)
    like = replace(
        forecast.read_measured()[0], cpu_model=here.cpu_model or "", cores=here.cpu_limit, gflop_per_s=7.0, gb_per_s=3.0
    )
    monkeypatch.setattr(forecast, "read_measured", lambda: (like,))
    assert machine.measure_machine(here) == Machine(here.cpu_model, here.cpu_limit, 7.0, 3.0)
