"""What `aebench machine` prints."""

import io

import pytest
import scripted
from rich.console import Console

from bench.host import energy, machine, quietness
from bench.host.fingerprint import make_environment_id, make_machine_id
from bench.host.reference_kernels import KernelRates

REFERENCE = KernelRates(threads=2, gflop_per_s=90.0, gflop_per_s_median=80.0, gb_per_s=20.0, gb_per_s_median=18.0)


def test_both_identities_and_the_figures_of_the_kernels_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    fingerprint = scripted.fingerprint()
    monkeypatch.setattr(machine, "take_fingerprint", lambda **_: fingerprint)
    monkeypatch.setattr(quietness, "survey", lambda **_: ((REFERENCE,), (scripted.QUIET,)))
    monkeypatch.setattr(energy, "describe_counters", lambda: "Energy is counted: `chmod a+r` [b].")
    console = Console(file=io.StringIO(), width=100)
    machine.show_machine(threads=2, console=console)
    assert isinstance(console.file, io.StringIO)
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    assert ["machine_id", make_machine_id(fingerprint)] in lines
    assert ["environment_id", make_environment_id(fingerprint)] in lines
    assert ["triad", "through", "memory", "20", "18", "18", "GB/s"] in lines
    assert lines[-1] == ["Energy", "is", "counted:", "`chmod", "a+r`", "[b]."]
